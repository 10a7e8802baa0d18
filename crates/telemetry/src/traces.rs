//! The tracer provider: which spans are recorded, and where they go. The queue in which they wait is in the crate `otlp`.

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanLimits, TracerProviderBuilder};
use otlp::Pipelines;
use settings::{Root, SpanExporter, SpanProcessor};

/// Completes `builder`. Adds the provider's pipelines to `pipelines`.
pub(crate) fn provider(
    builder: TracerProviderBuilder,
    settings: &settings::TracerProvider,
    resource: Resource,
    pipelines: &mut Pipelines,
) -> SdkTracerProvider {
    let mut provider = builder
        .with_resource(resource)
        .with_sampler(sampler(&settings.sampler))
        .with_span_limits(limits(&settings.limits));
    let length = settings.limits.attribute_value_length_limit;
    for SpanProcessor::Batch { batch, exporter } in &settings.processors {
        match exporter {
            SpanExporter::Otlp(otlp) => {
                if let Some(queue) = pipelines.spans(otlp, batch, length) {
                    provider = provider.with_span_processor(queue);
                }
            }
            SpanExporter::Console => {
                let exporter = opentelemetry_stdout::SpanExporter::default();
                let name = "opentelemetry_stdout::SpanExporter";
                let queue = pipelines.spans_to(exporter, name, batch, length);
                provider = provider.with_span_processor(queue);
            }
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

fn limits(settings: &settings::SpanLimits) -> SpanLimits {
    SpanLimits {
        max_events_per_span: settings.event_count_limit,
        max_attributes_per_span: settings.attribute_count_limit,
        max_links_per_span: settings.link_count_limit,
        max_attributes_per_event: settings.event_attribute_count_limit,
        max_attributes_per_link: settings.link_attribute_count_limit,
    }
}
