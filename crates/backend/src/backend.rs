//! The receiver, the store it fills, and the answers about it, running.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use axum::{Router, middleware};
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{Semaphore, watch},
    task::JoinSet,
};

use crate::{
    grpc,
    live::{self, Events, Live},
    origin, query,
    received::{Count, Received, Receivers},
    receiver::{self, Receiver},
    scrape::{self, Target, Window},
    server::{self, Version},
    store::{self, Store},
    zipkin,
};

/// What a backend is started with. Port 0 takes a free one. An address that is not loopback is open to the whole
/// network: there is no authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen for OTLP over HTTP.
    pub otlp_http: SocketAddr,
    /// Where to listen for OTLP over gRPC.
    pub otlp_grpc: SocketAddr,
    /// Where to listen for Zipkin's spans.
    pub zipkin: SocketAddr,
    /// Where to answer Jaeger's query API.
    pub query: SocketAddr,
    /// Bound of the store's file with its journal, in bytes.
    pub store_bytes: u64,
    /// The file that keeps what arrives for the next start; without one, it goes with the process.
    pub store_file: Option<PathBuf>,
    /// Services whose metrics are read every two seconds.
    pub scraped: Vec<Target>,
}

/// The ports that everybody knows, on loopback; 1 GiB in a temporary file.
impl Default for Settings {
    fn default() -> Self {
        Self {
            otlp_http: (Ipv4Addr::LOCALHOST, 4318).into(),
            otlp_grpc: (Ipv4Addr::LOCALHOST, 4317).into(),
            zipkin: (Ipv4Addr::LOCALHOST, 9411).into(),
            query: (Ipv4Addr::LOCALHOST, 16686).into(),
            store_bytes: 1 << 30,
            store_file: None,
            scraped: Vec::new(),
        }
    }
}

impl Settings {
    /// The defaults, on ports that are free: several backends can run side by side.
    pub fn on_free_ports() -> Self {
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        Self {
            otlp_http: any,
            otlp_grpc: any,
            zipkin: any,
            query: any,
            ..Self::default()
        }
    }
}

/// A running receiver with its store. Several can run side by side.
///
/// Dropped, it stops listening and ends in the background; [`stop`](Self::stop) waits for that.
#[derive(Debug)]
pub struct Backend {
    receivers: Receivers,
    query: SocketAddr,
    store: Arc<Store>,
    stop: watch::Sender<()>,
    servers: JoinSet<()>,
}

impl Backend {
    /// Listens, and serves in tasks of the current tokio runtime.
    ///
    /// # Errors
    ///
    /// An address is in use or not of this machine, there is no tokio runtime, no client to read metrics with, or no store.
    pub fn start(settings: Settings) -> io::Result<Self> {
        Self::start_with_page(settings, Router::new())
    }

    /// Like [`start`](Self::start), with `page`'s routes beside the query API's.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_with_page(settings: Settings, page: Router) -> io::Result<Self> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let store = match &settings.store_file {
            Some(file) => Store::open(file, settings.store_bytes)?,
            None => Store::temporary(settings.store_bytes)?,
        };
        let store = Arc::new(store);
        let (otlp_http, http_listener) = listen(settings.otlp_http)?;
        let (otlp_grpc, grpc_listener) = listen(settings.otlp_grpc)?;
        let (zipkin, zipkin_listener) = listen(settings.zipkin)?;
        let (query, query_listener) = listen(settings.query)?;
        let receivers = Receivers {
            otlp_http: Count::new("otlp/http", otlp_http),
            otlp_grpc: Count::new("otlp/grpc", otlp_grpc),
            zipkin: Count::new("zipkin", zipkin),
        };
        let [of_http, of_grpc, of_zipkin] = Receiver::several(&store, receivers.all())?;

        let stop = watch::Sender::new(());
        let mut servers = JoinSet::new();
        let live = Live {
            store: store.clone(),
            events: Arc::new(Events::new()),
            window: Arc::new(Window::new(settings.scraped)),
            receivers: receivers.clone(),
            queries: Arc::new(Semaphore::new(store::QUERIES)),
            stop: stop.subscribe(),
        };
        if live.window.targets().next().is_some() {
            let (window, events) = (live.window.clone(), live.events.clone());
            let scrape = scrape::scrape(scrape::client()?, window, events);
            servers.spawn_on(until(stopped(&stop), scrape), &runtime);
        }
        servers.spawn_on(
            until(
                stopped(&stop),
                live::announce(store.clone(), live.events.clone()),
            ),
            &runtime,
        );
        let pages = query::router(store.clone())
            .merge(live::router(live))
            .merge(page)
            .layer(middleware::from_fn(origin::refuse_others));
        for (listener, version, router) in [
            (http_listener, Version::Http1, receiver::router(of_http)),
            (grpc_listener, Version::Http2, grpc::router(of_grpc)),
            (zipkin_listener, Version::Http1, zipkin::router(of_zipkin)),
            (query_listener, Version::Http1, pages),
        ] {
            let limits = server::Limits::default();
            servers.spawn_on(
                server::serve(listener, version, router, stopped(&stop), limits),
                &runtime,
            );
        }
        Ok(Self {
            receivers,
            query,
            store,
            stop,
            servers,
        })
    }

    /// Where it takes OTLP over HTTP, with the port it really has.
    pub fn otlp_http(&self) -> SocketAddr {
        self.receivers.otlp_http.address()
    }

    /// Where it takes OTLP over gRPC, with the port it really has.
    pub fn otlp_grpc(&self) -> SocketAddr {
        self.receivers.otlp_grpc.address()
    }

    /// Where it takes Zipkin's spans, with the port it really has.
    pub fn zipkin(&self) -> SocketAddr {
        self.receivers.zipkin.address()
    }

    /// What each receiver has taken since the start.
    pub fn received(&self) -> Vec<Received> {
        self.receivers.now()
    }

    /// Where it answers queries, with the port it really has.
    pub fn query(&self) -> SocketAddr {
        self.query
    }

    /// What has arrived. The store stays readable after the stop for whoever has cloned the `Arc`.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Stops listening, closes idle connections, and gives requests in flight three seconds to end.
    pub async fn stop(self) {
        let Self { stop, servers, .. } = self;
        drop(stop);
        servers.join_all().await;
    }
}

fn listen(address: SocketAddr) -> io::Result<(SocketAddr, TcpListener)> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    Ok((listener.local_addr()?, listener))
}

/// Returns when `stop` is dropped.
fn stopped(stop: &watch::Sender<()>) -> impl Future<Output = ()> + use<> {
    let mut stop = stop.subscribe();
    async move { while stop.changed().await.is_ok() {} }
}

async fn until(stop: impl Future<Output = ()>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop => {}
        () = work => {}
    }
}
