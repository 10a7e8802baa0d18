//! A saved file, put to what is kept.

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};

use super::{Live, Refused, blocking};
use crate::{Loaded, receive::answer::Failure};

/// `POST /api/load`
pub(super) async fn load(
    State(live): State<Live>,
    request: Request,
) -> Result<Json<Loaded>, Refused> {
    let (body, turn) = live.uploads.read(request).await?;
    let loaded = blocking(move || {
        let loaded = live.store.load(&*body.bytes);
        drop(turn);
        loaded
    });
    let failed =
        |error: std::io::Error| Refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    loaded.await?.map(Json).map_err(failed)
}

impl From<Failure> for Refused {
    fn from(Failure { status, message }: Failure) -> Self {
        Self(status, message)
    }
}
