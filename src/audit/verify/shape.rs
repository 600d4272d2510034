//! The columns of a record, which of them a record of each kind has, and the words that they hold.

pub(super) use crate::audit::record::Kind;
use crate::domain::{Evidence, Outcome, Verdict};

/// The columns in the table's order; `hash` is the last.
pub(super) const COLUMNS: [&str; 20] = [
    "seq",
    "kind",
    "at_us",
    "run",
    "target",
    "number",
    "name",
    "verdict",
    "http_status",
    "error_code",
    "message",
    "latency_us",
    "waited_us",
    "datasource_id",
    "outcome",
    "evidence",
    "reason",
    "ticket",
    "detail",
    "hash",
];

const INTEGERS: u32 = bit("seq")
    | bit("at_us")
    | bit("run")
    | bit("target")
    | bit("number")
    | bit("http_status")
    | bit("latency_us")
    | bit("waited_us");

/// Columns that every record has.
const ALWAYS: u32 = bit("seq") | bit("kind") | bit("at_us") | bit("hash");

/// Whether the column holds an integer, rather than a text.
pub(super) const fn is_integer(column: usize) -> bool {
    INTEGERS & (1 << column) != 0
}

/// Each kind with its word, the columns that it needs, and those that it may have.
const KINDS: [(&[u8], Kind, u32, u32); 11] = [
    (b"log", Kind::Log, bit("name") | bit("detail"), 0),
    (b"run", Kind::Run, bit("name") | bit("detail"), bit("reason") | bit("ticket")),
    (
        b"target",
        Kind::Target,
        bit("run") | bit("number") | bit("name"),
        bit("reason") | bit("ticket") | bit("detail"),
    ),
    (b"refused", Kind::Refused, bit("run") | bit("message") | bit("detail"), 0),
    (b"send", Kind::Send, bit("run") | bit("target") | bit("number") | bit("waited_us"), 0),
    (
        b"answer",
        Kind::Answer,
        bit("run") | bit("target") | bit("number") | bit("verdict") | bit("latency_us"),
        bit("http_status")
            | bit("error_code")
            | bit("message")
            | bit("datasource_id")
            | bit("outcome")
            | bit("evidence")
            | bit("detail"),
    ),
    (
        b"settle",
        Kind::Settle,
        bit("run") | bit("target") | bit("outcome") | bit("evidence"),
        bit("http_status") | bit("error_code") | bit("message") | bit("detail"),
    ),
    (b"check", Kind::Check, bit("run") | bit("evidence") | bit("detail"), bit("target")),
    (b"resume", Kind::Resume, bit("run") | bit("detail"), 0),
    (b"end", Kind::End, bit("run") | bit("detail"), 0),
    (b"close", Kind::Close, bit("name") | bit("detail"), 0),
];

/// The kind of this word, what is missing of the columns `set`, and what is too many.
pub(super) fn kind_of(word: &[u8], set: u32) -> Option<(Kind, u32, u32)> {
    let (_, kind, needed, allowed) = KINDS.iter().find(|(it, ..)| *it == word)?;
    let needed = needed | ALWAYS;
    Some((*kind, needed & !set, set & !(needed | allowed)))
}

/// The outcome of this word.
pub(super) fn outcome_of(word: &[u8]) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|it| it.as_str().as_bytes() == word && *it != Outcome::Pending)
}

/// The verdict of this word.
pub(super) fn verdict_of(word: &[u8]) -> Option<Verdict> {
    Verdict::ALL.into_iter().find(|it| it.as_str().as_bytes() == word)
}

/// The evidence of this word.
pub(super) fn evidence_of(word: &[u8]) -> Option<Evidence> {
    Evidence::ALL.into_iter().find(|it| it.as_str().as_bytes() == word)
}

/// The bit of a column, by its name.
pub(super) const fn bit(name: &str) -> u32 {
    1 << place(name)
}

/// The place of a column, by its name.
pub(super) const fn place(name: &str) -> usize {
    let mut column = 0;
    while column < COLUMNS.len() && !is_same(COLUMNS[column], name) {
        column += 1;
    }
    column
}

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}
