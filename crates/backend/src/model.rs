//! What telemetry is here, how OTLP has it, and what can be looked for.

pub(crate) mod attributes;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod id;
pub(crate) mod json;
pub(crate) mod log;
pub(crate) mod message;
pub(crate) mod resource;
pub(crate) mod search;
pub(crate) mod search_logs;
pub(crate) mod span;
pub(crate) mod trace;
pub(crate) mod tree;
