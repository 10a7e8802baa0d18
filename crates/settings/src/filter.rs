//! `RUST_LOG`, the filter of the log, in the syntax of [`tracing_subscriber::filter::EnvFilter`].
//!
//! `EnvFilter` accepts nearly any text as the name of a target, and then lets through that target only. So a typing error would
//! switch the log off without a word.

use tracing_subscriber::filter::Directive;

use crate::error::{SettingError, shown};
use crate::reader::Reader;

const NAME: &str = "RUST_LOG";
const DEFAULT: &str = "info";
const WANTED: &str =
    "a level (error, warn, info, debug, trace, off) or target=level, such as info,orders=debug";
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// Which events are printed and exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Directives for `EnvFilter`, which understands each of them.
    pub directives: String,
    /// Whether a part of the setting is warned of: the filter may then keep that warning out.
    pub is_doubtful: bool,
}

/// Reads `RUST_LOG`. What cannot be a directive is warned of and left out; what is nearly a level is warned of and kept,
/// since it can be a target. If nothing else is left, the default holds.
///
/// # Errors
///
/// [`SettingError`] when the value is not UTF-8.
pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Filter, SettingError> {
    let value = reader
        .own(NAME, WANTED)?
        .unwrap_or_else(|| DEFAULT.to_owned());
    let (mut kept, mut wrong, mut meant) = (Vec::new(), Vec::new(), Vec::new());
    for part in value.split(',').map(str::trim) {
        if part.is_empty() {
            continue;
        }
        if !is_directive(part) {
            wrong.push(part);
            continue;
        }
        kept.push(part);
        meant.extend(nearly_a_level(part).map(|level| (part, level)));
    }
    if kept.len() == meant.len() {
        kept.insert(0, DEFAULT);
    }
    let directives = kept.join(",");
    for part in &wrong {
        reader.warn(format!(
            "a part of {NAME} is {}; wanted: {WANTED}; used instead: {directives}",
            shown(part.as_ref())
        ));
    }
    for (part, level) in &meant {
        reader.warn(format!(
            "a part of {NAME} is {part:?}; probably meant: the level {level}; taken for a target: {directives}"
        ));
    }
    Ok(Filter {
        is_doubtful: !(wrong.is_empty() && meant.is_empty()),
        directives,
    })
}

/// Whether `EnvFilter` understands it, and its target, if it has one, can be one.
fn is_directive(part: &str) -> bool {
    let target = part.split(['[', '=']).next().unwrap_or_default();
    part.parse::<Directive>().is_ok() && (is_level(part) || is_target(target))
}

/// As `EnvFilter` reads a level: in any case, or a number from 0 (off) to 5 (trace).
fn is_level(part: &str) -> bool {
    part.parse::<tracing_core::LevelFilter>().is_ok()
}

/// A path such as `orders::store`, or a name such as `opentelemetry-otlp`. Events can have any text for their target;
/// blanks, a single `:` and the like are not worth losing the log for.
fn is_target(target: &str) -> bool {
    let target = target.strip_suffix("::").unwrap_or(target);
    target.is_empty()
        || target.split("::").all(|name| {
            name.starts_with(|first: char| first.is_alphabetic() || first == '_')
                && name
                    .chars()
                    .all(|char| char.is_alphanumeric() || "_-./".contains(char))
        })
}

/// The level that `part` would be with one letter more, less, different or changed for its neighbour.
fn nearly_a_level(part: &str) -> Option<&'static str> {
    let part = part.to_ascii_lowercase();
    let near = |level: &&str| strsim::osa_distance(&part, level) == 1;
    LEVELS.into_iter().find(near)
}
