//! The most that any of some spans reaches.

use crate::record::Record;

/// The longest duration, and whether there is an error: what no span of several can exceed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peak(u64);

const ERROR: u64 = 1 << 63;

impl Peak {
    /// Of one with this duration, in nanoseconds. 292 years and more are the same.
    pub(crate) fn new(duration: u64, is_error: bool) -> Self {
        Self(duration.min(!ERROR) | if is_error { ERROR } else { 0 })
    }

    /// Of one.
    pub(crate) fn of(record: &Record) -> Self {
        Self::new(record.duration(), record.is_error())
    }

    /// Of both together.
    pub(crate) fn join(self, other: Self) -> Self {
        Self((self.0 & !ERROR).max(other.0 & !ERROR) | (self.0 | other.0) & ERROR)
    }

    /// Whether one of them may be as long as `other`, and one an error if `other` is.
    pub(crate) fn reaches(self, other: Self) -> bool {
        self.join(other) == self
    }
}
