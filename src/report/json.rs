//! Reports as JSON, with the names of the audit log's views.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::ending::{EachResult, Ending};
use crate::domain::{KeptDefinitions, Outcome, RunSummary, TargetResult};

/// The columns of the view `runs`, in its order.
pub(super) const RUN_COLUMNS: [&str; 28] = [
    "run_id",
    "started_at",
    "finished_at",
    "status",
    "input",
    "input_sha256",
    "planned",
    "deleted",
    "deleted_unconfirmed",
    "not_found",
    "in_use",
    "rejected",
    "failed",
    "unknown",
    "skipped",
    "pending",
    "operator",
    "reason",
    "ticket",
    "base_url",
    "tool_version",
    "host",
    "exit_code",
    "plan_digest",
    "approved_by",
    "retry_of",
    "rate",
    "rehearsal",
];

/// A run, with the columns of the view `runs`.
pub(super) fn run_object(run: &RunSummary) -> Value {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("run_id", json!(run.run_id));
    put("started_at", json!(run.started_at));
    put("finished_at", json!(run.finished_at));
    put("status", json!(run.status));
    put("input", json!(run.input));
    put("input_sha256", json!(run.input_sha256));
    put("planned", json!(run.counts.planned()));
    for outcome in Outcome::ALL {
        put(outcome.as_str(), json!(run.counts.of(outcome)));
    }
    put("operator", json!(run.operator));
    put("reason", json!(run.reason));
    put("ticket", json!(run.ticket));
    put("base_url", json!(run.base_url));
    put("tool_version", json!(run.tool_version));
    put("host", json!(run.host));
    put("exit_code", json!(run.exit_code));
    put("plan_digest", json!(run.plan_digest));
    put("approved_by", json!(run.approved_by));
    put("retry_of", json!(run.retry_of));
    put("rate", json!(run.rate));
    put("rehearsal", json!(run.rehearsal));
    Value::Object(object)
}

/// A target, with the columns of the view `results` in alphabetical order, as other objects are written.
#[derive(Serialize)]
struct ResultRow<'a> {
    attempts: u32,
    datasource: Option<&'a str>,
    datasource_id: Option<&'a str>,
    dependant_of: Option<&'a str>,
    detail: Option<Value>,
    error_code: Option<&'a str>,
    evidence: Option<&'a str>,
    finished_at: Option<&'a str>,
    first_attempt_at: Option<&'a str>,
    http_status: Option<u16>,
    kind: &'a str,
    message: Option<&'a str>,
    message_id: Option<&'a str>,
    name: &'a str,
    outcome: &'a str,
    rehearsal: bool,
    run_id: &'a str,
    target: u64,
    target_reason: Option<&'a str>,
    target_ticket: Option<&'a str>,
}

impl<'a> ResultRow<'a> {
    fn of(result: &'a TargetResult) -> Self {
        Self {
            attempts: result.attempts,
            datasource: result.datasource(),
            datasource_id: result.datasource_id.as_deref(),
            dependant_of: result.dependant_of.as_deref(),
            detail: result.detail.as_deref().map(detail),
            error_code: result.error_code.as_deref(),
            evidence: result.evidence.as_deref(),
            finished_at: result.finished_at.as_deref(),
            first_attempt_at: result.first_attempt_at.as_deref(),
            http_status: result.http_status,
            kind: result.kind.as_str(),
            message: result.message.as_deref(),
            message_id: result.message_id.as_deref(),
            name: &result.name,
            outcome: result.outcome.as_str(),
            rehearsal: result.rehearsal,
            run_id: &result.run_id,
            target: result.target,
            target_reason: result.target_reason.as_deref(),
            target_ticket: result.target_ticket.as_deref(),
        }
    }
}

/// What a `detail` holds: the list of dependants is one, and the reason of a skip is a text.
fn detail(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Array(_) | Value::Object(_))) => value,
        _ => Value::from(text),
    }
}

/// A target, with the columns of the view `results`.
pub(super) fn result_object(result: &TargetResult) -> Value {
    json!(ResultRow::of(result))
}

/// Writes a run and all its results as one object, one result a line.
pub(super) fn report(out: &mut dyn Write, run: &RunSummary, each: EachResult<'_>) -> io::Result<()> {
    write!(out, "{{\"run\":{},\n\"results\":[", run_object(run))?;
    let (mut first, mut written) = (true, Ok(()));
    each(&mut |result| {
        let comma = if std::mem::take(&mut first) { "" } else { "," };
        written = writeln!(out, "{comma}")
            .and_then(|()| Ok(serde_json::to_writer(&mut *out, &ResultRow::of(&result))?));
        written.is_ok()
    })?;
    written?;
    writeln!(out, "\n]}}")
}

/// Writes all runs as one array, one run a line.
pub(super) fn runs(out: &mut dyn Write, runs: &[RunSummary]) -> io::Result<()> {
    let lines: Vec<_> = runs.iter().map(|run| run_object(run).to_string()).collect();
    writeln!(out, "[{}]", lines.join(",\n"))
}

/// Prints the end of a run as one JSON object.
pub fn print_ending_json(
    out: &mut dyn Write,
    run: &RunSummary,
    ending: &Ending,
    exceptions: EachResult<'_>,
) -> io::Result<()> {
    let mut not_deleted = Vec::new();
    exceptions(&mut |result| {
        not_deleted.push(result_object(&result));
        true
    })?;
    let next: Vec<_> =
        ending.next.iter().map(|(what, command)| json!({ "what": what, "command": command })).collect();
    let mut object = json!({
        "run": run_object(run),
        "stopped": ending.stopped,
        "still_listed": ending.still_listed,
        "not_deleted": not_deleted,
        "next": next,
        "notes": ending.notes,
    });
    if let Some(KeptDefinitions { file, sha256, entries, lost }) = &ending.definitions {
        object["definitions"] = json!({ "file": file, "sha256": sha256, "entries": entries, "lost": lost });
    }
    if let Some((refused, set_aside)) = ending.refused {
        object["refused_messages"] = json!(refused);
        object["dead_letters"] = json!(set_aside);
    }
    writeln!(out, "{object}")
}
