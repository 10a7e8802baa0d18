//! What all requests of one method to one route share, made once.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundUpDownCounter, Meter, UpDownCounter};

use crate::attribute::{HTTP_REQUEST_METHOD, HTTP_ROUTE, NETWORK_PROTOCOL_VERSION, URL_SCHEME};
use crate::method::{Method, Methods};
use crate::protocol::{Scheme, Version};
use crate::reuse::{Cache, hash};
use crate::series::{RequestDuration, SeriesSet};

/// Routes that are kept. The application defines its routes, so this guards against a mistake and not against clients.
/// One route takes 2 KiB with the default methods, and 200 bytes for each method more.
const ROUTES: usize = 1024;

/// The instruments of `http.server.*`, and the methods that label them.
#[derive(Clone)]
pub(super) struct Instruments {
    pub(super) methods: Methods,
    pub(super) duration: RequestDuration,
    active: UpDownCounter<i64>,
}

impl Instruments {
    pub(super) fn new(meter: &Meter) -> Self {
        let active = meter
            .i64_up_down_counter("http.server.active_requests")
            .with_description("Number of active HTTP server requests.")
            .with_unit("{request}");
        Self {
            methods: Methods::default(),
            duration: RequestDuration::of_server(meter),
            active: active.build(),
        }
    }
}

/// All endpoints that had a request.
pub(super) struct Endpoints {
    pub(super) instruments: Instruments,
    /// Requests that no route matched. Their paths are not labels, because clients choose them.
    unmatched: Route,
    matched: Cache<Route>,
}

/// A route with a slot for every [`Kind`] of request. A client can vary these at will, so each route has slots of its
/// own: no client can use up those of another route.
struct Route {
    path: Option<Arc<str>>,
    endpoints: Box<[OnceLock<Arc<Endpoint>>]>,
}

/// What a request's labels depend on, beside its route.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) method: Method,
    pub(super) scheme: Scheme,
    pub(super) version: Version,
}

/// One kind of request to one route.
pub(super) struct Endpoint {
    pub(super) span_name: Cow<'static, str>,
    pub(super) route: Option<Arc<str>>,
    pub(super) active: BoundUpDownCounter<i64>,
    pub(super) series: SeriesSet,
}

impl Endpoints {
    pub(super) fn new(instruments: Instruments) -> Self {
        Self {
            unmatched: Route::new(None, &instruments),
            matched: Cache::new(ROUTES),
            instruments,
        }
    }

    /// Returns the endpoint of a request: its route, method and scheme. `route` is the path template that matched, if one did.
    pub(super) fn get(&self, route: Option<&str>, kind: Kind) -> Arc<Endpoint> {
        let get = |route: &Route| route.endpoint(&self.instruments, kind);
        let Some(path) = route else {
            return get(&self.unmatched);
        };
        let is_wanted = |route: &Route| route.path.as_deref() == Some(path);
        let make = || Route::new(Some(path.into()), &self.instruments);
        self.matched.with(hash(path), is_wanted, make, get)
    }
}

impl Route {
    fn new(path: Option<Arc<str>>, instruments: &Instruments) -> Self {
        let size = instruments.methods.count() * Scheme::COUNT * Version::COUNT;
        Self {
            path,
            endpoints: (0..size).map(|_| OnceLock::new()).collect(),
        }
    }

    fn endpoint(&self, instruments: &Instruments, kind: Kind) -> Arc<Endpoint> {
        let make = || Arc::new(Endpoint::new(instruments, self.path.clone(), kind));
        let row = kind.method.position() * Scheme::COUNT + kind.scheme as usize;
        let slot = row * Version::COUNT + kind.version.position();
        match self.endpoints.get(slot) {
            Some(slot) => slot.get_or_init(make).clone(),
            None => make(),
        }
    }
}

impl Endpoint {
    fn new(instruments: &Instruments, route: Option<Arc<str>>, kind: Kind) -> Self {
        let methods = &instruments.methods;
        let mut attributes = vec![
            KeyValue::new(HTTP_REQUEST_METHOD, methods.label(kind.method)),
            KeyValue::new(URL_SCHEME, kind.scheme.label()),
        ];
        // The conventions give the active requests no other attributes.
        let active = instruments.active.bind(&attributes);
        attributes.extend(route.clone().map(|route| KeyValue::new(HTTP_ROUTE, route)));
        let version = kind.version.label();
        attributes.extend(version.map(|version| KeyValue::new(NETWORK_PROTOCOL_VERSION, version)));
        let method = methods.span_name(kind.method);
        Self {
            // Conventions, *Name*: `{method} {target}`, where the target is a template and never a path.
            span_name: match &route {
                Some(route) => Cow::Owned(format!("{method} {route}")),
                None => method,
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

    fn endpoints(methods: Methods) -> Endpoints {
        let mut instruments = Instruments::new(&opentelemetry::global::meter("test"));
        instruments.methods = methods;
        Endpoints::new(instruments)
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
                let method = endpoints.instruments.methods.of(&method(name));
                let label = if *name == "BREW" { "_OTHER" } else { name };
                for scheme in [Scheme::Http, Scheme::Https] {
                    for version in Version::all() {
                        let kind = Kind {
                            method,
                            scheme,
                            version,
                        };
                        let get = || endpoints.get(route, kind);
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
        let get = Kind {
            method: endpoints.instruments.methods.of(&http::Method::GET),
            scheme: Scheme::Http,
            version: Version::of(http::Version::HTTP_11),
        };
        for _ in 0..2 {
            for number in 0..ROUTES + ROUTES / 2 {
                let route = format!("/route/{number}");
                let endpoint = endpoints.get(Some(&route), get);
                assert_eq!(endpoint.route.as_deref(), Some(&*route));
                assert_eq!(endpoint.span_name, format!("GET {route}"));
            }
        }
    }
}
