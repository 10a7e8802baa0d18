//! Reads single variables and collects the warnings.

use std::ffi::OsString;
use std::time::Duration;

use crate::Lookup;
use crate::SettingError;

/// What a timeout of 0, "no limit", becomes: about 24 days.
const NO_LIMIT: Duration = Duration::from_millis(i32::MAX as u64);

pub(crate) struct Reader<'a> {
    lookup: Lookup<'a>,
    warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(lookup: Lookup<'a>) -> Self {
        Self {
            lookup,
            warnings: Vec::new(),
        }
    }

    pub(crate) fn into_warnings(self) -> Vec<String> {
        self.warnings
    }

    /// The value without surrounding blanks; none when unset or empty. One that is not UTF-8 makes a warning and counts as
    /// unset. The warning does not show the value, since any part of it can be secret.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        match (self.lookup)(name)?.into_string() {
            Ok(value) => trimmed(&value),
            Err(_) => {
                self.warn(format!(
                    "{name} is not UTF-8 (its value is not shown); it counts as unset"
                ));
                None
            }
        }
    }

    /// As [`Reader::text`], of a variable of the services' own, where a value that is not UTF-8 is an error.
    pub(crate) fn own(
        &self,
        variable: &'static str,
        wanted: &'static str,
    ) -> Result<Option<String>, SettingError> {
        match (self.lookup)(variable).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(value)) => Ok(trimmed(&value)),
            Some(Err(value)) => Err(SettingError {
                variable,
                value,
                wanted,
            }),
        }
    }

    /// Whether the variable is set and not empty. The value is not parsed.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        (self.lookup)(name).is_some_and(|value| !value.is_empty())
    }

    /// Adds a warning, once: the general OTLP variables are read for every signal.
    pub(crate) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Whether there is a warning about the variable already.
    pub(crate) fn is_warned_of(&self, name: &str) -> bool {
        let is_about = |warning: &String| {
            let rest = warning.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(' '))
        };
        self.warnings.iter().any(is_about)
    }

    /// The value as `parse` understands it; when it does not, a warning that says what is `wanted` and what is used
    /// `instead`.
    pub(crate) fn parsed<T>(
        &mut self,
        name: &str,
        wanted: &str,
        instead: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.text(name)?;
        let parsed = parse(&value);
        if parsed.is_none() {
            self.warn(format!(
                "{name} is {value:?}; wanted: {wanted}; used instead: {instead}"
            ));
        }
        parsed
    }

    /// As [`Reader::parsed`], for values that may hold secrets, also when they are misspelt: the warning does not show
    /// them.
    pub(crate) fn parsed_secret<T>(
        &mut self,
        name: &str,
        wanted: &str,
        instead: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let parsed = parse(&self.text(name)?);
        if parsed.is_none() {
            self.warn(format!(
                "{name} is not understood (its value is not shown); wanted: {wanted}; used instead: {instead}"
            ));
        }
        parsed
    }

    /// True only by the word `true`, in any case.
    pub(crate) fn boolean(&mut self, name: &str) -> bool {
        self.parsed(name, "true or false", "false", |value| {
            match value.to_ascii_lowercase().as_str() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            }
        })
        .unwrap_or(false)
    }

    /// A whole number from `least` to 2³¹ − 1.
    pub(crate) fn number(&mut self, name: &str, least: u32, default: u32) -> u32 {
        self.optional_number(name, least, &default.to_string())
            .unwrap_or(default)
    }

    /// A whole number from 1. One that is larger than `most` makes a warning and counts as `most`.
    pub(crate) fn number_up_to(&mut self, name: &str, most: u32, default: u32) -> u32 {
        let wanted =
            format!("a whole number from 1 to {most}, which is what fits into a service's memory");
        let digits = self.text(name).unwrap_or_default();
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let instead = match digits.parse::<u32>() {
            Ok(number) if number <= most => default,
            // Longer than any number here.
            _ if is_number => most,
            _ => default,
        };
        let number = self.parsed(name, &wanted, &instead.to_string(), |value| {
            let number = value.parse().ok()?;
            (1..=most).contains(&number).then_some(number)
        });
        number.unwrap_or(instead)
    }

    /// As [`Reader::number`], without a default.
    pub(crate) fn optional_number(&mut self, name: &str, least: u32, instead: &str) -> Option<u32> {
        let wanted = format!("a whole number from {least} to {}", i32::MAX);
        self.parsed(name, &wanted, instead, |value| {
            let number = value.parse().ok()?;
            (least..=i32::MAX as u32)
                .contains(&number)
                .then_some(number)
        })
    }

    /// Milliseconds between two actions: more than 0, or they would never pause.
    pub(crate) fn interval(&mut self, name: &str, default: u32) -> Duration {
        let wanted = format!("milliseconds, a whole number from 1 to {}", i32::MAX);
        let milliseconds = self.parsed(name, &wanted, &default.to_string(), |value| {
            let number = value.parse().ok()?;
            (1..=i32::MAX as u32).contains(&number).then_some(number)
        });
        Duration::from_millis(milliseconds.unwrap_or(default).into())
    }

    /// Milliseconds that something may take; 0 means any time.
    pub(crate) fn timeout(&mut self, name: &str, default: u32) -> Duration {
        self.optional_timeout(name, &default.to_string())
            .unwrap_or(Duration::from_millis(default.into()))
    }

    /// As [`Reader::timeout`], for a variable that falls back on another one.
    pub(crate) fn optional_timeout(&mut self, name: &str, instead: &str) -> Option<Duration> {
        let wanted = format!(
            "milliseconds, a whole number from 0 (no limit) to {}",
            i32::MAX
        );
        self.parsed(name, &wanted, instead, |value| {
            let number = value.parse().ok()?;
            (0..=i32::MAX as u64).contains(&number).then_some(number)
        })
        .map(|milliseconds| match milliseconds {
            0 => NO_LIMIT,
            _ => Duration::from_millis(milliseconds),
        })
    }

    /// A comma-separated list of words, in any case, without repetitions. A word that `known` does not know is warned
    /// of and left out; if none is left, the list counts as unset.
    pub(crate) fn list<T: PartialEq>(
        &mut self,
        name: &str,
        wanted: &str,
        instead: &str,
        known: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let value = self.text(name)?;
        let mut items = Vec::new();
        let mut unknown = Vec::new();
        for word in value
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            match known(&word.to_ascii_lowercase()) {
                Some(item) if items.contains(&item) => {}
                Some(item) => items.push(item),
                None => unknown.push(word),
            }
        }
        let used = if items.is_empty() {
            instead
        } else {
            "the rest of the list"
        };
        if !unknown.is_empty() || items.is_empty() {
            self.warn(format!(
                "{name} is {value:?}; wanted: {wanted}; used instead: {used}"
            ));
        }
        (!items.is_empty()).then_some(items)
    }
}

fn trimmed(value: &str) -> Option<String> {
    let value = value.trim();
    (!value.is_empty()).then(|| value.to_owned())
}
