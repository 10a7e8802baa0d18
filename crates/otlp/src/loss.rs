//! What was lost of one pipeline, and why.

use std::fmt;

use crate::Item;

/// Items of one pipeline that were lost for one reason. Displays as a sentence without its end:
/// `3 spans dropped, because the queue of 16384 was full`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// What was lost.
    pub item: Item,
    /// How many of them.
    pub count: u64,
    /// Why.
    pub reason: Reason,
}

/// Why items were lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The queue before the exporter had no room.
    QueueFull {
        /// How many items the queue holds.
        capacity: usize,
    },
    /// The queue before the exporter had room for more items, but not for their bytes.
    RoomFull {
        /// How many bytes the queue holds.
        bytes: usize,
    },
    /// The receiver did not take them, or could not be reached until the time limit.
    NotExported {
        /// What the exporter said last.
        last: Option<String>,
    },
    /// They were sent, but there was no answer: they may have arrived.
    Unconfirmed {
        /// What the exporter said last.
        last: Option<String>,
    },
    /// They were still queued or on their way when the time limit of the shutdown passed.
    NotFlushed {
        /// What the exporter said of the attempt before.
        last: Option<String>,
    },
    /// Spans that were still open at shutdown: a span is exported when it ends.
    NotEnded,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.item.counted(self.count))?;
        match &self.reason {
            Reason::QueueFull { capacity } => {
                write!(f, " dropped, because the queue of {capacity} was full")
            }
            Reason::RoomFull { bytes } => {
                write!(
                    f,
                    " dropped, because the queue's {} MiB were full",
                    bytes >> 20
                )
            }
            Reason::Unconfirmed { last } => {
                f.write_str(" not confirmed (may have arrived)")?;
                last.iter().try_for_each(|last| write!(f, ", last: {last}"))
            }
            Reason::NotExported { last } => {
                let last = last.as_deref().unwrap_or("for an unknown reason");
                write!(f, " not exported, last: {last}")
            }
            Reason::NotFlushed { last: None } => f.write_str(" not flushed in time"),
            Reason::NotFlushed { last: Some(last) } => {
                write!(f, " not flushed in time, last: {last}")
            }
            Reason::NotEnded => f.write_str(" had not ended"),
        }
    }
}
