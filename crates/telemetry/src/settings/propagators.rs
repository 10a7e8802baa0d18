//! `OTEL_PROPAGATORS`: which headers carry the context between services.

use super::reader::Reader;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagator {
    TraceContext,
    Baggage,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Vec<Propagator> {
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
