//! The audit log, as commands use it: opened for writing at one place, and asked what is gone.

use std::path::Path;
use std::sync::Arc;

use super::context::{Context, VERSION, host, random_hex};
use super::{CommandError, clock};
use crate::audit::{AuditError, AuditLog, AuditReader, CheckpointOptions, LogOptions, OnCheckpoint};
use crate::domain::{Resource, Seq};
use crate::plan::{InDoubt, KnownGone};
use crate::sshsig::SigningKey;

/// Carries out `work` with the log of the settings open for writing, and closes the log afterwards, however that
/// ended. A reader that `work` opens is closed before, so that a single file is left.
///
/// In a dry run there is no log. That keeps it from deleting: only `run::execute` builds what deletes, from a log
/// that is open for writing, and this is the only place that opens one.
pub(super) fn with_log<T>(
    context: &Context<'_>,
    work: impl FnOnce(Option<&AuditLog>) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    clock::check_log(context)?;
    if context.options.dry_run {
        if let Some(checkpoints) = checkpoints(context)? {
            checkpoints.check()?;
        }
        check_checkpoints(context)?;
        return work(None);
    }
    let log = AuditLog::open(&context.settings.audit.db, &log_options(context)?)?;
    let result = work(Some(&log));
    log.close();
    result
}

/// How a log is opened for writing, and what a new one begins with.
pub(super) fn log_options(context: &Context<'_>) -> Result<LogOptions, CommandError> {
    let at = context.world.clock.timestamp();
    Ok(LogOptions {
        holder: format!("process {} on {}, since {at}", std::process::id(), host()),
        new_log_id: random_hex(16),
        tool_version: VERSION.to_owned(),
        at,
        clock_tolerance: context.settings.audit.clock_tolerance,
        checkpoints: checkpoints(context)?,
    })
}

/// Where checkpoints go, if any are written.
fn checkpoints(context: &Context<'_>) -> Result<Option<CheckpointOptions>, CommandError> {
    let audit = &context.settings.audit;
    if audit.timestamp_url.is_some() && audit.checkpoint_dir.is_none() {
        tracing::warn!(
            "there is an audit.timestamp_url, but no audit.checkpoint_dir: there is nothing to be stamped"
        );
    }
    match (&audit.checkpoint_dir, &audit.signing_key) {
        (None, None) => Ok(None),
        (None, Some(_)) => {
            tracing::warn!("there is a signing key, but no audit.checkpoint_dir: no checkpoints are written");
            Ok(None)
        }
        (Some(dir), None) => Err(CommandError::Usage(format!(
            "checkpoints are to be written to {}, but there is no key to sign them; set audit.signing_key too (--signing-key FILE)",
            dir.display()
        ))),
        (Some(dir), Some(key)) => {
            let key = SigningKey::read(key).map_err(AuditError::from)?;
            Ok(Some(CheckpointOptions {
                dir: dir.clone(),
                key: Arc::new(key),
                every: audit.checkpoint_every,
                written: context
                    .observers
                    .timestamps
                    .clone()
                    .map(|timestamps| OnCheckpoint(Arc::new(move |path: &Path| timestamps.add(path)))),
            }))
        }
    }
}

/// Refuses a log that a checkpoint contradicts, as opening it for writing does.
pub(super) fn check_checkpoints(context: &Context<'_>) -> Result<(), CommandError> {
    let audit = &context.settings.audit;
    if let Some(folder) = &audit.checkpoint_dir
        && let Some(reader) = AuditReader::open_if_there(&audit.db)?
    {
        reader.hold_against_checkpoints(folder)?;
    }
    Ok(())
}

/// What the log at `path` knows to be gone on this host after the record `after`; `None` if it knows of nothing.
/// None of the names in question were deleted in the run `except`.
pub(super) fn known_gone(
    path: &Path,
    base_url: &str,
    after: Seq,
    except: Option<Seq>,
) -> Result<Option<KnownGone>, CommandError> {
    let Some(reader) = AuditReader::open_if_there(path)? else { return Ok(None) };
    if !reader.knows_any_gone(base_url, after, except)? {
        return Ok(None);
    }
    Ok(Some(gone_according_to(reader, base_url, after)))
}

/// What the log of `reader` knows to be gone on this host after the record `after`, whenever it is asked.
pub(super) fn gone_according_to(reader: AuditReader, base_url: &str, after: Seq) -> KnownGone {
    let base_url = base_url.to_owned();
    Box::new(move |Resource { kind, name }| {
        let found = reader.known_gone(kind, name.as_str(), &base_url, after).unwrap_or_else(|error| {
            // Sent rather than skipped: the API has the last word on what exists.
            tracing::warn!(%error, "the audit log could not be asked what is gone");
            None
        });
        found.map(|(run, at)| (run, at.to_string()))
    })
}

/// What the log at `path` does not know the end of, on this host; `None` if there is no log.
pub(super) fn in_doubt(path: &Path, base_url: &str) -> Result<Option<InDoubt>, CommandError> {
    let Some(reader) = AuditReader::open_if_there(path)? else { return Ok(None) };
    let base_url = base_url.to_owned();
    Ok(Some(Box::new(move |Resource { kind, name }| {
        reader.in_doubt(Seq(0), kind, name.as_str(), &base_url).unwrap_or_else(|error| {
            // A listing settles it then.
            tracing::warn!(%error, "the audit log could not be asked what is in doubt");
            true
        })
    })))
}
