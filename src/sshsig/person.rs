//! Which names may belong to one person, however they are spelled.

use crate::domain::looks;

/// Returns true if two names may mean one person: `alice`, `Alice@example.com` and `alice+work@example.com` do,
/// and so do names that only look alike.
#[must_use]
pub fn is_same_person(one: &str, other: &str) -> bool {
    let (ones, others) = (spellings(one), spellings(other));
    ones.iter().map(|name| parts(name)).any(|(one, domain)| {
        others.iter().map(|name| parts(name)).any(|(other, other_domain)| {
            one == other && (domain.is_none() || other_domain.is_none() || domain == other_domain)
        })
    })
}

/// The looks of a name without its case: a capital `I` looks like an `l`, and other letters are alike only in lower case.
fn spellings(name: &str) -> Vec<String> {
    let in_lower_case = looks(name).into_iter().map(|look| look.to_lowercase());
    in_lower_case.chain(looks(&name.to_lowercase())).collect()
}

/// The user of a name without what follows a `+`, and the domain.
fn parts(name: &str) -> (String, Option<String>) {
    let (user, domain) = name.split_once('@').map_or((name, None), |(user, at)| (user, Some(at)));
    (user.split('+').next().unwrap_or_default().trim().to_owned(), domain.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_person_are_recognized_however_they_are_spelled() {
        for (one, other, same) in [
            ("bob", "bob", true),
            ("bob", "Bob@example.com", true),
            ("bob+x@c.com", "bob", true),
            ("bob+x@c.com", "bob@C.com", true),
            ("bob+x@c.com", "bob+y@c.com", true),
            ("\u{feff}bob@c.com", "bob@c.com", true),
            ("b\u{200b}ob", "bob", true),
            ("jean\u{2011}luc", "jean-luc@c.com", true),
            ("\u{ff22}ob", "bob", true),
            ("alice@x", "\u{430}lice@x", true),
            ("Alice@x", "\u{410}lice@x", true),
            ("alice@x", "aIice@x", true),
            ("bob@a.com", "bob@b.com", false),
            ("bob", "bobby", false),
            ("alice", "bob", false),
        ] {
            assert_eq!(is_same_person(one, other), same, "{one} {other}");
            assert_eq!(is_same_person(other, one), same, "{other} {one}");
        }
    }
}
