//! The request's method, as one of a few labels: whatever a client invents must not make a series of its own.

/// The methods that the conventions know (RFC 9110, PATCH, QUERY), and one for all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Connect,
    Delete,
    Get,
    Head,
    Options,
    Patch,
    Post,
    Put,
    Query,
    Trace,
    Other,
}

impl Method {
    pub(crate) const COUNT: usize = Self::Other as usize + 1;

    /// Methods are case-sensitive: `get` is none that is known.
    pub(crate) fn of(method: &http::Method) -> Self {
        match method.as_str() {
            "CONNECT" => Self::Connect,
            "DELETE" => Self::Delete,
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "OPTIONS" => Self::Options,
            "PATCH" => Self::Patch,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "QUERY" => Self::Query,
            "TRACE" => Self::Trace,
            _ => Self::Other,
        }
    }

    /// `http.request.method`.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Query => "QUERY",
            Self::Trace => "TRACE",
            Self::Other => "_OTHER",
        }
    }

    /// `{method}` in the span's name.
    pub(crate) fn span_name(self) -> &'static str {
        match self {
            Self::Other => "HTTP",
            known => known.label(),
        }
    }
}
