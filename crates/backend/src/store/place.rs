//! Where a store lies: in a temporary file, in a file that stays, or in memory.
//!
//! A temporary file has no name any more once it is open: it goes with the process, also when that is killed. It lies on
//! a disk: on tmpfs a file takes memory.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use super::{pool::Pool, reader::Reader, schema};

/// Connections for short questions, and for searches: a long search lets short questions through.
const QUICK: usize = 2;
const SEARCHES: usize = 3;

/// Kilobytes of pages that a connection keeps in memory.
const WRITER_CACHE: i64 = 8 << 10;
const READER_CACHE: i64 = 1 << 10;

/// How long a connection waits for a lock. With a file, only what mends a journal holds one against readers.
const PATIENCE: Duration = Duration::from_secs(10);

/// The connections to a store.
pub(super) struct Connections {
    pub(super) writer: Connection,
    pub(super) quick: Pool,
    pub(super) searches: Pool,
    /// What goes with them, where a file that is open cannot be without a name.
    pub(super) directory: Option<TempDir>,
}

impl Connections {
    fn open(
        open: impl Fn() -> rusqlite::Result<Connection>,
        journal: &str,
    ) -> rusqlite::Result<Self> {
        let writer = open()?;
        writer.pragma_update(None, "cache_size", -WRITER_CACHE)?;
        writer.execute_batch(journal)?;
        if writer.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
            row.get::<_, i64>(0)
        })? == 0
        {
            schema::create(&writer)?;
        }
        let readers = |count| {
            let readers = (0..count).map(|_| {
                let connection = open()?;
                connection.pragma_update(None, "cache_size", -READER_CACHE)?;
                connection.pragma_update(None, "query_only", true)?;
                // Opens the files that belong to it.
                connection.query_row("SELECT count(*) FROM latest", [], |_| Ok(()))?;
                Ok(Reader::new(connection))
            });
            readers.collect::<rusqlite::Result<_>>().map(Pool::new)
        };
        Ok(Self {
            quick: readers(QUICK)?,
            searches: readers(SEARCHES)?,
            writer,
            directory: None,
        })
    }
}

/// A file on a disk that goes with the process.
///
/// # Errors
///
/// There is no disk that can be written to; the last reason.
pub(super) fn temporary() -> io::Result<Connections> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "there is no directory on a disk");
    for directory in directories() {
        if is_in_memory(&directory) {
            continue;
        }
        let opened = tempfile::Builder::new()
            .prefix("telemetry-")
            .tempdir_in(&directory)
            .and_then(|directory| unnamed(directory).map_err(io::Error::other));
        match opened {
            Ok(connections) => return Ok(connections),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Candidates, the usual one first.
fn directories() -> impl Iterator<Item = PathBuf> {
    let of_user = std::env::home_dir().map(|home| home.join(".cache"));
    [std::env::temp_dir(), "/var/tmp".into()]
        .into_iter()
        .chain(of_user)
}

/// A file in `directory`, both without a name afterwards.
fn unnamed(directory: TempDir) -> rusqlite::Result<Connections> {
    let file = directory.path().join("store.db");
    let journal = "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF";
    let mut connections = Connections::open(|| open(&file), journal)?;
    connections.directory = (!cfg!(unix)).then_some(directory);
    Ok(connections)
}

/// # Errors
///
/// Those of SQLite.
pub(super) fn memory() -> rusqlite::Result<Connections> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!(
        "file:/telemetry-{}?vfs=memdb",
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let journal = "PRAGMA journal_mode = MEMORY; PRAGMA temp_store = MEMORY";
    Connections::open(|| open(Path::new(&name)), journal)
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")?;
    Ok(connection)
}

#[cfg(target_os = "linux")]
fn is_in_memory(directory: &Path) -> bool {
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    rustix::fs::statfs(directory)
        .is_ok_and(|found| [TMPFS, RAMFS].contains(&i64::from(found.f_type)))
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_: &Path) -> bool {
    false
}
