//! Checkpoints: signed statements of how many records a log has and what its last hash is, kept
//! where whoever can alter the log cannot reach. Here is their text, and the two files that each is
//! kept in.
//!
//! The chain shows that nothing in the middle was altered. That its end was not cut off, and that it
//! was not rewritten from the beginning, only something outside of it can show.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::super::AuditError;
use crate::domain::{Place, Timestamp, hex, read_file, write_whole_file};
use crate::sshsig::{Purpose, SIGNATURE_FILE, SigningKey};

/// What the signature of a checkpoint is made for.
pub const PURPOSE: Purpose = Purpose { namespace: "decom-audit", document: "checkpoint" };

/// How the file of a checkpoint ends. That of its signature is called the same, with `.sig` behind.
pub(in crate::audit) const EXTENSION: &str = "checkpoint";

/// A file that is longer than this is neither a checkpoint nor its signature, in bytes.
pub(in crate::audit) const LONGEST_FILE: u64 = 4096;

/// The first line of a checkpoint that names the one before it, and of one that an earlier version made.
const FIRST_LINE: &str = "decom audit checkpoint v2";
const FIRST_LINE_V1: &str = "decom audit checkpoint v1";

/// How many records a log has, and what the hash of the last one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The log's id.
    pub log_id: String,
    /// How many records it has; at least one.
    pub records: u64,
    /// The hash of the last one, in hexadecimal.
    pub head: String,
    /// When this is said.
    pub time: Timestamp,
    /// Which checkpoint was made before it.
    pub previous: Link,
}

/// What a checkpoint says of the one that was made before it, so that one that was removed is missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Nothing: an earlier version made it.
    Unstated,
    /// There was none where it was written.
    First,
    /// That one was of so many records, and this is the SHA-256 of its text, in hexadecimal.
    After { records: u64, sha256: String },
}

impl Link {
    /// Names the checkpoint of so many records that has this text.
    pub(in crate::audit) fn after(records: u64, text: &str) -> Self {
        Self::After { records, sha256: hex(Sha256::digest(text)) }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { log_id, records, head, time, previous } = self;
        let first_line = if *previous == Link::Unstated { FIRST_LINE_V1 } else { FIRST_LINE };
        write!(f, "{first_line}\nlog {log_id}\nrecords {records}\nhead {head}\ntime {time}\n")?;
        match previous {
            Link::Unstated => Ok(()),
            Link::First => f.write_str("previous none\n"),
            Link::After { records, sha256 } => writeln!(f, "previous {records} {sha256}"),
        }
    }
}

impl FromStr for Statement {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let mut lines = text.lines();
        let is_linked = match lines.next() {
            Some(FIRST_LINE) => true,
            Some(FIRST_LINE_V1) => false,
            _ => return Err("it does not begin with `decom audit checkpoint v2`, or v1"),
        };
        let mut value = |name: &str| lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let log_id = value("log").ok_or("there is no line `log`")?.to_owned();
        let records = value("records").and_then(|it| it.parse().ok()).ok_or("there is no line `records`")?;
        let head = value("head").ok_or("there is no line `head`")?.to_owned();
        let time = value("time")
            .and_then(|it| it.parse::<jiff::Timestamp>().ok())
            .ok_or("there is no line `time`")?;
        let previous = match is_linked.then(|| value("previous")) {
            None => Link::Unstated,
            Some(None) => return Err("there is no line `previous`"),
            Some(Some("none")) => Link::First,
            Some(Some(text)) => {
                let (records, sha256) = text.split_once(' ').ok_or("the line `previous` is malformed")?;
                let records = records.parse().map_err(|_| "the line `previous` is malformed")?;
                Link::After { records, sha256: sha256.to_owned() }
            }
        };
        let time = Timestamp::from_micros(time.as_microsecond());
        let statement = Self { log_id, records, head, time, previous };
        // To the byte, so that there is one way to say it.
        if statement.to_string() == text {
            Ok(statement)
        } else {
            Err("it is not in the form of a checkpoint")
        }
    }
}

impl Statement {
    /// What its file is called, in a folder of many.
    #[must_use]
    pub fn file_name(&self) -> String {
        let id: String = self.log_id.chars().take(16).filter(char::is_ascii_alphanumeric).collect();
        format!("{id}-{:012}.{EXTENSION}", self.records)
    }

    /// Writes the statement to `path` and, where there is a key, its signature beside it. Whoever
    /// finds the statement finds its signature, too, whenever this was interrupted. Returns what the next one says of it.
    ///
    /// # Errors
    /// Where that cannot be written, or something else is there.
    pub fn write(&self, path: &Path, key: Option<&SigningKey>) -> Result<Link, AuditError> {
        let text = self.to_string();
        let beside = signature_of(path);
        // Never over something else, and least of all over the log.
        if fs::symlink_metadata(path).is_ok() {
            let there = read_file(path, LONGEST_FILE).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let there = there.and_then(|text| Some((text.parse::<Self>().ok()?, text)));
            let same = there.filter(|(it, _)| {
                (&it.log_id, it.records, &it.head) == (&self.log_id, self.records, &self.head)
            });
            if let Some((_, text)) = same
                && key.is_some()
                && beside.exists()
            {
                return Ok(Link::after(self.records, &text));
            }
            return Err(AuditError::CheckpointTaken { path: path.to_owned() });
        }
        if let Some(key) = key {
            let signature = key.sign(PURPOSE.namespace, text.as_bytes())?;
            // One alone was left by somebody who was interrupted here.
            if fs::symlink_metadata(&beside).is_ok() && !is_signature(&beside) {
                return Err(AuditError::CheckpointTaken { path: beside });
            }
            write_file(&beside, SIGNATURE_FILE, &signature)?;
        }
        write_file(path, Place::New, &text)?;
        Ok(Link::after(self.records, &text))
    }
}

/// Where the signature of the statement at `path` is.
pub(in crate::audit) fn signature_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

fn is_signature(path: &Path) -> bool {
    read_file(path, LONGEST_FILE).is_ok_and(|bytes| bytes.starts_with(b"-----BEGIN SSH SIGNATURE-----"))
}

/// Writes a file that everyone may read who holds the log against it.
fn write_file(path: &Path, place: Place, text: &str) -> Result<(), AuditError> {
    write_whole_file(path, place, Some(0o644), |out| out.write_all(text.as_bytes()))
        .map_err(|source| AuditError::CheckpointUnwritable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> Statement {
        Statement {
            log_id: "0123456789abcdef0123456789abcdef".to_owned(),
            records: 42,
            head: "ab".repeat(32),
            time: Timestamp::from_micros(1_772_357_400_123_456),
            previous: Link::After { records: 40, sha256: "cd".repeat(32) },
        }
    }

    #[test]
    fn a_statement_is_read_back_as_it_was_written_and_in_no_other_form() {
        for previous in [Link::Unstated, Link::First] {
            let statement = Statement { previous, ..statement() };
            assert_eq!(statement.to_string().parse(), Ok(statement));
        }
        let text = statement().to_string();
        assert_eq!(text.parse(), Ok(statement()));
        for (what, other) in [
            ("another version", text.replace("v2", "v3")),
            ("a version that names none before", text.replace("v2", "v1")),
            ("none before it", text.replace("previous 40", "previous")),
            ("a zero before it", text.replace("previous 40", "previous 040")),
            ("a sign", text.replace("records 42", "records +42")),
            ("a zero", text.replace("records 42", "records 042")),
            ("a space", text.replace("log ", "log  ")),
            ("a line more", format!("{text}more\n")),
            ("no line break", text.trim_end().to_owned()),
            ("other line breaks", text.replace('\n', "\r\n")),
            ("another zone", text.replace("123456Z", "123456+00:00")),
            ("no head", text.replace("head", "tail")),
        ] {
            assert!(other.parse::<Statement>().is_err() || other.parse() != Ok(statement()), "{what}");
        }
    }

    #[test]
    fn the_name_of_its_file_sorts_by_the_number_of_records() {
        assert_eq!(statement().file_name(), "0123456789abcdef-000000000042.checkpoint");
    }
}
