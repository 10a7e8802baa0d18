//! What all requests of one method to one route share, made once.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundUpDownCounter, Meter, UpDownCounter};

use crate::attribute::{HTTP_REQUEST_METHOD, HTTP_ROUTE, NETWORK_PROTOCOL_VERSION, URL_SCHEME};
use crate::cache::{Cache, hash};
use crate::exemplars::Exemplars;
use crate::method::{Method, Methods};
use crate::names;
use crate::protocol::{Scheme, Version};
use crate::series::{RequestDuration, SeriesSet};

/// Routes are the application's own, so this is not a limit but a guard. One takes 2 KiB, with the methods that are
/// known by default; 200 bytes for each method more.
const ROUTES: usize = 1024;

/// The instruments of `http.server.*`.
#[derive(Clone)]
pub(super) struct Instruments {
    duration: RequestDuration,
    active: UpDownCounter<i64>,
}

impl Instruments {
    pub(super) fn new(meter: &Meter) -> Self {
        Self {
            duration: RequestDuration::of_server(meter),
            active: meter
                .i64_up_down_counter("http.server.active_requests")
                .with_description("Number of active HTTP server requests.")
                .with_unit("{request}")
                .build(),
        }
    }
}

/// All endpoints there were requests for.
pub(super) struct Endpoints {
    instruments: Instruments,
    methods: Methods,
    /// Requests that no route matched: one label for whatever path they had.
    unmatched: Route,
    matched: Cache<Route>,
}

/// A route, and its endpoints by method, scheme and version. All of these a client can vary at will, so they have
/// places of their own: it cannot take those of other routes.
struct Route {
    path: Option<Arc<str>>,
    endpoints: Box<[OnceLock<Arc<Endpoint>>]>,
}

/// One method, scheme and version of one route.
pub(super) struct Endpoint {
    pub(super) span_name: Cow<'static, str>,
    pub(super) route: Option<Arc<str>>,
    pub(super) active: BoundUpDownCounter<i64>,
    pub(super) series: SeriesSet,
}

impl Endpoints {
    pub(super) fn new(instruments: Instruments, methods: Methods) -> Self {
        Self {
            instruments,
            unmatched: Route::new(None, &methods),
            matched: Cache::new(ROUTES),
            methods,
        }
    }

    pub(super) fn with_exemplars(&self, exemplars: Option<Exemplars>) -> Self {
        let Instruments { duration, active } = &self.instruments;
        let instruments = Instruments {
            duration: duration.with_exemplars(exemplars),
            active: active.clone(),
        };
        Self::new(instruments, self.methods.clone())
    }

    pub(super) fn with_methods(&self, methods: Methods) -> Self {
        Self::new(self.instruments.clone(), methods)
    }

    pub(super) fn methods(&self) -> &Methods {
        &self.methods
    }

    /// The endpoint of a request; `route` is the path that was matched, if any.
    pub(super) fn get(
        &self,
        route: Option<&str>,
        method: Method,
        scheme: Scheme,
        version: Version,
    ) -> Arc<Endpoint> {
        let get = |route: &Route| route.endpoint(self, method, scheme, version);
        match route {
            None => get(&self.unmatched),
            Some(path) => self.matched.with(
                hash(path.as_bytes()),
                |route| route.path.as_deref() == Some(path),
                || Route::new(Some(path.into()), &self.methods),
                get,
            ),
        }
    }
}

impl Route {
    fn new(path: Option<Arc<str>>, methods: &Methods) -> Self {
        let size = methods.count() * Scheme::COUNT * Version::COUNT;
        Self {
            path,
            endpoints: (0..size).map(|_| OnceLock::new()).collect(),
        }
    }

    fn endpoint(
        &self,
        all: &Endpoints,
        method: Method,
        scheme: Scheme,
        version: Version,
    ) -> Arc<Endpoint> {
        let make = || {
            Arc::new(Endpoint::new(
                all,
                self.path.clone(),
                method,
                scheme,
                version,
            ))
        };
        let row = method.position() * Scheme::COUNT + scheme as usize;
        match self.endpoints.get(row * Version::COUNT + version as usize) {
            Some(place) => place.get_or_init(make).clone(),
            None => make(),
        }
    }
}

impl Endpoint {
    fn new(
        all: &Endpoints,
        route: Option<Arc<str>>,
        method: Method,
        scheme: Scheme,
        version: Version,
    ) -> Self {
        let Endpoints {
            instruments,
            methods,
            ..
        } = all;
        let mut attributes = vec![
            KeyValue::new(HTTP_REQUEST_METHOD, methods.label(method)),
            KeyValue::new(URL_SCHEME, scheme.label()),
        ];
        let active = instruments.active.bind(&attributes);
        attributes.extend(route.clone().map(|route| KeyValue::new(HTTP_ROUTE, route)));
        let version = version.label();
        attributes.extend(version.map(|version| KeyValue::new(NETWORK_PROTOCOL_VERSION, version)));
        Self {
            span_name: match &route {
                Some(route) => names::kept(format!("{} {route}", methods.span_name(method))),
                None => methods.span_name(method),
            },
            route,
            active,
            series: SeriesSet::new(instruments.duration.clone(), attributes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSIONS: [Version; Version::COUNT] = [
        Version::Http09,
        Version::Http10,
        Version::Http11,
        Version::Http2,
        Version::Http3,
        Version::Unknown,
    ];

    fn endpoints(methods: Methods) -> Endpoints {
        let instruments = Instruments::new(&opentelemetry::global::meter("test"));
        Endpoints::new(instruments, methods)
    }

    fn method(name: &str) -> http::Method {
        http::Method::from_bytes(name.as_bytes()).unwrap()
    }

    #[test]
    fn every_method_scheme_and_version_of_a_route_is_an_endpoint_made_once() {
        let default = [
            "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE",
        ];
        every_endpoint_is_made_once(Methods::default(), &default);
    }

    #[test]
    fn so_is_every_method_of_a_list_that_replaces_the_default() {
        let list = ["PROPFIND", "MKCOL", "get"];
        every_endpoint_is_made_once(Methods::new(list), &list);
        every_endpoint_is_made_once(Methods::new([""; 0]), &[]);
    }

    fn every_endpoint_is_made_once(methods: Methods, known: &[&str]) {
        let endpoints = endpoints(methods);
        let mut made: Vec<Arc<Endpoint>> = Vec::new();
        for route in [None, Some("/a"), Some("/b")] {
            for name in known.iter().chain(&["BREW"]) {
                let method = endpoints.methods().of(&method(name));
                let label = if *name == "BREW" { "_OTHER" } else { name };
                for scheme in [Scheme::Http, Scheme::Https] {
                    for version in VERSIONS {
                        let get = || endpoints.get(route, method, scheme, version);
                        let endpoint = get();
                        assert!(Arc::ptr_eq(&endpoint, &get()));
                        let labels = [
                            (HTTP_REQUEST_METHOD, Some(label)),
                            (URL_SCHEME, Some(scheme.label())),
                            (HTTP_ROUTE, route),
                            (NETWORK_PROTOCOL_VERSION, version.label()),
                        ];
                        let labels = labels.into_iter();
                        let labels =
                            labels.filter_map(|(key, label)| Some((key, label?.to_owned())));
                        let attributes = endpoint.series.attributes().iter();
                        let attributes = attributes
                            .map(|attribute| (attribute.key.as_str(), attribute.value.to_string()));
                        assert!(attributes.eq(labels));
                        assert!(made.iter().all(|other| !Arc::ptr_eq(other, &endpoint)));
                        made.push(endpoint);
                    }
                }
            }
        }
    }

    #[test]
    fn more_routes_than_have_a_place_are_told_apart() {
        let endpoints = endpoints(Methods::default());
        let get = endpoints.methods().of(&http::Method::GET);
        for _ in 0..2 {
            for number in 0..ROUTES + ROUTES / 2 {
                let route = format!("/route/{number}");
                let endpoint = endpoints.get(Some(&route), get, Scheme::Http, Version::Http11);
                assert_eq!(endpoint.route.as_deref(), Some(&*route));
                assert_eq!(endpoint.span_name, format!("GET {route}"));
            }
        }
    }
}
