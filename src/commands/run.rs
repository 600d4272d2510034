//! `decom run`: deletes what the input, or a saved plan, names.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::context::{Context, Shared, World};
use super::execution::{Closing, Job, Reach, where_the_log_is};
use super::intake::{self, InputRequest, Intake};
use super::survey::Survey;
use super::{CommandError, resume};
use crate::audit::{AuditReader, OpenRun};
use crate::config::find_token;
use crate::plan::{Approval, ApprovalCheck, PlanRefusal, Rules, SavedPlan, Selection};
use crate::vocabulary::{DatasourceName, ExitStatus, Seq};

/// What `decom run` is asked for.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// What to delete.
    pub what: RunInput,
    /// Send also what the audit log knows to be gone, and begin anew where a run was interrupted.
    pub again: bool,
}

/// What a run is to delete.
#[derive(Debug, Clone)]
pub enum RunInput {
    /// What an input names.
    Names(InputRequest),
    /// Exactly what a saved plan lists.
    Plan {
        /// The plan.
        plan: PathBuf,
        /// The signature of a second person.
        approval: Option<PathBuf>,
    },
}

/// Deletes what the input, or a saved plan, names.
///
/// # Errors
/// Where nothing could be begun. What goes wrong in a run is in its exit status.
pub fn run(request: &RunRequest, shared: &Shared, world: &World) -> Result<ExitStatus, CommandError> {
    let context = Context::new(shared, world)?;
    let base_url = context.base_url()?;
    let token = find_token(shared.token_file.as_deref(), &world.environment)?;
    let reach = context.reach(base_url, token, context.settings.pace.rate)?;
    match &request.what {
        RunInput::Names(input) => names(&context, reach, input, request.again),
        RunInput::Plan { plan, approval } => {
            planned(&context, reach, plan, approval.as_deref(), request.again)
        }
    }
}

fn names(
    context: &Context<'_>,
    reach: Reach,
    input: &InputRequest,
    again: bool,
) -> Result<ExitStatus, CommandError> {
    need_no_approval(context)?;
    // Before the input is read, which may take long: a pattern that is none.
    context.protection()?;
    let Intake { targets, label, sha256, rows } =
        intake::read(input, &intake::folder_of(&context.settings.audit.db))?;
    if !again && let Some(open) = interrupted(context, targets.sha256(), reach.api.base_url.as_str())? {
        return resume::carry_on(context, open, reach);
    }
    begin(context, reach, again, |rules| {
        Ok(Job {
            selection: Selection::new(targets, rules)?,
            label,
            input_sha256: sha256,
            origin: json!({ "command": "run", "rows": rows }),
        })
    })
}

fn planned(
    context: &Context<'_>,
    reach: Reach,
    path: &Path,
    approval: Option<&Path>,
    again: bool,
) -> Result<ExitStatus, CommandError> {
    let (plan, bytes) = SavedPlan::read(path)?;
    plan.check_time(context.world.clock.timestamp())?;
    plan.check_place(reach.api.base_url.as_str(), &reach.token)?;
    let protection = context.protection()?;
    for target in &plan.targets {
        let name = DatasourceName::new(&target.name).ok();
        if let Some(pattern) = name.as_ref().and_then(|name| protection.of(name)) {
            return Err(CommandError::PlanRefused(PlanRefusal::ProtectedSince {
                name: target.name.clone(),
                pattern: pattern.to_owned(),
            }));
        }
    }
    let approval = approved(context, &plan, &bytes, approval)?;
    if context.settings.audit.db.exists() {
        match AuditReader::open(&context.settings.audit.db)?.run_of_plan(&plan.digest)? {
            Some((open, false)) => return resume::carry_on(context, open, reach),
            Some((done, true)) => return Err(applied(done)),
            None => {}
        }
    }
    let folder = intake::spool_folder(&intake::folder_of(&context.settings.audit.db));
    let targets = plan.targets(path, folder)?;
    begin(context, reach, again, |rules| {
        // Once more, now that the log is held: somebody may have been quicker.
        if context.settings.audit.db.exists()
            && let Some((run, _)) =
                AuditReader::open(&context.settings.audit.db)?.run_of_plan(&plan.digest)?
        {
            return Err(applied(run));
        }
        Ok(Job {
            selection: Selection::new(targets, rules)?,
            label: plan.input.clone(),
            input_sha256: plan.input_sha256.clone(),
            origin: json!({
                "command": "run",
                "plan_digest": plan.digest,
                "plan_id": plan.plan_id,
                "plan_creator": plan.creator,
                "plan_created_at": plan.created_at,
                "approved_by": approval.as_ref().map(|approval| &approval.principal),
                "approved_with": approval.as_ref().map(|approval| &approval.fingerprint),
            }),
        })
    })
}

fn applied(run: OpenRun) -> CommandError {
    CommandError::PlanRefused(PlanRefusal::Applied { run_id: run.run_id })
}

/// Who approved the plan; nobody has to where none is required.
fn approved(
    context: &Context<'_>,
    plan: &SavedPlan,
    bytes: &[u8],
    signature: Option<&Path>,
) -> Result<Option<Approval>, CommandError> {
    let safety = &context.settings.safety;
    let Some(signature) = signature else {
        if safety.require_approval {
            return Err(CommandError::Refused(
                "a second person has to approve the plan (safety.require_approval); name their signature with --approval FILE".to_owned(),
            ));
        }
        return Ok(None);
    };
    let Some(allowed_signers) = &safety.allowed_signers else {
        return Err(CommandError::Usage(
            "an approval is checked against a file of allowed signers; name it with --allowed-signers FILE"
                .to_owned(),
        ));
    };
    let check = ApprovalCheck {
        signature,
        allowed_signers,
        revoked: safety.revoked_signers.as_deref(),
        creator: &plan.creator,
        operator: &context.operator()?,
        now: context.world.clock.timestamp(),
    };
    Ok(Some(check.check(bytes)?))
}

/// Refuses what no plan stands behind, where the configuration requires an approved one.
pub(super) fn need_no_approval(context: &Context<'_>) -> Result<(), CommandError> {
    if !context.settings.safety.require_approval || context.shared.dry_run {
        return Ok(());
    }
    Err(CommandError::Refused(
        "a run needs a plan that a second person has approved (safety.require_approval): `decom plan INPUT --out FILE`, then `decom run --plan FILE --approval FILE.sig`".to_owned(),
    ))
}

fn interrupted(
    context: &Context<'_>,
    targets: &str,
    base_url: &str,
) -> Result<Option<OpenRun>, CommandError> {
    match AuditReader::open_if_there(&context.settings.audit.db)? {
        Some(reader) => Ok(reader.open_run_of(targets, base_url)?),
        None => Ok(None),
    }
}

/// Shows, guards, confirms, begins and executes the job that `make` makes of the rules.
pub(super) fn begin(
    context: &Context<'_>,
    reach: Reach,
    again: bool,
    make: impl FnOnce(Rules) -> Result<Job, CommandError>,
) -> Result<ExitStatus, CommandError> {
    let path = &context.settings.audit.db;
    // Held from here on, so that nobody else deletes between what is shown and what is done.
    let log = context.open_log(path)?;
    let known_gone =
        if again { None } else { Context::known_gone(path, reach.api.base_url.as_str(), Seq(0))? };
    let mut job = make(Rules { protection: context.protection()?, known_gone })?;
    let due = job.selection.counts().due;
    let host = reach.api.base_url.host();

    let survey = if context.guards().need_listing() && due > 0 {
        Context::block_on(context.survey(&mut job.selection, &reach, context.guards()))??
    } else {
        Survey::offline(context.guards(), &job.selection)
    };
    let planned = context.planned(&mut job.selection, &survey, &host, reach.pacer.rate(), false)?;
    let Some(log) = log else {
        let mut out = io::stdout().lock();
        planned.write(&mut out, context.shared.json)?;
        survey.check()?;
        if !context.shared.json {
            writeln!(out, "(dry run) nothing was sent; a run would start")?;
        }
        return Ok(ExitStatus::Done);
    };
    context.show(&planned)?;
    survey.check()?;
    context.confirm(due, &host)?;
    let note = where_the_log_is(path);
    Context::block_on(async {
        let run = context.begin(&log, job, &reach).await?;
        let notes = |_: &str, _: u64| vec![note.clone()];
        context.carry_out(log, run, reach, Closing { next: true, notes: &notes }).await
    })?
}
