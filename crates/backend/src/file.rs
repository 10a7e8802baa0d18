//! Traces, logs and metrics saved in a file, and loaded: OTLP JSON lines, as the Collector's file exporter writes them.
//!
//! A line is one message, `TracesData` (`{"resourceSpans": […]}`), `LogsData` (`{"resourceLogs": […]}`) or `MetricsData`
//! (`{"resourceMetrics": […]}`), and stands for itself. The answer of `/api/v3/traces/{id}`, which has its message in
//! `result`, is such a line as well, and so is what Jaeger's page saves (`{"data": […]}`). A file that is one such document on
//! many lines is loaded too.

use std::{
    fmt,
    io::{self, BufRead, Cursor, Read, Write},
    sync::Arc,
};

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    metrics::v1::MetricsData,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    model::{
        encode::{Data, by_resource},
        json,
    },
    receive::{answer::Kept, jaeger, messages, salvage, signal::Signal},
    store::Store,
};

/// Longest line that is read, in bytes. Those that are written have a hundredth of it, but where one span alone has more.
const LONGEST: usize = 64 << 20;

/// By one byte more it is too long.
const LIMIT: u64 = LONGEST as u64 + 1;

/// Most faults that are kept.
const FAULTS: usize = 100;

/// What came of loading a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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

    /// Adds what the lines of `from` hold, or all of it if it is one document on many lines. A line that cannot be read, and
    /// a span or record that cannot be kept, is reported and left out; everything else is taken.
    ///
    /// # Errors
    ///
    /// Those of the reader. What came before is taken.
    pub fn load(&self, mut from: impl BufRead) -> io::Result<Loaded> {
        let mut start = Vec::new();
        from.by_ref().take(LIMIT).read_until(b'\n', &mut start)?;
        // What programs write that indent JSON.
        if json::without_mark(&start).trim_ascii() == b"{" {
            from.by_ref().take(LIMIT).read_to_end(&mut start)?;
            if let Ok(document) = parse(&start) {
                let mut loaded = Loaded::default();
                let taken = self.take(document, &mut loaded);
                loaded.report(1, taken);
                return Ok(loaded);
            }
        }
        self.load_lines(Cursor::new(start).chain(from))
    }

    fn load_lines(&self, mut from: impl BufRead) -> io::Result<Loaded> {
        let mut loaded = Loaded::default();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if from.by_ref().take(LIMIT).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            if line.len() > LONGEST && line.last() != Some(&b'\n') {
                from.skip_until(b'\n')?;
            }
            let taken = match line.trim_ascii() {
                [] => Ok(()),
                line => parse(line).and_then(|document| self.take(document, &mut loaded)),
            };
            loaded.report(number, taken);
        }
        Ok(loaded)
    }

    fn take(&self, mut document: Value, loaded: &mut Loaded) -> Result<(), String> {
        if let Some(result) = document.get_mut("result") {
            document = result.take();
        }
        let mut list = |field: &str| {
            let list = document.get_mut(field).filter(|list| list.is_array());
            list.map(Value::take)
        };
        let mut kept = Vec::new();
        if let Some(traces) = list("data") {
            let (spans, faults) = jaeger::read(traces)?;
            kept.push(
                spans
                    .keep(faults, self)
                    .map_err(|error| error.to_string())?,
            );
        }
        if let Some(list) = list("resourceSpans") {
            kept.push(self.keep_list::<ExportTraceServiceRequest>(list)?);
        }
        if let Some(list) = list("resourceLogs") {
            kept.push(self.keep_list::<ExportLogsServiceRequest>(list)?);
        }
        if let Some(list) = list("resourceMetrics") {
            kept.push(self.keep_list::<ExportMetricsServiceRequest>(list)?);
        }
        if kept.is_empty() {
            return Err(
                "it has neither resourceSpans nor resourceLogs nor resourceMetrics".to_owned(),
            );
        }
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

    fn keep_list<R: Signal>(&self, list: Value) -> Result<Kept, String> {
        let request = json!({ R::FIELDS[0]: list });
        let (request, faults) = salvage::json::<R>(request).map_err(|error| error.to_string())?;
        request
            .keep(faults, self)
            .map_err(|error| error.to_string())
    }
}

impl Loaded {
    fn report(&mut self, line: usize, taken: Result<(), String>) {
        let Err(message) = taken else { return };
        self.faulty_lines += 1;
        if self.faults.len() < FAULTS {
            self.faults.push(Fault { line, message });
        }
    }
}

fn parse(document: &[u8]) -> Result<Value, String> {
    if document.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    // More than in a request: the file is the user's own.
    if messages::count_in_json(document) > 4 * messages::MOST {
        let most = 2 * messages::MOST;
        return Err(format!("it holds more than {most} messages"));
    }
    json::parse(document).map_err(|error| error.to_string())
}

fn write_line(to: &mut impl Write, data: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, data)?;
    to.write_all(b"\n")
}
