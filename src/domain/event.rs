//! What happens in a run: the facts that are recorded, and the events that are shown.

use std::time::Duration;

use super::{Counts, DatasourceName, Doubt, Evidence, Outcome, SkipReason, Timestamp, Verdict};

/// The place of a record in the audit log, from 1. It also stands for what the record began: a
/// run or a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub i64);

/// A target that a run is about to take on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTarget {
    /// Its name.
    pub name: DatasourceName,
    /// Why it goes, from the input's `reason` column.
    pub reason: Option<String>,
    /// The ticket that asked for it, from the input's `ticket` column.
    pub ticket: Option<String>,
    /// Where it will not be sent: why, and in words.
    pub skip: Option<(SkipReason, String)>,
}

/// A target that is due: recorded, and not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The record that took it on.
    pub seq: Seq,
    /// Its number in the run, from 1.
    pub number: u64,
    /// Its name.
    pub name: DatasourceName,
    /// How many attempts were made for it already, by an interrupted process.
    pub attempts: u32,
    /// Whether one of them, or one of an earlier run, got no clear answer.
    pub doubted: bool,
    /// Whether the message that asked for it was given out before: another worker may have sent it.
    pub redelivered: bool,
}

impl Target {
    /// The doubt that it is taken up with.
    #[must_use]
    pub const fn doubt(&self) -> Doubt {
        match (self.doubted, self.redelivered) {
            (true, _) => Doubt::Attempted,
            (false, true) => Doubt::Redelivered,
            (false, false) => Doubt::None,
        }
    }
}

/// An attempt that is about to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptStart {
    /// Its target.
    pub target: Seq,
    /// Its number for the target, from 1.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// How long it waited for the rate limit.
    pub waited: Duration,
}

/// An attempt that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnd {
    pub target: Target,
    /// Its number for the target, from 1.
    pub number: u32,
    pub at: Timestamp,
    /// From the first byte sent to the last byte read.
    pub latency: Duration,
    /// What it showed.
    pub answer: Answer,
    pub next: Next,
    /// The names of what depends on the datasource, if it is in use and they could be found.
    pub dependants: Vec<String>,
}

/// What follows an attempt for its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it has its outcome, and this is how that is known.
    Settled(Outcome, Evidence),
    /// Another attempt.
    Attempt,
    /// No further attempt helps, and nothing is settled: a listing has to settle it.
    Open(Doubt),
    /// Nothing: the token is not accepted, and the run stops.
    Stop,
}

impl Next {
    /// The outcome and how it is known, if there is one.
    #[must_use]
    pub const fn settled(self) -> Option<(Outcome, Evidence)> {
        match self {
            Self::Settled(outcome, evidence) => Some((outcome, evidence)),
            Self::Attempt | Self::Open(_) | Self::Stop => None,
        }
    }
}

/// What one attempt brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it shows.
    pub verdict: Verdict,
    /// The HTTP status, where there was one.
    pub http_status: Option<u16>,
    /// The API's error code, or our word for a failure below HTTP.
    pub error_code: Option<String>,
    /// The API's message, or ours for a failure below HTTP.
    pub message: Option<String>,
    /// The id of the datasource, where the API told it.
    pub datasource_id: Option<String>,
}

/// A target that is settled without an attempt of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    pub target: Seq,
    pub name: DatasourceName,
    /// When.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// How that is known.
    pub evidence: Evidence,
    /// The last answer, where there was one.
    pub answer: Option<Answer>,
    /// Where it is skipped: the word for why, and why in words.
    pub skip: Option<(&'static str, String)>,
}

/// A target that a message of a queue asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedTarget {
    /// When it was taken on.
    pub at: Timestamp,
    /// Its number in the run, from 1.
    pub number: u64,
    /// Its name.
    pub name: DatasourceName,
    /// Why it goes, as the message says.
    pub reason: Option<String>,
    /// The ticket that asked for it.
    pub ticket: Option<String>,
    /// What the broker calls the message.
    pub message_id: String,
    /// Whether the message was given out before, so that another worker may have acted on it.
    pub redelivered: bool,
}

/// A message of a queue that asks for nothing that could be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedMessage {
    /// When it was refused.
    pub at: Timestamp,
    /// What the broker calls it.
    pub message_id: String,
    /// What it says, as far as it is kept.
    pub body: String,
    /// Why it was refused.
    pub why: String,
}

/// Something that those who watch a run may want to show. Sent only after it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEvent {
    /// The run is about to send its first request.
    Begun {
        /// What is known before: settled where it was interrupted earlier, skipped, pending.
        counts: Counts,
    },
    /// An attempt may leave.
    Sending {
        /// How long it waited for the rate limit.
        waited: Duration,
    },
    /// An attempt is over, whatever it showed.
    Answered {
        /// What it showed.
        verdict: Verdict,
        /// From the first byte sent to the last byte read.
        latency: Duration,
    },
    /// A target has its outcome.
    Settled {
        /// The target's name.
        name: DatasourceName,
        /// Its outcome.
        outcome: Outcome,
    },
    /// An attempt failed in a way that may pass; the target is tried again.
    Retrying {
        /// The target's name.
        name: DatasourceName,
        /// What the attempt showed.
        verdict: Verdict,
    },
    /// A message asked for a target, which is due from now on.
    TakenOn {
        /// The target's name.
        name: DatasourceName,
    },
    /// A message made no sense, and was set aside.
    Refused {
        /// What the broker calls it.
        message_id: String,
        /// Why.
        why: String,
    },
    /// The server asked everybody to wait.
    Paused {
        /// For how long.
        pause: Duration,
        /// Why, in words.
        why: String,
    },
    /// The run winds down: no new attempt starts.
    Stopping {
        /// Why, in words.
        why: String,
    },
}
