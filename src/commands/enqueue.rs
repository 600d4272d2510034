//! `decom enqueue`: puts the names of an input on a queue.

use std::io::Write;

use serde_json::json;

use super::CommandError;
use super::context::{Context, Options, World};
use super::intake::{self, InputRequest, Intake};
use super::output::stdout;
use super::queue::{open_queue, queue_address, warn_of_weakness};
use super::runtime::block_on;
use crate::domain::ExitStatus;
use crate::queue::DeletionRequest;
use crate::report::grouped;

/// How many messages are handed to the broker at once.
const BATCH: usize = 500;

/// What `decom enqueue` is asked for.
#[derive(Debug, Clone)]
pub struct EnqueueRequest {
    pub input: InputRequest,
}

/// Puts the names of an input on a queue, each once, after all of them were read.
///
/// # Errors
/// If the input is wrong: then nothing is on the queue. If the broker goes away midway, the error says how much is
/// on it: a name that is put there again is deleted once.
pub fn enqueue(
    request: &EnqueueRequest,
    options: &Options,
    world: &World,
) -> Result<ExitStatus, CommandError> {
    let context = Context::new(options, world)?;
    let address = queue_address(&context)?;
    let Intake { mut targets, label, .. } = intake::read(
        &request.input,
        &intake::folder_of(&context.settings.audit.db),
        None,
        context.token().as_ref(),
    )?;
    let count = targets.facts().count;
    if options.dry_run {
        let line = format!("(dry run) {} from {label} would go on the queue {address}", messages(count));
        writeln!(stdout(), "{line}")?;
        return Ok(ExitStatus::Done);
    }
    let mut bodies = Vec::new();
    targets.each(|target| {
        let (name, reason, ticket, request) = (target.name, target.reason, target.ticket, target.request);
        bodies.push(DeletionRequest { name, reason, ticket, request }.to_body());
    })?;
    block_on(async {
        let queue = open_queue(&context, &address, false).await?;
        warn_of_weakness(&*queue).await;
        let mut put = 0;
        for batch in bodies.chunks(BATCH) {
            if let Err(source) = queue.put(batch).await {
                return Err(CommandError::Enqueue { put, count, source });
            }
            put += batch.len() as u64;
        }
        queue.close().await;
        Ok(())
    })??;
    let mut out = stdout();
    if options.json {
        writeln!(out, "{}", json!({ "queue": address.to_string(), "input": label, "messages": count }))?;
    } else {
        writeln!(out, "{} from {label} on the queue {address}", messages(count))?;
    }
    Ok(ExitStatus::Done)
}

fn messages(count: u64) -> String {
    format!("{} {}", grouped(count), if count == 1 { "message" } else { "messages" })
}
