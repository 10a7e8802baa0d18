//! What the receivers refuse, on the terminal: a sender whose telemetry is missing is then not looked for elsewhere.

use std::{convert::Infallible, time::Duration};

use backend::{Backend, Received};
use tokio::time::sleep;

use crate::{print::plural, screen::Screen, text::Text};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Between two times that something is shown.
const PAUSE: Duration = Duration::from_secs(10);

/// Columns of a reason.
const WIDTH: usize = 300;

/// Shows what was refused since the last time, with the last reason.
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
