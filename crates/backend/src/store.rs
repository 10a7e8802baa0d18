//! The store: what has arrived, and who is told of it.
//!
//! SQLite keeps it, in a file. One connection writes, a transaction for each batch; others read what the last transaction
//! left, and wait for nobody.

mod blocks;
mod body;
mod differences;
mod evict;
mod finder;
mod functions;
mod log_finder;
mod metric_parts;
mod numbers;
mod outline;
mod place;
mod points;
mod pool;
mod reader;
mod row;
mod schema;
mod spans;
mod sql;
mod stored;
mod writer;

use std::{
    collections::HashSet,
    fmt,
    fs::File,
    io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use rusqlite::InterruptHandle;
use tokio::{sync::broadcast, time::timeout};

pub use place::OpenError;
pub(crate) use {
    differences::{Difference, What},
    outline::Outline,
    place::QUERIES,
    reader::{Found, Timed},
    rusqlite::types::Value as Parameter,
    sql::{Cell, Table},
    stored::{Pages, Stored},
};

use self::{
    differences::Differences,
    finder::Finder,
    log_finder::LogFinder,
    place::Connections,
    pool::Pool,
    reader::Reader,
    schema::PAGE,
    spans::Reading,
    sql::Asked,
    writer::{Bounds, Contents, Writer},
};
use crate::model::{
    id::{SpanId, TraceId},
    log::LogRecord,
    search::{Operation, Query},
    search_logs::{FoundLogs, LogQuery},
    span::Span,
    trace::Trace,
};

/// Changes that a reader may be behind before it loses some.
const CHANGES: usize = 1024;

/// Spans of a transaction: others have their turn between two.
const AT_ONCE: usize = 1024;

/// Bytes of a trace in memory that are enough to see what it is about.
const BEGINNING: usize = 8 << 20;

/// The smallest bound, in bytes: tables and journal take a part of it.
const SMALLEST: u64 = 1 << 20;

/// The bound of a store in memory, where there is no disk.
const IN_MEMORY: u64 = 64 << 20;

/// How long a batch waits for the journal to be emptied.
const JOURNAL_PATIENCE: Duration = Duration::from_millis(50);

/// How long a search may take that somebody waits for.
const SEARCH: Duration = Duration::from_secs(30);

/// How old something may become.
const AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Something in the store is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Spans of a trace have arrived.
    Trace {
        /// Which.
        id: TraceId,
        /// Spans it has now.
        spans: usize,
    },
    /// Log records have arrived.
    Logs,
    /// Metrics have arrived.
    Metrics,
}

/// A bounded store of traces, logs and metrics, for one person's screen and for tests.
///
/// The oldest go first when it is full, and what is older than 30 days.
pub struct Store {
    limit: u64,
    /// Pages of the journal from which on they are moved into the file, and at most.
    journal: [u64; 2],
    quick: Pool<Reader>,
    searches: Pool<Reader>,
    queries: Pool<Asked>,
    /// Of the queries: they keep the journal from being used again.
    interrupts: Vec<InterruptHandle>,
    is_journal_full: AtomicBool,
    // Dropped after those that read: the last connection moves the journal into the file, and has to write for that.
    writer: Mutex<Writer>,
    figures: Figures,
    warned: Warned,
    changes: broadcast::Sender<Change>,
    // Dropped after the connections.
    _directory: Option<tempfile::TempDir>,
    _lock: Option<File>,
}

/// How much is there, to be read without waiting.
#[derive(Default)]
struct Figures {
    traces: AtomicUsize,
    spans: AtomicUsize,
    logs: AtomicUsize,
    points: AtomicUsize,
    bytes: AtomicU64,
}

impl Store {
    /// A store in a temporary file that goes with the process, of at most `bytes` with its journal, and of a mebibyte at
    /// least. Where nothing can be written to, it is in memory, has at most 64 MiB, and a warning says so.
    ///
    /// # Errors
    ///
    /// SQLite cannot make it.
    pub fn temporary(bytes: u64) -> io::Result<Self> {
        match place::temporary() {
            Ok(connections) => Self::new(connections, bytes),
            Err(error) => {
                let limit = bytes.min(IN_MEMORY);
                tracing::warn!(
                    "no temporary file can be made ({error}): what arrives is kept in memory, {} MiB of it; \
                    set TMPDIR to a directory on a disk to keep more",
                    limit >> 20
                );
                Self::new(place::memory().map_err(io::Error::other)?, limit)
            }
        }
    }

    /// A store in a file that stays, of at most `bytes` with its journal. What the file holds already is there again.
    /// Beside it lie its journal (`-wal`, `-shm`), while it is open, and an empty file by which it is locked (`-lock`).
    ///
    /// # Errors
    ///
    /// It cannot be used; the text is an [`OpenError`]'s.
    pub fn open(file: &Path, bytes: u64) -> io::Result<Self> {
        let (connections, lock) = place::file(file).map_err(io::Error::other)?;
        let mut store = Self::new(connections, bytes)?;
        store._lock = Some(lock);
        Ok(store)
    }

    fn new(connections: Connections, bytes: u64) -> io::Result<Self> {
        let limit = bytes.max(SMALLEST);
        let pages = limit / PAGE;
        let checkpoint = (pages / 32).clamp(32, 4096);
        let journal = [checkpoint, 4 * checkpoint];
        let bounds = Bounds {
            pages: pages - journal[1],
            age: i64::try_from(AGE.as_nanos()).unwrap_or(i64::MAX),
        };
        let Connections {
            writer,
            quick,
            searches,
            queries,
            directory,
        } = connections;
        let store = Self {
            limit,
            journal,
            writer: Mutex::new(Writer::new(writer, bounds).map_err(io::Error::other)?),
            quick,
            searches,
            interrupts: queries.iter().map(Asked::interrupt_handle).collect(),
            queries: Pool::new(queries),
            is_journal_full: AtomicBool::new(false),
            figures: Figures::default(),
            warned: Warned::default(),
            changes: broadcast::Sender::new(CHANGES),
            _directory: directory,
            _lock: None,
        };
        store.update(&store.lock()).map_err(io::Error::other)?;
        Ok(store)
    }

    /// Adds spans, each to its trace. One that is there already (same trace, same id) is completed: an end, an error,
    /// attributes, events and links that it lacked are added.
    /// Returns how many were not kept: larger than a quarter of the store, or not to be written.
    pub fn insert_spans(&self, spans: Vec<Span>) -> usize {
        let all = spans.len();
        self.keep_spans(spans).unwrap_or(all)
    }

    /// The same. Returns how many were too large.
    ///
    /// # Errors
    ///
    /// The file cannot be written, and not all are kept.
    pub(crate) fn keep_spans(&self, mut spans: Vec<Span>) -> Result<usize, Unwritable> {
        let mut refused = 0;
        while !spans.is_empty() {
            let rest = spans.split_off(spans.len().min(AT_ONCE));
            let some = std::mem::replace(&mut spans, rest);
            refused += self.write(|writer| {
                let (changed, refused) = writer.insert_spans(some)?;
                let changes = changed.into_iter().map(|(id, spans)| Change::Trace {
                    id,
                    spans: usize::try_from(spans).unwrap_or(usize::MAX),
                });
                Ok((changes.collect(), refused))
            })?;
        }
        Ok(refused)
    }

    /// Adds log records. Returns how many were not kept: larger than a quarter of the store, or not to be written.
    pub fn insert_logs(&self, records: Vec<LogRecord>) -> usize {
        let all = records.len();
        self.keep_logs(records).unwrap_or(all)
    }

    /// The same. Returns how many were too large.
    ///
    /// # Errors
    ///
    /// The file cannot be written, and none is kept.
    pub(crate) fn keep_logs(&self, records: Vec<LogRecord>) -> Result<usize, Unwritable> {
        let count = records.len();
        if count == 0 {
            return Ok(0);
        }
        self.write(|writer| {
            let refused = writer.insert_logs(records)?;
            Ok((
                Vec::from_iter((refused < count).then_some(Change::Logs)),
                refused,
            ))
        })
    }

    /// Adds the points of a resource's metrics. `false`: none is kept, since together they are larger than a quarter of the
    /// store, or cannot be written.
    pub fn insert_metrics(&self, metrics: ResourceMetrics) -> bool {
        self.keep_metrics(metrics)
            .is_ok_and(|[_, refused]| refused == 0)
    }

    /// The same. Returns how many were kept, and how many were too large.
    ///
    /// # Errors
    ///
    /// The file cannot be written, and none is kept.
    pub(crate) fn keep_metrics(&self, metrics: ResourceMetrics) -> Result<[usize; 2], Unwritable> {
        self.write(|writer| {
            let [kept, refused] = writer.insert_metrics(metrics)?;
            let change = (kept > 0).then_some(Change::Metrics);
            Ok((Vec::from_iter(change), [kept, refused]))
        })
    }

    /// Does `work`, and tells of the changes that it gives. Returns what it gives besides.
    fn write<T>(
        &self,
        work: impl FnOnce(&mut Writer) -> rusqlite::Result<(Vec<Change>, T)>,
    ) -> Result<T, Unwritable> {
        let mut writer = self.lock();
        let done = work(&mut writer).and_then(|done| {
            self.keep_journal_small(&writer)?;
            self.update(&writer)?;
            Ok(done)
        });
        match done {
            Ok((changes, done)) => {
                for change in changes {
                    let _ = self.changes.send(change); // an error says that nobody listens
                }
                Ok(done)
            }
            Err(error) => {
                self.warned
                    .warn("what arrives is not kept until that is mended", &error);
                Err(Unwritable(place::reason(error)))
            }
        }
    }

    /// Moves the journal into the file from time to time.
    fn keep_journal_small(&self, writer: &Writer) -> rusqlite::Result<()> {
        let [checkpoint, most] = self.journal;
        if writer.journal() >= most {
            return self.empty_journal(writer);
        }
        if writer.journal() >= checkpoint {
            writer.checkpoint("PASSIVE")?;
        }
        Ok(())
    }

    /// Begins the journal anew, which nobody may read meanwhile: queries are ended, and others wait. It is tried for a
    /// moment only, since what arrives waits too, and again with the next batch.
    fn empty_journal(&self, writer: &Writer) -> rusqlite::Result<()> {
        self.is_journal_full.store(true, Ordering::Relaxed);
        let start = Instant::now();
        let mut is_empty = Ok(false);
        while matches!(is_empty, Ok(false)) && start.elapsed() < JOURNAL_PATIENCE {
            self.interrupts.iter().for_each(InterruptHandle::interrupt);
            is_empty = writer.checkpoint("TRUNCATE");
            thread::sleep(Duration::from_millis(1));
        }
        self.is_journal_full.store(false, Ordering::Relaxed);
        is_empty.map(|_| ())
    }

    fn update(&self, writer: &Writer) -> rusqlite::Result<()> {
        let Contents {
            traces,
            spans,
            logs,
            points,
        } = writer.contents;
        let figures = &self.figures;
        for (figure, number) in [
            (&figures.traces, traces),
            (&figures.spans, spans),
            (&figures.logs, logs),
            (&figures.points, points),
        ] {
            figure.store(usize::try_from(number).unwrap_or(0), Ordering::Relaxed);
        }
        figures.bytes.store(writer.used()?, Ordering::Relaxed);
        Ok(())
    }

    /// What `work` reads, all of one moment; nothing, and a warning, if the file cannot be read.
    fn read<T: Default>(
        &self,
        pool: &Pool<Reader>,
        work: impl FnOnce(&mut Reader) -> rusqlite::Result<T>,
    ) -> T {
        pool.with(|reader| reader.at_once(work))
            .unwrap_or_else(|error| {
                self.warned.warn("what was kept cannot be read", &error);
                T::default()
            })
    }

    /// The trace `id`, as far as it has arrived and is still there: whole, in memory.
    pub fn trace(&self, id: TraceId) -> Option<Trace> {
        self.whole(self.find(id)?)
    }

    /// Where the trace `id` is.
    pub(crate) fn find(&self, id: TraceId) -> Option<Found> {
        self.read(&self.quick, |reader| reader.find(id))
    }

    /// None if it has gone meanwhile.
    fn whole(&self, found: Found) -> Option<Trace> {
        let spans: Vec<_> = self.pages(found).flatten().collect();
        (!spans.is_empty()).then(|| Trace::new(found.id, spans))
    }

    /// The spans of a trace by start, read while they are asked for: pages, none empty and none of much more than 64 KiB.
    pub(crate) fn pages(&self, found: Found) -> impl Iterator<Item = Vec<Arc<Span>>> {
        let mut reading = Reading::new(found);
        std::iter::from_fn(move || {
            let page = self.read(&self.quick, |reader| reading.next(reader));
            (!page.is_empty()).then_some(page)
        })
    }

    /// Those of `ids` that no span of the trace has.
    fn missing(&self, found: Found, mut ids: HashSet<SpanId>) -> HashSet<SpanId> {
        self.read(&self.quick, |reader| {
            spans::remove_known(reader, found, &mut ids)
        });
        ids
    }

    /// The first [`BEGINNING`] bytes of a trace.
    fn beginning(&self, found: Found) -> Option<Trace> {
        let pages = BEGINNING / spans::BYTES;
        let spans: Vec<_> = self.pages(found).take(pages).flatten().collect();
        (!spans.is_empty()).then(|| Trace::new(found.id, spans))
    }

    /// The first [`BEGINNING`] bytes of each trace that `query` looks for; an error, and nothing more, once that takes
    /// longer than [`SEARCH`].
    pub(crate) fn beginnings(&self, query: &Query) -> impl Iterator<Item = Result<Trace, TooLong>> {
        let start = Instant::now();
        let (found, error) = match self.find_all(query) {
            Ok(found) => (found, None),
            Err(error) => (Vec::new(), Some(Err(error))),
        };
        let traces = found
            .into_iter()
            .filter_map(move |found| match start.elapsed() < SEARCH {
                true => self.beginning(found).map(Ok),
                false => Some(Err(TooLong)),
            });
        traces.chain(error)
    }

    /// What a list shows of a trace.
    pub(crate) fn outline(&self, found: Found) -> Option<Outline> {
        self.read(&self.quick, |reader| outline::outline(reader, found))
    }

    /// The trace that arrived next after the one with the number `after`.
    pub(crate) fn next(&self, after: i64) -> Option<Found> {
        self.read(&self.quick, |reader| reader.next(after))
    }

    /// At most `limit` traces, the one that began to arrive last first.
    pub fn latest(&self, limit: usize) -> Vec<Trace> {
        self.search(&Query {
            limit,
            ..Query::default()
        })
    }

    /// Like [`latest`](Self::latest), of those in which the service took part.
    pub fn latest_of(&self, service: &str, limit: usize) -> Vec<Trace> {
        self.search(&Query {
            service: Some(service.to_owned()),
            limit,
            ..Query::default()
        })
    }

    /// The traces that `query` looks for, the one that began to arrive last first.
    ///
    /// Quick if there are many, or if it names a service or an operation; to find that no trace has some attribute or
    /// text, all of them are looked into, which takes the calling thread up to a second a million spans.
    pub fn search(&self, query: &Query) -> Vec<Trace> {
        self.matching(query).collect()
    }

    /// Like [`search`](Self::search), each when it is asked for: all together they may be larger than memory.
    pub fn matching(&self, query: &Query) -> impl Iterator<Item = Trace> {
        self.found(query).filter_map(|found| self.whole(found))
    }

    fn found(&self, query: &Query) -> impl Iterator<Item = Found> {
        let mut finder = Finder::new(query);
        let steps = std::iter::from_fn(move || self.step(&mut finder));
        steps.flatten().take(query.limit)
    }

    /// Goes on with a search. One that indexes answer does not wait for those that look into spans.
    fn step(&self, finder: &mut Finder<'_>) -> Option<Vec<Found>> {
        let pool = match finder.looks_into_spans() {
            true => &self.searches,
            false => &self.quick,
        };
        self.read(pool, |reader| finder.step(reader))
    }

    /// Where the traces are that `query` looks for, the one that began to arrive last first.
    ///
    /// # Errors
    ///
    /// It takes longer than [`SEARCH`].
    pub(crate) fn find_all(&self, query: &Query) -> Result<Vec<Found>, TooLong> {
        self.find_within(SEARCH, query)
    }

    fn find_within(&self, limit: Duration, query: &Query) -> Result<Vec<Found>, TooLong> {
        let start = Instant::now();
        let mut finder = Finder::new(query);
        let mut all = Vec::new();
        while all.len() < query.limit
            && let Some(found) = self.step(&mut finder)
        {
            all.extend(found);
            if start.elapsed() >= limit {
                return Err(TooLong);
            }
        }
        all.truncate(query.limit);
        Ok(all)
    }

    /// In what the traces `selected` differ most from `others`, and how many there are of both; at most `limit` differences.
    pub(crate) fn differences(
        &self,
        selected: &[TraceId],
        others: &[TraceId],
        limit: usize,
    ) -> ([usize; 2], Vec<Difference>) {
        let mut differences = Differences::default();
        let selected = selected.iter().map(|id| (id, false));
        for (id, is_other) in selected.chain(others.iter().map(|id| (id, true))) {
            self.read(&self.searches, |reader| match reader.find(*id)? {
                Some(found) => differences.add(reader, found, is_other),
                None => Ok(()),
            });
        }
        (differences.traces(), differences.largest(limit))
    }

    /// What a query finds: at most `limit` rows.
    ///
    /// # Errors
    ///
    /// Why it is not answered, for people.
    pub(crate) fn sql(
        &self,
        sql: &str,
        parameters: &[Parameter],
        limit: usize,
    ) -> Result<Table, String> {
        while self.is_journal_full.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(1));
        }
        let found = self
            .queries
            .with(|asked| asked.query(sql, parameters, limit));
        found.map_err(|error| sql::reason(&error))
    }

    /// The spans of a service that began after `since`, measured from 1970-01-01 UTC; at most `limit`, the last to arrive.
    pub(crate) fn timed(&self, service: &str, since: Duration, limit: usize) -> Vec<Timed> {
        self.read(&self.searches, |reader| reader.timed(service, since, limit))
    }

    /// Names of the services of which spans are kept, sorted.
    pub fn services(&self) -> Vec<String> {
        self.read(&self.quick, Reader::services)
    }

    /// Names and roles that spans of `service` have, each pair once, sorted.
    pub fn operations(&self, service: &str) -> Vec<Operation> {
        self.read(&self.quick, |reader| reader.operations(service))
    }

    /// The log records kept, oldest arrival first: all of them, in memory.
    pub fn logs(&self) -> Vec<Arc<LogRecord>> {
        self.log_pages().flatten().collect()
    }

    /// The same in pages.
    pub(crate) fn log_pages(&self) -> impl Iterator<Item = Vec<Arc<LogRecord>>> {
        let mut after = i64::MIN;
        std::iter::from_fn(move || {
            let page = self.read(&self.quick, |reader| reader.logs_after(&mut after));
            (!page.is_empty()).then_some(page)
        })
    }

    /// The log records kept that were made in the trace, or in one span of it, oldest arrival first.
    pub fn logs_of(&self, trace: TraceId, span: Option<SpanId>) -> Vec<Arc<LogRecord>> {
        let query = LogQuery {
            trace: Some(trace),
            span,
            limit: usize::MAX,
            ..LogQuery::default()
        };
        self.latest_logs(&query).logs
    }

    /// The log records that arrived last of those that match.
    pub(crate) fn latest_logs(&self, query: &LogQuery) -> FoundLogs {
        let start = Instant::now();
        let mut finder = LogFinder::new(query);
        let pool = match finder.looks_into_records() {
            true => &self.searches,
            false => &self.quick,
        };
        loop {
            let step = |reader: &mut Reader| finder.step(reader).map(Some);
            let truncated = match self.read(pool, step) {
                Some(Some(truncated)) => truncated,
                Some(None) if start.elapsed() < SEARCH => continue,
                // Its time is over, or the file cannot be read, which was said.
                Some(None) | None => true,
            };
            return finder.into_found(truncated);
        }
    }

    /// The metric points kept, oldest arrival first: all of them, in memory. Those of a metric that came one after the other
    /// are together.
    pub fn metrics(&self) -> Vec<ResourceMetrics> {
        self.point_pages().flatten().collect()
    }

    /// The same in pages.
    pub(crate) fn point_pages(&self) -> impl Iterator<Item = Vec<ResourceMetrics>> {
        let mut after = i64::MIN;
        std::iter::from_fn(move || {
            let page = self.read(&self.quick, |reader| points::after(reader, &mut after));
            (!page.is_empty()).then_some(page)
        })
    }

    /// Traces kept.
    pub fn len(&self) -> usize {
        self.figures.traces.load(Ordering::Relaxed)
    }

    /// Whether there is no trace.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Spans kept, of all traces.
    pub fn span_count(&self) -> usize {
        self.figures.spans.load(Ordering::Relaxed)
    }

    /// Log records kept.
    pub fn log_count(&self) -> usize {
        self.figures.logs.load(Ordering::Relaxed)
    }

    /// Metric points kept.
    pub fn point_count(&self) -> usize {
        self.figures.points.load(Ordering::Relaxed)
    }

    /// Bytes of the file in use. With the journal the file never takes more than [`limit`](Self::limit).
    pub fn bytes(&self) -> u64 {
        self.figures.bytes.load(Ordering::Relaxed)
    }

    /// The bound, in bytes.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Changes from now on. A reader that falls more than 1024 behind is told how many it missed
    /// ([`RecvError::Lagged`](broadcast::error::RecvError::Lagged)) and can look at the store anew; nobody waits for it.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Waits until `look` finds what it looks for; it is asked at once, and again after changes.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] after `limit`; its text says what the store holds instead.
    pub async fn wait_for<T>(
        &self,
        limit: Duration,
        mut look: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T, TimedOut> {
        let found = timeout(limit, async {
            let mut changes = self.subscribe();
            loop {
                if let Some(found) = look(self) {
                    return found;
                }
                // Closed cannot be, the sender is `self`; having missed some is as good as one.
                let _ = changes.recv().await;
                changes = changes.resubscribe(); // one look for all changes so far
            }
        });
        found.await.map_err(|_| TimedOut {
            limit,
            contents: self.summary(),
        })
    }

    /// Waits for a trace with at least `spans` spans; the oldest, if there are several.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] after `limit`.
    pub async fn wait_for_trace(&self, spans: usize, limit: Duration) -> Result<Trace, TimedOut> {
        self.wait_for(limit, |store| {
            let found = store.read(&store.quick, |reader| reader.find_with(spans))?;
            store.whole(found)
        })
        .await
    }

    fn summary(&self) -> String {
        let traces = self.latest(8).into_iter().map(|trace| {
            let names: Vec<_> = trace.spans.iter().map(|span| span.name.as_str()).collect();
            format!(
                "\n  {} ({} spans: {})",
                trace.id,
                names.len(),
                names.join(", ")
            )
        });
        format!(
            "{} traces, {} log records, {} metric points{}",
            self.len(),
            self.log_count(),
            self.point_count(),
            traces.collect::<String>()
        )
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        // A panic under the lock would be a bug, yet no reason to lose what has arrived.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("traces", &self.len())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

/// What arrived is not kept, or not all of it. The text says what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it cannot be kept: {0}")]
pub(crate) struct Unwritable(String);

/// A search that was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the search was cut off after {} s; name a service or an operation, or look for fewer traces", SEARCH.as_secs()
)]
pub(crate) struct TooLong;

/// Says what is wrong with the file, not more than once in ten seconds.
#[derive(Default)]
struct Warned(Mutex<Option<Instant>>);

impl Warned {
    fn warn(&self, what: &str, error: &rusqlite::Error) {
        const PAUSE: Duration = Duration::from_secs(10);
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= PAUSE) {
            tracing::warn!("{what}: {error}");
            *last = Some(Instant::now());
        }
    }
}

/// What was waited for did not come.
#[derive(Debug, thiserror::Error)]
#[error("not there after {limit:?}; the store holds {contents}")]
pub struct TimedOut {
    limit: Duration,
    contents: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_cut_off_when_its_time_is_over() {
        let store = Store::temporary(SMALLEST).unwrap();
        let span =
            r#"{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}"#;
        let line = format!(r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{span}]}}]}}]}}"#);
        store.load(line.as_bytes()).unwrap();
        let of = |text: &str| Query {
            text: Some(text.to_owned()),
            ..Query::default()
        };
        assert_eq!(store.find_within(SEARCH, &of("nowhere")).unwrap().len(), 0);
        assert_eq!(store.find_within(SEARCH, &of("5b8e")).unwrap().len(), 1);
        let cut_off = store.find_within(Duration::ZERO, &of("5b8e"));
        assert_eq!(cut_off.err(), Some(TooLong));
    }
}
