//! The headers `traceparent` and `tracestate`, by [W3C Trace Context, Level 2](https://www.w3.org/TR/trace-context-2/).
//!
//! `traceparent` names the trace and the span that made the request; `tracestate` is a list of vendors' own data. If a
//! header is slightly wrong, the next vendor's tracer ignores it and starts a new trace without an error. So every rule of
//! the text is followed to the letter:
//!
//! | section | rule | test |
//! | --- | --- | --- |
//! | 3.2.1, 3.3.1 | names are read in any case and sent in lower case | `header_names_are_read_in_any_case_and_sent_in_lower_case` |
//! | 3.2.2, RFC 9110 5.3 | one `traceparent`; several lines count as none | `several_traceparent_lines_restart_the_trace` |
//! | 3.2.2 to 3.2.2.4 | lengths, lower-case hex, no id of zeros, no version `ff` | `traceparent_is_read_by_its_grammar_alone` |
//! | 3.2.2.5.1 | the sampled flag is the span's own | `unsampled_stays_unsampled_and_is_still_sent` |
//! | 3.2.2.5.2 | the random flag is kept as received, and set on traces that start here | `random_flag_is_kept_as_received_and_set_on_traces_that_start_here` |
//! | 3.2.2.5.3 | other flags are sent as zero | `unknown_flags_are_ignored_and_sent_as_zero` |
//! | 3.2.4 | higher versions: the known fields count, then comes the end or a dash; version `00` is sent | `higher_versions_are_read_leniently_and_sent_as_version_00` |
//! | 3.3, 4.1.1, 4.1.2 | without a valid `traceparent`, `tracestate` is not read | `tracestate_is_not_looked_at_without_a_valid_traceparent` |
//! | 3.3 | a malformed `tracestate` does not affect `traceparent` | `unreadable_tracestate_is_dropped_whole_and_leaves_the_parent_alone` |
//! | 3.3.2 | lines are joined in order, empty members and white space removed, no empty header sent | `tracestate_lines_join_in_order_without_blanks` |
//! | 3.3.2 | at most 32 members | `tracestate_of_more_than_32_members_is_dropped_whole` |
//! | 3.3.2.2 | grammar of keys (`@` anywhere but first) and values | `tracestate_is_read_by_its_grammar_alone` |
//! | 3.3.3, 3.5 | one entry for each key: the left-most is the latest | `left_most_of_duplicate_keys_is_kept` |
//! | 3.3.3.1 | a header that is too long loses whole entries: first those over 128 characters, then the last ones | `too_long_tracestate_loses_long_entries_first_then_the_last_ones` |
//! | 3.5 | an entry that a sampler changes moves to the left, the others keep their order | `what_a_sampler_changes_moves_to_the_left` |

use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// 3.2.2.5: the bits of `trace-flags`.
const SAMPLED: u8 = 0x01;
const RANDOM: u8 = 0x02;

/// 3.3.2: most members of a list.
const MAX_MEMBERS: usize = 32;
/// 3.3.3.1: longest header in characters that is sent. The text demands at least 512, and a full list has 16,447. This is
/// half of the 8 KiB of headers above which common servers refuse a request.
const MAX_LENGTH: usize = 4096;
/// 3.3.3.1: entries with more characters are removed first.
const LONG_ENTRY: usize = 128;

/// Reads and writes `traceparent` and `tracestate`, by
/// [W3C Trace Context, Level 2](https://www.w3.org/TR/trace-context-2/).
///
/// Extraction gives the context a remote parent. If the headers have no valid one, it returns the context unchanged, so the
/// next span starts a trace.
///
/// Injection writes the context's span, sampled or not, and no header if there is none. `tracestate` has at most 32 members
/// and 4,096 characters.
///
/// A trace that was not received is sent with the random flag. That is right if the ids are the SDK's own, and if only this
/// propagator sets remote parents.
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
        // `get` would hide a second line. This `Vec` is the only allocation for `traceparent`.
        let parent = extractor
            .get_all(TRACEPARENT)
            .and_then(|lines| match lines[..] {
                [line] => Traceparent::parse(line),
                _ => None,
            });
        // 4.1.1, 4.1.2: the next span starts a trace, and `tracestate` is not read.
        let Some(parent) = parent else {
            return cx.clone();
        };
        let lines = extractor.get_all(TRACESTATE);
        let members = lines.and_then(|lines| parse_tracestate(&lines));
        let (trace_state, whole) = members.map_or_else(Default::default, |members| hold(&members));
        let incoming = Incoming {
            trace_id: parent.trace_id,
            random: parent.flags & RANDOM != 0,
            tracestate: whole,
        };
        let flags = TraceFlags::new(parent.flags);
        let span = SpanContext::new(parent.trace_id, parent.parent_id, flags, true, trace_state);
        // The span context holds all of a trace with a random id and a usual list, so this common case needs no value.
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
        // 3.2.2.5.2: a received trace keeps its flag. Any other trace started here, with an id of the SDK's generator, of
        // which all 16 bytes are random.
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

/// The part of the received headers that a `SpanContext` cannot hold. It is a value of the `Context`, beside the span.
///
/// Child contexts have it too, because `Context::with_span` keeps all values. It has the id of its trace, so that a span of
/// another trace in a child context, such as a job's own root, does not inherit it. A context without this value has lost
/// nothing.
struct Incoming {
    trace_id: TraceId,
    /// Whether the random flag was received. `TraceFlags` cannot tell: the SDK drops the flag from unsampled spans and never
    /// sets it on a root.
    random: bool,
    /// The whole list, if `TraceState` cannot hold it, because the API still has the grammar of Level 1 for keys.
    tracestate: Option<String>,
}

/// The fields of `version-format` 00 (3.2.2.2), each at a fixed offset in 55 characters.
struct Traceparent {
    trace_id: TraceId,
    parent_id: SpanId,
    flags: u8,
}

impl Traceparent {
    /// Returns `None` for a malformed header, which restarts the trace (4.1.2).
    fn parse(line: &str) -> Option<Self> {
        let (fields, rest) = trim(line).as_bytes().split_first_chunk::<55>()?;
        if [fields[2], fields[35], fields[52]] != *b"---" {
            return None;
        }
        match (hex(&fields[..2])?, rest) {
            ([0x00], []) => {}                     // 3.2.2.2: nothing follows the flags
            ([0x01..=0xfe], [] | [b'-', ..]) => {} // 3.2.4: more fields may follow
            _ => return None,                      // 3.2.2.1: `ff` is forbidden
        }
        let trace_id = TraceId::from_bytes(hex(&fields[3..35])?);
        let parent_id = SpanId::from_bytes(hex(&fields[36..52])?);
        let [flags] = hex(&fields[53..])?;
        let flags = flags & (SAMPLED | RANDOM); // 3.2.2.5.3
        let valid = trace_id != TraceId::INVALID && parent_id != SpanId::INVALID; // 3.2.2.3, 3.2.2.4
        valid.then_some(Self {
            trace_id,
            parent_id,
            flags,
        })
    }

    /// Writes version 00, the highest one that this code knows (3.2.4).
    fn format(&self) -> String {
        let mut header = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&mut header[3..35], &self.trace_id.to_bytes());
        write_hex(&mut header[36..52], &self.parent_id.to_bytes());
        write_hex(&mut header[53..], &[self.flags]);
        String::from_utf8(header.to_vec()).unwrap_or_default()
    }
}

/// The digits of 3.2.2, by their value.
const HEXDIGLC: &[u8; 16] = b"0123456789abcdef";

/// Parses `HEXDIGLC` (3.2.2), two digits a byte. `from_str_radix` would accept upper case and a sign as well.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    const NO_DIGIT: u8 = 0xf0;
    let value = |digit: u8| match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => NO_DIGIT,
    };
    // No branch for each digit: a request has 50 of them.
    let (mut bytes, mut seen) = ([0; N], 0);
    for (byte, [high, low]) in bytes.iter_mut().zip(digits.as_chunks().0) {
        let (high, low) = (value(*high), value(*low));
        seen |= high | low;
        *byte = high << 4 | low;
    }
    (seen < NO_DIGIT).then_some(bytes)
}

fn write_hex(digits: &mut [u8], bytes: &[u8]) {
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair[0] = HEXDIGLC[usize::from(byte >> 4)];
        pair[1] = HEXDIGLC[usize::from(byte & 0x0f)];
    }
}

/// Removes `OWS` (RFC 9110 5.6.3), which is not a part of the field or list member that it surrounds.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// A key and a value: `key "=" value` (3.3.2.2).
type Member<'a> = (&'a str, &'a str);

/// Parses the `list` (3.3.2.1) of all lines, in order. Returns `None` if a member is malformed: the whole list is dropped
/// (4.1.2), because a list with a gap is not what any vendor sent.
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
            members.push((key, value)); // 3.3.3: the left-most entry of a key is its latest
        }
    }
    Some(members)
}

/// Whether the text is `( lcalpha / DIGIT ) 0*255( keychar )` (3.3.2.2.1).
fn is_key(key: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_keychar = |byte: u8| is_first(byte) || b"_-*/@".contains(&byte);
    key.len() <= 256 && key.bytes().next().is_some_and(is_first) && key.bytes().all(is_keychar)
}

/// Whether the text is `0*255( chr ) nblk-chr` (3.3.2.2.2). The member is trimmed, so its last character is not a blank.
fn is_value(value: &str) -> bool {
    let is_chr = |byte| matches!(byte, 0x20..=0x2b | 0x2d..=0x3c | 0x3e..=0x7e);
    (1..=256).contains(&value.len()) && value.bytes().all(is_chr)
}

/// Returns the members that `TraceState` can hold, and the whole list if that is not all of them.
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

/// Applies what a sampler did to the received list (3.5): entries that it added or changed move to the left, entries that it
/// deleted are gone, and the others keep their order.
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

/// Removes whole entries from the end until the list fits, the long ones first (3.3.2, 3.3.3.1).
fn truncate(members: &mut Vec<Member>) {
    members.truncate(MAX_MEMBERS);
    while length(members) > MAX_LENGTH {
        let is_long = |member: &Member| length(&[*member]) > LONG_ENTRY;
        let last_long = members.iter().rposition(is_long);
        members.remove(last_long.unwrap_or(members.len() - 1));
    }
}

/// Number of characters of the members and the commas between them.
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
