//! The end of a run, printed: what became of its targets, and the commands that continue it.

use std::io::{self, Write};

use super::CommandError;
use super::context::Context;
use super::execution::FinishedRun;
use super::output::stdout;
use crate::audit::{AuditReader, DuePart};
use crate::domain::{DEPENDANTS_CHANGED, ExitStatus, Outcome, ResultFilter, RunSummary};
use crate::report::{self, EachResult, Ending, grouped};

/// What a command adds to the end of its run.
pub(super) enum Closing<'a> {
    /// The commands that continue the run, or retry what failed in it.
    Commands,
    /// Lines made from the run's id and the number of its requests: those sent, and at least one for each target
    /// that is pending.
    Lines(&'a dyn Fn(&str, u64) -> Vec<String>),
}

impl FinishedRun {
    /// Prints the end. That it cannot be printed does not change how the run ended.
    pub(super) fn print(self, context: &Context<'_>, closing: &Closing<'_>) -> ExitStatus {
        if let Err(error) = self.try_print(context, closing) {
            tracing::error!(%error, "the end of the run could not be printed");
        }
        self.report.exit
    }

    fn try_print(&self, context: &Context<'_>, closing: &Closing<'_>) -> Result<(), CommandError> {
        let Self { id, report, of_queue } = self;
        let path = &context.settings.audit.db;
        let reader = AuditReader::open(path)?;
        let summary = reader.run(Some(id))?;
        let where_the_log_is = format!("Audit log: {}", path.display());
        let (next, mut notes) = match closing {
            Closing::Commands => {
                let in_the_way = are_datamarts_in_the_way(&reader, &summary)?;
                let mut next = commands(context, &summary, in_the_way);
                if has_changed_groups(&reader, id)? {
                    let retry = context.command(&["retry", id, "--outcome", Outcome::Skipped.as_str()]);
                    next.push(("After looking at what changed".to_owned(), retry));
                }
                (next, vec![where_the_log_is])
            }
            Closing::Lines(lines) => {
                let requests = reader.attempts(id)? + summary.counts.of(Outcome::Pending);
                (Vec::new(), lines(id, requests))
            }
        };
        if *of_queue && report.stopped.is_some() {
            let note = "What this run did not send is on the queue; start `decom work` again to continue.";
            notes.insert(0, note.to_owned());
        }
        if report.waiting > 0 {
            notes.insert(0, left_in_queue(report.waiting));
        }
        if let Some(line) = in_doubt(&reader, id)? {
            notes.insert(0, line);
        }
        let definitions = reader.kept_definitions(id)?;
        let ending = Ending {
            next,
            definitions,
            stopped: report.stopped.as_ref().map(ToString::to_string),
            still_listed: report.still_listed.clone(),
            verbose: context.options.verbose,
            refused: of_queue.then_some((report.refused.recorded, report.refused.set_aside)),
            notes,
        };
        let exceptions: EachResult<'_> = &mut |take| {
            reader
                .each_result(id, ResultFilter::AnyOutcome(report::EXCEPTIONS), take)
                .map_err(io::Error::other)
        };
        let mut out = io::BufWriter::new(stdout());
        if context.options.json {
            report::print_ending_json(&mut out, &summary, &ending, exceptions)?;
        } else {
            report::print_ending(&mut out, &summary, &ending, exceptions)?;
        }
        Ok(out.flush()?)
    }
}

/// A line about messages that this worker was not given.
fn left_in_queue(waiting: u64) -> String {
    let messages = match waiting {
        1 => "1 message still waits".to_owned(),
        many => format!("{} messages still wait", grouped(many)),
    };
    format!(
        "{messages} in the queue, and no more came within --idle; look if the broker holds them back, and start `decom work` again."
    )
}

/// Returns true if datasources were not sent because their datamarts were others than planned.
fn has_changed_groups(reader: &AuditReader, run_id: &str) -> Result<bool, CommandError> {
    let mut is_any = false;
    reader.each_result(run_id, ResultFilter::Skipped(DEPENDANTS_CHANGED), |_| {
        is_any = true;
        false
    })?;
    Ok(is_any)
}

/// A line about the pending targets whose requests left without a reply in the log, if there are any.
fn in_doubt(reader: &AuditReader, run_id: &str) -> Result<Option<String>, CommandError> {
    let Some(open) = reader.open_run_named(Some(run_id))? else { return Ok(None) };
    let in_doubt = reader.due(open.seq, DuePart::InDoubt, 0, u32::MAX)?.len();
    Ok(match in_doubt {
        0 => None,
        1 => Some(
            "1 pending target is in doubt: its request left, and it may be gone. Continuing settles it first.".to_owned(),
        ),
        many => Some(format!(
            "{} pending targets are in doubt: their requests left, and they may be gone. Continuing settles them first.",
            grouped(many as u64)
        )),
    })
}

/// Returns true if a datamart is known that keeps a datasource of the run in use.
fn are_datamarts_in_the_way(reader: &AuditReader, summary: &RunSummary) -> Result<bool, CommandError> {
    let mut found = false;
    if summary.counts.of(Outcome::InUse) > 0 {
        reader.each_result(&summary.run_id, ResultFilter::AnyOutcome(&[Outcome::InUse]), |result| {
            found = result.dependants().is_some_and(|dependants| !dependants.is_empty());
            !found
        })?;
    }
    Ok(found)
}

/// The commands that continue a run, or retry what failed in it, each with what it is for.
fn commands(
    context: &Context<'_>,
    summary: &RunSummary,
    are_datamarts_in_the_way: bool,
) -> Vec<(String, String)> {
    let (id, counts) = (summary.run_id.as_str(), &summary.counts);
    let mut next = Vec::new();
    if summary.status != "finished" {
        next.push(("Continue".to_owned(), context.command(&["resume", id])));
    }
    if counts.of(Outcome::Failed) + counts.of(Outcome::Unknown) > 0 {
        next.push(("Retry what failed".to_owned(), context.command(&["retry", id])));
    }
    if are_datamarts_in_the_way {
        let along = ["retry", id, "--outcome", "in_use", "--with-datamarts"];
        next.push((
            "Delete the datamarts that keep them in use, and then them".to_owned(),
            context.command(&along),
        ));
    }
    let (in_use, rejected) = (counts.of(Outcome::InUse) > 0, counts.of(Outcome::Rejected) > 0);
    let (label, outcomes) = match (in_use, rejected) {
        (true, true) => ("After removing the dependants and the causes", "in_use,rejected"),
        (true, false) => ("After removing the dependants", "in_use"),
        (false, true) => ("After fixing the causes", "rejected"),
        (false, false) => return next,
    };
    next.push((label.to_owned(), context.command(&["retry", id, "--outcome", outcomes])));
    next
}
