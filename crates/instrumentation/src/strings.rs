//! Strings that come again with almost every request: the host, the user agent, the peer's address.
//!
//! A span must own its attributes. Copying these three costs an allocation each and, on the exporter's thread, a
//! deallocation; sharing the copy of the request before costs a comparison.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

use opentelemetry::StringValue;

use crate::cache::hash;
use crate::host::Host;

/// How many strings of each sort a thread remembers: the latest of each place, so that whoever sends many
/// different ones costs copies, but no memory.
const PLACES: usize = 64;

/// Longer ones are copied: they are rare, and a thread keeps at most 16 KiB of each sort.
const LONGEST: usize = 256;

/// The latest value of each place.
type Places<T> = RefCell<[Option<T>; PLACES]>;

/// A [`Host`] whose address is shared.
pub(crate) type Server = (StringValue, Option<u16>);

thread_local! {
    static TEXTS: Places<Arc<str>> = const { RefCell::new([const { None }; PLACES]) };
    static HOSTS: Places<(Box<[u8]>, Server)> = const { RefCell::new([const { None }; PLACES]) };
    static ADDRESSES: Places<(IpAddr, Arc<str>)> = const { RefCell::new([const { None }; PLACES]) };
}

/// The text as an attribute's value. Bytes that are no UTF-8 are replaced.
pub(crate) fn shared(text: &[u8]) -> StringValue {
    let owned = || String::from_utf8_lossy(text).into_owned();
    if text.len() > LONGEST {
        return owned().into();
    }
    TEXTS.with_borrow_mut(|texts| {
        let place = &mut texts[hash(text) as usize % PLACES];
        match place {
            Some(known) if known.as_bytes() == text => known.clone(),
            _ => place.insert(owned().into()).clone(),
        }
        .into()
    })
}

/// The host in an authority, with its port if there is one; parsed once.
pub(crate) fn shared_host(authority: &[u8]) -> Option<Server> {
    HOSTS.with_borrow_mut(|hosts| {
        let place = &mut hosts[hash(authority) as usize % PLACES];
        match place {
            Some((known, server)) if **known == *authority => Some(server.clone()),
            _ => {
                let Host { address, port } = Host::parse(std::str::from_utf8(authority).ok()?)?;
                let server = (Arc::<str>::from(address).into(), port);
                *place = (authority.len() <= LONGEST).then(|| (authority.into(), server.clone()));
                Some(server)
            }
        }
    })
}

/// The address as an attribute's value; an IPv4 address that came through an IPv6 socket as IPv4.
pub(crate) fn shared_address(address: IpAddr) -> StringValue {
    ADDRESSES.with_borrow_mut(|addresses| {
        let place = &mut addresses[place_of(address)];
        match place {
            Some((known, text)) if *known == address => text.clone(),
            _ => {
                let text: Arc<str> = address.to_canonical().to_string().into();
                *place = Some((address, text.clone()));
                text
            }
        }
        .into()
    })
}

/// Neighbours, which differ in the last byte, do not share a place.
fn place_of(address: IpAddr) -> usize {
    let last = match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(address) => address.octets()[15],
    };
    usize::from(last) % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_shared_and_another_one_is_not() {
        let texts: Vec<_> = (0..1000).map(|number| format!("agent/{number}")).collect();
        for text in texts.iter().chain(&texts) {
            let (first, second) = (shared(text.as_bytes()), shared(text.as_bytes()));
            assert_eq!(first.as_str(), text);
            assert_eq!(first.as_str().as_ptr(), second.as_str().as_ptr());
        }
    }

    #[test]
    fn a_long_text_is_not_kept() {
        let text = "a".repeat(LONGEST + 1);
        assert_eq!(shared(text.as_bytes()).as_str(), text);
        assert_ne!(
            shared(text.as_bytes()).as_str().as_ptr(),
            shared(text.as_bytes()).as_str().as_ptr()
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_each_time() {
        for _ in 0..2 {
            assert_eq!(shared(b"caf\xe9").as_str(), "caf\u{fffd}");
            assert_eq!(shared("caf\u{fffd}".as_bytes()).as_str(), "caf\u{fffd}");
        }
    }

    #[test]
    fn host_is_parsed_and_shared_unless_it_is_none() {
        let find = |authority: &str| {
            let host = shared_host(authority.as_bytes());
            host.map(|(address, port)| (address.as_str().to_owned(), port))
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
            assert_eq!(shared_host(b"\xff"), None);
        }
        HOSTS.with_borrow(|hosts| {
            let mut kept = hosts.iter().flatten();
            assert!(kept.all(|(authority, _)| authority.len() <= LONGEST));
        });
    }

    #[test]
    fn address_is_written_as_the_peer_would_write_it() {
        for (address, text) in [
            ("127.0.0.1", "127.0.0.1"),
            ("10.1.2.80", "10.1.2.80"),
            ("::1", "::1"),
            ("2001:db8:0:0::7", "2001:db8::7"),
            ("::ffff:10.1.2.80", "10.1.2.80"),
            ("10.9.9.80", "10.9.9.80"), // the place of 10.1.2.80
        ] {
            for _ in 0..2 {
                assert_eq!(shared_address(address.parse().unwrap()).as_str(), text);
            }
        }
    }
}
