//! `decom work`: takes names from a queue and deletes them, until the queue is empty or indefinitely.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::access::ApiAccess;
use super::budget::day_budget;
use super::context::{Context, Options, World};
use super::ending::Closing;
use super::execution::Job;
use super::log::{gone_according_to, with_log};
use super::observed::{Observed, observed};
use super::output::stdout;
use super::proposal::{confirm, show};
use super::queue::{Arrival, arrival, max_outage, open_queue, queue_address, warn_of_weakness};
use super::runtime::block_on;
use super::{CommandError, intake, permission, resume, session};
use crate::api::ApiError;
use crate::audit::AuditReader;
use crate::domain::{ExitStatus, Seq};
use crate::plan::{PlannedSkips, Refusal, Rules, Selection, TargetsBuilder};
use crate::queue::{Address, Queue};
use crate::report::grouped;
use crate::run::{QueueSupply, Supply};

/// What `decom work` is asked for.
#[derive(Debug, Clone)]
pub struct WorkRequest {
    /// Continue when the queue is empty.
    pub follow: bool,
    /// Send also what the audit log knows to be gone.
    pub again: bool,
}

/// Takes names from a queue and deletes them, after settling what an interrupted worker left in this log.
///
/// # Errors
/// If nothing could be begun. What goes wrong in a run is in its exit status.
pub fn work(request: &WorkRequest, options: &Options, world: &World) -> Result<ExitStatus, CommandError> {
    observed(Context::new(options, world)?, Observed::Run, |context| serve(request, context))
}

fn serve(request: &WorkRequest, context: &Context<'_>) -> Result<ExitStatus, CommandError> {
    if !context.options.dry_run {
        permission::need_no_approval(context)?;
    }
    if context.options.with_datamarts {
        return Err(CommandError::Usage(
            "`decom work` takes no datamarts along: there is no plan, and nobody to confirm it; leave --with-datamarts out, and use `decom retry RUN --outcome in_use --with-datamarts` afterwards".to_owned(),
        ));
    }
    context.protection()?;
    context.holds().current()?;
    let address = queue_address(context)?;
    let mut access = ApiAccess::configured(context)?;
    let left_over = settle_what_was_left(context, &mut access)?;
    if !matches!(left_over, ExitStatus::Done | ExitStatus::Exceptions) {
        return Ok(left_over);
    }
    let worked = take_from(context, &mut access, &address, request)?;
    // A clean run does not cover up what is wrong with what was left before it.
    Ok(if worked == ExitStatus::Done { left_over } else { worked })
}

/// Continues what workers on this log were interrupted in.
fn settle_what_was_left(context: &Context<'_>, access: &mut ApiAccess) -> Result<ExitStatus, CommandError> {
    let mut worst = ExitStatus::Done;
    loop {
        let base_url = access.base_url();
        let reader = AuditReader::open_if_there(&context.settings.audit.db)?;
        let open = reader.as_ref().map(|reader| reader.open_run_of_queue(base_url)).transpose()?.flatten();
        drop(reader);
        let Some(open) = open else { return Ok(worst) };
        let exit = resume::carry_on(context, open, access)?;
        if !matches!(exit, ExitStatus::Done | ExitStatus::Exceptions) || context.options.dry_run {
            return Ok(exit);
        }
        worst = worst.max(exit);
    }
}

/// Takes names from the queue. The log is held meanwhile, so that no other process deletes between what is shown and
/// what is done.
fn take_from(
    context: &Context<'_>,
    access: &mut ApiAccess,
    address: &Address,
    request: &WorkRequest,
) -> Result<ExitStatus, CommandError> {
    let follow = request.follow;
    let idle = (!follow).then_some(context.settings.queue.idle);
    let finished = with_log(context, |log| {
        let path = &context.settings.audit.db;
        let (host, limits) = (access.host(), Limits::new(context, access, follow)?);
        let limit = limits.shown();
        let mut lines = announcement(context, address, &host, limits, idle);
        let unusual = session::facts(context, access)?.unusual();
        lines.extend(unusual.iter().map(|what| format!("  NOTE: {}", what.before())));
        // A dry run creates no queue, as connecting to one does.
        lines.extend(log.is_some().then(|| waiting(context, address, follow)).transpose()?);
        let Some(log) = log else {
            let mut out = stdout();
            for line in lines {
                writeln!(out, "(dry run) {line}")?;
            }
            permission::need_no_approval(context)?;
            writeln!(out, "(dry run) nothing was taken from the queue or sent; a run would start")?;
            return Ok(None);
        };
        show(context, limit, |out| lines.iter().try_for_each(|line| writeln!(out, "{line}")))?;
        confirm(context, (limit, None), &host, None)?;
        let known_gone = if request.again {
            None
        } else {
            Some(gone_according_to(AuditReader::open(path)?, access.base_url(), Seq(0)))
        };
        let rules = Rules {
            protection: context.protection()?,
            holds: context.holds().current()?,
            known_gone,
            in_doubt: None,
            planned: PlannedSkips::new(),
        };
        // Which names there will be is not known yet.
        let none = Rules {
            protection: context.protection()?,
            holds: context.holds().current()?,
            known_gone: None,
            in_doubt: None,
            planned: PlannedSkips::new(),
        };
        let targets = TargetsBuilder::new(intake::folder_of(path), None).finish();
        let job = Job {
            selection: Selection::new(targets, none)?,
            of_queue: true,
            label: address.to_string(),
            input_sha256: None,
            purpose: (None, None),
            protect: context.protect(&[]),
            allow_shared: context.allow_shared()?,
            protect_datamart: Vec::new(),
            along: None,
            plan: None,
            origin: json!({ "command": "work", "follow": follow, "limit": limit }),
        };
        let base_url = access.base_url();
        let budget = limits.day.map(|limit| day_budget(context, base_url, limit)).transpose()?;
        block_on(async {
            let queue: Arc<dyn Queue> = Arc::from(open_queue(context, address, follow).await?);
            // With a budget nothing is taken that may have to wait for the next day.
            let first = match idle.filter(|_| budget.is_none()) {
                None => None,
                Some(idle) => match arrival(&*queue, idle).await {
                    Arrival::Message(message) => Some(message),
                    Arrival::Unknown => None,
                    Arrival::Nothing => {
                        queue.close().await;
                        return Ok(None);
                    }
                },
            };
            let run = job.open(context, log, access).await?;
            let supply = Supply::Queue(Box::new(QueueSupply {
                queue,
                first,
                rules,
                limit: limits.run.unwrap_or(u64::MAX),
                budget,
                idle,
                max_outage: max_outage(context, follow),
            }));
            run.execute(context, log, access, supply).await.map(Some)
        })?
    })?;
    Ok(match finished {
        Some(run) => run.print(context, &Closing::Commands),
        None if context.options.dry_run => ExitStatus::Done,
        None => {
            writeln!(
                stdout(),
                "No message came within {}: nothing was done, and no run recorded.",
                humantime::format_duration(context.settings.queue.idle)
            )?;
            ExitStatus::Done
        }
    })
}

/// How much a worker may delete.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// In this run; `None` for a run without end, which would come to its end there.
    run: Option<u64>,
    /// In any 24 hours.
    day: Option<u64>,
}

impl Limits {
    fn new(context: &Context<'_>, access: &ApiAccess, follow: bool) -> Result<Self, CommandError> {
        let (run, day) = (limit(context, access)?, context.settings.safety.max_deletes_per_day);
        Ok(if follow {
            Self { run: None, day: Some(day.map_or(run, |day| day.min(run))) }
        } else {
            Self { run: Some(run), day }
        })
    }

    /// The number that is shown and confirmed.
    fn shown(self) -> u64 {
        self.run.or(self.day).unwrap_or(u64::MAX)
    }
}

/// How many datasources this run may delete: which names there will be is not known yet.
fn limit(context: &Context<'_>, access: &ApiAccess) -> Result<u64, CommandError> {
    let guards = context.guards();
    let (mut exist, mut failure) = (None, None);
    if guards.need_listing() {
        let lister = access.lister(context)?;
        match block_on(lister.datasources())? {
            Ok(names) => exist = Some(names.len() as u64),
            Err(error @ ApiError::Unauthorized { .. }) => return Err(CommandError::Unauthorized(error)),
            Err(error) if error.may_pass() => return Err(CommandError::Unavailable(error)),
            Err(error) => failure = Some(error.to_string()),
        }
    }
    match guards.most(exist) {
        Ok(0) => Err(CommandError::Refused(
            "the guards let this run delete nothing at all (safety.max_deletes, safety.max_share)".to_owned(),
        )),
        Ok(limit) => Ok(limit),
        Err(Refusal::NoListing { max, why }) => {
            Err(CommandError::Refused(Refusal::NoListing { max, why: failure.or(why) }.to_string()))
        }
        Err(refusal) => Err(CommandError::Refused(refusal.to_string())),
    }
}

/// How much is on the queue, as far as the broker knows. Takes nothing.
fn waiting(context: &Context<'_>, address: &Address, follow: bool) -> Result<String, CommandError> {
    let waiting = block_on(async {
        let queue = open_queue(context, address, follow).await?;
        warn_of_weakness(&*queue).await;
        let waiting = queue.waiting().await;
        queue.close().await;
        Ok::<_, CommandError>(waiting)
    })??;
    Ok(match waiting {
        Ok(0) => "  no message waits; check the name of the queue if there should be some".to_owned(),
        Ok(1) => "  1 message waits".to_owned(),
        Ok(many) => format!("  {} messages wait", grouped(many)),
        Err(error) => format!("  how many messages wait is not known: {error}"),
    })
}

/// What is about to be done.
fn announcement(
    context: &Context<'_>,
    address: &Address,
    host: &str,
    limits: Limits,
    idle: Option<Duration>,
) -> Vec<String> {
    let guards = context.guards();
    let until = match idle {
        Some(idle) => format!("until no message came for {}", humantime::format_duration(idle)),
        None => "until it is stopped".to_owned(),
    };
    let a_day = if limits.run.is_none() { " in any 24 hours" } else { "" };
    let mut lines = vec![
        format!("up to {} datasources{a_day} on {host}, as messages ask for them", grouped(limits.shown())),
        format!("  queue {address}"),
        format!("  {until}"),
        format!("  guard max_deletes {}", guards.max_deletes),
    ];
    if let Some(limit) = context.settings.safety.max_deletes_per_day {
        lines.push(format!("  guard max_deletes_per_day {limit}"));
    }
    if guards.need_listing() {
        lines.push(format!("  guard max_share {} % of what exists now", guards.max_share));
    }
    lines
}
