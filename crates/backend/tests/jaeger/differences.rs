//! Where the backend's answers are not those of a real Jaeger 2.2, each with its reason. What only the newer form loses
//! is in `traces`.

use serde_json::{Value, json};

use crate::{
    corpus::{START, attributes, of, service, span, text},
    equal,
    program::{Both, Who},
};

/// One place in the answers to one question.
struct Difference {
    because: &'static str,
    path: String,
    /// A JSON pointer into the answer.
    place: &'static str,
    ours: Value,
    theirs: Value,
}

/// In both answers to a trace of one span.
fn of_span(
    because: &'static str,
    id: &str,
    place: &'static str,
    ours: Value,
    theirs: Value,
) -> Difference {
    Difference {
        because,
        path: format!("traces/{id}"),
        place,
        ours,
        theirs,
    }
}

const NAMELESS: &str = "a0000000000000000000000000000001";
const NUMBER: &str = "a0000000000000000000000000000002";
const NO_NAME: &str = "a0000000000000000000000000000003";
const BACKWARDS: &str = "a0000000000000000000000000000004";
const FAR: &str = "a0000000000000000000000000000005";
const VALUES: &str = "a0000000000000000000000000000006";
const CLIENTS: &str = "a0000000000000000000000000000007";
const SKEWED: &str = "a0000000000000000000000000000008";
const NAN: &str = "a0000000000000000000000000000009";
const TWICE: &str = "a000000000000000000000000000000a";
const STATUS: &str = "a000000000000000000000000000000b";
const LINKED: &str = "a000000000000000000000000000000c";

fn one(resource: Value, trace: &str, times: [u64; 2], more: Value) -> Value {
    of(resource, json!({}), json!([span(trace, 1, 0, times, more)]))
}

fn request() -> Value {
    let with = |key: &str, value: Value| json!({"attributes": attributes([(key, value)])});
    let moment = [0, 0];
    let values = json!({
        "attributes": attributes([
            ("a third", json!({"doubleValue": 1.0 / 3.0})),
            ("array", json!({"arrayValue": {"values": [text("<&>")]}})),
            ("bytes", json!({"bytesValue": "AP8Q"})),
            ("no bytes", json!({"bytesValue": ""})),
        ]),
    });
    let clients = json!({"attributes": attributes([
        ("ip", json!({"intValue": "16909060"})),
        ("telemetry.sdk.language", text("rust")),
    ])});
    let far =
        json!({"startTimeUnixNano": u64::MAX.to_string(), "endTimeUnixNano": u64::MAX.to_string()});
    let link = json!({"links": [{"traceId": LINKED, "spanId": "000000000000004d"}]});
    let late = json!([span(SKEWED, 2, 1, [90, 110], json!({}))]);
    let mut clients = one(service("clients"), CLIENTS, moment, clients);
    clients["scopeSpans"][0]["scope"]["attributes"] = attributes([("of", text("scope"))]);
    json!({"resourceSpans": [
        one(json!([]), NAMELESS, moment, json!({})),
        one(attributes([("service.name", json!({"intValue": "5"}))]), NUMBER, moment, json!({})),
        one(service(""), NO_NAME, moment, json!({})),
        one(service("a"), BACKWARDS, [10, 0], json!({})),
        one(service("far"), FAR, moment, far),
        one(service("values"), VALUES, moment, values),
        clients,
        one(service("a"), SKEWED, [0, 100], json!({})),
        of(service("b"), json!({}), late),
        one(service("a"), NAN, moment, with("not", json!({"doubleValue": "NaN"}))),
        one(service("a"), TWICE, moment, json!({"name": "first"})),
        one(service("a"), TWICE, moment, json!({"name": "second"})),
        one(service("a"), STATUS, moment, with("http.status_code", json!({"intValue": "500"}))),
        one(service("a"), LINKED, moment, link),
    ]})
}

fn differences() -> Vec<Difference> {
    let name = "/data/0/spans/0/process/serviceName";
    let convention = "the semantic conventions call it so";
    let client = "Jaeger mends what its own old clients send";
    let clocks = "one machine has one clock, and what is shown is what was sent";
    let text_of_values = "as later versions of Jaeger, which take the Collector's text of a value";
    let found = "/data/0/traceID";
    let older = "2.2 makes OTLP out of its older form";
    let search = |because, search: &str, ours: Option<&str>, theirs: Option<&str>| Difference {
        because,
        path: format!("traces?{search}"),
        place: found,
        ours: json!(ours),
        theirs: json!(theirs),
    };
    let values = |tag: &str| format!("service=values&start=0&tag={tag}");
    vec![
        of_span(
            convention,
            NAMELESS,
            name,
            json!("unknown_service"),
            json!("missing-service-name"),
        ),
        of_span(
            convention,
            NUMBER,
            name,
            json!("unknown_service"),
            json!("service-name-wrong-type"),
        ),
        of_span(
            "a name is shown as it is",
            NO_NAME,
            name,
            json!(""),
            json!("empty-service-name"),
        ),
        of_span(
            "there is no negative duration",
            BACKWARDS,
            "/data/0/spans/0/duration",
            json!(0),
            json!(18_446_744_073_709_551_606_u64),
        ),
        of_span(
            "OTLP's times have no sign",
            FAR,
            "/data/0/spans/0/startTime",
            json!(18_446_744_073_709_551_u64),
            json!(0),
        ),
        of_span(
            "no bytes are bytes",
            VALUES,
            "/data/0/spans/0/tags/3/value",
            json!(""),
            Value::Null,
        ),
        of_span(
            "JSON within JSON needs no escapes for HTML",
            VALUES,
            "/data/0/spans/0/tags/1/value",
            json!("[\"<&>\"]"),
            json!("[\"\\u003c\\u0026\\u003e\"]"),
        ),
        of_span(
            client,
            CLIENTS,
            "/data/0/spans/0/tags/0/value",
            json!(16_909_060),
            json!("1.2.3.4"),
        ),
        of_span(
            client,
            CLIENTS,
            "/data/0/spans/0/tags/1/key",
            json!("telemetry.sdk.language"),
            Value::Null,
        ),
        of_span(
            clocks,
            SKEWED,
            "/data/0/spans/1/startTime",
            json!(START / 1_000 + 90),
            json!(START / 1_000 + 40),
        ),
        of_span(
            clocks,
            SKEWED,
            "/data/0/spans/1/warnings",
            Value::Null,
            json!(["This span's timestamps were adjusted by -50µs"]),
        ),
        of_span(
            "a span sent twice counts once",
            TWICE,
            "/data/0/spans/1/spanID",
            Value::Null,
            json!("0000000000000001"),
        ),
        search(
            "a file that was loaded is older than two days",
            "service=clients",
            Some(CLIENTS),
            None,
        ),
        search(text_of_values, &values("bytes:AP8Q"), Some(VALUES), None),
        search(text_of_values, &values("bytes:00ff10"), None, Some(VALUES)),
        search(
            text_of_values,
            &values("a+third:0.3333333333"),
            None,
            Some(VALUES),
        ),
        search(
            "every attribute is searched",
            "service=clients&start=0&tag=service.name:clients",
            Some(CLIENTS),
            None,
        ),
        search(
            "every attribute is searched",
            "service=clients&start=0&tag=of:scope",
            Some(CLIENTS),
            None,
        ),
        Difference {
            because: older,
            path: format!("v3/traces/{STATUS}"),
            place: "/result/resourceSpans/0/scopeSpans/0/spans/0/status/code",
            ours: Value::Null,
            theirs: json!(2),
        },
        Difference {
            because: older,
            path: format!("v3/traces/{LINKED}"),
            place: "/result/resourceSpans/0/scopeSpans/0/spans/0/parentSpanId",
            ours: Value::Null,
            theirs: json!("000000000000004d"),
        },
    ]
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs jaeger on PATH"]
async fn answers_differ_from_those_of_a_real_jaeger_only_where_there_is_a_reason() {
    let both = Both::start().await;
    let (ours, theirs) = both.ask_both("services").await;
    assert_eq!(
        (&ours["data"], &theirs["data"]),
        (&json!([]), &Value::Null),
        "an empty list is a list"
    );

    both.send(&request()).await;
    for Difference {
        because,
        path,
        place,
        ours,
        theirs,
    } in differences()
    {
        let answers = both.ask_both(&path).await;
        let [our, their] = [answers.0, answers.1].map(|answer| {
            let answer = if path.starts_with("v3") {
                answer
            } else {
                equal::traces(&answer)
            };
            answer.pointer(place).cloned().unwrap_or_default()
        });
        assert_eq!((our, their), (ours, theirs), "{path} {place}: {because}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs jaeger on PATH"]
async fn statuses_differ_from_those_of_a_real_jaeger_only_where_there_is_a_reason() {
    let both = Both::start().await;
    both.send(&request()).await;
    let times =
        "query.start_time_min=2018-12-13T00:00:00Z&query.start_time_max=2018-12-14T00:00:00Z";
    for (because, path, ours, theirs) in [
        (
            "JSON has no NaN, so it is text",
            format!("traces/{NAN}"),
            200,
            500,
        ),
        (
            "a page of Jaeger's is no answer",
            "nothing".to_owned(),
            404,
            200,
        ),
        (
            "a search for no service is one for all",
            format!("v3/traces?{times}"),
            200,
            404,
        ),
        (
            "2.2 does not know the parameter",
            format!(
                "v3/traces?{times}&query.service_name=a&query.attributes=%7B%22a%22%3A%22b%22%7D"
            ),
            404,
            200,
        ),
    ] {
        let answers = [
            both.ask(Who::Backend, &path).await,
            both.ask(Who::Jaeger, &path).await,
        ];
        let statuses = answers.map(|answer| answer.status.as_u16());
        assert_eq!(statuses, [ours, theirs], "{path}: {because}");
    }
    // What is JSON is called so.
    for path in ["traces/1", "v3/traces/1"] {
        let answers = [
            both.ask(Who::Backend, path).await,
            both.ask(Who::Jaeger, path).await,
        ];
        let types = answers.map(|answer| answer.content_type.unwrap());
        assert_eq!(
            types,
            ["application/json", "text/plain; charset=utf-8"],
            "{path}"
        );
    }
}
