//! A name as JSON, with the columns of the audit log's views.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::NameHistory;
use super::words::days;
use crate::domain::{AttemptAccount, MissingLog, ResourceHistory, TargetAccount};
use crate::report::json::result_object;

/// One object: each resource with what became of it, and each result.
pub(super) fn object(out: &mut dyn Write, history: &NameHistory) -> io::Result<()> {
    let resources: Vec<_> = history.resources().iter().map(resource).collect();
    let results: Vec<_> = history.accounts.iter().map(account_object).collect();
    let object = json!({
        "logs": history.logs,
        "missing_logs": history.missing.iter().map(missing_object).collect::<Vec<_>>(),
        "name": history.name,
        "resources": resources,
        "results": results,
    });
    writeln!(out, "{object}")
}

/// The results alone, one a line.
pub(super) fn array(out: &mut dyn Write, history: &NameHistory) -> io::Result<()> {
    let lines: Vec<_> = history.accounts.iter().map(|account| account_object(account).to_string()).collect();
    writeln!(out, "[{}]", lines.join(",\n"))
}

fn resource(history: &ResourceHistory<'_>) -> Value {
    json!({
        "kind": history.kind.as_str(),
        "name": history.name,
        "dependant_of": history.dependant_of,
        "base_url": history.base_url,
        "rehearsal": history.rehearsal,
        "standing": history.standing.as_str(),
        "run_id": history.deciding.run.run_id,
        "at": history.deciding.result.finished_at,
    })
}

/// A log that is not at hand.
pub(in crate::report) fn missing_object(missing: &MissingLog) -> Value {
    json!({
        "log_id": missing.log_id,
        "records": missing.records,
        "head": missing.head,
        "file": missing.file,
        "why": missing.why,
    })
}

/// A target with all that is known of it: the columns of the view `results`, what is said of its run, who asked for it,
/// and its requests, readings of the listing and records.
pub(in crate::report) fn account_object(account: &TargetAccount) -> Value {
    let mut object = result_object(&account.result);
    let TargetAccount { log_id, run, request, attempts, looks, records, .. } = account;
    let looks =
        looks.iter().map(|look| json!({ "at": look.at.to_string(), "still_listed": look.still_listed }));
    let records = records.iter().map(|record| {
        json!({ "seq": record.seq, "kind": record.kind, "at": record.at.to_string(), "hash": record.hash })
    });
    let of_run = json!({
        "log_id": log_id,
        "run_started_at": run.started_at.to_string(),
        "run_status": run.status,
        "base_url": run.base_url,
        "operator": run.operator,
        "reason": run.reason,
        "ticket": run.ticket,
        "plan_digest": run.plan_digest,
        "approved_by": run.approved_by,
        "retry_of": run.retry_of,
        "rehearsal": run.rehearsal,
        "customer": request.customer,
        "requested_at": request.requested_at,
        "days_from_request": days(account),
        "requests": attempts.iter().map(attempt).collect::<Vec<_>>(),
        "listings": looks.collect::<Vec<_>>(),
        "records": records.collect::<Vec<_>>(),
    });
    if let (Value::Object(object), Value::Object(of_run)) = (&mut object, of_run) {
        object.extend(of_run);
    }
    object
}

fn attempt(attempt: &AttemptAccount) -> Value {
    let reply = attempt.reply.as_ref();
    json!({
        "attempt": attempt.number,
        "request_id": attempt.request_id,
        "sent_at": attempt.sent_at.to_string(),
        "replied_at": reply.map(|reply| reply.at.to_string()),
        "verdict": reply.map(|reply| reply.verdict.as_str()),
        "http_status": reply.and_then(|reply| reply.http_status),
    })
}
