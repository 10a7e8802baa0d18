//! Scheme and version of the protocol, as values of attributes.

/// Value of `url.scheme`.
///
/// An enum and not a string, because a client may write any scheme into the target of its request and the attribute
/// labels metrics. Everything but `https` counts as `http`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// Number of different values.
    pub(crate) const COUNT: usize = Self::Https as usize + 1;

    /// The scheme in the request's target, or `http` if it has none, as is usual in HTTP/1.1.
    ///
    /// The conventions ask for the scheme of the immediate peer. A server that this layer is in gets plain HTTP: TLS ends
    /// at a proxy in front of it.
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

/// The versions with their labels, the most frequent first.
const VERSIONS: [(http::Version, &str); 5] = [
    (http::Version::HTTP_11, "1.1"),
    (http::Version::HTTP_2, "2"),
    (http::Version::HTTP_10, "1.0"),
    (http::Version::HTTP_3, "3"),
    (http::Version::HTTP_09, "0.9"),
];

/// Value of `network.protocol.version`: an index of [`VERSIONS`], or its length for a version that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version(usize);

impl Version {
    /// Number of different values.
    pub(crate) const COUNT: usize = VERSIONS.len() + 1;

    pub(crate) fn of(version: http::Version) -> Self {
        let position = VERSIONS.iter().position(|(known, _)| *known == version);
        Self(position.unwrap_or(VERSIONS.len()))
    }

    /// `None` for an unknown version: the conventions then want no attribute.
    pub(crate) fn label(self) -> Option<&'static str> {
        VERSIONS.get(self.0).map(|(_, label)| *label)
    }

    /// From 0 to below [`COUNT`](Self::COUNT).
    pub(crate) fn position(self) -> usize {
        self.0
    }
}

#[cfg(test)]
impl Version {
    /// Every value there is, that of an unknown version included.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
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
