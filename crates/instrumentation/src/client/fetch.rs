//! The whole response, and why there is none.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use reqwest::Response;

/// Why [`RequestBuilder::fetch`](super::RequestBuilder::fetch) and [`Client::fetch`](super::Client::fetch) return no
/// response.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// There is no response, not even its head: reqwest could not build the request, could not send it, or got no answer.
    Request(reqwest::Error),
    /// The head of the response arrived, but the body broke off or was late.
    Body(reqwest::Error),
    /// The body is longer than the caller's limit.
    TooLong,
}

impl FetchError {
    /// Whether a time limit expired.
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Request(error) | Self::Body(error) => error.is_timeout(),
            Self::TooLong => false,
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request(_) => "no response",
            Self::Body(_) => "the response's body broke off",
            Self::TooLong => "the response's body is too long",
        })
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Request(error) | Self::Body(error) => Some(error),
            Self::TooLong => None,
        }
    }
}

/// Reads the body to its end, after which its connection can serve the next request.
pub(super) async fn read(
    mut response: Response,
    limit: usize,
) -> Result<http::Response<Bytes>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(FetchError::Body)? {
        if chunk.len() > limit - body.len() {
            return Err(FetchError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(http::Response::from(response).map(|_| body.into()))
}
