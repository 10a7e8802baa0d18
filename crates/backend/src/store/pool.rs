//! Connections that read, a fixed number: a question waits for a free one, nobody waits for the writer.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::reader::Reader;

pub(super) struct Pool {
    free: Mutex<Vec<Reader>>,
    freed: Condvar,
}

impl Pool {
    pub(super) fn new(readers: Vec<Reader>) -> Self {
        Self {
            free: Mutex::new(readers),
            freed: Condvar::new(),
        }
    }

    /// Does `work` with a connection, once one is free. To be asked for while holding none.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Reader) -> T) -> T {
        let mut free = self.lock();
        let reader = loop {
            match free.pop() {
                Some(reader) => break reader,
                None => {
                    free = self
                        .freed
                        .wait(free)
                        .unwrap_or_else(PoisonError::into_inner)
                }
            }
        };
        drop(free);
        let mut borrowed = Borrowed {
            pool: self,
            reader: Some(reader),
        };
        match &mut borrowed.reader {
            Some(reader) => work(reader),
            None => unreachable!("it is taken out when it is dropped"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Reader>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the connection back, also after a panic.
struct Borrowed<'a> {
    pool: &'a Pool,
    reader: Option<Reader>,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.pool.lock().extend(self.reader.take());
        self.pool.freed.notify_one();
    }
}
