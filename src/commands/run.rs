//! `decom run`: deletes what the input, or a saved plan, names.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::access::ApiAccess;
use super::along::{TakeAlong, Which};
use super::context::{Context, Options, World};
use super::ending::Closing;
use super::execution::Job;
use super::intake::{self, InputRequest, Intake};
use super::log::{in_doubt, known_gone, with_log};
use super::observed::{Observed, observed};
use super::proposal::{PlanOfRun, Proposal};
use super::runtime::block_on;
use super::survey::Survey;
use super::{CommandError, permission, resume};
use crate::audit::{AuditError, AuditReader, OpenRun};
use crate::domain::{ExitStatus, Seq, Timestamp};
use crate::plan::{
    Approval, PlanRefusal, PlannedSkips, Protection, Rules, SavedPlan, Selection, Shard, is_expired,
};
use crate::run::Supply;

/// In which pod of an Indexed Job this is, as Kubernetes says it.
const COMPLETION_INDEX: &str = "JOB_COMPLETION_INDEX";

/// How far the clocks of the machines that make and run a plan may be apart.
const CLOCKS_APART: Duration = Duration::from_mins(1);

/// What `decom run` is asked for.
#[derive(Debug, Clone)]
pub struct RunRequest {
    pub what: RunInput,
    /// Send also what the audit log knows to be gone, and begin a new run if one was interrupted.
    pub again: bool,
}

/// What a run is to delete.
#[derive(Debug, Clone)]
pub enum RunInput {
    /// What an input names, or a share of it.
    Names {
        input: InputRequest,
        /// Into how many shares it is divided.
        shards: Option<NonZeroU32>,
        /// Which of them is this one's, if the environment does not say it.
        shard: Option<u32>,
    },
    /// Exactly what a saved plan lists.
    Plan {
        plan: PathBuf,
        /// The signature of a second person.
        approval: Option<PathBuf>,
    },
}

/// Deletes what the input, or a saved plan, names.
///
/// # Errors
/// If nothing could be begun. What goes wrong in a run is in its exit status.
pub fn run(request: &RunRequest, options: &Options, world: &World) -> Result<ExitStatus, CommandError> {
    observed(Context::new(options, world)?, Observed::Run, |context| {
        let access = ApiAccess::configured(context)?;
        match &request.what {
            RunInput::Names { input, shards, shard } => {
                let shard = share(context, *shards, *shard)?;
                names(context, access, input, shard, request.again)
            }
            RunInput::Plan { plan, approval } => {
                planned(context, access, plan, approval.as_deref(), request.again)
            }
        }
    })
}

/// The share of the input that is this process's.
fn share(
    context: &Context<'_>,
    shards: Option<NonZeroU32>,
    given: Option<u32>,
) -> Result<Option<Shard>, CommandError> {
    let usage = |why: String| Err(CommandError::Usage(why));
    let told = context.world.environment.get(COMPLETION_INDEX)?.filter(|text| !text.is_empty());
    let Some(shards) = shards else {
        if told.is_some() {
            tracing::warn!(
                "this is a pod of an Indexed Job, and takes the whole input, as every other pod does; --shards N gives each its share"
            );
        }
        return Ok(None);
    };
    let index = match (given, told.map(str::parse)) {
        (Some(index), _) | (None, Some(Ok(index))) => index,
        (None, Some(Err(_))) => {
            return usage(format!("{COMPLETION_INDEX} is not a number; name the share with --shard INDEX"));
        }
        (None, None) => {
            return usage(format!(
                "which of the {shards} shares is this one's? Name it with --shard INDEX, from 0; in an Indexed Job, Kubernetes says it ({COMPLETION_INDEX})"
            ));
        }
    };
    match Shard::new(index, shards) {
        Some(shard) => Ok(Some(shard)),
        None => usage(format!("there is no shard {index} of {shards}: they are counted from 0")),
    }
}

fn names(
    context: &Context<'_>,
    mut access: ApiAccess,
    input: &InputRequest,
    shard: Option<Shard>,
    again: bool,
) -> Result<ExitStatus, CommandError> {
    // A dry run is shown, and says at its end that the run would be refused.
    if !context.options.dry_run {
        permission::need_no_approval(context)?;
    }
    // Before the input is read, which may take long: a malformed pattern or hold.
    context.protection()?;
    context.holds().current()?;
    TakeAlong::new(None, &context.protect_datamart(&[]))?;
    let allow_shared = context.allow_shared()?;
    let folder = intake::folder_of(&context.settings.audit.db);
    let Intake { targets, mut label, sha256, rows } =
        intake::read(input, &folder, shard, Some(&access.token))?;
    if let Some(shard) = shard {
        label = format!("{label} ({shard})");
    }
    if !again && let Some(open) = interrupted(context, targets.sha256(), access.base_url())? {
        check_same_kinds(context, &open)?;
        return resume::carry_on(context, open, &mut access);
    }
    if let Some(reader) = look(context)? {
        resume::mention_unfinished(context, &reader, access.base_url())?;
    }
    begin(context, access, again, |rules| {
        Ok(Job {
            selection: Selection::new(targets, rules)?,
            of_queue: false,
            label,
            input_sha256: sha256,
            purpose: (None, None),
            protect: context.protect(&[]),
            allow_shared,
            protect_datamart: context.protect_datamart(&[]),
            along: context.options.with_datamarts.then_some(Which::Listed),
            plan: None,
            origin: json!({ "command": "run", "rows": rows, "shard": shard.map(|shard| shard.to_string()) }),
        })
    })
}

/// Passes if an interrupted run of the same names takes datamarts along or not, as this one is asked to: another run
/// than the one that was shown is not continued by the way.
fn check_same_kinds(context: &Context<'_>, open: &OpenRun) -> Result<(), CommandError> {
    let Some(reader) = look(context)? else { return Ok(()) };
    let (takes_along, run) = (reader.origin_of(&open.run_id)?.with_datamarts, &open.run_id);
    if takes_along == context.options.with_datamarts {
        return Ok(());
    }
    let (does, resume) = (if takes_along { "takes" } else { "takes no" }, context.command(&["resume", run]));
    Err(CommandError::Refused(format!(
        "run {run} of the same names is not finished, and {does} datamarts along; continue it by `{resume}`, or begin a new run with --again"
    )))
}

fn planned(
    context: &Context<'_>,
    mut access: ApiAccess,
    path: &Path,
    approval: Option<&Path>,
    again: bool,
) -> Result<ExitStatus, CommandError> {
    let (plan, bytes) = SavedPlan::read(path)?;
    check_time(context, &plan)?;
    plan.check_place(access.base_url())?;
    let allow_shared = permission::shared_of_plan(context, &plan.guards.allow_shared)?;
    // Before anything is read: a malformed pattern.
    Protection::new(&context.protect(&plan.guards.protect))?;
    if context.options.with_datamarts && !plan.with_datamarts {
        return Err(CommandError::PlanRefused(PlanRefusal::NoDatamartsPlanned));
    }
    let protect_datamart = context.protect_datamart(&plan.guards.protect_datamart);
    TakeAlong::new(None, &protect_datamart)?;
    let cascade = plan.cascade(path)?;
    let is_of_other_token = !plan.is_sealed_with(&access.token);
    // Without the token that sealed it, the signature alone shows that nobody edited it.
    if is_of_other_token && approval.is_none() {
        return Err(CommandError::PlanRefused(PlanRefusal::OtherToken));
    }
    let approval = permission::approved(context, &plan, &bytes, approval)?;
    match run_of(context, &plan)? {
        Some((open, false)) => return resume::carry_on(context, open, &mut access),
        Some((done, true)) => {
            return Err(CommandError::PlanRefused(PlanRefusal::Applied { run_id: done.run_id }));
        }
        None => {}
    }
    let folder = intake::spool_folder(&intake::folder_of(&context.settings.audit.db));
    let targets = plan.targets(path, folder)?;
    begin(context, access, again, |rules| {
        // Once more, now that the log is held: another process may have been quicker.
        if let Some((run, done)) = run_of(context, &plan)? {
            let run_id = run.run_id;
            return Err(CommandError::PlanRefused(if done {
                PlanRefusal::Applied { run_id }
            } else {
                PlanRefusal::BegunMeanwhile { run_id }
            }));
        }
        let protect = context.protect(&plan.guards.protect);
        let rules = Rules { protection: Protection::new(&protect)?, planned: plan.skips(), ..rules };
        Ok(Job {
            selection: Selection::new(targets, rules)?,
            of_queue: false,
            label: plan.input.clone(),
            input_sha256: plan.input_sha256.clone(),
            purpose: (plan.reason.clone(), plan.ticket.clone()),
            protect,
            allow_shared,
            protect_datamart,
            along: cascade.map(Which::Planned),
            origin: origin_of_plan(&plan, approval.as_ref()),
            plan: Some(PlanOfRun {
                digest: plan.digest,
                is_of_other_token,
                approved_by: approval.map(|approval| approval.principal),
                expires_at: Some(plan.expires_at),
            }),
        })
    })
}

/// What the log says of the plan that a run carries out.
fn origin_of_plan(plan: &SavedPlan, approval: Option<&Approval>) -> serde_json::Value {
    json!({
        "command": "run",
        "plan_digest": plan.digest,
        "plan_id": plan.plan_id,
        "plan_creator": plan.creator,
        "plan_creator_login": plan.creator_login,
        "plan_created_at": plan.created_at,
        "approved_by": approval.map(|approval| &approval.principal),
        "approved_with": approval.map(|approval| &approval.fingerprint),
        "approver_names": approval.map_or(&[][..], |approval| &approval.owners),
        "allowed_signers_sha256": approval.map(|approval| &approval.allowed_sha256),
    })
}

/// The run of this plan in the log, and if it is finished.
fn run_of(context: &Context<'_>, plan: &SavedPlan) -> Result<Option<(OpenRun, bool)>, CommandError> {
    match look(context)? {
        Some(reader) => Ok(reader.run_of_plan(&plan.digest)?),
        None => Ok(None),
    }
}

/// Reads the log, if there is one, also while another process holds it.
fn look(context: &Context<'_>) -> Result<Option<AuditReader>, CommandError> {
    match AuditReader::open_if_there(&context.settings.audit.db) {
        // Another decom may just be making it: opening it for writing will show. A dry run does not open it.
        Err(AuditError::Foreign { .. }) if !context.options.dry_run => Ok(None),
        other => Ok(other?),
    }
}

/// Passes if the plan may still be run.
fn check_time(context: &Context<'_>, plan: &SavedPlan) -> Result<(), CommandError> {
    let now = context.world.clock.timestamp();
    let is_made = plan.created_at.parse().is_ok_and(|at: Timestamp| at.since(now) <= CLOCKS_APART);
    if !is_made {
        let (at, now) = (plan.created_at.clone(), now.to_string());
        return Err(CommandError::PlanRefused(PlanRefusal::FromTheFuture { at, now }));
    }
    // Fixed width in UTC: text order is time order.
    if let Some(at) = plan.not_before.as_ref().filter(|at| now.to_string() < **at) {
        return Err(CommandError::PlanRefused(PlanRefusal::TooEarly { at: at.clone() }));
    }
    if !is_expired(&plan.expires_at, now) {
        return Ok(());
    }
    let at = plan.expires_at.clone();
    Err(CommandError::PlanRefused(match run_of(context, plan)? {
        // What was begun in time is resumed, under its own name.
        Some((open, false)) => PlanRefusal::ExpiredMeanwhile { at, run_id: open.run_id },
        _ => PlanRefusal::Expired { at },
    }))
}

fn interrupted(
    context: &Context<'_>,
    targets: &str,
    base_url: &str,
) -> Result<Option<OpenRun>, CommandError> {
    match look(context)? {
        Some(reader) => Ok(reader.open_run_of(targets, base_url)?),
        None => Ok(None),
    }
}

/// Shows, guards, confirms, begins and executes the job that `make` makes of the rules. The log is held meanwhile,
/// so that no other process deletes between what is shown and what is done.
pub(super) fn begin(
    context: &Context<'_>,
    mut access: ApiAccess,
    again: bool,
    make: impl FnOnce(Rules) -> Result<Job, CommandError>,
) -> Result<ExitStatus, CommandError> {
    let finished = with_log(context, |log| {
        let path = &context.settings.audit.db;
        let known_gone = if again { None } else { known_gone(path, access.base_url(), Seq(0), None)? };
        let protection = context.protection()?;
        let in_doubt = in_doubt(path, access.base_url())?;
        let holds = context.holds().current()?;
        let mut job = make(Rules { protection, holds, known_gone, in_doubt, planned: PlannedSkips::new() })?;
        let along = TakeAlong::new(job.along.take(), &job.protect_datamart)?;
        let (selection, guards, shared) = (&mut job.selection, context.guards(), &job.allow_shared);
        let survey = if job.plan.as_ref().is_some_and(|plan| plan.is_of_other_token) {
            Survey::with_other_token(context, selection, &access, guards, shared, along, &HashSet::new())?
        } else {
            Survey::new(context, selection, &access, guards, shared, along)?
        };
        let canary = survey.canary();
        let proposal = Proposal::new(context, &job.selection, survey, &access, job.plan.clone())?;
        let Some(log) = log else {
            proposal.preview(context, || {
                if job.plan.is_none() {
                    permission::need_no_approval(context)?;
                }
                Ok("a run would start".to_owned())
            })?;
            return Ok(None);
        };
        proposal.confirm(context)?;
        let protection = Protection::new(&job.protect)?;
        block_on(async {
            let kept = job.selection.protected_groups();
            let run = job.open(context, log, &access).await?;
            run.execute(context, log, &mut access, Supply::Log { protection, kept, canary }).await
        })?
        .map(Some)
    })?;
    Ok(finished.map_or(ExitStatus::Done, |run| run.print(context, &Closing::Commands)))
}
