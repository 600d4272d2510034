//! `decom retry`: a new run of what failed in an earlier one.

use serde_json::json;

use super::access::ApiAccess;
use super::context::{Context, Options, World};
use super::execution::Job;
use super::observed::observed;
use super::{CommandError, intake, permission, run};
use crate::audit::AuditReader;
use crate::domain::{DatasourceName, ExitStatus, NewTarget, Outcome, ResultFilter};
use crate::plan::{Protection, Rules, Selection, TargetsBuilder};

/// What `decom retry` is asked for.
#[derive(Debug, Clone)]
pub struct RetryRequest {
    /// The run, or the beginning of its id.
    pub run: String,
    /// The outcomes that are tried again.
    pub outcomes: Vec<Outcome>,
}

/// Makes a new run of the targets of an earlier one that ended in certain ways.
///
/// # Errors
/// If there are none, or nothing could be begun.
pub fn retry(request: &RetryRequest, options: &Options, world: &World) -> Result<ExitStatus, CommandError> {
    observed(Context::new(options, world)?, false, |context| try_again(request, context))
}

fn try_again(request: &RetryRequest, context: &Context<'_>) -> Result<ExitStatus, CommandError> {
    if !context.options.dry_run {
        permission::need_no_approval(context)?;
    }
    let access = ApiAccess::configured(context)?;
    let reader = AuditReader::open(&context.settings.audit.db)?;
    let earlier = reader.run(Some(&request.run))?;
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
    let mut builder = TargetsBuilder::new(intake::spool_folder(&intake::folder_of(reader.path())), None);
    let mut outcome = Ok(());
    reader.each_result(&earlier.run_id, ResultFilter::AnyOutcome(&request.outcomes), |target| {
        // A name that is in the log was checked when it was taken on.
        if let Ok(name) = DatasourceName::new(&target.datasource) {
            let (reason, ticket) = (target.target_reason, target.target_ticket);
            outcome = builder.add(&NewTarget { name, reason, ticket, skip: None });
        }
        outcome.is_ok()
    })?;
    outcome?;
    let targets = builder.finish();
    if targets.facts().count == 0 {
        let words: Vec<_> = request.outcomes.iter().map(|outcome| outcome.as_str()).collect();
        return Err(CommandError::Usage(format!(
            "no target of run {} ended {}; choose others with --outcome",
            earlier.run_id,
            words.join(" or ")
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
            purpose: (None, None),
            protect,
            plan: None,
            origin: json!({
                "command": "retry",
                "retry_of": earlier.run_id,
                "retry_of_plan": origin.plan,
            }),
        })
    })
}
