//! The file of allowed signers, read as OpenSSH reads it (`ssh-keygen(1)`, "ALLOWED SIGNERS") and never more
//! generously: a line in doubt allows no signature.

use ssh_key::PublicKey;
use ssh_key::public::KeyData;

use super::is_same_person;
use crate::domain::{Timestamp, is_invisible};

/// One line of a file of allowed signers.
#[derive(Debug)]
pub(super) struct AllowedSigner {
    /// The owners of the key as they are written: names, or patterns of names.
    pub(super) principals: Vec<String>,
    /// The key is a certificate authority's, which signs keys and nothing else.
    is_authority: bool,
    namespaces: Option<String>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
    key: PublicKey,
}

impl AllowedSigner {
    /// Reads a line, or says in words what is wrong with it.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        if public_key(line).is_ok() {
            return Err("this is a public key without its owner; write their name before it, as in \
                        `ann@example.com namespaces=\"decom-plan\" ssh-ed25519 KEY`"
                .to_owned());
        }
        let (principals, rest) = word(line).ok_or("there are no principals")?;
        let (options, key) = if let Ok(key) = public_key(rest) {
            ("", key)
        } else {
            let (options, key) = word(rest).ok_or("there is no key")?;
            (options, public_key(key)?)
        };
        let mut signer = Self {
            principals: parse_principals(principals)?,
            is_authority: false,
            namespaces: None,
            valid_after: None,
            valid_before: None,
            key,
        };
        if !options.is_empty() {
            for option in split_options(options) {
                signer.set(&option)?;
            }
        }
        Ok(signer)
    }

    fn set(&mut self, option: &str) -> Result<(), String> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        let name = name.to_ascii_lowercase();
        let value = value.map(|value| {
            value
                .strip_prefix('"')
                .and_then(|value| value.strip_suffix('"'))
                .ok_or_else(|| format!("the value of `{name}` is not in quotes"))
        });
        let repeated = match (name.as_str(), value) {
            ("cert-authority", None) => std::mem::replace(&mut self.is_authority, true),
            ("namespaces", Some(value)) => self.namespaces.replace(value?.to_owned()).is_some(),
            ("valid-after", Some(value)) => self.valid_after.replace(parse_time(value?)?).is_some(),
            ("valid-before", Some(value)) => self.valid_before.replace(parse_time(value?)?).is_some(),
            _ => return Err(format!("the option `{option}` is not known")),
        };
        if repeated { Err(format!("the option `{name}` is given twice")) } else { Ok(()) }
    }

    /// Returns true if this line is about `key`, for whatever purpose and time.
    fn has(&self, key: &KeyData) -> bool {
        self.key.key_data() == key
    }

    /// Returns true if this line lets `key` sign for `namespace` at that time.
    pub(super) fn allows(&self, key: &KeyData, namespace: &str, at: Timestamp) -> bool {
        !self.is_authority
            && self.has(key)
            && self.namespaces.as_deref().is_none_or(|patterns| matches_list(namespace, patterns))
            && self.valid_after.is_none_or(|after| at >= after)
            && self.valid_before.is_none_or(|before| at < before)
    }

    /// Returns true if both lines may be about one person, because they share the key or a name.
    fn may_be_same_person(&self, other: &Self) -> bool {
        self.has(other.key.key_data())
            || self.principals.iter().filter(|name| !is_pattern(name)).any(|name| {
                other.principals.iter().any(|other| !is_pattern(other) && is_same_person(name, other))
            })
    }
}

/// The names of everyone who may be the owner of `key`: those on its lines, and those on lines that share a key
/// or a name with one of these. What a line allows and when does not matter to who its owner is.
pub(super) fn owners(signers: &[AllowedSigner], key: &KeyData) -> Vec<String> {
    let (mut owners, mut others): (Vec<_>, Vec<_>) = signers.iter().partition(|signer| signer.has(key));
    let mut next = 0;
    while let Some(owner) = owners.get(next).copied() {
        let (same, rest) = others.into_iter().partition(|other| owner.may_be_same_person(other));
        let same: Vec<_> = same;
        owners.extend(same);
        others = rest;
        next += 1;
    }
    owners.into_iter().flat_map(|owner| owner.principals.iter().cloned()).collect()
}

/// The names before the key. A name that does not read as what it is could make one person two.
fn parse_principals(text: &str) -> Result<Vec<String>, String> {
    let is_odd = |c: &char| is_invisible(*c) || (c.is_whitespace() && *c != ' ');
    if let Some(odd) = text.chars().find(is_odd) {
        return Err(format!(
            "the name holds U+{:04X}, which is invisible or looks like a space; write the name again without it",
            u32::from(odd)
        ));
    }
    let principals: Vec<_> = text.trim_matches('"').split(',').map(str::to_owned).collect();
    if principals.iter().any(|principal| principal.trim().is_empty()) {
        return Err("a name among the principals is empty".to_owned());
    }
    Ok(principals)
}

/// Returns true if a principal is a pattern of names, which does not say who its owner is.
#[must_use]
pub fn is_pattern(principal: &str) -> bool {
    principal.starts_with('!') || principal.contains(['*', '?'])
}

/// The key that `text` begins with; a comment may follow it.
pub(super) fn public_key(text: &str) -> Result<PublicKey, String> {
    let mut words = text.split_whitespace();
    let (Some(algorithm), Some(key)) = (words.next(), words.next()) else {
        return Err("there is no key".to_owned());
    };
    PublicKey::from_openssh(&format!("{algorithm} {key}")).map_err(|error| error.to_string())
}

/// Returns true if `text` matches a list of patterns as OpenSSH defines it: separated by commas, `*` for any
/// characters and `?` for one; a match of a pattern after `!` excludes the text.
fn matches_list(text: &str, patterns: &str) -> bool {
    let mut any = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(text.as_bytes(), pattern.as_bytes()) => return false,
            Some(_) => {}
            None => any |= matches(text.as_bytes(), pattern.as_bytes()),
        }
    }
    any
}

fn matches(text: &[u8], pattern: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, _) => text.is_empty(),
        (Some((b'*', rest)), _) => (0..=text.len()).any(|from| matches(&text[from..], rest)),
        (Some(_), None) => false,
        (Some((one, pattern)), Some((c, text))) => (*one == b'?' || one == c) && matches(text, pattern),
    }
}

/// The first word of `line`, in which quotes may hold spaces, and what follows it. Only spaces and tabs separate
/// words, as in OpenSSH.
fn word(line: &str) -> Option<(&str, &str)> {
    let blank = [' ', '\t'];
    let line = line.trim_start_matches(blank);
    let mut quoted = false;
    let end = line
        .char_indices()
        .find(|(_, c)| {
            quoted ^= *c == '"';
            !quoted && blank.contains(c)
        })
        .map_or(line.len(), |(at, _)| at);
    let (word, rest) = line.split_at(end);
    (!word.is_empty()).then(|| (word, rest.trim_start_matches(blank)))
}

fn split_options(options: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in options.chars() {
        quoted ^= c == '"';
        match (c, parts.last_mut()) {
            (',', _) if !quoted => parts.push(String::new()),
            (c, Some(last)) => last.push(c),
            (_, None) => {}
        }
    }
    parts
}

/// A time as ssh-keygen writes it: `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, in the machine's time zone, or
/// in UTC with a `Z` at the end.
fn parse_time(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("`{text}` is not a time; write it like 20261231Z or 202612312359Z");
    let (digits, utc) = text.strip_suffix('Z').map_or((text, false), |digits| (digits, true));
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let padded = match digits.len() {
        8 => format!("{digits}000000"),
        12 => format!("{digits}00"),
        14 => digits.to_owned(),
        _ => return Err(wrong()),
    };
    let civil = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", &padded).map_err(|_| wrong())?;
    let zone = if utc { jiff::tz::TimeZone::UTC } else { jiff::tz::TimeZone::system() };
    let zoned = civil.to_zoned(zone).map_err(|_| wrong())?;
    Ok(Timestamp::from_micros(zoned.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_patterns_as_openssh_does() {
        for (patterns, matched) in [
            ("decom-plan", true),
            ("file", false),
            ("file,decom-plan", true),
            ("decom-*", true),
            ("decom-pla?", true),
            ("*", true),
            ("!decom-plan,*", false),
            ("*,!decom-plan", false),
            ("!file", false),
            ("!file,*", true),
            ("decom-plan-2", false),
            ("DECOM-PLAN", false),
            ("", false),
        ] {
            assert_eq!(matches_list("decom-plan", patterns), matched, "{patterns}");
        }
    }
}
