//! `decom retry`: a new run of what failed in an earlier one.

use std::collections::HashSet;

use serde_json::json;

use super::access::ApiAccess;
use super::along::Which;
use super::context::{Context, Options, World};
use super::execution::Job;
use super::observed::{Observed, observed};
use super::output::to_stdout;
use super::{CommandError, intake, permission, run};
use crate::audit::AuditReader;
use crate::domain::{
    DatasourceName, ExitStatus, NewTarget, Outcome, ResourceKind, ResultFilter, RunSummary, TargetRole,
};
use crate::plan::{Protection, Rules, Selection, Targets, TargetsBuilder};

/// What `decom retry` is asked for.
#[derive(Debug, Clone)]
pub struct RetryRequest {
    /// The run, or the beginning of its id; the newest in which a target ended so if there is none.
    pub run: Option<String>,
    /// The outcomes that are tried again.
    pub outcomes: Vec<Outcome>,
}

/// Makes a new run of the targets of an earlier one that ended in certain ways.
///
/// # Errors
/// If there are none, or nothing could be begun.
pub fn retry(request: &RetryRequest, options: &Options, world: &World) -> Result<ExitStatus, CommandError> {
    observed(Context::new(options, world)?, Observed::Run, |context| try_again(request, context))
}

fn try_again(request: &RetryRequest, context: &Context<'_>) -> Result<ExitStatus, CommandError> {
    if !context.options.dry_run {
        permission::need_no_approval(context)?;
    }
    let allow_shared = context.allow_shared()?;
    let access = ApiAccess::configured(context)?;
    let reader = AuditReader::open(&context.settings.audit.db)?;
    let earlier = match &request.run {
        Some(wanted) => reader.run(Some(wanted))?,
        None => match newest(&reader, access.base_url(), &request.outcomes)? {
            Some(run) => run,
            None => return nothing_to_retry(context, &request.outcomes),
        },
    };
    if earlier.base_url != access.base_url() {
        return Err(CommandError::Usage(format!(
            "run {} was on {}, and the base URL is {}; name it with --base-url {}",
            earlier.run_id,
            earlier.base_url,
            access.base_url(),
            earlier.base_url
        )));
    }
    let origin = permission::check_token(&reader, &earlier.run_id, &access.token)?;
    let targets = targets(&reader, &earlier.run_id, &request.outcomes)?;
    if targets.facts().count == 0 {
        return Err(CommandError::Usage(format!(
            "no target of run {} ended {}; choose others with --outcome",
            earlier.run_id,
            in_words(&request.outcomes)
        )));
    }
    drop(reader);
    run::begin(context, access, false, |rules: Rules| {
        // What the earlier run protected stays protected, also if the flag is not given again.
        let protect = context.protect(&origin.protect);
        let rules = Rules { protection: Protection::new(&protect)?, ..rules };
        Ok(Job {
            selection: Selection::new(targets, rules)?,
            of_queue: false,
            label: format!("retry of {}", earlier.run_id),
            input_sha256: earlier.input_sha256.clone(),
            // It is done for what the earlier run was done for, unless something else is said.
            purpose: (earlier.reason.clone(), earlier.ticket.clone()),
            protect,
            allow_shared,
            protect_datamart: context.protect_datamart(&origin.protect_datamart),
            // What that run took along is taken along again.
            along: (context.options.with_datamarts || origin.with_datamarts).then_some(Which::Listed),
            plan: None,
            origin: json!({
                "command": "retry",
                "retry_of": earlier.run_id,
                "retry_of_plan": origin.plan,
            }),
        })
    })
}

/// The datasources of the run that ended with one of these outcomes, and those that wait for a datamart that did.
fn targets(reader: &AuditReader, run_id: &str, outcomes: &[Outcome]) -> Result<Targets, CommandError> {
    let mut waiting = HashSet::new();
    reader.each_result(run_id, ResultFilter::AnyOutcome(outcomes), |target| {
        waiting.extend(target.dependant_of);
        true
    })?;
    let filter = if waiting.is_empty() { ResultFilter::AnyOutcome(outcomes) } else { ResultFilter::All };
    let mut builder = TargetsBuilder::new(intake::spool_folder(&intake::folder_of(reader.path())), None);
    let mut added = Ok(());
    reader.each_result(run_id, filter, |target| {
        let is_wanted = outcomes.contains(&target.outcome) || waiting.contains(&target.name);
        // A name that is in the log was checked when it was taken on.
        if let (true, ResourceKind::Datasource, Ok(name)) =
            (is_wanted, target.kind, DatasourceName::new(&target.name))
        {
            let (reason, ticket) = (target.target_reason, target.target_ticket);
            let role = TargetRole::Datasource;
            added = reader
                .customer_request(&target.run_id, target.target)
                .map_err(CommandError::from)
                .and_then(|request| {
                    Ok(builder.add(&NewTarget { name, role, reason, ticket, request, skip: None })?)
                });
        }
        added.is_ok()
    })?;
    added?;
    Ok(builder.finish())
}

/// The newest run on this host in which a target ended with one of these outcomes.
fn newest(
    reader: &AuditReader,
    base_url: &str,
    outcomes: &[Outcome],
) -> Result<Option<RunSummary>, CommandError> {
    let fits = |run: &RunSummary| {
        run.base_url == base_url && outcomes.iter().any(|outcome| run.counts.of(*outcome) > 0)
    };
    let found = reader.runs()?.into_iter().find(fits);
    if let Some(run) = &found {
        tracing::info!(started_at = run.started_at, input = run.input, "retrying run {}", run.run_id);
    }
    Ok(found)
}

fn nothing_to_retry(context: &Context<'_>, outcomes: &[Outcome]) -> Result<ExitStatus, CommandError> {
    let mark = if context.options.dry_run { "(dry run) " } else { "" };
    to_stdout(|out| {
        if context.options.json {
            writeln!(out, "{}", json!({ "status": "nothing_to_retry" }))
        } else {
            let outcomes = in_words(outcomes);
            writeln!(out, "{mark}nothing to retry: no target of any run on this host ended {outcomes}")
        }
    })?;
    Ok(ExitStatus::Done)
}

fn in_words(outcomes: &[Outcome]) -> String {
    outcomes.iter().map(|outcome| outcome.as_str()).collect::<Vec<_>>().join(" or ")
}
