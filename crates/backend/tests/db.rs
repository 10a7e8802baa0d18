//! The file of a store: what it keeps, what it refuses, and what is left of it when its process is killed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "parts/plain.rs"]
mod plain;

use std::{
    fs,
    io::{BufRead, BufReader, Lines, Write},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};

use backend::{Attributes, Backend, LogRecord, Query, Settings, Span, SpanKind, Store};
use tempfile::TempDir;

const BOUND: u64 = 16 << 20;

fn span(trace: u64, id: u64) -> Span {
    Span {
        kind: SpanKind::Server,
        start_unix_nanos: id,
        end_unix_nanos: id + 5,
        attributes: Attributes::from([("text", "x".repeat(200).into())]),
        ..plain::span(trace, id)
    }
}

fn log(text: &str) -> LogRecord {
    LogRecord {
        unix_nanos: 1,
        trace_id: Some(span(1, 1).trace_id),
        resource: Arc::default(),
        ..plain::log(text.to_owned())
    }
}

fn file(directory: &TempDir) -> PathBuf {
    directory.path().join("telemetry.db")
}

/// Why `file` cannot be opened; it must be left as it was.
#[track_caller]
fn refusal(file: &Path) -> String {
    let before = fs::read(file).unwrap();
    let refused = Store::open(file, BOUND).unwrap_err().to_string();
    assert!(fs::read(file).unwrap() == before, "{refused}");
    assert!(
        refused.starts_with(file.to_str().unwrap()) && !refused.contains('\n'),
        "{refused}"
    );
    refused
}

#[test]
fn what_is_in_the_file_is_there_again() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(&file(&directory), BOUND).unwrap();
    store.insert_spans(vec![span(1, 1), span(2, 1)]);
    store.insert_logs(vec![log("a line")]);
    let metrics = plain::metrics("memory", 7.0);
    assert!(store.insert_metrics(metrics.clone()));
    let (traces, logs) = (store.latest(10), store.logs());
    drop(store);
    let left = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut left: Vec<_> = left.collect();
    left.sort();
    assert_eq!(left, ["telemetry.db", "telemetry.db-lock"], "no journal");

    let store = Store::open(&file(&directory), BOUND).unwrap();
    assert_eq!(
        (store.len(), store.span_count(), store.log_count()),
        (2, 2, 1)
    );
    assert_eq!((store.latest(10), store.logs()), (traces, logs));
    assert_eq!(store.metrics(), [metrics]);
    assert_eq!(store.services(), ["Ping"]);
    store.insert_spans(vec![span(1, 1), span(1, 2), span(3, 1)]);
    let pings = Query {
        service: Some("Ping".into()),
        ..Query::default()
    };
    let spans: Vec<_> = store
        .search(&pings)
        .iter()
        .map(|trace| trace.spans.len())
        .collect();
    assert_eq!(spans, [1, 1, 2], "newest first");
}

#[test]
fn a_file_in_use_is_refused() {
    let directory = TempDir::new().unwrap();
    let first = Store::open(&file(&directory), BOUND).unwrap();
    let refused = Store::open(&file(&directory), BOUND)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("another process has it open; stop that one"),
        "{refused}"
    );
    drop(first);
    Store::open(&file(&directory), BOUND).unwrap();
}

#[test]
fn what_is_no_store_is_refused() {
    let directory = TempDir::new().unwrap();
    let file = file(&directory);
    for content in ["text".to_owned(), "a longer text".repeat(1000)] {
        fs::write(&file, content).unwrap();
        assert!(refusal(&file).contains("something else than a store"));
    }
    fs::remove_file(&file).unwrap();
    let other = rusqlite::Connection::open(&file).unwrap();
    other
        .execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        .unwrap();
    drop(other);
    assert!(refusal(&file).contains("something else than a store"));
}

#[test]
fn another_versions_file_is_refused() {
    let directory = TempDir::new().unwrap();
    let file = file(&directory);
    drop(Store::open(&file, BOUND).unwrap());
    let other = rusqlite::Connection::open(&file).unwrap();
    other
        .execute_batch("PRAGMA user_version = 77; PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    drop(other);
    let refused = refusal(&file);
    assert!(
        refused.contains("version 77") && refused.contains("/api/export"),
        "{refused}"
    );
}

#[test]
fn a_file_that_was_cut_off_is_refused() {
    let directory = TempDir::new().unwrap();
    let file = file(&directory);
    let store = Store::open(&file, BOUND).unwrap();
    store.insert_spans((1..1000).map(|trace| span(trace, 1)).collect());
    drop(store);
    let whole = fs::read(&file).unwrap();
    for length in [whole.len() - 4096, whole.len() / 2, 5000, 50] {
        fs::write(&file, &whole[..length]).unwrap();
        let refused = refusal(&file);
        assert!(
            length < 100 || refused.contains("move it away to begin anew"),
            "{refused}"
        );
    }
    fs::write(&file, &whole).unwrap();
    assert_eq!(Store::open(&file, BOUND).unwrap().len(), 999);
}

/// Lets this thread, not its process, do only what everybody may: nothing is read-only to root.
#[cfg(target_os = "linux")]
fn become_nobody() {
    let nobody = rustix::thread::Uid::from_raw(65534);
    let _ = rustix::thread::set_thread_uid(nobody); // refused to whoever is not root, and not needed then
}

#[test]
#[cfg(target_os = "linux")]
fn what_may_not_be_written_to_is_refused() {
    let directory = TempDir::new().unwrap();
    let file = file(&directory);
    drop(Store::open(&file, BOUND).unwrap());
    let permit = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let lock = directory.path().join("telemetry.db-lock");
    permit(&lock, 0o666);
    permit(&file, 0o444);
    permit(directory.path(), 0o777);
    let as_nobody = || {
        let refused = || {
            become_nobody();
            refusal(&file)
        };
        std::thread::scope(|scope| scope.spawn(refused).join().unwrap())
    };
    let of_file = as_nobody();
    fs::remove_file(&lock).unwrap();
    permit(directory.path(), 0o555);
    let of_directory = as_nobody();
    permit(directory.path(), 0o755);
    for refused in [of_file, of_directory] {
        assert!(
            refused.ends_with("it cannot be written to; change its permissions and its directory's, or name another file"),
            "{refused}"
        );
    }
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let refused = Store::open(Path::new("/nowhere/telemetry.db"), BOUND)
        .unwrap_err()
        .to_string();
    assert!(refused.starts_with("/nowhere/telemetry.db: "), "{refused}");
}

#[test]
fn file_and_journal_stay_below_the_bound_while_somebody_reads() {
    let directory = TempDir::new().unwrap();
    let file = file(&directory);
    const SMALL: u64 = 4 << 20;
    let store = Store::open(&file, SMALL).unwrap();
    let size = |end: &str| {
        let name = format!("{}{end}", file.display());
        fs::metadata(name).map_or(0, |metadata| metadata.len())
    };
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let nowhere = Query {
                text: Some("nowhere".into()),
                ..Query::default()
            };
            while store.trace(span(1, 1).trace_id).is_some() || store.is_empty() {
                assert_eq!(store.search(&nowhere), []);
            }
        });
        let mut traces = 1..;
        while !reader.is_finished() || traces.start < 20_000 {
            let some: Vec<_> = traces
                .by_ref()
                .take(200)
                .map(|trace| span(trace, 1))
                .collect();
            assert_eq!(store.insert_spans(some), 0);
            let all = size("") + size("-wal") + size("-shm");
            assert!(all <= SMALL, "{all}");
        }
    });
    assert!(size("") > SMALL / 2, "the room is used");
}

/// Says to [`process`] what to do.
const TASK: &str = "STORE_TASK";

/// A process that works with a store, and is killed at the end.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Started by `shell`, in which `$0` is the program.
    fn start(task: &str, file: &Path, shell: &str) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", shell])
            .arg(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "process"])
            .env(TASK, format!("{task} {}", file.display()))
            .env("TMPDIR", file.parent().unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// What comes after `what` in its next line with that.
    fn says(&mut self, what: &str) -> String {
        let mut lines = self.lines.by_ref().map_while(Result::ok);
        lines
            .find_map(|line| line.strip_prefix(what).map(str::to_owned))
            .unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "the process that the others start; alone it ends at once"]
#[allow(
    clippy::disallowed_methods,
    reason = "its only setting, which the other tests give it"
)]
fn process() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    let (task, file) = task.split_once(' ').unwrap();
    if task == "receive" {
        return receive(file.into());
    }
    let store = match task {
        "temporary" => Store::temporary(BOUND).unwrap(),
        _ => Store::open(Path::new(file), 1 << 30).unwrap(),
    };
    println!("\nopened ");
    for trace in (1..).step_by(100) {
        let spans = (trace..trace + 100).map(|trace| span(trace, 1)).collect();
        let refused = store.insert_spans(spans);
        if refused > 0 {
            println!("refused {} {}", store.len(), store.latest(usize::MAX).len());
        }
        println!("kept {}", store.len());
        std::io::stdout().flush().unwrap();
        if task == "temporary" {
            std::thread::park();
        }
    }
}

/// Receives until it is killed.
#[tokio::main]
async fn receive(file: PathBuf) {
    let settings = Settings {
        store_file: Some(file),
        ..Settings::on_free_ports()
    };
    let backend = Backend::start(settings).unwrap();
    println!("\nlistens {}", backend.otlp_http());
    std::future::pending().await
}

const PLAINLY: &str = r#"exec "$0" "$@""#;

#[test]
fn what_was_kept_is_there_after_the_process_was_killed_while_it_wrote() {
    let directory = TempDir::new().unwrap();
    let file = file(&directory);
    for round in 1..=3 {
        let mut process = Process::start("write", &file, PLAINLY);
        let mut kept = 0;
        for _ in 0..100 * round {
            kept = process.says("kept ").parse().unwrap();
        }
        drop(process);
        let store = Store::open(&file, 1 << 30).unwrap();
        assert!(store.len() >= kept, "{} of {kept}", store.len());
        assert_eq!(store.latest(usize::MAX).len(), store.len());
    }
}

/// A file may not have more than so many blocks of 512 bytes: as if the disk ended there.
const ON_A_SMALL_DISK: &str = r#"trap '' XFSZ; ulimit -f 4000; exec "$0" "$@""#;

#[test]
fn a_full_disk_refuses_what_comes_and_loses_nothing_else() {
    let directory = TempDir::new().unwrap();
    let file = file(&directory);
    let mut process = Process::start("write", &file, ON_A_SMALL_DISK);
    for _ in 0..3 {
        let said = process.says("refused ");
        let (kept, read) = said.split_once(' ').unwrap();
        assert_eq!(kept, read);
        assert!(kept.parse::<usize>().unwrap() > 1000, "{kept}");
    }
    let kept: usize = process.says("kept ").parse().unwrap();
    drop(process);
    let store = Store::open(&file, 1 << 30).unwrap();
    assert!(store.len() >= kept, "{} of {kept}", store.len());
    assert_eq!(
        store.insert_spans(vec![span(u64::MAX, 1)]),
        0,
        "there is room again"
    );
}

#[test]
fn whoever_sends_to_a_full_disk_is_told_to_come_again() {
    let directory = TempDir::new().unwrap();
    let mut process = Process::start("receive", &file(&directory), ON_A_SMALL_DISK);
    let url = format!("http://{}/v1/logs", process.says("listens "));
    let text = "x".repeat(100_000);
    let log = format!(
        r#"{{"resourceLogs": [{{"scopeLogs": [{{"logRecords": [{{"body": {{"stringValue": "{text}"}}}}]}}]}}]}}"#
    );
    let http = reqwest::blocking::Client::new();
    let post = || {
        let request = http.post(&url).header("content-type", "application/json");
        request.body(log.clone()).send().unwrap()
    };
    let mut answers = std::iter::repeat_with(post).take(100);
    let refused = answers.find(|answer| answer.status() != 200).unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    let why = refused.text().unwrap();
    // Of a disk that ends, not of a limit, SQLite would say that it is full.
    assert!(
        why.contains("it cannot be kept: disk I/O error; name another file"),
        "{why}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_temporary_file_has_no_name_and_goes_with_a_process_that_is_killed() {
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut process = Process::start("temporary", &file(&directory), PLAINLY);
    process.says("kept ");
    let descriptors = fs::read_dir(format!("/proc/{}/fd", process.child.id())).unwrap();
    let open = descriptors.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let of_store: Vec<_> = open
        .filter(|file| file.starts_with(directory.path()))
        .collect();
    assert!(
        of_store.len() > 10,
        "file and journal of each connection: {of_store:?}"
    );
    assert!(
        of_store
            .iter()
            .all(|file| file.to_str().unwrap().ends_with(" (deleted)")),
        "{of_store:?}"
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
