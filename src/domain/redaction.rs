//! Finds pieces of a secret in texts, however they are written.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretBox};

use super::escape::{Introducers, Unescaped};
use super::is_invisible;

/// What replaces a piece of the secret.
const REDACTED: &str = "[token]";

/// As many characters of the secret in a row are a piece of it.
const PIECE: usize = 8;

/// How many hexadecimal digits a piece has.
const DIGITS: usize = 2 * PIECE;

/// How often the characters of a text may be escaped.
const MOST_DECODED: usize = 3;

/// A filter of so many bits lets nearly no text through that holds no piece.
const FILTER_BITS: usize = 1 << 12;

/// Removes a secret of ASCII characters from texts: every run of eight or more of its characters, plain, escaped as in
/// URLs, HTML and JSON (also more than once), as base64 of either alphabet, as hexadecimal digits, and with white space
/// or invisible characters in between.
///
/// Each piece of eight characters, in each of these forms, is one number; a text is read once for all of them.
pub(super) struct Redactor {
    /// How long a piece is: shorter than [`PIECE`] if the secret is.
    length: usize,
    pieces: SecretBox<Vec<u64>>,
    filter: Box<[u64; FILTER_BITS / 64]>,
}

impl Redactor {
    pub(super) fn new(secret: &str) -> Self {
        let length = secret.len().clamp(1, PIECE);
        let mut pieces: Vec<u64> = secret.as_bytes().windows(length).map(number).collect();
        // A piece of a short secret says nothing in base64, where it would be found everywhere.
        for form in (0..3).filter(|_| length == PIECE).map(|offset| base64(secret, offset)) {
            let other = Zeroizing::new(form.replace('+', "-").replace('/', "_"));
            pieces
                .extend(form.as_bytes().windows(length).chain(other.as_bytes().windows(length)).map(number));
        }
        pieces.sort_unstable();
        pieces.dedup();
        let mut filter = Box::new([0; FILTER_BITS / 64]);
        for piece in &pieces {
            let (word, bit) = filter_place(*piece);
            filter[word] |= bit;
        }
        Self { length, pieces: SecretBox::new(Box::new(pieces)), filter }
    }

    /// `text` without the secret.
    pub(super) fn redact(&self, text: String) -> String {
        let mut found = Vec::new();
        self.find(&text, &|at| at, &mut found);
        for introducers in Introducers::in_text(&text) {
            let mut level = Unescaped::once(&text, &|at| at, introducers);
            let mut left = MOST_DECODED;
            while let Some(read) = level.filter(|_| left > 0) {
                left -= 1;
                self.find(&read.text, &|at| read.origin(at), &mut found);
                level = Unescaped::once(&read.text, &|at| read.origin(at), introducers);
            }
        }
        self.find_hex(&text, &mut found);
        if found.is_empty() {
            return text;
        }
        found.sort_unstable_by_key(|range| range.start);
        let (mut clean, mut end) = (String::new(), 0);
        for range in found {
            if range.start > end || clean.is_empty() {
                clean.push_str(text.get(end..range.start).unwrap_or_default());
                clean.push_str(REDACTED);
            }
            end = end.max(range.end);
        }
        clean.push_str(text.get(end..).unwrap_or_default());
        clean
    }

    /// Adds where the pieces in `text` are. Its bytes come from where `origin` says.
    fn find(&self, text: &str, origin: &dyn Fn(usize) -> usize, found: &mut Vec<Range<usize>>) {
        let mask = u64::MAX >> (64 - 8 * self.length);
        let mut starts = [0; PIECE];
        let (mut window, mut count) = (0, 0_usize);
        for (start, c) in text.char_indices() {
            let is_skipped =
                if c.is_ascii() { !c.is_ascii_graphic() } else { c.is_whitespace() || is_invisible(c) };
            if is_skipped {
                continue;
            }
            // Of a character that no secret has, any byte that is not of ASCII will do.
            let byte = u8::try_from(c).unwrap_or(u8::MAX);
            window = (window << 8 | u64::from(byte)) & mask;
            starts[count % PIECE] = start;
            count += 1;
            if count >= self.length && self.holds(window) {
                let first = starts[(count - self.length) % PIECE];
                found.push(origin(first)..origin(start + c.len_utf8()));
            }
        }
    }

    /// Adds where the pieces in `text` are as hexadecimal digits, with anything but letters and digits between the bytes.
    fn find_hex(&self, text: &str, found: &mut Vec<Range<usize>>) {
        // A piece of a short secret says nothing, and a digest may hold it.
        if self.length < PIECE {
            return;
        }
        let mut starts = [0; DIGITS];
        let (mut window, mut count, mut last) = (0_u64, 0_usize, ' ');
        for (start, c) in text.char_indices() {
            match (c.to_digit(16), c) {
                (Some(digit), _) => {
                    window = window << 4 | u64::from(digit);
                    starts[count % DIGITS] = start;
                    count += 1;
                    if count >= DIGITS && self.holds(window) {
                        found.push(starts[count % DIGITS]..start + 1);
                    }
                }
                // The zero of `0x` is not a digit of the byte.
                (None, 'x' | 'X') if last == '0' && count > 0 => {
                    window >>= 4;
                    count -= 1;
                }
                (None, 'x') if last == '\\' => {}
                (None, c) if c.is_alphanumeric() => count = 0,
                _ => {}
            }
            last = c;
        }
    }

    fn holds(&self, piece: u64) -> bool {
        let (word, bit) = filter_place(piece);
        self.filter[word] & bit != 0 && self.pieces.expose_secret().binary_search(&piece).is_ok()
    }
}

fn number(piece: &[u8]) -> u64 {
    piece.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The word and the bit of the filter that stand for a piece.
fn filter_place(piece: u64) -> (usize, u64) {
    let hash = piece.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FILTER_BITS.trailing_zeros());
    (usize::try_from(hash / 64).unwrap_or(0), 1 << (hash % 64))
}

/// The base64 characters that `secret` alone decides if as many bytes as `offset` precede it.
fn base64(secret: &str, offset: usize) -> Zeroizing<String> {
    let bytes = Zeroizing::new([&[0; 3][..offset], secret.as_bytes()].concat());
    let all = Zeroizing::new(STANDARD_NO_PAD.encode(&*bytes));
    Zeroizing::new(all[(8 * offset).div_ceil(6)..8 * bytes.len() / 6].to_owned())
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn redacts_the_secret_and_every_run_of_eight_of_its_characters() {
        let redactor = Redactor::new("dbn_live_abc");
        for (text, redacted) in [
            ("nothing", "nothing"),
            ("", ""),
            ("a dbn_live_abc b dbn_live_abcd", "a [token] b [token]d"),
            ("dbn_live_abcdbn_live_abc", "[token]"),
            ("it was dbn_live_ab…", "it was [token]…"),
            ("it was n_live_", "it was n_live_"),
            ("it was n_live_ab!", "it was [token]!"),
            ("é dbn\n_li ve\u{200b}_ab\u{a0}c é", "é [token] é"),
            ("é…", "é…"),
            ("?t=dbn%5Flive%5Fabc&x=%", "?t=[token]&x=%"),
            ("?t=%2564bn%255Flive_%61%62c%20&x", "?t=[token]%20&x"),
            ("?t=dbn&#95;live&#x5F;&#97;bc &amp;", "?t=[token] &amp;"),
            ("&#100;&#98;&#110&lowbar;live&amp;lowbar;abc;", "[token];"),
            ("{\"t\":\"dbn\\u005flive\\x5f\\\\u0061bc\"}", "{\"t\":\"[token]\"}"),
            ("t=64626E5F6c6976655f616263.", "t=[token]."),
            ("64:62:6e:5f 6c,69,76,65\n5f-61-62-63", "[token]"),
            ("[0x64, 0x62, 0x6e, 0x5f, 0x6c, 0x69, 0x76, 0x65]", "[0x[token]]"),
            ("f64626e5f6c697665f", "f[token]f"),
            ("64626e5f6c69766", "64626e5f6c69766"),
            ("Authorization: Basic ZGJuX2xpdmVfYWJj", "Authorization: Basic [token]"),
        ] {
            assert_eq!(redactor.redact(text.to_owned()), redacted, "{text}");
        }
        assert_eq!(Redactor::new("abc").redact("xabcabx YWJj".to_owned()), "x[token]abx YWJj");
        assert_eq!(Redactor::new("").redact("abc".to_owned()), "abc");
    }

    /// A secret, and where a run of eight or more of its characters begins and ends.
    fn secret_and_run() -> impl Strategy<Value = (String, Range<usize>)> {
        "[!-~]{8,80}".prop_flat_map(|secret| {
            let length = secret.len();
            (Just(secret), 0..=length - PIECE).prop_flat_map(move |(secret, start)| {
                (Just(secret), (start + PIECE..=length).prop_map(move |end| start..end))
            })
        })
    }

    proptest! {
        #[test]
        fn no_run_of_eight_characters_remains(
            (secret, run) in secret_and_run(),
            gaps in prop::collection::vec("[ \\t\\n\u{200b}]{0,2}", 80),
            encode in prop::collection::vec(any::<bool>(), 80),
            times in 1..=MOST_DECODED,
        ) {
            let redactor = Redactor::new(&secret);
            let piece = &secret[run];
            let each = |write: &dyn Fn(usize, char) -> String| -> String {
                piece.char_indices().map(|(at, c)| write(at, c)).collect()
            };
            let spaced = each(&|at, c| format!("{c}{}", if at + 1 < piece.len() { &gaps[at] } else { "" }));
            let encoded = each(&|at, c| match c {
                c if encode[at] || c == '%' => format!("%{}{:02X}", "25".repeat(times - 1), u32::from(c)),
                c => c.to_string(),
            });
            let entities = each(&|at, c| match c {
                c if encode[at] || c == '&' => format!("&{}#{};", "amp;".repeat(times - 1), u32::from(c)),
                c => c.to_string(),
            });
            let escaped = each(&|at, c| match c {
                '\\' => "\\".repeat(1 << times),
                c if encode[at] => format!("{}u{:04x}", "\\".repeat(1 << (times - 1)), u32::from(c)),
                c => c.to_string(),
            });
            let hex = each(&|at, c| match c {
                c if encode[at] => format!("{:02x}", u32::from(c)),
                c => format!("{:02X}{}", u32::from(c), if at + 1 < piece.len() { &gaps[at] } else { "" }),
            });
            for text in [piece.to_owned(), spaced, encoded, entities, escaped, hex] {
                prop_assert_eq!(redactor.redact(format!("é{text}é")), "é[token]é", "{}", text);
            }
        }

        #[test]
        fn no_run_of_eight_characters_remains_in_base64(
            (secret, run) in secret_and_run(),
            before in prop::collection::vec(any::<u8>(), 0..9),
            after in prop::collection::vec(any::<u8>(), 0..9),
            width in 1..20_usize,
        ) {
            let redactor = Redactor::new(&secret);
            let bytes = [&before[..], &secret.as_bytes()[run.clone()], &after[..]].concat();
            // Neighbours have a part in up to one character at each end.
            let offset = before.len() % 3;
            let decided = 8 * (offset + run.len()) / 6 - (8 * offset).div_ceil(6);
            for text in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE.encode(&bytes)] {
                let lines: Vec<_> = text.as_bytes().chunks(width).map(|line| str::from_utf8(line).unwrap()).collect();
                let clean = redactor.redact(lines.join("\n")).replace(REDACTED, "").replace('\n', "");
                prop_assert!(clean.len() <= text.len() - decided, "{} of {}", clean, text);
            }
        }

        #[test]
        fn a_text_without_the_secret_stays_as_it_is(secret in "[a-m_]{8,60}", text in "[n-z %.é\n]{0,200}") {
            prop_assert_eq!(Redactor::new(&secret).redact(text.clone()), text);
        }
    }
}
