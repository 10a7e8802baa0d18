//! Clients that mean harm, against the real pong whose collector hangs: others are served meanwhile, memory and series
//! stay bounded, nothing that they send comes back or makes lines in the log.
//!
//! `cargo test -p showcase --test system hostile -- --include-ignored --nocapture` prints the figures.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::PATIENCE;
use crate::process::{Ended, Process};

/// What a service may take, in bytes.
const MEMORY: u64 = 80 << 20;

/// Pong under attack, and a good client that comes again and again.
struct Attacked {
    pong: Process,
    address: String,
    /// It accepts nobody, but the kernel does: exports hang.
    _collector: TcpListener,
    over: Arc<AtomicBool>,
    good: JoinHandle<(Duration, usize)>,
}

/// A request of its own connection, and its whole answer.
async fn exchange(address: &str, request: &[u8]) -> Vec<u8> {
    let exchanged = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        // The service may close before it has read everything.
        let _ = stream.read_to_end(&mut answer).await;
        answer
    };
    timeout(PATIENCE, exchanged).await.expect("an answer")
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: pong\r\nConnection: close\r\n\r\n").into_bytes()
}

/// Its longest wait, from connecting to the end of the answer, and how often it was served.
async fn good_client(address: String, over: Arc<AtomicBool>) -> (Duration, usize) {
    let (mut longest, mut served) = (Duration::ZERO, 0);
    while !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answer = exchange(&address, &get("/pong")).await;
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n") && answer.ends_with(b"pong"));
        longest = longest.max(began.elapsed());
        served += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (longest, served)
}

impl Attacked {
    fn start() -> Self {
        // Whoever attacks needs many as well.
        let all = getrlimit(Resource::Nofile).maximum;
        let all = Rlimit {
            current: all,
            maximum: all,
        };
        setrlimit(Resource::Nofile, all).unwrap();
        let collector = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = collector.local_addr().unwrap().to_string();
        let env = [("ADDRESS", "127.0.0.1:0"), ("JAEGER_ADDRESS", &receiver)];
        let mut pong = Process::start("pong", env);
        let address = pong.url().trim_start_matches("http://").to_owned();
        let over = Arc::new(AtomicBool::new(false));
        let good = tokio::spawn(good_client(address.clone(), Arc::clone(&over)));
        Self {
            pong,
            address,
            _collector: collector,
            over,
            good,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }

    /// So many connections that each send `opening` and then nothing, and read nothing.
    async fn open(&self, count: usize, opening: &[u8]) -> Vec<TcpStream> {
        let mut open = Vec::new();
        for _ in 0..count {
            let mut stream = self.connect().await;
            // It may be cut, and the service may have stopped reading.
            let sent = stream.write_all(opening);
            let _ = timeout(Duration::from_millis(200), sent).await;
            open.push(stream);
        }
        open
    }

    /// Sends `requests` pipelined on some connections that read all answers.
    async fn pipeline(&self, requests: impl Iterator<Item = Vec<u8>>) {
        let mut parts = vec![Vec::new(); 8];
        for (number, request) in requests.enumerate() {
            parts[number % 8].extend(request);
        }
        let sent = parts.into_iter().map(|part| {
            let address = self.address.clone();
            tokio::spawn(async move {
                let stream = TcpStream::connect(address).await.unwrap();
                let (mut reader, mut writer) = stream.into_split();
                let reading = tokio::spawn(async move {
                    let mut answers = vec![0; 64 << 10];
                    while reader.read(&mut answers).await.is_ok_and(|read| read > 0) {}
                });
                writer.write_all(&part).await.unwrap();
                writer.shutdown().await.unwrap();
                timeout(20 * PATIENCE, reading).await.unwrap().unwrap();
            })
        });
        for sent in sent.collect::<Vec<_>>() {
            sent.await.unwrap();
        }
    }

    async fn metrics(&self) -> String {
        let answer = exchange(&self.address, &get("/metrics")).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Peak resident memory, in bytes.
    fn peak(&self) -> u64 {
        let status = format!("/proc/{}/status", self.pong.id());
        let status = std::fs::read_to_string(status).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes: u64 = peak.unwrap().trim_end_matches("kB").trim().parse().unwrap();
        kilobytes << 10
    }

    /// The attack is over: prints the figures, and checks what must hold after every one of them.
    async fn end(self, name: &str) -> Ended {
        // Once more, with the attack's connections as they are.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let series = self.metrics().await;
        let series = series.lines().filter(|line| line.contains('{')).count();
        self.over.store(true, Ordering::Relaxed);
        let peak = self.peak();
        let (longest, served) = self.good.await.unwrap();
        println!(
            "{name}: a good client waited {longest:.1?} at most of {served} times; {} KiB at the peak; {series} samples",
            peak >> 10
        );
        assert!(peak < MEMORY, "{name}: {peak} bytes");
        let ended = self.pong.stop();
        assert_eq!(ended.status.code(), Some(0), "{name}: {ended:#?}");
        for line in &ended.log {
            let line: Value = serde_json::from_str(line).unwrap();
            assert!(line["level"].is_string(), "{line}");
        }
        // Those of the start and the end, what is refused and what hangs; each kind once in ten seconds at most.
        assert!(ended.log.len() < 30, "{name}: {:#?}", ended.log);
        ended
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_sends_comes_back_in_no_answer_and_makes_no_log_line() {
    let attacked = Attacked::start();
    let forged = "\",\"level\":\"ERROR\",\"message\":\"MARKER";
    let many = "MARKER=x,".repeat(1500);
    let junk: [&[u8]; 12] = [
        b"traceparent: 00-MARKER",
        b"traceparent: 00-00000000000000000000000000000000-0000000000000000-01",
        b"traceparent: ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-MARKER",
        b"traceparent: \xff\xfe MARKER",
        b"tracestate: MARKER=\xc2\x9b31m,=,,==,MARKER",
        b"baggage: MARKER=\xff,;;=,%zz=%,MARKER",
        b"X-Forwarded-For: MARKER\r\nForwarded: for=MARKER",
        b"Accept: MARKER/*;q=MARKER\r\nAccept-Encoding: MARKER;q=x",
        b"MARKER: \xc2\x9b2J \x80\x81",
        b"Expect: MARKER",
        b"Upgrade: MARKER\r\nConnection: upgrade",
        b"Cookie: MARKER\tMARKER",
    ];
    let mut headers: Vec<Vec<u8>> = junk.iter().map(|junk| junk.to_vec()).collect();
    for name in [
        "User-Agent",
        "Referer",
        "traceparent",
        "tracestate",
        "baggage",
    ] {
        headers.push(format!("{name}: {forged}").into_bytes());
        headers.push(format!("{name}: {many}").into_bytes());
    }
    for header in headers {
        for path in [
            "/pong",
            "/MARKER%0a%1b[31m?MARKER=%0d%0a",
            "/metrics/MARKER",
        ] {
            let line = format!("GET {path} HTTP/1.1\r\nHost: MARKER\r\nConnection: close\r\n");
            let request = [line.as_bytes(), &header, b"\r\n\r\n"].concat();
            let answer = exchange(&attacked.address, &request).await;
            let answer = String::from_utf8_lossy(&answer);
            let status = if path == "/pong" { "200" } else { "404" };
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{answer}"
            );
            assert!(!answer.contains("MARKER"), "{answer}");
        }
    }
    // What is no HTTP: newlines and escapes in the request's line and in values, two lengths, no host.
    for request in [
        "MARKER\r\n\r\n",
        "GET /pong HTTP/9.9\r\nHost: MARKER\r\n\r\n",
        "GET /\x1b[31mMARKER HTTP/1.1\r\nHost: pong\r\n\r\n",
        "GET /pong HTTP/1.1\r\nHost: pong\r\nUser-Agent: \x1b]0;MARKER\x07\r\n\r\n",
        "GET /pong HTTP/1.1\r\nHost: pong\r\nX: a\rMARKER: b\r\n\r\n",
        "POST /pong HTTP/1.1\r\nHost: MARKER\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nMARKER",
        "POST /pong HTTP/1.1\r\nHost: MARKER\r\nTransfer-Encoding: MARKER\r\n\r\nMARKER",
        "MARKER /pong HTTP/1.1\r\nHost: MARKER\r\nConnection: close\r\n\r\n",
    ] {
        let answer = exchange(&attacked.address, request.as_bytes()).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
        assert!(!answer.contains("MARKER"), "{answer}");
    }
    let ended = attacked.end("junk").await;
    let said = format!("{ended:?}");
    assert!(!said.contains("MARKER"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_their_order() {
    let attacked = Attacked::start();
    let mut stream = attacked.connect().await;
    let paths = ["/pong", "/healthz", "/nowhere"];
    let requests: String = (0..3000)
        .map(|number| format!("GET {} HTTP/1.1\r\nHost: pong\r\n\r\n", paths[number % 3]))
        .collect();
    let last = String::from_utf8(get("/readyz")).unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut answers = String::new();
    let (sent, read) = tokio::join!(
        async { writer.write_all((requests + &last).as_bytes()).await },
        timeout(2 * PATIENCE, reader.read_to_string(&mut answers)),
    );
    sent.unwrap();
    read.unwrap().unwrap();
    let statuses: Vec<_> = answers
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| &answer[..3])
        .collect();
    assert_eq!(statuses.len(), 3001);
    assert!(
        statuses
            .chunks(3)
            .take(1000)
            .all(|three| three == ["200", "200", "404"])
    );
    attacked.end("pipelining").await;
}

/// How many.
const DISTINCT: usize = 100_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "heavy: 400,000 requests"]
async fn distinct_agents_paths_methods_and_hosts_make_few_series() {
    let attacked = Attacked::start();
    type Request = fn(usize) -> String;
    let kinds: [(&str, Request); 4] = [
        ("agents", |n| {
            format!("GET /pong HTTP/1.1\r\nHost: pong\r\nUser-Agent: agent-{n}\r\n\r\n")
        }),
        ("paths", |n| {
            format!("GET /path-{n}?query-{n} HTTP/1.1\r\nHost: pong\r\n\r\n")
        }),
        ("methods", |n| {
            format!("METHOD{n} /pong HTTP/1.1\r\nHost: pong\r\n\r\n")
        }),
        ("hosts", |n| {
            format!(
                "GET /pong HTTP/1.1\r\nHost: host-{n}.example:{}\r\n\r\n",
                n % 65_535
            )
        }),
    ];
    for (name, request) in kinds {
        let began = Instant::now();
        let requests = (0..DISTINCT).map(|number| request(number).into_bytes());
        attacked.pipeline(requests).await;
        let metrics = attacked.metrics().await;
        let series = |family: &str| metrics.lines().filter(|l| l.starts_with(family)).count();
        let (requests, counted) = (
            series("http_server_request_duration_seconds_count"),
            series("request_count_total"),
        );
        println!(
            "{DISTINCT} {name} in {:.1?}: {requests} series of requests, {counted} of request_count, {} KiB at the peak",
            began.elapsed(),
            attacked.peak() >> 10
        );
        // GET and _OTHER, with and without a route; agents up to the limit and one for all others.
        assert!(requests <= 6, "{name}: {requests}");
        assert!(counted <= 101, "{name}: {counted}");
    }
    attacked.end("distinct values").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "heavy: 300 MB of requests"]
async fn long_paths_queries_agents_and_trace_states_fill_no_memory() {
    let attacked = Attacked::start();
    let state: Vec<_> = (0..31)
        .map(|n| format!("k{n}={}", "s".repeat(120)))
        .collect();
    let state = state.join(",");
    let filling = "x".repeat(3500);
    let request = format!(
        "GET /{filling}?{filling} HTTP/1.1\r\nHost: pong\r\nUser-Agent: {filling}\r\n\
         traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: {state}\r\n\r\n"
    );
    attacked
        .pipeline(std::iter::repeat_n(request.into_bytes(), 20_000))
        .await;
    attacked.end("long values").await;
}

/// Of HTTP/2.
mod frame {
    pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PING: u8 = 6;
    pub(super) const CONTINUATION: u8 = 9;
    pub(super) const END_STREAM: u8 = 1;
    pub(super) const END_HEADERS: u8 = 4;

    pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    /// GET: method and scheme from HPACK's static table, path and authority as literals.
    pub(super) fn get(stream: u32, path: &str) -> Vec<u8> {
        let length = u8::try_from(path.len()).unwrap();
        let block = [
            b"\x82\x86\x04",
            &[length][..],
            path.as_bytes(),
            b"\x01\x04pong",
        ]
        .concat();
        frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)
    }
}

use frame::{CONTINUATION, END_STREAM, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, frame};

fn opening(settings: &[u8]) -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()
}

fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|number| 2 * number + 1)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "heavy: floods"]
async fn http2_floods_starve_nobody() {
    let rapid_reset = streams(20_000).flat_map(|stream| {
        let reset = frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
        [frame::get(stream, "/pong"), reset].concat()
    });
    let endless_head = std::iter::once(frame(HEADERS, END_STREAM, 1, b"\x82\x86\x04\x05/pong"))
        .chain((0..2000).map(|_| frame(CONTINUATION, 0, 1, &[b'\0'; 16 << 10][..16_000])))
        .flatten();
    let floods: [(&str, Vec<u8>); 4] = [
        ("settings", frame(SETTINGS, 0, 0, &[]).repeat(100_000)),
        ("pings", frame(PING, 0, 0, &[0; 8]).repeat(100_000)),
        ("rapid reset", rapid_reset.collect()),
        ("continuation", endless_head.collect()),
    ];
    for (name, flood) in floods {
        let attacked = Attacked::start();
        let flood = [opening(&[]), flood].concat();
        let open = attacked.open(50, &flood).await;
        attacked.end(name).await;
        drop(open);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "heavy: 1,200 connections"]
async fn http2_answers_that_nobody_takes_are_bounded() {
    for path in ["/metrics", "/pong"] {
        let attacked = Attacked::start();
        // Many series, so that an exposition is large.
        let agents = (0..200).map(|n| {
            let agent = "x".repeat(250);
            format!("GET /pong HTTP/1.1\r\nHost: pong\r\nUser-Agent: {n}{agent}\r\n\r\n")
                .into_bytes()
        });
        attacked.pipeline(agents).await;
        // SETTINGS_INITIAL_WINDOW_SIZE is 1: a byte of each answer is wanted.
        let asked: Vec<u8> = streams(100)
            .flat_map(|stream| frame::get(stream, path))
            .collect();
        let open = attacked
            .open(1200, &[opening(&[0, 4, 0, 0, 0, 1]), asked].concat())
            .await;
        attacked.end(&format!("HTTP/2, unread {path}")).await;
        drop(open);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "heavy: 1,200 connections"]
async fn http1_answers_that_nobody_reads_are_bounded() {
    let attacked = Attacked::start();
    let agents = (0..200).map(|n| {
        let agent = "x".repeat(250);
        format!("GET /pong HTTP/1.1\r\nHost: pong\r\nUser-Agent: {n}{agent}\r\n\r\n").into_bytes()
    });
    attacked.pipeline(agents).await;
    let asked = b"GET /metrics HTTP/1.1\r\nHost: pong\r\n\r\n".repeat(100);
    let open = attacked.open(1200, &asked).await;
    attacked.end("HTTP/1, unread /metrics").await;
    drop(open);
}
