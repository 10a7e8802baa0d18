//! Which characters a terminal must not get from a value.

/// Whether `c` can forge or hide text on a terminal, so that it must be escaped: control characters, which end lines and
/// control the terminal, and invisible characters that reorder or hide text.
///
/// The joiners U+200C and U+200D are not among them: many scripts and emoji need them.
pub fn is_unsafe_on_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Appends `text` so that it stays on its line.
pub(crate) fn push_escaped(line: &mut String, text: &str) {
    for c in text.chars() {
        if is_unsafe_on_terminal(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
}
