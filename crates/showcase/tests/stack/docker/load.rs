//! Callers that do not stop calling.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::PATIENCE;
use crate::parts::caller::{trace_id, traceparent};
use crate::parts::{client, within};

/// Eight callers of one URL, some hundred calls a second in all: load, not a flood. Each call has a trace of its own.
///
/// An answer that is no success fails the test, unless [`Load::may_fail`] was called.
pub(crate) struct Load {
    state: Arc<State>,
    callers: Vec<JoinHandle<Vec<String>>>,
}

struct State {
    url: String,
    answered: AtomicUsize,
    may_fail: AtomicBool,
    over: AtomicBool,
}

impl Load {
    pub(crate) fn on(url: String) -> Self {
        let state = Arc::new(State {
            url,
            answered: AtomicUsize::new(0),
            may_fail: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let callers = (0..8).map(|_| tokio::spawn(call(state.clone()))).collect();
        Self { state, callers }
    }

    /// Waits until this many more calls have been answered.
    pub(crate) async fn answered(&self, calls: usize) {
        let answered = || self.state.answered.load(Ordering::Relaxed);
        let enough = answered() + calls;
        let reached = within(PATIENCE, async || (answered() >= enough).then_some(()));
        assert!(
            reached.await.is_some(),
            "{} answered {} of {enough} calls",
            self.state.url,
            answered()
        );
    }

    /// From now on a caller without an answer ends, as the service is told to stop.
    pub(crate) fn may_fail(&self) {
        self.state.may_fail.store(true, Ordering::Relaxed);
    }

    /// Ends the callers. Returns the ids of the traces of all calls that were answered.
    pub(crate) async fn end(self) -> Vec<String> {
        self.state.over.store(true, Ordering::Relaxed);
        let mut answered = Vec::new();
        for caller in self.callers {
            answered.extend(caller.await.unwrap());
        }
        answered
    }
}

async fn call(state: Arc<State>) -> Vec<String> {
    let http = client();
    let mut answered = Vec::new();
    while !state.over.load(Ordering::Relaxed) {
        let id = trace_id();
        let call = http.get(&state.url).header("traceparent", traceparent(&id));
        match call.send().await {
            Ok(answer) if answer.status().is_success() => answered.push(id),
            unanswered => {
                assert!(state.may_fail.load(Ordering::Relaxed), "{unanswered:?}");
                break;
            }
        }
        state.answered.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    answered
}
