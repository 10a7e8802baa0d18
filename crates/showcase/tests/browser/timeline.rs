//! The timeline of a trace: magnified, and with events.

use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::{
    page::Page,
    recorded,
    spans::{now, of, span},
};

/// Drags over the small picture of the trace, from 40 to 60 percent, as a mouse does.
const DRAG: &str = "
    const picture = document.querySelector('.minimap-picture');
    const { left, top, width, height } = picture.getBoundingClientRect();
    for (const [name, part] of [['pointerdown', 0.4], ['pointermove', 0.5], ['pointermove', 0.6], ['pointerup', 0.6]]) {
        picture.dispatchEvent(new PointerEvent(name, { pointerId: 1, clientX: left + width * part, clientY: top + height / 2, bubbles: true }));
    }";

/// Whether anything is drawn where the names are but the names: what is on top there belongs to them.
const NAMES: &str = "
    return [...document.querySelectorAll('.span-row')].every((row) => {
        const { left, right, top, height } = row.querySelector('.span-name').getBoundingClientRect();
        return [0.1, 0.5, 0.97].every((part) =>
            document.elementFromPoint(left + (right - left) * part, top + height / 2)?.closest('.track') === null);
    })";

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn a_magnified_part_stays_in_its_column_and_there_are_ways_back() {
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    page.go("traces?service=payments").await;
    page.click("a.trace-row").await;
    page.see(".span-row", "charge card").await;
    // A synthetic pointer cannot be captured.
    page.run(
        "Element.prototype.setPointerCapture = () => {}",
        Value::Null,
    )
    .await;
    let whole = "return !document.querySelector('.window.part')";
    for way in ["button", "escape"] {
        page.run(DRAG, Value::Null).await;
        page.see(".shown-part", " to ").await;
        assert_eq!(page.run(NAMES, Value::Null).await, true);
        let outside = "
            return [...document.querySelectorAll('.span-row .track > *')].some((part) => {
                const track = part.parentElement.getBoundingClientRect();
                const { left, right } = part.getBoundingClientRect();
                return right - left > track.width * 1.2;
            })";
        assert_eq!(
            page.run(outside, Value::Null).await,
            false,
            "longer than its column"
        );
        match way {
            "button" => page.press("Whole trace").await,
            _ => page.keys(&[Key::Escape]).await,
        }
        page.until("all of it", whole).await;
        page.see(".span-row", "charge card").await; // still this trace
    }
    // By keyboard: the time of a span.
    page.keys(&[Key::Down, Key::Down]).await;
    page.type_text("z").await;
    page.see(".window.part", "").await;
    page.keys(&[Key::Escape, Key::Escape]).await;
    page.until("all of it", whole).await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn no_event_is_hidden_by_a_label() {
    let page = Page::open().await;
    let start = now();
    let events = |parts: &[u64]| -> Vec<Value> {
        let event = |part: &u64| json!({"name": format!("at {part}"), "timeUnixNano": (start + part * 1_000_000).to_string()});
        parts.iter().map(event).collect()
    };
    let mut whole = span(1, 1, 0, "whole", start, 100);
    whole["events"] = json!(events(&[2, 5, 8, 50, 95]));
    let mut early = span(1, 2, 1, "early", start, 20);
    early["events"] = json!(events(&[10, 22, 25]));
    let mut late = span(1, 3, 1, "late", start + 80_000_000, 20);
    late["events"] = json!(events(&[75, 78, 90]));
    page.showcase
        .receive(&of("shop", vec![whole, early, late]))
        .await;
    page.go("traces").await;
    page.click("a.trace-row").await;
    page.see(".span-row", "late").await;
    let seen = "
        const events = [...document.querySelectorAll('.span-row .event')];
        const hidden = events.filter((event) => {
            const { left, top, width, height } = event.getBoundingClientRect();
            return document.elementFromPoint(left + width / 2, top + height / 2) !== event;
        });
        const covered = [...document.querySelectorAll('.span-row')].flatMap((row) => {
            const label = row.querySelector('.bar-label').getBoundingClientRect();
            return [...row.querySelectorAll('.event')].filter((event) => {
                const { left, right } = event.getBoundingClientRect();
                return right > label.left && left < label.right;
            });
        });
        return [events.length, hidden.map(({ title }) => title), covered.map(({ title }) => title)]";
    for (width, height) in [(1440, 900), (360, 780)] {
        page.size(width, height).await;
        let found = page.run(seen, Value::Null).await;
        assert_eq!(found[0], 11);
        assert_eq!(found[1], json!([]), "on top, at {width}");
        if width > 1000 {
            assert_eq!(found[2], json!([]), "beside the label, at {width}");
        }
    }
    page.close().await;
}
