//! What a service says of itself, to `--help` and at `/`.

use std::fmt::Write;

/// One service's name, settings and endpoints.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// As the executable is called, for example `ping`.
    pub name: &'static str,
    /// Of the executable.
    pub version: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Whether it has telemetry, by the crate `telemetry`: its settings and `GET /metrics` are listed then.
    pub telemetry: bool,
    /// Those that this service has beyond [what all have](crate#settings-that-all-have).
    pub settings: &'static [Setting],
    /// Those that this service has beyond [what all have](crate#operations-routes).
    pub endpoints: &'static [Endpoint],
}

/// An environment variable that a service reads.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name.
    pub variable: &'static str,
    /// What it does, in a few words.
    pub meaning: &'static str,
    /// What holds if it is unset.
    pub default: &'static str,
}

/// Something that can be requested.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// Method and path, for example `GET /ping`.
    pub request: &'static str,
    /// What is answered, in a few words.
    pub meaning: &'static str,
}

/// What every service with telemetry reads, beside its own.
const TELEMETRY_SETTINGS: &[Setting] = &[
    Setting {
        variable: "JAEGER_ADDRESS",
        meaning: "host:port of an OTLP receiver, for traces",
        default: "localhost:4318",
    },
    Setting {
        variable: "RUST_LOG",
        meaning: "filter of the printed log",
        default: "info",
    },
    Setting {
        variable: "OTEL_*",
        meaning: "as OpenTelemetry's specification says",
        default: "the specification's",
    },
];

/// What every service with telemetry answers, beside its own.
const TELEMETRY_ENDPOINTS: &[Endpoint] = &[Endpoint {
    request: "GET /metrics",
    meaning: "metrics, Prometheus text or OpenMetrics",
}];

/// What every service here answers, beside its own.
const COMMON_ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        request: "GET /healthz",
        meaning: "200 while the process lives",
    },
    Endpoint {
        request: "GET /readyz",
        meaning: "200 while requests are wanted, 503 while it stops",
    },
    Endpoint {
        request: "GET /",
        meaning: "this list",
    },
];

impl About {
    /// Name, version and endpoints: the text of `/`.
    pub(crate) fn index(&self) -> String {
        let Self {
            name,
            version,
            summary,
            ..
        } = self;
        format!("{name} {version}\n{summary}\n\n{}", self.endpoints_table())
    }

    /// Settings and endpoints: the end of `--help`.
    pub(crate) fn help(&self) -> String {
        let settings: Vec<_> = self
            .settings
            .iter()
            .chain(self.of_telemetry(TELEMETRY_SETTINGS))
            .map(|setting| {
                (
                    setting.variable,
                    format!("{} [{}]", setting.meaning, setting.default),
                )
            })
            .collect();
        format!(
            "Settings, from the environment [default]:\n{}\nEndpoints:\n{}",
            table(&settings),
            self.endpoints_table()
        )
    }

    /// Those, or none without telemetry.
    fn of_telemetry<T>(&self, common: &'static [T]) -> &'static [T] {
        if self.telemetry { common } else { &[] }
    }

    fn endpoints_table(&self) -> String {
        let endpoints: Vec<_> = self
            .endpoints
            .iter()
            .chain(self.of_telemetry(TELEMETRY_ENDPOINTS))
            .chain(COMMON_ENDPOINTS)
            .map(|endpoint| (endpoint.request, endpoint.meaning.to_owned()))
            .collect();
        table(&endpoints)
    }
}

fn table(rows: &[(&str, String)]) -> String {
    let width = rows
        .iter()
        .map(|(left, _)| left.len())
        .max()
        .unwrap_or_default();
    rows.iter().fold(String::new(), |mut text, (left, right)| {
        let _ = writeln!(text, "  {left:width$}  {right}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_and_metrics_of_telemetry_are_listed_where_there_is_telemetry() {
        let mut about = About {
            name: "greeter",
            version: "1.2.3",
            summary: "Says hello.",
            telemetry: true,
            settings: &[],
            endpoints: &[],
        };
        let names = ["JAEGER_ADDRESS", "RUST_LOG", "OTEL_*", "GET /metrics"];
        assert!(names.iter().all(|name| about.help().contains(name)));
        about.telemetry = false;
        assert!(!names.iter().any(|name| about.help().contains(name)));
    }
}
