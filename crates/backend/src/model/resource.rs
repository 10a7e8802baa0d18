//! Who sent it (the resource) and which library made it (the instrumentation scope); shared by all spans they apply to.

use serde::Serialize;

use crate::model::attributes::Attributes;

/// The entity that telemetry comes from: a process of a service.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize)]
pub struct Resource {
    /// What describes it: `service.name`, `telemetry.sdk.language`, ….
    pub attributes: Attributes,
    /// How many attributes the sender left out.
    pub dropped_attributes_count: u32,
    /// Schema URL of the resource's attributes; empty if none was sent.
    pub schema_url: String,
}

impl Resource {
    /// `service.name`, or `unknown_service`, the name that the semantic conventions give to a service without one.
    pub fn service(&self) -> &str {
        self.attributes
            .get("service.name")
            .and_then(|name| name.as_str())
            .unwrap_or("unknown_service")
    }
}

/// The instrumentation scope: the library, or the part of an application, that made a span.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize)]
pub struct Scope {
    /// The name a tracer, meter or logger was asked for with.
    pub name: String,
    /// Its version; empty if none was sent.
    pub version: String,
    /// Attributes of the scope.
    pub attributes: Attributes,
    /// How many attributes the sender left out.
    pub dropped_attributes_count: u32,
    /// Schema URL of what the scope made; empty if none was sent.
    pub schema_url: String,
}
