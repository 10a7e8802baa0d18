//! Traces and logs saved in a file, and loaded: OTLP JSON lines, the form that the Collector's file exporter writes.
//!
//! A line is one message `TracesData` (`{"resourceSpans": […]}`) or `LogsData` (`{"resourceLogs": […]}`), and stands for
//! itself. The answer of `/api/v3/traces/{id}`, with its message in `result`, is such a line as well.

use std::{
    io::{self, BufRead, Read, Write},
    sync::Arc,
};

use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    logs::v1::ResourceLogs,
    trace::v1::ResourceSpans,
};
use serde::Deserialize;

use crate::{
    decode,
    encode::{Data, Item},
    json, messages,
    size::{Size, shared},
    store::Store,
};
