//! Stops at any moment under load: whoever got a connection is answered, and the spans of every answer arrive.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::PATIENCE;
use crate::load::{Plan, Tally};
use crate::pair::Pair;
use crate::parts::within;
use crate::peer::{Conduct, Peer};

/// The latest moment at which a stop begins.
const LATEST: Duration = Duration::from_millis(800);

/// What is stopped while it is asked for what.
#[derive(Clone, Copy, Debug)]
enum Stopped {
    /// `/ping`: three spans of its own, two of pong's.
    Ping,
    /// `/pong`: two spans.
    Pong,
}

/// Clients of either kind, until nobody listens any more.
async fn ask(path: &'static str, url: &str) -> Tally {
    let keep_alive = Plan {
        pause: Duration::from_millis(2),
        ..Plan::eager(path, 8)
    };
    let one_shot = Plan {
        keep_alive: false,
        clients: 2,
        ..keep_alive
    };
    let loads = [keep_alive.start(url), one_shot.start(url)];
    let mut all = Tally::default();
    for load in loads {
        all.add(load.ended().await);
    }
    all
}

/// How many requests were answered, and how long the stop took.
async fn stop(stopped: Stopped, moment: Duration) -> (u64, Duration) {
    // The default: what has not been sent by then, the stop has to send.
    let delay = [("OTEL_BSP_SCHEDULE_DELAY", "")];
    let pair = Pair::start_with(&delay, &delay);
    let (path, url, spans) = match stopped {
        Stopped::Ping => ("/ping", pair.ping_url.clone(), 5),
        Stopped::Pong => ("/pong", pair.pong_url.clone(), 2),
    };
    let asking = tokio::spawn(async move { ask(path, &url).await });
    tokio::time::sleep(moment).await;

    let Pair {
        ping,
        pong,
        backend,
        ..
    } = pair;
    let (first, second) = match stopped {
        Stopped::Ping => (ping, pong),
        Stopped::Pong => (pong, ping),
    };
    let begun = Instant::now();
    first.signal("TERM");
    let first = tokio::task::spawn_blocking(|| first.wait());
    let tally = asking.await.unwrap();
    let first = first.await.unwrap();
    let lasted = begun.elapsed();
    assert_eq!(
        tally.sent(),
        tally.of(200),
        "{stopped:?} at {moment:?}: {tally:?}, {first:#?}"
    );
    for ended in [first, second.stop()] {
        assert!(
            ended.status.success() && ended.stderr.is_empty(),
            "{ended:#?}"
        );
    }
    let traces = backend.store().latest(usize::MAX);
    assert_eq!(
        traces.len() as u64,
        tally.sent(),
        "{stopped:?} at {moment:?}"
    );
    for trace in &traces {
        assert_eq!(
            trace.spans.len(),
            spans,
            "{stopped:?} at {moment:?}: {trace:#?}"
        );
    }
    (tally.sent(), lasted)
}

async fn stops(count: u64) {
    let mut lasted = Vec::new();
    let mut answered = 0;
    for number in 0..count {
        let stopped = [Stopped::Ping, Stopped::Pong][number as usize % 2];
        let random = RandomState::new().hash_one(number) as f64 / u64::MAX as f64;
        let (sent, time) = stop(stopped, LATEST.mul_f64(random)).await;
        answered += sent;
        lasted.push(time);
    }
    lasted.sort_unstable();
    println!(
        "{count} stops, {answered} requests answered, none lost; {:.2?} at least, {:.2?} in the middle, {:.2?} at most",
        lasted[0],
        lasted[lasted.len() / 2],
        lasted[lasted.len() - 1],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_at_random_moments_lose_neither_a_request_nor_a_span() {
    stops(4).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "heavy: fifty stops under load"]
async fn fifty_stops_at_random_moments_lose_neither_a_request_nor_a_span() {
    stops(50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_with_a_collector_that_hangs_ends_and_says_what_was_lost() {
    let peer = Peer::start(Conduct::Hangs("")).await;
    let collector = peer.address.to_string();
    // An hour: were an export waited for, the stop would never end.
    let own = [
        ("JAEGER_ADDRESS", collector.as_str()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "3600000"),
    ];
    let pair = Pair::start_with(&own, &[]);
    let tally = Plan::eager("/ping", 8)
        .run(&pair.ping_url, Duration::from_millis(500))
        .await;
    assert_eq!(tally.sent(), tally.of(200), "{tally:?}");
    let begun = Instant::now();
    let ended = pair.ping.stop();
    println!("{:?}: {}", begun.elapsed(), ended.stderr.trim());
    assert!(ended.status.success(), "{ended:#?}");
    // Most were still queued. Others were sent, and the collector may have taken them, for all that ping knows.
    let fates = [
        "spans not flushed in time",
        "spans not confirmed (may have arrived)",
    ];
    let lost = fates.map(|fate| {
        let (before, _) = ended.stderr.split_once(fate).expect(fate);
        let count = before.trim_end().rsplit(' ').next();
        count
            .and_then(|count| count.parse::<u64>().ok())
            .expect(fate)
    });
    assert_eq!(lost.iter().sum::<u64>(), 3 * tally.sent(), "{ended:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once() {
    let pair = Pair::start_with(&[], &[("PONG_LATENCY", "60s")]);
    let request = tokio::spawn(pair.request("/ping").send());
    pair.metrics_with("url_scheme=\"http\"} 1\n").await;
    pair.ping.signal("TERM");
    let drains = within(PATIENCE, async || {
        let ready = reqwest::get(format!("{}/readyz", pair.ping_url)).await;
        (!ready.is_ok_and(|answer| answer.status().is_success())).then_some(())
    });
    drains.await.expect("the stop has begun");
    pair.ping.signal("TERM");
    let ended = pair.ping.wait();
    assert_eq!(ended.status.code(), Some(143), "{ended:#?}");
    assert!(
        tokio::time::timeout(PATIENCE, request)
            .await
            .unwrap()
            .unwrap()
            .is_err()
    );
}
