//! `decom work`: takes names from a queue and deletes them, until the queue is empty or for ever.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::context::{Context, Options, World};
use super::execution::{Closing, CountRequests, Job, where_the_log_is};
use super::reach::Reach;
use super::{CommandError, intake, permission, resume};
use crate::api::{ApiError, Lister};
use crate::audit::AuditReader;
use crate::config::find_token;
use crate::domain::{ExitStatus, Seq};
use crate::plan::{PlannedSkips, Refusal, Rules, Selection, TargetsBuilder};
use crate::queue::Address;
use crate::report::grouped;
use crate::run::{QueueSupply, Supply};

/// What `decom work` is asked for.
#[derive(Debug, Clone)]
pub struct WorkRequest {
    /// Go on for ever, rather than until the queue is empty.
    pub follow: bool,
    /// Send also what the audit log knows to be gone.
    pub again: bool,
}

/// Takes names from a queue and deletes them. What an interrupted worker left in this log is settled first.
///
/// # Errors
/// Where nothing could be begun. What goes wrong in a run is in its exit status.
pub fn work(request: &WorkRequest, options: &Options, world: &World) -> Result<ExitStatus, CommandError> {
    Context::new(options, world)?.watched(|context| serve(request, context))
}

fn serve(request: &WorkRequest, context: &Context<'_>) -> Result<ExitStatus, CommandError> {
    let (options, world) = (context.options, context.world);
    if !options.dry_run {
        permission::need_no_approval(context)?;
    }
    context.protection()?;
    let address = context.queue_address()?;
    let base_url = context.base_url()?;
    let token = find_token(options.token_file.as_deref(), &world.environment)?;
    let mut reach = context.reach(base_url, token, context.settings.pace.rate)?;
    let left_over = settle_what_was_left(context, &mut reach)?;
    if !matches!(left_over, ExitStatus::Done | ExitStatus::Exceptions) {
        return Ok(left_over);
    }
    let worked = take_from(context, &mut reach, &address, request)?;
    // What is wrong with what was left is not covered up by a clean run behind it.
    Ok(if worked == ExitStatus::Done { left_over } else { worked })
}

/// Goes on with what workers on this log were interrupted in.
fn settle_what_was_left(context: &Context<'_>, reach: &mut Reach) -> Result<ExitStatus, CommandError> {
    let mut worst = ExitStatus::Done;
    loop {
        let base_url = reach.api.base_url.as_str();
        let reader = AuditReader::open_if_there(&context.settings.audit.db)?;
        let open = reader.as_ref().map(|reader| reader.open_run_of_queue(base_url)).transpose()?.flatten();
        drop(reader);
        let Some(open) = open else { return Ok(worst) };
        let exit = resume::carry_on(context, open, reach)?;
        if !matches!(exit, ExitStatus::Done | ExitStatus::Exceptions) || context.options.dry_run {
            return Ok(exit);
        }
        worst = worst.max(exit);
    }
}

fn take_from(
    context: &Context<'_>,
    reach: &mut Reach,
    address: &Address,
    request: &WorkRequest,
) -> Result<ExitStatus, CommandError> {
    let follow = request.follow;
    let path = context.settings.audit.db.clone();
    let idle = (!follow).then_some(context.settings.queue.idle);
    // Held from here on, so that nobody else deletes between what is shown and what is done.
    let log = context.open_log(&path)?;
    let found = Context::block_on(look(context, reach))?;
    let host = reach.api.base_url.host();
    let limit = match found {
        Ok(found) => found,
        Err(refused) => {
            if let Some(log) = log {
                log.close();
            }
            return Err(refused);
        }
    };
    let shown = shown(context, address, &host, limit, idle);
    let Some(log) = log else {
        let mut out = io::stdout().lock();
        for line in shown {
            writeln!(out, "(dry run) {line}")?;
        }
        permission::need_no_approval(context)?;
        writeln!(out, "(dry run) nothing was taken from the queue, and nothing was sent; a run would start")?;
        return Ok(ExitStatus::Done);
    };
    if !context.options.quiet || context.will_ask(limit) {
        let mut err = io::stderr().lock();
        for line in shown {
            writeln!(err, "{line}")?;
        }
    }
    if let Err(refused) = context.confirm(limit, &host) {
        log.close();
        return Err(refused);
    }
    let targets = TargetsBuilder::new(intake::folder_of(&path), None).finish();
    let known_gone = if request.again {
        None
    } else {
        let reader = AuditReader::open(&path)?;
        Some(Context::gone_according_to(reader, reach.api.base_url.as_str(), Seq(0)))
    };
    let rules = Rules { protection: context.protection()?, known_gone, planned: PlannedSkips::new() };
    // What will be asked for is not known yet.
    let nothing = Rules { protection: context.protection()?, known_gone: None, planned: PlannedSkips::new() };
    let job = Job {
        selection: Selection::new(targets, nothing)?,
        of_queue: true,
        label: address.to_string(),
        input_sha256: None,
        purpose: (None, None),
        protect: context.protect(&[]),
        plan: None,
        origin: json!({ "command": "work", "follow": follow, "limit": limit }),
    };
    Context::block_on(async {
        let queue = match context.open_queue(address).await {
            Ok(queue) => queue,
            Err(error) => {
                log.close();
                return Err(error);
            }
        };
        let run = context.begin(&log, job, reach).await?;
        let supply = Supply::Queue(QueueSupply {
            queue: Arc::from(queue),
            rules,
            limit,
            idle,
            max_outage: context.settings.queue.max_outage,
        });
        let notes = |_: &str, _: &CountRequests<'_>| Ok(vec![where_the_log_is(&path)]);
        context.carry_out(log, run, reach, supply, Closing { next: true, notes: &notes }).await
    })?
}

/// How many datasources this run may delete: what it will be asked for is not known yet.
async fn look(context: &Context<'_>, reach: &Reach) -> Result<u64, CommandError> {
    let guards = context.guards();
    let (mut exist, mut failure) = (None, None);
    if guards.need_listing() {
        let (pacer, clock) = (reach.pacer.clone(), context.world.clock.clone());
        let api = Lister::new(&reach.api, &reach.token, pacer, clock, CancellationToken::new())?;
        match api.datasources().await {
            Ok(names) => exist = Some(names.len() as u64),
            Err(error @ ApiError::Unauthorized) => return Err(CommandError::Unauthorized(error)),
            Err(error) => failure = Some(error.to_string()),
        }
    }
    let limit = guards.most(exist).map_err(|refusal| match refusal {
        Refusal::NoListing { max, why } => Refusal::NoListing { max, why: failure.or(why) },
        other => other,
    });
    match limit {
        Ok(0) => Err(CommandError::Refused(
            "the guards let this run delete nothing at all (safety.max_deletes, safety.max_share)".to_owned(),
        )),
        Ok(limit) => Ok(limit),
        Err(refusal) => Err(CommandError::Refused(refusal.to_string())),
    }
}

/// What is about to be done.
fn shown(
    context: &Context<'_>,
    address: &Address,
    host: &str,
    limit: u64,
    idle: Option<Duration>,
) -> Vec<String> {
    let guards = context.guards();
    let until = match idle {
        Some(idle) => format!("until no message came for {}", humantime::format_duration(idle)),
        None => "until it is stopped".to_owned(),
    };
    let mut lines = vec![
        format!("up to {} datasources on {host}, as messages ask for them", grouped(limit)),
        format!("  queue {address}"),
        format!("  {until}"),
        format!("  guard max_deletes {}", guards.max_deletes),
    ];
    if guards.need_listing() {
        lines.push(format!("  guard max_share {} % of what exists now", guards.max_share));
    }
    lines
}
