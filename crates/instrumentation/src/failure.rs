//! `error.type` of requests that ended without an answer, or whose answer was not sent in full.

/// Why a request failed. All the values there are: an attribute of metrics must not grow with what happens.
///
/// A status code that is an error is no failure in this sense; its `error.type` is the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    // Server.
    Cancelled,
    Panic,
    // Client.
    BrokenPipe,
    Connect,
    ConnectionAborted,
    ConnectionRefused,
    ConnectionReset,
    Dns,
    HostUnreachable,
    IncompleteResponse,
    InvalidRequest,
    InvalidResponse,
    NetworkUnreachable,
    Redirect,
    RequestBody,
    ResponseTooLong,
    Timeout,
    Tls,
    // Both.
    ResponseBody,
    Other,
}

impl Failure {
    /// `error.type`.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::BrokenPipe => "broken_pipe",
            Self::Connect => "connect",
            Self::ConnectionAborted => "connection_aborted",
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectionReset => "connection_reset",
            Self::Dns => "dns",
            Self::HostUnreachable => "host_unreachable",
            Self::IncompleteResponse => "incomplete_response",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidResponse => "invalid_response",
            Self::NetworkUnreachable => "network_unreachable",
            Self::Redirect => "redirect",
            Self::RequestBody => "request_body",
            Self::ResponseTooLong => "response_too_long",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Cancelled => "cancelled",
            Self::ResponseBody => "response_body",
            Self::Other => "_OTHER",
        }
    }
}
