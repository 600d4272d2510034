//! `decom resume`: continues an interrupted run.

use std::collections::HashMap;

use serde_json::json;

use super::access::ApiAccess;
use super::along::{self, TakeAlong, Which};
use super::context::{Context, Options, VERSION, World, host};
use super::ending::Closing;
use super::execution::OpenedRun;
use super::log::{known_gone, with_log};
use super::observed::{Observed, observed};
use super::output::to_stdout;
use super::proposal::{PlanOfRun, Proposal};
use super::runtime::block_on;
use super::survey::Survey;
use super::{CommandError, intake, permission, session};
use crate::audit::{AuditLog, AuditReader, DuePart, OpenRun};
use crate::domain::{CustomerRequest, ExitStatus, NewTarget, Outcome, Seq, Settlement, TargetRole};
use crate::plan::{
    AllowShared, Cascade, Guards, PlannedDatamart, PlannedSkips, Rules, Selection, Targets, TargetsBuilder,
};
use crate::report::{grouped, visible};
use crate::run::{STOPPED, Supply, given_back};

/// How many due targets are read at once.
const PAGE: u32 = 512;

/// What `decom resume` is asked for.
#[derive(Debug, Clone)]
pub struct ResumeRequest {
    /// The run, or the beginning of its id; the newest that is not finished if there is none.
    pub run: Option<String>,
}

/// Continues an interrupted run.
///
/// # Errors
/// If nothing could be begun. That there is nothing to resume is not an error.
pub fn resume(request: &ResumeRequest, options: &Options, world: &World) -> Result<ExitStatus, CommandError> {
    observed(Context::new(options, world)?, Observed::Run, |context| resume_named(request, context))
}

fn resume_named(request: &ResumeRequest, context: &Context<'_>) -> Result<ExitStatus, CommandError> {
    let base_url = context.base_url()?;
    let reader = AuditReader::open(&context.settings.audit.db)?;
    let wanted = match &request.run {
        Some(wanted) => Some(reader.run(Some(wanted))?.run_id),
        None => None,
    };
    let Some(open) = reader.open_run_named(wanted.as_deref())? else {
        return nothing_to_resume(context, wanted.as_deref());
    };
    drop(reader);
    if open.base_url != base_url.as_str() {
        let (run, other) = (visible(&open.run_id), visible(&open.base_url));
        return Err(CommandError::Usage(format!(
            "run {run} was on {other}, and the base URL is {}; name the other with --base-url {other}",
            base_url.as_str(),
        )));
    }
    carry_on(context, open, &mut ApiAccess::configured(context)?)
}

fn nothing_to_resume(context: &Context<'_>, run: Option<&str>) -> Result<ExitStatus, CommandError> {
    let why = match run {
        None => "all runs are finished".to_owned(),
        Some(run) => {
            format!("run {run} is finished; `decom retry {run}` makes a new run of what failed in it")
        }
    };
    let mark = if context.options.dry_run { "(dry run) " } else { "" };
    to_stdout(|out| {
        if context.options.json {
            writeln!(out, "{}", json!({ "status": "nothing_to_resume", "run_id": run }))
        } else {
            writeln!(out, "{mark}nothing to resume: {why}")
        }
    })?;
    Ok(ExitStatus::Done)
}

/// Mentions a run of other names that is not finished, such as of an older version of the list, when a new one is
/// about to begin.
pub(super) fn mention_unfinished(
    context: &Context<'_>,
    reader: &AuditReader,
    base_url: &str,
) -> Result<(), CommandError> {
    if let Some(open) = reader.open_run_named(None)?.filter(|open| open.base_url == base_url) {
        tracing::warn!(
            started_at = open.started_at,
            "run {} of other names is not finished; this one is new, and `{}` continues that one",
            open.run_id,
            context.command(&["resume", &open.run_id])
        );
    }
    Ok(())
}

fn begun_without_datamarts(context: &Context<'_>, run: &str) -> CommandError {
    CommandError::Refused(format!(
        "run {run} was begun without datamarts, and a run deletes what was shown at its beginning; continue it without --with-datamarts, then `{}`",
        context.command(&["retry", run, "--outcome", "in_use", "--with-datamarts"])
    ))
}

/// Once more, now that the log is held: the process that held it may have finished the run.
fn need_open(reader: &AuditReader, run: &str) -> Result<(), CommandError> {
    if reader.open_run_named(Some(run))?.is_some() {
        return Ok(());
    }
    Err(CommandError::Refused(format!(
        "another decom has finished run {run} meanwhile; `decom report {run}` shows how it ended"
    )))
}

/// Continues `open`. The log is held meanwhile, so that no other process continues it too.
pub(super) fn carry_on(
    context: &Context<'_>,
    open: OpenRun,
    access: &mut ApiAccess,
) -> Result<ExitStatus, CommandError> {
    let path = &context.settings.audit.db;
    let reader = AuditReader::open(path)?;
    let (origin, is_of_other_token) = permission::check_token_of_open(&reader, &open, &access.token)?;
    permission::check_approval(context, &open, origin.approvers)?;
    drop(reader);
    let mut globs = origin.allow_shared;
    let allow_shared = if origin.plan.is_some() {
        permission::shared_of_plan(context, &globs)?
    } else {
        globs.extend(context.options.allow_shared.iter().cloned());
        AllowShared::new(&globs)?
    };
    let of_queue = origin.is_of_queue;
    if context.options.with_datamarts && !origin.with_datamarts {
        return Err(begun_without_datamarts(context, &open.run_id));
    }
    let finished = with_log(context, |log| {
        let reader = AuditReader::open(path)?;
        need_open(&reader, &open.run_id)?;
        let counts = reader.counts(open.seq)?;
        tracing::info!(
            run_id = open.run_id,
            started_at = open.started_at,
            "continuing the interrupted run: {} of {} targets are settled, {} {} due",
            grouped(counts.settled()),
            grouped(counts.planned()),
            grouped(counts.of(Outcome::Pending)),
            if counts.of(Outcome::Pending) == 1 { "is" } else { "are" }
        );
        // Only what was deleted since the run began: what was gone before, it was asked to send nevertheless.
        // A list has no name twice: none of those that are due was deleted in the run itself.
        let except = (!of_queue).then_some(open.seq);
        let known_gone = known_gone(path, &open.base_url, open.seq, except)?;
        let rules = Rules {
            protection: context.protection()?,
            holds: context.holds().current()?,
            known_gone,
            in_doubt: None,
            planned: PlannedSkips::new(),
        };
        let (targets, groups) = due_targets(&reader, open.seq, of_queue)?;
        let mut selection = Selection::new(targets, rules)?;
        let protect = context.protect_datamart(&origin.protect_datamart);
        let which = origin.with_datamarts.then(|| Which::Recorded(Cascade::of_groups(groups)));
        let along = TakeAlong::new(which, &protect)?;
        // The share was decided when the run began: what it has deleted since would distort it.
        let guards = Guards { max_share: 100.0, ..context.guards() };
        let survey = if is_of_other_token {
            let in_doubt = reader.due(open.seq, DuePart::InDoubt, 0, u32::MAX)?;
            let in_doubt = in_doubt.into_iter().map(|target| target.name.to_string()).collect();
            Survey::with_other_token(
                context,
                &mut selection,
                access,
                guards,
                &allow_shared,
                along,
                &in_doubt,
            )?
        } else {
            Survey::new(context, &mut selection, access, guards, &allow_shared, along)?
        };
        let plan = origin.plan.map(|digest| PlanOfRun {
            digest,
            is_of_other_token,
            approved_by: open.approved_by.clone(),
            // It began in time.
            expires_at: None,
        });
        let canary = survey.canary();
        let proposal = Proposal::new(context, &selection, survey, access, plan)?;
        let Some(log) = log else {
            proposal.preview(context, || Ok(format!("run {} would continue", visible(&open.run_id))))?;
            return Ok(None);
        };
        proposal.confirm(context)?;
        let protection = context.protection()?;
        block_on(async {
            let mut detail = json!({
                "operator": context.operator()?,
                "login": context.login()?,
                "tool_version": VERSION,
                "host": host(),
                "token_fingerprint": access.token.fingerprint(log.id()),
                "session": session::facts(context, access)?,
            });
            if origin.with_datamarts {
                let lost = along::recover_definitions(log, &reader, &open, &selection)?;
                detail["definitions"] = lost.unwrap_or_default();
            }
            let at = context.world.clock.timestamp();
            log.recorder().resume_run(open.seq, at, detail.to_string()).await?;
            let kept = selection.protected_groups();
            if of_queue || !kept.is_empty() || !selection.rules().skip_none() {
                skip_what_must_not_be_sent(context, log, &reader, open.seq, &selection, of_queue).await?;
            }
            drop(reader);
            let run = OpenedRun { seq: open.seq, id: open.run_id };
            run.execute(context, log, access, Supply::Log { protection, kept, canary }).await
        })?
        .map(Some)
    })?;
    Ok(finished.map_or(ExitStatus::Done, |run| run.print(context, &Closing::Commands)))
}

/// Datamarts by the datasource that they read.
type Groups = HashMap<String, Vec<PlannedDatamart>>;

/// The datasources of `run` that are due, as a list, and the datamarts that go with them. Those for which nothing was
/// sent yet are no longer the run's if it took them from a queue.
fn due_targets(reader: &AuditReader, run: Seq, is_of_queue: bool) -> Result<(Targets, Groups), CommandError> {
    let mut builder = TargetsBuilder::new(intake::spool_folder(&intake::folder_of(reader.path())), None);
    let (mut groups, mut added) = (Groups::new(), Ok(()));
    reader.each_due_name(run, is_of_queue, |name, role| match role {
        TargetRole::Dependant { of, definition_sha256 } => {
            let datamart = PlannedDatamart::recorded(name, definition_sha256);
            groups.entry(of).or_default().push(datamart);
        }
        role => {
            if added.is_ok() {
                let request = CustomerRequest::default();
                added =
                    builder.add(&NewTarget { name, role, reason: None, ticket: None, request, skip: None });
            }
        }
    })?;
    added?;
    Ok((builder.finish(), groups))
}

/// Settles due targets that are protected or on hold by now, or that another run has deleted in the meantime; and, of a run
/// that took them from a queue, those for which nothing was sent: others have their messages by now.
async fn skip_what_must_not_be_sent(
    context: &Context<'_>,
    log: &AuditLog,
    reader: &AuditReader,
    run: Seq,
    selection: &Selection,
    is_of_queue: bool,
) -> Result<(), CommandError> {
    let mut after = 0;
    loop {
        let page = reader.due(run, DuePart::All, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.number;
        for target in &page {
            if is_of_queue && target.attempts == 0 {
                log.recorder()
                    .settle(run, given_back(target.seq, target.name.clone(), STOPPED, &*context.world.clock))
                    .await?;
                continue;
            }
            let Some((reason, message)) = selection.skip(target) else { continue };
            if reason.is_rule() && target.doubted {
                // "Skipped" says that it was never sent. It is not sent again, and a listing settles it.
                continue;
            }
            let settlement = Settlement {
                target: target.seq,
                name: target.name.clone(),
                at: context.world.clock.timestamp(),
                outcome: Outcome::Skipped,
                evidence: reason.evidence(),
                answer: None,
                skip: Some((reason.as_str(), message)),
            };
            log.recorder().settle(run, settlement).await?;
        }
    }
}
