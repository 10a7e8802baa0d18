//! Exemplars in whole outputs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::families::{OPENMETRICS, TEXT, body, exposition, histogram};
use openmetrics::Exposition;

const TRACE: [u8; 16] = [0xab; 16];
const SPAN: [u8; 8] = [0x0d; 8];
const IDS: &str = r#"{span_id="0d0d0d0d0d0d0d0d",trace_id="abababababababababababababababab"}"#;

/// A histogram of one series with a scope, every bucket of which counted something.
fn counted() -> Exposition {
    let labels: &[(&str, &str)] = &[
        ("http_route", "/ping"),
        ("url_scheme", "http"),
        ("otel_scope_name", "automatic"),
    ];
    exposition(vec![histogram(
        "h",
        "",
        &[labels],
        &[(1.0, 1), (2.0, 2)],
        (9.0, 3),
    )])
}

fn at() -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(1_700_000_000_125_999)
}

fn labels(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    labels.iter().map(owned).collect()
}

/// Lines with timestamps of exemplars replaced by `T`; each must be [`at`].
fn buckets(exposition: &Exposition) -> Vec<String> {
    let body = body(exposition, OPENMETRICS);
    let lines = body.lines().filter(|line| line.contains("_bucket"));
    lines
        .map(|line| {
            let line = line.replace(
                r#"http_route="/ping",otel_scope_name="automatic",url_scheme="http","#,
                "",
            );
            let Some((sample, exemplar)) = line.split_once(" # ") else {
                return line;
            };
            let (exemplar, seconds) = exemplar.rsplit_once(' ').unwrap();
            assert_eq!(seconds, "1700000000.125");
            format!("{sample} # {exemplar} T")
        })
        .collect()
}

#[test]
fn each_bucket_has_the_latest_exemplar_of_its_own_range() {
    let exposition = counted();
    let given = labels(&[("url_scheme", "http"), ("http_route", "/ping")]);
    let series = exposition.exemplars().series("h", &given, &[1.0, 2.0]);
    series.record(0.125, at(), [1; 16], [1; 8]);
    series.record(1.0, at(), TRACE, SPAN); // a bound belongs to the bucket below it
    series.record(1.5, at(), TRACE, SPAN);
    series.record(1e9, at(), TRACE, SPAN);
    assert_eq!(
        buckets(&exposition),
        [
            format!(r#"h_bucket{{le="1.0"}} 1 # {IDS} 1 T"#),
            format!(r#"h_bucket{{le="2.0"}} 2 # {IDS} 1.5 T"#),
            format!(r#"h_bucket{{le="+Inf"}} 3 # {IDS} 1000000000 T"#),
        ]
    );
}

#[test]
fn text_has_no_exemplars() {
    let exposition = counted();
    let given = labels(&[("url_scheme", "http"), ("http_route", "/ping")]);
    let without = body(&exposition, TEXT);
    let series = exposition.exemplars().series("h", &given, &[1.0, 2.0]);
    series.record(0.5, at(), TRACE, SPAN);
    assert!(body(&exposition, OPENMETRICS).contains(IDS));
    assert_eq!(body(&exposition, TEXT), without);
}

#[test]
fn a_series_is_known_by_attribute_keys_in_any_order_and_whatever_its_scope() {
    let exposition = counted();
    let exemplars = exposition.exemplars();
    let keys = labels(&[
        ("http.route", "/ping"),
        ("otel_scope_name", "other"),
        ("url.scheme", "http"),
    ]);
    exemplars
        .series("h", &keys, &[1.0, 2.0])
        .record(1.5, at(), TRACE, SPAN);
    let expected = format!(r#"h_bucket{{le="2.0"}} 2 # {IDS} 1.5 T"#);
    assert_eq!(buckets(&exposition)[1], expected);
}

#[test]
fn another_series_or_family_gets_none() {
    let exposition = counted();
    let exemplars = exposition.exemplars();
    for (family, given) in [
        ("h", labels(&[("http_route", "/ping")])),
        (
            "h",
            labels(&[("http_route", "/pong"), ("url_scheme", "http")]),
        ),
        (
            "i",
            labels(&[("http_route", "/ping"), ("url_scheme", "http")]),
        ),
    ] {
        exemplars
            .series(family, &given, &[1.0, 2.0])
            .record(0.5, at(), TRACE, SPAN);
    }
    assert!(!body(&exposition, OPENMETRICS).contains(" # {"));
}

#[test]
fn an_exemplar_of_other_bounds_goes_to_the_bucket_of_its_value() {
    let exposition = counted();
    let given = labels(&[("url_scheme", "http"), ("http_route", "/ping")]);
    let series = exposition.exemplars().series("h", &given, &[1.25, 1.5]);
    series.record(1.5, at() - Duration::from_millis(1), [1; 16], [1; 8]);
    series.record(1.125, at(), TRACE, SPAN);
    assert_eq!(
        buckets(&exposition),
        [
            r#"h_bucket{le="1.0"} 1"#.to_owned(),
            format!(r#"h_bucket{{le="2.0"}} 2 # {IDS} 1.125 T"#),
            r#"h_bucket{le="+Inf"} 3"#.to_owned(),
        ]
    );
}

#[test]
fn a_bucket_that_counted_nothing_has_none() {
    let families = vec![histogram("h", "", &[&[]], &[(1.0, 0), (2.0, 3)], (9.0, 3))];
    let exposition = exposition(families);
    let series = exposition.exemplars().series("h", &[], &[1.0, 2.0]);
    for value in [0.5, 1.5, 2.5] {
        series.record(value, at(), TRACE, SPAN);
    }
    assert_eq!(
        buckets(&exposition),
        [
            r#"h_bucket{le="1.0"} 0"#.to_owned(),
            format!(r#"h_bucket{{le="2.0"}} 3 # {IDS} 1.5 T"#),
            r#"h_bucket{le="+Inf"} 3"#.to_owned(),
        ]
    );
}

#[test]
fn what_leads_nowhere_is_not_recorded() {
    let given = labels(&[("url_scheme", "http"), ("http_route", "/ping")]);
    for (value, trace_id, span_id) in [
        (0.5, [0; 16], SPAN),
        (0.5, TRACE, [0; 8]),
        (f64::NAN, TRACE, SPAN),
        (f64::INFINITY, TRACE, SPAN),
        (f64::NEG_INFINITY, TRACE, SPAN),
    ] {
        let exposition = counted();
        let series = exposition.exemplars().series("h", &given, &[1.0, 2.0]);
        series.record(value, at(), trace_id, span_id);
        let body = body(&exposition, OPENMETRICS);
        assert!(!body.contains(" # {"), "{value}\n{body}");
    }
}
