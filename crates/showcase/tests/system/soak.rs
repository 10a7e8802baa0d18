//! For a long time under load, while pong and the collector fail by turns: nothing grows.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use crate::load::Plan;
use crate::pair::{Pair, client};
use crate::peer::{Conduct, Peer};
use crate::process::Process;

/// Another one by hand: `SOAK_SECONDS=3600 cargo test -p showcase --test system soak -- --ignored --nocapture`.
const SECONDS: u64 = 240;

/// What fails changes so often. The whole round is done in the warm-up already.
const TURN: Duration = Duration::from_secs(3);

const HALF: &str = "HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\nhalf";
const BAD_REQUEST: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

/// As many series as one more `error.type` makes: an error can be rare, and new as late as at the end.
const SERIES: u64 = 2 * 17;

/// Of one service, at one moment.
#[derive(Clone, Copy)]
struct Sample {
    resident: u64,
    descriptors: u64,
    threads: u64,
    series: u64,
}

impl Sample {
    async fn of(process: &Process, url: &str) -> Self {
        let usage = process.usage();
        let answer = client().get(format!("{url}/metrics")).send().await.unwrap();
        let metrics = answer.text().await.unwrap();
        let series = metrics.lines().filter(|line| !line.starts_with('#'));
        Self {
            resident: usage.resident,
            descriptors: usage.descriptors,
            threads: usage.threads,
            series: series.count() as u64,
        }
    }
}

/// Compares the median of the last third with that of the first.
fn is_flat(what: &str, curve: &[u64], slack: u64) {
    let median = |part: &[u64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part[part.len() / 2]
    };
    let third = curve.len() / 3;
    let (first, last) = (
        median(&curve[..third]),
        median(&curve[curve.len() - third..]),
    );
    println!("{what}: {first}, then {last}: {curve:?}");
    assert!(last <= first + slack, "{what} grows");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "heavy: four minutes of load"]
async fn nothing_grows_while_pong_and_the_collector_fail_by_turns() {
    #[expect(clippy::disallowed_methods, reason = "a test has no `main` to read it")]
    let seconds = std::env::var("SOAK_SECONDS").ok();
    let seconds = seconds.map_or(SECONDS, |seconds| seconds.parse().expect("a number"));
    let peer = Peer::start(Conduct::Takes(Duration::ZERO)).await;
    let collector = peer.address.to_string();
    let own = [
        ("JAEGER_ADDRESS", collector.as_str()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
    ];
    let failing = [own[0], own[1], ("PONG_FAILURE_RATE", "0.1")];
    let pair = Pair::start_with(&own, &failing);

    let plan = Plan {
        // Spans that wait while the collector hangs must take less than the slack.
        pause: Duration::from_millis(40),
        ..Plan::eager("/ping", 16)
    };
    let new_connections = Plan {
        clients: 2,
        keep_alive: false,
        ..plan
    };
    let loads = [
        plan.start(&pair.ping_url),
        new_connections.start(&pair.ping_url),
    ];
    let faults = [
        Conduct::Takes(Duration::ZERO),
        Conduct::Takes(Duration::from_millis(50)),
        Conduct::Says(BAD_REQUEST),
        Conduct::Hangs(""),
        Conduct::Resets,
        Conduct::BreaksOff(HALF),
    ];
    let (mut ping, mut pong) = (Vec::new(), Vec::new());
    let end = Instant::now() + Duration::from_secs(seconds);
    for (turn, fault) in faults.iter().cycle().enumerate() {
        if Instant::now() >= end {
            break;
        }
        peer.conduct(*fault);
        peer.forget();
        if turn % 3 == 0 {
            pair.pong.signal("STOP");
            tokio::time::sleep(TURN / 3).await;
            pair.pong.signal("CONT");
        }
        tokio::time::sleep(TURN).await;
        ping.push(Sample::of(&pair.ping, &pair.ping_url).await);
        pong.push(Sample::of(&pair.pong, &pair.pong_url).await);
    }
    for load in loads {
        let tally = load.stop().await;
        println!("{tally:?}");
        assert_eq!(tally.unanswered, 0);
    }
    for (name, samples) in [("ping", ping), ("pong", pong)] {
        // The first quarter is the warm-up: buffers, pools and series get as large as they will be.
        let samples = &samples[samples.len() / 4..];
        let curve = |of: fn(&Sample) -> u64| samples.iter().map(of).collect::<Vec<_>>();
        is_flat(
            &format!("{name}: KiB"),
            &curve(|sample| sample.resident),
            4 * 1024,
        );
        is_flat(
            &format!("{name}: descriptors"),
            &curve(|sample| sample.descriptors),
            8,
        );
        is_flat(
            &format!("{name}: threads"),
            &curve(|sample| sample.threads),
            1,
        );
        is_flat(
            &format!("{name}: series"),
            &curve(|sample| sample.series),
            SERIES,
        );
    }
    for process in [pair.ping, pair.pong] {
        peer.conduct(Conduct::Takes(Duration::ZERO));
        assert!(process.stop().status.success());
    }
}
