//! Where a store lies: in a temporary file, in a file that stays, or in memory.
//!
//! A temporary file has no name any more once it is open: it goes with the process, also when that is killed. It lies on
//! a disk: on tmpfs a file takes memory.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use tempfile::TempDir;

use super::{pool::Pool, reader::Reader, schema, sql::Asked};

/// Connections for short questions, and for searches: a long search lets short questions through.
const QUICK: usize = 2;
const SEARCHES: usize = 3;

/// Connections for SQL that others write.
pub(crate) const QUERIES: usize = 2;

/// Kilobytes of pages that a connection keeps in memory.
const WRITER_CACHE: i64 = 8 << 10;
const READER_CACHE: i64 = 1 << 10;

/// How the one that writes is opened.
const WRITE: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_CREATE);

/// How long a connection waits for a lock. With a file, only what mends a journal holds one against readers.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The connections to a store.
pub(super) struct Connections {
    pub(super) writer: Connection,
    pub(super) quick: Pool<Reader>,
    pub(super) searches: Pool<Reader>,
    pub(super) queries: Vec<Asked>,
    /// What goes with them, where a file that is open cannot be without a name.
    pub(super) directory: Option<TempDir>,
}

impl Connections {
    fn open(
        open: impl Fn(OpenFlags) -> rusqlite::Result<Connection>,
        journal: &str,
    ) -> rusqlite::Result<Self> {
        let writer = open(WRITE)?;
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
                let connection = open(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
                connection.pragma_update(None, "cache_size", -READER_CACHE)?;
                // Opens the files that belong to it.
                connection.query_row("SELECT count(*) FROM block", [], |_| Ok(()))?;
                Ok(connection)
            });
            readers.collect::<rusqlite::Result<Vec<_>>>()
        };
        let pool = |count| -> rusqlite::Result<_> {
            let readers = readers(count)?.into_iter().map(Reader::new);
            Ok(Pool::new(readers.collect()))
        };
        Ok(Self {
            quick: pool(QUICK)?,
            searches: pool(SEARCHES)?,
            queries: readers(QUERIES)?
                .into_iter()
                .map(Asked::new)
                .collect::<rusqlite::Result<_>>()?,
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
    let mut connections = Connections::open(|flags| open(&file, flags), journal)?;
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
    Connections::open(|flags| open(Path::new(&name), flags), journal)
}

/// A file that stays. Another process, or another store of this one, cannot have it at the same time.
///
/// # Errors
///
/// See [`OpenError`]. The file is left as it was.
pub(super) fn file(file: &Path) -> Result<(Connections, File), OpenError> {
    let fault = |why| OpenError {
        file: file.to_owned(),
        why,
    };
    let mut name = file.as_os_str().to_owned();
    name.push("-lock");
    let mut options = OpenOptions::new();
    let lock = options.create(true).truncate(false).write(true).open(name);
    let lock = lock.map_err(|error| fault(Why::of_io(error)))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(fault(Why::InUse)),
        Err(TryLockError::Error(error)) => return Err(fault(Why::of_io(error))),
    }
    check_head(file).map_err(fault)?;
    let open = |flags| {
        let connection = open(file, flags)?;
        // SQLite opens a file that it may not write to all the same.
        match flags == WRITE && connection.is_readonly("main")? {
            true => Err(rusqlite::Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_READONLY),
                None,
            )),
            false => Ok(connection),
        }
    };
    let journal = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL";
    let connections = Connections::open(open, journal).map_err(|error| fault(Why::of(error)))?;
    // What a killed process has left in the journal goes into the file, and the version with it.
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    let done = connections.writer.query_row(checkpoint, [], |_| Ok(()));
    done.map_err(|error| fault(Why::of(error)))?;
    Ok((connections, lock))
}

/// Looks whether a file is a store, before SQLite gets it: without changing anything.
fn check_head(file: &Path) -> Result<(), Why> {
    let mut head = [0; 100];
    let length = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Why::of_io(error)),
        Ok(mut opened) => match opened.metadata() {
            Ok(metadata) if metadata.len() == 0 => return Ok(()),
            Ok(metadata) => {
                opened.read_exact(&mut head).map_err(|_| Why::Foreign)?;
                metadata.len()
            }
            Err(error) => return Err(Why::of_io(error)),
        },
    };
    let number = |place: usize| {
        i32::from_be_bytes([
            head[place],
            head[place + 1],
            head[place + 2],
            head[place + 3],
        ])
    };
    let (pages, version, application) = (number(28), number(60), number(68));
    if !head.starts_with(b"SQLite format 3\0") {
        return Err(Why::Foreign);
    }
    match (application, version) {
        (schema::APPLICATION, schema::VERSION) => {}
        (schema::APPLICATION, other) => return Err(Why::Version(other)),
        (0, 0) if pages <= 1 => {} // its process was killed before there was anything in it
        _ => return Err(Why::Foreign),
    }
    let mut journal = file.as_os_str().to_owned();
    journal.push("-wal");
    // With a journal, its last pages may stand there.
    let has_journal = std::fs::metadata(journal).is_ok_and(|journal| journal.len() > 0);
    match u64::try_from(pages) {
        Ok(pages) if length < pages * schema::PAGE && !has_journal => Err(Why::Damaged),
        _ => Ok(()),
    }
}

/// A file that cannot be a store. The text says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub struct OpenError {
    file: PathBuf,
    why: Why,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error("another process has it open; stop that one, or name another file")]
    InUse,
    #[error("it is something else than a store of telemetry; name another file")]
    Foreign,
    #[error(
        "it has version {0} and this program makes version {version}; open it with the program that made it, \
        save what it holds with /api/export, and load that", version = schema::VERSION
    )]
    Version(i32),
    #[error(
        "it is damaged; move it away to begin anew (`sqlite3 FILE .recover` reads what is left of it)"
    )]
    Damaged,
    #[error(
        "it cannot be written to; change its permissions and its directory's, or name another file"
    )]
    ReadOnly,
    #[error("the disk is full; free some of it, or name a file on another")]
    Full,
    #[error("{0}; name another file")]
    Other(String),
}

/// Why a store that is open cannot be written to.
pub(super) fn reason(error: rusqlite::Error) -> String {
    Why::of(error).to_string()
}

impl Why {
    fn of(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Foreign,
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                Self::ReadOnly
            }
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy) => Self::InUse,
            _ => Self::Other(error.to_string()),
        }
    }

    fn of_io(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::StorageFull => Self::Full,
            _ => Self::Other(error.to_string()),
        }
    }
}

fn open(file: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let always = OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags | always)?;
    connection.busy_timeout(PATIENCE)?;
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")?;
    Ok(connection)
}

#[cfg(target_os = "linux")]
fn is_in_memory(directory: &Path) -> bool {
    const TMPFS: u32 = 0x0102_1994;
    const RAMFS: u32 = 0x8584_58f6;
    let found = rustix::fs::statfs(directory);
    found.is_ok_and(|found| [TMPFS, RAMFS].contains(&(found.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_: &Path) -> bool {
    false
}
