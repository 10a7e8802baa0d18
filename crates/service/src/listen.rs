//! Where to listen: `ADDRESS`, and what may be wrong with it.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use telemetry::{Lookup, SettingError};
use tokio::net::TcpListener;

pub(crate) const ADDRESS: &str = "ADDRESS";

/// Reads `ADDRESS`; `default` holds if it is unset or empty.
///
/// # Errors
///
/// [`SettingError`] if it is no IP address with a port. A host name is none: which of its addresses would be meant?
pub fn address(lookup: Lookup<'_>, default: &str) -> Result<SocketAddr, SettingError> {
    let value = lookup(ADDRESS).filter(|value| !value.is_empty());
    let value = value.as_deref().unwrap_or(default);
    value.parse().map_err(|_| SettingError {
        variable: ADDRESS,
        value: value.to_owned(),
        wanted: "IP:PORT, for example 127.0.0.1:8081",
    })
}

/// It cannot listen where `ADDRESS` says.
#[derive(Debug, thiserror::Error)]
#[error("{ADDRESS} is \"{address}\"; {}", reason(.source))]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

fn reason(source: &io::Error) -> String {
    match source.kind() {
        ErrorKind::AddrInUse => {
            format!("the port is in use: stop what listens there, or set {ADDRESS} to another port")
        }
        ErrorKind::AddrNotAvailable => {
            format!("this machine has no such IP address: set {ADDRESS} to one of its own")
        }
        ErrorKind::PermissionDenied => {
            format!("not permitted: set {ADDRESS} to a port from 1024 on")
        }
        _ => source.to_string(),
    }
}

/// Listens on `address`; port 0 takes any free port.
///
/// Clients can connect from now on; they wait in the kernel's backlog until [`serve`](crate::serve) takes them.
///
/// # Errors
///
/// [`ListenError`], one line, if the port is in use or the address is not this machine's.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ListenError { address, source })
}
