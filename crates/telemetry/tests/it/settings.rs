//! Values that are not understood: one warning that names variable, value and what is used instead; never an exit. The
//! services' own settings are the other way round.

use telemetry::{SettingError, Settings};

use crate::help::{end, sample, settings, span, telemetry};
use crate::receiver::{HOUR, Receiver, SOON};

/// The only warning that this one variable makes.
fn warning(name: &str, value: &str) -> String {
    let settings = settings(&[(name, value)]);
    let [warning] = settings.warnings() else {
        panic!("{name}={value} makes {:#?}", settings.warnings());
    };
    warning.clone()
}

#[test]
fn nothing_set_makes_no_warning() {
    assert!(settings(&[]).warnings().is_empty());
}

#[test]
fn empty_and_blank_values_count_as_unset() {
    for name in [
        "OTEL_SDK_DISABLED",
        "OTEL_TRACES_EXPORTER",
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_CONFIG_FILE",
        "JAEGER_ADDRESS",
        "RUST_LOG",
    ] {
        for value in ["", "  "] {
            assert!(settings(&[(name, value)]).warnings().is_empty(), "{name}");
        }
    }
}

/// Semantic conventions, http-spans, `http.request.method`: the list is a full override, and case-sensitive.
#[test]
fn known_methods_are_the_list_as_it_stands_or_none() {
    const NAME: &str = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS";
    let many: Vec<_> = (0..65).map(|number| format!("M{number}")).collect();
    let known = |value: &str| {
        let settings = settings(&[(NAME, value)]);
        let methods = settings.known_methods.clone();
        (methods, settings.warnings().to_vec())
    };
    assert_eq!(settings(&[]).known_methods, None);
    assert_eq!(known(" "), (None, vec![]));
    let list = ["GET", "PROPFIND", "get", "X!#$%&'*+-.^_`|~9"];
    assert_eq!(
        known("GET, PROPFIND ,get,,X!#$%&'*+-.^_`|~9"),
        (Some(list.map(str::to_owned).to_vec()), vec![])
    );
    assert_eq!(
        known(&many[..64].join(",")),
        (Some(many[..64].to_vec()), vec![])
    );
    for (value, methods, instead) in [
        (",", None, "the methods of RFC 9110, PATCH and QUERY"),
        ("GET POST", None, "the methods of RFC 9110, PATCH and QUERY"),
        (
            "GET,PO ST",
            Some(vec!["GET".to_owned()]),
            "the rest of the list",
        ),
        (&many.join(","), Some(many[..64].to_vec()), "the first 64"),
    ] {
        let warning = format!(
            "{NAME} is {value:?}; wanted: at most 64 HTTP methods, separated by commas; used instead: {instead}"
        );
        assert_eq!(known(value), (methods, vec![warning]));
    }
}

#[test]
fn every_value_that_is_not_understood_makes_its_one_warning() {
    const NUMBER: &str = "a whole number from 0 to 2147483647";
    const QUEUE: &str =
        "a whole number from 1 to 32768, which is what fits into a service's memory";
    const INTERVAL: &str = "milliseconds, a whole number from 1 to 2147483647";
    const TIMEOUT: &str = "milliseconds, a whole number from 0 (no limit) to 2147483647";
    const URL: &str = "a URL that starts with http:// or https://";
    for (name, value, wanted, instead) in [
        ("OTEL_SDK_DISABLED", "1", "true or false", "false"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "%zz",
            "key=value pairs separated by commas, special characters percent-encoded",
            "no pair of this list",
        ),
        (
            "OTEL_PROPAGATORS",
            "b3",
            "tracecontext, baggage or none",
            "tracecontext,baggage",
        ),
        (
            "OTEL_PROPAGATORS",
            "b3,baggage",
            "tracecontext, baggage or none",
            "the rest of the list",
        ),
        (
            "OTEL_TRACES_EXPORTER",
            "carrier-pigeon",
            "otlp, console or none",
            "otlp",
        ),
        ("OTEL_TRACES_EXPORTER", ",", "otlp, console or none", "otlp"),
        (
            "OTEL_TRACES_EXPORTER",
            "zipkin",
            "otlp, console or none (to reach Zipkin, send OTLP to a Collector, which sends on to Zipkin)",
            "otlp",
        ),
        (
            "OTEL_METRICS_EXPORTER",
            "statsd",
            "prometheus, otlp, console or none",
            "prometheus",
        ),
        (
            "OTEL_LOGS_EXPORTER",
            "console",
            "otlp or none (stdout is governed by RUST_LOG)",
            "none",
        ),
        (
            "OTEL_TRACES_SAMPLER",
            "perhaps",
            "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or \
             parentbased_traceidratio",
            "parentbased_always_on",
        ),
        (
            "OTEL_TRACES_SAMPLER_ARG",
            "0.1",
            "nothing, since the sampler parentbased_always_on takes no argument",
            "parentbased_always_on",
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "localhost:4318",
            URL,
            "http://localhost:4318",
        ),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "ftp://host",
            URL,
            "OTEL_EXPORTER_OTLP_ENDPOINT, or http://localhost:4318",
        ),
        (
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            ":::",
            URL,
            "OTEL_EXPORTER_OTLP_ENDPOINT, or http://localhost:4318",
        ),
        (
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
            "http://",
            URL,
            "OTEL_EXPORTER_OTLP_ENDPOINT, or http://localhost:4318",
        ),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "http/json",
            "http/protobuf or grpc",
            "http/protobuf",
        ),
        (
            "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
            "telex",
            "http/protobuf or grpc",
            "OTEL_EXPORTER_OTLP_PROTOCOL, or its default http/protobuf",
        ),
        (
            "OTEL_EXPORTER_OTLP_COMPRESSION",
            "zstd",
            "gzip or none",
            "none",
        ),
        (
            "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION",
            "zip",
            "gzip or none",
            "OTEL_EXPORTER_OTLP_COMPRESSION, or its default none",
        ),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", TIMEOUT, "10000"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
            "-1",
            TIMEOUT,
            "OTEL_EXPORTER_OTLP_TIMEOUT, or its default 10000",
        ),
        (
            "OTEL_EXPORTER_OTLP_INSECURE",
            "yes",
            "true or false",
            "false",
        ),
        ("OTEL_BSP_SCHEDULE_DELAY", "0", INTERVAL, "500"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", QUEUE, "16384"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "soon", TIMEOUT, "30000"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "1.5", INTERVAL, "1000"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "many", QUEUE, "2048"),
        ("OTEL_BLRP_EXPORT_TIMEOUT", "2147483648", TIMEOUT, "30000"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "-1", NUMBER, "128"),
        (
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "long",
            NUMBER,
            "no limit",
        ),
        (
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
            "2147483648",
            NUMBER,
            "128",
        ),
        (
            "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "-1",
            NUMBER,
            "no limit",
        ),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "x", NUMBER, "128"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "x", NUMBER, "128"),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "x", NUMBER, "128"),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "x", NUMBER, "128"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0", INTERVAL, "60000"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "x", TIMEOUT, "30000"),
        (
            "OTEL_METRICS_EXEMPLAR_FILTER",
            "always_on",
            "trace_based or always_off",
            "trace_based",
        ),
    ] {
        assert_eq!(
            warning(name, value),
            format!("{name} is {value:?}; wanted: {wanted}; used instead: {instead}")
        );
    }
}

#[test]
fn batch_sizes_that_are_not_understood_fall_back_too() {
    for (protocol, name, default) in [
        ("http/protobuf", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8192"),
        ("grpc", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096"),
        ("grpc", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "512"),
    ] {
        assert_eq!(
            settings(&[("OTEL_EXPORTER_OTLP_PROTOCOL", protocol), (name, "0")]).warnings(),
            [format!(
                "{name} is \"0\"; wanted: a whole number from 1 to 16384, which is what fits into a service's memory; used \
                 instead: {default}"
            )]
        );
    }
}

#[test]
fn sampler_argument_out_of_range_is_warned_of() {
    let settings = settings(&[
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
    ]);
    assert_eq!(
        settings.warnings(),
        ["OTEL_TRACES_SAMPLER_ARG is \"2\"; wanted: a probability from 0 to 1; used instead: 1"]
    );
}

#[test]
fn headers_are_warned_of_without_their_value() {
    for value in [
        "s3cret",
        "=s3cret",
        "a=s3cret%zz",
        "a b=s3cret",
        "a=s3cret%0A",
    ] {
        assert_eq!(
            warning("OTEL_EXPORTER_OTLP_HEADERS", value),
            "OTEL_EXPORTER_OTLP_HEADERS is not understood (its value is not shown); wanted: name=value pairs separated \
             by commas, special characters percent-encoded; used instead: none"
        );
    }
}

#[test]
fn endpoint_with_credentials_is_warned_of_without_its_value() {
    for value in ["user:s3cret@host:4318", "ftp://host/?token=s3cret"] {
        assert_eq!(
            warning("OTEL_EXPORTER_OTLP_ENDPOINT", value),
            "OTEL_EXPORTER_OTLP_ENDPOINT is not understood (its value is not shown); wanted: a URL that starts with \
             http:// or https://; used instead: http://localhost:4318"
        );
    }
}

#[test]
fn endpoint_that_is_not_understood_falls_back_on_jaeger_address() {
    let settings = settings(&[
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "host"),
        ("JAEGER_ADDRESS", "jaeger:4318"),
    ]);
    assert_eq!(
        settings.warnings(),
        [
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is \"host\"; wanted: a URL that starts with http:// or https://; used \
             instead: OTEL_EXPORTER_OTLP_ENDPOINT, or http://jaeger:4318"
        ]
    );
}

#[test]
fn variables_of_the_specification_that_do_nothing_here_are_named() {
    for name in [
        "OTEL_CONFIG_FILE",
        "OTEL_EXPERIMENTAL_CONFIG_FILE",
        "OTEL_LOG_LEVEL",
        "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        "OTEL_EXPORTER_OTLP_SPAN_INSECURE",
        "OTEL_EXPORTER_OTLP_METRIC_INSECURE",
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
        "OTEL_EXPORTER_ZIPKIN_TIMEOUT",
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "OTEL_EXPORTER_PROMETHEUS_PORT",
        "OTEL_EXPORTER_JAEGER_ENDPOINT",
        "OTEL_EXPORTER_JAEGER_AGENT_HOST",
        "OTEL_EXPORTER_JAEGER_AGENT_PORT",
        "OTEL_SEMCONV_STABILITY_OPT_IN",
        "OTEL_BSP_MAX_CONCURRENT_EXPORTS",
    ] {
        let warning = warning(name, "value");
        assert!(
            warning.starts_with(&format!("{name} is \"value\"; it is not supported; ")),
            "{warning}"
        );
    }
}

fn error(name: &'static str, value: &str) -> SettingError {
    let lookup = |asked: &str| (asked == name).then(|| value.into());
    Settings::from_env(&lookup).expect_err(value)
}

#[test]
fn a_value_that_may_hold_a_password_or_a_token_is_not_in_the_error() {
    for value in ["user:secret@localhost:4318", "localhost:4318?token=secret"] {
        assert_eq!(
            error("JAEGER_ADDRESS", value).to_string(),
            "JAEGER_ADDRESS is not shown, since it may hold a password; wanted: host:port of an OTLP receiver, such as localhost:4318"
        );
    }
}

#[test]
fn jaeger_address_is_host_and_port_or_an_error_in_one_line() {
    for value in [
        "a:b:c",
        "localhost",
        ":4318",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "localhost:+1",
        "http://localhost:4318",
        "localhost:4318/",
        "localhost:4318/v1/traces",
        "::1:4318",
        "two words:4318",
        "line\nbreak:1",
    ] {
        let error = error("JAEGER_ADDRESS", value);
        assert_eq!(
            error.to_string(),
            format!(
                "JAEGER_ADDRESS is {value:?}; wanted: host:port of an OTLP receiver, such as localhost:4318"
            )
        );
        assert_eq!(error.to_string().lines().count(), 1);
    }
    for value in [
        "localhost:4318",
        "127.0.0.1:1",
        "[::1]:4318",
        "jaeger.example:65535",
    ] {
        settings(&[("JAEGER_ADDRESS", value)]);
    }
}

/// The filter in effect, as the start-up line says it.
fn filter_in_effect(value: &str) -> String {
    let telemetry = telemetry(&[("RUST_LOG", value)]);
    let (_, filter) = telemetry.summary().rsplit_once("log filter: ").unwrap();
    filter.to_owned()
}

#[test]
fn part_of_rust_log_that_cannot_be_a_directive_is_warned_of_by_name_and_the_rest_holds() {
    for (value, part, filter) in [
        ("info;debug", "info;debug", "info"),
        ("info debug", "info debug", "info"),
        ("-1", "-1", "info"),
        ("6", "6", "info"),
        ("http://a b:1", "http://a b:1", "info"),
        ("http://host:1", "http://host:1", "info"),
        ("info=debug=trace", "info=debug=trace", "info"),
        ("orders=loud", "orders=loud", "info"),
        ("info;orders=debug", "info;orders=debug", "info"),
        ("[", "[", "info"),
        ("orders[{=debug", "orders[{=debug", "info"),
        ("-1,debug", "-1", "debug"),
        (
            "warn, info;debug ,orders=debug",
            "info;debug",
            "warn,orders=debug",
        ),
    ] {
        assert_eq!(
            warning("RUST_LOG", value),
            format!(
                "a part of RUST_LOG is {part:?}; wanted: a level (error, warn, info, debug, trace, off) or target=level, \
                 such as info,orders=debug; used instead: {filter}"
            )
        );
        assert_eq!(filter_in_effect(value), filter, "{value}");
    }
}

#[test]
fn each_part_of_rust_log_that_cannot_be_a_directive_has_its_warning() {
    let settings = settings(&[("RUST_LOG", "-1,warn,a b")]);
    assert_eq!(settings.warnings().len(), 2, "{:#?}", settings.warnings());
    assert_eq!(filter_in_effect("-1,warn,a b"), "warn");
}

#[test]
fn part_of_rust_log_that_may_hold_a_password_is_not_in_the_warning() {
    let warning = warning("RUST_LOG", "http://user:s3cret@host:4318");
    assert!(
        warning
            .starts_with("a part of RUST_LOG is not shown, since it may hold a password; wanted: "),
        "{warning}"
    );
}

/// It could be a target, so it is kept as one; should it be the only part, the default holds as well.
#[test]
fn word_within_one_edit_of_a_level_is_warned_of_as_probably_meant() {
    for (value, word, level, filter) in [
        ("wran", "wran", "warn", "info,wran"),
        ("inf", "inf", "info", "info,inf"),
        ("DEBUGG", "DEBUGG", "debug", "info,DEBUGG"),
        ("trase", "trase", "trace", "info,trase"),
        ("error,of", "of", "off", "error,of"),
        ("orders=debug,wran", "wran", "warn", "orders=debug,wran"),
    ] {
        assert_eq!(
            warning("RUST_LOG", value),
            format!(
                "a part of RUST_LOG is {word:?}; probably meant: the level {level}; taken for a target: {filter}"
            )
        );
        assert_eq!(filter_in_effect(value), filter, "{value}");
    }
}

#[test]
fn legal_filters_are_silent_and_taken_as_they_are() {
    for value in [
        "off",
        "WARN",
        "2",
        "orders",
        "orders::store",
        "opentelemetry-otlp=debug",
        "info,orders=debug",
        "[ping-request]=trace",
        "orders[request{id=1}]=trace",
        "_orders=",
    ] {
        assert_eq!(
            settings(&[("RUST_LOG", value)]).warnings(),
            [""; 0],
            "{value}"
        );
        assert_eq!(filter_in_effect(value), value);
    }
}

/// Latin-1, say.
#[cfg(unix)]
fn not_utf8() -> std::ffi::OsString {
    std::os::unix::ffi::OsStringExt::from_vec(b"orders=\xff".to_vec())
}

/// All the variables that are asked for.
#[cfg(unix)]
fn variables() -> std::collections::BTreeSet<String> {
    let asked = std::cell::RefCell::default();
    let lookup = |name: &str| {
        std::collections::BTreeSet::insert(&mut asked.borrow_mut(), name.to_owned());
        None
    };
    Settings::from_env(&lookup).unwrap();
    asked.into_inner()
}

#[cfg(unix)]
#[test]
fn every_variable_that_is_not_utf8_is_warned_of_by_name_and_counts_as_unset() {
    let unset = format!("{:?}", settings(&[]));
    let names = variables();
    let names = names.iter().filter(|name| name.starts_with("OTEL_"));
    for name in names.clone() {
        let lookup = |asked: &str| (asked == name).then(not_utf8);
        let settings = Settings::from_env(&lookup).unwrap();
        let warning = format!("{name} is not UTF-8 (its value is not shown); it counts as unset");
        assert_eq!(settings.warnings(), [warning.as_str()]);
        let debug = format!("{settings:?}");
        assert_eq!(debug.replace(&format!("{warning:?}"), ""), unset, "{name}");
    }
    assert!(names.count() > 50);
}

#[cfg(unix)]
#[test]
fn own_setting_that_is_not_utf8_is_an_error_that_names_it() {
    for (name, wanted) in [
        (
            "JAEGER_ADDRESS",
            "host:port of an OTLP receiver, such as localhost:4318",
        ),
        (
            "RUST_LOG",
            "a level (error, warn, info, debug, trace, off) or target=level, such as info,orders=debug",
        ),
    ] {
        let lookup = |asked: &str| (asked == name).then(not_utf8);
        assert_eq!(
            Settings::from_env(&lookup).unwrap_err().to_string(),
            format!("{name} is \"orders=\\xFF\"; wanted: {wanted}")
        );
    }
}

#[cfg(unix)]
#[test]
fn the_services_have_no_other_variables_of_their_own_in_telemetry() {
    let names = variables();
    let others: Vec<_> = names
        .iter()
        .filter(|name| !name.starts_with("OTEL_"))
        .collect();
    assert_eq!(others, ["JAEGER_ADDRESS", "NO_COLOR", "RUST_LOG"]);
}

#[tokio::test]
async fn a_queue_that_no_service_can_hold_is_made_as_long_as_one_can() {
    for (variable, default) in [
        ("OTEL_BSP_MAX_QUEUE_SIZE", 16_384),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", 2_048),
    ] {
        for (value, used) in [
            ("32769", 32_768),
            ("100000000", 32_768),
            ("99999999999999999999", 32_768),
            ("0", default),
            ("many", default),
        ] {
            let variables = [
                (variable, value),
                ("OTEL_TRACES_EXPORTER", "otlp"),
                ("OTEL_LOGS_EXPORTER", "otlp"),
            ];
            assert_eq!(
                settings(&variables).warnings(),
                [format!(
                    "{variable} is {value:?}; wanted: a whole number from 1 to 32768, which is what fits into a service's \
                     memory; used instead: {used}"
                )]
            );
            let telemetry = telemetry(&variables);
            let signal = if variable.contains("BSP") {
                "span"
            } else {
                "log"
            };
            let capacity = format!("otel_sdk_processor_{signal}_queue_capacity");
            assert_eq!(sample(&telemetry, &capacity, &[]), Some(f64::from(used)));
            let _ = telemetry.shutdown(SOON).await;
        }
        assert!(settings(&[(variable, "32768")]).warnings().is_empty());
    }
}

#[tokio::test]
async fn a_batch_that_no_service_can_hold_is_made_as_large_as_one_can() {
    let receiver = Receiver::start();
    let variables = [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "32768"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "20000"),
        ("OTEL_BSP_SCHEDULE_DELAY", HOUR),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
    ];
    assert_eq!(
        settings(&variables).warnings(),
        [
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE is \"20000\"; wanted: a whole number from 1 to 16384, which is what fits into a \
             service's memory; used instead: 16384"
        ]
    );
    let telemetry = telemetry(&variables);
    for _ in 0..20_000 {
        span(&telemetry, "span");
    }
    end(telemetry).await;
    let sizes = receiver.batch_sizes();
    assert_eq!(sizes[0], 16_384, "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), 20_000);
}

#[test]
fn a_wrong_general_endpoint_beside_jaeger_address_is_warned_of_once() {
    let settings = settings(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector"),
        ("JAEGER_ADDRESS", "jaeger:4318"),
    ]);
    assert_eq!(
        settings.warnings(),
        [
            "OTEL_EXPORTER_OTLP_ENDPOINT is \"collector\"; wanted: a URL that starts with http:// or https://; used instead: \
             http://jaeger:4318 for traces, http://localhost:4318 for the rest"
        ]
    );
}
