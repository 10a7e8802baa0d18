//! `OTEL_SPAN_*_LIMIT`, `OTEL_ATTRIBUTE_*_LIMIT`, `OTEL_EVENT_…`, `OTEL_LINK_…`: how much one span may hold.

use crate::reader::Reader;

/// What the specification allows a span to hold when nothing is set.
const COUNT: u32 = 128;

/// How much one span may hold; what is beyond is dropped and counted in the span.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Attributes of the span.
    pub attributes: u32,
    /// Events of the span.
    pub events: u32,
    /// Links of the span.
    pub links: u32,
    /// Attributes of each event.
    pub attributes_per_event: u32,
    /// Attributes of each link.
    pub attributes_per_link: u32,
    /// Longest string value, in characters, of any attribute of spans, events and links.
    pub value_length: Option<usize>,
}

impl Limits {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        let any_count = reader.number("OTEL_ATTRIBUTE_COUNT_LIMIT", 0, COUNT);
        let any_length = reader.optional_number("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", 0, "no limit");
        let instead = any_length.map_or_else(|| "no limit".to_owned(), |length| length.to_string());
        let own_length =
            reader.optional_number("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", 0, &instead);
        let mut count = |name: &str, default: u32| reader.number(name, 0, default);
        Self {
            attributes: count("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", any_count),
            events: count("OTEL_SPAN_EVENT_COUNT_LIMIT", COUNT),
            links: count("OTEL_SPAN_LINK_COUNT_LIMIT", COUNT),
            attributes_per_event: count("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", any_count),
            attributes_per_link: count("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", any_count),
            value_length: own_length.or(any_length).map(|length| length as usize),
        }
    }
}
