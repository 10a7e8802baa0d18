//! The result of one attempt to send a request, and why it failed.

use std::borrow::Cow;
use std::time::Duration;

/// The result of one request.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// The receiver has taken it, except for the failure if there is one.
    Taken(Option<Failure>),
    /// The receiver refuses it; a retry would fail too.
    Refused(Failure),
    /// The receiver may take it later, after the pause that it asks for.
    Passing(Failure, Option<Duration>),
    /// There is no connection.
    Away(Failure),
}

/// Why an export failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// `error.type`: a status code or one of a few words.
    pub(crate) kind: Cow<'static, str>,
    /// The message.
    pub(crate) words: String,
    /// What of the request it concerns.
    pub(crate) extent: Extent,
}

/// What of a request has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    All,
    /// All of it, for its length: the receiver may take shorter ones.
    TooLong,
    /// All of it, as far as we know: it was sent, but there was no answer. It may have arrived.
    Unanswered,
    /// So many items. None of them: the receiver took everything and added a message.
    Items(u64),
}

impl Failure {
    /// For an exporter that only says that it failed.
    pub(crate) fn unknown(error: &dyn std::error::Error) -> Self {
        Self {
            kind: Cow::Borrowed("_OTHER"),
            words: error.to_string(),
            extent: Extent::All,
        }
    }
}
