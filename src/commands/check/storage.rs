//! Where a run keeps what it did, and where it may take its names from: the audit log, its checkpoints, the queue.

use super::finding::{Finding, Status};
use crate::audit::{LogInspection, inspect};
use crate::commands::CommandError;
use crate::commands::context::Context;
use crate::commands::log::{check_checkpoints, log_options};
use crate::commands::queue::{queue_address, queue_options};
use crate::commands::runtime::block_on;
use crate::domain::ExitStatus;
use crate::queue::Address;
use crate::report::grouped;

pub(super) fn findings(context: &Context<'_>) -> Result<Vec<Finding>, CommandError> {
    let mut findings = vec![audit_log(context)];
    findings.extend(checkpoints(context));
    let queue = &context.settings.queue;
    if queue.url.is_some() || queue.url_file.is_some() {
        findings.push(match queue_address(context) {
            Ok(address) => waiting(context, &address)?,
            Err(error) => Finding::failed("queue", error),
        });
    }
    Ok(findings)
}

fn audit_log(context: &Context<'_>) -> Finding {
    const WHAT: &str = "audit log";
    let path = &context.settings.audit.db;
    let LogInspection { records, short_lived } = match inspect(path) {
        Ok(found) => found,
        Err(error) => return Finding::failed(WHAT, error),
    };
    let shown = path.display();
    let text = match records {
        None => format!("{shown} is not there yet; the first run makes it"),
        Some(records) => format!(
            "{shown} can be written, and its last record of {} is sound; `decom audit verify` checks all",
            grouped(records)
        ),
    };
    match short_lived {
        Some(why) => {
            Finding::new(WHAT, Status::Warning, format!("{text}; {why}: name a lasting disk with --audit-db"))
        }
        None => Finding::new(WHAT, Status::Ok, text),
    }
}

/// Nothing if no checkpoints are set.
fn checkpoints(context: &Context<'_>) -> Option<Finding> {
    const WHAT: &str = "checkpoints";
    let audit = &context.settings.audit;
    if audit.checkpoint_dir.is_none() && audit.signing_key.is_none() {
        return None;
    }
    Some(match (log_options(context), &audit.checkpoint_dir) {
        (Err(error), _) => Finding::failed(WHAT, error),
        (Ok(_), Some(folder)) if !folder.is_dir() => Finding::new(
            WHAT,
            Status::Failed(ExitStatus::Usage),
            format!("{}: there is no such folder; make it, or set audit.checkpoint_dir", folder.display()),
        ),
        (Ok(_), Some(folder)) => match check_checkpoints(context) {
            Ok(()) => Finding::new(WHAT, Status::Ok, format!("signed, and written to {}", folder.display())),
            Err(error) => Finding::failed(WHAT, error),
        },
        (Ok(_), None) => Finding::new(
            WHAT,
            Status::Warning,
            "there is a signing key, but no audit.checkpoint_dir: no checkpoints are written".to_owned(),
        ),
    })
}

/// Connects to the queue, once, and asks how much is on it.
fn waiting(context: &Context<'_>, address: &Address) -> Result<Finding, CommandError> {
    let waiting = block_on(async {
        let queue = crate::queue::open(queue_options(context, address)).await?;
        let waiting = queue.waiting().await;
        queue.close().await;
        waiting
    })?;
    Ok(match waiting {
        Ok(1) => Finding::new("queue", Status::Ok, format!("{address} can be reached; 1 message waits")),
        Ok(waiting) => {
            let text = format!("{address} can be reached; {} messages wait", grouped(waiting));
            Finding::new("queue", Status::Ok, text)
        }
        Err(error) => Finding::failed("queue", error),
    })
}
