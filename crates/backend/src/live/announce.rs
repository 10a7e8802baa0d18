//! From the store's changes to events.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{
    sync::broadcast::error::RecvError,
    time::{self, sleep_until},
};

use super::{Events, summary::Summary};
use crate::{
    model::id::TraceId,
    store::{Change, Store},
};

/// What happens to a trace within so long is one change.
const PAUSE: Duration = Duration::from_millis(200);

/// A pause is so many times as long as the work before it, if that is more: a trace of a million spans that grows does
/// not take a core.
const SHARE: u32 = 4;

/// Traces that are told of after one pause. With more at once nobody can follow: readers are told to look anew.
const TRACES: usize = 256;

/// Time between two such requests.
const RESET: Duration = Duration::from_secs(2);

/// Tells of traces that are new or have changed, for ever.
pub(crate) async fn announce(store: Arc<Store>, events: Arc<Events>) {
    let mut changes = store.subscribe();
    let mut changed = Changed::default();
    let mut due = time::Instant::now();
    loop {
        tokio::select! {
            change = changes.recv() => match change {
                Ok(Change::Trace { id, .. }) => changed.add(id),
                Ok(Change::Logs | Change::Metrics) => {}
                Err(RecvError::Lagged(_)) => changed.missed = true,
                Err(RecvError::Closed) => return,
            },
            () = sleep_until(due), if !changed.is_empty() => {
                let start = Instant::now();
                changed.tell(&store, &events);
                due = time::Instant::now() + PAUSE.max(SHARE * start.elapsed());
            }
        }
    }
}

/// Traces that have changed and were not told of.
#[derive(Default)]
struct Changed {
    known: HashSet<TraceId>,
    order: Vec<TraceId>,
    missed: bool,
    reset: Option<Instant>,
}

impl Changed {
    fn add(&mut self, id: TraceId) {
        if self.order.len() == TRACES {
            self.missed |= !self.known.contains(&id);
        } else if self.known.insert(id) {
            self.order.push(id);
        }
    }

    fn is_empty(&self) -> bool {
        self.order.is_empty() && !self.missed
    }

    fn tell(&mut self, store: &Store, events: &Events) {
        self.known.clear();
        for id in self.order.drain(..) {
            if let Some(outline) = store.find(id).and_then(|found| store.outline(found)) {
                events.push("trace", &Summary::of(outline));
            }
        }
        if self.missed && self.reset.is_none_or(|last| last.elapsed() >= RESET) {
            events.push("reset", &json!({}));
            (self.missed, self.reset) = (false, Some(Instant::now()));
        }
    }
}
