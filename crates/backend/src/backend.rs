//! The receiver, the store it fills, and the answers about it, running.

use std::{
    io::{self, ErrorKind},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use service::{Limits, Readiness};
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{Semaphore, watch},
    task::JoinSet,
};

use crate::{
    live::{self, Events, Live},
    query,
    receive::{
        access::Access,
        grpc,
        received::{Count, Received, Receivers},
        receiver::{self, Receiver},
        upload::Uploads,
        zipkin,
    },
    scrape::{self, Target, Window},
    store::{self, Store},
};

/// What a backend is started with. Port 0 takes a free one. Beside 127.0.0.1 it listens on `[::1]`. An address that is not
/// loopback is open to the whole network: there is no authentication.
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
    /// Origins whose web pages may send, as browsers write them (`http://localhost:5173`), or `*` for all. None may read.
    pub allowed_origins: Vec<String>,
    /// Names by which this machine may be asked, beside its own, `localhost`, `*.localhost` and addresses.
    pub allowed_hosts: Vec<String>,
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
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
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
        let access = Access::new(&settings.allowed_origins, &settings.allowed_hosts);
        let (otlp_http, http_listeners) = listen(settings.otlp_http)?;
        let (otlp_grpc, grpc_listeners) = listen(settings.otlp_grpc)?;
        let (zipkin, zipkin_listeners) = listen(settings.zipkin)?;
        let (query, query_listeners) = listen(settings.query)?;
        let receivers = Receivers {
            otlp_http: Count::new("otlp/http", otlp_http),
            otlp_grpc: Count::new("otlp/grpc", otlp_grpc),
            zipkin: Count::new("zipkin", zipkin),
        };
        let [of_http, of_grpc, of_zipkin] = Receiver::several(&store, &access, receivers.all())?;

        let stop = watch::Sender::new(());
        let mut servers = JoinSet::new();
        let uploads = Uploads::new();
        let live = Live {
            store: store.clone(),
            events: Arc::new(Events::new()),
            window: Arc::new(Window::new(settings.scraped)),
            receivers: receivers.clone(),
            uploads: uploads.clone(),
            queries: Arc::new(Semaphore::new(store::QUERIES)),
            stop: stop.subscribe(),
        };
        if !live.window.targets().is_empty() {
            let events = live.events.clone();
            let tell = move |figures: &_| events.push("figures", figures);
            let (window, store) = (live.window.clone(), store.clone());
            let scrape = scrape::scrape(scrape::client()?, window, store, tell);
            servers.spawn_on(until(stopped(&stop), scrape), &runtime);
        }
        servers.spawn_on(
            until(
                stopped(&stop),
                live::announce(store.clone(), live.events.clone()),
            ),
            &runtime,
        );
        let pages = query::router(store.clone(), uploads)
            .merge(live::router(live))
            .merge(page)
            .layer(middleware::from_fn_with_state(access, check));
        for (listeners, router) in [
            (http_listeners, receiver::router(of_http)),
            (grpc_listeners, grpc::router(of_grpc)),
            (zipkin_listeners, zipkin::router(of_zipkin)),
            (query_listeners, pages),
        ] {
            let router = router.layer(middleware::map_response(with_headers));
            for listener in listeners {
                let (router, readiness) = (router.clone(), Readiness::default());
                let server = service::serve(listener, router, readiness, limits(), stopped(&stop));
                servers.spawn_on(server, &runtime);
            }
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

/// Limits of each port.
fn limits() -> Limits {
    Limits {
        // On four ports, as many descriptors as macOS lets a process open by default.
        connections: Some(64),
        idle: Some(Duration::from_secs(30)),
        // Searches are long URLs.
        head_bytes: Some(64 << 10),
        // Bounded where they are read: only there is the unpacked size known.
        body_bytes: None,
        // Large requests are decoded one after the other.
        answer: Some(Duration::from_secs(120)),
        pause: Some(Duration::from_secs(120)),
        // Clients are on this machine.
        grace: Duration::from_millis(50),
        drain: Some(Duration::from_secs(3)),
        http2_streams: Some(32),
        http2_window: 256 << 10,
        ..Limits::default()
    }
}

/// Refuses requests that may not read.
async fn check(State(access): State<Access>, request: Request, next: Next) -> Response {
    let may = access.may_read(request.method(), request.uri(), request.headers());
    match may {
        Ok(()) => next.run(request).await,
        Err(why) => (StatusCode::FORBIDDEN, why).into_response(),
    }
}

/// Keeps browsers from guessing the type of a response, and other sites' pages from showing it.
async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    let own = HeaderValue::from_static("same-origin");
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, own);
    response
}

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// Listens on `address`, and on `[::1]` beside 127.0.0.1: programs take either for `localhost`. Returns the address with
/// the port that was taken.
fn listen(address: SocketAddr) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    let first = bind(address)?;
    let bound = first.local_addr()?;
    let mut listeners = vec![first];
    if address.ip() == Ipv4Addr::LOCALHOST {
        match bind((Ipv6Addr::LOCALHOST, bound.port()).into()) {
            Ok(listener) => listeners.push(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse && address.port() != 0 => {
                return Err(error);
            }
            Err(_) => {} // The machine has no IPv6.
        }
    }
    Ok((bound, listeners))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
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
