//! `OTEL_PROPAGATORS`: which headers carry the context between services.

use crate::reader::Reader;

/// A pair of headers, or one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagator {
    /// `traceparent` and `tracestate`.
    TraceContext,
    /// `baggage`.
    Baggage,
}

pub(crate) fn read(reader: &mut Reader<'_>) -> Vec<Propagator> {
    reader
        .list(
            "OTEL_PROPAGATORS",
            "tracecontext, baggage or none",
            "tracecontext,baggage",
            |word| match word {
                "tracecontext" => Some(Some(Propagator::TraceContext)),
                "baggage" => Some(Some(Propagator::Baggage)),
                "none" => Some(None),
                _ => None,
            },
        )
        .map_or_else(
            || vec![Propagator::TraceContext, Propagator::Baggage],
            |list| list.into_iter().flatten().collect(),
        )
}
