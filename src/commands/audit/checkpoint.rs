//! `decom audit checkpoint`: a statement of how many records the log has and what the last hash is.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::CommandError;
use super::super::context::{Context, Options, World, quoted};
use super::super::observed::timestamps;
use super::super::output::to_stdout;
use super::verify::unverifiable;
use crate::audit::verify::{AnchorCheck, Weight, verify};
use crate::audit::{AuditError, AuditReader, CHECKPOINT, Statement};
use crate::domain::{ExitStatus, Timestamp, hex};
use crate::sshsig::SigningKey;

/// What `decom audit checkpoint` is asked for.
#[derive(Debug, Clone)]
pub struct CheckpointRequest {
    /// The file; otherwise it goes into the folder of the settings.
    pub out: Option<PathBuf>,
}

/// Verifies the log, writes a checkpoint of it, and signs that if there is a key.
///
/// # Errors
/// If the log is not what decom wrote, or the checkpoint cannot be written.
pub fn checkpoint(
    request: &CheckpointRequest,
    options: &Options,
    world: &World,
) -> Result<ExitStatus, CommandError> {
    let context = Context::new(options, world)?;
    let audit = &context.settings.audit;
    if request.out.is_none() && audit.checkpoint_dir.is_none() {
        let why = "name the file of the checkpoint with --out FILE, or a folder with audit.checkpoint_dir";
        return Err(CommandError::Usage(why.to_owned()));
    }
    // Before the log is verified, which may take long: a key that cannot sign.
    let usage = |error: AuditError| CommandError::Usage(error.to_string());
    let key = audit.signing_key.as_deref().map(SigningKey::read).transpose();
    let key = key.map_err(|error| usage(error.into()))?;
    // A checkpoint of an altered log would confirm the alteration.
    let verification = verify(&audit.db, &AnchorCheck::default()).map_err(unverifiable)?;
    let (Some(log_id), Some(head), true) =
        (&verification.log_id, &verification.head, verification.findings.weight() < Weight::Unsound)
    else {
        return Err(CommandError::NotSound { path: audit.db.clone() });
    };
    let folder = match &request.out {
        Some(out) => out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
        None => audit.checkpoint_dir.as_deref().unwrap_or(Path::new(".")),
    };
    let previous = AuditReader::open(&audit.db)?.hold_against_checkpoints(folder)?;
    let statement = Statement {
        log_id: log_id.clone(),
        records: verification.totals.records,
        head: hex(head),
        // Never earlier than the record that it names: see `Finding::CheckpointTime`.
        time: world.clock.timestamp().max(Timestamp::from_micros(verification.at_us.unwrap_or(0))),
        previous,
    };
    let in_folder = || audit.checkpoint_dir.clone().unwrap_or_default().join(statement.file_name());
    let path = request.out.clone().unwrap_or_else(in_folder);
    statement.write(&path, key.as_ref()).map_err(usage)?;
    // Only a signature is stamped.
    if key.is_some()
        && let Some(timestamps) = timestamps(&context)?
    {
        timestamps.add(&path);
        timestamps.finish(false);
    }
    to_stdout(|out| {
        if options.json {
            let object = json!({
                "file": path.display().to_string(),
                "log_id": statement.log_id,
                "records": statement.records,
                "head": statement.head,
                "time": statement.time.to_string(),
                "signed_with": key.as_ref().map(SigningKey::fingerprint),
            });
            return writeln!(out, "{object}");
        }
        write!(out, "{statement}")?;
        if let Some(key) = key {
            let file = path.display();
            return writeln!(out, "\nwritten to {file}, and signed with {} in {file}.sig", key.fingerprint());
        }
        let words = ["ssh-keygen", "-Y", "sign", "-n", CHECKPOINT.namespace, "-f", "KEY"];
        let mut words = words.map(str::to_owned).to_vec();
        words.push(path.display().to_string());
        writeln!(out, "\nwritten to {}, and not signed yet:\n  {}", path.display(), quoted(&words))
    })?;
    Ok(ExitStatus::Done)
}
