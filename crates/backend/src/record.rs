//! A span as the store keeps it: what is searched by lies open, everything else is packed.

use std::sync::Arc;

use crate::{
    id::{SpanId, TraceId},
    packed::{Reader, Text, Writer},
    resource::Resource,
    size::allocation,
    span::{Event, Link, Span, SpanKind, Status, StatusCode},
    tables::{Origin, Tables},
};

pub(crate) struct Record {
    pub(crate) span_id: SpanId,
    pub(crate) start_unix_nanos: u64,
    pub(crate) end_unix_nanos: u64,
    pub(crate) name: u32,    // a string
    pub(crate) service: u32, // another
    pub(crate) resource: u32,
    pub(crate) kind: SpanKind,
    pub(crate) status: StatusCode,
    packed: Box<[u8]>,
}

/// Something packed that can be looked for.
pub(crate) enum Part<'a> {
    /// What the status says.
    Message(Text<'a>),
    /// The scope's number.
    Scope(u32),
    /// Key and value of an attribute of the span or of an event.
    Attribute(Text<'a>, Reader<'a>),
    /// The name of an event.
    Event(Text<'a>),
    /// The header that came along with the trace's id.
    TraceState(Text<'a>),
}

impl Record {
    /// Packs `span`; `scratch` is any buffer. Its texts, and its origin, have one user more.
    pub(crate) fn new(
        span: &Span,
        origin: Origin,
        tables: &mut Tables,
        scratch: &mut Vec<u8>,
    ) -> Self {
        let name = tables.string(&span.name);
        let mut writer = Writer {
            bytes: std::mem::take(scratch),
            strings: &mut tables.strings,
        };
        writer.bytes.clear();
        writer.number(u64::from(origin.scope));
        writer.text(&span.status.message);
        writer.attributes(&span.attributes);
        writer.number(span.events.len() as u64);
        for event in &span.events {
            writer.text(&event.name);
            writer.attributes(&event.attributes);
            writer.signed(event.unix_nanos.wrapping_sub(span.start_unix_nanos) as i64);
            writer.number(event.dropped_attributes_count.into());
        }
        match span.parent_span_id {
            None => writer.byte(0),
            Some(parent) => {
                writer.byte(1);
                writer.raw(&parent.to_bytes());
            }
        }
        writer.text(&span.trace_state);
        writer.number(span.flags.into());
        writer.number(span.dropped_attributes_count.into());
        writer.number(span.dropped_events_count.into());
        writer.number(span.dropped_links_count.into());
        writer.number(span.links.len() as u64);
        for link in &span.links {
            writer.raw(&link.trace_id.to_bytes());
            writer.raw(&link.span_id.to_bytes());
            writer.text(&link.trace_state);
            writer.number(link.flags.into());
            writer.attributes(&link.attributes);
            writer.number(link.dropped_attributes_count.into());
        }
        *scratch = writer.bytes;
        Self {
            span_id: span.span_id,
            start_unix_nanos: span.start_unix_nanos,
            end_unix_nanos: span.end_unix_nanos,
            name,
            service: origin.service,
            resource: origin.resource,
            kind: span.kind,
            status: span.status.code,
            packed: scratch.as_slice().into(),
        }
    }

    /// As [`Span::duration`], in nanoseconds.
    pub(crate) fn duration(&self) -> u64 {
        self.end_unix_nanos.saturating_sub(self.start_unix_nanos)
    }

    pub(crate) fn is_error(&self) -> bool {
        self.status == StatusCode::Error
    }

    /// The span that was packed.
    pub(crate) fn span(&self, trace_id: TraceId, tables: &Tables) -> Span {
        let strings = &tables.strings;
        let mut reader = Reader(&self.packed);
        let scope = tables.scopes.get(reader.small());
        let message = reader.string(strings);
        let attributes = reader.attributes(strings);
        let events = (0..reader.number()).map(|_| Event {
            name: reader.string(strings),
            attributes: reader.attributes(strings),
            unix_nanos: self.start_unix_nanos.wrapping_add_signed(reader.signed()),
            dropped_attributes_count: reader.small(),
        });
        let events = events.collect();
        let parent_span_id = match reader.byte() {
            0 => None,
            _ => SpanId::try_from(reader.array::<8>().as_slice()).ok(),
        };
        Span {
            trace_id,
            span_id: self.span_id,
            parent_span_id,
            trace_state: reader.string(strings),
            flags: reader.small(),
            name: tables.text(self.name).to_owned(),
            kind: self.kind,
            start_unix_nanos: self.start_unix_nanos,
            end_unix_nanos: self.end_unix_nanos,
            status: Status {
                code: self.status,
                message,
            },
            attributes,
            dropped_attributes_count: reader.small(),
            events,
            dropped_events_count: reader.small(),
            dropped_links_count: reader.small(),
            links: (0..reader.number())
                .filter_map(|_| {
                    let trace_id = TraceId::try_from(reader.array::<16>().as_slice());
                    let span_id = SpanId::try_from(reader.array::<8>().as_slice());
                    let link = Link {
                        trace_id: trace_id.ok()?,
                        span_id: span_id.ok()?,
                        trace_state: reader.string(strings),
                        flags: reader.small(),
                        attributes: reader.attributes(strings),
                        dropped_attributes_count: reader.small(),
                    };
                    Some(link)
                })
                .collect(),
            resource: self.resource(tables),
            scope: scope.cloned().unwrap_or_default(),
        }
    }

    fn resource(&self, tables: &Tables) -> Arc<Resource> {
        tables
            .resources
            .get(self.resource)
            .cloned()
            .unwrap_or_default()
    }

    /// What is packed, in order.
    pub(crate) fn each_part<'a>(&'a self, mut each: impl FnMut(Part<'a>)) {
        let mut reader = Reader(&self.packed);
        each(Part::Scope(reader.small()));
        each(Part::Message(reader.text()));
        reader.each_attribute(|key, value| each(Part::Attribute(key, value)));
        for _ in 0..reader.number() {
            each(Part::Event(reader.text()));
            reader.each_attribute(|key, value| each(Part::Attribute(key, value)));
            reader.signed();
            reader.number();
        }
        if reader.byte() != 0 {
            reader.array::<8>();
        }
        each(Part::TraceState(reader.text()));
    }

    /// One user less of all that it uses.
    pub(crate) fn release(&self, tables: &mut Tables) {
        let mut reader = Reader(&self.packed);
        tables.release(Origin {
            service: self.service,
            resource: self.resource,
            scope: reader.small(),
        });
        let strings = &mut tables.strings;
        strings.release(self.name);
        let mut release = |text: Text<'_>| text.release(strings);
        release(reader.text());
        reader.skip_attributes(&mut release);
        for _ in 0..reader.number() {
            release(reader.text());
            reader.skip_attributes(&mut release);
            reader.signed();
            reader.number();
        }
        if reader.byte() != 0 {
            reader.array::<8>();
        }
        release(reader.text());
        for _flags_and_dropped_counts in 0..4 {
            reader.number();
        }
        for _ in 0..reader.number() {
            reader.array::<24>();
            release(reader.text());
            reader.number();
            reader.skip_attributes(&mut release);
            reader.number();
        }
    }

    /// Estimated memory held outside of the record itself.
    pub(crate) fn heap(&self) -> usize {
        allocation(self.packed.len())
    }
}
