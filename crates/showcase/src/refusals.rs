//! Prints what the receivers refuse, and why: otherwise one would look for missing telemetry elsewhere.

use std::{convert::Infallible, time::Duration};

use backend::{Backend, Received};
use tokio::time::sleep;

use crate::{print::plural, screen::Screen, text::Text};

/// Interval of the checks.
const LOOK: Duration = Duration::from_secs(1);

/// Shortest time between two prints.
const PAUSE: Duration = Duration::from_secs(10);

/// Most columns of a reason.
const WIDTH: usize = 300;

/// Prints how many requests each receiver has refused since the last print, with the latest reason.
pub(crate) async fn watch(backend: &Backend, screen: &Screen) -> Infallible {
    let mut shown = Vec::new();
    loop {
        sleep(LOOK).await;
        let received = backend.received();
        let text = lines(&received, &shown);
        if text.is_empty() {
            continue;
        }
        screen.show(text + "\n").await;
        shown = received.iter().map(|of| of.refused).collect();
        sleep(PAUSE).await;
    }
}

/// A line for each receiver that has refused more than was `shown`.
fn lines(received: &[Received], shown: &[u64]) -> String {
    let line = |(of, shown): (&Received, u64)| {
        let refused = usize::try_from(of.refused - shown).unwrap_or(usize::MAX);
        let last = of.refusals.first().filter(|_| refused > 0)?;
        Some(format!(
            "{} refused {refused} {}, wholly or in part. The last: {}\n",
            of.protocol,
            plural(refused, "request"),
            Text::new(&last.reason, WIDTH).as_str(),
        ))
    };
    let shown = shown.iter().copied().chain(std::iter::repeat(0));
    received.iter().zip(shown).filter_map(line).collect()
}
