//! Strings that come again with almost every request: the host, the user agent, the peer's address.
//!
//! A span must own its attributes. Copying these three costs an allocation each and, on the exporter's thread, a
//! deallocation; sharing the copy of the request before costs a comparison.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

use opentelemetry::StringValue;

use crate::cache::hash;

/// How many strings of each sort a thread remembers: the latest of each place, so that whoever sends many
/// different ones costs copies, but no memory.
const PLACES: usize = 64;

/// Longer ones are copied: they are rare, and a thread keeps at most 16 KiB.
const LONGEST: usize = 256;

thread_local! {
    static RECENT: RefCell<Recent> = const { RefCell::new(Recent {
        texts: [const { None }; PLACES],
        addresses: [const { None }; PLACES],
    }) };
}

struct Recent {
    texts: [Option<Arc<str>>; PLACES],
    addresses: [Option<(IpAddr, Arc<str>)>; PLACES],
}

/// The text as an attribute's value.
pub(crate) fn shared(text: &str) -> StringValue {
    if text.len() > LONGEST {
        return text.to_owned().into();
    }
    RECENT.with_borrow_mut(|recent| {
        let place = &mut recent.texts[hash(text) as usize % PLACES];
        match place {
            Some(known) if **known == *text => known.clone(),
            _ => place.insert(text.into()).clone(),
        }
        .into()
    })
}

/// The address as an attribute's value; an IPv4 address that came through an IPv6 socket as IPv4.
pub(crate) fn shared_address(address: IpAddr) -> StringValue {
    RECENT.with_borrow_mut(|recent| {
        let place = &mut recent.addresses[place_of(address)];
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
            let (first, second) = (shared(text), shared(text));
            assert_eq!(first.as_str(), text);
            assert_eq!(first.as_str().as_ptr(), second.as_str().as_ptr());
        }
    }

    #[test]
    fn a_long_text_is_not_kept() {
        let text = "a".repeat(LONGEST + 1);
        assert_eq!(shared(&text).as_str(), text);
        assert_ne!(
            shared(&text).as_str().as_ptr(),
            shared(&text).as_str().as_ptr()
        );
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
