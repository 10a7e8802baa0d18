//! What went wrong, out of reqwest's error and what is behind it.

use std::error::Error;
use std::io::ErrorKind;

use crate::failure::Failure;

impl Failure {
    /// The most telling name that reqwest's error lets one find: the cause, if it is known, before the step that
    /// failed.
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::Timeout
        } else if error.is_dns() {
            Self::Dns
        } else if let Some(failure) = causes(error).find_map(Self::of_cause) {
            failure
        } else if error.is_connect() {
            Self::Connect
        } else if error.is_redirect() {
            Self::Redirect
        } else if error.is_builder() {
            Self::InvalidRequest
        } else if error.is_body() {
            Self::RequestBody
        } else {
            Self::Other
        }
    }

    /// The same for an error that came when the response's head was there.
    pub(crate) fn of_body(error: &reqwest::Error) -> Self {
        match Self::of(error) {
            // To reqwest a body is a body, and hyper's word for a wrong chunk is rustls' for a wrong record.
            Self::RequestBody | Self::Tls | Self::Other => {
                let is_invalid = causes(error)
                    .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
                    .any(|error| {
                        matches!(
                            error.kind(),
                            ErrorKind::InvalidInput | ErrorKind::InvalidData
                        )
                    });
                if is_invalid {
                    Self::InvalidResponse
                } else {
                    Self::ResponseBody
                }
            }
            failure => failure,
        }
    }

    fn of_cause(cause: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(error) = cause.downcast_ref::<hyper::Error>() {
            return Self::of_hyper(error);
        }
        match cause.downcast_ref::<std::io::Error>()?.kind() {
            ErrorKind::BrokenPipe => Some(Self::BrokenPipe),
            ErrorKind::ConnectionAborted => Some(Self::ConnectionAborted),
            ErrorKind::ConnectionRefused => Some(Self::ConnectionRefused),
            ErrorKind::ConnectionReset => Some(Self::ConnectionReset),
            ErrorKind::HostUnreachable => Some(Self::HostUnreachable),
            ErrorKind::NetworkUnreachable => Some(Self::NetworkUnreachable),
            // What rustls does not accept, be it a certificate or no TLS at all.
            ErrorKind::InvalidData => Some(Self::Tls),
            ErrorKind::UnexpectedEof => Some(Self::IncompleteResponse),
            _ => None,
        }
    }

    fn of_hyper(error: &hyper::Error) -> Option<Self> {
        if error.is_incomplete_message() {
            Some(Self::IncompleteResponse)
        } else if error.is_parse() {
            Some(Self::InvalidResponse)
        } else if error.is_user() {
            Some(Self::RequestBody)
        } else {
            None
        }
    }
}

/// The root cause in its own words. reqwest's own would name the URL, which may hold secrets.
pub(crate) fn root_cause(error: &reqwest::Error) -> String {
    match causes(error).last() {
        Some(cause) => cause.to_string(),
        // An error without a cause is all there is to say; its kind is enough without its URL.
        None => Failure::of(error).label().to_owned(),
    }
}

/// What is behind the error, outermost first. An `io::Error` hides the error that it wraps: its `source` is the
/// one after.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| {
        let wrapped = cause
            .downcast_ref::<std::io::Error>()
            .and_then(|error| error.get_ref());
        match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => cause.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io;

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
