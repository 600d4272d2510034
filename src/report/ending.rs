//! What a run prints at its end: the counts, what was not deleted and why, and what to do next.

use std::io::{self, Write};

use super::shown::{grouped, visible};
use crate::domain::{Counts, Outcome, RunSummary, TargetResult};

/// Hands results of a run to a function, one after the other.
pub type EachResult<'a> = &'a mut dyn FnMut(&mut dyn FnMut(TargetResult) -> bool) -> io::Result<()>;

/// The outcomes that have to be looked at.
pub const EXCEPTIONS: &[Outcome] = &[
    Outcome::NotFound,
    Outcome::InUse,
    Outcome::Rejected,
    Outcome::Failed,
    Outcome::Unknown,
    Outcome::Skipped,
    Outcome::Pending,
];

/// What is told about a run at its end, beside its results.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    /// Commands to go on with, each with what it does.
    pub next: Vec<(String, String)>,
    /// Why it ended early.
    pub stopped: Option<String>,
    /// Names that were deleted and are still listed.
    pub still_listed: Vec<String>,
    /// Where the run took its targets from a queue: how many messages made no sense, and how many of them are on
    /// the dead-letter queue.
    pub refused: Option<(u64, u64)>,
    /// Further lines, such as where the audit log is.
    pub notes: Vec<String>,
}

/// Prints the end of a run for people.
///
/// # Errors
/// Where `out` cannot be written or the results cannot be read.
pub fn print_ending(
    out: &mut dyn Write,
    run: &RunSummary,
    ending: &Ending,
    exceptions: EachResult<'_>,
) -> io::Result<()> {
    // The counts come last, where they are still on the screen after a long list.
    print_exceptions(out, &run.counts, exceptions)?;
    if !ending.still_listed.is_empty() {
        writeln!(
            out,
            "DELETED, AND STILL LISTED ({}): somebody made them anew, or the API did not delete them",
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
            format!("on the dead-letter queue as far as is known: {}", grouped(set_aside))
        };
        writeln!(out)?;
        writeln!(
            out,
            "{} {messages} made no sense ({place}); the view `refused_messages` of the audit log has each",
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

/// Prints how many targets ended how, adding up.
pub(super) fn print_counts(out: &mut dyn Write, counts: &Counts) -> io::Result<()> {
    let width = grouped(counts.planned()).len();
    for (outcome, n) in counts.occurring() {
        writeln!(out, "  {outcome:<20}{:>width$}   {}", grouped(n), meaning(outcome))?;
    }
    writeln!(out, "  {:<20}{:>width$}", "", "─".repeat(width))?;
    writeln!(out, "  {:<20}{:>width$}", "planned", grouped(counts.planned()))
}

/// Prints each target that was not deleted, with why.
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
        written = writeln!(out, "  {:<10} {}  {}", result.outcome, visible(&result.datasource), why(&result));
        written.is_ok()
    })?;
    written?;
    writeln!(out)
}

/// Why a target ended as it did, on one line.
#[must_use]
pub fn why(result: &TargetResult) -> String {
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

pub(super) const fn meaning(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Deleted => "the API confirmed it",
        Outcome::DeletedUnconfirmed => "gone, after an attempt without a clear answer",
        Outcome::NotFound => "there was no such datasource",
        Outcome::InUse => "something depends on it; remove that first",
        Outcome::Rejected => "the API refused",
        Outcome::Failed => "the server failed; as far as is known they still exist",
        Outcome::Unknown => "no clear answer at any attempt",
        Outcome::Skipped => "not sent",
        Outcome::Pending => "not finished",
    }
}
