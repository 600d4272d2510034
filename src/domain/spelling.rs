//! How a text is spelled, and what a reader makes of it: spellings that differ only in what is hard to see, or easy
//! to confuse.

use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
use unicode_normalization::UnicodeNormalization;

/// Returns true if a reader cannot see `c`: control characters, line breaks of any kind, characters without
/// width or shape, and those that change the direction of writing. White space is visible.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}')
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// One way in which spellings differ, and what removes it.
type Difference = (&'static str, fn(&str) -> String);

/// What a reader does not see. The order matters: what comes first explains a difference that several would.
const LOOK_ALIKES: [Difference; 7] = [
    ("invisible characters", without_invisible),
    ("white space", with_plain_spaces),
    ("dashes", with_plain_dashes),
    ("quotes", with_plain_quotes),
    ("quotes around it", without_outer_quotes),
    ("an apostrophe in front", without_apostrophe),
    ("Unicode form", |name| name.nfkc().collect()),
];

/// What a reader sees, and easily confuses.
const SLIPS: [Difference; 2] =
    [("case", str::to_lowercase), ("what joins its words", |name| name.replace(['_', ' '], "-"))];

/// What all spellings have in common that look like `name`.
#[must_use]
pub fn skeleton(name: &str) -> String {
    // Most names are made of what nothing has to be removed from.
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return name.to_owned();
    }
    without(name, &LOOK_ALIKES)
}

/// As [`skeleton`], without what is easily confused: names whose keys are equal are near misses.
#[must_use]
pub fn near_miss_key(name: &str) -> String {
    without(&skeleton(name), &SLIPS)
}

/// In what `one` and `other` differ, whose keys are equal.
#[must_use]
pub fn differences(one: &str, other: &str) -> Vec<&'static str> {
    let (mut one, mut other) = (one.to_owned(), other.to_owned());
    let mut found = Vec::new();
    for (what, plain) in LOOK_ALIKES.iter().chain(&SLIPS) {
        let before = strsim::osa_distance(&one, &other);
        (one, other) = (plain(&one), plain(&other));
        if strsim::osa_distance(&one, &other) < before {
            found.push(*what);
        }
    }
    found
}

/// The candidate that `word` is most likely a misspelling of, if there is one.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 2.max(candidate.len() / 3))
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

fn without(name: &str, differences: &[Difference]) -> String {
    differences.iter().fold(name.to_owned(), |name, (_, plain)| plain(&name))
}

fn without_invisible(name: &str) -> String {
    name.chars().filter(|c| !is_invisible(*c)).collect()
}

/// White space of any kind and length is one space, and outside it is none.
fn with_plain_spaces(name: &str) -> String {
    // An empty cell of braille has the width of a space, and no other look.
    let words = name.split(|c: char| c.is_whitespace() || c == '\u{2800}').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

fn with_plain_dashes(name: &str) -> String {
    let is_dash = |c| {
        matches!(
            c,
            '\u{2D7}' | '\u{2010}'
                ..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' | '\u{FF0D}'
        )
    };
    name.replace(is_dash, "-")
}

fn with_plain_quotes(name: &str) -> String {
    name.replace(['‘', '’', '‚', '‛', '′', '´', '`', 'ʹ', 'ʻ', 'ʼ', '＇'], "'")
        .replace(['“', '”', '„', '‟', '″', '«', '»', '＂'], "\"")
}

fn without_outer_quotes(name: &str) -> String {
    let inner = |quote| name.strip_prefix(quote)?.strip_suffix(quote).filter(|inner| !inner.is_empty());
    inner('"').or_else(|| inner('\'')).unwrap_or(name).to_owned()
}

/// The apostrophe by which spreadsheets and reports keep a value from being a formula.
fn without_apostrophe(name: &str) -> String {
    match name.strip_prefix('\'') {
        // Before one of these, the apostrophe would be all that a glob asks for.
        Some(rest) if !rest.is_empty() && !rest.starts_with(['*', '?', '[', '{']) => rest.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn invisible_characters_are_found_and_visible_ones_are_not() {
        // A soft hyphen, the Arabic letter mark, fillers of Hangul, a Mongolian separator, zero-width ones, a
        // line separator, a change of direction, a byte order mark, a tag.
        for c in "\u{0}\u{ad}\u{61c}\u{115f}\u{3164}\u{ffa0}\u{180e}\u{200b}\u{200d}\u{2028}\u{202e}\u{2060}\u{feff}\u{e0041}".chars() {
            assert!(is_invisible(c), "{c:?}");
        }
        for c in "a é日한\u{1100}\u{1161}e\u{301}\u{a0}'-".chars() {
            assert!(!is_invisible(c), "{c:?}");
        }
    }

    #[test]
    fn spellings_that_look_alike_have_one_skeleton() {
        for (one, other, differs) in [
            ("acme\u{200B}-eu", "acme-eu", "invisible characters"),
            ("ac\u{AD}me", "acme", "invisible characters"),
            ("\u{FEFF}acme", "acme", "invisible characters"),
            ("acme eu", "acme\u{A0}eu", "white space"),
            (" acme\u{3000}", "acme", "white space"),
            ("acme  eu", "acme eu", "white space"),
            ("acme\u{2800}eu", "acme eu", "white space"),
            ("acme – eu", "acme - eu", "dashes"),
            ("acme\u{2011}eu", "acme-eu", "dashes"),
            ("O’Neill", "O'Neill", "quotes"),
            ("„acme“ x", "\"acme\" x", "quotes"),
            ("'-acme", "-acme", "an apostrophe in front"),
            ("\"acme\"", "acme", "quotes around it"),
            ("Cafe\u{301}", "Café", "Unicode form"),
            ("ＡＣＭＥ", "ACME", "Unicode form"),
            ("‘–acme", "-acme", "dashes, an apostrophe in front"),
        ] {
            assert_eq!(skeleton(one), skeleton(other), "{one:?} {other:?}");
            assert_eq!(differences(one, other).join(", "), differs, "{one:?} {other:?}");
        }
    }

    #[test]
    fn slips_are_near_misses_and_do_not_look_alike() {
        for (one, other, differs) in [
            ("Acme", "acme", "case"),
            ("acme_eu", "acme-eu", "what joins its words"),
            ("ACME – eu ", "acme - EU", "white space, dashes, case"),
        ] {
            assert_ne!(skeleton(one), skeleton(other), "{one:?} {other:?}");
            assert_eq!(near_miss_key(one), near_miss_key(other), "{one:?} {other:?}");
            assert_eq!(differences(one, other).join(", "), differs, "{one:?} {other:?}");
        }
        assert_ne!(near_miss_key("acme-1"), near_miss_key("acme-2"));
        assert_ne!(near_miss_key("'*"), near_miss_key("*"));
    }

    proptest! {
        #[test]
        fn what_is_added_to_be_overlooked_changes_no_skeleton(name in "[a-zé -]{1,12}", at in 0..13_usize) {
            let at = name.char_indices().nth(at).map_or(name.len(), |(at, _)| at);
            for added in ["\u{200B}", "\u{AD}", "\u{2060}"] {
                let with = format!("{}{added}{}", &name[..at], &name[at..]);
                prop_assert_eq!(skeleton(&with), skeleton(&name));
            }
            let decomposed: String = name.nfd().collect();
            prop_assert_eq!(skeleton(&decomposed), skeleton(&name));
        }
    }
}
