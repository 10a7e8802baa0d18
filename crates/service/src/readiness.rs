//! Whether new requests are wanted; what `/readyz` says.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Ready from the start, until [`serve`](crate::serve) is told to stop. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    draining: Arc<Draining>,
}

#[derive(Debug, Default)]
struct Draining {
    has_begun: AtomicBool,
    begins: Notify,
}

impl Readiness {
    /// False once the service drains.
    pub fn is_ready(&self) -> bool {
        !self.draining.has_begun.load(Ordering::Relaxed)
    }

    /// Completes once the service drains.
    ///
    /// Handlers that never end by themselves wait for it beside their work: a WebSocket's handler then closes it with
    /// code 1001, a stream of events ends. What is still open when the drain's limit has passed is cut.
    pub async fn draining(&self) {
        let mut begins = pin!(self.draining.begins.notified());
        // From here on no notice is missed.
        begins.as_mut().enable();
        if self.is_ready() {
            begins.await;
        }
    }

    pub(crate) fn drain(&self) {
        self.draining.has_begun.store(true, Ordering::Relaxed);
        self.draining.begins.notify_waiters();
    }
}
