//! Files that a user opens in a page: one at a time, within the limits of any body.

use std::{sync::Arc, time::Duration};

use axum::{extract::Request, http::StatusCode};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    answer::Failure,
    body::{Bodies, Read, swallow},
};

/// How long an upload waits for its turn.
const PATIENCE: Duration = Duration::from_secs(30);

/// What bounds the memory of uploads. Clones share it.
#[derive(Clone)]
pub(crate) struct Uploads {
    bodies: Bodies,
    turn: Arc<Semaphore>,
}

/// The turn of an upload, which takes up to 200 MiB until it is decoded and answered. It ends when this is dropped.
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Uploads {
    pub(crate) fn new() -> Self {
        Self {
            bodies: Bodies::new(),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// The whole body, unpacked.
    ///
    /// # Errors
    ///
    /// As [`Bodies::read`]; 503 other uploads take too long.
    pub(crate) async fn read(&self, request: Request) -> Result<(Read, Turn), Failure> {
        let (parts, mut body) = request.into_parts();
        let read = async {
            let turn = timeout(PATIENCE, self.turn.clone().acquire_owned()).await;
            let Ok(Ok(permit)) = turn else {
                let message = "another file is being opened: try again";
                return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, message));
            };
            let read = self.bodies.read(&parts.headers, &mut body).await?;
            Ok((read, Turn { _permit: permit }))
        };
        let read = read.await;
        if read.is_err() {
            swallow(&parts.headers, body).await;
        }
        read
    }
}
