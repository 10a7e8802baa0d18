//! The command line.

use std::{
    ffi::OsString,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand};

/// The command line as a whole.
#[derive(Debug, Parser)]
#[command(
    version,
    about = "Starts ping, pong and a receiver of their telemetry, prints each trace as a tree, and shows everything on a page.",
    long_about = None,
    after_help = "\
Both services get this environment, for example:
  PONG_LATENCY=10ms..80ms PONG_FAILURE_RATE=0.3 showcase
ADDRESS, PONG_ENDPOINT and OTEL_EXPORTER_OTLP_ENDPOINT are the showcase's own. If unset,
OTEL_BSP_SCHEDULE_DELAY is 200, OTEL_LOGS_EXPORTER otlp and RUST_LOG warn; log lines of a trace are
then on the page alone. NO_COLOR is honoured.",
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) ports: Ports,
    #[command(flatten)]
    pub(crate) access: Access,
    /// Open the page in a browser
    #[arg(long)]
    pub(crate) open: bool,
    /// Traces and logs to begin with: OTLP's JSON, as the Collector's file exporter, `/api/export` and the page's Save
    /// JSON write it, or Jaeger's
    #[arg(long, value_name = "FILE")]
    pub(crate) load: Option<PathBuf>,
    /// Keep traces, logs and metrics in this file for the next start, instead of in one that goes with the process
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Access to the page and the receivers.
#[derive(Clone, Debug, Args)]
pub(crate) struct Access {
    /// Address of the page and the receivers. There is no password: anyone who can reach it can read and send
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) host: IpAddr,
    /// Lets web pages of an origin, such as http://localhost:5173, send telemetry; * lets all. Can be given again
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub(crate) allow_origin: Vec<String>,
    /// Another name of this machine under which the page answers, such as host.docker.internal. Can be given again
    #[arg(long, value_name = "NAME", value_parser = host_name)]
    pub(crate) allow_host: Vec<String>,
}

/// As browsers write it.
fn origin(text: &str) -> Result<String, String> {
    let origin = text.strip_suffix('/').unwrap_or(text);
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let is_authority = |authority: &str| {
        !authority.is_empty() && !authority.contains(['/', '?', '#', '@', ' ', '*'])
    };
    if matches!(origin, "*" | "null") || authority.is_some_and(is_authority) {
        Ok(origin.to_owned())
    } else {
        Err("wanted: scheme, host and port, such as http://localhost:5173, or *".to_owned())
    }
}

fn host_name(text: &str) -> Result<String, String> {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_of_name) {
        Ok(text.to_owned())
    } else {
        Err("wanted: a name without scheme and port, such as host.docker.internal".to_owned())
    }
}

/// Ports; 0 stands for any that is free.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Ports {
    /// Port of ping; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8081)]
    pub(crate) ping_port: u16,
    /// Port of pong; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8082)]
    pub(crate) pong_port: u16,
    /// Port of the page; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 16686)]
    pub(crate) page_port: u16,
    /// Port of the receiver (OTLP over HTTP); 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 4318)]
    pub(crate) otlp_port: u16,
    /// Port of the receiver (OTLP over gRPC); 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 4317)]
    pub(crate) otlp_grpc_port: u16,
    /// Port of the receiver (Zipkin); 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 9411)]
    pub(crate) zipkin_port: u16,
    /// Added to each of these ports that is not 0: for another showcase beside this one
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) port_offset: u16,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Only ping, the same as the executable of that name
    #[command(disable_help_flag = true)]
    Ping(Service),
    /// Only pong, the same as the executable of that name
    #[command(disable_help_flag = true)]
    Pong(Service),
}

#[derive(Debug, Args)]
pub(crate) struct Service {
    /// Stop when standard input ends: how the showcase stops its children, and how they know that it is gone
    #[arg(long, hide = true)]
    pub(crate) stop_with_stdin: bool,
    /// The service's own arguments, for example --help
    #[arg(
        value_name = "ARGUMENTS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) arguments: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    fn numbers(ports: Ports) -> [u16; 6] {
        let Ports {
            ping_port,
            pong_port,
            page_port,
            otlp_port,
            otlp_grpc_port,
            zipkin_port,
            ..
        } = ports;
        [
            ping_port,
            pong_port,
            page_port,
            otlp_port,
            otlp_grpc_port,
            zipkin_port,
        ]
    }

    #[test]
    fn without_arguments_the_ports_are_the_documented_ones() {
        let arguments = parse("showcase").unwrap();
        assert_eq!(
            numbers(arguments.ports),
            [8081, 8082, 16686, 4318, 4317, 9411]
        );
        assert!(arguments.command.is_none() && !arguments.open);
    }

    #[test]
    fn each_port_has_its_flag() {
        let arguments = parse(
            "showcase --ping-port 1 --pong-port 2 --page-port 3 --otlp-port 0 --otlp-grpc-port 4 --zipkin-port 5",
        )
        .unwrap();
        assert_eq!(numbers(arguments.ports), [1, 2, 3, 0, 4, 5]);
        for wrong in [
            "--ping-port",
            "--ping-port x",
            "--ping-port 65536",
            "--ping-port -1",
            "--port 1",
            "pung",
        ] {
            assert_eq!(
                parse(&format!("showcase {wrong}")).unwrap_err().exit_code(),
                2,
                "{wrong}"
            );
        }
    }

    #[test]
    fn nobody_else_is_let_in_unless_named_with_what_a_browser_sends() {
        let access = parse("showcase").unwrap().access;
        assert!(access.host.is_loopback());
        assert!(access.allow_origin.is_empty() && access.allow_host.is_empty());
        let line = "showcase --host :: --allow-origin http://localhost:5173/ --allow-origin * --allow-host a.b-c";
        let access = parse(line).unwrap().access;
        assert!(access.host.is_unspecified());
        assert_eq!(access.allow_origin, ["http://localhost:5173", "*"]);
        assert_eq!(access.allow_host, ["a.b-c"]);
        for (wrong, wanted) in [
            ("--host localhost", "invalid IP address"),
            (
                "--allow-origin localhost:5173",
                "http://localhost:5173, or *",
            ),
            ("--allow-origin http://", "wanted: scheme"),
            ("--allow-origin http://a/b", "wanted: scheme"),
            ("--allow-origin https://*.example.com", "wanted: scheme"),
            ("--allow-host a:1", "without scheme and port"),
            ("--allow-host http://a", "without scheme and port"),
        ] {
            let error = parse(&format!("showcase {wrong}")).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{wrong}");
            assert!(error.to_string().contains(wanted), "{error}");
        }
    }

    #[test]
    fn subcommand_leaves_its_arguments_to_the_service() {
        for (line, stops, expected) in [
            ("showcase pong", false, vec![]),
            ("showcase pong --help", false, vec!["--help"]),
            ("showcase pong --version", false, vec!["--version"]),
            ("showcase pong --healthcheck", false, vec!["--healthcheck"]),
            ("showcase pong --stop-with-stdin", true, vec![]),
            ("showcase pong --nonsense x", false, vec!["--nonsense", "x"]),
        ] {
            let Some(Command::Pong(service)) = parse(line).unwrap().command else {
                panic!("{line}")
            };
            assert_eq!(service.stop_with_stdin, stops, "{line}");
            assert_eq!(service.arguments, expected, "{line}");
        }
    }
}
