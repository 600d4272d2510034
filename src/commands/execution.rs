//! A run: recorded, then executed.

use serde_json::{Value, json};

use super::access::ApiAccess;
use super::along::Which;
use super::context::{Context, VERSION, host, random_hex};
use super::proposal::PlanOfRun;
use super::{CommandError, budget, notices, session};

use crate::audit::{AuditLog, AuditReader, Definitions, RunOpening};
use crate::domain::{KeptDefinitions, Seq};
use crate::plan::{AllowShared, Selection};
use crate::run::{Limits, RetryOptions, RunParts, RunReport, Supply, execute};

/// A run that is about to be shown, confirmed and begun.
pub(super) struct Job {
    pub(super) selection: Selection,
    /// If its targets come from a queue, later.
    pub(super) of_queue: bool,
    /// The input, as it is named in the log.
    pub(super) label: String,
    pub(super) input_sha256: Option<String>,
    /// Reason and ticket, if the settings do not say.
    pub(super) purpose: (Option<String>, Option<String>),
    /// The patterns of protected names that are in force.
    pub(super) protect: Vec<String>,
    /// The shared datasources that may be deleted.
    pub(super) allow_shared: AllowShared,
    /// The patterns of protected datamarts that are in force.
    pub(super) protect_datamart: Vec<String>,
    /// Which datamarts it takes along, until they are known.
    pub(super) along: Option<Which>,
    /// The saved plan that it carries out.
    pub(super) plan: Option<PlanOfRun>,
    /// What else the log says of it; a JSON object.
    pub(super) origin: Value,
}

/// A run that is in the log.
pub(super) struct OpenedRun {
    pub(super) seq: Seq,
    pub(super) id: String,
}

/// A run that was executed.
pub(super) struct FinishedRun {
    pub(super) id: String,
    pub(super) report: RunReport,
    pub(super) of_queue: bool,
}

impl Job {
    /// Records the beginning of the run and all its targets.
    ///
    /// # Errors
    /// If the log, or the file of the definitions, cannot be written: nothing was sent.
    pub(super) async fn open(
        mut self,
        context: &Context<'_>,
        log: &AuditLog,
        access: &ApiAccess,
    ) -> Result<OpenedRun, CommandError> {
        let settings = &context.settings;
        let (pace, safety) = (&settings.pace, &settings.safety);
        let at = context.world.clock.timestamp();
        // Enough at random that two machines never meet.
        let id = format!("{}-{}", at.compact(), random_hex(4));
        let mut origin = self.origin;
        origin["login"] = json!(context.login()?);
        let (reason, ticket) = self.purpose;
        let with_datamarts = self.selection.cascade().is_some();
        let mut of_kinds = json!({});
        if with_datamarts {
            // Before the run is in the log, and so before its first request.
            let entries = self.selection.definitions()?;
            let kept = Definitions::of_run(log.path(), &id)?.keep(&entries)?;
            of_kinds = json!({
                "with_datamarts": true,
                "protect_datamart": self.protect_datamart,
                "definitions": recorded(&kept),
            });
        }
        let opening = RunOpening {
            run_id: id.clone(),
            at,
            input: self.label,
            input_sha256: self.input_sha256,
            targets_sha256: (!self.of_queue).then(|| self.selection.sha256().to_owned()),
            operator: context.operator()?,
            reason: settings.run.reason.clone().or(reason),
            ticket: settings.run.ticket.clone().or(ticket),
            base_url: access.base_url().to_owned(),
            token_fingerprint: access.token.fingerprint(log.id()),
            tool_version: VERSION.to_owned(),
            host: host(),
            settings: merged(
                of_kinds,
                json!({
                    "rate": access.pacer.rate().to_string(),
                    "concurrency": pace.concurrency,
                    "workers": pace.workers,
                    "max_attempts": settings.retry.max_attempts,
                    "max_deletes": safety.max_deletes,
                    "max_share": safety.max_share,
                    "protect": self.protect,
                    "allow_shared": self.allow_shared.globs(),
                    "checkpoints": settings.audit.checkpoint_dir.is_some(),
                    "origin": origin,
                }),
            ),
            session: session::facts(context, access)?,
        };
        let seq = log.recorder().begin_run(opening, Box::new(self.selection.into_targets())).await?;
        Ok(OpenedRun { seq, id })
    }
}

/// A file of definitions, as the log names it.
pub(super) fn recorded(kept: &KeptDefinitions) -> Value {
    json!({ "file": kept.file, "sha256": kept.sha256, "entries": kept.entries })
}

/// The members of both objects.
fn merged(more: Value, mut object: Value) -> Value {
    if let (Value::Object(more), Value::Object(object)) = (more, &mut object) {
        object.extend(more);
    }
    object
}

impl OpenedRun {
    /// Executes it, and shows to the observers how it goes.
    pub(super) async fn execute(
        self,
        context: &Context<'_>,
        log: &AuditLog,
        access: &mut ApiAccess,
        supply: Supply,
    ) -> Result<FinishedRun, CommandError> {
        let Self { seq, id } = self;
        let of_queue = matches!(supply, Supply::Queue(_));
        let canary = match &supply {
            Supply::Log { canary: Some(names), .. } => names.len() as u64,
            _ => context.settings.safety.canary,
        };
        let (settings, host) = (&context.settings, access.host());
        let mut interrupts = context.world.interrupts.hand_over();
        tracing::info!(run_id = id, host, "the run begins");
        let reader = AuditReader::open(log.path())?;
        budget::report(context, access.base_url())?;
        notices::run_started(context, &id, &host, reader.counts(seq)?, of_queue)?;
        let mut observers = context.observers.of_run(context.progress(), access.pacer.rate());
        let parts = RunParts {
            run: seq,
            run_id: id.clone(),
            recorder: log.recorder(),
            reader,
            supply,
            holds: context.holds(),
            api: access.api.clone(),
            retry: RetryOptions {
                max_attempts: settings.retry.max_attempts,
                first_backoff: settings.retry.first_backoff,
                longest_backoff: settings.retry.longest_backoff,
            },
            credentials: access.credentials.clone(),
            pacer: access.pacer.clone(),
            clock: context.world.clock.clone(),
            limits: Limits {
                concurrency: settings.pace.concurrency,
                canary,
                grace: settings.run.grace,
                max_sleep: settings.run.max_sleep,
                breaker_failures: settings.safety.breaker_failures,
                breaker_window: settings.safety.breaker_window,
                listing_check: settings.safety.listing_check,
                accept: settings.accepted(),
            },
            interrupts: &mut interrupts,
            watcher: &mut observers,
        };
        let report = execute(parts, &mut access.side_channel).await;
        observers.finish(report.as_ref().ok());
        if let Err(error) = budget::report(context, access.base_url()) {
            tracing::debug!(%error, "how much of the day's limit is used is not known");
        }
        let report = report?;
        context.observers.add(&id, host, &report);
        tracing::info!(run_id = id, exit_code = report.exit.code(), "the run is over");
        Ok(FinishedRun { id, report, of_queue })
    }
}
