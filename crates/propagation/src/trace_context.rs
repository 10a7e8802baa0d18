//! The headers `traceparent` and `tracestate`, by [W3C Trace Context, Level 2](https://www.w3.org/TR/trace-context-2/).
//!
//! A header that is nearly right breaks traces between vendors in silence, hence every rule to the letter:
//!
//! | section | rule | test |
//! | --- | --- | --- |
//! | 3.2.1, 3.3.1 | names in any case are read, lower case is sent | `header_names_are_read_in_any_case_and_sent_in_lower_case` |
//! | 3.2.2, RFC 9110 5.3 | one `traceparent`; several lines are none | `several_traceparent_lines_restart_the_trace` |
//! | 3.2.2 to 3.2.2.4 | lengths, lower-case hex, no id of zeros, `ff` forbidden | `traceparent_is_read_by_its_grammar_alone` |
//! | 3.2.2.5.1 | the sampled flag is the span's own | `unsampled_stays_unsampled_and_is_still_sent` |
//! | 3.2.2.5.2 | random-trace-id: kept as received, set on traces that start here | `random_flag_is_kept_as_received_and_set_on_traces_that_start_here` |
//! | 3.2.2.5.3 | other flags are sent as zero | `unknown_flags_are_ignored_and_sent_as_zero` |
//! | 3.2.4 | higher versions: the known fields, then the end or a dash; sent as `00` | `higher_versions_are_read_leniently_and_sent_as_version_00` |
//! | 3.3, 4.1.1, 4.1.2 | no valid `traceparent`: `tracestate` is not looked at | `tracestate_is_not_looked_at_without_a_valid_traceparent` |
//! | 3.3 | an unreadable `tracestate` leaves `traceparent` alone | `unreadable_tracestate_is_dropped_whole_and_leaves_the_parent_alone` |
//! | 3.3.2 | lines join in order, empty members and white space go, nothing empty is sent | `tracestate_lines_join_in_order_without_blanks` |
//! | 3.3.2 | 32 members at most | `tracestate_of_more_than_32_members_is_dropped_whole` |
//! | 3.3.2.2 | grammar of keys (`@` anywhere but first) and values | `tracestate_is_read_by_its_grammar_alone` |
//! | 3.3.3, 3.5 | one entry a key: the left-most is the latest | `left_most_of_duplicate_keys_is_kept` |
//! | 3.3.3.1 | too long: whole entries, those over 128 first, then from the end | `too_long_tracestate_loses_long_entries_first_then_the_last_ones` |
//! | 3.5 | what a sampler changes moves to the left, the rest keeps its order | `what_a_sampler_changes_moves_to_the_left` |

use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// 3.2.2.5: bits of `trace-flags`.
const SAMPLED: u8 = 0x01;
const RANDOM: u8 = 0x02;

/// 3.3.2: members of a list.
const MAX_MEMBERS: usize = 32;
/// 3.3.3.1: characters of the header that is sent. The text asks for 512 at least, and a full list
/// has 16,447. Common servers refuse requests with more than 8 KiB of headers in all: half of that.
const MAX_LENGTH: usize = 4096;
/// 3.3.3.1: an entry with more characters goes first.
const LONG_ENTRY: usize = 128;

/// Reads and writes `traceparent` and `tracestate`, by
/// [W3C Trace Context, Level 2](https://www.w3.org/TR/trace-context-2/).
///
/// Extraction gives the context a remote parent. If the headers hold no valid one, it returns the
/// context as it was, so that the next span starts a trace. Injection writes the context's span,
/// sampled or not, and nothing if there is none; `tracestate` with 32 members and 4,096 characters
/// at most.
///
/// Every trace that nothing came in for is sent as one with a random id. True of the SDK's own id
/// generator, and as long as nothing but this propagator sets remote parents.
#[derive(Debug)]
pub struct TraceContextPropagator {
    fields: [String; 2],
}

impl Default for TraceContextPropagator {
    fn default() -> Self {
        Self {
            fields: [TRACEPARENT.to_owned(), TRACESTATE.to_owned()],
        }
    }
}

impl TextMapPropagator for TraceContextPropagator {
    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        // Only `get_all` shows a second line. Its `Vec` is all that is allocated for `traceparent`.
        let parent = extractor
            .get_all(TRACEPARENT)
            .and_then(|lines| match lines[..] {
                [line] => Traceparent::parse(line),
                _ => None,
            });
        // 4.1.1, 4.1.2: the next span starts a trace, and `tracestate` is not even read.
        let Some(parent) = parent else {
            return cx.clone();
        };
        let members = extractor
            .get_all(TRACESTATE)
            .and_then(|lines| parse_tracestate(&lines))
            .unwrap_or_default();
        let (trace_state, whole) = hold(&members);
        let incoming = Incoming {
            trace_id: parent.trace_id,
            random: parent.flags & RANDOM != 0,
            tracestate: whole,
        };
        let flags = TraceFlags::new(parent.flags);
        let span = SpanContext::new(parent.trace_id, parent.parent_id, flags, true, trace_state);
        // Nothing is lost of a random trace id and a usual list; the common case allocates no value.
        if incoming.random && incoming.tracestate.is_none() && cx.get::<Incoming>().is_none() {
            cx.with_remote_span_context(span)
        } else {
            cx.with_value(incoming).with_remote_span_context(span)
        }
    }

    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        let span = cx.span();
        let context = span.span_context();
        if !context.is_valid() {
            return;
        }
        let incoming = cx
            .get::<Incoming>()
            .filter(|incoming| incoming.trace_id == context.trace_id());
        // 3.2.2.5.2: a trace that came in keeps its flag. One that nothing came in for starts here,
        // with an id of the SDK's generator, all 16 bytes of which are random.
        let random = incoming.is_none_or(|incoming| incoming.random);
        let traceparent = Traceparent {
            trace_id: context.trace_id(),
            parent_id: context.span_id(),
            flags: (SAMPLED * u8::from(context.is_sampled())) | (RANDOM * u8::from(random)),
        };
        injector.set(TRACEPARENT, traceparent.format());
        let mut members = outgoing_members(context.trace_state(), incoming);
        truncate(&mut members);
        if !members.is_empty() {
            injector.set(TRACESTATE, join(&members));
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&self.fields)
    }
}

/// What a `SpanContext` loses of the headers that came in, kept beside the span in the `Context`.
///
/// Child contexts have it too, since `Context::with_span` keeps all values. It names its trace: the
/// span of another one (a job with a root of its own) in a context made from this one does not
/// inherit it. A context without it has lost nothing.
struct Incoming {
    trace_id: TraceId,
    /// The SDK drops the flag from unsampled spans and sets it on no root: a span whose `TraceFlags`
    /// lack it may be of either kind.
    random: bool,
    /// All of the list, if `TraceState` cannot hold it: its keys still follow Level 1.
    tracestate: Option<String>,
}

/// The fields of `version-format` 00 (3.2.2.2), each at its fixed place in 55 characters.
struct Traceparent {
    trace_id: TraceId,
    parent_id: SpanId,
    flags: u8,
}

impl Traceparent {
    /// None: restart the trace (4.1.2).
    fn parse(line: &str) -> Option<Self> {
        let (fields, rest) = trim(line).as_bytes().split_first_chunk::<55>()?;
        if [fields[2], fields[35], fields[52]] != *b"---" {
            return None;
        }
        match (hex(&fields[..2])?, rest) {
            (0x00, []) => {}                     // 3.2.2.2: nothing follows the flags
            (0x01..=0xfe, [] | [b'-', ..]) => {} // 3.2.4: more fields may
            _ => return None,                    // 3.2.2.1: `ff` is forbidden
        }
        let (high, low) = (hex(&fields[3..19])?, hex(&fields[19..35])?);
        let trace_id = TraceId::from(u128::from(high) << 64 | u128::from(low));
        let parent_id = SpanId::from(hex(&fields[36..52])?);
        let flags = hex(&fields[53..])? as u8 & (SAMPLED | RANDOM); // 3.2.2.5.3
        let valid = trace_id != TraceId::INVALID && parent_id != SpanId::INVALID; // 3.2.2.3, 3.2.2.4
        valid.then_some(Self {
            trace_id,
            parent_id,
            flags,
        })
    }

    /// 3.2.4: always version 00, the highest that is known here.
    fn format(&self) -> String {
        let mut header = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&mut header[3..35], &self.trace_id.to_bytes());
        write_hex(&mut header[36..52], &self.parent_id.to_bytes());
        write_hex(&mut header[53..], &[self.flags]);
        String::from_utf8(header.to_vec()).unwrap_or_default()
    }
}

/// `HEXDIGLC` (3.2.2). `from_str_radix` would also take upper case and a sign.
fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(value))
    })
}

fn write_hex(digits: &mut [u8], bytes: &[u8]) {
    const HEXDIGLC: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair[0] = HEXDIGLC[usize::from(byte >> 4)];
        pair[1] = HEXDIGLC[usize::from(byte & 0x0f)];
    }
}

/// `OWS` (RFC 9110 5.6.3) around a field or a list member is no part of it.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// `key "=" value` (3.3.2.2).
type Member<'a> = (&'a str, &'a str);

/// `list` (3.3.2.1) of all lines in their order. None: not readable, and dropped whole (4.1.2), for
/// a list with holes would be nobody's.
fn parse_tracestate<'a>(lines: &[&'a str]) -> Option<Vec<Member<'a>>> {
    let mut members: Vec<Member<'a>> = Vec::new();
    let texts = lines
        .iter()
        .flat_map(|line| line.split(','))
        .map(trim)
        .filter(|text| !text.is_empty());
    for (position, text) in texts.enumerate() {
        let (key, value) = text.split_once('=')?;
        if position == MAX_MEMBERS || !is_key(key) || !is_value(value) {
            return None;
        }
        if members.iter().all(|(other, _)| *other != key) {
            members.push((key, value)); // 3.3.3: one entry a key, the left-most is its latest
        }
    }
    Some(members)
}

/// `( lcalpha / DIGIT ) 0*255( keychar )` (3.3.2.2.1).
fn is_key(key: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_keychar = |byte: u8| is_first(byte) || b"_-*/@".contains(&byte);
    key.len() <= 256 && key.bytes().next().is_some_and(is_first) && key.bytes().all(is_keychar)
}

/// `0*255( chr ) nblk-chr` (3.3.2.2.2); no blank is last, as the member is trimmed.
fn is_value(value: &str) -> bool {
    let is_chr = |byte| matches!(byte, 0x20..=0x2b | 0x2d..=0x3c | 0x3e..=0x7e);
    (1..=256).contains(&value.len()) && value.bytes().all(is_chr)
}

/// The list as far as `TraceState` can hold it, and all of it if it cannot.
fn hold(members: &[Member]) -> (TraceState, Option<String>) {
    if let Ok(all) = TraceState::from_key_value(members.iter().copied()) {
        return (all, None);
    }
    let held = members.iter().copied().filter(|&member| is_held(member));
    let held = TraceState::from_key_value(held).unwrap_or_default();
    (held, Some(join(members)))
}

fn is_held(member: Member) -> bool {
    TraceState::from_key_value([member]).is_ok()
}

/// 3.5: what a sampler added or changed goes to the left, what it deleted is gone, and the rest
/// stays in its order.
fn outgoing_members<'a>(held: &'a TraceState, incoming: Option<&'a Incoming>) -> Vec<Member<'a>> {
    let held: Vec<Member<'a>> = held.into_iter().collect();
    let Some(whole) = incoming.and_then(|incoming| incoming.tracestate.as_deref()) else {
        return held;
    };
    let received = whole.split(',').filter_map(|member| member.split_once('='));
    let received: Vec<Member<'a>> = received.collect();
    let is_kept = |member: &&Member<'a>| held.contains(*member) || !is_held(**member);
    let changed = held.iter().filter(|member| !received.contains(member));
    changed
        .chain(received.iter().filter(is_kept))
        .copied()
        .collect()
}

/// 3.3.2, 3.3.3.1: whole entries go, the long ones first, from the end.
fn truncate(members: &mut Vec<Member>) {
    members.truncate(MAX_MEMBERS);
    while length(members) > MAX_LENGTH {
        let is_long = |member: &Member| length(&[*member]) > LONG_ENTRY;
        let last_long = members.iter().rposition(is_long);
        members.remove(last_long.unwrap_or(members.len() - 1));
    }
}

/// Characters of the members and the commas between them.
fn length(members: &[Member]) -> usize {
    let entries = members
        .iter()
        .map(|(key, value)| key.len() + 1 + value.len());
    entries.sum::<usize>() + members.len().saturating_sub(1)
}

fn join(members: &[Member]) -> String {
    let mut list = String::new();
    for (key, value) in members {
        if !list.is_empty() {
            list.push(',');
        }
        list.extend([key, "=", value]);
    }
    list
}

#[cfg(test)]
pub(crate) mod tests;
