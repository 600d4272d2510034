//! Reports for people: as text, as Markdown and as CSV for spreadsheets.

use std::borrow::Cow;
use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};

use super::claims::{REHEARSAL, RunFacts};
use super::ending::{EachResult, deleted_before, explanation, not_gone, print_counts, print_exceptions};
use super::text::{cell, grouped, markdown, visible};
use crate::domain::{Outcome, RunSummary, TargetResult};

/// Writes one run as text: its facts, its counts, and what was not deleted.
pub(super) fn text(
    out: &mut dyn Write,
    run: &RunSummary,
    results: EachResult<'_>,
    verbose: bool,
) -> io::Result<()> {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    for (label, value) in facts(run) {
        table.add_row([label.to_owned(), visible(&value).into_owned()]);
    }
    writeln!(out, "{}\n", trimmed(&table))?;
    print_exceptions(out, run, results, verbose)?;
    writeln!(out, "{}\n", RunFacts::of(run).headline())?;
    print_counts(out, run)
}

/// Writes one run as Markdown.
pub(super) fn markdown_report(
    out: &mut dyn Write,
    run: &RunSummary,
    results: EachResult<'_>,
) -> io::Result<()> {
    writeln!(out, "# Run {}\n", markdown(&run.run_id))?;
    writeln!(out, "| | |\n|---|---|")?;
    for (label, value) in facts(run) {
        writeln!(out, "| {label} | {} |", markdown(&value))?;
    }
    let claims = RunFacts::of(run);
    writeln!(out, "\n{}", claims.headline())?;
    writeln!(out, "\n## Outcomes\n\n| outcome | targets | meaning |\n|---|---:|---|")?;
    for (outcome, n) in run.counts.occurring() {
        writeln!(out, "| {} | {n} | {} |", markdown(outcome.as_str()), claims.meaning(outcome))?;
    }
    writeln!(out, "| **planned** | **{}** | |", run.counts.planned())?;
    if let Some(line) = deleted_before(run) {
        writeln!(out, "\n{line}")?;
    }
    if not_gone(run) + run.counts.of(Outcome::Pending) == 0 {
        return Ok(());
    }
    writeln!(out, "\n## Not deleted\n\n| target | datasource | outcome | why |\n|---:|---|---|---|")?;
    let mut written = Ok(());
    results(&mut |result| {
        if result.is_already_deleted() {
            return true;
        }
        let (name, outcome) = (markdown(&result.label()), markdown(result.outcome.as_str()));
        written =
            writeln!(out, "| {} | {name} | {outcome} | {} |", result.target, markdown(&explanation(&result)));
        written.is_ok()
    })?;
    written
}

/// The columns of the run's plan, after those of each result: a CSV has no other place for them.
pub(super) const PLAN_COLUMNS: [&str; 2] = ["plan_digest", "approved_by"];

/// How many rows the file has, in each of them: one that was cut off shows that.
pub(super) const ROWS: &str = "rows";

pub(super) fn plan_cells(digest: Option<&str>, approver: Option<&str>) -> [String; 2] {
    [digest, approver].map(|text| cell(text.unwrap_or_default()).into_owned())
}

/// Writes all results of one run as CSV, with the columns of the view `results`, and the run's plan.
pub(super) fn csv_report(out: &mut dyn Write, run: &RunSummary, results: EachResult<'_>) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(RESULT_COLUMNS.iter().chain(&PLAN_COLUMNS).chain([&ROWS])).map_err(io_error)?;
    let [digest, approver] = plan_cells(run.plan_digest.as_deref(), run.approved_by.as_deref());
    let plan = [digest, approver, run.counts.planned().to_string()];
    let mut written = Ok(());
    results(&mut |result| {
        let cells = result_cells(&result);
        written = csv.write_record(bytes(&cells).chain(plan.iter().map(String::as_bytes)));
        written.is_ok()
    })?;
    written.map_err(io_error)?;
    csv.flush()
}

/// The columns of the view `results`, in its order. Its `name` is `resource` here: beside `datasource`, nobody could
/// tell which of two names is meant if the report is read as an input.
pub(super) const RESULT_COLUMNS: [&str; 20] = [
    "run_id",
    "target",
    "datasource",
    "outcome",
    "attempts",
    "http_status",
    "error_code",
    "message",
    "datasource_id",
    "evidence",
    "detail",
    "first_attempt_at",
    "finished_at",
    "target_reason",
    "target_ticket",
    "message_id",
    "resource",
    "kind",
    "dependant_of",
    "rehearsal",
];

pub(super) fn result_cells(result: &TargetResult) -> [Cow<'_, str>; 20] {
    fn text(value: Option<&str>) -> Cow<'_, str> {
        cell(value.unwrap_or_default())
    }
    [
        result.run_id.as_str().into(),
        result.target.to_string().into(),
        text(result.datasource()),
        result.outcome.as_str().into(),
        result.attempts.to_string().into(),
        result.http_status.map(|status| status.to_string()).unwrap_or_default().into(),
        text(result.error_code.as_deref()),
        text(result.message.as_deref()),
        text(result.datasource_id.as_deref()),
        text(result.evidence.as_deref()),
        text(result.detail.as_deref()),
        text(result.first_attempt_at.as_deref()),
        text(result.finished_at.as_deref()),
        text(result.target_reason.as_deref()),
        text(result.target_ticket.as_deref()),
        text(result.message_id.as_deref()),
        cell(&result.name),
        result.kind.as_str().into(),
        text(result.dependant_of.as_deref()),
        u8::from(result.rehearsal).to_string().into(),
    ]
}

pub(super) fn bytes<'a>(cells: &'a [Cow<'_, str>]) -> impl Iterator<Item = &'a [u8]> {
    cells.iter().map(|cell| cell.as_bytes())
}

/// Writes all runs as text.
pub(super) fn runs_text(out: &mut dyn Write, runs: &[RunSummary]) -> io::Result<()> {
    if runs.is_empty() {
        return writeln!(out, "No runs.");
    }
    let mut table = runs_table(runs, |text| visible(text).into_owned());
    table.load_preset(presets::NOTHING);
    writeln!(out, "{}", trimmed(&table))
}

/// Writes all runs as Markdown.
pub(super) fn runs_markdown(out: &mut dyn Write, runs: &[RunSummary]) -> io::Result<()> {
    let mut table = runs_table(runs, markdown);
    table.load_preset(presets::ASCII_MARKDOWN);
    writeln!(out, "{table}")
}

/// Writes all runs as CSV, with the columns of the view `runs`.
pub(super) fn runs_csv(out: &mut dyn Write, runs: &[RunSummary]) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(super::json::RUN_COLUMNS).map_err(io_error)?;
    for run in runs {
        let object = super::json::run_object(run);
        let values = super::json::RUN_COLUMNS.map(|column| match &object[column] {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => cell(text).into_owned(),
            // As the view has it.
            serde_json::Value::Bool(value) => u8::from(*value).to_string(),
            other => other.to_string(),
        });
        csv.write_record(values).map_err(io_error)?;
    }
    csv.flush()
}

/// The system's own error, so that a closed pipe is recognized.
pub(super) fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

fn runs_table(runs: &[RunSummary], show: impl Fn(&str) -> String) -> Table {
    let mut table = Table::new();
    table.set_header([
        "run", "started", "status", "planned", "gone", "other", "pending", "exit", "API", "input",
    ]);
    for run in runs {
        let counts = &run.counts;
        let gone = run.gone();
        let pending = counts.of(Outcome::Pending);
        table.add_row([
            show(&run.run_id),
            run.started_at.get(..19).unwrap_or(&run.started_at).replace('T', " "),
            show(&run.status),
            grouped(counts.planned()),
            grouped(gone),
            grouped(counts.planned() - gone - pending),
            grouped(pending),
            run.exit_code.map(|code| code.to_string()).unwrap_or_default(),
            show(&run.base_url),
            show(&run.input),
        ]);
    }
    for index in 3..8 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn facts(run: &RunSummary) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Run", run.run_id.clone()),
        ("Status", run.status.clone()),
        ("Started", run.started_at.clone()),
    ];
    if run.rehearsal {
        facts.insert(1, ("Mark", REHEARSAL.to_owned()));
    }
    let optional = [
        ("Finished", run.finished_at.clone()),
        ("API", Some(run.base_url.clone())),
        ("Input", Some(run.input.clone())),
        ("Input SHA-256", run.input_sha256.clone()),
        ("Operator", run.operator.clone()),
        ("Plan digest", run.plan_digest.clone()),
        ("Approved by", run.approved_by.clone()),
        ("Retry of", run.retry_of.clone()),
        ("Reason", run.reason.clone()),
        ("Ticket", run.ticket.clone()),
        ("Machine", Some(run.host.clone())),
        ("Version", Some(format!("decom {}", run.tool_version))),
        ("Exit code", run.exit_code.map(|code| code.to_string())),
    ];
    facts.extend(optional.into_iter().filter_map(|(label, value)| Some((label, value?))));
    facts
}

fn trimmed(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
