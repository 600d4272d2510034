//! Who may run what: the token that a plan was made with, and the second person who approved it.

use std::path::Path;

use super::CommandError;
use super::context::Context;
use crate::audit::{AuditReader, OpenRun, RunOrigin};
use crate::domain::Token;
use crate::plan::{AllowShared, Approval, ApprovalCheck, PlanRefusal, SavedPlan, check_second_person};

/// Who approved the plan; `None` if no approval is required and none was given.
pub(super) fn approved(
    context: &Context<'_>,
    plan: &SavedPlan,
    bytes: &[u8],
    signature: Option<&Path>,
) -> Result<Option<Approval>, CommandError> {
    let safety = &context.settings.safety;
    let Some(signature) = signature else {
        if safety.require_approval {
            return Err(CommandError::Refused(
                "a second person must approve the plan (safety.require_approval); name the signature with --approval FILE".to_owned(),
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
    let (operator, login) = (context.operator()?, context.login()?);
    let check = ApprovalCheck {
        signature,
        allowed_signers,
        revoked: safety.revoked_signers.as_deref(),
        people: &[
            ("creator", &plan.creator),
            ("creator", &plan.creator_login),
            ("operator", &operator),
            ("operator", &login),
        ],
        now: context.world.clock.timestamp(),
    };
    Ok(Some(check.check(bytes)?))
}

/// The origin of a run. If the run carries out a plan, or tries again what failed in one, its token has to be `token`:
/// what was planned with one is not done with another.
pub(super) fn check_token(
    reader: &AuditReader,
    run_id: &str,
    token: &Token,
) -> Result<RunOrigin, CommandError> {
    let origin = reader.origin_of(run_id)?;
    if is_of_other_token(reader, &origin, token)? {
        let run_id = run_id.to_owned();
        return Err(CommandError::PlanRefused(PlanRefusal::OtherTokenThanBegun { run_id }));
    }
    Ok(origin)
}

/// The same for a run that is continued, and if its token is another one. That may be so if its plan was approved: tokens
/// are rotated in between, and the listing has to show its targets then.
pub(super) fn check_token_of_open(
    reader: &AuditReader,
    open: &OpenRun,
    token: &Token,
) -> Result<(RunOrigin, bool), CommandError> {
    if open.approved_by.is_none() {
        return Ok((check_token(reader, &open.run_id, token)?, false));
    }
    let origin = reader.origin_of(&open.run_id)?;
    let is_other = is_of_other_token(reader, &origin, token)?;
    Ok((origin, is_other))
}

fn is_of_other_token(reader: &AuditReader, origin: &RunOrigin, token: &Token) -> Result<bool, CommandError> {
    Ok(origin.plan.is_some() && origin.token_fingerprint != token.fingerprint(&reader.log_id()?))
}

/// The shared datasources that a plan allows to delete, by these globs. What was reviewed counts: a flag beside it is
/// refused.
pub(super) fn shared_of_plan(context: &Context<'_>, globs: &[String]) -> Result<AllowShared, CommandError> {
    if !context.options.allow_shared.is_empty() {
        return Err(CommandError::PlanRefused(PlanRefusal::SharedByFlag));
    }
    Ok(AllowShared::new(globs)?)
}

/// Refuses to run without a plan if the configuration requires an approved one.
pub(super) fn need_no_approval(context: &Context<'_>) -> Result<(), CommandError> {
    if !context.settings.safety.require_approval {
        return Ok(());
    }
    Err(CommandError::Refused(
        "a run needs a plan that a second person has approved (safety.require_approval): `decom plan INPUT --out FILE`, then `decom run --plan FILE --approval FILE.sig`".to_owned(),
    ))
}

/// Passes if approvals are not required, or the run has one, and its approver is not the one who resumes it.
pub(super) fn check_approval(
    context: &Context<'_>,
    open: &OpenRun,
    mut approvers: Vec<String>,
) -> Result<(), CommandError> {
    let Some(approver) = &open.approved_by else {
        return need_no_approval(context).map_err(|_| {
            CommandError::Refused(format!(
                "run {} was begun without an approval, which safety.require_approval demands; make a new plan of what is left, and have that approved",
                open.run_id
            ))
        });
    };
    approvers.insert(0, approver.clone());
    let (operator, login) = (context.operator()?, context.login()?);
    Ok(check_second_person(&approvers, &[("operator", &operator), ("operator", &login)])?)
}
