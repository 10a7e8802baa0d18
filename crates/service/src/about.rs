//! What `--help` and `/` say about a service.

use std::fmt::Write;

/// A service's name, settings and endpoints.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Name of the executable, for example `ping`.
    pub name: &'static str,
    /// Version of the executable.
    pub version: &'static str,
    /// What the service does, in one sentence.
    pub summary: &'static str,
    /// Whether the service uses the crate `telemetry`. Its settings and `GET /metrics` are then listed.
    pub telemetry: bool,
    /// Settings beyond [those that all services have](crate#settings-that-all-have).
    pub settings: &'static [Setting],
    /// Endpoints beyond [those that all services have](crate#operations-routes).
    pub endpoints: &'static [Endpoint],
}

/// An environment variable that a service reads.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Name of the variable.
    pub variable: &'static str,
    /// What it does, in a few words.
    pub meaning: &'static str,
    /// Value if the variable is unset.
    pub default: &'static str,
}

/// An endpoint that a service serves.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// Method and path, for example `GET /ping`.
    pub request: &'static str,
    /// What the response is, in a few words.
    pub meaning: &'static str,
}

/// A line of a table.
type Row = (&'static str, &'static str);

const TELEMETRY_SETTINGS: &[Row] = &[
    (
        "JAEGER_ADDRESS",
        "host:port of an OTLP receiver, for traces [localhost:4318]",
    ),
    ("RUST_LOG", "filter of the printed log [info]"),
    (
        "OTEL_*",
        "as OpenTelemetry's specification says [the specification's]",
    ),
];

const TELEMETRY_ENDPOINTS: &[Row] = &[("GET /metrics", "metrics, Prometheus text or OpenMetrics")];

const COMMON_ENDPOINTS: &[Row] = &[
    ("GET /healthz", "200 while the process lives"),
    (
        "GET /readyz",
        "200 while requests are wanted, 503 while it stops",
    ),
    ("GET /", "this list"),
];

impl About {
    /// Name, version and endpoints: the text of `/`.
    pub(crate) fn index(&self) -> String {
        let (name, version, summary) = (self.name, self.version, self.summary);
        format!("{name} {version}\n{summary}\n\n{}", self.endpoints_table())
    }

    /// Settings and endpoints: the end of `--help`.
    pub(crate) fn help(&self) -> String {
        let own = self.settings.iter().map(|setting| {
            let text = format!("{} [{}]", setting.meaning, setting.default);
            (setting.variable, text)
        });
        let settings = table(own, &[self.of_telemetry(TELEMETRY_SETTINGS)]);
        let endpoints = self.endpoints_table();
        format!("Settings, from the environment [default]:\n{settings}\nEndpoints:\n{endpoints}")
    }

    fn endpoints_table(&self) -> String {
        let own = self.endpoints.iter();
        let own = own.map(|endpoint| (endpoint.request, endpoint.meaning.to_owned()));
        let telemetry = self.of_telemetry(TELEMETRY_ENDPOINTS);
        table(own, &[telemetry, COMMON_ENDPOINTS])
    }

    /// `rows`, or none without telemetry.
    fn of_telemetry(&self, rows: &'static [Row]) -> &'static [Row] {
        if self.telemetry { rows } else { &[] }
    }
}

/// A service's own rows, then common ones.
fn table(own: impl Iterator<Item = (&'static str, String)>, common: &[&[Row]]) -> String {
    let common = common.concat().into_iter();
    let common = common.map(|(left, right)| (left, right.to_owned()));
    let rows: Vec<_> = own.chain(common).collect();
    let width = rows.iter().map(|(left, _)| left.len()).max();
    let width = width.unwrap_or_default();
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
