//! Traces, logs and metrics saved in a file, and loaded: OTLP JSON lines, as the Collector's file exporter writes them.
//!
//! A line is one message, `TracesData` (`{"resourceSpans": […]}`), `LogsData` (`{"resourceLogs": […]}`) or `MetricsData`
//! (`{"resourceMetrics": […]}`), and stands for itself. The answer of `/api/v3/traces/{id}`, which has its message in `result`, is such a line as well.

use std::{
    fmt,
    io::{self, BufRead, Read, Write},
    sync::Arc,
};

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    logs::v1::ResourceLogs,
    metrics::v1::{MetricsData, ResourceMetrics},
    trace::v1::ResourceSpans,
};
use serde::{Deserialize, Serialize};

use crate::{
    encode::{Data, by_resource},
    json, messages,
    signal::Signal,
    store::Store,
};

/// Longest line that is read, in bytes. Those that are written have a hundredth of it, but where one span alone has more.
const LONGEST: usize = 64 << 20;

/// Most faults that are kept.
const FAULTS: usize = 100;

/// What came of loading a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Spans taken.
    pub spans: usize,
    /// Log records taken.
    pub logs: usize,
    /// Metric points taken.
    pub points: usize,
    /// Lines of which something was not taken.
    pub faulty_lines: usize,
    /// What was wrong with the first hundred of them.
    pub faults: Vec<Fault>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its number, from 1.
    pub line: usize,
    /// For people.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl Store {
    /// Writes everything kept, one message a line: traces, log records and metric points, each in order of arrival.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn save(&self, to: &mut impl Write) -> io::Result<()> {
        let mut last = i64::MIN;
        while let Some(found) = self.next(last) {
            last = found.number;
            for spans in self.pages(found) {
                write_line(to, &Data(by_resource(&spans)))?;
            }
        }
        for logs in self.log_pages() {
            // By runs, so that they keep their order.
            let runs = logs.chunk_by(|one, next| {
                Arc::ptr_eq(&one.resource, &next.resource) && Arc::ptr_eq(&one.scope, &next.scope)
            });
            write_line(to, &Data(runs.flat_map(by_resource).collect()))?;
        }
        for resource_metrics in self.point_pages() {
            write_line(to, &MetricsData { resource_metrics })?;
        }
        Ok(())
    }

    /// Adds what the lines of `from` hold. A line that cannot be read, and a span or record that cannot be kept, is
    /// reported and left out; everything else is taken.
    ///
    /// # Errors
    ///
    /// Those of the reader. What came before is taken.
    pub fn load(&self, mut from: impl BufRead) -> io::Result<Loaded> {
        let mut loaded = Loaded::default();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let limit = LONGEST as u64 + 1;
            if from.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let taken = if line.len() > LONGEST && line.last() != Some(&b'\n') {
                from.skip_until(b'\n')?;
                Err(format!("it is longer than {LONGEST} bytes"))
            } else if line.trim_ascii().is_empty() {
                Ok(())
            } else {
                self.take(&line, &mut loaded)
            };
            if let Err(message) = taken {
                loaded.faulty_lines += 1;
                if loaded.faults.len() < FAULTS {
                    loaded.faults.push(Fault {
                        line: number,
                        message,
                    });
                }
            }
        }
        Ok(loaded)
    }

    fn take(&self, line: &[u8], loaded: &mut Loaded) -> Result<(), String> {
        // More than in a request: the file is the user's own.
        if messages::count_in_json(line) > 4 * messages::MOST {
            return Err(format!(
                "it holds more than {} messages",
                2 * messages::MOST
            ));
        }
        let mut message: Message = json::read(line).map_err(|error| error.to_string())?;
        if let Some(result) = message.result {
            message = *result;
        }
        if message.resource_spans.is_none()
            && message.resource_logs.is_none()
            && message.resource_metrics.is_none()
        {
            return Err(
                "it has neither resourceSpans nor resourceLogs nor resourceMetrics".to_owned(),
            );
        }
        let resource_spans = message.resource_spans.unwrap_or_default();
        let resource_logs = message.resource_logs.unwrap_or_default();
        let resource_metrics = message.resource_metrics.unwrap_or_default();
        let kept = [
            ExportTraceServiceRequest { resource_spans }.keep(self),
            ExportLogsServiceRequest { resource_logs }.keep(self),
            ExportMetricsServiceRequest { resource_metrics }.keep(self),
        ];
        let mut faults = Vec::new();
        for kept in kept {
            loaded.spans += kept.spans;
            loaded.logs += kept.logs;
            loaded.points += kept.points;
            faults.extend((kept.rejected > 0).then_some(kept.reason));
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults.join("; "))
        }
    }
}

/// `TracesData`, `LogsData`, `MetricsData`, or one of them in the answer of a query.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    resource_spans: Option<Vec<ResourceSpans>>,
    resource_logs: Option<Vec<ResourceLogs>>,
    resource_metrics: Option<Vec<ResourceMetrics>>,
    result: Option<Box<Message>>,
}

fn write_line(to: &mut impl Write, data: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, data)?;
    to.write_all(b"\n")
}
