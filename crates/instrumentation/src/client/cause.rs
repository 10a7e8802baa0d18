//! `error.type` and description of an error of reqwest, from the error and its causes.

use std::error::Error;
use std::io::{self, ErrorKind};

use crate::failure::Failure;

impl Failure {
    /// The most specific name for the error: that of its cause if there is one, otherwise that of the step that failed.
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::TIMEOUT
        } else if error.is_dns() {
            Self::DNS
        } else if let Some(failure) = causes(error).find_map(Self::of_cause) {
            failure
        } else if error.is_connect() {
            Self::CONNECT
        } else if error.is_redirect() {
            Self::REDIRECT
        } else if error.is_builder() {
            Self::INVALID_REQUEST
        } else if error.is_body() {
            Self::REQUEST_BODY
        } else {
            Self::OTHER
        }
    }

    /// The same for an error after the head of the response.
    pub(crate) fn of_body(error: &reqwest::Error) -> Self {
        let failure = Self::of(error);
        // reqwest does not say whose body failed, and hyper reports a wrong chunk as rustls reports a wrong record.
        if ![Self::REQUEST_BODY, Self::TLS, Self::OTHER].contains(&failure) {
            return failure;
        }
        let mut kinds = causes(error)
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .map(io::Error::kind);
        if kinds.any(|kind| matches!(kind, ErrorKind::InvalidInput | ErrorKind::InvalidData)) {
            Self::INVALID_RESPONSE
        } else {
            Self::RESPONSE_BODY
        }
    }

    fn of_cause(cause: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(error) = cause.downcast_ref::<hyper::Error>() {
            return Self::of_hyper(error);
        }
        match cause.downcast_ref::<io::Error>()?.kind() {
            ErrorKind::BrokenPipe => Some(Self::BROKEN_PIPE),
            ErrorKind::ConnectionAborted => Some(Self::CONNECTION_ABORTED),
            ErrorKind::ConnectionRefused => Some(Self::CONNECTION_REFUSED),
            ErrorKind::ConnectionReset => Some(Self::CONNECTION_RESET),
            ErrorKind::HostUnreachable => Some(Self::HOST_UNREACHABLE),
            ErrorKind::NetworkUnreachable => Some(Self::NETWORK_UNREACHABLE),
            // From rustls: a certificate that it rejects, or bytes that are not TLS.
            ErrorKind::InvalidData => Some(Self::TLS),
            ErrorKind::UnexpectedEof => Some(Self::INCOMPLETE_RESPONSE),
            _ => None,
        }
    }

    fn of_hyper(error: &hyper::Error) -> Option<Self> {
        if error.is_incomplete_message() {
            Some(Self::INCOMPLETE_RESPONSE)
        } else if error.is_parse() {
            Some(Self::INVALID_RESPONSE)
        } else if error.is_user() {
            Some(Self::REQUEST_BODY)
        } else {
            None
        }
    }
}

/// The text of the root cause. The text of reqwest's own error names the URL, which may hold secrets.
pub(crate) fn root_cause(error: &reqwest::Error) -> String {
    match causes(error).last() {
        Some(cause) => cause.to_string(),
        None => Failure::of(error).label().to_owned(),
    }
}

/// The causes of the error, outermost first. `source` of an `io::Error` skips the error that it wraps, so that one is
/// taken out by hand.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| {
        let wrapped = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => cause.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_of_the_system_is_named_by_its_kind() {
        for (kind, label) in [
            (ErrorKind::BrokenPipe, Some("broken_pipe")),
            (ErrorKind::ConnectionAborted, Some("connection_aborted")),
            (ErrorKind::ConnectionRefused, Some("connection_refused")),
            (ErrorKind::ConnectionReset, Some("connection_reset")),
            (ErrorKind::HostUnreachable, Some("host_unreachable")),
            (ErrorKind::InvalidData, Some("tls")),
            (ErrorKind::NetworkUnreachable, Some("network_unreachable")),
            (ErrorKind::UnexpectedEof, Some("incomplete_response")),
            (ErrorKind::Other, None),
            (ErrorKind::PermissionDenied, None),
        ] {
            let error = io::Error::from(kind);
            assert_eq!(
                Failure::of_cause(&error).map(Failure::label),
                label,
                "{kind}"
            );
        }
    }
}
