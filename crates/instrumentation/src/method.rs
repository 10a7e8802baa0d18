//! The request's method, as one of a few values of `http.request.method`.
//!
//! Any token is a method in HTTP. If each became a value of the attribute, a client that invents methods would make a new
//! series of every metric with each of them.

use std::borrow::Cow;
use std::sync::Arc;

/// The methods that the conventions know: those of RFC 9110, `PATCH` and `QUERY`. The search runs from the front, so the
/// most frequent ones come first.
const DEFAULT: [&str; 10] = [
    "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "QUERY", "CONNECT", "TRACE",
];

/// Most methods in a list, because each route of a server has slots for all of them. Further ones are not known.
const LIMIT: usize = 64;

/// The known methods. Each is a value of its own; all others share one.
#[derive(Clone, Debug)]
pub(crate) struct Methods(Arc<[Cow<'static, str>]>);

/// An index of [`Methods`], or its length for a method that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Method(usize);

impl Default for Methods {
    fn default() -> Self {
        Self(DEFAULT.map(Cow::Borrowed).into())
    }
}

impl Methods {
    pub(crate) fn new<M: Into<String>>(known: impl IntoIterator<Item = M>) -> Self {
        let known = known.into_iter().take(LIMIT);
        Self(known.map(|method| Cow::Owned(method.into())).collect())
    }

    /// Looks the method up. Methods are case-sensitive: `get` is not `GET`.
    pub(crate) fn of(&self, method: &http::Method) -> Method {
        let method = method.as_str();
        let position = self.0.iter().position(|known| known == method);
        Method(position.unwrap_or(self.0.len()))
    }

    /// Number of different [`Method`]s.
    pub(crate) fn count(&self) -> usize {
        self.0.len() + 1
    }

    pub(crate) fn is_known(&self, method: Method) -> bool {
        method.0 < self.0.len()
    }

    /// Value of `http.request.method`.
    pub(crate) fn label(&self, method: Method) -> Cow<'static, str> {
        self.name(method, "_OTHER")
    }

    /// `{method}` in the span's name. Conventions, *Name*: `HTTP` if the method is not known.
    pub(crate) fn span_name(&self, method: Method) -> Cow<'static, str> {
        self.name(method, "HTTP")
    }

    fn name(&self, method: Method, unknown: &'static str) -> Cow<'static, str> {
        let known = self.0.get(method.0).cloned();
        known.unwrap_or(Cow::Borrowed(unknown))
    }
}

impl Method {
    /// From 0 to below [`Methods::count`].
    pub(crate) fn position(self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_methods_than_the_limit_are_not_known() {
        let named: Vec<_> = (0..LIMIT + 2).map(|number| format!("M{number}")).collect();
        let methods = Methods::new(&named);
        assert_eq!(methods.count(), LIMIT + 1);
        for (number, name) in named.iter().enumerate() {
            let method = methods.of(&http::Method::from_bytes(name.as_bytes()).unwrap());
            assert_eq!(methods.is_known(method), number < LIMIT, "{name}");
            assert_eq!(methods.label(method) == *name, number < LIMIT, "{name}");
        }
    }

    #[test]
    fn an_empty_list_knows_no_method() {
        let methods = Methods::new([""; 0]);
        let get = methods.of(&http::Method::GET);
        assert_eq!((methods.count(), get.position()), (1, 0));
        assert_eq!(methods.label(get), "_OTHER");
        assert_eq!(methods.span_name(get), "HTTP");
    }
}
