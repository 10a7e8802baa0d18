//! An app that is served in this process, with limits as values, and what was logged meanwhile.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fmt::{self, Debug};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::Request;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use service::{Limits, Readiness};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber};

use crate::support::{Client, eventually, within};

pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    pub(crate) readiness: Readiness,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
    log: Log,
    _logging: DefaultGuard,
}

impl Serving {
    pub(crate) async fn start(app: Router, limits: Limits) -> Self {
        Self::start_with(app, limits, Readiness::default()).await
    }

    pub(crate) async fn start_with(app: Router, limits: Limits, readiness: Readiness) -> Self {
        let listener = service::listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let log = Log::default();
        let server = service::serve(listener, app, readiness.clone(), limits, async {
            let _ = stopped.await;
        });
        // Connections are tasks of their own, on this one thread.
        let _logging = tracing::subscriber::set_default(log.clone());
        let server = tokio::spawn(server);
        Self {
            address,
            readiness,
            stop: Some(stop),
            server,
            log,
            _logging,
        }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await.unwrap()
    }

    /// The status that a GET by HTTP/2 is answered with.
    pub(crate) async fn http2(&self, path: &str) -> u16 {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let request = Request::get(format!("http://test{path}"))
            .body(Empty::<Bytes>::new())
            .unwrap();
        sender.send_request(request).await.unwrap().status().into()
    }

    /// Begins the drain.
    pub(crate) fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Until the drain is over.
    pub(crate) async fn ended(self) {
        within(self.server).await.unwrap();
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.0.lock().unwrap().clone()
    }

    /// Waits for the line of that limit, of which there is one.
    pub(crate) async fn logs(&self, limit: &str, value: &str) {
        let wanted = |line: &String| line.contains(&format!("limit=\"{limit}\""));
        eventually(async || self.log().iter().any(wanted)).await;
        let log = self.log();
        let lines: Vec<_> = log.iter().filter(|line| wanted(line)).collect();
        assert_eq!(lines.len(), 1, "{log:?}");
        assert!(lines[0].contains(value), "{log:?}");
    }
}

/// Keeps the lines that would be printed.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("service")
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        struct Line(String);
        impl Visit for Line {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                let _ =
                    fmt::Write::write_fmt(&mut self.0, format_args!("{}={value:?} ", field.name()));
            }
        }
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
