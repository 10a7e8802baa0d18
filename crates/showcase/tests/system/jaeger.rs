//! A real Jaeger, configured as the one of `docker-compose.yml` is.

use std::collections::BTreeSet;

use crate::PATIENCE;
use crate::pair::Pair;
use crate::parts::ports::free_port;
use crate::parts::{jaeger, within};
use crate::program::{Program, repository};

pub(crate) struct Jaeger {
    _program: Program,
    pub(crate) api: jaeger::Jaeger,
    /// `host:port` where it takes OTLP by HTTP.
    pub(crate) otlp: String,
}

impl Jaeger {
    pub(crate) async fn start() -> Self {
        let [query, query_grpc, health, otlp, otlp_grpc] =
            std::array::from_fn(|_| format!("127.0.0.1:{}", free_port()));
        let program = Program::start("jaeger", |command, _| {
            command
                // Or it would trace its own API.
                .env("OTEL_TRACES_SAMPLER", "always_off")
                .arg("--config")
                .arg(repository("jaeger/jaeger.yml"));
            for (endpoint, address) in [
                ("extensions.jaeger_query.http", &query),
                ("extensions.jaeger_query.grpc", &query_grpc),
                ("extensions.healthcheckv2.http", &health),
                ("receivers.otlp.protocols.http", &otlp),
                ("receivers.otlp.protocols.grpc", &otlp_grpc),
            ] {
                command.arg(format!("--set={endpoint}.endpoint={address}"));
            }
        });
        program.ready(&format!("http://{health}/status")).await;
        Self {
            _program: program,
            api: jaeger::Jaeger::at(format!("http://{query}")),
            otlp,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs jaeger"]
async fn a_real_jaeger_shows_the_five_spans_of_a_ping_with_parents_services_and_events() {
    let jaeger = Jaeger::start().await;
    let receiver = [("JAEGER_ADDRESS", jaeger.otlp.as_str())];
    let pair = Pair::start_with(&receiver, &receiver);
    pair.get("/ping").await;

    // As its page, and Grafana, search.
    let search = [("service", "Ping"), ("operation", "GET /ping")];
    let mut last = None;
    let found = within(PATIENCE, async || {
        last = jaeger.api.get("traces", &search).await;
        let [trace] = last.as_ref()?.as_array()?.as_slice() else {
            return None;
        };
        (jaeger::spans_of(trace).len() == 5).then(|| trace.clone())
    });
    let Some(trace) = found.await else {
        panic!("no five spans: {last:#?}")
    };
    assert_eq!(jaeger::chain(&trace), jaeger::one_ping());

    let services = within(PATIENCE, async || jaeger.api.get("services", &[]).await).await;
    let services = services.expect("it knows services");
    let names = services.as_array().into_iter().flatten();
    // And it traces nothing of its own.
    assert_eq!(
        names
            .filter_map(|name| name.as_str())
            .collect::<BTreeSet<_>>(),
        BTreeSet::from(["Ping", "Pong"])
    );
}
