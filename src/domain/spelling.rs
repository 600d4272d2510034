//! How texts that differ can look alike to a reader: characters without a shape, and other spellings.

use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
use unicode_normalization::UnicodeNormalization;

/// Returns true if a reader cannot see `c`: control characters, line breaks of any kind, characters without
/// width or shape, and those that change the direction of writing. White space is visible.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{2800}' | '\u{fff9}'..='\u{fffb}')
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// `text` reduced to what a reader tells apart: without outer white space, invisible characters, and the
/// differences of case, of Unicode form, and between dashes or quotes of different shapes.
#[must_use]
pub fn skeleton(text: &str) -> String {
    let folded: String = text
        .nfkc()
        .filter(|c| !is_invisible(*c))
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' => '-',
            '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{b4}' | '`' => '\'',
            '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{ab}' | '\u{bb}' => '"',
            c if c.is_whitespace() => ' ',
            c => c,
        })
        .nfc()
        .collect();
    folded.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_found_and_visible_ones_are_not() {
        // A soft hyphen, the Arabic letter mark, fillers of Hangul, a Mongolian separator, zero-width ones, a
        // line separator, a change of direction, a byte order mark, a tag, an empty braille cell.
        for c in "\u{0}\u{ad}\u{61c}\u{115f}\u{3164}\u{ffa0}\u{180e}\u{200b}\u{200d}\u{2028}\u{202e}\u{2060}\u{feff}\u{e0041}\u{2800}".chars() {
            assert!(is_invisible(c), "{c:?}");
        }
        for c in "a é日한\u{1100}\u{1161}e\u{301}\u{a0}'-".chars() {
            assert!(!is_invisible(c), "{c:?}");
        }
    }

    #[test]
    fn texts_that_look_alike_have_one_skeleton() {
        for (one, other) in [
            ("\u{feff}bob", "bob"),
            ("b\u{200b}ob ", "Bob"),
            ("Jos\u{e9}", "jose\u{301}"),
            ("jean\u{2010}luc", "jean-luc"),
            ("o\u{2019}neill", "O'Neill"),
            ("ann\u{a0}lee", "ann lee"),
            ("\u{ff42}ob", "bob"),
        ] {
            assert_eq!(skeleton(one), skeleton(other), "{one:?} {other:?}");
        }
        assert_ne!(skeleton("jean-luc"), skeleton("jeanluc"));
    }
}
