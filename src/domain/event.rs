//! What happens in a run: the facts that are recorded, and the events that a watcher shows.

use std::time::Duration;

use super::{
    Counts, CustomerRequest, DatasourceName, Doubt, Evidence, Outcome, Resource, SkipReason, TargetRole,
    Timestamp, Verdict,
};

/// The place of a record in the audit log, from 1. It also identifies what the record began: a run or a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub i64);

/// A target that a run is about to take on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTarget {
    pub name: DatasourceName,
    /// What it is, and what it is deleted with.
    pub role: TargetRole,
    /// Why it is to be deleted, from the input's `reason` column.
    pub reason: Option<String>,
    /// From the input's `ticket` column.
    pub ticket: Option<String>,
    /// From the input's `customer` and `requested_at` columns.
    pub request: CustomerRequest,
    /// If it is not to be sent: why, and in words.
    pub skip: Option<(SkipReason, String)>,
}

/// A target that is due: recorded and not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The record that took it on.
    pub seq: Seq,
    /// Its number in the run, from 1.
    pub number: u64,
    pub name: DatasourceName,
    /// What it is, and what it is deleted with.
    pub role: TargetRole,
    /// How many attempts an interrupted process has made already.
    pub attempts: u32,
    /// One of them, or one of an earlier run, got no clear reply.
    pub doubted: bool,
    /// The message that asked for it was delivered before: another worker may have sent it.
    pub redelivered: bool,
}

impl Target {
    #[must_use]
    pub const fn resource(&self) -> Resource<'_> {
        Resource { kind: self.role.kind(), name: &self.name }
    }

    /// Returns true if this verdict may be another one soon, although the reply is definite: in use, after the datamarts
    /// that used it were deleted. The API may be slow to notice; if it does not, something holds it that no listing
    /// shows.
    #[must_use]
    pub const fn may_be_released(&self, verdict: Verdict) -> bool {
        matches!((&self.role, verdict), (TargetRole::Group { datamarts: 1.. }, Verdict::InUse))
    }

    /// Returns the doubt before its next attempt.
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
    pub target: Seq,
    /// Its number for the target, from 1.
    pub number: u32,
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
    pub answer: Answer,
    pub next: Next,
    /// The names of what depends on the datasource, if it is in use and the listing could be read.
    pub dependants: Option<Vec<String>>,
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
    /// Nothing: the run stops, as the token is not accepted or the API deleted another resource.
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

/// What one attempt showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub verdict: Verdict,
    /// `None` if there was no reply.
    pub http_status: Option<u16>,
    /// The API's error code, or decom's word for a failure below HTTP.
    pub error_code: Option<String>,
    /// The API's message, or decom's for a failure below HTTP.
    pub message: Option<String>,
    /// The id that the API returned with the deletion.
    pub datasource_id: Option<String>,
}

/// A target that is settled without an attempt of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    pub target: Seq,
    pub name: DatasourceName,
    pub at: Timestamp,
    pub outcome: Outcome,
    /// How the outcome is known.
    pub evidence: Evidence,
    /// The last answer, if there was one.
    pub answer: Option<Answer>,
    /// If it is skipped: the word for why, and why in words.
    pub skip: Option<(&'static str, String)>,
}

/// A target that a message of a queue asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedTarget {
    pub at: Timestamp,
    /// Its number in the run, from 1.
    pub number: u64,
    pub name: DatasourceName,
    /// Why it is to be deleted, as the message says.
    pub reason: Option<String>,
    pub ticket: Option<String>,
    /// Which customer asked for it, and when, as the message says.
    pub request: CustomerRequest,
    /// The broker's id of the message.
    pub message_id: String,
    /// The message was delivered before: another worker may have sent the target.
    pub redelivered: bool,
}

/// A malformed message of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedMessage {
    pub at: Timestamp,
    /// The broker's id of the message.
    pub message_id: String,
    /// The beginning of its body.
    pub body: String,
    pub why: String,
}

/// An event of a run that a watcher may show. Sent only once it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEvent {
    /// The run is about to send its first request.
    Begun {
        /// The counts before: what an interrupted process has settled, what is skipped and what is pending.
        counts: Counts,
    },
    /// An attempt is about to leave.
    Sending {
        /// How long it waited for the rate limit.
        waited: Duration,
    },
    /// An attempt is over.
    Answered {
        verdict: Verdict,
        /// From the first byte sent to the last byte read.
        latency: Duration,
    },
    /// A target has its outcome.
    Settled { name: DatasourceName, outcome: Outcome },
    /// An attempt had a transient failure; the target is tried again.
    Retrying { name: DatasourceName, verdict: Verdict },
    /// A message asked for a target, which is due from now on.
    TakenOn { name: DatasourceName },
    /// A message was malformed, and goes to the dead-letter queue.
    Refused { message_id: String, why: String },
    /// The broker of the queue cannot be reached; the run waits for it.
    QueueUnreachable,
    /// The broker of the queue is there again.
    QueueReachable,
    /// What the broker says of the queue.
    Backlog {
        /// How many messages wait.
        messages: u64,
        /// The age of the oldest one that is not settled, if the broker says it.
        oldest: Option<Duration>,
    },
    /// How much of the limit of a day is used.
    Budget { used: u64, limit: u64 },
    /// How many targets may have been deleted, although no reply says so.
    InDoubt { targets: u64 },
    /// The server pauses all requests.
    Paused {
        pause: Duration,
        /// Why, in words.
        why: String,
    },
    /// The run stops: no new attempt starts.
    Stopping {
        /// Why, in words.
        why: String,
    },
}
