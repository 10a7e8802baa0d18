//! What a request came to, and how that is answered in the request's encoding: OTLP/HTTP, "Response".

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;
use serde_json::json;

use crate::receive::body::PACKINGS;

/// How a request is written, and so its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    /// From `Content-Type`; parameters such as `charset` do not matter.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/x-protobuf") {
            Some(Self::Protobuf)
        } else if essence.eq_ignore_ascii_case("application/json") {
            Some(Self::Json)
        } else {
            None
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        })
    }

    fn answer(
        self,
        status: StatusCode,
        protobuf: &impl Message,
        json: &serde_json::Value,
    ) -> Response {
        let body = match self {
            Self::Protobuf => Body::from(protobuf.encode_to_vec()),
            Self::Json => Body::from(json.to_string()),
        };
        (status, [(header::CONTENT_TYPE, self.content_type())], body).into_response()
    }
}

/// A request that was taken, but perhaps not all of it.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Spans taken.
    pub(crate) spans: usize,
    /// Log records taken.
    pub(crate) logs: usize,
    /// Metric points taken.
    pub(crate) points: usize,
    /// Items not taken.
    pub(crate) rejected: usize,
    /// Why not.
    pub(crate) reason: String,
}

impl Kept {
    /// The answer; `rejected` is what JSON calls the number of items not taken.
    pub(crate) fn answer(self, encoding: Encoding, rejected: &str) -> Response {
        // `opentelemetry-proto` would write `null` for what is to be left out, and a number for a 64-bit one.
        let json = match self.rejected {
            0 => json!({}),
            count => {
                json!({ "partialSuccess": { rejected: count.to_string(), "errorMessage": self.reason } })
            }
        };
        encoding.answer(StatusCode::OK, &self.into_message(), &json)
    }

    /// The answer as a message, the same on the wire for all signals.
    pub(crate) fn into_message(self) -> ExportTraceServiceResponse {
        let partial_success = (self.rejected > 0).then(|| ExportTracePartialSuccess {
            rejected_spans: i64::try_from(self.rejected).unwrap_or(i64::MAX),
            error_message: self.reason,
        });
        ExportTraceServiceResponse { partial_success }
    }
}

/// A reason without what makes it longer than anybody reads: it may quote what was sent.
pub(crate) fn shortened(reason: &str) -> String {
    match reason.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason.to_owned(),
    }
}

/// In characters.
const LONGEST_REASON: usize = 300;

/// Why a request as a whole is not taken.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// A `google.rpc.Status`. In JSON if the request's encoding is neither: a person reads that.
    pub(crate) fn answer(self, encoding: Option<Encoding>) -> Response {
        let status = Status {
            code: self.code(),
            message: self.message,
        };
        let json = json!({ "code": status.code, "message": status.message });
        let mut response = encoding
            .unwrap_or(Encoding::Json)
            .answer(self.status, &status, &json);
        let headers = response.headers_mut();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            let packings = HeaderValue::from_static(PACKINGS);
            headers.insert(header::ACCEPT_ENCODING, packings);
        }
        response
    }

    /// The code of `google.rpc.Code` that belongs to the HTTP status.
    pub(crate) fn code(&self) -> i32 {
        match self.status {
            StatusCode::BAD_REQUEST | StatusCode::UNSUPPORTED_MEDIA_TYPE => 3, // INVALID_ARGUMENT
            StatusCode::REQUEST_TIMEOUT => 4,                                  // DEADLINE_EXCEEDED
            StatusCode::FORBIDDEN => 7,                                        // PERMISSION_DENIED
            StatusCode::PAYLOAD_TOO_LARGE => 8,                                // RESOURCE_EXHAUSTED
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => 12,      // UNIMPLEMENTED
            StatusCode::SERVICE_UNAVAILABLE => 14,                             // UNAVAILABLE
            _ => 13,                                                           // INTERNAL
        }
    }
}

/// `google.rpc.Status` without details.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_to_come_again_is_told_when() {
        let headers = |status| {
            Failure::new(status, "because")
                .answer(None)
                .headers()
                .clone()
        };
        assert_eq!(
            headers(StatusCode::SERVICE_UNAVAILABLE)[header::RETRY_AFTER],
            "1"
        );
        assert!(!headers(StatusCode::BAD_REQUEST).contains_key(header::RETRY_AFTER));
    }
}
