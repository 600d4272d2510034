//! Shows names and texts from elsewhere so that they cannot pose as something else, and numbers so that people can
//! read them.

use std::borrow::Cow;
use std::time::Duration;

use crate::domain::{is_invisible, seconds_up};

/// `text` with its invisible characters written as `\u{…}`.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_invisible(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// A name at the end of a line, in quotes if white space at its ends would not be seen.
#[must_use]
pub fn delimited(name: &str) -> Cow<'_, str> {
    if name.trim().len() == name.len() { visible(name) } else { Cow::Owned(format!("\"{}\"", visible(name))) }
}

/// A duration with no more detail than an estimate has.
#[must_use]
pub fn rounded(time: Duration) -> humantime::FormattedDuration {
    let seconds = seconds_up(time);
    let whole = if seconds > 600 { seconds.div_ceil(60) * 60 } else { seconds };
    humantime::format_duration(Duration::from_secs(whole.max(1)))
}

/// A cell that a spreadsheet shows as text: an apostrophe precedes one that begins like a formula (OWASP, "CSV
/// Injection").
#[must_use]
pub(super) fn cell(text: &str) -> Cow<'_, str> {
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n') => Cow::Owned(format!("'{text}")),
        _ => Cow::Borrowed(text),
    }
}

/// Text inside a Markdown table or line.
#[must_use]
pub(super) fn markdown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 8);
    for c in visible(text).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&') {
            shown.push('\\');
        }
        shown.push(c);
    }
    shown
}

/// `n` with a space before each group of three digits.
#[must_use]
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(' ');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_escaped() {
        assert_eq!(visible("plain é 日本"), "plain é 日本");
        assert_eq!(visible("a\u{202e}b\u{0}"), "a\\u{202e}b\\u{0}");
        assert_eq!(visible("\u{feff}a\u{ad}b"), "\\u{feff}a\\u{ad}b");
    }

    #[test]
    fn formulas_are_shown_as_text() {
        for formula in ["=1+1", "+1", "-1", "@sum", "\tx"] {
            assert_eq!(cell(formula), format!("'{formula}"));
        }
        assert_eq!(cell("acme=1"), "acme=1");
    }

    #[test]
    fn markdown_cannot_break_out_of_its_cell() {
        assert_eq!(markdown("a|b*c<d>"), "a\\|b\\*c\\<d\\>");
    }

    #[test]
    fn digits_are_grouped() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1204), "1 204");
        assert_eq!(grouped(1_000_000), "1 000 000");
    }
}
