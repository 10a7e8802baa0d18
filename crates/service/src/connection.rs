//! One connection: speaks HTTP/1 or HTTP/2 on it, and passes its requests to the app within the limits.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::body::{Body as ResponseBody, Bytes};
use axum::extract::ConnectInfo;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::http::{Method, Request, Response, StatusCode, Version};
use axum::response::IntoResponse;
use http_body::Body;
use http_body_util::{LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tower_service::Service;

use crate::activity::{Activity, InFlight};
use crate::host;
use crate::stream::{self, Stream};
use crate::watched::Watched;

/// Answers requests until the client leaves, or until [`Activity::shut_down`] and the last response.
pub(crate) async fn serve(activity: Arc<Activity>, tcp: TcpStream, peer: SocketAddr) {
    let (stream, released) = Stream::new(tcp, Arc::clone(&activity));
    if let Err(error) = speak(&activity, stream, peer).await
        // Other errors are the client's: it hung up, or what it sent is not HTTP.
        && let Some(error) = error.downcast_ref::<hyper::Error>()
        && error.is_parse_too_large()
    {
        activity.flags.unread.set(true);
        let limit = &activity.shared.limits.head_bytes;
        activity.shared.log_cut("head_bytes", limit);
    }
    // After an upgrade a handler has the stream. The task lasts as long, so that it counts as a connection, and cuts the
    // stream if it is aborted.
    let _cut = activity.cut.clone().drop_guard();
    if let Ok(tcp) = released.await
        && activity.flags.unread.get()
    {
        Box::pin(stream::linger(tcp)).await;
    }
}

async fn speak(
    activity: &Arc<Activity>,
    stream: Stream,
    peer: SocketAddr,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let service = service_fn(|request| {
        // Counted here and not in the future: that is polled only after hyper has looked for the end of the input.
        let handling = activity.handling();
        respond(handling, peer, request)
    });
    let http = &activity.shared.http;
    let mut connection = pin!(http.serve_connection_with_upgrades(TokioIo::new(stream), service));
    tokio::select! {
        // The connection first: what has arrived is read before the connection is closed as idle.
        biased;
        ended = connection.as_mut() => return ended,
        () = activity.shutdown.notified() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

async fn respond(
    handling: InFlight,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<impl Body<Data = Bytes, Error = axum::Error>>, Infallible> {
    let activity = Arc::clone(&handling.activity);
    let shared = &activity.shared;
    let is_http2 = request.version() == Version::HTTP_2;
    let is_connect = request.method() == Method::CONNECT;
    let permit = if is_http2 {
        activity.flags.http2.set(true);
        shared.http2_permit()
    } else {
        None
    };
    let has_valid_host = host::is_valid(&request);
    let mut response = if is_http2 && permit.is_none() {
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    } else if has_valid_host {
        handle(&activity, peer, request).await
    } else {
        let text = "a request needs one valid Host header\n";
        (StatusCode::BAD_REQUEST, text).into_response()
    };
    let responding = activity.responding();
    drop(handling);

    // What has arrived meanwhile was the request's body.
    activity.flags.partial.set(false);
    activity.flags.answered.set(true);
    if !is_http2 && is_upgrade(is_connect, response.status()) {
        // Before the handler gets the stream. `Connection` has another meaning in this response.
        activity.flags.upgraded.set(true);
    } else if !is_http2
        // A request without a valid host may be followed by one that is meant for another host.
        && (!has_valid_host || shared.wants_close() || activity.timed_out.is_cancelled())
    {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }

    let permit = permit.map(Arc::new);
    Ok(response.map(|body| {
        Watched(body, move |polled| {
            if polled.is_ready() {
                responding.activity.progressed();
            }
            let Some(permit) = &permit else { return polled };
            polled.map_ok(|frame| {
                frame.map_data(|data| {
                    let _permit = Arc::clone(permit);
                    Bytes::from_owner(Unsent { data, _permit })
                })
            })
        })
    }))
}

/// Returns the app's response, or the response to a client whose request is too large or takes too long.
async fn handle(
    activity: &Arc<Activity>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let limit = activity.shared.limits.body_bytes.unwrap_or(usize::MAX);
    if request.body().size_hint().lower() > limit as u64 {
        activity.body_too_large();
        return (StatusCode::PAYLOAD_TOO_LARGE, "length limit exceeded\n").into_response();
    }
    let is_http2 = request.version() == Version::HTTP_2;
    let uploading = Arc::clone(activity);
    let mut request = request.map(|body| {
        Watched(Limited::new(body, limit), move |polled| {
            let is_pending = polled.is_pending();
            uploading.flags.uploading.set(is_pending);
            if let Poll::Ready(Some(Err(error))) = &polled
                && error.is::<LengthLimitError>()
            {
                uploading.body_too_large();
            }
            polled
        })
    });
    request.extensions_mut().insert(ConnectInfo(peer));
    tokio::select! {
        biased;
        Ok(response) = activity.shared.app.clone().call(request) => response,
        // No timer for each request: the accept loop says when.
        () = activity.timed_out.cancelled() => {
            // An HTTP/2 connection does not tell which of its streams waits for a body.
            if !is_http2 && activity.flags.uploading.get() {
                activity.flags.unread.set(true);
                let text = "the request did not arrive in time\n";
                (StatusCode::REQUEST_TIMEOUT, text).into_response()
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "not answered in time\n").into_response()
            }
        }
    }
}

/// RFC 9110, sections 15.2.2 and 9.3.6.
fn is_upgrade(is_connect: bool, status: StatusCode) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS || is_connect && status.is_success()
}

/// A piece of an HTTP/2 response that waits until the client's window has room for it. A client can let it wait for ever,
/// so it keeps its permit.
struct Unsent {
    data: Bytes,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Unsent {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}
