//! The end of a run for people: the counts, what was not deleted and why, and what to do next.

use std::io::{self, Write};

use super::claims::RunFacts;
use super::groups::counted;
use super::text::{grouped, visible};
use crate::domain::{KeptDefinitions, Outcome, RunSummary, TargetResult};

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

/// So many targets that an earlier run deleted are named.
const FEW: u64 = 5;

/// What to print at the end of a run beside its results.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    /// Commands to continue with, each after what it does.
    pub next: Vec<(String, String)>,
    /// Why the run ended early.
    pub stopped: Option<String>,
    /// Names that are said to be gone and are still listed.
    pub still_listed: Vec<String>,
    /// For the targets of a queue: the number of malformed messages, and of those known to be on the dead-letter
    /// queue.
    pub refused: Option<(u64, u64)>,
    /// The file of the definitions of its datamarts, if it took any along.
    pub definitions: Option<KeptDefinitions>,
    /// Further lines, such as the path of the audit log.
    pub notes: Vec<String>,
    /// Name also what an earlier run deleted.
    pub verbose: bool,
}

/// Prints the end of a run for people.
pub fn print_ending(
    out: &mut dyn Write,
    run: &RunSummary,
    ending: &Ending,
    exceptions: EachResult<'_>,
) -> io::Result<()> {
    // The counts come last, so that they are on the screen after a long list.
    print_exceptions(out, run, exceptions, ending.verbose)?;
    if !ending.still_listed.is_empty() {
        writeln!(
            out,
            "SAID TO BE GONE, AND STILL LISTED ({}): they were created again, or the API did not delete them",
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
    print_counts(out, run)?;
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
    if let Some(KeptDefinitions { file, sha256, entries, .. }) = &ending.definitions {
        writeln!(out)?;
        writeln!(out, "Definitions of the datamarts: {} ({})", visible(file), counted(*entries, "datamart"))?;
        writeln!(out, "  SHA-256 {sha256}")?;
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
pub(super) fn print_counts(out: &mut dyn Write, run: &RunSummary) -> io::Result<()> {
    let (counts, facts) = (&run.counts, RunFacts::of(run));
    let width = grouped(counts.planned()).len();
    for (outcome, n) in counts.occurring() {
        let meaning = facts.meaning(outcome);
        writeln!(out, "  {outcome:<20}{:>width$}   {meaning}", grouped(n))?;
    }
    writeln!(out, "  {:<20}{:>width$}", "", "─".repeat(width))?;
    writeln!(out, "  {:<20}{:>width$}", "planned", grouped(counts.planned()))
}

/// Prints each target that is not gone, and why. Of what an earlier run deleted, the number is enough if they are many,
/// unless `verbose` asks for them.
pub(super) fn print_exceptions(
    out: &mut dyn Write,
    run: &RunSummary,
    exceptions: EachResult<'_>,
    verbose: bool,
) -> io::Result<()> {
    let (not_deleted, already) = (not_gone(run), run.already_deleted);
    let names_already = already > 0 && (verbose || already <= FEW);
    if not_deleted > 0 {
        writeln!(out, "Not deleted ({}):", grouped(not_deleted))?;
    }
    let (mut written, mut deleted_before, mut obstacles) = (Ok(()), Vec::new(), Obstacles::default());
    if not_deleted > 0 || names_already {
        exceptions(&mut |result| {
            obstacles.add(&result);
            if result.outcome == Outcome::Pending {
                return true;
            }
            let (name, why) = (visible(&result.label()).into_owned(), explanation(&result));
            let line = format!("  {:<10} {name}  {why}", result.outcome);
            if !result.is_already_deleted() {
                written = writeln!(out, "{line}");
            } else if names_already {
                deleted_before.push(line);
            }
            written.is_ok()
        })?;
    }
    written?;
    if not_deleted > 0 {
        writeln!(out)?;
        obstacles.print(out)?;
    }
    if names_already {
        writeln!(out, "Deleted by an earlier run, and not sent again ({}):", grouped(already))?;
        deleted_before.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        writeln!(out)?;
    } else if let Some(line) = self::deleted_before(run) {
        writeln!(out, "{line} --verbose names them.\n")?;
    }
    Ok(())
}

/// How many settled targets are not gone.
pub(super) fn not_gone(run: &RunSummary) -> u64 {
    run.counts.settled().saturating_sub(run.gone())
}

/// One line about the targets that an earlier run deleted, if there are any.
pub(super) fn deleted_before(run: &RunSummary) -> Option<String> {
    let were = match run.already_deleted {
        0 => return None,
        1 => "1 target was".to_owned(),
        many => format!("{} targets were", grouped(many)),
    };
    Some(format!("{were} deleted by an earlier run and not sent again."))
}

/// What keeps datasources in use, in all.
#[derive(Debug, Default)]
struct Obstacles {
    /// Datasources that datamarts read.
    read: u64,
    /// How many datamarts these are, if no more are left out.
    datamarts: u64,
    are_more: bool,
    /// Datasources that no datamart reads.
    unexplained: u64,
}

impl Obstacles {
    fn add(&mut self, result: &TargetResult) {
        let Some(dependants) = result.dependants() else { return };
        if dependants.is_empty() {
            self.unexplained += 1;
            return;
        }
        self.read += 1;
        let left_out = dependants.iter().filter(|name| name.starts_with("… and ")).count();
        self.are_more |= left_out > 0;
        self.datamarts += (dependants.len() - left_out) as u64;
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let datasources =
            |n: u64| format!("{} {}", grouped(n), if n == 1 { "datasource" } else { "datasources" });
        if self.read > 0 {
            let (datamarts, keep) =
                if self.datamarts == 1 { ("datamart", "keeps") } else { ("datamarts", "keep") };
            writeln!(
                out,
                "{}{} {datamarts} {keep} {} in use.",
                if self.are_more { "More than " } else { "" },
                grouped(self.datamarts),
                datasources(self.read)
            )?;
        }
        if self.unexplained > 0 {
            let (are, them) = if self.unexplained == 1 { ("is", "it") } else { ("are", "them") };
            writeln!(
                out,
                "{} {are} in use, and no datamart was listed that reads {them}: a workspace or another resource may hold {them}, which the API does not show.",
                datasources(self.unexplained)
            )?;
        }
        if self.read + self.unexplained > 0 { writeln!(out) } else { Ok(()) }
    }
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
        match (result.outcome, result.dependants()) {
            (_, Some(dependants)) if dependants.is_empty() => parts.push("used by no datamart".to_owned()),
            (_, Some(dependants)) => parts.push(format!("used by {}", visible(&dependants.join(", ")))),
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
