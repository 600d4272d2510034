//! The file of allowed signers, read as OpenSSH reads it (`ssh-keygen(1)`, "ALLOWED SIGNERS"), and
//! never more generously: in doubt a line allows nobody.

use ssh_key::PublicKey;
use ssh_key::public::KeyData;

use crate::domain::Timestamp;

/// One line of a file of allowed signers.
#[derive(Debug)]
pub(super) struct AllowedSigner {
    /// Who has the key, as it is written: names, or patterns of names.
    pub(super) principals: Vec<String>,
    /// Of a certificate authority: it signs other keys, and nothing else.
    authority: bool,
    namespaces: Option<String>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
    key: PublicKey,
}

impl AllowedSigner {
    /// Reads a line. What is wrong with it, in words, where it is none.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let (principals, rest) = word(line).ok_or("there are no principals")?;
        let (options, key) = if let Ok(key) = public_key(rest) {
            ("", key)
        } else {
            let (options, key) = word(rest).ok_or("there is no key")?;
            (options, public_key(key)?)
        };
        let principals: Vec<_> = principals.trim_matches('"').split(',').map(str::to_owned).collect();
        if principals.iter().any(|principal| principal.trim().is_empty()) {
            return Err("a name among the principals is empty".to_owned());
        }
        let mut signer = Self {
            principals,
            authority: false,
            namespaces: None,
            valid_after: None,
            valid_before: None,
            key,
        };
        if !options.is_empty() {
            for option in split_options(options) {
                signer.take(&option)?;
            }
        }
        Ok(signer)
    }

    fn take(&mut self, option: &str) -> Result<(), String> {
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
        let twice = match (name.as_str(), value) {
            ("cert-authority", None) => std::mem::replace(&mut self.authority, true),
            ("namespaces", Some(value)) => self.namespaces.replace(value?.to_owned()).is_some(),
            ("valid-after", Some(value)) => self.valid_after.replace(moment(value?)?).is_some(),
            ("valid-before", Some(value)) => self.valid_before.replace(moment(value?)?).is_some(),
            _ => return Err(format!("the option `{option}` is not known")),
        };
        if twice { Err(format!("the option `{name}` is given twice")) } else { Ok(()) }
    }

    /// Whether this line is about `key`, for whatever and whenever.
    pub(super) fn has(&self, key: &KeyData) -> bool {
        self.key.key_data() == key
    }

    /// Whether this line lets `key` sign for `namespace` at that time.
    pub(super) fn allows(&self, key: &KeyData, namespace: &str, at: Timestamp) -> bool {
        !self.authority
            && self.has(key)
            && self.namespaces.as_deref().is_none_or(|patterns| matches_list(namespace, patterns))
            && self.valid_after.is_none_or(|after| at >= after)
            && self.valid_before.is_none_or(|before| at < before)
    }
}

/// Whether a principal is a pattern of names, which does not tell who it is.
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

/// Whether `text` matches a list of patterns, as OpenSSH has it: with commas between, `*` for any
/// characters and `?` for one; what matches a pattern behind a `!` matches the list in no case.
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

/// The first word of `line`, in which quotes may hold spaces, and what follows it.
fn word(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let mut quoted = false;
    let end = line
        .char_indices()
        .find(|(_, c)| {
            quoted ^= *c == '"';
            !quoted && c.is_whitespace()
        })
        .map_or(line.len(), |(at, _)| at);
    let (word, rest) = line.split_at(end);
    (!word.is_empty()).then(|| (word, rest.trim_start()))
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

/// A point in time as ssh-keygen writes it: `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, in the
/// machine's time zone, or in UTC with a `Z` behind it.
fn moment(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("`{text}` is no point in time; write it like 20261231Z or 202612312359Z");
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
    fn patterns_are_those_of_openssh() {
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
