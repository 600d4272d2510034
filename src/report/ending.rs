//! The end of a run for people: the counts, what was not deleted and why, and what to do next.

use std::io::{self, Write};

use super::text::{grouped, visible};
use crate::domain::{Counts, Outcome, RunSummary, TargetResult};

/// Calls a function with the results of a run, one after the other, until it returns `false`.
pub type EachResult<'a> = &'a mut dyn FnMut(&mut dyn FnMut(TargetResult) -> bool) -> io::Result<()>;

/// The outcomes that need attention.
pub const EXCEPTIONS: &[Outcome] = &[
    Outcome::NotFound,
    Outcome::InUse,
    Outcome::Rejected,
    Outcome::Failed,
    Outcome::Unknown,
    Outcome::Skipped,
    Outcome::Pending,
];

/// What to print at the end of a run beside its results.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    /// Commands to continue with, each after what it does.
    pub next: Vec<(String, String)>,
    /// Why the run ended early.
    pub stopped: Option<String>,
    /// Names that were deleted and are still listed.
    pub still_listed: Vec<String>,
    /// For the targets of a queue: the number of malformed messages, and of those known to be on the dead-letter
    /// queue.
    pub refused: Option<(u64, u64)>,
    /// Further lines, such as the path of the audit log.
    pub notes: Vec<String>,
}

/// Prints the end of a run for people.
pub fn print_ending(
    out: &mut dyn Write,
    run: &RunSummary,
    ending: &Ending,
    exceptions: EachResult<'_>,
) -> io::Result<()> {
    // The counts come last, so that they are on the screen after a long list.
    print_exceptions(out, &run.counts, exceptions)?;
    if !ending.still_listed.is_empty() {
        writeln!(
            out,
            "DELETED, AND STILL LISTED ({}): they were created again, or the API did not delete them",
            ending.still_listed.len()
        )?;
        for name in &ending.still_listed {
            writeln!(out, "  {}", visible(name))?;
        }
        writeln!(out)?;
    }
    let title = match run.status.as_str() {
        "finished" => "finished",
        "interrupted" => "interrupted",
        "stopped" => "stopped",
        _ => "unfinished",
    };
    writeln!(out, "Run {} {title}.", visible(&run.run_id))?;
    if let Some(why) = &ending.stopped {
        writeln!(out, "It stopped early: {why}")?;
    }
    writeln!(out)?;
    print_counts(out, &run.counts)?;
    if let Some((refused, set_aside)) = ending.refused.filter(|(refused, _)| *refused > 0) {
        let messages = if refused == 1 { "message" } else { "messages" };
        let place = if set_aside >= refused {
            "on the dead-letter queue".to_owned()
        } else {
            format!("{} known to be on the dead-letter queue", grouped(set_aside))
        };
        writeln!(out)?;
        writeln!(
            out,
            "{} malformed {messages} ({place}); see the view `refused_messages` of the audit log",
            grouped(refused)
        )?;
    }
    if !ending.next.is_empty() {
        writeln!(out)?;
        for (what, command) in &ending.next {
            writeln!(out, "{what}:\n  {command}")?;
        }
    }
    if !ending.notes.is_empty() {
        writeln!(out)?;
        for note in &ending.notes {
            writeln!(out, "{note}")?;
        }
    }
    Ok(())
}

/// Prints the number of targets by outcome, and their sum.
pub(super) fn print_counts(out: &mut dyn Write, counts: &Counts) -> io::Result<()> {
    let width = grouped(counts.planned()).len();
    for (outcome, n) in counts.occurring() {
        writeln!(out, "  {outcome:<20}{:>width$}   {}", grouped(n), meaning(outcome))?;
    }
    writeln!(out, "  {:<20}{:>width$}", "", "─".repeat(width))?;
    writeln!(out, "  {:<20}{:>width$}", "planned", grouped(counts.planned()))
}

/// Prints each target that was not deleted, and why.
pub(super) fn print_exceptions(
    out: &mut dyn Write,
    counts: &Counts,
    exceptions: EachResult<'_>,
) -> io::Result<()> {
    let not_deleted: u64 = EXCEPTIONS
        .iter()
        .filter(|outcome| **outcome != Outcome::Pending)
        .map(|outcome| counts.of(*outcome))
        .sum();
    if not_deleted == 0 {
        return Ok(());
    }
    writeln!(out, "Not deleted ({}):", grouped(not_deleted))?;
    let mut written = Ok(());
    exceptions(&mut |result| {
        if result.outcome == Outcome::Pending {
            return true;
        }
        written = writeln!(
            out,
            "  {:<10} {}  {}",
            result.outcome,
            visible(&result.datasource),
            explanation(&result)
        );
        written.is_ok()
    })?;
    written?;
    writeln!(out)
}

/// Why a target ended as it did, on one line.
#[must_use]
pub fn explanation(result: &TargetResult) -> String {
    let mut parts = Vec::new();
    match (&result.message, &result.error_code) {
        (Some(message), _) => parts.push(visible(message).into_owned()),
        (None, Some(code)) => parts.push(visible(code).into_owned()),
        (None, None) => {}
    }
    if let Some(status) = result.http_status.filter(|_| result.error_code.is_none()) {
        parts.push(format!("HTTP {status}"));
    }
    if let Some(detail) = &result.detail {
        match (result.outcome, serde_json::from_str::<Vec<String>>(detail)) {
            (Outcome::InUse, Ok(dependants)) => {
                parts.push(format!("used by {}", visible(&dependants.join(", "))));
            }
            (Outcome::Skipped, _) if !parts.is_empty() => parts.insert(0, visible(detail).into_owned()),
            _ => parts.push(visible(detail).into_owned()),
        }
    }
    if result.evidence.as_deref() == Some("still_listed") {
        parts.push("still in the listing".to_owned());
    }
    if result.attempts > 1 {
        parts.push(format!("{} attempts", result.attempts));
    }
    parts.join("; ")
}

/// What an outcome means for its target.
pub(super) const fn meaning(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Deleted => "the API confirmed the deletion",
        Outcome::DeletedUnconfirmed => "gone, after an attempt without a clear reply",
        Outcome::NotFound => "no such datasource",
        Outcome::InUse => "something depends on it; remove that first",
        Outcome::Rejected => "the API refused the request",
        Outcome::Failed => "all attempts failed; as far as is known it still exists",
        Outcome::Unknown => "no clear reply; it may exist or not",
        Outcome::Skipped => "not sent",
        Outcome::Pending => "not finished",
    }
}
