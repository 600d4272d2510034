//! The rows of the audit log's public views.

use std::borrow::Cow;

use super::{Counts, Outcome, ResourceKind, SkipReason};

/// One run, as the view `runs` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    pub run_id: String,
    /// When it began (RFC 3339, UTC).
    pub started_at: String,
    /// When it ended; `None` while it is unfinished.
    pub finished_at: Option<String>,
    /// `finished`, `stopped`, `interrupted` or `unfinished`.
    pub status: String,
    /// The input as it was given.
    pub input: String,
    /// SHA-256 of the input's bytes, in hexadecimal.
    pub input_sha256: Option<String>,
    pub counts: Counts,
    /// How many of the skipped targets an earlier run had deleted.
    pub already_deleted: u64,
    pub operator: Option<String>,
    pub reason: Option<String>,
    pub ticket: Option<String>,
    pub base_url: String,
    pub tool_version: String,
    /// The machine that it ran on.
    pub host: String,
    /// The exit code; `None` while it is unfinished.
    pub exit_code: Option<i64>,
    /// The digest of the saved plan that it carried out.
    pub plan_digest: Option<String>,
    /// Who approved that plan.
    pub approved_by: Option<String>,
    /// The id of the run whose failed targets it tried again.
    pub retry_of: Option<String>,
    /// The ceiling that it kept, such as `480/2m`.
    pub rate: Option<String>,
    /// Everything was sent to the embedded emulator.
    pub rehearsal: bool,
    /// Its targets can be datamarts as well as datasources.
    pub with_datamarts: bool,
    /// How many of the targets that ended as gone were still in a listing that was read afterwards.
    pub still_listed: Counts,
}

impl RunSummary {
    /// Returns how many targets are gone: deleted by this run or by an earlier one.
    #[must_use]
    pub const fn gone(&self) -> u64 {
        self.counts.of(Outcome::Deleted) + self.counts.of(Outcome::DeletedUnconfirmed) + self.already_deleted
    }
}

/// One target of a run, as the view `results` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetResult {
    pub run_id: String,
    /// The target's number in the run, from 1.
    pub target: u64,
    pub name: String,
    pub kind: ResourceKind,
    /// Of a datamart: the datasource that it reads.
    pub dependant_of: Option<String>,
    pub outcome: Outcome,
    pub attempts: u32,
    /// Of the last reply.
    pub http_status: Option<u16>,
    pub error_code: Option<String>,
    pub message: Option<String>,
    /// The id that the API returned with the deletion.
    pub datasource_id: Option<String>,
    /// How the outcome is known.
    pub evidence: Option<String>,
    /// Why it was skipped, or what depends on it.
    pub detail: Option<String>,
    /// When its first attempt began (RFC 3339, UTC).
    pub first_attempt_at: Option<String>,
    /// When it was settled (RFC 3339, UTC).
    pub finished_at: Option<String>,
    /// Why it is to be deleted, as the input said of this name.
    pub target_reason: Option<String>,
    /// The ticket in the input for this name.
    pub target_ticket: Option<String>,
    /// The broker's id of the message that asked for it, if it came from a queue.
    pub message_id: Option<String>,
    /// It was sent to the embedded emulator only.
    pub rehearsal: bool,
}

impl TargetResult {
    /// Returns true if it was not sent because an earlier run had deleted it.
    #[must_use]
    pub fn is_already_deleted(&self) -> bool {
        self.outcome == Outcome::Skipped
            && self.detail.as_deref() == Some(SkipReason::AlreadyDeleted.as_str())
    }

    /// The name, if it is that of a datasource: what the column `datasource` holds.
    #[must_use]
    pub fn datasource(&self) -> Option<&str> {
        (self.kind == ResourceKind::Datasource).then_some(self.name.as_str())
    }

    /// The names of the datamarts that read it, if it is in use and the listing could be read. The last may stand for
    /// those that are left out.
    #[must_use]
    pub fn dependants(&self) -> Option<Vec<String>> {
        if self.outcome != Outcome::InUse {
            return None;
        }
        serde_json::from_str(self.detail.as_deref()?).ok()
    }

    /// The name for people, after the kind if it is not a datasource.
    #[must_use]
    pub fn label(&self) -> Cow<'_, str> {
        match self.kind {
            ResourceKind::Datasource => Cow::Borrowed(&self.name),
            ResourceKind::Datamart => Cow::Owned(format!("{} {}", self.kind, self.name)),
        }
    }
}

/// A choice of the results of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultFilter<'a> {
    All,
    Outcome(Outcome),
    AnyOutcome(&'a [Outcome]),
    /// Skipped for this reason.
    Skipped(&'a str),
    /// Deleted, and still listed.
    StillListed,
}
