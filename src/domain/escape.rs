//! Characters written as escapes: in URLs, in HTML, and in texts of JSON or of a program.

/// HTML's names for the characters of ASCII that are neither letters nor digits (<https://html.spec.whatwg.org/entities.json>).
const ENTITIES: [(&str, u8); 39] = [
    ("excl", b'!'),
    ("quot", b'"'),
    ("QUOT", b'"'),
    ("num", b'#'),
    ("dollar", b'$'),
    ("percnt", b'%'),
    ("amp", b'&'),
    ("AMP", b'&'),
    ("apos", b'\''),
    ("lpar", b'('),
    ("rpar", b')'),
    ("ast", b'*'),
    ("midast", b'*'),
    ("plus", b'+'),
    ("comma", b','),
    ("period", b'.'),
    ("sol", b'/'),
    ("colon", b':'),
    ("semi", b';'),
    ("lt", b'<'),
    ("LT", b'<'),
    ("equals", b'='),
    ("gt", b'>'),
    ("GT", b'>'),
    ("quest", b'?'),
    ("commat", b'@'),
    ("lsqb", b'['),
    ("lbrack", b'['),
    ("bsol", b'\\'),
    ("rsqb", b']'),
    ("rbrack", b']'),
    ("Hat", b'^'),
    ("lowbar", b'_'),
    ("UnderBar", b'_'),
    ("grave", b'`'),
    ("lcub", b'{'),
    ("verbar", b'|'),
    ("vert", b'|'),
    ("rcub", b'}'),
];

/// More digits than this no character has, with zeros before them.
const MOST_DIGITS: usize = 8;

/// What begins an escape: in a URL, in HTML, in JSON.
const ALL: &str = "%&\\";

/// The characters that begin an escape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Introducers(&'static str);

impl Introducers {
    /// Those with which `text` is to be read: each kind by itself, and, if there are several, all of them.
    pub(super) fn in_text(text: &str) -> impl Iterator<Item = Self> {
        let kinds = ALL.char_indices().map(|(at, c)| &ALL[at..at + c.len_utf8()]);
        let kinds: Vec<_> = kinds.filter(|kind| text.contains(*kind)).collect();
        let all = (kinds.len() > 1).then_some(ALL);
        kinds.into_iter().chain(all).map(Self)
    }
}

/// A text without its escapes.
#[derive(Debug)]
pub(super) struct Unescaped {
    pub(super) text: String,
    /// Where each byte comes from, and the end.
    origins: Vec<usize>,
}

impl Unescaped {
    /// `text` with its escapes read once; `None` if it has none. Its bytes come from where `origin` says.
    pub(super) fn once(
        text: &str,
        origin: &dyn Fn(usize) -> usize,
        introducers: Introducers,
    ) -> Option<Self> {
        let mut read = Self { text: String::with_capacity(text.len()), origins: Vec::new() };
        let (mut at, mut is_changed) = (0, false);
        while let Some(c) = text[at..].chars().next() {
            let (start, mut read_as) = (at, c);
            at += c.len_utf8();
            if introducers.0.contains(c)
                && let Some((byte, next)) = unescaped(c, text, at)
                && byte.is_ascii()
            {
                (read_as, at, is_changed) = (char::from(byte), next, true);
            }
            read.text.push(read_as);
            read.origins.extend((0..read_as.len_utf8()).map(|more| origin(start + more)));
        }
        read.origins.push(origin(text.len()));
        is_changed.then_some(read)
    }

    /// Where the byte at `at` comes from.
    pub(super) fn origin(&self, at: usize) -> usize {
        self.origins.get(at).or(self.origins.last()).copied().unwrap_or(0)
    }
}

/// The byte that `introducer` and the text from `at` on stand for, and where the text continues.
fn unescaped(introducer: char, text: &str, at: usize) -> Option<(u8, usize)> {
    let rest = text.get(at..)?;
    let (byte, length) = match introducer {
        '%' => digits(rest, 16, 2..=2)?,
        '&' => entity(rest)?,
        '\\' => escape(rest)?,
        _ => return None,
    };
    Some((byte, at + length))
}

/// `#100;`, `#x64;`, or a name; a number needs no semicolon.
fn entity(rest: &str) -> Option<(u8, usize)> {
    let Some(number) = rest.strip_prefix('#') else {
        let (name, _) = rest.split_once(';')?;
        let (_, byte) = ENTITIES.iter().find(|(known, _)| *known == name)?;
        return Some((*byte, name.len() + 1));
    };
    let (byte, length) = match number.strip_prefix(['x', 'X']) {
        Some(hex) => digits(hex, 16, 1..=MOST_DIGITS).map(|(byte, length)| (byte, length + 1))?,
        None => digits(number, 10, 1..=MOST_DIGITS)?,
    };
    let semicolon = usize::from(number[length..].starts_with(';'));
    Some((byte, 1 + length + semicolon))
}

/// `u0064`, `u{64}`, `x64`, or a character that stands for itself.
fn escape(rest: &str) -> Option<(u8, usize)> {
    let (kind, after) = (rest.chars().next()?, rest.get(1..)?);
    match kind {
        'u' if after.starts_with('{') => {
            let (byte, length) = digits(&after[1..], 16, 1..=MOST_DIGITS)?;
            after[1 + length..].starts_with('}').then_some((byte, length + 3))
        }
        'u' => digits(after, 16, 4..=4).map(|(byte, length)| (byte, length + 1)),
        'x' => digits(after, 16, 2..=2).map(|(byte, length)| (byte, length + 1)),
        c if c.is_ascii_punctuation() => Some((u8::try_from(c).ok()?, 1)),
        _ => None,
    }
}

/// The byte that the digits at the beginning of `rest` are, and how many they are.
fn digits(rest: &str, radix: u32, how_many: std::ops::RangeInclusive<usize>) -> Option<(u8, usize)> {
    let count =
        rest.bytes().take(*how_many.end()).take_while(|byte| char::from(*byte).is_digit(radix)).count();
    if !how_many.contains(&count) {
        return None;
    }
    let value = u32::from_str_radix(&rest[..count], radix).ok()?;
    Some((u8::try_from(value).ok()?, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_a_character_is_read() {
        for text in ["%64", "&#100;", "&#0100;", "&#x64;", "&#X64", "\\u0064", "\\u{64}", "\\x64"] {
            let found = unescaped(text.chars().next().unwrap(), text, 1);
            assert_eq!(found, Some((b'd', text.len())), "{text}");
        }
        assert_eq!(unescaped('&', "&lowbar;x", 1), Some((b'_', 8)));
        assert_eq!(unescaped('\\', "\\/", 1), Some((b'/', 2)));
    }

    #[test]
    fn what_is_not_an_escape_is_left_alone() {
        for text in [
            "%6",
            "%zz",
            "&",
            "&unknown;",
            "&#;",
            "&#xé",
            "&#9999999999;",
            "\\",
            "\\u12",
            "\\n",
            "\\é",
            "a64",
        ] {
            assert_eq!(unescaped(text.chars().next().unwrap(), text, 1), None, "{text}");
        }
    }
}
