//! HTTP headers as the carrier of a propagator.
//!
//! The propagator alone decides which headers it reads and writes. Without these two adapters the API's propagators
//! could not use axum's and reqwest's headers, and no trace would cross from one service to another.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector};

/// The W3C headers. Their names need not be parsed or hashed at each request.
static W3C: [HeaderName; 3] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
];

/// The place of a name in [`W3C`]. To search there would take 250 instructions a request more.
fn place(name: &str) -> Option<usize> {
    match name {
        "traceparent" => Some(0),
        "tracestate" => Some(1),
        "baggage" => Some(2),
        _ => None,
    }
}

/// Reads the headers of an incoming request.
pub(crate) struct Received<'a> {
    headers: &'a HeaderMap,
    w3c: [Lines<'a>; 3],
}

/// What a request has of a header.
#[derive(Clone, Copy)]
enum Lines<'a> {
    None,
    One(&'a HeaderValue),
    Several,
}

impl<'a> Received<'a> {
    /// Finds the W3C headers in one pass over all headers.
    pub(crate) fn new(headers: &'a HeaderMap) -> Self {
        let mut w3c = [Lines::None; 3];
        for (name, line) in headers {
            if let Some(place) = place(name.as_str()) {
                w3c[place] = match w3c[place] {
                    Lines::None => Lines::One(line),
                    _ => Lines::Several,
                };
            }
        }
        Self { headers, w3c }
    }
}

impl Extractor for Received<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let line = match place(key).map(|place| self.w3c[place]) {
            Some(Lines::None) => None,
            Some(Lines::One(line)) => Some(line),
            Some(Lines::Several) | None => self.headers.get(key),
        };
        text(line?)
    }

    fn keys(&self) -> Vec<&str> {
        self.headers.keys().map(HeaderName::as_str).collect()
    }

    /// All lines of the header, in order. `None` if one of them is not text, since the list would then have a hole.
    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        match place(key).map(|place| self.w3c[place]) {
            Some(Lines::None) => None,
            Some(Lines::One(line)) => Some(vec![text(line)?]),
            Some(Lines::Several) | None => {
                let lines = self.headers.get_all(key).iter();
                let texts: Vec<_> = lines.map(text).collect::<Option<_>>()?;
                (!texts.is_empty()).then_some(texts)
            }
        }
    }
}

/// The propagator checks the grammar. `HeaderValue::to_str` would look at every byte for control characters before.
fn text(line: &HeaderValue) -> Option<&str> {
    str::from_utf8(line.as_bytes()).ok()
}

/// Writes the headers of an outgoing request.
pub(crate) struct Sent<'a>(pub(crate) &'a mut HeaderMap);

impl Injector for Sent<'_> {
    fn set(&mut self, key: &str, value: String) {
        let name = match place(key) {
            Some(place) => Ok(W3C[place].clone()),
            None => HeaderName::from_bytes(key.as_bytes()),
        };
        // The API has no way to report an error, and an invalid header cannot be sent.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static [u8])]) -> HeaderMap {
        let lines = lines.iter().map(|(name, value)| {
            let value = HeaderValue::from_bytes(value).unwrap();
            (HeaderName::from_static(name), value)
        });
        lines.collect()
    }

    #[test]
    fn every_line_of_a_header_is_found_in_order() {
        let headers = headers(&[("tracestate", b"a=1"), ("x", b"y"), ("tracestate", b"b=2")]);
        let received = Received::new(&headers);
        assert_eq!(received.get("tracestate"), Some("a=1"));
        assert_eq!(received.get_all("tracestate"), Some(vec!["a=1", "b=2"]));
        assert_eq!(received.get("traceparent"), None);
        assert_eq!(received.get_all("traceparent"), None);
        assert_eq!(received.keys(), ["tracestate", "x"]);
    }

    #[test]
    fn a_header_with_a_line_that_is_no_text_is_not_read() {
        let headers = headers(&[("baggage", b"a=1"), ("baggage", b"\xff")]);
        assert_eq!(Received::new(&headers).get_all("baggage"), None);
    }

    #[test]
    fn what_is_set_replaces_all_lines() {
        let mut headers = headers(&[("tracestate", b"a=1"), ("tracestate", b"b=2")]);
        Sent(&mut headers).set("tracestate", "c=3".to_owned());
        Sent(&mut headers).set("X-B3-Sampled", "1".to_owned());
        Sent(&mut headers).set("no header", "1".to_owned());
        Sent(&mut headers).set("x", "line\nbreak".to_owned());
        let sent = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let sent: Vec<_> = sent.collect();
        assert_eq!(sent, [("tracestate", &b"c=3"[..]), ("x-b3-sampled", b"1")]);
    }
}
