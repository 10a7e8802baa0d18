//! `error.type` of requests without a response, or with a response that did not arrive in full.

/// Why a request failed: its `error.type`.
///
/// The constants are all the values there are. `error.type` labels metrics, so the number of its values must not grow
/// with what happens (conventions, *Error attributes*: "The `error.type` SHOULD be predictable, and SHOULD have low
/// cardinality"). Error status codes are not a `Failure`: their `error.type` is the code itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure(&'static str);

impl Failure {
    // Of a server.
    pub(crate) const CANCELLED: Self = Self("cancelled");
    pub(crate) const PANIC: Self = Self("panic");
    // Of a client.
    pub(crate) const BROKEN_PIPE: Self = Self("broken_pipe");
    pub(crate) const CONNECT: Self = Self("connect");
    pub(crate) const CONNECTION_ABORTED: Self = Self("connection_aborted");
    pub(crate) const CONNECTION_REFUSED: Self = Self("connection_refused");
    pub(crate) const CONNECTION_RESET: Self = Self("connection_reset");
    pub(crate) const DNS: Self = Self("dns");
    pub(crate) const HOST_UNREACHABLE: Self = Self("host_unreachable");
    pub(crate) const INCOMPLETE_RESPONSE: Self = Self("incomplete_response");
    pub(crate) const INVALID_REQUEST: Self = Self("invalid_request");
    pub(crate) const INVALID_RESPONSE: Self = Self("invalid_response");
    pub(crate) const NETWORK_UNREACHABLE: Self = Self("network_unreachable");
    pub(crate) const REDIRECT: Self = Self("redirect");
    pub(crate) const REQUEST_BODY: Self = Self("request_body");
    pub(crate) const RESPONSE_TOO_LONG: Self = Self("response_too_long");
    pub(crate) const TIMEOUT: Self = Self("timeout");
    pub(crate) const TLS: Self = Self("tls");
    // Of both.
    pub(crate) const RESPONSE_BODY: Self = Self("response_body");
    /// The conventions' value for an error that the instrumentation has no name for.
    pub(crate) const OTHER: Self = Self("_OTHER");

    /// The value of `error.type`.
    pub(crate) fn label(self) -> &'static str {
        self.0
    }
}
