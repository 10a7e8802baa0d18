//! `tracer_provider.limits`: `OTEL_SPAN_*_LIMIT`, `OTEL_ATTRIBUTE_*_LIMIT`, `OTEL_EVENT_…`, `OTEL_LINK_…`: how much one span may hold.

use crate::reader::Reader;

/// The default of the specification.
const COUNT: u32 = 128;

/// How much one span may hold. What exceeds a limit is dropped and counted in the span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanLimits {
    /// Attributes of the span.
    pub attribute_count_limit: u32,
    /// Events of the span.
    pub event_count_limit: u32,
    /// Links of the span.
    pub link_count_limit: u32,
    /// Attributes of each event.
    pub event_attribute_count_limit: u32,
    /// Attributes of each link.
    pub link_attribute_count_limit: u32,
    /// The longest string value, in characters, of an attribute of spans, events and links.
    pub attribute_value_length_limit: Option<usize>,
}

impl SpanLimits {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        let any_count = reader.number("OTEL_ATTRIBUTE_COUNT_LIMIT", 0, COUNT);
        let any_length = reader.optional_number("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", 0, "no limit");
        let instead = any_length.map_or_else(|| "no limit".to_owned(), |length| length.to_string());
        let own_length =
            reader.optional_number("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", 0, &instead);
        let mut count = |name: &str, default: u32| reader.number(name, 0, default);
        Self {
            attribute_count_limit: count("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", any_count),
            event_count_limit: count("OTEL_SPAN_EVENT_COUNT_LIMIT", COUNT),
            link_count_limit: count("OTEL_SPAN_LINK_COUNT_LIMIT", COUNT),
            event_attribute_count_limit: count("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", any_count),
            link_attribute_count_limit: count("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", any_count),
            attribute_value_length_limit: own_length.or(any_length).map(|length| length as usize),
        }
    }
}
