//! One request with everything that the audit log knows of it, for formats that describe events and not tables.

use super::{Outcome, ResourceKind, Timestamp};

/// What all requests of one run have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestOrigin {
    pub log_id: String,
    pub run_id: String,
    pub base_url: String,
    pub operator: Option<String>,
    /// The name of the user that the process ran as, and the user's number, if they are recorded.
    pub login: Option<String>,
    pub uid: Option<u32>,
    /// The machine that sent them.
    pub host: String,
    pub tool_version: String,
    /// The reason of the whole run.
    pub reason: Option<String>,
    /// The ticket of the whole run.
    pub ticket: Option<String>,
    /// The digest of the saved plan that it carried out.
    pub plan_digest: Option<String>,
    /// Who approved that plan.
    pub approved_by: Option<String>,
    /// The keyed fingerprint of the token.
    pub token_fingerprint: Option<String>,
    /// They were sent to the embedded emulator only.
    pub rehearsal: bool,
}

/// One request that was recorded, and then sent.
#[derive(Debug, Clone, PartialEq)]
pub struct SentRequest {
    /// The place of its record, and the record's hash in hexadecimal.
    pub record: (i64, String),
    /// When it was recorded, just before it was sent.
    pub at: Timestamp,
    /// The target's number in the run.
    pub target: u64,
    pub name: String,
    pub kind: ResourceKind,
    /// The reason in the input for this name.
    pub reason: Option<String>,
    /// The ticket in the input for this name.
    pub ticket: Option<String>,
    /// The number of the request for this target.
    pub attempt: u64,
    /// How long it waited for the rate limiter, in milliseconds.
    pub waited_ms: Option<f64>,
    /// `None` if the process ended before there was one.
    pub answer: Option<RequestAnswer>,
    /// How the target ended and how that is known, not necessarily through this request.
    pub outcome: Option<(Outcome, Option<String>)>,
}

/// The answer to a request, or its failure.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestAnswer {
    /// The place of its record, and the record's hash in hexadecimal.
    pub record: (i64, String),
    /// When it arrived.
    pub at: Timestamp,
    pub verdict: String,
    pub http_status: Option<u16>,
    pub error_code: Option<String>,
    /// The API's message, or a description of the failure.
    pub message: Option<String>,
    /// From the first byte sent to the last byte read, in milliseconds.
    pub latency_ms: Option<f64>,
    /// The id that the API returned with the deletion.
    pub datasource_id: Option<String>,
}

impl RequestOrigin {
    /// Returns the request's `X-Request-Id`.
    #[must_use]
    pub fn request_id(&self, request: &SentRequest) -> String {
        format!("{}-{}-{}", self.run_id, request.target, request.attempt)
    }
}
