//! Addresses, looked at before anything is started.

use std::{
    fmt,
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::net::TcpSocket;

use crate::arguments::Ports;

/// Where the parts of the showcase are going to listen.
#[derive(Debug)]
pub(crate) struct Addresses {
    pub(crate) ping: SocketAddr,
    pub(crate) pong: SocketAddr,
    pub(crate) page: SocketAddr,
    pub(crate) otlp: SocketAddr,
    pub(crate) otlp_grpc: SocketAddr,
    pub(crate) zipkin: SocketAddr,
    /// Linux lets another socket listen where one is only bound, and gives such a port to nobody who asks for any: as
    /// long as these are held, the ports are there for the parts. Elsewhere somebody may be faster, which is then said.
    _held: Vec<TcpSocket>,
}

/// Ports that cannot be had: a line each, or one if all are taken, as by another showcase.
#[derive(Debug)]
pub(crate) struct Unavailable(Vec<String>);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl Addresses {
    /// Makes sure that each port can be had: of the page and the receivers on `host`, of ping and pong on 127.0.0.1. 0
    /// becomes a free one.
    pub(crate) fn reserve(ports: Ports, host: IpAddr) -> Result<Self, Unavailable> {
        let offset = ports.port_offset;
        let wanted = [
            ("ping", "--ping-port", ports.ping_port),
            ("pong", "--pong-port", ports.pong_port),
            ("the page", "--page-port", ports.page_port),
            ("the receiver of traces", "--otlp-port", ports.otlp_port),
            (
                "the receiver of traces over gRPC",
                "--otlp-grpc-port",
                ports.otlp_grpc_port,
            ),
            (
                "the receiver of Zipkin's traces",
                "--zipkin-port",
                ports.zipkin_port,
            ),
        ];
        let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); 6];
        let mut held = Vec::new();
        let mut in_use = [false; 6];
        let mut unavailable = Vec::new();
        for (place, (who, flag, port)) in wanted.into_iter().enumerate() {
            let other = wanted[..place]
                .iter()
                .find(|(_, _, other)| *other == port && port != 0);
            if let Some((other, ..)) = other {
                unavailable.push(format!("port {port} cannot be had by both {other} and {who}: choose another with {flag}"));
                continue;
            }
            let Some(moved) = moved(port, offset) else {
                unavailable.push(format!(
                    "port {port} + {offset} is over {}: {who} needs one; choose a smaller --port-offset",
                    u16::MAX
                ));
                continue;
            };
            let bound = match place {
                0 | 1 => socket((Ipv4Addr::LOCALHOST, moved).into()).map(|socket| vec![socket]),
                _ => sockets(host, moved),
            };
            match bound.and_then(|sockets| Ok((sockets[0].local_addr()?, sockets))) {
                Ok((address, sockets)) => {
                    addresses[place] = address;
                    held.extend(sockets);
                }
                Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
                    let line =
                        format!("{host} is no address of this machine: choose another with --host");
                    return Err(Unavailable(vec![line]));
                }
                Err(error) => {
                    in_use[place] = error.kind() == ErrorKind::AddrInUse;
                    unavailable.push(format!(
                        "{}: {who} needs it; choose another with {flag}",
                        reason(moved, &error)
                    ));
                }
            }
        }
        // Those that another showcase has itself; its ping or pong may have ended.
        if let ([_, _, true, true, true, true], Some(page)) =
            (in_use, moved(ports.page_port, offset))
        {
            return Err(Unavailable(vec![format!(
                "the ports are in use: the showcase seems to run already, on http://localhost:{page}; \
                 --port-offset {} starts another one beside it",
                u32::from(offset) + 1000
            )]));
        }
        if !unavailable.is_empty() {
            return Err(Unavailable(unavailable));
        }
        if !cfg!(target_os = "linux") {
            held.clear();
        }
        let [ping, pong, page, otlp, otlp_grpc, zipkin] = addresses;
        Ok(Self {
            ping,
            pong,
            page,
            otlp,
            otlp_grpc,
            zipkin,
            _held: held,
        })
    }
}

/// 0 stands for any port, wherever the others are.
fn moved(port: u16, offset: u16) -> Option<u16> {
    if port == 0 {
        Some(0)
    } else {
        port.checked_add(offset)
    }
}

/// Those on which the backend is going to listen: beside 127.0.0.1 there is `[::1]`.
fn sockets(host: IpAddr, port: u16) -> io::Result<Vec<TcpSocket>> {
    let first = socket((host, port).into())?;
    let taken = first.local_addr()?.port();
    let mut sockets = vec![first];
    if host == Ipv4Addr::LOCALHOST {
        match socket((Ipv6Addr::LOCALHOST, taken).into()) {
            Ok(second) => sockets.push(second),
            Err(error) if error.kind() == ErrorKind::AddrInUse && port != 0 => return Err(error),
            Err(_) => {} // The machine has no IPv6.
        }
    }
    Ok(sockets)
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // As those who are going to listen do; connections that have just been closed are then no obstacle. On Windows it
    // would mean to share the port with whoever has it.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// `address` as this machine reaches it: one that stands for all addresses stands for loopback here.
pub(crate) fn local(address: SocketAddr) -> SocketAddr {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    (host, address.port()).into()
}

/// Where a browser on this machine finds what listens on `address`.
pub(crate) fn url(address: SocketAddr) -> String {
    let local = local(address);
    if local.ip() == Ipv4Addr::LOCALHOST || local.ip() == Ipv6Addr::LOCALHOST {
        format!("http://localhost:{}", local.port())
    } else {
        format!("http://{local}")
    }
}

fn reason(port: u16, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => format!("port {port} is in use"),
        ErrorKind::PermissionDenied => format!("port {port} is not permitted to you"),
        _ => format!("port {port} cannot be had ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Of ping, pong, the page, and the receivers over HTTP and gRPC.
    fn ports(ports: [u16; 6]) -> Ports {
        let [
            ping_port,
            pong_port,
            page_port,
            otlp_port,
            otlp_grpc_port,
            zipkin_port,
        ] = ports;
        Ports {
            ping_port,
            pong_port,
            page_port,
            otlp_port,
            otlp_grpc_port,
            zipkin_port,
            port_offset: 0,
        }
    }

    fn reserve(ports: Ports) -> Result<Addresses, Unavailable> {
        Addresses::reserve(ports, Ipv4Addr::LOCALHOST.into())
    }

    #[test]
    fn the_page_and_the_receivers_are_on_another_address_if_told_so() {
        let addresses = Addresses::reserve(ports([0; 6]), Ipv4Addr::UNSPECIFIED.into()).unwrap();
        let Addresses {
            ping, page, otlp, ..
        } = addresses;
        assert!(ping.ip().is_loopback() && page.ip().is_unspecified());
        assert!(local(otlp).ip().is_loopback());
        assert_eq!(url(page), format!("http://localhost:{}", page.port()));
        assert_eq!(url(([127, 0, 0, 2], 1).into()), "http://127.0.0.2:1");
        let elsewhere = Ipv4Addr::new(192, 0, 2, 1); // for documentation: nobody has it
        let line = Addresses::reserve(ports([0; 6]), elsewhere.into()).unwrap_err();
        assert_eq!(
            line.to_string(),
            "192.0.2.1 is no address of this machine: choose another with --host"
        );
    }

    #[test]
    fn port_zero_becomes_a_free_port_on_which_its_owner_can_listen() {
        let addresses = reserve(ports([0; 6])).unwrap();
        let Addresses {
            ping,
            pong,
            page,
            otlp,
            otlp_grpc,
            zipkin,
            ..
        } = addresses;
        let listeners = [ping, pong, page, otlp, otlp_grpc, zipkin]
            .map(|address| TcpListener::bind(address).unwrap());
        assert!(
            listeners
                .iter()
                .all(|listener| listener.local_addr().unwrap().port() != 0)
        );
    }

    #[test]
    fn port_in_use_is_named_with_who_needs_it_and_the_flag() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        for (place, (who, flag)) in [
            ("ping", "--ping-port"),
            ("pong", "--pong-port"),
            ("the page", "--page-port"),
            ("the receiver of traces", "--otlp-port"),
            ("the receiver of traces over gRPC", "--otlp-grpc-port"),
            ("the receiver of Zipkin's traces", "--zipkin-port"),
        ]
        .into_iter()
        .enumerate()
        {
            let mut wanted = [0; 6];
            wanted[place] = port;
            let line = reserve(ports(wanted)).unwrap_err().to_string();
            assert_eq!(
                line,
                format!("port {port} is in use: {who} needs it; choose another with {flag}")
            );
        }
    }

    #[test]
    fn every_port_in_use_is_named_at_once_and_all_of_them_are_another_showcase() {
        let taken = [0; 6].map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
        let mut wanted = taken
            .each_ref()
            .map(|listener| listener.local_addr().unwrap().port());
        let lines = reserve(ports(wanted)).unwrap_err().to_string();
        assert_eq!(lines.lines().count(), 1, "{lines}");
        assert!(lines.contains("seems to run already"), "{lines}");
        // Its pong has ended.
        wanted[1] = 0;
        let lines = reserve(ports(wanted)).unwrap_err().to_string();
        assert!(lines.contains("seems to run already"), "{lines}");
        wanted[5] = 0;
        let lines = reserve(ports(wanted)).unwrap_err().to_string();
        assert_eq!(lines.lines().count(), 4, "{lines}");
    }

    #[test]
    fn offset_moves_every_port_but_those_that_are_left_open() {
        let free = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            listener.local_addr().unwrap().port()
        };
        let (ping, page) = (free(), free());
        let moved = |offset| Ports {
            port_offset: offset,
            ..ports([ping - offset, 0, page - offset, 0, 0, 0])
        };
        let addresses = reserve(moved(1000)).unwrap();
        assert_eq!([addresses.ping.port(), addresses.page.port()], [ping, page]);
        assert!(addresses.pong.port() != 0);
        let too_far = Ports {
            port_offset: 60_000,
            ..ports([0, 0, 16_686, 0, 0, 0])
        };
        assert_eq!(
            reserve(too_far).unwrap_err().to_string(),
            "port 16686 + 60000 is over 65535: the page needs one; choose a smaller --port-offset"
        );
    }

    #[test]
    fn one_port_is_not_given_to_two() {
        let addresses = reserve(ports([0; 6])).unwrap();
        let port = addresses.ping.port();
        drop(addresses);
        let line = reserve(ports([port, port, 0, 0, 0, 0]))
            .unwrap_err()
            .to_string();
        assert_eq!(
            line,
            format!(
                "port {port} cannot be had by both ping and pong: choose another with --pong-port"
            )
        );
    }
}
