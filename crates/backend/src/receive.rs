//! What others send: the ports that take it, and the formats in which it comes.

pub(crate) mod access;
pub(crate) mod answer;
pub(crate) mod body;
mod foreign;
pub(crate) mod grpc;
pub(crate) mod jaeger;
pub(crate) mod messages;
pub(crate) mod received;
pub(crate) mod receiver;
pub(crate) mod salvage;
pub(crate) mod signal;
pub(crate) mod upload;
mod worker;
pub(crate) mod zipkin;
