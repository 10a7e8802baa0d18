//! Log records by OTLP, and what this crate prints.
