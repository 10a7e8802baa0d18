//! The receiver and the store it fills, running.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::{net::TcpListener, runtime::Handle, sync::oneshot, task::JoinHandle};

use crate::{receiver, server, store::Store};

/// What a backend is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen for OTLP over HTTP; port 0 takes a free one. Anything but loopback is open to the whole network:
    /// there is no authentication.
    pub address: SocketAddr,
    /// Bound of the store, in bytes.
    pub store_bytes: usize,
}

/// OTLP's port on loopback, 64 MiB.
impl Default for Settings {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 4318).into(),
            store_bytes: 64 << 20,
        }
    }
}

/// A running receiver with its store. Several can run side by side.
///
/// Dropped, it stops listening and ends in the background; [`stop`](Self::stop) waits for that.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    store: Arc<Store>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Backend {
    /// Listens, and serves in tasks of the current tokio runtime.
    ///
    /// # Errors
    ///
    /// The address is in use or not of this machine, or there is no tokio runtime.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let listener = std::net::TcpListener::bind(settings.address)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;

        let store = Arc::new(Store::new(settings.store_bytes));
        let (stop, stopped) = oneshot::channel();
        let router = receiver::router(store.clone());
        let server = runtime.spawn(server::serve(
            listener,
            router,
            stopped,
            server::Limits::default(),
        ));
        Ok(Self {
            address,
            store,
            stop,
            server,
        })
    }

    /// The address it listens on, with the port it really has.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has arrived. The store stays readable after the stop for whoever has cloned the `Arc`.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Stops listening, closes idle connections, and gives requests in flight three seconds to end.
    pub async fn stop(self) {
        drop(self.stop);
        let _ = self.server.await; // an error says that the runtime is going down
    }
}
