//! A thread for what takes long, one piece of work after the other.
//!
//! One, because memory that is freed goes back to the system only where nothing kept stands behind it, and each thread
//! allocates in a place of its own: with several, each would hold on to what its largest piece of work took.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    thread,
};

use tokio::sync::oneshot;

type Work = Box<dyn FnOnce() + Send>;

/// The thread. It ends when all clones are dropped.
#[derive(Clone)]
pub(crate) struct Worker {
    queue: mpsc::Sender<Work>,
}

impl Worker {
    /// # Errors
    ///
    /// The system gives no thread.
    pub(crate) fn start() -> io::Result<Self> {
        let (queue, works) = mpsc::channel::<Work>();
        let work_all = move || {
            for work in works {
                let _ = catch_unwind(AssertUnwindSafe(work)); // whoever waits for it is told
            }
        };
        thread::Builder::new()
            .name("backend-worker".into())
            .spawn(work_all)?;
        Ok(Self { queue })
    }

    /// What `work` gives, when its turn has come; none if it panicked. It is done even if nobody waits any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (done, result) = oneshot::channel();
        let work = Box::new(move || drop(done.send(work())));
        self.queue.send(work).ok()?;
        result.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_its_own_work_only() {
        let worker = Worker::start().unwrap();
        assert_eq!(worker.run(|| panic!("on purpose")).await, None::<()>);
        assert_eq!(worker.run(|| 1).await, Some(1));
    }
}
