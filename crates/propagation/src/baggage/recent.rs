//! The contexts of headers that came before.
//!
//! Most callers send the same baggage with every request. To read it and to free it again costs 4,000 instructions; to find
//! the context here costs 1,000, most of them in `is_empty`.

use std::cell::RefCell;
use std::fmt::{self, Write};

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;

/// Headers that a thread remembers, the latest one of each slot.
const SLOTS: usize = 32;

/// Longest header in bytes that is remembered. Its context takes up to 12 KiB, if it has 64 members: a thread keeps at most
/// 400 KiB, whatever clients send.
const LONGEST: usize = 256;

struct Slot {
    /// Of the latest header.
    hash: u64,
    /// That header and its context, if it came twice. One that does not come again then costs no more than a hash.
    known: Option<(Box<str>, Context)>,
}

thread_local! {
    static SEEN: RefCell<[Slot; SLOTS]> =
        const { RefCell::new([const { Slot { hash: 0, known: None } }; SLOTS]) };
}

/// Returns what `make` returns: `context` with the baggage of the header `line`.
pub(super) fn with_baggage(
    context: &Context,
    line: &str,
    make: impl FnOnce() -> Context,
) -> Context {
    if line.len() > LONGEST {
        return make();
    }
    SEEN.with_borrow_mut(|slots| {
        let hash = hash(line.as_bytes());
        let slot = &mut slots[hash as usize % SLOTS];
        if slot.hash != hash {
            *slot = Slot { hash, known: None };
            return make();
        }
        if !is_empty(context) {
            return make();
        }
        match &slot.known {
            Some((text, context)) if **text == *line => context.clone(),
            _ => {
                let made = make();
                slot.known = Some((line.into(), made.clone()));
                made
            }
        }
    })
}

/// Whether a context equals [`Context::new`], so that no value of one request comes into another one.
///
/// The API does not say how many values a context has, but its `Debug` does.
fn is_empty(context: &Context) -> bool {
    let mut entries = Entries::Before;
    let is_bare = !context.has_active_span() && !context.is_telemetry_suppressed();
    // The error that stops the formatting is no failure.
    is_bare && write!(entries, "{context:?}").is_err() && matches!(entries, Entries::Are(true))
}

/// Reads `entries count: 0` out of the text that is written to it.
enum Entries {
    Before,
    Named,
    /// Whether there are none.
    Are(bool),
}

impl Write for Entries {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        match self {
            Self::Before if text == "entries count" => *self = Self::Named,
            Self::Named if text != ": " => {
                *self = Self::Are(text == "0");
                return Err(fmt::Error); // the rest does not matter
            }
            _ => {}
        }
        Ok(())
    }
}

/// Multiplies and rotates, eight bytes at a time. Whoever chooses headers that collide makes their own slower.
fn hash(text: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15; // 2^64 / golden ratio, as in Fibonacci hashing
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    let (words, rest) = text.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let hash = words.fold(text.len() as u64, mix);
    let last = rest
        .iter()
        .fold(0, |last, byte| last << 8 | u64::from(*byte));
    mix(hash, last) >> 32 // the high bits are the mixed ones
}

#[cfg(test)]
mod tests {
    use opentelemetry::baggage::BaggageExt;
    use opentelemetry::propagation::TextMapPropagator;
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId};

    use super::*;
    use crate::BaggagePropagator;
    use crate::trace_context::tests::Lines;

    fn extract(context: &Context, line: &str) -> Context {
        let lines = Lines::new([("baggage", line)]);
        BaggagePropagator::default().extract_with_context(context, &lines)
    }

    fn value_of<'a>(context: &'a Context, key: &str) -> Option<&'a str> {
        context.baggage().get(key).map(|value| value.as_str())
    }

    #[test]
    fn a_header_that_came_twice_is_not_read_again() {
        let contexts = [(); 4].map(|()| extract(&Context::new(), "userId=alice"));
        let baggage = contexts.each_ref().map(|context| context.baggage());
        assert!(!std::ptr::eq(baggage[0], baggage[1]));
        assert!(std::ptr::eq(baggage[1], baggage[2]));
        assert!(std::ptr::eq(baggage[1], baggage[3]));
        for context in &contexts {
            assert_eq!(value_of(context, "userId"), Some("alice"));
        }
    }

    #[test]
    fn headers_are_told_apart_however_they_alternate() {
        for times in [1, 3] {
            for round in 0..3 {
                for number in 0..SLOTS * 8 {
                    let value = format!("{number}-{}", "x".repeat(number));
                    for _ in 0..times {
                        let context = extract(&Context::new(), &format!("key={value}"));
                        assert_eq!(value_of(&context, "key"), Some(&*value), "{round}");
                        assert_eq!(context.baggage().len(), 1);
                        let none = extract(&Context::new(), &format!("{value} is no member"));
                        assert!(is_empty(&none));
                    }
                }
            }
        }
        SEEN.with_borrow(|slots| {
            let known = slots.iter().filter_map(|slot| slot.known.as_ref());
            assert!(known.clone().count() > SLOTS / 2);
            for (text, _) in known {
                assert!(text.len() <= LONGEST);
            }
        });
    }

    #[test]
    fn what_a_context_has_stays_its_own() {
        #[derive(Debug, PartialEq)]
        struct Tenant(u8);
        let header = "userId=alice";
        let span = SpanContext::new(
            TraceId::from(1),
            SpanId::from(2),
            TraceFlags::SAMPLED,
            true,
            Default::default(),
        );
        for _ in 0..4 {
            let with_value = Context::new().with_value(Tenant(7));
            let context = extract(&with_value, header);
            assert_eq!(context.get(), Some(&Tenant(7)));
            assert_eq!(value_of(&context, "userId"), Some("alice"));

            let context = extract(
                &Context::new().with_remote_span_context(span.clone()),
                header,
            );
            assert_eq!(context.span().span_context(), &span);
            let context = extract(&Context::new().with_telemetry_suppressed(), header);
            assert!(context.is_telemetry_suppressed());

            let context = extract(&Context::new(), header);
            assert_eq!(context.get::<Tenant>(), None);
            assert!(!context.has_active_span() && !context.is_telemetry_suppressed());
        }
    }

    /// If it fails with another version of the API, `is_empty` has to be written anew.
    #[test]
    fn only_a_context_without_anything_is_empty() {
        assert!(is_empty(&Context::new()));
        let span = SpanContext::NONE;
        assert!(!is_empty(&Context::new().with_remote_span_context(span)));
        assert!(!is_empty(&Context::new().with_value(1)));
        assert!(!is_empty(&Context::new().with_cleared_baggage()));
        assert!(!is_empty(&Context::new().with_telemetry_suppressed()));
    }
}
