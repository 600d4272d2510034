//! How names and texts from elsewhere are shown, so that they cannot pretend to be something else.

use std::borrow::Cow;
use std::time::Duration;

/// `text` with what cannot be seen made visible: control characters, other breaks of a line, characters
/// of no width or no shape, and those that turn the direction of writing, as `\u{…}`.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// A name on a line of its own, in quotes where white space at its ends would not be seen.
#[must_use]
pub fn distinct(name: &str) -> Cow<'_, str> {
    if name.trim().len() == name.len() { visible(name) } else { Cow::Owned(format!("\"{}\"", visible(name))) }
}

pub(super) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A duration without more detail than an estimate has.
#[must_use]
pub fn rounded(time: Duration) -> humantime::FormattedDuration {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let whole = if seconds > 600 { seconds.div_ceil(60) * 60 } else { seconds };
    humantime::format_duration(Duration::from_secs(whole.max(1)))
}

/// A cell that a spreadsheet takes for text: one that begins like a formula gets an apostrophe in
/// front (OWASP, "CSV Injection").
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

/// `n` with a space between each three digits.
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
    fn what_cannot_be_seen_is_shown() {
        // The fillers of Hangul are letters that have no shape; those that have one stay.
        for filler in ['\u{3164}', '\u{115f}', '\u{1160}', '\u{ffa0}'] {
            assert_eq!(visible(&format!("a{filler}b")), format!("a{}b", filler.escape_unicode()));
        }
        assert_eq!(visible("\u{1100}\u{1161} 한글"), "\u{1100}\u{1161} 한글");
        assert_eq!(visible("plain é 日本"), "plain é 日本");
        assert_eq!(visible("a\u{202e}b\u{0}"), "a\\u{202e}b\\u{0}");
        // A soft hyphen, the Arabic letter mark, a line break that is no control character, a tag.
        for hidden in ['\u{ad}', '\u{61c}', '\u{2028}', '\u{2029}', '\u{feff}', '\u{e0041}'] {
            assert_eq!(visible(&format!("a{hidden}b")), format!("a{}b", hidden.escape_unicode()));
        }
    }

    #[test]
    fn formulas_become_text() {
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
