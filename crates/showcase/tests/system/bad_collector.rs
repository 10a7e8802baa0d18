//! Every way in which the collector can fail a service: requests are served as ever, memory is bounded, and what was
//! lost is counted to the span and said in words, once a while.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::PATIENCE;
use crate::load::{Plan, Tally};
use crate::pair::{Pair, Setting};
use crate::parts::ports::free_port;
use crate::parts::within;
use crate::peer::{Conduct, Peer};
use crate::process::Ended;

/// Of ping's, a request.
const SPANS: u64 = 3;

/// What a service may have resident, in KiB.
const MEMORY: u64 = 80 * 1024;

/// Between two lines of one kind.
const QUIET: Duration = Duration::from_secs(10);

const RUBBISH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n\u{1}rubbis";
const BAD_REQUEST: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
const TOO_MANY: &str =
    "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
const HALF: &str = "HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\nhalf";

/// Where `otel.sdk.*` says spans are.
#[derive(Debug, Default, PartialEq)]
struct Counted {
    exported: u64,
    failed: u64,
    dropped: u64,
    /// In the queue, or on their way.
    held: u64,
}

impl Counted {
    fn all(&self) -> u64 {
        self.exported + self.failed + self.dropped + self.held
    }

    async fn of(pair: &Pair) -> Self {
        let metrics = pair.get("/metrics").await.text().await.unwrap();
        let mut counted = Self::default();
        for line in metrics.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let is_error = series.contains("error_type=");
            let place = match series.split('{').next() {
                Some("otel_sdk_exporter_span_exported_total") if is_error => &mut counted.failed,
                Some("otel_sdk_exporter_span_exported_total") => &mut counted.exported,
                Some("otel_sdk_processor_span_processed_total") if is_error => &mut counted.dropped,
                Some("otel_sdk_processor_span_queue_size" | "otel_sdk_exporter_span_inflight") => {
                    &mut counted.held
                }
                _ => continue,
            };
            *place += value.parse::<u64>().expect("a count");
        }
        counted
    }
}

/// How many spans that end says were lost, in any way.
fn said_to_be_lost(ended: &Ended) -> u64 {
    let words: Vec<_> = ended.stderr.split_whitespace().collect();
    let counts = words.windows(2).filter(|pair| pair[1].starts_with("span"));
    counts
        .map(|pair| pair[0].parse::<u64>().expect("a count"))
        .sum()
}

/// What a fault is to look like.
struct Expected<'a> {
    /// Whether what the peer takes is exported, as far as anybody can tell.
    arrives: bool,
    /// `error.type` of what is not.
    error_type: Option<&'a str>,
    /// What a line of the log has to say.
    words: &'a [&'a str],
}

/// Loads ping while the collector at `address` does what it does; `more` are settings.
async fn survive(fault: &str, address: &str, peer: Option<&Peer>, expected: Expected<'_>) {
    let pair = Pair::start_with(
        &[
            ("JAEGER_ADDRESS", address),
            // So that queue and time limit are over within the test.
            ("OTEL_BSP_MAX_QUEUE_SIZE", "512"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "128"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
        ],
        &[],
    );
    let began = Instant::now();
    let tally = Plan::eager("/ping", 8)
        .run(&pair.ping_url, Duration::from_secs(4))
        .await;
    assert_eq!(tally.sent(), tally.of(200), "{tally:?}");
    let made = tally.sent() * SPANS;
    let settled = within(PATIENCE, async || {
        let counted = Counted::of(&pair).await;
        let failed = expected.error_type.is_none() || counted.failed > 0;
        (counted.all() == made && failed).then_some(counted)
    });
    let Some(counted) = settled.await else {
        panic!("{made} spans, but {:?}", Counted::of(&pair).await);
    };
    if let Some(error_type) = expected.error_type {
        let label = format!("error_type=\"{error_type}\"");
        let metrics = pair.get("/metrics").await.text().await.unwrap();
        let mut failed = metrics.lines().filter(|line| {
            line.starts_with("otel_sdk_exporter_span_exported_total{") && line.contains(&label)
        });
        assert!(failed.next().is_some(), "no {label}: {counted:?}");
    }
    let peak = pair.ping.usage().peak;
    assert!(peak <= MEMORY, "{peak} KiB");

    let ended = pair.ping.stop();
    let lasted = began.elapsed();
    assert!(ended.status.success(), "{ended:#?}");
    let lost = said_to_be_lost(&ended);
    let arrived = if expected.arrives {
        peer.map_or(0, |peer| peer.spans().len() as u64)
    } else {
        0
    };
    assert_eq!(lost + arrived, made, "{ended:#?}");
    check_log(&ended, lasted, address, expected.words);
    println!(
        "{fault}: sent {}, answered {:?}; {made} spans, arrived {arrived}, lost {lost} ({counted:?} before the stop); peak {peak} KiB; {}",
        tally.sent(),
        tally.answered,
        ended.stderr.trim(),
    );
}

/// A line in words, and not many of them: of each kind (a receiver that is away, failed exports, a full queue) one a
/// while.
fn check_log(ended: &Ended, lasted: Duration, address: &str, words: &[&str]) {
    let lines = ended.log.iter().filter(|line| line.contains("\"WARN\""));
    let lines: Vec<_> = lines.collect();
    let whiles = 1 + lasted.as_secs() / QUIET.as_secs();
    assert!(lines.len() as u64 <= 3 * whiles, "{lines:#?}");
    for word in words {
        let mut said = lines.iter().filter(|line| line.contains(address));
        assert!(
            said.any(|line| line.contains(word)),
            "no {word:?}: {ended:#?}"
        );
    }
    // The start, the stop, and those: nothing comes once a request, a span or a try.
    assert!(ended.log.len() <= lines.len() + 4, "{ended:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn collector_that_is_not_there_costs_spans_and_nothing_else() {
    let address = format!("127.0.0.1:{}", free_port());
    let expected = Expected {
        arrives: false,
        error_type: Some("connection_refused"),
        words: &[
            "nothing listens at",
            "start a receiver there",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
        ],
    };
    survive("refusing", &address, None, expected).await;
}

async fn survive_peer(fault: &str, conduct: Conduct, expected: Expected<'_>) {
    let peer = Peer::start(conduct).await;
    survive(fault, &peer.address.to_string(), Some(&peer), expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn collector_that_hangs_costs_spans_and_nothing_else() {
    let expected = Expected {
        arrives: false,
        error_type: Some("timeout"),
        words: &["did not answer within 1.5s"],
    };
    survive_peer("hanging", Conduct::Hangs(""), expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn collector_that_answers_400_costs_spans_and_nothing_else() {
    let expected = Expected {
        arrives: false,
        error_type: Some("400"),
        words: &["answered 400 Bad Request"],
    };
    survive_peer("400", Conduct::Says(BAD_REQUEST), expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn collector_that_asks_for_patience_costs_spans_and_nothing_else() {
    let expected = Expected {
        arrives: false,
        error_type: Some("429"),
        words: &["answered 429 Too Many Requests"],
    };
    survive_peer("429, Retry-After: 1", Conduct::Says(TOO_MANY), expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn collector_that_cuts_requests_costs_spans_and_nothing_else() {
    let expected = Expected {
        arrives: false,
        error_type: Some("_OTHER"),
        words: &[],
    };
    survive_peer("cut in the request's body", Conduct::Resets, expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn collector_that_answers_rubbish_has_taken_the_spans() {
    let expected = Expected {
        arrives: true,
        error_type: None,
        words: &[],
    };
    survive_peer("200 with rubbish", Conduct::TakesSaying(RUBBISH), expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn collector_that_takes_50_ms_costs_only_what_the_queue_has_no_room_for() {
    let expected = Expected {
        arrives: true,
        error_type: None,
        words: &[],
    };
    let conduct = Conduct::Takes(Duration::from_millis(50));
    survive_peer("50 ms a POST", conduct, expected).await;
}

/// Loads ping, whose collector is the peer, and compares what was made with what arrived, whole.
async fn none_is_lost(pair: Pair, peer: &Peer, tally: &Tally) -> Ended {
    assert_eq!(tally.sent(), tally.of(200), "{tally:?}");
    let ended = pair.ping.stop();
    assert!(
        ended.status.success() && ended.stderr.is_empty(),
        "{ended:#?}"
    );
    assert_eq!(
        peer.spans().len() as u64,
        tally.sent() * SPANS,
        "{ended:#?}"
    );
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn collector_that_goes_and_comes_back_costs_no_span() {
    let mut peer = Peer::start(Conduct::Takes(Duration::ZERO)).await;
    let address = peer.address;
    let collector = address.to_string();
    let pair = Pair::start_with(&[("JAEGER_ADDRESS", &collector)], &[]);
    let load = Plan {
        pause: Duration::from_millis(10),
        ..Plan::eager("/ping", 4)
    };
    let load = load.start(&pair.ping_url);
    let mut arrived = HashSet::new();
    for _ in 0..2 {
        let comes = within(PATIENCE, async || (peer.requests() > 0).then_some(()));
        comes.await.expect("spans come");
        // What it takes from now on it does not keep, and what it has kept it has answered soon.
        peer.conduct(Conduct::Says(
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        ));
        tokio::time::sleep(Duration::from_millis(300)).await;
        arrived.extend(peer.spans());
        drop(peer);
        tokio::time::sleep(Duration::from_secs(1)).await;
        peer = Peer::at(address, Conduct::Takes(Duration::ZERO)).await;
    }
    let tally = load.stop().await;
    assert_eq!(tally.sent(), tally.of(200), "{tally:?}");
    let ended = pair.ping.stop();
    assert!(
        ended.status.success() && ended.stderr.is_empty(),
        "{ended:#?}"
    );
    arrived.extend(peer.spans());
    assert_eq!(arrived.len() as u64, tally.sent() * SPANS);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "heavy: as many requests as the machine can serve"]
async fn at_full_speed_to_a_collector_that_takes_50_ms_no_span_is_lost() {
    let peer = Peer::start(Conduct::Takes(Duration::from_millis(50))).await;
    let collector = peer.address.to_string();
    // The defaults, for pong too.
    let own: [Setting<'_>; 2] = [
        ("JAEGER_ADDRESS", &collector),
        ("OTEL_BSP_SCHEDULE_DELAY", ""),
    ];
    let pair = Pair::start_with(&own, &[("OTEL_TRACES_EXPORTER", "none")]);
    let time = Duration::from_secs(10);
    let tally = Plan::eager("/ping", 32).run(&pair.ping_url, time).await;
    let peak = pair.ping.usage().peak;
    none_is_lost(pair, &peer, &tally).await;
    let rate = tally.sent() * SPANS / time.as_secs();
    println!("{rate} spans/s, {} requests; peak {peak} KiB", tally.sent());
    assert!(peak <= MEMORY, "{peak} KiB");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "heavy: as many requests as fill the queue"]
async fn a_full_queue_of_the_default_size_fits_into_the_memory_there_is() {
    let peer = Peer::start(Conduct::Hangs("")).await;
    let collector = peer.address.to_string();
    let own: [Setting<'_>; 3] = [
        ("JAEGER_ADDRESS", &collector),
        ("OTEL_BSP_SCHEDULE_DELAY", ""),
        // No export ends: what is on its way stays there.
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000"),
    ];
    let pair = Pair::start_with(&own, &[("OTEL_TRACES_EXPORTER", "none")]);
    let before = pair.ping.usage().resident;
    let mut sent = 0;
    let full = loop {
        let tally = Plan::eager("/ping", 8)
            .run(&pair.ping_url, Duration::from_secs(1))
            .await;
        assert_eq!(tally.sent(), tally.of(200), "{tally:?}");
        sent += tally.sent();
        let counted = Counted::of(&pair).await;
        if counted.dropped > 0 {
            break counted;
        }
        assert_eq!(counted.all(), sent * SPANS);
    };
    let peak = pair.ping.usage().peak;
    println!("{full:?}; {before} KiB at the start, peak {peak} KiB");
    assert!(peak <= MEMORY, "{peak} KiB");
}

/// Requests with one collector and with the other, by turns; the medians' ratio.
async fn ratio(bad: &Pair, good: &Pair) -> f64 {
    const TURNS: usize = 7;
    let plan = Plan::eager("/ping", 8);
    let turn = Duration::from_millis(600);
    // For what is still exported after a turn: it must not slow the other's.
    let rest = Duration::from_millis(700);
    let (mut of_bad, mut of_good) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        for (pair, rates) in [(good, &mut of_good), (bad, &mut of_bad)] {
            let tally = plan.run(&pair.ping_url, turn).await;
            assert_eq!(tally.sent(), tally.of(200), "{tally:?}");
            rates.push(tally.sent());
            tokio::time::sleep(rest).await;
        }
    }
    let median = |rates: &mut Vec<u64>| {
        rates.sort_unstable();
        rates[TURNS / 2] as f64
    };
    median(&mut of_bad) / median(&mut of_good)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "heavy: as many requests as the machine can serve"]
async fn no_fault_of_the_collector_slows_requests_or_takes_more_memory_than_there_is() {
    const TRIES: usize = 5;
    const LEAST: f64 = 0.9;
    let good = Peer::start(Conduct::Takes(Duration::ZERO)).await;
    let nobody = format!("127.0.0.1:{}", free_port());
    let silent: Setting<'_> = ("OTEL_TRACES_EXPORTER", "none");
    for (fault, conduct) in [
        ("refusing", None),
        ("hanging", Some(Conduct::Hangs(""))),
        (
            "50 ms a POST",
            Some(Conduct::Takes(Duration::from_millis(50))),
        ),
        ("200 with rubbish", Some(Conduct::Says(RUBBISH))),
        ("400", Some(Conduct::Says(BAD_REQUEST))),
        ("429, Retry-After: 1", Some(Conduct::Says(TOO_MANY))),
        ("cut in the request's body", Some(Conduct::Resets)),
        ("cut in the answer's body", Some(Conduct::BreaksOff(HALF))),
        ("hanging in the answer's body", Some(Conduct::Hangs(HALF))),
    ] {
        let peer = match conduct {
            Some(conduct) => Some(Peer::start(conduct).await),
            None => None,
        };
        let address = peer
            .as_ref()
            .map_or(nobody.clone(), |peer| peer.address.to_string());
        let [up, down] = [good.address.to_string(), address].map(|collector| {
            // The defaults.
            let own = [
                ("JAEGER_ADDRESS", collector.as_str()),
                ("OTEL_BSP_SCHEDULE_DELAY", ""),
            ];
            Pair::start_with(&own, &[silent])
        });
        // The machine may be busy with something else: one good measurement shows that it can be.
        let mut ratios = Vec::new();
        while ratios.len() < TRIES && ratios.last().is_none_or(|last| *last < LEAST) {
            ratios.push(ratio(&down, &up).await);
        }
        let usage = down.ping.usage();
        println!("{fault}: ratio {ratios:.2?}; peak {} KiB", usage.peak);
        assert!(
            ratios.last().is_some_and(|last| *last >= LEAST),
            "{fault}: {ratios:.2?}"
        );
        assert!(usage.peak <= MEMORY, "{fault}: {usage:?}");
    }
}
