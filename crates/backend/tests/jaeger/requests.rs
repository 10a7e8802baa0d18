//! Lists, searches and refusals.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    corpus::{self, START},
    equal::{self, assert_same},
    program::{Both, Who},
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs jaeger on PATH"]
async fn services_operations_and_dependencies_are_those_of_a_real_jaeger() {
    let both = Both::start().await;
    for path in [
        "services",
        "services/cart/operations",
        "operations?service=cart",
    ] {
        let (ours, theirs) = both.ask_both(path).await;
        assert_same(&equal::listing(&ours), &equal::listing(&theirs), path);
    }
    both.send(&corpus::request()).await;
    let end = START / 1_000_000 + 10;
    for path in [
        "services",
        "services/cart/operations",
        "services/everything%20%E2%98%83%2F%25/operations",
        "services/nothing/operations",
        "services/nobody/operations",
        "operations?service=gateway",
        "operations?service=gateway&spanKind=client",
        "operations?service=gateway&spanKind=consumer",
        "operations?service=gateway&spanKind=nonsense",
        "operations?service=database&spanKind=",
        "operations?service=nobody",
        &format!("dependencies?endTs={end}&lookback=100&service=broken"),
        &format!("dependencies?endTs={end}&lookback=100"),
        &format!("dependencies?endTs={end}"),
        &format!("dependencies?endTs={end}&lookback=100&service=cart"),
        &format!("dependencies?endTs={end}&lookback=100&service=gateway"),
        &format!("dependencies?endTs={end}&lookback=1"),
        &format!("dependencies?endTs={end}&lookback=-1"),
        "dependencies?endTs=1&lookback=1",
        "dependencies",
    ] {
        let (ours, theirs) = both.ask_both(path).await;
        assert_same(&equal::listing(&ours), &equal::listing(&theirs), path);
    }
    for path in [
        "v3/services",
        "v3/operations?service=gateway",
        "v3/operations?service=gateway&span_kind=server",
        "v3/operations?service=nothing",
        "v3/operations?service=nobody",
        "v3/operations",
    ] {
        let (ours, theirs) = both.ask_both(path).await;
        assert_same(&equal::message(&ours), &equal::message(&theirs), path);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs jaeger on PATH"]
async fn searches_find_what_a_real_jaeger_finds() {
    let both = Both::start().await;
    both.send(&corpus::request()).await;
    let micros = START / 1_000;
    let everything = "service=everything+%E2%98%83%2F%25&start=0";
    let cart = "service=cart&start=0";
    let mut found = BTreeSet::new();
    for search in [
        "service=gateway&start=0".to_owned(),
        "service=nothing&start=0".to_owned(),
        "service=nobody&start=0".to_owned(),
        "service=gateway&service=nobody&start=0".to_owned(),
        format!("{cart}&operation=SELECT"),
        format!("{cart}&operation=select"),
        format!("{cart}&operation=&lookback=1h&limit="),
        "service=broken&start=0&limit=1".to_owned(),
        "service=broken&start=0&limit=0".to_owned(),
        "service=broken&start=0&limit=-1".to_owned(),
        // Bounds, each to the microsecond.
        format!("service=gateway&operation=GET+%2F&start={micros}"),
        format!("service=gateway&operation=GET+%2F&start={}", micros + 1),
        format!("service=gateway&operation=GET+%2F&start=0&end={micros}"),
        format!(
            "service=gateway&operation=GET+%2F&start=0&end={}",
            micros + 1
        ),
        "service=gateway&start=-1&end=9223372036854775".to_owned(),
        format!("{cart}&minDuration=399.899ms"),
        format!("{cart}&minDuration=399.9ms"),
        format!("{cart}&maxDuration=99us"),
        format!("{cart}&maxDuration=98.002%C2%B5s"),
        format!("{cart}&maxDuration=99.001%CE%BCs"),
        format!("{cart}&minDuration=0s&maxDuration=0"),
        format!("{cart}&minDuration=-1s"),
        format!("{cart}&minDuration=0.0001h0m0.001s&maxDuration=%2B1h1m"),
        format!("{cart}&minDuration=1s&maxDuration=1s"),
        // All of it by one span.
        format!("{cart}&operation=SELECT&minDuration=1ms"),
        format!("{cart}&tag=n:1&tag=n:2"),
        format!("{cart}&tag=n:1&tag=error:true"),
        format!("{cart}&tag=error:true"),
        format!("{cart}&tag=span.kind:server"),
        format!("{cart}&tag=span.kind:consumer"),
        format!("{cart}&tag=otel.status_code:ERROR"),
        format!("{cart}&tag=otel.scope.name:sql&tag=n:2"),
        format!("{cart}&tag=otel.scope.version:2"),
        format!("{cart}&tags=%7B%22n%22%3A%222%22%7D"),
        format!("{cart}&tags=%7B%22n%22%3A%222%22%7D&tags=%7B%22error%22%3A%22true%22%7D"),
        format!("{cart}&tags=%7B%7D"),
        format!("{everything}&tag=string:NaN+%E2%98%83+%3Cb%3E+%00%E2%80%A8%22%5C"),
        format!("{everything}&tag=bool:true"),
        format!("{everything}&tag=int+min:-9223372036854775808"),
        format!("{everything}&tag=double:1.5"),
        format!("{everything}&tag=double+one:1"),
        format!("{everything}&tag=double+one:1.0"),
        format!("{everything}&tag=empty:"),
        format!("{everything}&tag=:a+key+of+nothing"),
        format!("{everything}&tag=array+empty:%5B%5D"),
        format!("{everything}&tag=map:%7B%22a%22%3A%7B%22%22%3A%22q%22%7D%2C%22z%22%3A1%7D"),
        format!("{everything}&tag=k:an+event+without+a+name"),
        format!("{everything}&tag=event:named"),
        format!("{everything}&tag=event:otherwise"),
        format!("{everything}&tag=event:z"),
        format!("{everything}&tag=event:"),
        format!("{everything}&tag=w3c.tracestate:a%3Db,c%3Dd"),
        format!("{everything}&tag=w3c.tracestate:a%3Db"),
        format!("{everything}&tag=host.name:one"),
        format!("{everything}&tag=host.name:two"),
        format!("{everything}&tag=otel.status_description:it+%22broke%22"),
        format!("{everything}&tag=a:b:c"),
        "traceID=1&traceID=5b8efff798038103d269b633813fc60c".to_owned(),
        "traceID=abc&traceID=00abc&service=nobody".to_owned(),
        "traceID=0".to_owned(),
        format!("{cart}&raw=true"),
    ] {
        let path = format!("traces?{search}");
        let (ours, theirs) = both.ask_both(&path).await;
        let (ours, theirs) = (equal::traces(&ours), equal::traces(&theirs));
        assert_same(&ours, &theirs, &path);
        found.insert(ours["data"].as_array().map_or(0, Vec::len));
    }
    assert_eq!(
        found,
        BTreeSet::from([0, 1, 2]),
        "some found much, some nothing"
    );

    let times = "query.start_time_min=2018-12-13T14:51:00Z&query.start_time_max=2018-12-13T15:51:00.5%2B01:00";
    for search in [
        "query.service_name=gateway",
        "query.service_name=gateway&query.operation_name=POST",
        "query.service_name=gateway&query.duration_min=999ms&query.duration_max=1s",
        "query.service_name=cart&query.num_traces=1&query.raw_traces=true",
    ] {
        let path = format!("v3/traces?{times}&{search}");
        let (ours, theirs) = both.ask_both(&path).await;
        assert_same(&equal::message(&ours), &equal::message(&theirs), &path);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs jaeger on PATH"]
async fn requests_that_cannot_be_answered_are_refused_as_a_real_jaeger_does() {
    let both = Both::start().await;
    let times =
        "query.start_time_min=2018-12-13T00:00:00Z&query.start_time_max=2018-12-14T00:00:00Z";
    for path in [
        "traces",
        "traces?service=",
        "traces?service=a&start=x",
        "traces?service=a&end=1.5",
        "traces?service=a&limit=x",
        "traces?service=a&minDuration=5",
        "traces?service=a&minDuration=1x",
        "traces?service=a&minDuration=.s",
        "traces?service=a&maxDuration=-",
        "traces?service=a&maxDuration=s",
        "traces?service=a&minDuration=2s&maxDuration=1s",
        "traces?service=a&tag=x",
        "traces?service=a&tag=",
        "traces?service=a&tags=x",
        "traces?service=a&tags=%7B%22a%22%3A1%7D",
        "traces?service=a&raw=maybe",
        "traces?traceID=x",
        "traces?start=x&limit=y",
        "traces?limit=x&tag=y",
        "traces/x",
        "traces/1?start=x",
        "traces/1?end=x",
        "traces/1?raw=x",
        "traces/1",
        "traces/0",
        "traces/00000000000000000000000000000000",
        "traces/123456789012345678901234567890123",
        "operations",
        "operations?service=",
        "dependencies?endTs=x",
        "dependencies?lookback=1s",
        "v3/traces",
        "v3/traces?query.start_time_min=2018-12-13T00:00:00Z",
        "v3/traces?query.start_time_min=x&query.start_time_max=y",
        &format!("v3/traces?{times}"),
        &format!("v3/traces?{times}&query.duration_min=5"),
        &format!("v3/traces?{times}&query.duration_max=x"),
        &format!("v3/traces?{times}&query.num_traces=x"),
        &format!("v3/traces?{times}&query.raw_traces=x"),
        "v3/traces/x",
        "v3/traces/1",
        "v3/traces/0",
        "v3/traces/1?start_time=x",
        "v3/traces/1?end_time=x",
        "v3/traces/1?raw_traces=x",
    ] {
        let [ours, theirs] = [Who::Backend, Who::Jaeger].map(async |who| {
            let answer = both.ask(who, path).await;
            (answer.status, without_reason(answer.json()))
        });
        let (ours, theirs) = (ours.await, theirs.await);
        assert!(ours.0.is_client_error(), "{path}");
        assert_eq!(ours, theirs, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs jaeger on PATH"]
async fn metrics_are_missing_as_from_a_real_jaeger_without_a_storage_of_them() {
    let both = Both::start().await;
    for path in [
        "metrics/calls?service=a",
        "metrics/errors?service=a&service=b&groupByOperation=true&endTs=1&lookback=1&step=1&ratePer=1",
        "metrics/latencies?service=a&quantile=0.95&spanKind=server",
    ] {
        for who in [Who::Backend, Who::Jaeger] {
            let answer = both.ask(who, path).await;
            assert_eq!(answer.status, 501, "{who:?} {path}");
            assert_eq!(answer.json()["errors"][0]["code"], 501, "{who:?} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs jaeger on PATH"]
async fn answers_are_indented_as_a_real_jaeger_does() {
    let both = Both::start().await;
    both.send(&corpus::request()).await;
    for path in [
        "services/database/operations?prettyPrint=1",
        "operations?service=database&prettyPrint=true",
        "traces?service=nobody&prettyPrint=true",
    ] {
        let [ours, theirs] = [Who::Backend, Who::Jaeger].map(async |who| both.ask(who, path).await);
        assert_eq!(ours.await.text, theirs.await.text, "{path}");
    }
    for path in [
        format!("traces/{}?prettyPrint=false", corpus::SERVICES),
        format!("traces/{}?prettyPrint=t", corpus::SERVICES),
    ] {
        let [ours, theirs] =
            [Who::Backend, Who::Jaeger].map(async |who| both.ask(who, &path).await.text);
        let lines = |text: String| text.lines().count();
        assert_eq!(lines(ours.await), lines(theirs.await), "{path}");
    }
}

/// A refusal without the words that say why something cannot be read, which are Go's in Jaeger.
fn without_reason(mut answer: Value) -> Value {
    let own = [
        "'maxDuration' should be greater than 'minDuration'",
        "No traces found",
        "malformed 'tag' parameter, expecting key:value, received: ",
        "parameter 'service' is required",
        "query.start_time_min and query.start_time_max are required",
        "trace not found",
    ];
    let with_reason = [
        "cannot parse traceID param: ",
        "malformed 'tags' parameter, cannot unmarshal JSON: ",
        "malformed parameter ",
        "unable to parse param '",
    ];
    for place in ["/errors/0/msg", "/error/message"] {
        let Some(message) = answer.pointer_mut(place) else {
            continue;
        };
        let text = message.as_str().unwrap();
        if own.iter().any(|own| text.starts_with(own)) {
            continue;
        }
        let mut starts = with_reason.iter();
        *message = match text.split_once(": ") {
            Some((what, _)) if starts.any(|start| text.starts_with(start)) => json!(what),
            _ => json!("a reason"),
        };
    }
    answer
}
