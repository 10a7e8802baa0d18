//! Where to listen: the setting `ADDRESS` and the listener.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::setting::{Lookup, SettingError, setting};

pub(crate) const ADDRESS: &str = "ADDRESS";

/// Reads `ADDRESS`; `default` holds if it is unset or empty.
///
/// # Errors
///
/// [`SettingError`] if it is not an IP address with a port. Host names are refused, since they may have several addresses.
pub fn address(lookup: Lookup<'_>, default: &str) -> Result<SocketAddr, SettingError> {
    let wanted = "IP:PORT, for example 127.0.0.1:8081";
    setting(lookup, ADDRESS, default, wanted, |value| value.parse().ok())
}

/// The service cannot listen on `ADDRESS`.
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
/// Clients can connect as soon as this returns. They wait in the kernel's backlog until [`serve`](crate::serve) accepts them.
///
/// # Errors
///
/// [`ListenError`], one line, if the port is in use, not permitted, or the address is not one of this machine.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ListenError { address, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = "127.0.0.1:8081";

    #[test]
    fn address_is_the_default_if_unset_or_empty() {
        let default = DEFAULT.parse().unwrap();
        assert_eq!(address(&|_| None, DEFAULT), Ok(default));
        assert_eq!(address(&|_| Some("".into()), DEFAULT), Ok(default));
    }

    #[test]
    fn address_is_read_from_its_variable() {
        for value in ["0.0.0.0:8081", "[::]:0", "[::1]:65535"] {
            let lookup = |name: &str| (name == "ADDRESS").then(|| value.into());
            assert_eq!(address(&lookup, DEFAULT), Ok(value.parse().unwrap()));
        }
    }

    #[test]
    fn what_is_no_address_is_said_in_one_line() {
        for value in [
            "nonsense",
            "127.0.0.1",
            ":8081",
            "localhost:8081",
            "127.0.0.1:65536",
            "::1:80",
            "a\nb",
        ] {
            let error = address(&|_| Some(value.into()), DEFAULT).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("ADDRESS is {value:?}; wanted: IP:PORT, for example 127.0.0.1:8081")
            );
        }
    }

    #[tokio::test]
    async fn address_of_another_machine_is_said_in_one_line() {
        // TEST-NET-1, RFC 5737.
        let error = listen(([192, 0, 2, 1], 80).into()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "ADDRESS is \"192.0.2.1:80\"; this machine has no such IP address: set ADDRESS to one of its own"
        );
    }
}
