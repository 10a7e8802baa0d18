//! Spans: which are recorded, and where they go. The crate `otlp` has the queue in which they wait.

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanLimits};
use otlp::Pipelines;
use settings::{Limits, Root, TracesExporter};

/// The provider; its pipelines are added to `pipelines`.
pub(crate) fn provider(
    settings: &settings::Traces,
    resource: Resource,
    pipelines: &mut Pipelines,
) -> SdkTracerProvider {
    let mut provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(sampler(&settings.sampler))
        .with_span_limits(limits(&settings.limits));
    let (batch, length) = (&settings.batch, settings.limits.value_length);
    for exporter in &settings.exporters {
        let queue = match exporter {
            TracesExporter::Otlp => pipelines.spans(&settings.otlp, batch, length),
            TracesExporter::Console => Some(pipelines.spans_to(
                opentelemetry_stdout::SpanExporter::default(),
                "opentelemetry_stdout::SpanExporter",
                batch,
                length,
            )),
        };
        if let Some(queue) = queue {
            provider = provider.with_span_processor(queue);
        }
    }
    provider.build()
}

fn sampler(settings: &settings::Sampler) -> Sampler {
    let root = match settings.root {
        Root::AlwaysOn => Sampler::AlwaysOn,
        Root::AlwaysOff => Sampler::AlwaysOff,
        Root::Ratio(ratio) => Sampler::TraceIdRatioBased(ratio),
    };
    if settings.parent_based {
        Sampler::ParentBased(Box::new(root))
    } else {
        root
    }
}

fn limits(settings: &Limits) -> SpanLimits {
    SpanLimits {
        max_events_per_span: settings.events,
        max_attributes_per_span: settings.attributes,
        max_links_per_span: settings.links,
        max_attributes_per_event: settings.attributes_per_event,
        max_attributes_per_link: settings.attributes_per_link,
    }
}
