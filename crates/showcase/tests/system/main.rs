//! The real binaries, over real HTTP, against a real receiver: what one `/ping` leaves behind.
//!
//! `process` starts one service, `pair` both and the receiver. Each other file tests one kind of promise.

mod faults;
mod metrics;
mod pair;
mod process;
mod prometheus;
mod settings;
mod stop;
mod traces;

use std::time::Duration;

/// How long anything is waited for: far longer than it takes, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Polls `look` until it finds something. `None` after [`PATIENCE`].
async fn eventually<T>(mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.ok()
}
