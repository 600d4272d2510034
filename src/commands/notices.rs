//! The notices to the webhook: which of them are sent, and what they say. No name of a datasource is in them, unless the
//! settings ask for names.

use std::path::Path;

use super::CommandError;
use super::context::{Context, VERSION, host, quoted};
use super::observers::ObservedRun;
use crate::audit::{AuditError, AuditReader};
use crate::config::NoticeForm;
use crate::domain::{Counts, ExitStatus, LogState, Outcome, ResultFilter, RunSummary};
use crate::report::EXCEPTIONS;
use crate::run::StopReason;
use crate::telemetry::{
    self, EndedRun, MadePlan, Notice, NoticeOrigin, NoticeSubject, RefusedCommand, StartedRun,
};

/// How many names a notice holds at most.
const MOST_NAMES: usize = 100;

/// Notifies the webhook that a run begins. The run does not wait for it.
pub(super) fn run_started(
    context: &Context<'_>,
    run_id: &str,
    api_host: &str,
    counts: Counts,
    of_queue: bool,
) -> Result<(), CommandError> {
    let observers = &context.observers;
    observers.has_begun.set(true);
    let (Some(watch), Some(outside)) = (&observers.watch, &observers.outside) else { return Ok(()) };
    let operator = context.operator()?;
    let run = StartedRun { run_id: run_id.to_owned(), counts, operator, of_queue };
    if let Some(notice) = notice(context, Some(api_host.to_owned()), NoticeSubject::Started(run)) {
        watch.send(outside.clone(), notice);
    }
    Ok(())
}

/// The notices at the end of a command.
pub(super) fn at_the_end(context: &Context<'_>, result: &Result<ExitStatus, CommandError>) -> Vec<Notice> {
    let observers = &context.observers;
    let mut notices = Vec::new();
    for run in observers.runs.take() {
        let api_host = Some(run.api_host.clone());
        notices.extend(notice(context, api_host, NoticeSubject::Ended(Box::new(ended(context, run)))));
    }
    let api_host = || context.base_url().ok().map(|url| url.host());
    for plan in observers.plans.take() {
        let wants_approval = plan.saved.is_some() && wants_approval(context);
        notices.extend(notice(context, api_host(), NoticeSubject::Plan(plan.clone())));
        if wants_approval {
            let plan = MadePlan { wants_approval, ..plan };
            notices.extend(notice(context, api_host(), NoticeSubject::Plan(plan)));
        }
    }
    if let Err(error) = result
        && !observers.has_begun.get()
    {
        let exit = error.exit();
        let refused = RefusedCommand {
            exit_code: exit.code(),
            may_pass: !matches!(exit, ExitStatus::Usage | ExitStatus::Refused),
            why: why(context, error),
        };
        notices.extend(notice(context, api_host(), NoticeSubject::Refused(refused)));
    }
    notices
}

/// Returns true if a plan has to be signed before it may be run.
fn wants_approval(context: &Context<'_>) -> bool {
    let safety = &context.settings.safety;
    safety.require_approval || safety.allowed_signers.is_some()
}

/// Why a command did not begin. The message of a refusal may name datasources.
fn why(context: &Context<'_>, error: &CommandError) -> String {
    if context.settings.watch.notify_names {
        return error.to_string();
    }
    match error.exit() {
        ExitStatus::Usage => "the configuration or the input is wrong; nothing was sent".to_owned(),
        ExitStatus::Refused => "a guard refused, or nobody confirmed; nothing was sent".to_owned(),
        _ => error.to_string(),
    }
}

/// A notice, if there is a webhook that is to be notified of this.
fn notice(context: &Context<'_>, api_host: Option<String>, subject: NoticeSubject) -> Option<Notice> {
    let (observers, settings) = (&context.observers, &context.settings.watch);
    let notice = Notice {
        webhook: observers.webhook.clone()?,
        form: match settings.notify_form {
            NoticeForm::Json => telemetry::NoticeForm::Json,
            NoticeForm::Slack => telemetry::NoticeForm::Slack,
        },
        origin: NoticeOrigin {
            rehearsal: observers.is_rehearsal,
            api_host,
            host: host(),
            version: VERSION,
            audit_db: observers.audit_db.clone(),
        },
        subject,
    };
    let is_wanted = settings.notify_on.is_empty() || settings.notify_on.contains(&notice.event());
    is_wanted.then_some(notice)
}

fn ended(context: &Context<'_>, run: ObservedRun) -> EndedRun {
    let audit_db = &context.observers.audit_db;
    let names = context.settings.watch.notify_names;
    let logged = match read(Path::new(audit_db), &run.id, names) {
        Ok(logged) => logged,
        Err(error) => {
            tracing::warn!(%error, "the notice to the webhook lacks what the audit log says of the run");
            LoggedRun::default()
        }
    };
    let LoggedRun { summary, log, exceptions } = logged;
    let report = ["decom", "report", &run.id, "--audit-db", audit_db].map(str::to_owned);
    let ended = summary.as_ref().map(|run| run.status.clone()).filter(|status| status != "unfinished");
    EndedRun {
        status: ended
            .unwrap_or_else(|| run.stopped.as_ref().map_or("finished", StopReason::status).to_owned()),
        exit_code: run.exit.code(),
        stopped: run.stopped.as_ref().map(
            |stopped| {
                if names { stopped.to_string() } else { stopped.without_names() }
            },
        ),
        counts: run.counts,
        report: quoted(&report),
        summary,
        log,
        exceptions,
        run_id: run.id,
    }
}

/// What the log says of a run and of itself.
#[derive(Default)]
struct LoggedRun {
    summary: Option<RunSummary>,
    log: Option<LogState>,
    /// The names that are not deleted, if names are asked for.
    exceptions: Option<Vec<(String, Outcome)>>,
}

fn read(path: &Path, run_id: &str, names: bool) -> Result<LoggedRun, AuditError> {
    let reader = AuditReader::open(path)?;
    let mut exceptions = Vec::new();
    if names {
        reader.each_result(run_id, ResultFilter::AnyOutcome(EXCEPTIONS), |result| {
            exceptions.push((result.name, result.outcome));
            exceptions.len() < MOST_NAMES
        })?;
    }
    Ok(LoggedRun {
        summary: Some(reader.run(Some(run_id))?),
        log: Some(reader.log_now(run_id)?),
        exceptions: names.then_some(exceptions),
    })
}
