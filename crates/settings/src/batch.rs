//! `OTEL_BSP_*` and `OTEL_BLRP_*`: how finished spans and log records wait, and for how long.

use std::time::Duration;

use crate::otlp::Protocol;
use crate::reader::Reader;

/// The longest queue. It has room for 1 KiB an item, so it takes 32 MiB at most, as bytes to send. With a request on its way
/// and a queue of log records beside it, a service stays below 80 MiB.
const LONGEST_QUEUE: u32 = 32_768;

/// The largest batch. It is held beside a queue that fills meanwhile.
const LARGEST_BATCH: u32 = 16_384;

/// `batch`: a queue before an exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// How long the first item waits for the batch to fill.
    pub schedule_delay: Duration,
    /// How long one export may take.
    pub export_timeout: Duration,
    /// How many items can wait, and 1 KiB for each of them together, but at least 4 MiB. What comes while the queue is full
    /// is dropped.
    pub max_queue_size: usize,
    /// How many items one export carries at most. Its bytes are bounded, too: 8 MiB over HTTP, 4 MiB over gRPC.
    pub max_export_batch_size: usize,
}

impl Batch {
    /// The defaults are larger than the specification's 2048, 512 and 5 s. With those, at most 10,000 spans a second reach a
    /// collector that takes 50 ms an export. Two cores make up to 100,000 spans a second when ping is called as often as it
    /// can answer; with the defaults here, all of them arrive. A queue full of the spans of `/ping` takes 5 MiB, and a batch
    /// of them is a request of 2.4 MiB.
    ///
    /// Over gRPC a batch is half as large, since a request has at most 4 MiB there.
    pub(crate) fn of_spans(reader: &mut Reader<'_>, protocol: Protocol) -> Self {
        let batch = match protocol {
            Protocol::HttpProtobuf => 8_192,
            Protocol::Grpc => 4_096,
        };
        Self::read(reader, "OTEL_BSP", 16_384, batch, 500)
    }

    /// The specification's defaults.
    pub(crate) fn of_log_records(reader: &mut Reader<'_>) -> Self {
        Self::read(reader, "OTEL_BLRP", 2_048, 512, 1_000)
    }

    fn read(reader: &mut Reader<'_>, prefix: &str, queue: u32, batch: u32, delay: u32) -> Self {
        let queue_name = format!("{prefix}_MAX_QUEUE_SIZE");
        let batch_name = format!("{prefix}_MAX_EXPORT_BATCH_SIZE");
        let queue_size = reader.number_up_to(&queue_name, LONGEST_QUEUE, queue);
        // A small queue alone is no mistake: only a batch that somebody asked for is worth a warning.
        let is_asked = reader.is_set(&batch_name) && !reader.is_warned_of(&batch_name);
        let asked = reader.number_up_to(&batch_name, LARGEST_BATCH, batch);
        if is_asked && asked > queue_size && !reader.is_warned_of(&batch_name) {
            reader.warn(format!(
                "{batch_name} is \"{asked}\"; wanted: at most {queue_name}, which is {queue_size}; used instead: {queue_size}"
            ));
        }
        Self {
            max_queue_size: queue_size as usize,
            max_export_batch_size: asked.min(queue_size) as usize,
            schedule_delay: reader.interval(&format!("{prefix}_SCHEDULE_DELAY"), delay),
            export_timeout: reader.timeout(&format!("{prefix}_EXPORT_TIMEOUT"), 30_000),
        }
    }
}
