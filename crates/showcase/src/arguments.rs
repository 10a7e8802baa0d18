//! The command line.

use std::{ffi::OsString, path::PathBuf};

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
    /// Open the page in a browser
    #[arg(long)]
    pub(crate) open: bool,
    /// Traces and logs to begin with: OTLP JSON lines, as the Collector's file exporter and `/api/export` write them
    #[arg(long, value_name = "FILE")]
    pub(crate) load: Option<PathBuf>,
    /// Keep traces, logs and metrics in this file for the next start, instead of in one that goes with the process
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Ports on 127.0.0.1; 0 stands for any that is free.
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
