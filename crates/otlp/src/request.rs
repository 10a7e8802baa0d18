//! A request: items behind the headers of their resource and scopes, within bounds of items and bytes.
//!
//! Requests for traces and logs have the same shape and the same field numbers: the resource has scopes, and a scope has
//! items. So the headers are written around items that are bytes already, and a request is cut in two without decoding an
//! item.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use prost::bytes::Bytes;
use prost::encoding::{decode_varint, encode_varint, encoded_len_varint};

use crate::budget::Budget;
use crate::encoder::{EncodedResource, EncodedScope};

/// The tag of `resource_spans` and `resource_logs`.
const RESOURCE: u8 = 1 << 3 | 2;

/// The tag of `scope_spans` and `scope_logs`, and of the items in them.
const REPEATED: u8 = 2 << 3 | 2;

/// Items of one scope.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) scope: EncodedScope,
    pub(crate) bytes: Bytes,
    pub(crate) items: usize,
    /// What of the budget it has.
    pub(crate) held: usize,
}

/// How much goes into one request, at most. One item that is longer is sent alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) items: usize,
    /// With the headers.
    pub(crate) bytes: usize,
}

/// An `ExportTraceServiceRequest` or `ExportLogsServiceRequest`.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) message: Bytes,
    pub(crate) items: usize,
    /// Where the items of each scope are in the message.
    scopes: Vec<(EncodedScope, Range<usize>, usize)>,
}

impl Request {
    /// Takes the first pieces from `waiting`, as many as the bounds allow. None: there are none. Of the budget remains taken
    /// what [`Request::held`] says.
    pub(crate) fn take(
        waiting: &mut VecDeque<Piece>,
        bounds: Bounds,
        resource: &EncodedResource,
        budget: &Budget,
    ) -> Option<Self> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut left = Bounds {
            items: bounds.items,
            bytes: bounds.bytes.saturating_sub(resource.0.len() + HEADERS),
        };
        while let Some(mut piece) = waiting.pop_front() {
            let headers = piece.scope.0.len() + HEADERS;
            let bounds = Bounds {
                items: left.items,
                bytes: left.bytes.saturating_sub(headers),
            };
            if let Some(first) = piece.split(bounds, pieces.is_empty()) {
                left.items -= first.items;
                left.bytes = left.bytes.saturating_sub(headers + first.bytes.len());
                // What is allocated beyond the bytes goes when they are joined.
                budget.free(first.held - first.bytes.len());
                pieces.push(first);
            }
            if piece.items > 0 {
                waiting.push_front(piece);
                break;
            }
        }
        (!pieces.is_empty()).then(|| Self::join(pieces, resource))
    }

    /// What of the budget it has: the bytes of its items.
    pub(crate) fn held(&self) -> usize {
        self.scopes.iter().map(|(_, range, _)| range.len()).sum()
    }

    /// Two requests, each with half of the items.
    pub(crate) fn halves(&self, resource: &EncodedResource) -> [Self; 2] {
        let mut left = self.items / 2;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for (scope, range, items) in &self.scopes {
            let mut piece = Piece {
                scope: scope.clone(),
                bytes: self.message.slice(range.clone()),
                items: *items,
                held: range.len(),
            };
            let bounds = Bounds {
                items: left,
                bytes: usize::MAX,
            };
            if let Some(part) = piece.split(bounds, false) {
                left -= part.items;
                first.push(part);
            }
            if piece.items > 0 {
                second.push(piece);
            }
        }
        [first, second].map(|pieces| Self::join(pieces, resource))
    }

    fn join(pieces: Vec<Piece>, resource: &EncodedResource) -> Self {
        let mut scopes: Vec<(EncodedScope, Vec<Piece>)> = Vec::new();
        // A service that makes a scope for each request would make a search long.
        let mut places = HashMap::new();
        for piece in pieces {
            let place = *places.entry(piece.scope.clone()).or_insert(scopes.len());
            if place == scopes.len() {
                scopes.push((piece.scope.clone(), Vec::new()));
            }
            scopes[place].1.push(piece);
        }
        let length_of = |scope: &EncodedScope, pieces: &[Piece]| {
            let items: usize = pieces.iter().map(|piece| piece.bytes.len()).sum();
            scope.0.len() + items
        };
        let fields = scopes.iter().map(|(scope, pieces)| {
            let length = length_of(scope, pieces);
            1 + encoded_len_varint(length as u64) + length
        });
        let length = resource.0.len() + fields.sum::<usize>();
        let mut message = Vec::with_capacity(1 + encoded_len_varint(length as u64) + length);
        message.push(RESOURCE);
        encode_varint(length as u64, &mut message);
        message.extend_from_slice(&resource.0);
        let mut joined = Vec::with_capacity(scopes.len());
        let mut all = 0;
        for (scope, pieces) in scopes {
            message.push(REPEATED);
            encode_varint(length_of(&scope, &pieces) as u64, &mut message);
            message.extend_from_slice(&scope.0);
            let start = message.len();
            let mut items = 0;
            for piece in pieces {
                message.extend_from_slice(&piece.bytes);
                items += piece.items;
            }
            all += items;
            joined.push((scope, start..message.len(), items));
        }
        Self {
            message: message.into(),
            items: all,
            scopes: joined,
        }
    }
}

/// The tags and lengths around the resource, or a scope: at most so many bytes.
const HEADERS: usize = 11;

impl Piece {
    /// Takes the first items, as many as the bounds allow, or even one that is too long if `at_least_one`. None: no item.
    fn split(&mut self, bounds: Bounds, at_least_one: bool) -> Option<Self> {
        let (mut end, mut items) = (0, 0);
        if self.items <= bounds.items && self.bytes.len() <= bounds.bytes {
            (end, items) = (self.bytes.len(), self.items);
        }
        while items < self.items.min(bounds.items) {
            let next = end + length_of_item(&self.bytes[end..]);
            if next > bounds.bytes && !(at_least_one && items == 0) {
                break;
            }
            (end, items) = (next, items + 1);
        }
        if items == 0 {
            return None;
        }
        let bytes = self.bytes.split_to(end);
        // The last part has what is allocated beyond the bytes.
        let held = match items == self.items {
            true => self.held,
            false => bytes.len(),
        };
        self.held -= held;
        self.items -= items;
        Some(Self {
            scope: self.scope.clone(),
            bytes,
            items,
            held,
        })
    }
}

/// The length of the first item, with its tag and length.
fn length_of_item(items: &[u8]) -> usize {
    let mut rest = &items[1..];
    let content = decode_varint(&mut rest).unwrap_or_default();
    items.len() - rest.len() + content as usize
}
