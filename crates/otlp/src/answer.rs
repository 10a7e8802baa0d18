//! What a receiver says: of a request that it takes, and of one that it does not.

use std::borrow::Cow;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use tonic_types::Status;

use crate::attempt::{Extent, Failure};
use crate::destination::Destination;

/// How much of a receiver's own words is repeated, in characters.
const LONGEST_MESSAGE: usize = 200;

/// What the answer to a request that succeeded says: of items that were rejected all the same, or a warning.
pub(crate) fn rejected(destination: &Destination, body: &[u8]) -> Option<Failure> {
    // The three signals' answers are the same on the wire but for the names.
    let answer = ExportTraceServiceResponse::decode(body).ok()?;
    let partial = answer.partial_success?;
    let items = u64::try_from(partial.rejected_spans).unwrap_or(0);
    let message = shortened(destination, &partial.error_message);
    let address = destination.address();
    let words = match items {
        0 if message.is_empty() => return None,
        // "Servers MAY also use the partial_success field to convey warnings/suggestions to clients even when the
        // server fully accepts the request": OTLP specification, *Partial Success*.
        0 => format!("{address} warns: {message:?}"),
        _ => format!("{address} rejected some: {message:?}"),
    };
    Some(Failure {
        kind: Cow::Borrowed("rejected"),
        words,
        extent: Extent::Items(items),
    })
}

/// Words for an answer over HTTP that is not a success, and for what its body says.
pub(crate) fn http_failure(
    destination: &Destination,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Failure {
    let message = message(headers, body).unwrap_or_default();
    Failure {
        kind: Cow::Owned(status.as_u16().to_string()),
        words: answered(destination, &status, &message),
        extent: match status {
            StatusCode::PAYLOAD_TOO_LARGE => Extent::TooLong,
            _ => Extent::All,
        },
    }
}

/// Words for a gRPC status that is not `OK`.
pub(crate) fn grpc_failure(destination: &Destination, status: &tonic::Status) -> Failure {
    let code = grpc_code(status.code());
    Failure {
        words: answered(destination, &code, status.message()),
        kind: Cow::Owned(code),
        extent: Extent::All,
    }
}

fn answered(destination: &Destination, status: &dyn std::fmt::Display, message: &str) -> String {
    let address = destination.address();
    match shortened(destination, message).as_str() {
        "" => format!("{address} answered {status}"),
        message => format!("{address} answered {status}: {message:?}"),
    }
}

/// A receiver's own words: the message of the `google.rpc.Status` that OTLP has it send, in protobuf or JSON, or the text
/// that a proxy sends instead. None if it says nothing that can be read.
fn message(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let content_type = headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    if content_type.is_some_and(|kind| kind.starts_with(b"application/x-protobuf")) {
        return Some(Status::decode(body).ok()?.message);
    }
    let text = std::str::from_utf8(body).ok()?;
    let of_json = serde_json::from_str::<serde_json::Value>(text).ok();
    let of_json = of_json.and_then(|json| {
        let member = ["message", "error"]
            .into_iter()
            .find_map(|name| json.get(name)?.as_str());
        member.map(str::to_owned)
    });
    Some(of_json.unwrap_or_else(|| text.trim().to_owned()))
}

/// The beginning of a receiver's own words, without the keys that it was sent.
fn shortened(destination: &Destination, words: &str) -> String {
    let words = destination.without_secrets(words);
    words.chars().take(LONGEST_MESSAGE).collect()
}

/// The conventions' word for a gRPC status code, `DEADLINE_EXCEEDED`, from Rust's, `DeadlineExceeded`.
fn grpc_code(code: tonic::Code) -> String {
    let mut words = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.push(letter.to_ascii_uppercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::grpc_code;

    #[test]
    fn grpc_status_codes_have_the_names_of_the_conventions() {
        for (code, conventions) in [
            (Code::Unavailable, "UNAVAILABLE"),
            (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
            (Code::ResourceExhausted, "RESOURCE_EXHAUSTED"),
            (Code::InvalidArgument, "INVALID_ARGUMENT"),
        ] {
            assert_eq!(grpc_code(code), conventions);
        }
    }
}
