//! A queue and the thread behind it, which sends what waits.
//!
//! It does what the specification says of a
//! [batching processor](https://opentelemetry.io/docs/specs/otel/trace/sdk/#batching-processor): a batch is sent when there
//! is a whole one, in items or in bytes, and otherwise when `schedule_delay` has passed since the last one.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use settings::Batch;

use crate::attempt::Extent;
use crate::budget::Budget;
use crate::buffers::Buffers;
use crate::encoder::EncodedResource;
use crate::health::Health;
use crate::request::{Bounds, Request};
use crate::sender::Sender;

/// How long a flush may take; the SDK has the same limit for its own.
const FLUSH: Duration = Duration::from_secs(5);

/// A request of so many bytes that is refused for its length is not cut any further: no receiver wants shorter ones.
const SHORTEST: usize = 64 << 10;

/// The queue of one exporter.
#[derive(Debug)]
pub(crate) struct Queue {
    shared: Arc<Shared>,
    messages: mpsc::Sender<Message>,
    /// What wakes the thread: so many items, or bytes.
    batch: Bounds,
}

#[derive(Debug)]
struct Shared {
    buffers: Buffers,
    resource: Mutex<EncodedResource>,
    /// Whether the thread has been told of a whole batch.
    is_told: AtomicBool,
    has_ended: AtomicBool,
}

#[derive(Debug)]
enum Message {
    /// There is a whole batch.
    Batch,
    Flush(SyncSender<OTelSdkResult>),
    End(SyncSender<OTelSdkResult>),
}

impl Queue {
    /// `max_request_size` is in bytes.
    ///
    /// # Errors
    ///
    /// The machine refuses a thread.
    pub(crate) fn start(
        sender: Sender,
        health: Arc<Health>,
        batch: &Batch,
        max_request_size: usize,
    ) -> io::Result<Self> {
        let item = health.item();
        let budget = Budget::of(batch);
        let bounds = Bounds {
            items: batch.max_export_batch_size,
            bytes: max_request_size,
        };
        let wake = Bounds {
            // A short queue is never as long as a request. While its first half is sent, the other one can fill.
            bytes: max_request_size.min(budget.limit / 2),
            ..bounds
        };
        let shared = Arc::new(Shared {
            buffers: Buffers::new(health, budget),
            resource: Mutex::default(),
            is_told: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
        });
        let (messages, received) = mpsc::channel();
        let exporter = Exporter {
            sender,
            shared: Arc::clone(&shared),
            bounds,
        };
        let delay = batch.schedule_delay;
        thread::Builder::new()
            .name(format!("otlp-{}", item.name()))
            .spawn(move || run(exporter, &received, delay))?;
        Ok(Self {
            shared,
            messages,
            batch: wake,
        })
    }

    pub(crate) fn health(&self) -> &Health {
        &self.shared.buffers.health
    }

    /// Takes an item, which `write` appends as a field of `ScopeSpans` or `ScopeLogs`, or counts that it is dropped.
    /// `target` stands in the place of the scope's name.
    pub(crate) fn push(
        &self,
        scope: &InstrumentationScope,
        target: Option<&str>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let shared = &*self.shared;
        if shared.has_ended.load(Ordering::Relaxed) {
            shared.buffers.health.late();
            return;
        }
        shared.buffers.push(scope, target, write);
        let Buffers { health, budget, .. } = &shared.buffers;
        let is_whole = health.queued() >= self.batch.items || budget.taken() >= self.batch.bytes;
        if is_whole
            && !shared.is_told.load(Ordering::Relaxed)
            && !shared.is_told.swap(true, Ordering::Relaxed)
        {
            // An error is a thread that has ended.
            let _ = self.messages.send(Message::Batch);
        }
    }

    /// Sends what waits.
    ///
    /// # Errors
    ///
    /// The first failure of an export, or that it takes more than five seconds.
    pub(crate) fn flush(&self) -> OTelSdkResult {
        self.ask(Message::Flush, FLUSH)
    }

    /// Sends what waits, and ends the thread.
    ///
    /// # Errors
    ///
    /// As [`Queue::flush`], with `limit`. The thread still ends once it is done.
    pub(crate) fn end(&self, limit: Duration) -> OTelSdkResult {
        if self.shared.has_ended.swap(true, Ordering::Relaxed) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        self.ask(Message::End, limit)
    }

    fn ask(
        &self,
        message: impl FnOnce(SyncSender<OTelSdkResult>) -> Message,
        limit: Duration,
    ) -> OTelSdkResult {
        let (done, is_done) = mpsc::sync_channel(1);
        self.messages
            .send(message(done))
            .map_err(|_| OTelSdkError::AlreadyShutdown)?;
        match is_done.recv_timeout(limit) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(OTelSdkError::Timeout(limit)),
            Err(RecvTimeoutError::Disconnected) => Err(OTelSdkError::AlreadyShutdown),
        }
    }

    pub(crate) fn set_resource(&self, resource: &Resource) {
        *self
            .shared
            .resource
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = EncodedResource::new(resource);
    }
}

/// The thread.
fn run(exporter: Exporter, messages: &Receiver<Message>, delay: Duration) {
    // What the HTTP client does is no business of the service's.
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    loop {
        let message = messages.recv_timeout(delay);
        exporter.shared.is_told.store(false, Ordering::Relaxed);
        match message {
            Ok(Message::Batch) | Err(RecvTimeoutError::Timeout) => {
                // The failure is counted and logged.
                let _ = exporter.export();
            }
            Ok(Message::Flush(done)) => {
                // An error is a caller whose time was over.
                let _ = done.send(exporter.export());
            }
            Ok(Message::End(done)) => {
                let result = exporter.export();
                // The connections end before the caller goes on.
                drop(exporter);
                let _ = done.send(result);
                return;
            }
            // Nobody can push any more.
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Sends what waits in the buffers.
struct Exporter {
    sender: Sender,
    shared: Arc<Shared>,
    bounds: Bounds,
}

impl Exporter {
    /// Returns the first failure.
    fn export(&self) -> OTelSdkResult {
        let Shared {
            buffers, resource, ..
        } = &*self.shared;
        let resource = resource.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting: VecDeque<_> = buffers.drain().collect();
        let mut result = Ok(());
        while let Some(request) =
            Request::take(&mut waiting, self.bounds, &resource, &buffers.budget)
        {
            buffers.health.take(request.items);
            result = result.and(self.send(request, &resource));
        }
        result
    }

    /// Sends a request, in parts if the receiver refuses it for its length. One time limit holds for all of it.
    fn send(&self, request: Request, resource: &EncodedResource) -> OTelSdkResult {
        let Buffers { health, budget, .. } = &self.shared.buffers;
        let deadline = Instant::now() + self.sender.destination.timeout;
        let mut result = Ok(());
        let mut parts = vec![request];
        while let Some(part) = parts.pop() {
            let sent = self.sender.send(&part.message, deadline);
            let is_too_long = matches!(&sent, Err(failure) if failure.extent == Extent::TooLong);
            let is_short = part.message.len() <= SHORTEST;
            if is_too_long && part.items > 1 && !is_short {
                let [first, second] = part.halves(resource);
                parts.extend([second, first]);
                continue;
            }
            let mut ended = vec![part];
            if is_too_long && is_short {
                // Then it means something else than the length, and the other parts would hear the same.
                ended.append(&mut parts);
            }
            for part in ended {
                budget.free(part.held());
                result = result.and(health.exported(part.items, sent.clone()));
            }
        }
        result
    }
}
