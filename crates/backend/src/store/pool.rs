//! Connections that read, a fixed number: a question waits for a free one, nobody waits for the writer.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(super) struct Pool<T> {
    free: Mutex<Vec<T>>,
    freed: Condvar,
}

impl<T> Pool<T> {
    pub(super) fn new(connections: Vec<T>) -> Self {
        Self {
            free: Mutex::new(connections),
            freed: Condvar::new(),
        }
    }

    /// Does `work` with a connection, once one is free. To be asked for while holding none.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let mut free = self.lock();
        let connection = loop {
            match free.pop() {
                Some(connection) => break connection,
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
            connection: Some(connection),
        };
        match &mut borrowed.connection {
            Some(connection) => work(connection),
            None => unreachable!("it is taken out when it is dropped"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the connection back, also after a panic.
struct Borrowed<'a, T> {
    pool: &'a Pool<T>,
    connection: Option<T>,
}

impl<T> Drop for Borrowed<'_, T> {
    fn drop(&mut self) {
        self.pool.lock().extend(self.connection.take());
        self.pool.freed.notify_one();
    }
}
