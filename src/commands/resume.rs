//! `decom resume`: goes on with an interrupted run.

use std::io::{self, Write};

use serde_json::json;

use super::context::{Context, Options, VERSION, World, host};
use super::execution::{Closing, CountRequests, where_the_log_is};
use super::reach::Reach;
use super::survey::Survey;
use super::{CommandError, intake, permission};
use crate::audit::{AuditLog, AuditReader, DuePart, OpenRun};
use crate::config::find_token;
use crate::domain::{ExitStatus, NewTarget, Outcome, Seq, Settlement, SkipReason};
use crate::plan::{Guards, PlannedSkips, Rules, Selection, Targets, TargetsBuilder};
use crate::report::{grouped, visible};
use crate::run::{Supply, given_back};

/// How many due targets are looked at at once.
const PAGE: u32 = 512;

/// What `decom resume` is asked for.
#[derive(Debug, Clone)]
pub struct ResumeRequest {
    /// The run, or the beginning of its id; the newest unfinished one where there is none.
    pub run: Option<String>,
}

/// Goes on with an interrupted run.
///
/// # Errors
/// Where there is nothing to go on with, or nothing could be begun.
pub fn resume(request: &ResumeRequest, options: &Options, world: &World) -> Result<ExitStatus, CommandError> {
    Context::new(options, world)?.watched(|context| go_on(request, context))
}

fn go_on(request: &ResumeRequest, context: &Context<'_>) -> Result<ExitStatus, CommandError> {
    let (options, world) = (context.options, context.world);
    let base_url = context.base_url()?;
    let token = find_token(options.token_file.as_deref(), &world.environment)?;
    let reader = AuditReader::open(&context.settings.audit.db)?;
    let wanted = match &request.run {
        Some(wanted) => Some(reader.run(Some(wanted))?.run_id),
        None => None,
    };
    let Some(open) = reader.open_run_named(wanted.as_deref())? else {
        return Err(CommandError::Usage(wanted.map_or_else(
            || "no run in this audit log is unfinished; `decom runs` lists them".to_owned(),
            |run| format!("run {run} is finished; `decom retry {run}` makes a new run of what failed in it"),
        )));
    };
    drop(reader);
    if open.base_url != base_url.as_str() {
        return Err(CommandError::Usage(format!(
            "run {} was on {}, and the base URL is {}; name it with --base-url {}",
            visible(&open.run_id),
            visible(&open.base_url),
            base_url.as_str(),
            visible(&open.base_url)
        )));
    }
    let mut reach = context.reach(base_url, token, context.settings.pace.rate)?;
    carry_on(context, open, &mut reach)
}

/// Goes on with `open`.
pub(super) fn carry_on(
    context: &Context<'_>,
    open: OpenRun,
    reach: &mut Reach,
) -> Result<ExitStatus, CommandError> {
    let path = context.settings.audit.db.clone();
    let reader = AuditReader::open(&path)?;
    let origin = permission::check_token(&reader, &open.run_id, &reach.token)?;
    permission::check_approval(context, &open, origin.approvers)?;
    drop(reader);
    let log = context.open_log(&path)?;
    let reader = AuditReader::open(&path)?;
    // Once more, now that the log is held: whoever held it may have come to its end.
    if reader.open_run_named(Some(&open.run_id))?.is_none() {
        let run = &open.run_id;
        let refused =
            format!("another decom has finished run {run} meanwhile; `decom report {run}` shows it");
        drop(reader);
        if let Some(log) = log {
            log.close();
        }
        return Err(CommandError::Refused(refused));
    }
    let counts = reader.counts(open.seq)?;
    tracing::info!(
        run_id = open.run_id,
        started_at = open.started_at,
        "continuing the interrupted run: {} of {} targets are settled, {} are due",
        grouped(counts.settled()),
        grouped(counts.planned()),
        grouped(counts.of(Outcome::Pending))
    );
    // Only what went since the run began: what went before, it was asked to send nevertheless.
    // Of a list, no name is in it twice: none that is due went in the run itself.
    let itself = (!origin.is_of_queue).then_some(open.seq);
    let known_gone = Context::known_gone(&path, &open.base_url, open.seq, itself)?;
    let rules = Rules { protection: context.protection()?, known_gone, planned: PlannedSkips::new() };
    let mut selection = Selection::new(due_targets(&reader, open.seq, origin.is_of_queue)?, rules)?;
    let due = selection.counts().due;
    // The share was decided when the run began: what it has deleted since would distort it.
    let guards = Guards { max_share: 100.0, ..context.guards() };
    let mut survey = if due > 0 && (context.guards().need_listing() || context.will_ask(due)) {
        Context::block_on(context.survey(&mut selection, reach, guards, false))??
    } else {
        Survey::offline(guards, &mut selection, "nothing is to be deleted", false)?
    };
    let host_name = reach.api.base_url.host();
    let mut planned = context.planned(&selection, &mut survey, &host_name, reach.pacer.rate());
    planned.plan = origin.plan.map(|plan| (plan, open.approved_by.clone()));
    let Some(log) = log else {
        let mut out = io::stdout().lock();
        planned.write(&mut out, context.options.json)?;
        survey.check()?;
        if !context.options.json {
            writeln!(out, "(dry run) nothing was sent; run {} would go on", visible(&open.run_id))?;
        }
        return Ok(ExitStatus::Done);
    };
    if let Err(refused) = context.ask(&planned, &survey, due, &host_name, None) {
        drop(reader);
        log.close();
        return Err(refused);
    }
    let note = where_the_log_is(&path);
    Context::block_on(async {
        let detail = json!({
            "operator": context.operator()?,
            "login": context.login()?,
            "tool_version": VERSION,
            "host": host(),
            "token_fingerprint": reach.token.fingerprint(log.id()),
        });
        let at = context.world.clock.timestamp();
        log.recorder().resume_run(open.seq, at, detail.to_string()).await?;
        if origin.is_of_queue || !selection.rules().skip_none() {
            let rules = selection.rules();
            skip_what_must_not_be_sent(context, &log, &reader, open.seq, rules, origin.is_of_queue).await?;
        }
        drop(reader);
        let notes = |_: &str, _: &CountRequests<'_>| Ok(vec![note.clone()]);
        context
            .carry_out(
                log,
                (open.seq, open.run_id),
                reach,
                Supply::Log,
                Closing { next: true, notes: &notes },
            )
            .await
    })?
}

/// The targets of `run` that are due, as a list. Those for which nothing was sent yet are no longer the run's
/// where it took them from a queue.
fn due_targets(reader: &AuditReader, run: Seq, is_of_queue: bool) -> Result<Targets, CommandError> {
    let mut builder = TargetsBuilder::new(intake::spool_folder(&intake::folder_of(reader.path())), None);
    let mut added = Ok(());
    reader.each_due_name(run, is_of_queue, |name| {
        if added.is_ok() {
            added = builder.add(&NewTarget { name, reason: None, ticket: None, skip: None });
        }
    })?;
    added?;
    Ok(builder.finish())
}

/// Settles due targets that are protected by now, or that another run has deleted in the meantime; and, of a run
/// that took them from a queue, those for which nothing was sent: others have their messages by now.
async fn skip_what_must_not_be_sent(
    context: &Context<'_>,
    log: &AuditLog,
    reader: &AuditReader,
    run: Seq,
    rules: &Rules,
    is_of_queue: bool,
) -> Result<(), CommandError> {
    let mut after = 0;
    loop {
        let page = reader.due(run, DuePart::All, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.number;
        for target in &page {
            if is_of_queue && target.attempts == 0 {
                log.recorder().settle(run, given_back(target.seq, &*context.world.clock)).await?;
                continue;
            }
            let Some((reason, message)) = rules.skip(&target.name) else { continue };
            // "Skipped" says that it was never sent.
            let was_sent = reason == SkipReason::Protected && target.doubted;
            let settlement = Settlement {
                target: target.seq,
                at: context.world.clock.timestamp(),
                outcome: if was_sent { Outcome::Unknown } else { Outcome::Skipped },
                evidence: reason.evidence(),
                answer: None,
                skip: Some((reason.as_str(), message)),
            };
            log.recorder().settle(run, settlement).await?;
        }
    }
}
