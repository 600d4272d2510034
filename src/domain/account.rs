//! What the audit log tells of one run as a whole: the figures that a certificate is made of.

use std::time::Duration;

use super::Timestamp;

/// One run as a whole, beside its [`RunSummary`](super::RunSummary).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAccount {
    /// The log that holds it.
    pub log: LogState,
    /// The last record that belongs to the run: of a run that is over, its end.
    pub last: RecordMark,
    /// Whether it went to the embedded emulator only.
    pub rehearsal: bool,
    /// How many rows its input had, where that was recorded.
    pub rows: Option<u64>,
    /// SHA-256 over the names of its targets, in order.
    pub targets_sha256: Option<String>,
    /// The keyed fingerprint of the token.
    pub token_fingerprint: Option<String>,
    /// The pace that it was set to when it began.
    pub rate: Option<String>,
    /// Whether it was set to write checkpoints when it began.
    pub checkpoints: bool,
    /// Who made its plan.
    pub plan_creator: Option<String>,
    /// The fingerprint of the key that approved the plan.
    pub approved_with: Option<String>,
    /// Why it ended early, in words.
    pub why: Option<String>,
    /// How often an interrupted run went on.
    pub resumed: u64,
    /// How many requests were about to leave.
    pub requests: u64,
    /// How many of them repeated an earlier one for the same target.
    pub repeats: u64,
    /// How many of them have no answer in the log.
    pub unanswered: u64,
    /// How many targets were skipped because they are protected.
    pub protected: u64,
    /// How many were never sent, as the messages that asked for them went back to their queue.
    pub given_back: u64,
    /// How many targets were deleted and are still listed.
    pub still_listed: u64,
    /// How many names the listing held that was read at the end; `None` where none was read.
    pub listed: Option<u64>,
    /// How long the answers took; `None` where there was none.
    pub latency: Option<Latency>,
    /// What happened when.
    pub timeline: Timeline,
}

/// The log when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogState {
    /// Its random id.
    pub id: String,
    /// Its last record.
    pub head: RecordMark,
}

/// A record, by its place and its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMark {
    /// Its place, from 1.
    pub seq: u64,
    /// When it was made.
    pub at: Timestamp,
    /// Its hash, in hexadecimal.
    pub hash: String,
}

/// How long answers took, from the first byte sent to the last byte read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latency {
    /// The shortest.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
    /// What half of them stayed below, within 3 %.
    pub half: Duration,
    /// What 95 % of them stayed below, within 3 %.
    pub p95: Duration,
    /// What 99 % of them stayed below, within 3 %.
    pub p99: Duration,
    /// How many took between which bounds: without a gap, from the first that occurs to the last.
    pub bins: Vec<LatencyBin>,
}

/// How many answers took between `from` (inclusive) and `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencyBin {
    /// The lower bound.
    pub from: Duration,
    /// The upper bound.
    pub to: Duration,
    /// How many.
    pub count: u64,
}

/// What happened when, in equal stretches of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// Where the first stretch begins: a round time of day.
    pub start: Timestamp,
    /// How long each is.
    pub width: Duration,
    /// The stretches, one after the other.
    pub stretches: Vec<Stretch>,
    /// Where no request left for long, in order of time.
    pub pauses: Vec<Pause>,
    /// Whether there were more pauses, each no longer than any that is there.
    pub more_pauses: bool,
}

/// What happened in one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stretch {
    /// Targets that went.
    pub gone: u64,
    /// Targets that ended otherwise, after a request.
    pub other: u64,
    /// Attempts that settled nothing.
    pub unsettled: u64,
}

/// A time in which no request left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// From when: the last request before.
    pub from: Timestamp,
    /// Until when: the first request after.
    pub to: Timestamp,
    /// Why, as far as the log tells.
    pub cause: PauseCause,
}

/// Why no request left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PauseCause {
    /// The next request waited for its turn: for the rate limit, or because the server said so.
    Held,
    /// The run was stopped, and went on later.
    Stopped,
    /// Nothing was due: answers were slow, or what had failed waited for its next attempt.
    Idle,
}
