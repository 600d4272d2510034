//! What the audit log tells of a run afterwards: the rows of its public views.

use super::{Counts, Outcome};

/// One run, as the view `runs` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// Its id.
    pub run_id: String,
    /// When it began (RFC 3339, UTC).
    pub started_at: String,
    /// When it ended; `None` while it is unfinished.
    pub finished_at: Option<String>,
    /// `finished`, `stopped`, `interrupted` or `unfinished`.
    pub status: String,
    /// The input, as it was named.
    pub input: String,
    /// SHA-256 of the input's bytes, in hexadecimal.
    pub input_sha256: Option<String>,
    /// How many targets ended how.
    pub counts: Counts,
    /// Who ran it.
    pub operator: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// The ticket that asked for it.
    pub ticket: Option<String>,
    /// Where the API was.
    pub base_url: String,
    /// The version of decom.
    pub tool_version: String,
    /// The machine.
    pub host: String,
    /// The exit code; `None` while it is unfinished.
    pub exit_code: Option<i64>,
    /// The digest of the saved plan that it carried out.
    pub plan_digest: Option<String>,
    /// Who approved that plan.
    pub approved_by: Option<String>,
    /// The run of which it tried again what failed.
    pub retry_of: Option<String>,
    /// The ceiling that it kept to, such as `480/2m`.
    pub rate: Option<String>,
}

/// What one of several runs did about a datasource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// When the run began (RFC 3339, UTC).
    pub started_at: String,
    /// The run of which it tried again what failed.
    pub retry_of: Option<String>,
    /// The digest of the saved plan that the run carried out.
    pub plan_digest: Option<String>,
    /// Who approved that plan.
    pub approved_by: Option<String>,
    /// What became of the datasource in it.
    pub result: TargetResult,
}

/// One target of a run, as the view `results` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetResult {
    /// The run's id.
    pub run_id: String,
    /// The target's number in the run, from 1.
    pub target: u64,
    /// The datasource's name.
    pub datasource: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How many attempts were made.
    pub attempts: u32,
    /// The last HTTP status.
    pub http_status: Option<u16>,
    /// The API's error code.
    pub error_code: Option<String>,
    /// The API's message.
    pub message: Option<String>,
    /// The id that the API gave with the deletion.
    pub datasource_id: Option<String>,
    /// How the outcome is known.
    pub evidence: Option<String>,
    /// Why it was skipped, or what depends on it.
    pub detail: Option<String>,
    /// When its first attempt began (RFC 3339, UTC).
    pub first_attempt_at: Option<String>,
    /// When it was settled (RFC 3339, UTC).
    pub finished_at: Option<String>,
    /// Why it goes, as the input said of this name.
    pub target_reason: Option<String>,
    /// The ticket that the input gave for this name.
    pub target_ticket: Option<String>,
    /// What the broker calls the message that asked for it, where it came from a queue.
    pub message_id: Option<String>,
}

/// Which results of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultFilter<'a> {
    All,
    Outcome(Outcome),
    AnyOutcome(&'a [Outcome]),
    /// Those that were skipped for this reason.
    Skipped(&'a str),
    /// Those that were deleted and are still listed.
    StillListed,
}
