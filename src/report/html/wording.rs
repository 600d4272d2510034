//! How names, times, numbers and digests appear on the page.

use std::time::Duration;

use maud::{Markup, html};

use crate::domain::is_invisible;
use crate::report::text::grouped;

/// Text from elsewhere, with invisible characters escaped, and marked to set them apart from text that is written so.
pub(super) fn text(text: &str) -> Markup {
    if !text.chars().any(is_invisible) {
        return html! { (text) };
    }
    let mut pieces: Vec<(bool, String)> = Vec::new();
    for c in text.chars() {
        let hidden = is_invisible(c);
        let piece = if hidden { c.escape_unicode().to_string() } else { c.to_string() };
        match pieces.last_mut() {
            Some((same, pieces)) if *same == hidden => pieces.push_str(&piece),
            _ => pieces.push((hidden, piece)),
        }
    }
    html! {
        @for (hidden, piece) in &pieces {
            @if *hidden { span.hidden title="an invisible character" { (piece) } } @else { (piece) }
        }
    }
}

/// Text of several lines from elsewhere.
pub(super) fn lines(text: &str) -> Markup {
    html! { @for (index, line) in text.lines().enumerate() { @if index > 0 { "\n" } (self::text(line)) } }
}

/// A name from elsewhere, isolated from the direction of the text around it.
pub(super) fn name(name: &str) -> Markup {
    html! { bdi.name { (text(name)) } }
}

/// A name or a text from elsewhere that may be missing.
pub(super) fn maybe(value: Option<&str>) -> Markup {
    html! {
        @match value {
            Some(value) => { bdi { (text(value)) } }
            None => { span.none { "not recorded" } }
        }
    }
}

/// A digest or another text for machines.
pub(super) fn code(value: &str) -> Markup {
    html! { code { (text(value)) } }
}

/// A time (RFC 3339, UTC) to the second.
pub(super) fn time(at: &str) -> Markup {
    instant(at, 19)
}

/// A time (RFC 3339, UTC) to the millisecond.
pub(super) fn exact_time(at: &str) -> Markup {
    instant(at, 23)
}

fn instant(at: &str, length: usize) -> Markup {
    let short = at.get(..length).unwrap_or(at).replacen('T', " ", 1);
    html! { time datetime=(at) { (short) } }
}

/// A number in groups of three digits with narrow no-break spaces.
pub(super) fn number(n: u64) -> String {
    grouped(n).replace(' ', "\u{202f}")
}

/// A number and its noun.
pub(super) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{}\u{a0}{}", number(n), if n == 1 { one } else { many })
}

/// A sentence in which no line ends within a number, or between it and its noun.
pub(super) fn unbroken(sentence: &str) -> String {
    let mut shown = String::with_capacity(sentence.len() + 16);
    let mut before = ' ';
    for (at, c) in sentence.char_indices() {
        let after = &sentence.as_bytes()[at + c.len_utf8()..];
        let digits = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
        shown.push(match (c, digits) {
            (' ', 3) if before.is_ascii_digit() => '\u{202f}',
            // A time follows its date, and a noun its number.
            (' ', 0) if before.is_ascii_digit() => '\u{a0}',
            _ => c,
        });
        before = c;
    }
    shown
}

/// A share in percent: 0 % only for nothing, 100 % only for all.
pub(super) fn share(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0\u{a0}%".to_owned();
    }
    if part == whole {
        return "100\u{a0}%".to_owned();
    }
    let tenths = (u128::from(part) * 2000 + u128::from(whole)) / (u128::from(whole) * 2);
    match tenths.min(999) {
        0 => "<\u{a0}0.1\u{a0}%".to_owned(),
        tenths => format!("{}.{}\u{a0}%", tenths / 10, tenths % 10),
    }
}

/// A duration in its two largest units.
pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let (whole, unit, rest, part) = match seconds {
        0 => return format!("{}\u{a0}ms", time.as_millis()),
        1..10 => return format!("{}.{}\u{a0}s", seconds, time.subsec_millis() / 100),
        10..60 => (seconds, "s", 0, ""),
        60..3_600 => (minutes, "min", seconds % 60, "s"),
        3_600..86_400 => (hours, "h", minutes, "min"),
        _ => (days, "d", hours, "h"),
    };
    if rest == 0 { format!("{whole}\u{a0}{unit}") } else { format!("{whole}\u{a0}{unit} {rest}\u{a0}{part}") }
}

/// The time that a reply took.
pub(super) fn latency(time: Duration) -> String {
    let micros = time.as_micros();
    let (value, unit) = if micros < 1_000_000 { (micros, "ms") } else { (micros / 1_000, "s") };
    match value {
        0..10_000 => format!("{}.{}\u{a0}{unit}", value / 1_000, value / 100 % 10),
        _ => format!("{}\u{a0}{unit}", (value + 500) / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_invisible_characters_are_marked() {
        let shown = |text: &str| super::text(text).into_string();
        assert_eq!(shown(r#"<script>"a" & 'b'"#), "&lt;script&gt;&quot;a&quot; &amp; 'b'");
        let hidden =
            |code: &str| format!(r#"<span class="hidden" title="an invisible character">{code}</span>"#);
        assert_eq!(shown("a\u{202e}b<\n"), format!("a{}b&lt;{}", hidden("\\u{202e}"), hidden("\\u{a}")));
        assert_eq!(
            shown("\u{2028}\u{2029}"),
            hidden("\\u{2028}\\u{2029}"),
            "line breaks that are not control characters"
        );
        assert_eq!(shown("\\u{202e}"), "\\u{202e}", "text that is written so is not marked");
    }

    #[test]
    fn no_line_ends_within_a_number_or_before_its_noun() {
        let said = unbroken("It has 1 204 records, at 2026-12-01 03:32:48 UTC.");
        assert_eq!(said, "It has 1\u{202f}204\u{a0}records, at 2026-12-01 03:32:48\u{a0}UTC.");
    }

    #[test]
    fn shares_are_0_or_100_percent_only_for_none_or_all() {
        let nbsp = |text: &str| text.replace(' ', "\u{a0}");
        for (part, whole, said) in [
            (0, 0, "0 %"),
            (0, 7, "0 %"),
            (7, 7, "100 %"),
            (1, 3, "33.3 %"),
            (2, 3, "66.7 %"),
            (1, 1_000_000, "< 0.1 %"),
            (999_999, 1_000_000, "99.9 %"),
        ] {
            assert_eq!(share(part, whole), nbsp(said), "{part} of {whole}");
        }
    }

    #[test]
    fn durations_and_latencies_are_rounded_for_people() {
        let nbsp = |text: &str| text.replace(' ', "\u{a0}");
        assert_eq!(duration(Duration::from_millis(870)), nbsp("870 ms"));
        assert_eq!(duration(Duration::from_millis(2_450)), nbsp("2.4 s"));
        assert_eq!(duration(Duration::from_secs(299)), "4\u{a0}min 59\u{a0}s");
        assert_eq!(duration(Duration::from_hours(25)), "1\u{a0}d 1\u{a0}h");
        assert_eq!(duration(Duration::from_mins(10)), nbsp("10 min"));
        assert_eq!(latency(Duration::from_micros(8_949)), nbsp("8.9 ms"));
        assert_eq!(latency(Duration::from_micros(20_512)), nbsp("21 ms"));
        assert_eq!(latency(Duration::from_millis(1_250)), nbsp("1.2 s"));
    }
}
