//! The facts that are recorded, and the record that each becomes.

use serde_json::json;

use crate::audit::record::{Kind, Record};
use crate::domain::{
    AttemptEnd, AttemptStart, Counts, Evidence, ExitStatus, RefusedMessage, RequestedTarget, Seq,
    SessionFacts, Settlement, Timestamp,
};

/// What a run is: recorded when it begins, together with its targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOpening {
    pub run_id: String,
    pub at: Timestamp,
    /// The input as it was given.
    pub input: String,
    /// SHA-256 of the input's bytes, in hexadecimal.
    pub input_sha256: Option<String>,
    /// SHA-256 over the names of the targets in order, by which an interrupted run is recognised. `None` if the targets
    /// are not known beforehand.
    pub targets_sha256: Option<String>,
    pub operator: String,
    pub reason: Option<String>,
    pub ticket: Option<String>,
    pub base_url: String,
    /// A keyed fingerprint of the token.
    pub token_fingerprint: String,
    pub tool_version: String,
    /// The machine that it runs on.
    pub host: String,
    /// The settings that decide how it deletes.
    pub settings: serde_json::Value,
    /// Who begins it, where and through what.
    pub session: SessionFacts,
}

impl RunOpening {
    pub(super) fn with_record<T>(&self, use_it: impl FnOnce(&Record<'_>) -> T) -> T {
        let detail = json!({
            "input": self.input,
            "input_sha256": self.input_sha256,
            "targets_sha256": self.targets_sha256,
            "operator": self.operator,
            "base_url": self.base_url,
            "token_fingerprint": self.token_fingerprint,
            "tool_version": self.tool_version,
            "host": self.host,
            "settings": self.settings,
            "session": self.session,
        })
        .to_string();
        use_it(&Record {
            name: Some(&self.run_id),
            reason: self.reason.as_deref(),
            ticket: self.ticket.as_deref(),
            detail: Some(&detail),
            ..Record::of(Kind::Run)
        })
    }
}

/// How a run ended, for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnding {
    pub at: Timestamp,
    /// `finished`, `stopped` or `interrupted`.
    pub status: &'static str,
    /// The exit code that the process will end with.
    pub exit: ExitStatus,
    /// Why it stopped early, in words.
    pub why: Option<String>,
    pub counts: Counts,
}

/// What one reading of the listing showed about the targets of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListingCheck {
    pub at: Timestamp,
    /// A target that the listing contradicts; `None` for all others.
    pub target: Option<Seq>,
    pub evidence: Evidence,
    /// How many names the listing held.
    pub listed: u64,
}

/// One fact to be recorded, with the run that it belongs to.
#[derive(Debug, Clone)]
pub enum Fact {
    /// The log begins.
    Log { at: Timestamp, log_id: String, detail: String },
    /// A message asked for a target.
    Target(Seq, Box<RequestedTarget>),
    /// A message was malformed.
    Refused(Seq, Box<RefusedMessage>),
    /// An attempt is about to leave.
    AttemptStart(Seq, AttemptStart),
    /// An attempt is over.
    AttemptEnd(Seq, Box<AttemptEnd>),
    /// A target is settled without an attempt of its own.
    Settlement(Seq, Box<Settlement>),
    /// The listing was read.
    Check(Seq, ListingCheck),
    /// An interrupted run resumes.
    Resume { run: Seq, at: Timestamp, detail: String },
    /// A run is over.
    End(Seq, Box<RunEnding>),
}

impl Fact {
    /// Returns when it happened.
    pub(super) const fn at(&self) -> Timestamp {
        match self {
            Self::Log { at, .. } | Self::Resume { at, .. } => *at,
            Self::Target(_, target) => target.at,
            Self::Refused(_, message) => message.at,
            Self::AttemptStart(_, start) => start.at,
            Self::AttemptEnd(_, end) => end.at,
            Self::Settlement(_, settlement) => settlement.at,
            Self::Check(_, check) => check.at,
            Self::End(_, ending) => ending.at,
        }
    }

    /// Returns true if a run resumes or ends with it.
    pub(super) const fn is_milestone(&self) -> bool {
        matches!(self, Self::Resume { .. } | Self::End(..))
    }

    /// Calls `use_it` with the record that this becomes.
    pub(super) fn with_record<T>(&self, use_it: impl FnOnce(&Record<'_>) -> T) -> T {
        match self {
            Self::Log { log_id, detail, .. } => {
                use_it(&Record { name: Some(log_id), detail: Some(detail), ..Record::of(Kind::Log) })
            }
            Self::Target(run, target) => {
                let mut detail = json!(target.request);
                detail["message_id"] = target.message_id.as_str().into();
                detail["redelivered"] = target.redelivered.into();
                let detail = detail.to_string();
                use_it(&Record {
                    run: Some(run.0),
                    number: Some(i64::try_from(target.number).unwrap_or(i64::MAX)),
                    name: Some(target.name.as_str()),
                    reason: target.reason.as_deref(),
                    ticket: target.ticket.as_deref(),
                    detail: Some(&detail),
                    ..Record::of(Kind::Target)
                })
            }
            Self::Refused(run, message) => {
                let detail = json!({ "message_id": message.message_id, "body": message.body }).to_string();
                use_it(&Record {
                    run: Some(run.0),
                    message: Some(&message.why),
                    detail: Some(&detail),
                    ..Record::of(Kind::Refused)
                })
            }
            Self::AttemptStart(run, start) => use_it(&Record {
                run: Some(run.0),
                target: Some(start.target.0),
                number: Some(start.number.into()),
                waited_us: Some(micros(start.waited)),
                ..Record::of(Kind::Send)
            }),
            Self::AttemptEnd(run, end) => {
                let detail = end.dependants.as_ref().map(|names| json!(names).to_string());
                let answer = &end.answer;
                use_it(&Record {
                    run: Some(run.0),
                    target: Some(end.target.seq.0),
                    number: Some(end.number.into()),
                    verdict: Some(answer.verdict.as_str()),
                    http_status: answer.http_status,
                    error_code: answer.error_code.as_deref(),
                    message: answer.message.as_deref(),
                    latency_us: Some(micros(end.latency)),
                    datasource_id: answer.datasource_id.as_deref(),
                    outcome: end.next.settled().map(|(outcome, _)| outcome.as_str()),
                    evidence: end.next.settled().map(|(_, evidence)| evidence.as_str()),
                    detail: detail.as_deref(),
                    ..Record::of(Kind::Answer)
                })
            }
            Self::Settlement(run, settlement) => {
                let answer = settlement.answer.as_ref();
                use_it(&Record {
                    run: Some(run.0),
                    target: Some(settlement.target.0),
                    http_status: answer.and_then(|answer| answer.http_status),
                    error_code: answer.and_then(|answer| answer.error_code.as_deref()),
                    message: match &settlement.skip {
                        Some((_, words)) => Some(words),
                        None => answer.and_then(|answer| answer.message.as_deref()),
                    },
                    detail: settlement.skip.as_ref().map(|(reason, _)| *reason),
                    outcome: Some(settlement.outcome.as_str()),
                    evidence: Some(settlement.evidence.as_str()),
                    ..Record::of(Kind::Settle)
                })
            }
            Self::Check(run, check) => {
                let detail = json!({ "listed": check.listed }).to_string();
                use_it(&Record {
                    run: Some(run.0),
                    target: check.target.map(|target| target.0),
                    evidence: Some(check.evidence.as_str()),
                    detail: Some(&detail),
                    ..Record::of(Kind::Check)
                })
            }
            Self::Resume { run, detail, .. } => {
                use_it(&Record { run: Some(run.0), detail: Some(detail), ..Record::of(Kind::Resume) })
            }
            Self::End(run, ending) => {
                let counts: serde_json::Map<_, _> = ending
                    .counts
                    .occurring()
                    .map(|(outcome, n)| (outcome.as_str().to_owned(), json!(n)))
                    .collect();
                let detail = json!({
                    "status": ending.status,
                    "exit_code": ending.exit.code(),
                    "why": ending.why,
                    "counts": counts,
                })
                .to_string();
                use_it(&Record { run: Some(run.0), detail: Some(&detail), ..Record::of(Kind::End) })
            }
        }
    }
}

fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
