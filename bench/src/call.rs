//! Ping's side: reqwest as it is, and wrapped by this project's client.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clap::ValueEnum;
use opentelemetry::trace::{FutureExt, TraceContextExt, Tracer};
use opentelemetry::{Context, InstrumentationScope};
use reqwest::{Method, Request, Url};
use telemetry::{Service, Settings};

use crate::Error;
use crate::child::{self, Server};
use crate::machine;
use crate::setup::Setup;

/// Before the milliseconds, in what `call` prints.
pub const CPU_TIME: &str = "CPU ms: ";

/// Which client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Client {
    Bare,
    Wrapped,
}

impl Client {
    /// The process that asks `pong` so often.
    pub fn command(
        self,
        setup: Setup,
        receiver: &Server,
        pong: SocketAddr,
        count: u64,
        profile: Option<&Path>,
    ) -> Result<Command, Error> {
        let client = match self {
            Self::Bare => "bare",
            Self::Wrapped => "wrapped",
        };
        let arguments = ["call", client, &pong.to_string(), &count.to_string()];
        let mut command = child::command(&arguments, profile)?;
        command
            .env(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                format!("http://{}", receiver.address),
            )
            .envs(setup.variables().iter().copied());
        Ok(command)
    }
}

/// Asks `count` times, and prints the milliseconds of CPU time that took.
#[tokio::main]
pub async fn call(client: Client, address: SocketAddr, count: u64) -> Result<(), Error> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = Url::parse(&format!("http://{address}/pong"))?;
    let request = || Request::new(Method::GET, url.clone());
    let own = std::process::id();
    match client {
        Client::Bare => {
            http.execute(request()).await?.text().await?;
            let before = machine::cpu_time(own)?;
            for _ in 0..count {
                http.execute(request()).await?.text().await?;
            }
            println!(
                "{CPU_TIME}{}",
                (machine::cpu_time(own)? - before).as_secs_f64() * 1e3
            );
        }
        Client::Wrapped => {
            let service = Service::new("Ping", "0.0.0");
            let telemetry = telemetry::init(service, &Settings::from_env(&crate::env)?)?;
            let meter = telemetry.meter_with_scope(InstrumentationScope::builder("Ping").build());
            let client = instrumentation::client::Client::new(
                http,
                telemetry.tracer("Ping"),
                &meter,
                telemetry.propagator(),
            )
            .with_exemplars(telemetry.exemplars());
            // The parent, which calls have in a service; it is no part of what is measured.
            let parent = Context::new().with_span(telemetry.tracer("Ping").start("parent"));
            client
                .execute(request())
                .with_context(parent.clone())
                .await?
                .text()
                .await?;
            let before = machine::cpu_time(own)?;
            for _ in 0..count {
                client
                    .execute(request())
                    .with_context(parent.clone())
                    .await?
                    .text()
                    .await?;
            }
            // What waits was made by these requests, and is sent within half a second.
            tokio::time::sleep(Duration::from_millis(700)).await;
            println!(
                "{CPU_TIME}{}",
                (machine::cpu_time(own)? - before).as_secs_f64() * 1e3
            );
            drop(parent);
            telemetry.shutdown(Duration::from_secs(30)).await.report();
        }
    }
    Ok(())
}
