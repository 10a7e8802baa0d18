//! How many messages a request holds, counted before it is decoded.
//!
//! An empty span takes two bytes of a body and three hundred of memory once it is decoded: sixteen megabytes of them
//! become gigabytes. So a request is walked first, field by field, without keeping anything; the worst that passes takes
//! some 200 MiB while it is decoded, and large ones are decoded one after the other. What is wrong with its bytes is not said here: where
//! the walk cannot go on, decoding fails.

use crate::receive::answer::Encoding;

/// Most messages that a request may hold. A batch of ten thousand rich spans has two thirds of it.
pub(crate) const MOST: usize = 500_000;

/// Deeper than messages are decoded.
const DEPTH: usize = 128;

/// A message type: the fields of it that are messages, and their types.
pub(crate) struct Shape(&'static [(u64, &'static Shape)]);

pub(crate) static TRACES: Shape = Shape(&[(1, &Shape(&[(1, &RESOURCE), (2, &SCOPE_SPANS)]))]);
static SCOPE_SPANS: Shape = Shape(&[(1, &SCOPE), (2, &SPAN)]);
static SPAN: Shape = Shape(&[(9, &KEY_VALUE), (11, &EVENT), (13, &LINK), (15, &LEAF)]);
static EVENT: Shape = Shape(&[(3, &KEY_VALUE)]);
static LINK: Shape = Shape(&[(4, &KEY_VALUE)]);

pub(crate) static LOGS: Shape = Shape(&[(1, &Shape(&[(1, &RESOURCE), (2, &SCOPE_LOGS)]))]);
static SCOPE_LOGS: Shape = Shape(&[(1, &SCOPE), (2, &LOG_RECORD)]);
static LOG_RECORD: Shape = Shape(&[(5, &ANY_VALUE), (6, &KEY_VALUE)]);

pub(crate) static METRICS: Shape = Shape(&[(1, &Shape(&[(1, &RESOURCE), (2, &SCOPE_METRICS)]))]);
static SCOPE_METRICS: Shape = Shape(&[(1, &SCOPE), (2, &METRIC)]);
static METRIC: Shape = Shape(&[
    (5, &Shape(&[(1, &NUMBER)])),
    (7, &Shape(&[(1, &NUMBER)])),
    (9, &Shape(&[(1, &HISTOGRAM)])),
    (10, &Shape(&[(1, &EXPONENTIAL_HISTOGRAM)])),
    (11, &Shape(&[(1, &SUMMARY)])),
    (12, &KEY_VALUE),
]);
static NUMBER: Shape = Shape(&[(5, &EXEMPLAR), (7, &KEY_VALUE)]);
static HISTOGRAM: Shape = Shape(&[(8, &EXEMPLAR), (9, &KEY_VALUE)]);
static EXPONENTIAL_HISTOGRAM: Shape =
    Shape(&[(1, &KEY_VALUE), (8, &LEAF), (9, &LEAF), (11, &EXEMPLAR)]);
static SUMMARY: Shape = Shape(&[(6, &LEAF), (7, &KEY_VALUE)]);
static EXEMPLAR: Shape = Shape(&[(7, &KEY_VALUE)]);

pub(crate) static ZIPKIN: Shape = Shape(&[(1, &ZIPKIN_SPAN)]);
static ZIPKIN_SPAN: Shape = Shape(&[(8, &LEAF), (9, &LEAF), (10, &LEAF), (11, &LEAF)]);

static RESOURCE: Shape = Shape(&[(1, &KEY_VALUE), (3, &LEAF)]);
static SCOPE: Shape = Shape(&[(3, &KEY_VALUE)]);
static KEY_VALUE: Shape = Shape(&[(2, &ANY_VALUE)]);
static ANY_VALUE: Shape = Shape(&[
    (5, &Shape(&[(1, &ANY_VALUE)])),
    (6, &Shape(&[(1, &KEY_VALUE)])),
]);
static LEAF: Shape = Shape(&[]);

/// How many messages a request of type `shape` holds; none if more than [`MOST`].
pub(crate) fn count(request: &[u8], encoding: Encoding, shape: &Shape) -> Option<usize> {
    let mut left = MOST;
    match encoding {
        Encoding::Protobuf => match walk(request, shape, DEPTH, &mut left) {
            Some(Exceeded) => None,
            None => Some(MOST - left),
        },
        Encoding::Json => Some(count_in_json(request)).filter(|count| *count <= MOST),
    }
}

/// The same of a request in JSON, where each message is an object, takes twice the memory on its way, and counts as
/// two. Braces within text count too, which only refuses requests that hardly anybody sends; commas bound what lists of
/// anything else become.
pub(crate) fn count_in_json(request: &[u8]) -> usize {
    let bytes = |byte: u8| request.iter().filter(|&&other| other == byte).count();
    (2 * bytes(b'{')).max(bytes(b','))
}

struct Exceeded;

fn walk(mut bytes: &[u8], shape: &Shape, depth: usize, left: &mut usize) -> Option<Exceeded> {
    while let Some(key) = varint(&mut bytes) {
        let length = match key & 7 {
            0 => varint(&mut bytes).map(|_| 0)?,
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)?).ok()?,
            5 => 4,
            _ => 0, // a group: its fields are looked at as if they stood here, and count rather than not
        };
        let (content, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        let inner = shape.0.iter().find(|(field, _)| *field == key >> 3);
        if let Some((_, inner)) = inner
            && key & 7 == 2
        {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => return Some(Exceeded),
            }
            if depth > 0
                && let Some(exceeded) = walk(content, inner, depth - 1, left)
            {
                return Some(exceeded);
            }
        }
    }
    None
}

/// Takes a varint of at most ten bytes off the front.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0..10 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
