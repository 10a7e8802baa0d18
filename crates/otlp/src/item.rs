//! What a pipeline carries: spans, log records, or data points of metrics.

/// What a pipeline carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A span.
    Span,
    /// A log record.
    LogRecord,
    /// A data point of a metric.
    DataPoint,
}

impl Item {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Span => "span",
            Self::LogRecord => "log",
            Self::DataPoint => "metric_data_point",
        }
    }

    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Span => "{span}",
            Self::LogRecord => "{log_record}",
            Self::DataPoint => "{data_point}",
        }
    }

    pub(crate) fn processor(self) -> &'static str {
        match self {
            Self::LogRecord => "batching_log_processor",
            _ => "batching_span_processor",
        }
    }

    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Span => "spans",
            Self::LogRecord => "log records",
            Self::DataPoint => "metric data points",
        }
    }

    /// `1 span`, `2 spans`.
    pub(crate) fn counted(self, count: u64) -> String {
        let plural = self.plural();
        let noun = if count == 1 {
            plural.trim_end_matches('s')
        } else {
            plural
        };
        format!("{count} {noun}")
    }
}
