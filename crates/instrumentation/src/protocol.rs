//! Scheme and version of the protocol, as labels.

/// `url.scheme`. What a client puts before `://` in a request is its own affair: only https is not taken for http.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(crate) const COUNT: usize = Self::Https as usize + 1;

    /// Without a scheme in the request (origin-form, as almost always in HTTP/1.1) it is the one of the immediate
    /// peer, which is http: TLS ends in front of these services.
    pub(crate) fn of(uri: &http::Uri) -> Self {
        match uri.scheme() {
            Some(scheme) if *scheme == http::uri::Scheme::HTTPS => Self::Https,
            _ => Self::Http,
        }
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub(crate) fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// `network.protocol.version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http09,
    Http10,
    Http11,
    Http2,
    Http3,
    Unknown,
}

impl Version {
    pub(crate) const COUNT: usize = Self::Unknown as usize + 1;

    pub(crate) fn of(version: http::Version) -> Self {
        match version {
            http::Version::HTTP_11 => Self::Http11,
            http::Version::HTTP_2 => Self::Http2,
            http::Version::HTTP_10 => Self::Http10,
            http::Version::HTTP_3 => Self::Http3,
            http::Version::HTTP_09 => Self::Http09,
            _ => Self::Unknown,
        }
    }

    /// `None`: the conventions want no attribute then.
    pub(crate) fn label(self) -> Option<&'static str> {
        match self {
            Self::Http09 => Some("0.9"),
            Self::Http10 => Some("1.0"),
            Self::Http11 => Some("1.1"),
            Self::Http2 => Some("2"),
            Self::Http3 => Some("3"),
            Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Over real connections only three of them come.
    #[test]
    fn each_version_has_the_label_of_the_conventions() {
        for (version, label) in [
            (http::Version::HTTP_09, "0.9"),
            (http::Version::HTTP_10, "1.0"),
            (http::Version::HTTP_11, "1.1"),
            (http::Version::HTTP_2, "2"),
            (http::Version::HTTP_3, "3"),
        ] {
            assert_eq!(Version::of(version).label(), Some(label));
        }
    }
}
