//! A trace as text, for a terminal.
//!
//! ```text
//! 12:04:31Z  4bf92f35  GET /ping  4.12 ms  5 spans, 2 services
//!   GET /ping                  server    Ping  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━    4.12 ms
//!   └ ping-request             internal  Ping   ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╸    3.98 ms
//!     │ · Update metrics                                                        ◆    +4.01 ms
//! ```
//!
//! Always with colours: whoever writes it to something that wants none takes them out.

use std::{
    collections::HashSet,
    fmt::{Display, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anstyle::{AnsiColor, Style};
use backend::{Event, Orphan, Row, Span, Trace};
use chrono::DateTime;

use crate::{duration::duration, text::Text, timeline::Timeline};

/// Lines of one trace after which no further span is printed; a screen is not for more.
const LINES: usize = 200;

/// Events of one span that are printed.
const EVENTS: usize = 20;

/// Columns of the header for what went wrong, if that is not more than a third of them.
const FAILURE: usize = 32;

/// Depth from which on the tree is not indented any further, on a terminal that is wide enough.
const DEPTH: usize = 10;

/// Wider lines are hard to follow, narrower ones hold nothing.
const WIDEST: usize = 160;
const NARROWEST: usize = 40;

const INDENT: usize = 2;
const GAP: usize = 2;
const DURATION: usize = 9;
const KIND: usize = 8;
const NARROWEST_NAME: usize = 12;
const NARROWEST_BAR: usize = 10;

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const ERROR: Style = AnsiColor::Red.on_default();
const PALETTE: [Style; 5] = [
    AnsiColor::Cyan.on_default(),
    AnsiColor::Magenta.on_default(),
    AnsiColor::Green.on_default(),
    AnsiColor::Yellow.on_default(),
    AnsiColor::Blue.on_default(),
];

/// What `trace` looks like in `width` columns: a header, a line a span, a line an event, an empty line.
/// `updated` says that an earlier state of it was printed before. A trace of another day than `today` has its date.
pub(crate) fn print(trace: &Trace, updated: bool, width: usize, today: SystemTime) -> String {
    // The last column stays free: some terminals wrap when it is written.
    let width = width.saturating_sub(1).clamp(NARROWEST, WIDEST);
    let rows = trace.tree().rows;
    let branches = branches(&rows[..rows.len().min(LINES)], DEPTH.min(width / 8));
    let columns = Columns::new(&rows, &branches, width);
    let nanos = u64::try_from(trace.duration().as_nanos()).unwrap_or(u64::MAX);
    let mut page = Page {
        text: String::new(),
        lines: 0,
        columns,
        timeline: Timeline::new(trace.start_unix_nanos(), nanos, columns.bar),
        start: trace.start_unix_nanos(),
        colours: Colours::new(&trace.services()),
    };
    page.header(trace, &rows, updated, width, today);
    let mut more = rows.len();
    for (row, branch) in rows.iter().zip(&branches) {
        if page.lines >= LINES {
            break;
        }
        page.span(&row.span, branch);
        more -= 1;
    }
    if more > 0 {
        page.note(&format!("… and {more} more {}", plural(more, "span")));
    }
    page.line();
    page.text
}

/// The lines of the tree left of a span's name, and of what is written under it.
struct Branch {
    name: String,
    under: String,
}

fn branches(rows: &[Row], depth: usize) -> Vec<Branch> {
    let mut has_children = vec![false; rows.len()];
    for parent in rows.iter().filter_map(|row| row.parent) {
        has_children[parent] = true;
    }
    let mut below: Vec<String> = Vec::with_capacity(rows.len()); // left of the children of each
    let mut branches = Vec::with_capacity(rows.len());
    for (row, has_children) in rows.iter().zip(has_children) {
        let above = row.parent.map_or("", |parent| &below[parent]).to_owned();
        let (corner, on) = match (row.parent, row.last) {
            // Dashes where the line to the parent cannot be drawn.
            (None, _) => (if row.orphan.is_some() { "┄ " } else { "" }, ""),
            (Some(_), _) if row.depth > depth => ("┄ ", ""),
            (Some(_), true) => ("└ ", "  "),
            (Some(_), false) => ("├ ", "│ "),
        };
        let children = format!("{above}{on}");
        branches.push(Branch {
            name: format!("{above}{corner}"),
            under: format!("{children}{}", if has_children { "│ " } else { "  " }),
        });
        below.push(children);
    }
    branches
}

/// How wide what is; 0: not there.
#[derive(Clone, Copy)]
struct Columns {
    name: usize,
    kind: usize,
    service: usize,
    bar: usize,
}

impl Columns {
    fn new(rows: &[Row], branches: &[Branch], width: usize) -> Self {
        let widest = |columns: &dyn Fn((&Row, &Branch)) -> usize| {
            rows.iter().zip(branches).map(columns).max().unwrap_or(0)
        };
        let names = widest(&|(row, branch)| {
            branch.name.chars().count() + Text::new(&row.span.name, width).columns()
        });
        let services = widest(&|(row, _)| Text::new(row.span.service(), width).columns());

        let room = width.saturating_sub(INDENT + GAP + DURATION);
        let name = names.clamp(NARROWEST_NAME, (width * 2 / 5).max(NARROWEST_NAME));
        let (kind, service) = (KIND, services.clamp(4, 16));
        // On a narrow terminal the kind goes first, then the service, then the bar.
        for (kind, service) in [(kind, service), (0, service), (0, 0)] {
            let taken = [name, kind, service]
                .into_iter()
                .filter(|columns| *columns > 0)
                .map(|columns| columns + GAP)
                .sum();
            if let Some(bar) = room.checked_sub(taken).filter(|bar| *bar >= NARROWEST_BAR) {
                return Self {
                    name,
                    kind,
                    service,
                    bar,
                };
            }
        }
        Self {
            name: room,
            kind: 0,
            service: 0,
            bar: 0,
        }
    }

    /// Columns left of the bar.
    fn left(&self) -> usize {
        let others = [self.kind, self.service]
            .into_iter()
            .filter(|columns| *columns > 0);
        self.name + others.map(|columns| columns + GAP).sum::<usize>()
    }
}

struct Page {
    text: String,
    lines: usize,
    columns: Columns,
    timeline: Timeline,
    start: u64,
    colours: Colours,
}

impl Page {
    fn header(
        &mut self,
        trace: &Trace,
        rows: &[Row],
        updated: bool,
        width: usize,
        today: SystemTime,
    ) {
        let time = moment(trace.start_unix_nanos(), today);
        let id: String = trace.id.to_string().chars().take(8).collect();
        let spans = count(rows.len(), "span");
        let services = count(trace.services().len(), "service");
        let mut orphans = rows.iter().filter(|row| row.orphan.is_some());
        let is_called = orphans.clone().next().is_some()
            && orphans.all(|row| {
                row.orphan == Some(Orphan::Missing) && row.span.is_called_from_outside()
            });
        let mut facts = format!("{}  {spans}, {services}", duration(trace.duration()));
        for (holds, fact) in [
            (!trace.is_complete() && !is_called, "  parent missing"),
            (is_called, "  called from outside"),
            (updated, "  updated"),
        ] {
            facts.push_str(if holds { fact } else { "" });
        }
        let most = FAILURE.min(width / 3);
        let failure = match failures(rows).as_slice() {
            [] => Text::default(),
            [span] => Text::new(format_args!("  ✗ failed in {}", span.service()), most),
            failures => Text::new(
                format_args!("  ✗ {}", count(failures.len(), "failure")),
                most,
            ),
        };

        let room = width.saturating_sub(time.len() + GAP + id.len() + GAP + failure.columns());
        let facts = Text::new(facts, room.saturating_sub(NARROWEST_NAME + GAP));
        let name = rows.first().map_or("", |row| &row.span.name);
        let name = Text::new(name, room.saturating_sub(GAP + facts.columns()));
        self.put(DIM, &format!("{time}  {id}  "));
        self.put(BOLD, name.as_str());
        self.put(DIM, &format!("  {}", facts.as_str()));
        self.put(ERROR, failure.as_str());
        self.line();
    }

    fn span(&mut self, span: &Span, branch: &Branch) {
        let colour = self.colours.of(span.service());
        let (mark, name_style, bar_style) = if span.is_error() {
            ("✗ ", ERROR.bold(), ERROR)
        } else {
            ("  ", Style::new(), colour)
        };
        let Columns {
            name,
            kind,
            service,
            bar,
        } = self.columns;

        self.put(ERROR, mark);
        self.put(DIM, &branch.name);
        self.put_wide(
            name_style,
            &span.name,
            name.saturating_sub(branch.name.chars().count()),
        );
        if kind > 0 {
            self.put_wide(DIM, span.kind.name(), kind);
        }
        if service > 0 {
            self.put_wide(colour, span.service(), service);
        }
        if bar > 0 {
            self.put_wide(bar_style, self.timeline.bar(span), bar);
        }
        self.put(
            Style::new(),
            &format!("{:>DURATION$}", duration(span.duration())),
        );
        self.line();

        if let Some(error) = error(span) {
            let limit = (self.columns.left() + self.columns.bar)
                .saturating_sub(branch.under.chars().count());
            self.put(DIM, &format!("  {}", branch.under));
            self.put(
                ERROR,
                Text::new(format_args!("error: {error}"), limit).as_str(),
            );
            self.line();
        }
        for event in span.events.iter().take(EVENTS) {
            self.event(event, branch, colour);
        }
        if span.events.len() > EVENTS {
            let more = span.events.len() - EVENTS;
            self.note(&format!(
                "{}… and {more} more {}",
                branch.under,
                plural(more, "event")
            ));
        }
    }

    fn event(&mut self, event: &Event, branch: &Branch, colour: Style) {
        let limit = self
            .columns
            .left()
            .saturating_sub(branch.under.chars().count());
        self.put(DIM, &format!("  {}", branch.under));
        if event.attributes.is_empty() {
            self.put_wide(DIM, format_args!("· {}", event.name), limit);
        } else {
            self.put_wide(
                DIM,
                format_args!("· {} {}", event.name, event.attributes),
                limit,
            );
        }
        if self.columns.bar > 0 {
            self.put_wide(
                colour,
                self.timeline.tick(event.unix_nanos),
                self.columns.bar,
            );
        }
        self.put(
            DIM,
            &format!("{:>DURATION$}", offset(self.start, event.unix_nanos)),
        );
        self.line();
    }

    fn note(&mut self, note: &str) {
        self.put(DIM, &format!("  {note}"));
        self.line();
    }

    fn line(&mut self) {
        self.text.push('\n');
        self.lines += 1;
    }

    /// `text` as it is.
    fn put(&mut self, style: Style, text: &str) {
        if text.trim().is_empty() {
            self.text.push_str(text);
        } else {
            let _ = write!(self.text, "{style}{text}{style:#}");
        }
    }

    /// `content` in `columns`, and the gap to the next ones.
    fn put_wide(&mut self, style: Style, content: impl Display, columns: usize) {
        let text = Text::new(content, columns);
        self.put(style, text.as_str());
        self.text
            .extend(std::iter::repeat_n(' ', columns - text.columns() + GAP));
    }
}

/// A colour for each service: the same one in every trace, and another one for each in this trace while there are enough.
struct Colours(Vec<(String, Style)>);

impl Colours {
    fn new(services: &[&str]) -> Self {
        let mut services = services.to_vec();
        services.sort_unstable();
        let mut taken = [false; PALETTE.len()];
        let colours = services.into_iter().map(|service| {
            let wanted = hash(service) % PALETTE.len();
            let free = (wanted..PALETTE.len())
                .chain(0..wanted)
                .find(|colour| !taken[*colour])
                .unwrap_or(wanted);
            taken[free] = true;
            (service.to_owned(), PALETTE[free])
        });
        Self(colours.collect())
    }

    fn of(&self, service: &str) -> Style {
        let found = self
            .0
            .binary_search_by(|(other, _)| other.as_str().cmp(service));
        found.map_or_else(|_| Style::new(), |place| self.0[place].1)
    }
}

/// The better half of FNV-1a: a hash that is the same in every run.
fn hash(text: &str) -> usize {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    (hash >> 16) as usize
}

/// What went wrong: the status' message, else the attribute `error.type`.
fn error(span: &Span) -> Option<&str> {
    if !span.is_error() {
        return None;
    }
    let message = Some(span.status.message.as_str()).filter(|message| !message.is_empty());
    message.or_else(|| {
        span.attributes
            .get("error.type")
            .and_then(|kind| kind.as_str())
    })
}

fn offset(start: u64, moment: u64) -> String {
    let (sign, nanos) = if moment < start {
        ('-', start - moment)
    } else {
        ('+', moment - start)
    };
    format!("{sign}{}", duration(std::time::Duration::from_nanos(nanos)))
}

/// The spans at which an error begins: one that a call brought with it is the same failure.
fn failures(rows: &[Row]) -> Vec<&Span> {
    let errors = rows.iter().filter(|row| row.span.is_error());
    let callers: HashSet<_> = errors.clone().filter_map(|row| row.parent).collect();
    let errors = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| row.span.is_error());
    let failures = errors.filter(|(place, _)| !callers.contains(place));
    failures.map(|(_, row)| &*row.span).collect()
}

/// In UTC, with the date if that is not `today`.
fn moment(unix_nanos: u64, today: SystemTime) -> String {
    let at = |since: Duration| {
        let seconds = i64::try_from(since.as_secs()).ok();
        seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0))
    };
    let at = |since| at(since).unwrap_or_default().naive_utc();
    let moment = at(Duration::from_nanos(unix_nanos));
    let today = at(today.duration_since(UNIX_EPOCH).unwrap_or_default());
    match moment.date() == today.date() {
        true => format!("{}Z", moment.time()),
        false => format!("{} {}Z", moment.date(), moment.time()),
    }
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {}", plural(number, noun))
}

pub(crate) fn plural(number: usize, noun: &str) -> String {
    format!("{noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
