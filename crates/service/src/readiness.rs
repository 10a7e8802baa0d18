//! Whether the service wants new requests, as `/readyz` says.

use tokio_util::sync::CancellationToken;

/// Ready from the start until [`serve`](crate::serve) begins to drain. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    draining: CancellationToken,
}

impl Readiness {
    /// Returns false once the service drains.
    pub fn is_ready(&self) -> bool {
        !self.draining.is_cancelled()
    }

    /// Completes once the service drains, at once if it does already.
    ///
    /// A handler that never ends by itself should wait for this beside its work: a WebSocket's handler then closes the
    /// socket with code 1001, a stream of events ends. What is still open after [`Limits::drain`](crate::Limits::drain) is
    /// cut.
    pub async fn draining(&self) {
        self.draining.cancelled().await;
    }

    pub(crate) fn drain(&self) {
        self.draining.cancel();
    }
}
