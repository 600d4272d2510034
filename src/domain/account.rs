//! What the audit log says about one run as a whole: the figures of a certificate.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{KeptDefinitions, Session, Timestamp};

/// The figures of one run that are not in its [`RunSummary`](super::RunSummary).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAccount {
    /// The log that holds it.
    pub log: LogState,
    /// The last record that belongs to the run: its end, if it is over.
    pub last: RecordMark,
    /// The file of the definitions of its datamarts, if it took any along.
    pub definitions: Option<KeptDefinitions>,
    /// How many rows its input had, if that was recorded.
    pub rows: Option<u64>,
    /// SHA-256 over the names of its targets, in order.
    pub targets_sha256: Option<String>,
    /// The keyed fingerprint of the token.
    pub token_fingerprint: Option<String>,
    /// The rate that was set when it began.
    pub rate: Option<String>,
    /// Checkpoints were set when it began.
    pub checkpoints: bool,
    /// Who carried it out: from its beginning, and each time that it was resumed.
    pub sessions: Vec<Session>,
    /// Who made its plan.
    pub plan_creator: Option<String>,
    /// The fingerprint of the key that approved the plan.
    pub approved_with: Option<String>,
    /// Why it ended early, in words.
    pub why: Option<String>,
    /// How often it was resumed.
    pub resumed: u64,
    /// How many requests were recorded.
    pub requests: u64,
    /// How many of them repeated an earlier one for the same target.
    pub repeats: u64,
    /// How many of them have no answer in the log.
    pub unanswered: u64,
    /// The numbers of skipped targets by reason.
    pub skipped: BTreeMap<String, u64>,
    /// The newest listing that the targets that are gone were held against; `None` if none was read whole.
    pub listing: Option<ClosingListing>,
    /// How long the answers took; `None` if there was none.
    pub latency: Option<Latency>,
    pub timeline: Timeline,
}

/// A reading of the listing after deletions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosingListing {
    /// When what it showed was recorded.
    pub at: Timestamp,
    /// How many names it held.
    pub names: u64,
    /// How many targets ended as gone after it, in a run that was resumed.
    pub gone_after: u64,
}

/// The log when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogState {
    /// The log's random id.
    pub id: String,
    /// It is one of several in a merged file.
    pub is_merged: bool,
    /// The last record.
    pub head: RecordMark,
}

/// A record, by its place and its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMark {
    /// Its place, from 1.
    pub seq: u64,
    pub at: Timestamp,
    /// Its hash, in hexadecimal.
    pub hash: String,
}

/// How long answers took, from the first byte sent to the last byte read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latency {
    pub least: Duration,
    pub most: Duration,
    /// What half of them stayed below, within 3 %.
    pub half: Duration,
    /// What 95 % of them stayed below, within 3 %.
    pub p95: Duration,
    /// What 99 % of them stayed below, within 3 %.
    pub p99: Duration,
    /// A histogram without empty places, from the first bin that occurs to the last.
    pub bins: Vec<LatencyBin>,
}

/// How many answers took between `from` (inclusive) and `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencyBin {
    pub from: Duration,
    pub to: Duration,
    pub count: u64,
}

/// What happened when, in equal stretches of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// When the first stretch begins: a round time of day.
    pub start: Timestamp,
    /// How long each is.
    pub width: Duration,
    pub stretches: Vec<Stretch>,
    /// The longest times in which no request left, in order.
    pub gaps: Vec<Gap>,
    /// There were more, none of them longer than those in `gaps`.
    pub more_gaps: bool,
}

/// What happened in one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stretch {
    /// Targets that were deleted.
    pub gone: u64,
    /// Targets that ended otherwise, after a request.
    pub other: u64,
    /// Attempts that settled nothing.
    pub unsettled: u64,
}

/// A time in which no request left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// When the last request before it left.
    pub from: Timestamp,
    /// When the first request after it left.
    pub to: Timestamp,
    pub cause: GapCause,
}

/// Why no request left, as far as the log shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapCause {
    /// The next request waited for the rate limit or for a pause that the server asked for.
    Held,
    /// The run was stopped, and resumed later.
    Stopped,
    /// Nothing was due: replies were slow, or a target waited for its next attempt.
    Idle,
}

/// A closed log that a later one names, and that is not at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingLog {
    pub log_id: String,
    /// How many records it has.
    pub records: u64,
    /// The hash of the last one, in hexadecimal.
    pub head: String,
    /// Where it was put.
    pub file: String,
    /// Why it was not read, in words.
    pub why: &'static str,
}
