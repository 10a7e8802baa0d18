//! A file of traces, put into the store before any are received.

use std::{fmt::Write, fs::File, io, path::Path};

use backend::{Loaded, Store};

/// Faults that are told; the rest is counted.
const TOLD: usize = 3;

/// Loads `file`, OTLP JSON lines, into `store`. Returns what to tell about it.
///
/// # Errors
///
/// It cannot be read, or nothing in it can be loaded.
pub(crate) fn load(file: &Path, store: &Store) -> io::Result<String> {
    let named = |error| io::Error::other(format!("{}: {error}", file.display()));
    let opened = File::open(file).map_err(named)?;
    let loaded = store.load(io::BufReader::new(opened)).map_err(named)?;
    let Loaded {
        spans,
        logs,
        points,
        faulty_lines,
        faults,
    } = loaded;
    if spans + logs + points == 0 {
        let nothing = "nothing in it is a line of OTLP's JSON".to_owned();
        let first = faults.first().map(|fault| format!("{nothing}; {fault}"));
        return Err(named(io::Error::other(first.unwrap_or(nothing))));
    }
    let mut text = format!(
        "{}: {spans} spans, {logs} log records and {points} metric points loaded.\n",
        file.display()
    );
    for fault in faults.iter().take(TOLD) {
        let _ = writeln!(text, "  {fault}"); // text takes all
    }
    if faulty_lines > TOLD {
        let _ = writeln!(
            text,
            "  and {} more lines are not as they should be",
            faulty_lines - TOLD
        );
    }
    text.push('\n');
    Ok(text)
}
