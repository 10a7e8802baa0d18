//! The request's method, as one of a few labels: whatever a client invents must not make a series of its own.

use std::borrow::Cow;
use std::sync::Arc;

use crate::names;

/// The methods that the conventions know (RFC 9110, PATCH, QUERY), the most frequent first, which is found first.
const DEFAULT: [&str; 10] = [
    "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "QUERY", "CONNECT", "TRACE",
];

/// Most methods that can be known: each route has places for all of them. Methods beyond it are not known.
const LIMIT: usize = 64;

/// The known methods. Each is a label of its own; all others share one.
#[derive(Clone, Debug)]
pub(crate) struct Methods(Arc<[Cow<'static, str>]>);

/// The position of a method in [`Methods`], or the one after the last for a method that is not known.
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
        Self(known.map(|method| names::kept(method.into())).collect())
    }

    /// Methods are case-sensitive: `get` is not `GET`.
    pub(crate) fn of(&self, method: &http::Method) -> Method {
        let method = method.as_str();
        let position = self.0.iter().position(|known| known == method);
        Method(position.unwrap_or(self.0.len()))
    }

    /// How many different [`Method`]s there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len() + 1
    }

    pub(crate) fn is_known(&self, method: Method) -> bool {
        method.0 < self.0.len()
    }

    /// `http.request.method`.
    pub(crate) fn label(&self, method: Method) -> Cow<'static, str> {
        self.name(method).unwrap_or(Cow::Borrowed("_OTHER"))
    }

    /// `{method}` in the span's name.
    pub(crate) fn span_name(&self, method: Method) -> Cow<'static, str> {
        self.name(method).unwrap_or(Cow::Borrowed("HTTP"))
    }

    fn name(&self, method: Method) -> Option<Cow<'static, str>> {
        self.0.get(method.0).cloned()
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
