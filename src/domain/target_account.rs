//! One target of a run with all that the log holds about it: each request, each look at the listing, and the place and
//! hash of each record, so that the owner of the log can show them.

use super::{CustomerRequest, Outcome, ResourceKind, TargetResult, Timestamp};

/// One target of a run, as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetAccount {
    /// The id of the log that holds it.
    pub log_id: String,
    pub run: RunOfTarget,
    pub result: TargetResult,
    pub request: CustomerRequest,
    pub attempts: Vec<AttemptAccount>,
    /// When the listing was read after its outcome, and what it showed of this target.
    pub looks: Vec<ListingLook>,
    /// The records that this was read from, in order: that of the run first.
    pub records: Vec<RecordOfTarget>,
}

/// The run that a target belongs to, as far as it is about all its targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOfTarget {
    pub run_id: String,
    pub started_at: Timestamp,
    /// `finished`, `stopped`, `interrupted` or `unfinished`.
    pub status: String,
    pub base_url: String,
    pub operator: Option<String>,
    pub reason: Option<String>,
    pub ticket: Option<String>,
    pub plan_digest: Option<String>,
    pub approved_by: Option<String>,
    pub retry_of: Option<String>,
    /// Its requests went to the embedded emulator.
    pub rehearsal: bool,
}

/// One request for a target, and its reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptAccount {
    /// Its number for the target, from 1.
    pub number: u32,
    pub request_id: String,
    /// When it was recorded, just before it was sent.
    pub sent_at: Timestamp,
    /// `None` if the process ended before there was a reply.
    pub reply: Option<AttemptReply>,
}

/// What one request showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptReply {
    pub at: Timestamp,
    pub verdict: String,
    pub http_status: Option<u16>,
}

/// A reading of the listing after a target had its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListingLook {
    pub at: Timestamp,
    /// The listing still held the target.
    pub still_listed: bool,
}

/// A record of the log, by its place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordOfTarget {
    /// Its place in its log, from 1.
    pub seq: u64,
    pub kind: String,
    pub at: Timestamp,
    /// Its hash, in hexadecimal.
    pub hash: String,
}

impl TargetAccount {
    /// When it got its outcome.
    #[must_use]
    pub fn settled_at(&self) -> Option<Timestamp> {
        self.result.finished_at.as_deref()?.parse().ok()
    }

    /// Returns true if it is a resource of this kind and name on this host.
    #[must_use]
    pub fn is_of(&self, base_url: &str, kind: ResourceKind, name: &str) -> bool {
        self.run.base_url == base_url && self.result.kind == kind && self.result.name == name
    }

    /// Returns true if this run deleted it, whatever a listing shows.
    #[must_use]
    pub const fn is_deletion(&self) -> bool {
        matches!(self.result.outcome, Outcome::Deleted | Outcome::DeletedUnconfirmed)
    }
}
