//! Globs of names. A name is not a path: every character counts alike, also `/` and a leading dot.

use std::iter::Peekable;
use std::str::Chars;

use glob::Pattern;

use super::PlanError;

/// How many patterns one glob may stand for: more alternatives are a mistake.
const MAX_PATTERNS: usize = 1000;

/// How deep alternatives may be nested.
const MAX_DEPTH: usize = 16;

/// The patterns without alternatives that `glob` stands for; otherwise what is wrong with it, in words.
pub(super) fn compile(glob: &str) -> Result<Vec<Pattern>, String> {
    let plain = sequence(&mut glob.chars().peekable(), 0)?;
    if plain.iter().all(|pattern| pattern.trim().is_empty()) {
        return Err("it is empty and would protect nothing".to_owned());
    }
    plain.iter().map(|pattern| Pattern::new(pattern).map_err(|error| error.msg.to_owned())).collect()
}

/// The patterns of globs that select names exactly as they are written. `refused` makes the error of a glob from what is
/// wrong with it.
///
/// # Errors
/// If one of them is not a glob.
pub(super) fn compile_all(
    globs: &[String],
    refused: impl Fn(&str, String) -> PlanError,
) -> Result<Vec<Pattern>, PlanError> {
    let mut patterns = Vec::new();
    for glob in globs {
        let compiled = if glob.trim().is_empty() { Err("it is empty".to_owned()) } else { compile(glob) };
        patterns.extend(compiled.map_err(|why| refused(glob, why))?);
    }
    Ok(patterns)
}

/// Reads up to the end, or within braces, past the `}` that closes them.
fn sequence(chars: &mut Peekable<Chars<'_>>, depth: usize) -> Result<Vec<String>, String> {
    let (mut finished, mut current) = (Vec::new(), vec![String::new()]);
    while let Some(c) = chars.next() {
        let next = match c {
            '{' if depth == MAX_DEPTH => return Err(format!("more than {MAX_DEPTH} `{{` within each other")),
            '{' => sequence(chars, depth + 1)?,
            '}' if depth == 0 => return Err("a `}` without its `{`; `[}]` is the brace itself".to_owned()),
            '}' => {
                finished.append(&mut current);
                return Ok(finished);
            }
            ',' if depth > 0 => {
                finished.append(&mut current);
                vec![String::new()]
            }
            '[' => vec![class(chars)?],
            '\\' => {
                return Err("a `\\` does not escape anything; `[*]` is a star, `[\\]` a backslash".to_owned());
            }
            c => vec![c.to_string()],
        };
        current = if current.is_empty() { next } else { product(&current, &next) };
        if finished.len() + current.len() > MAX_PATTERNS {
            return Err(format!("it stands for more than {MAX_PATTERNS} patterns"));
        }
    }
    if depth > 0 { Err("a `{` without its `}`; `[{]` is the brace itself".to_owned()) } else { Ok(current) }
}

/// Each of `first` followed by each of `second`.
fn product(first: &[String], second: &[String]) -> Vec<String> {
    let pairs = first.iter().flat_map(|one| second.iter().map(move |two| (one, two)));
    // Two stars are one: any characters. A class ends with its bracket, so these are not members of one.
    let joined = pairs.map(|(one, two)| match two.strip_prefix('*') {
        Some(rest) if one.ends_with('*') => format!("{one}{rest}"),
        _ => format!("{one}{two}"),
    });
    joined.take(MAX_PATTERNS + 1).collect()
}

/// The class after a `[`, with its brackets.
fn class(chars: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let not = if chars.next_if(|c| matches!(c, '!' | '^')).is_some() { "!" } else { "" };
    // The first one is a member in any case, as `]` is in `[]]`.
    let mut members: Vec<char> = chars.next().into_iter().collect();
    loop {
        match chars.next() {
            Some(']') => break,
            Some(c) => members.push(c),
            None => return Err("a `[` without its `]`; `[[]` is the bracket itself".to_owned()),
        }
    }
    let mut at = 0;
    while at + 2 < members.len() {
        if members[at + 1] != '-' {
            at += 1;
        } else if members[at] > members[at + 2] {
            return Err(format!("`{}-{}` holds no character", members[at], members[at + 2]));
        } else {
            at += 3;
        }
    }
    Ok(format!("[{not}{}]", members.iter().collect::<String>()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(glob: &str, name: &str) -> bool {
        compile(glob).unwrap().iter().any(|pattern| pattern.matches(name))
    }

    #[test]
    fn matches_characters_whatever_their_bytes() {
        for (glob, name, matched) in [
            ("kunde-?", "kunde-ü", true),
            ("kunde-?", "kunde-日", true),
            ("kunde-?", "kunde-\u{1f389}", true),
            ("kunde-?", "kunde-u\u{308}", false),
            ("[äöü]ber", "über", true),
            ("[!a]x", "üx", true),
            ("[^a]x", "ax", false),
            ("[^a]x", "üx", true),
            ("[à-ý]x", "üx", true),
            ("M?nchen", "München", true),
            ("prod/*", "prod/a/b", true),
            ("*.prod", ".prod", true),
            ("?prod", ".prod", true),
            ("a**b", "a/x/b", true),
            ("***", "x", true),
            ("*{*,x}*", "y", true),
            ("[**]x", "*x", true),
            ("[]a]", "]", true),
            ("[*]", "x", false),
            ("{a,{b,c}}x", "cx", true),
            ("{a,{b,c}}x", "ax", true),
            ("{a,{b,c}}x", "bax", false),
            ("{,x}y", "y", true),
            ("a,b", "a,b", true),
            ("{[,],[}]}", "}", true),
            ("PROD*", "prod1", false),
        ] {
            assert_eq!(matches(glob, name), matched, "{glob} {name}");
        }
    }

    #[test]
    fn rejects_invalid_globs() {
        for (glob, why) in [
            ("{a", "a `{` without its `}`"),
            ("{a,{b}", "a `{` without its `}`"),
            ("a}", "a `}` without its `{`"),
            ("[a", "a `[` without its `]`"),
            ("[]", "a `[` without its `]`"),
            ("[!]", "a `[` without its `]`"),
            ("[z-a]", "`z-a` holds no character"),
            ("prod\\*", "a `\\` does not escape anything"),
            ("", "would protect nothing"),
            ("{}", "would protect nothing"),
            ("{,{,}}", "would protect nothing"),
            (" ", "would protect nothing"),
            (&"{a,b}".repeat(10), "more than 1000 patterns"),
            (&"{".repeat(100_000), "within each other"),
        ] {
            assert!(compile(glob).unwrap_err().contains(why), "{glob}");
        }
    }

    /// A piece of a glob, to be written as text and matched by hand.
    #[derive(Debug, Clone)]
    enum Piece {
        One(char),
        Any,
        Some,
        Class(bool, Vec<char>),
        Either(Vec<Vec<Piece>>),
    }

    fn written(pieces: &[Piece]) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::One(c) => c.to_string(),
            Piece::Any => "?".to_owned(),
            Piece::Some => "*".to_owned(),
            Piece::Class(not, members) => {
                format!("[{}{}]", if *not { "!" } else { "" }, members.iter().collect::<String>())
            }
            Piece::Either(all) => {
                format!("{{{}}}", all.iter().map(|one| written(one)).collect::<Vec<_>>().join(","))
            }
        };
        pieces.iter().map(piece).collect()
    }

    /// Tries all ways to match, one character after the other.
    fn naive(pieces: &[Piece], name: &[char]) -> bool {
        let Some((piece, rest)) = pieces.split_first() else { return name.is_empty() };
        let one = |fits: &dyn Fn(char) -> bool| {
            name.split_first().is_some_and(|(c, name)| fits(*c) && naive(rest, name))
        };
        match piece {
            Piece::One(wanted) => one(&|c| c == *wanted),
            Piece::Any => one(&|_| true),
            Piece::Class(not, members) => one(&|c| members.contains(&c) != *not),
            Piece::Some => (0..=name.len()).any(|from| naive(rest, &name[from..])),
            Piece::Either(all) => all.iter().any(|one| naive(&[one.as_slice(), rest].concat(), name)),
        }
    }

    fn letter() -> impl Strategy<Value = char> {
        prop::sample::select(vec!['a', 'b', 'ü', 'é', '日', '\u{1f389}', '/', '.', ' ', '\u{308}'])
    }

    fn pieces() -> impl Strategy<Value = Vec<Piece>> {
        let leaf = prop_oneof![
            4 => letter().prop_map(Piece::One),
            1 => Just(Piece::Any),
            1 => Just(Piece::Some),
            1 => (any::<bool>(), prop::collection::vec(letter(), 1..3))
                .prop_map(|(not, members)| Piece::Class(not, members)),
        ];
        let piece = leaf.prop_recursive(2, 8, 2, |piece| {
            let list = prop::collection::vec(piece, 0..3);
            prop::collection::vec(list, 1..3).prop_map(Piece::Either)
        });
        prop::collection::vec(piece, 1..5)
    }

    proptest! {
        #[test]
        fn globs_match_as_a_naive_matcher_does(
            pieces in pieces(),
            names in prop::collection::vec(prop::collection::vec(letter(), 1..6), 1..20),
        ) {
            let glob = written(&pieces);
            if let Ok(patterns) = compile(&glob) {
                for name in names {
                    let text: String = name.iter().collect();
                    let found = patterns.iter().any(|pattern| pattern.matches(&text));
                    prop_assert_eq!(found, naive(&pieces, &name), "{} {}", glob, text);
                }
            } else {
                prop_assert!(naive(&pieces, &[]) || glob.trim().is_empty() || glob.contains(' '));
            }
        }
    }
}
