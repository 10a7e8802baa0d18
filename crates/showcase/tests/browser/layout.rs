//! That nothing lies over anything else: on the map, and where names are long.

use serde_json::{Value, json};

use crate::{
    page::Page,
    spans::{now, span},
};

/// A shop of ten services, of which some call past others, one calls back and one calls itself.
const CALLS: [(&str, &str); 14] = [
    ("browser", "gateway"),
    ("gateway", "catalogue"),
    ("gateway", "basket"),
    ("gateway", "checkout"),
    ("gateway", "accounts"),
    ("checkout", "basket"),
    ("checkout", "payments"),
    ("checkout", "stock"),
    ("checkout", "mail"),
    ("payments", "accounts"),
    ("stock", "catalogue"),
    ("gateway", "mail"),
    ("stock", "checkout"),
    ("recommendations", "recommendations"),
];

/// A span with one of another service below it.
fn call(number: u64, from: &str, to: &str) -> Value {
    let of = |service: &str, span: Value| {
        json!({
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
            "scopeSpans": [{"spans": [span]}],
        })
    };
    let mut caller = span(number, 1, 0, "call", now(), 20);
    caller["kind"] = json!(3);
    caller["attributes"] = json!([{"key": "peer.service", "value": {"stringValue": to}}]);
    if number.is_multiple_of(4) {
        caller["status"] = json!({"code": 2});
    }
    let mut called = span(number, 2, 1, "answer", now(), 10);
    called["kind"] = json!(2);
    let answer = (from != to).then(|| of(to, called));
    let both: Vec<_> = [of(from, caller)].into_iter().chain(answer).collect();
    json!({"resourceSpans": both})
}

async fn shop(page: &Page) {
    for (number, (from, to)) in (1..).zip(CALLS) {
        page.showcase.receive(&call(number, from, to)).await;
    }
    page.go("map").await;
    page.until(
        "all of it",
        "return document.querySelectorAll('.map .node').length === 10 && document.querySelectorAll('.map .words').length === 14",
    )
    .await;
}

/// Pairs of words and services that overlap, and calls whose line runs through a service that it has nothing to do with.
const OVERLAPS: &str = "
    const box = (element) => element.getBoundingClientRect();
    const over = (a, b) => a.left + 1 < b.right && b.left + 1 < a.right && a.top + 1 < b.bottom && b.top + 1 < a.bottom;
    const things = [...document.querySelectorAll('.map .node, .map .words')];
    const found = [];
    things.forEach((one, index) => things.slice(index + 1).forEach((other) => {
        if (over(box(one), box(other))) found.push([one.textContent, other.textContent]);
    }));
    const nodes = [...document.querySelectorAll('.map .node')];
    for (const path of document.querySelectorAll('.map .edge path:first-child')) {
        const matrix = path.getScreenCTM();
        const length = path.getTotalLength();
        const points = Array.from({ length: 60 }, (_, step) => path.getPointAtLength((length * step) / 59).matrixTransform(matrix));
        for (const node of nodes) {
            const { left, right, top, bottom } = box(node);
            const inside = points.slice(3, -3).filter(({ x, y }) => x > left + 3 && x < right - 3 && y > top + 3 && y < bottom - 3);
            if (inside.length > 0) found.push(['line', node.title]);
        }
    }
    return found";

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn ten_services_on_the_map_stand_apart_and_can_be_magnified() {
    let page = Page::open().await;
    shop(&page).await;
    for (width, height) in [(1440, 900), (360, 780)] {
        page.size(width, height).await;
        page.until(
            "drawn anew",
            "return document.querySelectorAll('.map .node').length === 10",
        )
        .await;
        let overlaps = page.run(OVERLAPS, Value::Null).await;
        assert_eq!(overlaps, json!([]), "at {width}");
    }
    page.size(1440, 900).await;
    let wide = "return document.querySelector('.map svg').clientWidth";
    let fit = page.run(wide, Value::Null).await.as_f64().unwrap();
    page.click("[aria-label=Larger]").await;
    page.until("larger", &format!("{wide} > {}", fit * 1.2))
        .await;
    page.click("[aria-label=Larger]").await;
    page.until("larger still", &format!("{wide} > {}", fit * 1.5))
        .await;
    // What has been scrolled to stays in view while figures come.
    let place = "const { scrollLeft, scrollTop } = document.querySelector('.map-picture'); return [scrollLeft, scrollTop]";
    let scroll = format!("document.querySelector('.map-picture').scrollTo(200, 20); {place}");
    let before = page.run(&scroll, Value::Null).await;
    assert_eq!(before[0], 200, "there is more than fits");
    page.rounds(4).await;
    assert_eq!(page.run(place, Value::Null).await, before);
    page.press("Fit").await;
    page.until("as before", &format!("{wide} === {fit}")).await;
    page.close().await;
}

/// Text of the view that is painted outside of its card, or over the edge of the window.
const ESCAPED: &str = "
    const found = [];
    const walk = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
    for (let text = walk.nextNode(); text; text = walk.nextNode()) {
        const element = text.parentElement;
        if (!text.data.trim() || element.closest('.unseen, option, svg text, svg title') || !element.checkVisibility()) continue;
        const range = document.createRange();
        range.selectNodeContents(text);
        let { left, right } = range.getBoundingClientRect();
        // What an element on the way cuts off, or scrolls, is not painted there.
        let box = element;
        for (; box; box = box.parentElement) {
            if (getComputedStyle(box).overflowX !== 'visible') {
                const edge = box.getBoundingClientRect();
                [left, right] = [Math.max(left, edge.left), Math.min(right, edge.right)];
            }
            if (box.matches('.card, main')) break;
        }
        const edge = (box ?? document.body).getBoundingClientRect();
        if (right > left && (left < edge.left - 1 || right > edge.right + 1)) found.push([element.className, text.data.slice(0, 60)]);
    }
    return found";

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn long_names_stay_in_their_boxes() {
    let page = Page::open().await;
    let name = |what: &str| format!("{what}-{}", "of-a-team-that-likes-long-names".repeat(4));
    let mut trace = call(4, &name("caller"), &name("called"));
    for group in trace["resourceSpans"].as_array_mut().unwrap() {
        let span = &mut group["scopeSpans"][0]["spans"][0];
        span["name"] = json!(name("GET /a/route"));
        span["status"] = json!({"code": 2, "message": name("it failed")});
        span["attributes"] = json!([
            {"key": "http.response.status_code", "value": {"intValue": "500"}},
            {"key": name("key"), "value": {"stringValue": name("value")}},
        ]);
        span["events"] = json!([{"name": name("event"), "timeUnixNano": now().to_string()}]);
    }
    page.showcase.receive(&trace).await;
    let id = format!("{:032x}", 4);
    for (width, height) in [(1440, 900), (360, 780)] {
        page.size(width, height).await;
        for (view, shown) in [
            ("traces".to_owned(), "a.trace-row"),
            (format!("trace/{id}/{:016x}", 1), ".details .pairs"),
            ("map".to_owned(), ".map .node"),
            (format!("compare/{id}/{id}"), ".side"),
        ] {
            page.go(&view).await;
            page.see(shown, "").await;
            let escaped = page.run(ESCAPED, Value::Null).await;
            assert_eq!(escaped, json!([]), "{view} at {width}");
            page.assert_fits(&format!("{view} at {width}")).await;
        }
        // A key that fits a line is on one.
        page.go(&format!("trace/{id}/{:016x}", 1)).await;
        page.see(".details dt", "http.response.status_code").await;
        let lines = "
            const key = [...document.querySelectorAll('.details dt')].find((key) => key.textContent === 'http.response.status_code');
            const broken = [...key.childNodes].filter((part) => {
                const range = document.createRange();
                range.selectNodeContents(part);
                return range.getClientRects().length > 1;
            });
            return broken.length";
        assert_eq!(
            page.run(lines, Value::Null).await,
            0,
            "no word of it is broken, at {width}"
        );
    }
    page.close().await;
}
