//! Texts that are the same in almost every request of a connection: the host, the user agent and the peer's address.
//!
//! A span must own its attributes, so each text would be parsed or formatted, and allocated, for each span.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::LocalKey;

use opentelemetry::StringValue;

use super::hash;
use crate::host::Host;

/// Values of each sort that a thread keeps: the latest one of each slot. Clients that send many different ones cost time,
/// not memory.
const SLOTS: usize = 64;

/// Longest authority or user agent in bytes that is kept, so that a thread keeps at most 64 KiB of each.
const LONGEST: usize = 256;

/// Keys and values, the latest of each slot.
type Slots<K, V> = RefCell<[Option<(K, V)>; SLOTS]>;

/// Values of `server.address` and `server.port`.
pub(crate) type Server = (Arc<str>, Option<u16>);

thread_local! {
    static HOSTS: Slots<Vec<u8>, Server> = const { RefCell::new([const { None }; SLOTS]) };
    static AGENTS: Slots<Vec<u8>, Arc<str>> = const { RefCell::new([const { None }; SLOTS]) };
    static ADDRESSES: Slots<IpAddr, Arc<str>> = const { RefCell::new([const { None }; SLOTS]) };
}

/// Returns the host in an authority, and its port if it has one.
pub(crate) fn host(authority: &[u8]) -> Option<Server> {
    recent_if_short(&HOSTS, authority, || {
        let Host { address, port } = Host::parse(str::from_utf8(authority).ok()?)?;
        Some((address.into(), port))
    })
}

/// Returns the text of a header `User-Agent`. Bytes that are not UTF-8 are replaced.
pub(crate) fn user_agent(header: &[u8]) -> StringValue {
    let text = recent_if_short(&AGENTS, header, || {
        Some(String::from_utf8_lossy(header).into())
    });
    text.unwrap_or_default().into()
}

/// Returns an address as text. An IPv4 address that arrived at an IPv6 socket is written as IPv4, as the peer itself would
/// write it.
pub(crate) fn address(ip: IpAddr) -> StringValue {
    let text = || Some(ip.to_canonical().to_string().into());
    recent(&ADDRESSES, &ip, text).unwrap_or_default().into()
}

/// Like [`recent`], but a key that is too long is not kept.
fn recent_if_short<V: Clone>(
    slots: &'static LocalKey<Slots<Vec<u8>, V>>,
    key: &[u8],
    make: impl FnOnce() -> Option<V>,
) -> Option<V> {
    if key.len() > LONGEST {
        return make();
    }
    recent(slots, key, make)
}

/// Returns the value of `key`, which is made if its slot has another one. A key without a value is not kept.
fn recent<K, V>(
    slots: &'static LocalKey<Slots<K::Owned, V>>,
    key: &K,
    make: impl FnOnce() -> Option<V>,
) -> Option<V>
where
    K: Hash + Eq + ToOwned + ?Sized,
    V: Clone,
{
    slots.with_borrow_mut(|slots| {
        let slot = &mut slots[hash(key) as usize % SLOTS];
        match slot {
            Some((known, value)) if (*known).borrow() == key => Some(value.clone()),
            _ => {
                let value = make()?;
                *slot = Some((key.to_owned(), value.clone()));
                Some(value)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_parsed_and_shared_unless_it_is_none() {
        let find = |authority: &str| {
            let host = host(authority.as_bytes());
            host.map(|(address, port)| (address.to_string(), port))
        };
        for number in (0..1000).chain(0..1000) {
            let address = format!("host-{number}");
            assert_eq!(find(&address), Some((address.clone(), None)));
            assert_eq!(
                find(&format!("{address}:8081")),
                Some((address, Some(8081)))
            );
        }
        let long = "a".repeat(LONGEST);
        for _ in 0..2 {
            assert_eq!(find("not a host"), None);
            assert_eq!(find(&long), None);
            assert_eq!(
                find(&format!("user:{long}@a")),
                Some(("a".to_owned(), None))
            );
            assert_eq!(host(b"\xff"), None);
        }
        HOSTS.with_borrow(|hosts| {
            let mut kept = hosts.iter().flatten();
            assert!(kept.all(|(authority, _)| authority.len() <= LONGEST));
        });
    }

    #[test]
    fn user_agent_is_text_whatever_its_bytes_are() {
        let long = "a".repeat(LONGEST + 1);
        for _ in 0..2 {
            for agent in ["curl/8.7", "", &long] {
                assert_eq!(user_agent(agent.as_bytes()).as_str(), agent);
            }
            for bytes in [&b"caf\xe9"[..], "caf\u{fffd}".as_bytes()] {
                assert_eq!(user_agent(bytes).as_str(), "caf\u{fffd}");
            }
        }
        AGENTS.with_borrow(|agents| {
            let mut kept = agents.iter().flatten();
            assert!(kept.all(|(header, _)| header.len() <= LONGEST));
        });
    }

    #[test]
    fn address_is_written_as_the_peer_would_write_it() {
        for (ip, text) in [
            ("127.0.0.1", "127.0.0.1"),
            ("10.1.2.80", "10.1.2.80"),
            ("::1", "::1"),
            ("2001:db8:0:0::7", "2001:db8::7"),
            ("::ffff:10.1.2.80", "10.1.2.80"),
            ("10.9.9.80", "10.9.9.80"),
        ] {
            for _ in 0..2 {
                assert_eq!(address(ip.parse().unwrap()).as_str(), text);
            }
        }
    }
}
