//! What a name looks like to a reader: equal for names that only look-alike characters keep apart, such as a Latin and a
//! Cyrillic `o`. For protection and for people alone; what a name is stays as it is written.

use std::sync::LazyLock;

use icu_properties::CodePointSetData;
use icu_properties::props::Dash;
use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection;

use super::{is_invisible, skeleton};

/// The looks of `name`: what is invisible in it may be taken for nothing, or for a space. Each comes with and without
/// what is confusable in ASCII, as a range of a pattern, such as `[0-9]`, is one only as it is written.
#[must_use]
pub fn looks(name: &str) -> Vec<String> {
    let mut spellings = vec![skeleton(name)];
    if name.chars().any(is_invisible) {
        spellings.push(skeleton(&name.replace(is_invisible, " ")));
    }
    spellings
        .iter()
        .flat_map(|spelling| [look(spelling, |_| false), look(spelling, |c| c.is_ascii())])
        .collect()
}

fn look(spelling: &str, is_kept: fn(char) -> bool) -> String {
    let mut look = String::with_capacity(spelling.len());
    for c in spelling.chars().map(|c| if is_dash(c) { '-' } else { c }) {
        match ASCII.get(c as usize) {
            _ if is_kept(c) => look.push(c),
            Some(prototype) => look.push_str(prototype),
            None => look.push_str(&prototype(c)),
        }
    }
    let composed = if look.is_ascii() { look } else { look.nfc().collect() };
    // The data of UTS 39 takes an `m` for `rn`; the shorter form keeps one character for a `?` of a pattern.
    without_outer_quotes(&one_dash(&composed.replace("rn", "m"))).to_owned()
}

/// What stands for all characters that look like `c`.
fn prototype(c: char) -> String {
    confusable_detection::skeleton(c.encode_utf8(&mut [0; 4])).collect()
}

/// The prototypes of the characters of ASCII, of which most names are made.
static ASCII: LazyLock<Vec<String>> = LazyLock::new(|| ('\0'..='\u{7f}').map(prototype).collect());

/// A dash, or a line or a letter that looks like one.
fn is_dash(c: char) -> bool {
    if c.is_ascii() {
        return c == '-';
    }
    matches!(c, '\u{2D7}' | '\u{2043}' | '\u{2500}' | '\u{2501}' | '\u{30FC}' | '\u{FF70}')
        || CodePointSetData::new::<Dash>().contains(c)
}

/// `—` is as wide as `--`.
fn one_dash(look: &str) -> String {
    let mut one = String::with_capacity(look.len());
    for c in look.chars().map(|c| if is_dash(c) { '-' } else { c }) {
        if c != '-' || !one.ends_with('-') {
            one.push(c);
        }
    }
    one
}

/// The look without quotes around it, or on one side; but what is left must ask for more than any name has.
fn without_outer_quotes(look: &str) -> &str {
    let inner = look.trim_matches(['\'', '"']).trim();
    if inner.chars().any(|c| !"*?[]{}!,".contains(c)) { inner } else { look }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_reader_confuses_have_a_look_in_common() {
        for (one, other) in [
            ("prod-eu", "pr\u{43e}d-eu"),
            ("prod-eu", "pr\u{3bf}d-eu"),
            ("prod-eu", "prod\u{2e3a}eu"),
            ("prod-eu", "prod\u{58a}eu"),
            ("prod-eu", "prod\u{2500}eu"),
            ("prod-eu", "prod\u{30fc}eu"),
            ("prod--eu", "prod\u{2014}eu"),
            ("O'Neill", "O\u{2035}Neill"),
            ("O'Neill", "O\u{5f3}Neill"),
            ("acme", "'acme"),
            ("acme", "acme\""),
            ("prod eu", "prod\u{200b}eu"),
            ("prodeu", "prod\u{200b}eu"),
            ("prod eu", "prod\u{2800}eu"),
            ("a/b", "a\u{2044}b"),
            ("a/b", "a\u{2215}b"),
            ("a:b", "a\u{2236}b"),
            ("a~b", "a\u{223c}b"),
            ("a|b", "a\u{1c0}b"),
            ("acme-l", "acme-1"),
        ] {
            let others = looks(other);
            assert!(looks(one).iter().any(|look| others.contains(look)), "{one:?} {other:?}");
        }
        for (one, other) in
            [("acme", "acmes"), ("acme-2", "acme-3"), ("Acme", "acme"), ("a_b", "a-b"), ("'*", "*")]
        {
            assert_ne!(looks(one), looks(other));
        }
    }
}
