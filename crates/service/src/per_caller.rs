//! What is made once a caller.

use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use opentelemetry::KeyValue;

use crate::Caller;

/// Callers that have something of their own. A series of a histogram takes 10 KiB of the exposition, and what a caller
/// sends labels it: with the 2,000 that an instrument may have, strangers would fill 20 MiB.
const CALLERS: usize = 100;

/// What the SDK calls the series of all attribute sets beyond an instrument's limit:
/// [metrics SDK, *Overflow attribute](https://opentelemetry.io/docs/specs/otel/metrics/sdk/#overflow-attribute).
const OVERFLOW: &str = "otel.metric.overflow";

/// Something of each caller, such as instruments that are bound to its attributes. Clones share it.
///
/// An attribute set that is bound once is not built, sorted and hashed at every request. Callers come as they like, so
/// only the first hundred have something of their own. All others share one, made with the attribute
/// `otel.metric.overflow=true`: instruments that are bound to it keep at most 101 series.
pub struct PerCaller<T>(Arc<Inner<T>>);

struct Inner<T> {
    make: Make<T>,
    known: RwLock<Vec<Known<T>>>,
    others: OnceLock<Arc<T>>,
}

type Make<T> = Box<dyn Fn(&[KeyValue]) -> T + Send + Sync>;

struct Known<T> {
    caller: Caller,
    made: Arc<T>,
}

impl<T> PerCaller<T> {
    /// `make` gets the attributes of a caller, or those of all callers beyond the first hundred.
    pub fn new(make: impl Fn(&[KeyValue]) -> T + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            make: Box::new(make),
            known: RwLock::default(),
            others: OnceLock::new(),
        }))
    }

    /// That of this caller.
    pub fn of(&self, caller: &Caller) -> Arc<T> {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = find(&known, caller) {
            return found;
        }
        let is_full = known.len() >= CALLERS;
        drop(known);
        if is_full {
            return self.others();
        }
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        // Another request of the same caller may have been faster.
        if let Some(found) = find(&known, caller) {
            return found;
        }
        if known.len() >= CALLERS {
            return self.others();
        }
        let made = Arc::new((self.0.make)(&caller.attributes()));
        known.push(Known {
            caller: caller.kept(),
            made: made.clone(),
        });
        made
    }

    fn others(&self) -> Arc<T> {
        let make = || Arc::new((self.0.make)(&[KeyValue::new(OVERFLOW, true)]));
        Arc::clone(self.0.others.get_or_init(make))
    }
}

/// A hash would take longer than to compare the few callers that most services have.
fn find<T>(known: &[Known<T>], caller: &Caller) -> Option<Arc<T>> {
    let known = known.iter().find(|known| known.caller == *caller)?;
    Some(Arc::clone(&known.made))
}

impl<T> Clone for PerCaller<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for PerCaller<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerCaller").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::extract::{ConnectInfo, FromRequestParts};
    use axum::http::Request;
    use axum::http::header::USER_AGENT;

    use super::*;

    async fn caller(address: [u8; 4], user_agent: &str) -> Caller {
        let peer = ConnectInfo(SocketAddr::from((address, 1)));
        let request = Request::builder().header(USER_AGENT, user_agent);
        let (mut parts, ()) = request.extension(peer).body(()).unwrap().into_parts();
        let Ok(caller) = Caller::from_request_parts(&mut parts, &()).await;
        caller
    }

    /// What is made of the attributes, and how often.
    fn counted() -> (PerCaller<String>, Arc<AtomicUsize>) {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&made);
        let per_caller = PerCaller::new(move |attributes| {
            counter.fetch_add(1, Ordering::Relaxed);
            let values = attributes
                .iter()
                .map(|attribute| attribute.value.to_string());
            values.collect::<Vec<_>>().join(" ")
        });
        (per_caller, made)
    }

    #[tokio::test]
    async fn each_caller_has_its_own_which_is_made_once() {
        let (per_caller, made) = counted();
        let (here, there) = ([127, 0, 0, 1], [127, 0, 0, 2]);
        for _ in 0..3 {
            for (address, user_agent, expected) in [
                (here, "a", "127.0.0.1 a"),
                (here, "b", "127.0.0.1 b"),
                (there, "a", "127.0.0.2 a"),
            ] {
                assert_eq!(*per_caller.of(&caller(address, user_agent).await), expected);
            }
        }
        assert_eq!(made.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn callers_beyond_the_limit_share_one() {
        let (per_caller, made) = counted();
        for _ in 0..2 {
            for number in 0..CALLERS + 10 {
                let caller = caller([127, 0, 0, 1], &number.to_string()).await;
                let expected = if number < CALLERS {
                    format!("127.0.0.1 {number}")
                } else {
                    "true".to_owned()
                };
                assert_eq!(*per_caller.of(&caller), expected);
            }
        }
        assert_eq!(made.load(Ordering::Relaxed), CALLERS + 1);
    }
}
