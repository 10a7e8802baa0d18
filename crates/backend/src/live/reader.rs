//! One reader of the events: `GET /api/live`.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    http::HeaderMap,
    response::{
        Sse,
        sse::{self, KeepAlive},
    },
};
use tokio_stream::{Stream, wrappers::WatchStream};

use super::{
    Live, State,
    events::{Events, Found},
};

/// A comment is sent after so long a silence, so that both sides know of a connection that is lost.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Readers at once. Others of the port's connections must be left for questions.
const READERS: u64 = 32;

/// How long a reader is asked to wait before it comes again.
const RETRY: Duration = Duration::from_secs(1);

/// `GET /api/live`, as the HTML Standard has server-sent events (section 9.2). After `Last-Event-ID` come the events
/// that followed, or `reset` if they are not known; without it, those from now on.
pub(super) async fn live(
    State(live): State<Live>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<sse::Event, Infallible>>> {
    let last = headers.get("last-event-id").map(|id| id.to_str());
    let reader = match last {
        None => Reader::new(live, None, false),
        Some(id) => {
            let next = id.ok().and_then(|id| live.events.after(id));
            Reader::new(live, next, next.is_none())
        }
    };
    Sse::new(reader).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

/// The events from one number on. Ends when the backend stops, when [`READERS`] newer readers have come, or when the
/// reader was too slow for what is kept. Browsers then connect again, and go on from the last event they saw or are told
/// to look anew.
struct Reader {
    events: Arc<Events>,
    next: u64,
    number: u64,
    newer: WatchStream<u64>,
    greeting: Option<sse::Event>,
    changes: WatchStream<()>,
    stop: WatchStream<()>,
}

impl Reader {
    fn new(live: Live, next: Option<u64>, reset: bool) -> Self {
        let Live { events, stop, .. } = live;
        let next = next.unwrap_or_else(|| events.next());
        // Without data it is no event to a browser, which remembers the id all the same.
        let greeting = sse::Event::default().retry(RETRY).id(events.id(next - 1));
        let greeting = if reset {
            greeting.event("reset").data("{}")
        } else {
            greeting
        };
        let (number, newer) = events.add_reader();
        Self {
            number,
            newer: WatchStream::from_changes(newer),
            changes: WatchStream::from_changes(events.changes()),
            stop: WatchStream::from_changes(stop),
            events,
            next,
            greeting: Some(greeting),
        }
    }
}

impl Stream for Reader {
    type Item = Result<sse::Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(None) = Pin::new(&mut self.stop).poll_next(context) {
            return Poll::Ready(None);
        }
        while let Poll::Ready(newest) = Pin::new(&mut self.newer).poll_next(context) {
            if newest.is_none_or(|newest| newest >= self.number + READERS) {
                return Poll::Ready(None);
            }
        }
        if let Some(greeting) = self.greeting.take() {
            return Poll::Ready(Some(Ok(greeting)));
        }
        loop {
            match self.events.find(self.next) {
                Found::Event(event) => {
                    let id = self.events.id(self.next);
                    self.next += 1;
                    let sent = sse::Event::default().id(id).event(event.name);
                    return Poll::Ready(Some(Ok(sent.data(&event.data))));
                }
                Found::Gone => return Poll::Ready(None),
                Found::NotYet => {
                    if ready!(Pin::new(&mut self.changes).poll_next(context)).is_none() {
                        return Poll::Ready(None);
                    }
                }
            }
        }
    }
}
