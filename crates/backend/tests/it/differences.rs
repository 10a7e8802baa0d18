//! In what some traces differ from others.

use backend::{Attributes, Backend, Span, SpanKind};
use serde_json::{Value, json};

use crate::{CLIENT, plain::span, start};

/// One trace in ten is slow. The shop's own attributes say nothing of it, an id is another one in each, the day is the
/// same in all; nine in ten of the slow ones have missed a cache, and one in ten of the others.
fn shop(number: u64) -> Vec<Span> {
    let is_slow = number.is_multiple_of(10);
    let has_missed = is_slow != (number / 10).is_multiple_of(10);
    let root = Span {
        kind: SpanKind::Server,
        name: "GET /orders/{id}".into(),
        attributes: Attributes::from([
            ("http.route", "/orders/{id}".into()),
            ("order.id", format!("order {number}").into()),
            ("order.items", i64::try_from(number % 3).unwrap().into()),
        ]),
        ..span(number, 1)
    };
    let lookup = |id| Span {
        name: "cache lookup".into(),
        attributes: Attributes::from([
            ("cache.hit", (!has_missed).into()),
            ("day", "Monday".into()),
        ]),
        ..span(number, id)
    };
    let retry = Span {
        name: "load from disk".into(),
        ..span(number, 4)
    };
    let mut spans = vec![root, lookup(2), lookup(3)];
    spans.extend(is_slow.then_some(retry));
    spans
}

async fn ask(backend: &Backend, question: Value) -> (u16, Value) {
    let url = format!("http://{}/api/differences", backend.query());
    let request = CLIENT.post(url).header("content-type", "application/json");
    let answer = request.body(question.to_string()).send().await.unwrap();
    let status = answer.status().as_u16();
    (
        status,
        serde_json::from_str(&answer.text().await.unwrap()).unwrap(),
    )
}

#[tokio::test]
async fn what_the_slow_traces_have_comes_first() {
    let backend = start();
    for number in 1..=1_000 {
        backend.store().insert_spans(shop(number));
    }
    let id = |number: u64| format!("{number:032x}");
    let (slow, others): (Vec<u64>, Vec<u64>) =
        (1..=1_000).partition(|number: &u64| number.is_multiple_of(10));
    let mut slow: Vec<_> = slow.into_iter().map(id).collect();
    slow.push("f".repeat(32)); // has gone meanwhile
    let others: Vec<_> = others.into_iter().map(id).collect();
    let (status, answer) = ask(&backend, json!({ "selected": slow, "others": others })).await;
    assert_eq!(status, 200);
    assert_eq!(
        answer,
        json!({ "selected": 100, "others": 900, "differences": [
            { "service": "Ping", "operation": "load from disk", "selected": 100, "others": 0 },
            { "key": "cache.hit", "value": "false", "selected": 90, "others": 90 },
        ]})
    );
    let (_, answer) = ask(&backend, json!({ "selected": others, "others": [] })).await;
    assert_eq!(answer["others"], 0, "{answer}");
}

#[tokio::test]
async fn a_question_about_no_traces_is_refused_or_finds_nothing() {
    let backend = start();
    let nothing = json!({ "selected": 0, "others": 0, "differences": [] });
    assert_eq!(
        ask(&backend, json!({ "selected": [], "others": [] })).await,
        (200, nothing)
    );
    for (question, why) in [
        (json!({ "selected": [] }), "missing field `others`"),
        (
            json!({ "selected": ["x"], "others": [] }),
            "\"x\" is not a valid id",
        ),
        (
            json!({ "selected": vec!["1"; 2_001], "others": [] }),
            "at most 2000 traces",
        ),
    ] {
        let (status, answer) = ask(&backend, question).await;
        assert_eq!(status, 400);
        assert!(answer["error"].as_str().unwrap().contains(why), "{answer}");
    }
}
