//! Whole outputs, of families made by hand: each rule of the formats that output can break.

use crate::families::{
    OPENMETRICS, TEXT, body, counter, exposition, family, gauge, histogram, labelled,
};
use prometheus::TextEncoder;
use prometheus::proto::{Metric, MetricFamily, MetricType};

fn assert_exposed(families: Vec<MetricFamily>, text: &str, openmetrics: &str) {
    let exposition = exposition(families);
    assert_eq!(body(&exposition, TEXT), text);
    assert_eq!(body(&exposition, OPENMETRICS), openmetrics);
}

#[test]
fn the_content_type_names_format_version_and_charset() {
    let exposition = exposition(Vec::new());
    let text = exposition.encode(TEXT).content_type;
    assert_eq!(text, "text/plain; version=0.0.4; charset=utf-8");
    let openmetrics = exposition.encode(OPENMETRICS).content_type;
    assert_eq!(
        openmetrics,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
}

#[test]
fn an_empty_registry_is_a_valid_exposition() {
    assert_exposed(Vec::new(), "", "# EOF\n");
}

#[test]
fn each_type_has_its_metadata_in_the_order_of_the_format() {
    let route: &[(&str, &str)] = &[("route", "/ping")];
    assert_exposed(
        vec![
            counter("requests_total", "Requests", &[(route, 3.0)]),
            counter("cpu_seconds_total", "CPU", &[(&[], 0.25)]),
            gauge("active", "In flight", &[(&[], -1.0)]),
            gauge("memory_bytes", "", &[(&[], 1e9)]),
            gauge("build_info", "Version", &[(&[("version", "1")], 1.0)]),
            gauge(
                "target_info",
                "Target metadata",
                &[(&[("service_name", "Ping")], 1.0)],
            ),
            histogram(
                "duration_seconds",
                "Time",
                &[&[], route],
                &[(0.5, 1), (1.0, 1), (2.5e6, 2)],
                (3.25, 4),
            ),
        ],
        r#"# HELP target_info Target metadata
# TYPE target_info gauge
target_info{service_name="Ping"} 1
# HELP active In flight
# TYPE active gauge
active -1
# HELP build_info Version
# TYPE build_info gauge
build_info{version="1"} 1
# HELP cpu_seconds_total CPU
# TYPE cpu_seconds_total counter
cpu_seconds_total 0.25
# HELP duration_seconds Time
# TYPE duration_seconds histogram
duration_seconds_bucket{le="0.5"} 1
duration_seconds_bucket{le="1"} 1
duration_seconds_bucket{le="2.5e+06"} 2
duration_seconds_bucket{le="+Inf"} 4
duration_seconds_sum 3.25
duration_seconds_count 4
duration_seconds_bucket{route="/ping",le="0.5"} 1
duration_seconds_bucket{route="/ping",le="1"} 1
duration_seconds_bucket{route="/ping",le="2.5e+06"} 2
duration_seconds_bucket{route="/ping",le="+Inf"} 4
duration_seconds_sum{route="/ping"} 3.25
duration_seconds_count{route="/ping"} 4
# TYPE memory_bytes gauge
memory_bytes 1000000000
# HELP requests_total Requests
# TYPE requests_total counter
requests_total{route="/ping"} 3
"#,
        r#"# TYPE target info
# HELP target Target metadata
target_info{service_name="Ping"} 1
# TYPE active gauge
# HELP active In flight
active -1
# TYPE build_info gauge
# HELP build_info Version
build_info{version="1"} 1
# TYPE cpu_seconds counter
# UNIT cpu_seconds seconds
# HELP cpu_seconds CPU
cpu_seconds_total 0.25
# TYPE duration_seconds histogram
# UNIT duration_seconds seconds
# HELP duration_seconds Time
duration_seconds_bucket{le="0.5"} 1
duration_seconds_bucket{le="1.0"} 1
duration_seconds_bucket{le="2.5e+06"} 2
duration_seconds_bucket{le="+Inf"} 4
duration_seconds_sum 3.25
duration_seconds_count 4
duration_seconds_bucket{route="/ping",le="0.5"} 1
duration_seconds_bucket{route="/ping",le="1.0"} 1
duration_seconds_bucket{route="/ping",le="2.5e+06"} 2
duration_seconds_bucket{route="/ping",le="+Inf"} 4
duration_seconds_sum{route="/ping"} 3.25
duration_seconds_count{route="/ping"} 4
# TYPE memory_bytes gauge
# UNIT memory_bytes bytes
memory_bytes 1000000000
# TYPE requests counter
# HELP requests Requests
requests_total{route="/ping"} 3
# EOF
"#,
    );
}

#[test]
fn label_values_and_help_are_escaped_as_each_format_wants() {
    assert_exposed(
        vec![gauge(
            "a",
            "\\ \"\n é\r",
            &[(&[("b", "\\ \"\n é\r\0")], 1.0)],
        )],
        "# HELP a \\\\ \"\\n é\r\n# TYPE a gauge\na{b=\"\\\\ \\\"\\n é\r\0\"} 1\n",
        "# TYPE a gauge\n# HELP a \\\\ \\\"\\n é\r\na{b=\"\\\\ \\\"\\n é\r\0\"} 1\n# EOF\n",
    );
}

#[test]
fn values_that_are_no_numbers_are_spelled_as_the_formats_do() {
    let series: [(&[(&str, &str)], f64); 4] = [
        (&[("a", "1")], f64::NAN),
        (&[("a", "2")], f64::INFINITY),
        (&[("a", "3")], f64::NEG_INFINITY),
        (&[("a", "4")], 1e300),
    ];
    let samples = "a{a=\"1\"} NaN\na{a=\"2\"} +Inf\na{a=\"3\"} -Inf\na{a=\"4\"} 1e300\n";
    assert_exposed(
        vec![gauge("a", "", &series)],
        &format!("# TYPE a gauge\n{samples}"),
        &format!("# TYPE a gauge\n{samples}# EOF\n"),
    );
}

#[test]
fn names_that_no_parser_takes_are_mended_and_break_nothing_else() {
    let labels: &[(&str, &str)] = &[("a:b", "1"), ("2xx", "2"), ("__name__", "3"), ("", "4")];
    let samples =
        "_2ü_x{a_b=\"1\",key_=\"4\",key_2xx=\"2\",key__name__=\"3\"} 1\nfine 1\n".replace('ü', "_");
    let (first, second) = samples.split_at(samples.find("fine").unwrap());
    assert_exposed(
        vec![
            gauge("2ü.x", "", &[(labels, 1.0)]),
            gauge("", "nameless", &[(&[], 1.0)]),
            gauge("fine", "", &[(&[], 1.0)]),
        ],
        &format!("# TYPE _2__x gauge\n{first}# TYPE fine gauge\n{second}"),
        &format!("# TYPE _2__x gauge\n{first}# TYPE fine gauge\n{second}# EOF\n"),
    );
}

#[test]
fn labels_that_collide_are_joined_and_le_is_left_to_the_buckets() {
    assert_exposed(
        vec![
            gauge(
                "a",
                "",
                &[(&[("x.y", "2"), ("x_y", "1"), ("le", "z")], 1.0)],
            ),
            histogram("h", "", &[&[("le", "z")]], &[], (1.0, 2)),
        ],
        r#"# TYPE a gauge
a{le="z",x_y="1;2"} 1
# TYPE h histogram
h_bucket{exported_le="z",le="+Inf"} 2
h_sum{exported_le="z"} 1
h_count{exported_le="z"} 2
"#,
        r#"# TYPE a gauge
a{le="z",x_y="1;2"} 1
# TYPE h histogram
h_bucket{exported_le="z",le="+Inf"} 2
h_sum{exported_le="z"} 1
h_count{exported_le="z"} 2
# EOF
"#,
    );
}

#[test]
fn series_are_ordered_by_labels_and_equal_ones_exposed_once() {
    let series: [(&[(&str, &str)], f64); 5] = [
        (&[("b", "x")], 1.0),
        (&[("c", "1"), ("a", "2")], 2.0),
        (&[("a", "x")], 3.0),
        (&[("a", "2"), ("c", "1")], 4.0),
        (&[], 5.0),
    ];
    let samples = "g 5\ng{a=\"2\",c=\"1\"} 2\ng{a=\"x\"} 3\ng{b=\"x\"} 1\n";
    assert_exposed(
        vec![gauge("g", "", &series)],
        &format!("# TYPE g gauge\n{samples}"),
        &format!("# TYPE g gauge\n{samples}# EOF\n"),
    );
}

#[test]
fn what_openmetrics_does_not_call_a_counter_is_unknown() {
    assert_exposed(
        vec![
            counter("_total", "", &[(&[], 1.0)]),
            counter("bare", "", &[(&[], 1.0)]),
            counter("nan_total", "", &[(&[], f64::NAN)]),
            counter("negative_total", "", &[(&[], -1.0)]),
        ],
        "# TYPE _total counter\n_total 1\n# TYPE bare counter\nbare 1\n\
         # TYPE nan_total counter\nnan_total NaN\n# TYPE negative_total counter\nnegative_total -1\n",
        "# TYPE _total unknown\n_total 1\n# TYPE bare unknown\nbare 1\n\
         # TYPE nan_total unknown\nnan_total NaN\n# TYPE negative_total unknown\nnegative_total -1\n# EOF\n",
    );
}

#[test]
fn families_whose_samples_would_be_mixed_up_are_kept_apart() {
    let one: &[(&[(&str, &str)], f64)] = &[(&[], 1.0)];
    assert_exposed(
        vec![
            // `a` is taken: the counter stays, as `unknown`.
            gauge("a", "", one),
            counter("a_total", "", one),
            // Beside what `b` needs, or could need, nothing else fits.
            histogram("b", "", &[&[]], &[], (1.0, 1)),
            gauge("b_count", "", one),
            gauge("b_created", "", one),
            // Names that are one after mending.
            gauge("c.d", "", one),
            gauge("c_d", "", one),
            // The target's name, and an info that is none by its value.
            gauge("target", "", one),
            gauge("target_info", "", &[(&[], 2.0)]),
        ],
        "# TYPE target_info gauge\ntarget_info 2\n# TYPE a gauge\na 1\n# TYPE a_total counter\na_total 1\n\
         # TYPE b histogram\nb_bucket{le=\"+Inf\"} 1\nb_sum 1\nb_count 1\n# TYPE b_created gauge\nb_created 1\n\
         # TYPE c_d gauge\nc_d 1\n# TYPE target gauge\ntarget 1\n",
        "# TYPE target_info gauge\ntarget_info 2\n# TYPE a gauge\na 1\n# TYPE a_total unknown\na_total 1\n\
         # TYPE b histogram\nb_bucket{le=\"+Inf\"} 1\nb_sum 1\nb_count 1\n# TYPE c_d gauge\nc_d 1\n\
         # TYPE target gauge\ntarget 1\n# EOF\n",
    );
}

#[test]
fn names_that_another_type_could_need_are_not_given_away() {
    let one: &[(&[(&str, &str)], f64)] = &[(&[], 1.0)];
    assert_exposed(
        vec![
            gauge("a_created", "", one),
            counter("a_total", "", one),
            // `b_` once mended, and its buckets' name is taken.
            gauge("b__bucket", "", one),
            histogram("bé", "", &[&[]], &[], (1.0, 1)),
            gauge("target", "", one),
            gauge("target.info", "", one),
            gauge("target_info", "", one),
        ],
        "# TYPE target_info gauge\ntarget_info 1\n# TYPE a_created gauge\na_created 1\n\
         # TYPE a_total counter\na_total 1\n# TYPE b__bucket gauge\nb__bucket 1\n# TYPE target gauge\ntarget 1\n",
        "# TYPE target info\ntarget_info 1\n# TYPE a_created gauge\na_created 1\n\
         # TYPE a_total unknown\na_total 1\n# TYPE b__bucket gauge\nb__bucket 1\n# EOF\n",
    );
}

#[test]
fn a_sum_that_openmetrics_forbids_is_left_out_with_its_count() {
    let buckets = |name: &str, bounds: &[&str]| {
        let lines = bounds
            .iter()
            .map(|bound| format!("{name}_bucket{{le=\"{bound}\"}} 1\n"));
        format!("# TYPE {name} histogram\n{}", lines.collect::<String>())
    };
    let (below, negative, nan) = (
        buckets("below", &["-1.0", "+Inf"]),
        buckets("negative", &["1.0", "+Inf"]),
        buckets("not_a_number", &["+Inf"]),
    );
    assert_exposed(
        vec![
            histogram("below", "", &[&[]], &[(-1.0, 1)], (2.0, 1)),
            histogram("negative", "", &[&[]], &[(1.0, 1)], (-2.0, 1)),
            histogram("not_a_number", "", &[&[]], &[], (f64::NAN, 1)),
        ],
        &format!(
            "{below}below_sum 2\nbelow_count 1\n{negative}negative_sum -2\nnegative_count 1\n\
             {nan}not_a_number_sum NaN\nnot_a_number_count 1\n"
        )
        .replace("1.0\"", "1\""),
        &format!("{below}{negative}{nan}# EOF\n"),
    );
}

#[test]
fn buckets_ascend_and_infinity_stands_once() {
    let buckets = [
        (1.0, 1),
        (1.0, 1),
        (0.5, 1),
        (f64::NAN, 1),
        (2.0, 2),
        (f64::INFINITY, 3),
    ];
    let lines = "h_bucket{le=\"1.0\"} 1\nh_bucket{le=\"2.0\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 4\nh_count 3\n";
    assert_exposed(
        vec![histogram("h", "", &[&[]], &buckets, (4.0, 3))],
        &format!("# TYPE h histogram\n{}", lines.replace(".0", "")),
        &format!("# TYPE h histogram\n{lines}# EOF\n"),
    );
}

#[test]
fn histograms_of_different_bounds_each_keep_their_own() {
    let exposition = exposition(vec![
        histogram("a", "", &[&[]], &[(1.0, 1), (2.0, 1)], (1.0, 1)),
        histogram("b", "", &[&[]], &[(2.0, 1)], (1.0, 1)),
        histogram("c", "", &[&[]], &[(1.0, 1), (5.0, 1), (7.0, 1)], (1.0, 1)),
    ]);
    let text = body(&exposition, TEXT);
    let bounds: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once("le=\"")?.1.split_once('"'))
        .map(|(bound, _)| bound)
        .collect();
    assert_eq!(
        bounds,
        ["1", "2", "+Inf", "2", "+Inf", "1", "5", "7", "+Inf"]
    );
}

#[test]
fn types_that_opentelemetry_never_makes_are_left_out() {
    assert_exposed(
        vec![
            family(MetricType::SUMMARY, "a", "", vec![Metric::default()]),
            family(MetricType::UNTYPED, "b", "", vec![labelled(&[])]),
        ],
        "",
        "# EOF\n",
    );
}

#[test]
fn text_is_what_the_stock_encoder_writes_wherever_that_one_is_right() {
    let families = vec![
        counter(
            "a_total",
            "A \\ \n",
            &[(&[("x", "\\ \n \""), ("y", "2")], 2.5)],
        ),
        gauge("b", "B", &[(&[], f64::NAN), (&[("x", "1")], -3.0)]),
        histogram(
            "c",
            "C",
            &[&[("x", "1")]],
            &[(0.25, 1), (10.0, 7)],
            (12.0, 9),
        ),
    ];
    let stock = TextEncoder::new().encode_to_string(&families).unwrap();
    assert_eq!(body(&exposition(families), TEXT), stock);
}
