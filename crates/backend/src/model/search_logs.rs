//! What log records are looked for.

use std::sync::Arc;

use super::{
    id::{SpanId, TraceId},
    log::LogRecord,
    search::{TextQuery, has},
};

/// Records are looked for from the newest arrival on; conditions that are not given hold for all.
#[derive(Debug, Default)]
pub(crate) struct LogQuery {
    pub(crate) trace: Option<TraceId>,
    /// One of the trace's.
    pub(crate) span: Option<SpanId>,
    pub(crate) service: Option<String>,
    /// Severity number, at least.
    pub(crate) severity: i32,
    /// Somewhere in the body, the event's name, the scope's name or a value of an attribute, in any case.
    pub(crate) text: Option<String>,
    /// Keys and values of its attributes, or of its resource's.
    pub(crate) attributes: Vec<(String, String)>,
    /// Records that are wanted.
    pub(crate) limit: usize,
}

impl LogQuery {
    /// Whether the text and the attributes hold for a record. The rest is for the store's indexes.
    pub(crate) fn matcher(&self) -> impl Fn(&LogRecord) -> bool {
        let text = self.text.as_deref().map(TextQuery::new);
        move |log| {
            self.attributes.iter().all(|(key, value)| {
                has(&log.attributes, key, value) || has(&log.resource.attributes, key, value)
            }) && text.as_ref().is_none_or(|text| {
                text.is_in(&log.body.to_text())
                    || text.is_in(&log.event_name)
                    || text.is_in(&log.scope.name)
                    || text.is_among(&log.attributes)
            })
        }
    }
}

/// The newest records found, oldest arrival first.
#[derive(Debug, Default)]
pub(crate) struct FoundLogs {
    pub(crate) logs: Vec<Arc<LogRecord>>,
    /// Whether older ones may match.
    pub(crate) truncated: bool,
}
