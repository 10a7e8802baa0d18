//! `server.address` and `server.port` of a server: how the client names it, in `Host`, in `:authority`, or in the target
//! of its request.

/// The longest host in bytes. No domain name is longer.
const LONGEST: usize = 255;

/// The value of `Host`, or an authority (RFC 9110, 7.2; RFC 3986, 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Host<'a> {
    /// A name or an IP address. IPv6 has no brackets, but may have a zone.
    pub(crate) address: &'a str,
    pub(crate) port: Option<u16>,
}

impl<'a> Host<'a> {
    /// Returns `None` for text that cannot be a host, because no attribute is better than one that a client made up. An
    /// invalid port is left out and the address stays.
    pub(crate) fn parse(authority: &'a str) -> Option<Self> {
        // A user and a password must never be recorded.
        let (_, host_and_port) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (address, rest, is_legal): (_, _, fn(u8) -> bool) =
            if let Some(bracketed) = host_and_port.strip_prefix('[') {
                let (address, rest) = bracketed.split_once(']')?;
                (address, rest, is_in_ip_literal)
            } else {
                let end = host_and_port.find(':').unwrap_or(host_and_port.len());
                let (address, rest) = host_and_port.split_at(end);
                (address, rest, is_in_name)
            };
        let is_host =
            !address.is_empty() && address.len() <= LONGEST && address.bytes().all(is_legal);
        let port = match rest.strip_prefix(':') {
            // More than one colon: an IPv6 address without brackets.
            Some(port) if !port.contains(':') => parse_port(port),
            None if rest.is_empty() => None,
            _ => return None,
        };
        is_host.then_some(Self { address, port })
    }
}

/// Takes digits only: Only digits: `u16::from_str` alone would also accept `+80`.
fn parse_port(port: &str) -> Option<u16> {
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| port.parse().ok()).flatten()
}

/// IPv6, `IPvFuture`, and a zone (RFC 6874), whose `%25` some senders leave as `%`.
fn is_in_ip_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b":.%-_~".contains(&byte)
}

/// `reg-name` of RFC 3986, 3.2.2.
fn is_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_a_name_or_an_address_with_or_without_a_port() {
        for (authority, address, port) in [
            ("example.com", "example.com", None),
            ("example.com:8081", "example.com", Some(8081)),
            ("example.com:", "example.com", None),
            ("EXAMPLE.com:80", "EXAMPLE.com", Some(80)),
            ("10.1.2.80:65535", "10.1.2.80", Some(65535)),
            ("pong_1", "pong_1", None),
            ("[::1]", "::1", None),
            ("[::1]:8081", "::1", Some(8081)),
            ("[2001:db8::7]:443", "2001:db8::7", Some(443)),
            ("[::ffff:10.1.2.80]", "::ffff:10.1.2.80", None),
            ("[fe80::1%25eth0]:80", "fe80::1%25eth0", Some(80)),
            ("[fe80::1%eth0]", "fe80::1%eth0", None),
            // Recorded without what must not be.
            ("user:secret@example.com:81", "example.com", Some(81)),
            ("a@b@example.com", "example.com", None),
            // An address is worth having even if the port is none.
            ("example.com:http", "example.com", None),
            ("example.com:65536", "example.com", None),
            ("example.com:+80", "example.com", None),
            ("[::1]:-1", "::1", None),
        ] {
            let host = Host { address, port };
            assert_eq!(Host::parse(authority), Some(host), "{authority}");
        }
    }

    #[test]
    fn what_cannot_be_a_host_is_none() {
        let long = "a".repeat(LONGEST + 1);
        for authority in [
            "",
            ":",
            ":80",
            "[]",
            "[]:80",
            "[::1",
            "[::1]80",
            "[::1]]",
            "::1",
            "fe80::1:80",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "a\tb",
            "<script>",
            "a\"b",
            "é",
            "[é]",
            "[::1/64]",
            "user@",
            &long,
        ] {
            assert_eq!(Host::parse(authority), None, "{authority}");
        }
        assert!(Host::parse(&long[1..]).is_some());
        let with_user = format!("user:{long}@a");
        assert_eq!(Host::parse(&with_user).map(|host| host.address), Some("a"));
    }
}
