//! Timers for hyper that do not take a freeze of this process for a client's silence.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use hyper::rt::{Sleep, Timer};

use crate::limits::LATE;

/// Gives each timer that fires late a moment more, in which what has arrived meanwhile is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PatientTimer;

impl Timer for PatientTimer {
    fn sleep(&self, duration: std::time::Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(PatientSleep(Box::pin(tokio::time::sleep_until(
            deadline.into(),
        ))))
    }
}

struct PatientSleep(Pin<Box<tokio::time::Sleep>>);

impl Sleep for PatientSleep {}

impl Future for PatientSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.0.as_mut().poll(context));
            if self.0.deadline().elapsed() < LATE {
                return Poll::Ready(());
            }
            self.0.as_mut().reset(tokio::time::Instant::now() + LATE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;
    use crate::support::within;

    #[tokio::test]
    async fn timer_that_is_late_waits_a_moment_more() {
        let mut sleep = PatientTimer.sleep(Duration::from_millis(10));
        // The thread that would notice the timer does not run.
        std::thread::sleep(2 * LATE);
        let polled = poll_fn(|context| Poll::Ready(sleep.as_mut().poll(context))).await;
        assert!(polled.is_pending());
        within(sleep).await;
    }
}
