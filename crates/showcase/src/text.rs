//! Text from the network, made safe for a terminal and cut to columns.
//!
//! Without it a span's name could move the cursor, change the title, answer for the user, or turn the rest of the line
//! around.

use std::fmt::{self, Write};

use subscriber::is_unsafe_on_terminal;
use unicode_width::UnicodeWidthChar;

/// Characters that take no column (accents, joiners) are unlimited in Unicode, but not here.
const CHARS_PER_COLUMN: usize = 4;

/// One line of text whose width on a terminal is known.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Text {
    text: String,
    columns: usize,
}

impl Text {
    /// What `content` displays as, in at most `limit` columns; `…` stands for what did not fit. Nothing beyond that is
    /// read, however long `content` is. Control characters and those that reorder or hide text are shown as escapes.
    pub(crate) fn new(content: impl fmt::Display, limit: usize) -> Self {
        let mut cut = Cut {
            text: String::new(),
            columns: 0,
            chars: 0,
            limit,
            fits: 0,
            overflows: false,
        };
        // An error says that the rest is not wanted, which `overflows` says too.
        let _ = write!(cut, "{content}");
        if cut.overflows {
            cut.text.truncate(cut.fits);
            cut.text.push('…');
            cut.columns = cut.text.chars().filter_map(UnicodeWidthChar::width).sum();
        }
        Self {
            text: cut.text,
            columns: cut.columns,
        }
    }

    /// Columns it takes.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

struct Cut {
    text: String,
    columns: usize,
    chars: usize,
    limit: usize,
    /// Bytes that leave a column for `…`.
    fits: usize,
    overflows: bool,
}

impl Cut {
    fn push(&mut self, char: char) -> fmt::Result {
        let width = char.width().unwrap_or_default();
        if self.columns + width > self.limit || self.chars == self.limit * CHARS_PER_COLUMN {
            self.overflows = self.limit > 0;
            return Err(fmt::Error);
        }
        self.text.push(char);
        self.columns += width;
        self.chars += 1;
        if self.columns < self.limit {
            self.fits = self.text.len();
        }
        Ok(())
    }
}

impl Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|char| {
            if is_unsafe_on_terminal(char) {
                char.escape_default()
                    .try_for_each(|escaped| self.push(escaped))
            } else {
                self.push(char)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content: &str, limit: usize) -> String {
        let text = Text::new(content, limit);
        assert!(text.columns <= limit, "{text:?}");
        assert_eq!(
            text.columns,
            text.text
                .chars()
                .filter_map(UnicodeWidthChar::width)
                .sum::<usize>(),
            "{text:?}"
        );
        text.text
    }

    #[test]
    fn what_fits_stays_and_what_does_not_is_marked() {
        assert_eq!(text("GET /ping", 9), "GET /ping");
        assert_eq!(text("GET /ping", 8), "GET /pi…");
        assert_eq!(text("GET /ping", 1), "…");
        assert_eq!(text("GET /ping", 0), "");
        assert_eq!(text("", 5), "");
    }

    #[test]
    fn wide_characters_take_two_columns_and_accents_none() {
        assert_eq!(Text::new("支払い", 10).columns(), 6);
        assert_eq!(text("支払い", 6), "支払い");
        assert_eq!(text("支払い", 5), "支払…");
        assert_eq!(text("支払い", 4), "支…");
        assert_eq!(Text::new("e\u{301}te\u{301}", 10).columns(), 3);
        assert_eq!(text(&"e\u{301}".repeat(9), 3), "e\u{301}e\u{301}…");
    }

    #[test]
    fn nothing_reaches_the_terminal_that_is_not_shown() {
        assert_eq!(
            text("\x1b[2J\r\n\tx\x07\u{9b}31m", 80),
            "\\u{1b}[2J\\r\\n\\tx\\u{7}\\u{9b}31m"
        );
        assert_eq!(
            text("a\u{202e}b\u{2066}c\u{2028}d\u{200b}e", 80),
            "a\\u{202e}b\\u{2066}c\\u{2028}d\\u{200b}e"
        );
        for char in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            assert!(
                !Text::new(char, 80).text.contains(char::is_control),
                "{char:?}"
            );
        }
    }

    #[test]
    fn characters_without_width_end_too() {
        assert!(
            text(&format!("a{}", "\u{301}".repeat(100_000)), 10)
                .chars()
                .count()
                <= 41
        );
    }

    #[test]
    fn no_more_is_read_than_is_shown() {
        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("for ever ")?;
                }
            }
        }
        assert_eq!(text(&Text::new(Endless, 12).text, 12), "for ever fo…");
    }
}
