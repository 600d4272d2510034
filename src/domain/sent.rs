//! One request as the audit log tells it afterwards, whole: for those who take events, not tables.

use super::{Outcome, Timestamp};

/// What the requests of one run have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentBy {
    /// The id of the log.
    pub log_id: String,
    /// The run's id.
    pub run_id: String,
    /// Where the API was.
    pub base_url: String,
    /// Who ran it.
    pub operator: Option<String>,
    /// The machine.
    pub host: String,
    /// The version of decom.
    pub tool_version: String,
    /// Why, as it was said of the whole run.
    pub reason: Option<String>,
    /// The ticket of the whole run.
    pub ticket: Option<String>,
    /// The digest of the saved plan that it carried out.
    pub plan_digest: Option<String>,
    /// Who approved that plan.
    pub approved_by: Option<String>,
    /// The keyed fingerprint of the token.
    pub token_fingerprint: Option<String>,
}

/// One request that was recorded, and then sent.
#[derive(Debug, Clone, PartialEq)]
pub struct SentRequest {
    /// The place of its record, and the record's hash in hexadecimal.
    pub record: (i64, String),
    /// When it was about to leave.
    pub at: Timestamp,
    /// The target's number in the run.
    pub target: u64,
    /// The datasource's name.
    pub datasource: String,
    /// Why it goes, as the input said of this name.
    pub reason: Option<String>,
    /// The ticket that the input gave for this name.
    pub ticket: Option<String>,
    /// The number of the request for this target.
    pub attempt: u64,
    /// How long it waited for the rate limiter, in milliseconds.
    pub waited_ms: Option<f64>,
    /// What came of it; `None` where the process ended before.
    pub answer: Option<SentAnswer>,
    /// How the target ended, and how that is known, whatever this request had to do with it.
    pub outcome: Option<(Outcome, Option<String>)>,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct SentAnswer {
    /// The place of its record, and the record's hash in hexadecimal.
    pub record: (i64, String),
    /// When it was over.
    pub at: Timestamp,
    /// What it showed.
    pub verdict: String,
    /// The HTTP status.
    pub http_status: Option<u16>,
    /// The API's error code.
    pub error_code: Option<String>,
    /// The API's message, or what went wrong.
    pub message: Option<String>,
    /// From the first byte sent to the last byte read, in milliseconds.
    pub latency_ms: Option<f64>,
    /// The id that the API gave with the deletion.
    pub datasource_id: Option<String>,
}

impl SentBy {
    /// What this request carried as `X-Request-Id`.
    #[must_use]
    pub fn request_id(&self, request: &SentRequest) -> String {
        format!("{}-{}-{}", self.run_id, request.target, request.attempt)
    }
}
