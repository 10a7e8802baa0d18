//! The real exporters of the OpenTelemetry SDK, as services use them.

use std::{collections::BTreeMap, time::Duration};

use backend::{Attributes, Backend, SpanKind, StatusCode, Value};
use opentelemetry::{
    Array, InstrumentationScope, KeyValue,
    trace::{
        Link, SpanContext, SpanKind as ApiSpanKind, Status, TraceContextExt, TraceFlags,
        TraceState, Tracer, TracerProvider,
    },
};
use opentelemetry_otlp::{
    Compression, Protocol, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider},
};
use tokio::{runtime::Handle, task::JoinSet, time::timeout};

use crate::{LIMIT, start};

#[tokio::test]
async fn spans_of_the_real_exporter_come_back_equal() {
    let backend = start();
    let endpoint = format!("http://{}/v1/traces", backend.otlp_http());
    come_back_equal(backend, move || {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_compression(Compression::Gzip)
            .with_endpoint(endpoint);
        exporter.build().unwrap()
    })
    .await;
}

#[tokio::test]
async fn spans_of_the_real_exporter_come_back_equal_over_grpc() {
    for compression in [None, Some(Compression::Gzip)] {
        let backend = start();
        let exporter = grpc(&backend, compression);
        come_back_equal(backend, exporter).await;
    }
}

/// A maker of exporters whose connection belongs to this runtime.
fn grpc(
    backend: &Backend,
    compression: Option<Compression>,
) -> impl FnOnce() -> SpanExporter + Send + 'static {
    let endpoint = format!("http://{}", backend.otlp_grpc());
    let runtime = Handle::current();
    move || {
        let _entered = runtime.enter();
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(LIMIT);
        let exporter = match compression {
            Some(compression) => exporter.with_compression(compression),
            None => exporter,
        };
        exporter.build().unwrap()
    }
}

#[tokio::test]
async fn many_exporters_at_once_lose_no_span_over_grpc() {
    const EXPORTERS: usize = 8;
    const SPANS: usize = 1000;
    let backend = start();
    let mut senders = JoinSet::new();
    for _ in 0..EXPORTERS {
        let exporter = grpc(&backend, Some(Compression::Gzip));
        senders.spawn_blocking(move || {
            let batches = BatchSpanProcessor::builder(exporter())
                .with_batch_config(
                    BatchConfigBuilder::default()
                        .with_max_queue_size(SPANS)
                        .build(),
                )
                .build();
            let provider = SdkTracerProvider::builder()
                .with_span_processor(batches)
                .build();
            let tracer = provider.tracer("many");
            for _ in 0..SPANS {
                drop(tracer.start("span"));
            }
            provider.shutdown_with_timeout(LIMIT).unwrap();
        });
    }
    timeout(2 * LIMIT, senders.join_all()).await.unwrap();
    assert_eq!(backend.store().len(), EXPORTERS * SPANS);
    let received = backend.received();
    assert_eq!((received[1].spans, received[1].refused), (8000, 0));
}

async fn come_back_equal(
    backend: Backend,
    exporter: impl FnOnce() -> SpanExporter + Send + 'static,
) {
    let other = SpanContext::new(
        0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.into(),
        0x00f0_67aa_0ba9_02b7.into(),
        TraceFlags::SAMPLED,
        false,
        TraceState::from_key_value([("vendor", "1")]).unwrap(),
    );
    let linked = other.clone();

    // The blocking client must neither be made, used nor dropped on a runtime's thread.
    let sender = std::thread::spawn(move || {
        let resource = Resource::builder_empty()
            .with_schema_url(
                [
                    KeyValue::new("service.name", "Ping"),
                    KeyValue::new("process.pid", 42),
                ],
                "https://opentelemetry.io/schemas/1.44.0",
            )
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter())
            .with_resource(resource)
            .build();
        let scope = InstrumentationScope::builder("Ping")
            .with_version("1.0")
            .with_schema_url("https://opentelemetry.io/schemas/1.43.0")
            .with_attributes([KeyValue::new("scoped", true)])
            .build();
        let tracer = provider.tracer_with_scope(scope);

        let root = tracer
            .span_builder("GET /ping")
            .with_kind(ApiSpanKind::Server)
            .with_attributes([
                KeyValue::new("string", "☃"),
                KeyValue::new("bool", true),
                KeyValue::new("int", i64::MAX),
                KeyValue::new("double", 0.25),
                KeyValue::new(
                    "strings",
                    opentelemetry::Value::Array(Array::String(vec!["a".into(), "".into()])),
                ),
                KeyValue::new(
                    "bools",
                    opentelemetry::Value::Array(Array::Bool(vec![true, false])),
                ),
                KeyValue::new(
                    "ints",
                    opentelemetry::Value::Array(Array::I64(vec![i64::MIN, 0])),
                ),
                KeyValue::new(
                    "doubles",
                    opentelemetry::Value::Array(Array::F64(vec![-0.5, f64::INFINITY])),
                ),
                KeyValue::new("nothing", opentelemetry::Value::Array(Array::I64(vec![]))),
            ])
            .with_links(vec![Link::new(
                linked,
                vec![KeyValue::new("why", "batch")],
                0,
            )])
            .start(&tracer);
        let context = opentelemetry::Context::new().with_span(root);
        context
            .span()
            .add_event("Start request processing", vec![KeyValue::new("n", 1)]);
        context.span().set_status(Status::error("broken"));
        let child = tracer
            .span_builder("GET")
            .with_kind(ApiSpanKind::Client)
            .start_with_context(&tracer, &context);
        drop(child);
        context.span().end();
        let ids = context.span().span_context().clone();
        provider.shutdown().unwrap();
        ids
    });
    let trace = backend.store().wait_for_trace(2, LIMIT).await.unwrap();
    let ids = tokio::task::spawn_blocking(|| sender.join().unwrap())
        .await
        .unwrap();

    assert_eq!(trace.id.to_string(), ids.trace_id().to_string());
    assert!(trace.is_complete());
    let rows = trace.tree().rows;
    let [root, child] = [&rows[0].span, &rows[1].span];
    assert_eq!(
        root.attributes,
        Attributes::from([
            ("string", "☃".into()),
            ("bool", true.into()),
            ("int", i64::MAX.into()),
            ("double", 0.25.into()),
            ("strings", ["a", ""].into()),
            ("bools", [true, false].into()),
            ("ints", [i64::MIN, 0].into()),
            ("doubles", [-0.5, f64::INFINITY].into()),
            ("nothing", Value::Array(vec![])),
        ])
    );
    assert_eq!(
        (root.name.as_str(), root.kind, root.parent_span_id),
        ("GET /ping", SpanKind::Server, None)
    );
    assert_eq!(root.span_id.to_string(), ids.span_id().to_string());
    assert_eq!(
        (root.status.code, root.status.message.as_str()),
        (StatusCode::Error, "broken")
    );
    let [event] = root.events.as_slice() else {
        panic!("{:?}", root.events)
    };
    assert_eq!(
        (event.name.as_str(), &event.attributes),
        (
            "Start request processing",
            &Attributes::from([("n", 1.into())])
        )
    );
    assert!((root.start_unix_nanos..=root.end_unix_nanos).contains(&event.unix_nanos));
    assert!(root.duration() < Duration::from_secs(3600));
    let [link] = root.links.as_slice() else {
        panic!("{:?}", root.links)
    };
    assert_eq!(link.trace_id.to_string(), other.trace_id().to_string());
    assert_eq!(link.span_id.to_string(), other.span_id().to_string());
    assert_eq!(
        (link.trace_state.as_str(), link.dropped_attributes_count),
        ("vendor=1", 0)
    );
    assert_eq!(link.attributes, Attributes::from([("why", "batch".into())]));

    assert_eq!(
        (child.name.as_str(), child.kind, child.parent_span_id),
        ("GET", SpanKind::Client, Some(root.span_id))
    );
    assert_eq!(child.attributes, Attributes::default());

    let resource: BTreeMap<_, _> = root.resource.attributes.iter().collect();
    assert_eq!(
        resource,
        BTreeMap::from([
            ("service.name", &"Ping".into()),
            ("process.pid", &42.into())
        ])
    );
    assert_eq!(
        root.resource.schema_url,
        "https://opentelemetry.io/schemas/1.44.0"
    );
    let scope = &root.scope;
    assert_eq!(
        (scope.name.as_str(), scope.version.as_str()),
        ("Ping", "1.0")
    );
    assert_eq!(scope.schema_url, "https://opentelemetry.io/schemas/1.43.0");
    assert_eq!(
        scope.attributes,
        Attributes::from([("scoped", true.into())])
    );
    backend.stop().await;
}
