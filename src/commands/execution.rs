//! What run, resume, retry and rehearse share: guards, the question, the run itself, its end.

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use super::CommandError;
use super::context::{Context, VERSION, host};
use super::reach::Reach;
use super::survey::Survey;
use crate::audit::{AuditError, AuditLog, AuditReader, RunOpening};
use crate::domain::{ExitStatus, Outcome, Seq};
use crate::plan::{KnownGone, PlanRefusal, Selection, is_over};
use crate::report::{self, EachResult, Ending, Planned};
use crate::run::{RunParts, RunReport, Supply, execute};
use crate::terminal::{ask, phrase};

/// A run that is about to be shown, confirmed and begun.
pub(super) struct Job {
    /// What was asked for: the guards look at all of it, also if this process takes a share.
    pub(super) selection: Selection,
    /// Whether its targets come from a queue, later.
    pub(super) of_queue: bool,
    /// The input, as it is named in the log.
    pub(super) label: String,
    pub(super) input_sha256: Option<String>,
    /// Why, and the ticket, where the settings do not say.
    pub(super) purpose: (Option<String>, Option<String>),
    /// The patterns of protected names that are in force.
    pub(super) protect: Vec<String>,
    /// The saved plan that it carries out.
    pub(super) plan: Option<PlanOfRun>,
    /// What else the log says of it; a JSON object.
    pub(super) origin: serde_json::Value,
}

/// The saved plan that a run carries out.
#[derive(Debug, Clone)]
pub(super) struct PlanOfRun {
    pub(super) digest: String,
    pub(super) approved_by: Option<String>,
    /// Until when it may be run.
    pub(super) expires_at: String,
}

/// Counts the requests of a run.
pub(super) type CountRequests<'a> = dyn Fn() -> Result<u64, AuditError> + 'a;

/// Makes lines from a run's id and what counts its requests.
type Notes<'a> = dyn Fn(&str, &CountRequests<'_>) -> Result<Vec<String>, AuditError> + 'a;

/// What a command adds to the end of its run.
pub(super) struct Closing<'a> {
    /// Whether the commands that go on with the run are shown.
    pub(super) next: bool,
    /// Lines made from the run's id and, where somebody wants to know, how many requests it takes: its
    /// attempts, which have to be counted, and one at least for each target that is pending.
    pub(super) notes: &'a Notes<'a>,
}

impl Context<'_> {
    /// Runs something asynchronous on the one thread that all I/O shares.
    pub(super) fn block_on<T>(future: impl Future<Output = T>) -> Result<T, CommandError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let result = runtime.block_on(future);
        // A name that is still being looked up must not hold up the end.
        runtime.shutdown_background();
        Ok(result)
    }

    /// Shows what is about to be done, and that nothing and nobody is against it: no guard, nobody who
    /// is asked, and not the time, of which much may have passed meanwhile.
    pub(super) fn ask(
        &self,
        planned: &Planned,
        survey: &Survey,
        due: u64,
        host: &str,
        plan: Option<&PlanOfRun>,
    ) -> Result<(), CommandError> {
        self.show(planned, due)?;
        survey.check()?;
        self.confirm(due, host)?;
        match plan {
            Some(plan) if is_over(&plan.expires_at, self.world.clock.timestamp()) => {
                let at = plan.expires_at.clone();
                Err(CommandError::PlanRefused(PlanRefusal::Expired { at }))
            }
            _ => Ok(()),
        }
    }

    /// Asks whether `count` datasources on `host` may be deleted.
    pub(super) fn confirm(&self, count: u64, host: &str) -> Result<(), CommandError> {
        if self.options.yes || count == 0 {
            return Ok(());
        }
        if !self.world.can_ask {
            return Err(CommandError::Refused(
                "nobody can be asked without a terminal; confirm with --yes".to_owned(),
            ));
        }
        let wanted = phrase(count, host);
        if ask(&wanted, &mut io::stdin().lock(), &mut io::stderr().lock())? {
            return Ok(());
        }
        Err(CommandError::Refused("not confirmed".to_owned()))
    }

    /// What the log at `path` knows to have gone on this host behind the record `after`; `None` where
    /// it knows of nothing. What went in the run `but` is known to be none of the names that are asked for.
    pub(super) fn known_gone(
        path: &Path,
        base_url: &str,
        after: Seq,
        but: Option<Seq>,
    ) -> Result<Option<KnownGone>, CommandError> {
        let Some(reader) = AuditReader::open_if_there(path)? else { return Ok(None) };
        if !reader.knows_any_gone(base_url, after, but)? {
            return Ok(None);
        }
        Ok(Some(Self::gone_according_to(reader, base_url, after)))
    }

    /// What the log behind `reader` knows to have gone on this host behind the record `after`, at any time.
    pub(super) fn gone_according_to(reader: AuditReader, base_url: &str, after: Seq) -> KnownGone {
        let base_url = base_url.to_owned();
        Box::new(move |name| {
            let found = reader.known_gone(name.as_str(), &base_url, after).unwrap_or_else(|error| {
                // Sent rather than skipped: the API has the last word on what is there.
                tracing::warn!(%error, "the audit log could not be asked what is gone");
                None
            });
            found.map(|(run, at)| (run, at.to_string()))
        })
    }

    /// Records the beginning of a run and all its targets.
    pub(super) async fn begin(
        &self,
        log: &AuditLog,
        job: Job,
        reach: &Reach,
    ) -> Result<(Seq, String), CommandError> {
        let (pace, safety, retry) = (&self.settings.pace, &self.settings.safety, &self.settings.retry);
        let run_id = self.new_run_id();
        let mut origin = job.origin;
        origin["login"] = json!(self.login()?);
        let (reason, ticket) = job.purpose;
        let opening = RunOpening {
            run_id: run_id.clone(),
            at: self.world.clock.timestamp(),
            input: job.label,
            input_sha256: job.input_sha256,
            targets_sha256: (!job.of_queue).then(|| job.selection.sha256().to_owned()),
            operator: self.operator()?,
            reason: self.settings.run.reason.clone().or(reason),
            ticket: self.settings.run.ticket.clone().or(ticket),
            base_url: reach.api.base_url.as_str().to_owned(),
            token_fingerprint: reach.token.fingerprint(log.id()),
            tool_version: VERSION.to_owned(),
            host: host(),
            settings: json!({
                "rate": reach.pacer.rate().to_string(),
                "concurrency": pace.concurrency,
                "workers": pace.workers,
                "max_attempts": retry.max_attempts,
                "max_deletes": safety.max_deletes,
                "max_share": safety.max_share,
                "protect": job.protect,
                "checkpoints": self.settings.audit.checkpoint_dir.is_some(),
                "origin": origin,
            }),
        };
        let targets = Box::new(job.selection.into_targets());
        let run = log.recorder().begin_run(opening, targets).await?;
        Ok((run, run_id))
    }

    /// Executes a run that is in the log, and prints its end.
    pub(super) async fn carry_out(
        &self,
        log: AuditLog,
        run: (Seq, String),
        reach: &mut Reach,
        supply: Supply,
        closing: Closing<'_>,
    ) -> Result<ExitStatus, CommandError> {
        let (seq, run_id) = run;
        let of_queue = matches!(supply, Supply::Queue(_));
        let mut interrupts = self.world.interrupts.hand_over();
        let host = reach.api.base_url.host();
        tracing::info!(run_id, host, "the run begins");
        let mut watchers = self.watchers(reach.pacer.rate());
        let parts = RunParts {
            run: seq,
            run_id: run_id.clone(),
            recorder: log.recorder(),
            reader: AuditReader::open(log.path())?,
            supply,
            api: reach.api.clone(),
            retry: self.retry(),
            token: reach.token.clone(),
            pacer: reach.pacer.clone(),
            clock: self.world.clock.clone(),
            limits: self.limits(),
            interrupts: &mut interrupts,
            watcher: &mut watchers,
        };
        let report = execute(parts, &mut reach.happenings).await;
        watchers.finish(report.as_ref().ok());
        let path = log.path().to_owned();
        log.close();
        let report = report?;
        self.watching.note(&run_id, host, &report);
        tracing::info!(run_id, exit_code = report.exit.code(), "the run is over");
        if let Err(error) = self.print_end(&path, &run_id, &report, &closing, of_queue)
            && !error.is_broken_pipe()
        {
            tracing::error!(%error, "the end of the run could not be printed");
        }
        Ok(report.exit)
    }

    fn print_end(
        &self,
        path: &Path,
        run_id: &str,
        report: &RunReport,
        closing: &Closing<'_>,
        of_queue: bool,
    ) -> Result<(), CommandError> {
        let reader = AuditReader::open(path)?;
        let summary = reader.run(Some(run_id))?;
        let counts = &summary.counts;
        let mut next = Vec::new();
        if closing.next {
            if summary.status != "finished" {
                next.push(("Continue".to_owned(), self.command(&["resume", run_id])));
            }
            if counts.of(Outcome::Failed) + counts.of(Outcome::Unknown) > 0 {
                next.push(("Try again what failed".to_owned(), self.command(&["retry", run_id])));
            }
            let blocked: Vec<_> = [Outcome::InUse, Outcome::Rejected]
                .into_iter()
                .filter(|outcome| counts.of(*outcome) > 0)
                .map(Outcome::as_str)
                .collect();
            if !blocked.is_empty() {
                let command = self.command(&["retry", run_id, "--outcome", &blocked.join(",")]);
                next.push(("Once the reasons are mended".to_owned(), command));
            }
        }
        let requests = || Ok(reader.attempts(run_id)? + counts.of(Outcome::Pending));
        let mut notes = (closing.notes)(run_id, &requests)?;
        if of_queue && report.stopped.is_some() {
            notes.insert(
                0,
                "What this run did not send is on the queue; start `decom work` again to go on.".to_owned(),
            );
        }
        let ending = Ending {
            next,
            stopped: report.stopped.as_ref().map(ToString::to_string),
            still_listed: report.still_listed.clone(),
            refused: of_queue.then_some((report.refused.recorded, report.refused.set_aside)),
            notes,
        };
        let exceptions: EachResult<'_> =
            &mut |take| reader.each_result(run_id, Some(report::EXCEPTIONS), take).map_err(io::Error::other);
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.options.json {
            report::print_ending_json(&mut out, &summary, &ending, exceptions)?;
        } else {
            report::print_ending(&mut out, &summary, &ending, exceptions)?;
        }
        Ok(out.flush()?)
    }
}

/// The two lines that every run ends with.
pub(super) fn where_the_log_is(path: &Path) -> String {
    format!("Audit log: {}", path.display())
}
