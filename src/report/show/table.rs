//! A name as text, Markdown and CSV.

use std::io::{self, Write};

use super::NameHistory;
use super::words::{days, days_in_words, resource, standing};
use crate::domain::TargetAccount;
use crate::report::ending::explanation;
use crate::report::period::missing_log;
use crate::report::tables::{PLAN_COLUMNS, RESULT_COLUMNS, ROWS, bytes, io_error, plan_cells, result_cells};
use crate::report::text::{cell, markdown, visible};

/// Writes each resource with what became of it, and below it each run that names it.
pub(super) fn text(out: &mut dyn Write, history: &NameHistory) -> io::Result<()> {
    for (index, found) in history.resources().iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}: {}", visible(&resource(found)), standing(found.standing))?;
        for account in &found.accounts {
            run(out, account)?;
        }
    }
    for missing in &history.missing {
        writeln!(out, "\nNOT READ: {}", missing_log(missing))?;
    }
    Ok(())
}

fn run(out: &mut dyn Write, account: &TargetAccount) -> io::Result<()> {
    let TargetAccount { run, result, .. } = account;
    let at = result.finished_at.as_deref().unwrap_or("not finished");
    let retry = run.retry_of.as_ref().map(|earlier| format!(" (retry of {earlier})")).unwrap_or_default();
    writeln!(out, "  {}{retry}  {at}  {}  {}", visible(&run.run_id), result.outcome, explanation(result))?;
    for (label, value) in facts(account) {
        writeln!(out, "    {label} {}", visible(&value))?;
    }
    for attempt in &account.attempts {
        let reply = match &attempt.reply {
            None => "no reply is recorded".to_owned(),
            Some(reply) => {
                let status = reply.http_status.map(|status| format!(" (HTTP {status})")).unwrap_or_default();
                format!("{}{status}, {}", reply.verdict, reply.at)
            }
        };
        writeln!(out, "    request {}, {}: {reply}", attempt.request_id, attempt.sent_at)?;
    }
    for look in &account.looks {
        let listed = if look.still_listed { "still held it" } else { "did not hold it" };
        writeln!(out, "    the listing of {} {listed}", look.at)?;
    }
    Ok(())
}

/// Who asked for it, why, and who carried it out.
fn facts(account: &TargetAccount) -> Vec<(&'static str, String)> {
    let TargetAccount { run, result, request, .. } = account;
    let approved = || match &run.approved_by {
        Some(approver) => format!("approved by {approver}"),
        None => "not approved".to_owned(),
    };
    let mut facts = Vec::new();
    let mut add = |label, value: Option<String>| facts.extend(value.map(|value| (label, value)));
    add("customer", request.customer.clone());
    let after = days(account).map(|days| format!(" (deleted {})", days_in_words(days))).unwrap_or_default();
    add("requested at", request.requested_at.as_ref().map(|at| format!("{at}{after}")));
    add("ticket", result.target_ticket.clone().or_else(|| run.ticket.clone()));
    add("reason", result.target_reason.clone().or_else(|| run.reason.clone()));
    add("operator", run.operator.clone());
    add("by plan", run.plan_digest.as_ref().map(|digest| format!("{digest}, {}", approved())));
    facts
}

/// Writes the same as Markdown, one run a line.
pub(super) fn markdown_page(out: &mut dyn Write, history: &NameHistory) -> io::Result<()> {
    for found in history.resources() {
        writeln!(out, "## {}: {}\n", markdown(&resource(&found)), standing(found.standing))?;
        writeln!(
            out,
            "| run | retry of | finished | outcome | why | customer | requested at | operator | plan | approved by |\n\
             |---|---|---|---|---|---|---|---|---|---|"
        )?;
        for account in &found.accounts {
            let TargetAccount { run, result, request, .. } = account;
            let text = |text: &Option<String>| markdown(text.as_deref().unwrap_or_default());
            let cells = [
                markdown(&run.run_id),
                text(&run.retry_of),
                text(&result.finished_at),
                markdown(result.outcome.as_str()),
                markdown(&explanation(result)),
                text(&request.customer),
                text(&request.requested_at),
                text(&run.operator),
                text(&run.plan_digest),
                text(&run.approved_by),
            ];
            writeln!(out, "| {} |", cells.join(" | "))?;
        }
        writeln!(out)?;
    }
    for missing in &history.missing {
        writeln!(out, "{}\n", markdown(&missing_log(missing)))?;
    }
    Ok(())
}

/// Further columns of a CSV, after those of the results and the plan.
const MORE_COLUMNS: [&str; 6] = ["log_id", "base_url", "operator", "customer", "requested_at", ROWS];

/// Writes the columns of the view `results`, and those of each run and request.
pub(super) fn csv(out: &mut dyn Write, history: &NameHistory) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    let columns = RESULT_COLUMNS.iter().chain(&["retry_of"]).chain(&PLAN_COLUMNS).chain(&MORE_COLUMNS);
    csv.write_record(columns).map_err(io_error)?;
    for TargetAccount { log_id, run, result, request, .. } in &history.accounts {
        let plan = plan_cells(run.plan_digest.as_deref(), run.approved_by.as_deref());
        let text = |text: &Option<String>| cell(text.as_deref().unwrap_or_default()).into_owned();
        let more = [
            log_id.clone(),
            cell(&run.base_url).into_owned(),
            text(&run.operator),
            text(&request.customer),
            text(&request.requested_at),
            history.accounts.len().to_string(),
        ];
        let retry_of = text(&run.retry_of);
        let cells = result_cells(result);
        let others = [&retry_of].into_iter().chain(&plan).chain(&more).map(String::as_bytes);
        csv.write_record(bytes(&cells).chain(others)).map_err(io_error)?;
    }
    csv.flush()
}
