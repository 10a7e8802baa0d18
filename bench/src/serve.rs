//! The services that are measured. All answer `GET /pong` with `pong`, or `GET /ping` with `ok`, served by
//! `service::serve`: what differs is telemetry alone.

mod bare;
#[cfg(feature = "rivals")]
mod fastrace;
mod handler;
mod ours;
#[cfg(feature = "rivals")]
mod stock;

use std::process::ExitCode;

use clap::ValueEnum;
use service::Command;

use crate::setup::Setup;

/// What stands around the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Variant {
    /// Nothing
    Bare,
    /// This project: pong as it is
    Ours,
    /// This project, the manual span through `tracing`
    OursTracing,
    /// opentelemetry-instrumentation-tower and the stock crates
    Tower,
    /// axum-tracing-opentelemetry and the stock crates
    AxumTracing,
    /// axum-otel and the stock crates
    AxumOtel,
    /// fastrace as shipped
    Fastrace,
    /// fastrace with our attributes and metrics
    FastraceFull,
    /// The same with an encoder of its own
    FastraceEncoded,
    /// A service that asks pong as ping does, and nothing around it
    BarePing,
    /// This project: ping as it is
    Ping,
}

impl Variant {
    /// All that answer as pong does, but bare.
    pub const MEASURED: &[Self] = if cfg!(feature = "rivals") {
        &[
            Self::Ours,
            Self::OursTracing,
            Self::Tower,
            Self::AxumTracing,
            Self::AxumOtel,
            Self::Fastrace,
            Self::FastraceFull,
            Self::FastraceEncoded,
        ]
    } else {
        &[Self::Ours, Self::OursTracing]
    };

    /// As the tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare | Self::BarePing => "bare",
            Self::Ours | Self::OursTracing | Self::Ping => "this project",
            Self::Tower => "opentelemetry-instrumentation-tower",
            Self::AxumTracing => "axum-tracing-opentelemetry",
            Self::AxumOtel => "axum-otel",
            Self::Fastrace => "fastrace",
            Self::FastraceFull => "fastrace with our attributes and metrics",
            Self::FastraceEncoded => "the same with an encoder of its own",
        }
    }

    /// What makes the manual span.
    pub fn way(self) -> &'static str {
        match self {
            Self::Bare | Self::BarePing => "",
            Self::Ours | Self::Tower => "the API",
            Self::Fastrace | Self::FastraceFull | Self::FastraceEncoded => "fastrace",
            Self::OursTracing | Self::AxumTracing | Self::AxumOtel | Self::Ping => "`tracing`",
        }
    }

    /// How it can be run: only ours knows `OTEL_SDK_DISABLED`, and fastrace reads no baggage.
    pub fn setups(self) -> &'static [Setup] {
        match self {
            Self::Bare | Self::BarePing | Self::Ping => &[Setup::All],
            Self::Ours | Self::OursTracing => &Setup::ALL,
            Self::Tower | Self::AxumTracing | Self::AxumOtel => {
                &[Setup::All, Setup::NewBaggage, Setup::Tenth, Setup::Off]
            }
            Self::Fastrace | Self::FastraceFull | Self::FastraceEncoded => {
                &[Setup::All, Setup::Tenth, Setup::Off]
            }
        }
    }

    /// Spans of a sampled request.
    pub fn spans(self) -> u64 {
        match self {
            Self::Bare | Self::BarePing => 0,
            Self::Ping => 3,
            _ => 2,
        }
    }

    /// What is asked for.
    pub fn path(self) -> &'static str {
        match self {
            Self::BarePing | Self::Ping => "/ping",
            _ => "/pong",
        }
    }

    /// The end of the answer: its body, and what is before it.
    pub fn answer(self) -> &'static [u8] {
        match self {
            Self::BarePing | Self::Ping => b"\r\n\r\nok",
            _ => b"\r\n\r\npong",
        }
    }
}

/// Serves until SIGTERM.
pub fn serve(variant: Variant) -> ExitCode {
    service::main(&pong::ABOUT, ["serve"], async |command| {
        if let Command::Healthcheck = command {
            return pong::healthcheck(&crate::env).await;
        }
        match variant {
            Variant::Bare => bare::pong().await,
            Variant::BarePing => bare::ping().await,
            Variant::Ours => pong::run(&crate::env, service::shutdown_signal()).await,
            Variant::OursTracing => ours::through_tracing().await,
            Variant::Ping => ping::run(&crate::env, service::shutdown_signal()).await,
            #[cfg(feature = "rivals")]
            Variant::Tower => stock::tower().await,
            #[cfg(feature = "rivals")]
            Variant::AxumTracing => stock::axum_tracing().await,
            #[cfg(feature = "rivals")]
            Variant::AxumOtel => stock::axum_otel().await,
            #[cfg(feature = "rivals")]
            Variant::Fastrace => fastrace::shipped().await,
            #[cfg(feature = "rivals")]
            Variant::FastraceFull => fastrace::full().await,
            #[cfg(feature = "rivals")]
            Variant::FastraceEncoded => fastrace::encoded().await,
            #[cfg(not(feature = "rivals"))]
            _ => Err("built without the feature `rivals`".into()),
        }
    })
}

/// Serves `router` as pong is served, and says where.
async fn listen(router: axum::Router) -> Result<(), service::Error> {
    let listener = service::listen(([127, 0, 0, 1], 0).into()).await?;
    println!("listens on http://{}", listener.local_addr()?);
    let readiness = service::Readiness::default();
    let app = service::operations(router, &pong::ABOUT, None, readiness.clone());
    service::serve(
        listener,
        app,
        readiness,
        service::Limits::default(),
        service::shutdown_signal(),
    )
    .await;
    Ok(())
}
