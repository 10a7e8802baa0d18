//! The life of a server: it accepts connections until it is told to stop, then drains.

use std::io::{self, ErrorKind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::connections::Connections;
use crate::shared::Shared;
use crate::{Limits, Readiness, backlog, limits};

/// Serves `app` on `listener` until `stop` completes, then drains and returns.
///
/// Clients and handlers are held to `limits`. `app` finds a `ConnectInfo<SocketAddr>` in the extensions of each request.
/// No error ends it: a connection that cannot be accepted is tried again, and logged every ten seconds at most.
///
/// To drain, it
///
/// 1. makes `readiness` false,
/// 2. accepts the connections that wait in the kernel's backlog, and closes the listener,
/// 3. tells clients to leave: `Connection: close` in HTTP/1 responses, GOAWAY over HTTP/2. An HTTP/1 connection that was
///    active within [`Limits::grace`] stays open for the rest of that time, for one more request,
/// 4. after [`Limits::drain`] answers what is left with 503, cuts it, and logs a warning with the number of connections.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    readiness: Readiness,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let shared = Shared::new(app, readiness, limits);
    let mut connections = Connections::new(Arc::clone(&shared));
    accept(&shared, &listener, &mut connections, stop).await;
    drain(&shared, listener, connections).await;
}

/// Serves `app` on `listener` until Ctrl-C or SIGTERM, then drains and returns: [`serve`] with the default [`Limits`], for an
/// app that does not tell whether it is ready.
pub async fn serve_until_signal(listener: TcpListener, app: Router) {
    let stop = crate::shutdown_signal();
    serve(listener, app, Readiness::default(), Limits::default(), stop).await;
}

async fn accept(
    shared: &Shared,
    listener: &TcpListener,
    connections: &mut Connections,
    stop: impl Future<Output = ()>,
) {
    let mut stop = pin!(stop);
    let mut sweep = interval(limits::SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_full = connections.is_full();
        tokio::select! {
            biased;
            () = &mut stop => return,
            Some(()) = connections.next_ended() => {}
            due = sweep.tick() => {
                shared.clock.skip_freeze(due.elapsed());
                connections.close_overdue();
            }
            () = sleep(limits::FULL_PAUSE), if is_full => connections.make_room(),
            accepted = listener.accept(), if !is_full => match accepted {
                Ok((tcp, peer)) => {
                    connections.add(tcp, peer);
                    connections.make_room();
                }
                Err(error) => not_accepted(shared, connections, &error).await,
            },
        }
    }
}

async fn not_accepted(shared: &Shared, connections: &mut Connections, error: &io::Error) {
    // The client has left while it waited.
    if matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    ) {
        return;
    }
    // Most likely descriptors have run out, which requests need too.
    let evicted = connections.evict();
    shared.crowded.set(true);
    if let Some(failures) = shared.log_limit.add("accept", 1) {
        let open = connections.len();
        tracing::warn!(%error, failures, evicted, open, "connections cannot be accepted");
    }
    // Without it the loop would spin.
    sleep(limits::ACCEPT_PAUSE).await;
}

async fn drain(shared: &Shared, listener: TcpListener, mut connections: Connections) {
    shared.readiness.drain();
    for (tcp, peer) in backlog::close(listener).await {
        connections.add(tcp, peer);
    }
    let mut tick = interval(limits::DRAIN_TICK);
    let all_ended = async {
        loop {
            tokio::select! {
                biased;
                ended = connections.next_ended() => if ended.is_none() { return },
                _ = tick.tick() => connections.shut_down_idle(),
            }
        }
    };
    let limit = shared.limits.drain.unwrap_or(Duration::MAX);
    if timeout(limit, all_ended).await.is_err() {
        let connections = connections.len();
        tracing::warn!(connections, "cut: not done within {limit:?} of the stop");
    }
    connections.end().await;
}

#[cfg(test)]
mod tests;
