//! Sends a request until the receiver takes it, refuses it, or its time is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use prost::bytes::Bytes;
use tokio::sync::watch;

use crate::attempt::{Attempt, Extent, Failure};
use crate::destination::{Destination, TIMEOUT};
use crate::grpc::GrpcClient;
use crate::http::HttpClient;

/// The first pause between two attempts; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between two attempts that a receiver has not asked for.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Each pause is longer by up to this, so that services that failed together do not come back together.
const JITTER: Duration = Duration::from_millis(100);

/// Between two looks at whether the shutdown has begun.
const LOOK: Duration = Duration::from_millis(50);

/// How one request is sent. Both block the thread, which is the pipeline's own.
#[derive(Debug)]
pub(crate) enum Transport {
    Http(HttpClient),
    Grpc(GrpcClient),
}

/// The way of one pipeline to its receiver.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) transport: Transport,
    pub(crate) destination: Arc<Destination>,
    /// Whether the shutdown has begun.
    pub(crate) ending: watch::Receiver<bool>,
    /// Whether the last attempt found no connection.
    pub(crate) away: AtomicBool,
}

impl Sender {
    /// Sends `message`, an encoded OTLP request. One time limit holds for all attempts.
    ///
    /// # Errors
    ///
    /// It was not taken, or not all of it; or it was, and the receiver added a message.
    pub(crate) fn send(&self, message: &Bytes, deadline: Instant) -> Result<(), Failure> {
        let mut is_unanswered = false;
        let result = self.attempts(message, deadline, &mut is_unanswered);
        self.destination.say(result.as_ref().err());
        match result {
            Ok(None) => Ok(()),
            Ok(Some(failure)) => Err(failure),
            Err(failure) => Err(after(is_unanswered, failure)),
        }
    }

    /// Returns what the receiver says of a request that it takes. `is_unanswered` becomes true with the first attempt to which
    /// there was no answer.
    fn attempts(
        &self,
        message: &Bytes,
        deadline: Instant,
        is_unanswered: &mut bool,
    ) -> Result<Option<Failure>, Failure> {
        let remaining = || deadline.saturating_duration_since(Instant::now());
        let message = match &self.transport {
            Transport::Http(client) => client
                .body(message)
                .map_err(|error| Failure::unknown(&error))?,
            Transport::Grpc(_) => message.clone(),
        };
        if remaining().is_zero() {
            // The parts before this one have taken all of the time.
            return Err(self.destination.no_answer(false));
        }
        let mut next_pause = FIRST_PAUSE;
        let mut last: Option<Failure> = None;
        loop {
            self.destination.attempt_begins();
            let attempt = match &self.transport {
                Transport::Http(client) => client.attempt(&message, remaining()),
                Transport::Grpc(client) => client.attempt(&message, remaining()),
            };
            let is_away = matches!(attempt, Attempt::Away(_));
            let was_away = self.away.swap(is_away, Ordering::Relaxed);
            let (failure, asked) = match attempt {
                Attempt::Taken(said) => return Ok(said),
                Attempt::Refused(failure) => return Err(failure),
                Attempt::Passing(failure, pause) => (failure, pause),
                Attempt::Away(failure) => (failure, None),
            };
            *is_unanswered |= failure.extent == Extent::Unanswered;
            let failure = after(*is_unanswered, failure);
            if is_away && *self.ending.borrow() {
                return Err(failure);
            }
            // The last attempt may be cut short by the limit: why those before it failed says more.
            let failure = match last.take() {
                Some(earlier) if failure.kind == TIMEOUT => earlier,
                _ => failure,
            };
            // What the receiver asks for holds for this pause alone.
            let pause = next_pause.max(asked.unwrap_or_default())
                + rand::random_range(Duration::ZERO..=JITTER);
            // An attempt takes time too: one that begins just before the limit would be cut short by it.
            if pause + FIRST_PAUSE >= remaining() {
                return Err(failure);
            }
            if is_away && !was_away {
                // A loss is logged only after the time limit; the reason is of use before.
                let limit = self.destination.timeout;
                tracing::warn!("{}; trying again for {limit:?}", failure.words);
            }
            self.destination.say(Some(&failure));
            self.wait(pause, is_away);
            next_pause = (2 * next_pause).min(LONGEST_PAUSE);
            last = Some(failure);
        }
    }

    /// During shutdown a receiver that cannot be reached is not waited for.
    fn wait(&self, pause: Duration, is_away: bool) {
        let end = Instant::now() + pause;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || is_away && *self.ending.borrow() {
                return;
            }
            thread::sleep(left.min(LOOK));
        }
    }
}

/// `failure` as that of all attempts: what came of the last one says nothing of one to which there was no answer.
fn after(is_unanswered: bool, failure: Failure) -> Failure {
    match failure.extent {
        Extent::All if is_unanswered => Failure {
            extent: Extent::Unanswered,
            ..failure
        },
        _ => failure,
    }
}
