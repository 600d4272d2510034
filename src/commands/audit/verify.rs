//! `decom audit verify`: checks that the log is what decom wrote.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::super::CommandError;
use super::super::context::{Context, Options, World};
use super::super::output::to_stdout;
use super::view::VerificationView;
use crate::audit::AuditError;
use crate::audit::verify::{AnchorCheck, Verification, Verified, Weight, verify_each as check};
use crate::domain::ExitStatus;
use crate::report::visible;

/// What `decom audit verify` is asked for.
#[derive(Debug, Clone, Default)]
pub struct VerifyRequest {
    /// The folder of the checkpoints; otherwise that of the settings.
    pub checkpoints: Option<PathBuf>,
    pub allowed_signers: Option<PathBuf>,
    /// Public keys that sign nothing any more.
    pub revoked_signers: Option<PathBuf>,
}

/// Verifies the log, and prints what was proven and what was not checked.
///
/// # Errors
/// If there is nothing to verify. What is wrong with a log is in the exit status.
pub fn verify(request: &VerifyRequest, options: &Options, world: &World) -> Result<ExitStatus, CommandError> {
    let context = Context::new(options, world)?;
    let path = &context.settings.audit.db;
    let (folder, allowed_signers) =
        checkpoints(request, context.settings.audit.checkpoint_dir.as_deref())?.unzip();
    let now = world.clock.timestamp();
    let anchors = AnchorCheck { folder, allowed_signers, revoked: request.revoked_signers.as_deref(), now };
    let verified = match check(path, &anchors) {
        Ok(verified) => verified,
        Err(error) => {
            let error = unverifiable(error);
            if options.json {
                let why = serde_json::json!({
                    "log": path.display().to_string(),
                    "status": "nothing_verified",
                    "exit_code": error.exit().code(),
                    "why": error.to_string(),
                });
                to_stdout(|out| writeln!(out, "{why}"))?;
                return Err(error.after_output());
            }
            return Err(error);
        }
    };
    let weight = verified.logs.iter().map(|log| log.findings.weight()).max().unwrap_or(Weight::Note);
    to_stdout(
        |out| if options.json { as_json(out, path, &verified) } else { as_text(out, path, &verified) },
    )?;
    Ok(exit_of(weight))
}

const fn exit_of(weight: Weight) -> ExitStatus {
    match weight {
        Weight::Note => ExitStatus::Done,
        Weight::Open => ExitStatus::Exceptions,
        Weight::Unsound => ExitStatus::Audit,
    }
}

/// What was found in each log of the file.
fn views<'a>(path: &'a Path, verified: &'a Verified) -> impl Iterator<Item = VerificationView<'a>> {
    let exit = |verification: &Verification| exit_of(verification.findings.weight());
    verified.logs.iter().map(move |verification| VerificationView {
        path,
        verification,
        exit: exit(verification),
    })
}

fn as_text(out: &mut dyn Write, path: &Path, verified: &Verified) -> io::Result<()> {
    if verified.is_merged {
        let file = path.to_string_lossy();
        writeln!(out, "{}: {} logs were merged into this file.\n", visible(&file), verified.logs.len())?;
    }
    for (place, view) in views(path, verified).enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        view.text(out)?;
    }
    Ok(())
}

fn as_json(out: &mut dyn Write, path: &Path, verified: &Verified) -> io::Result<()> {
    let mut logs: Vec<_> = views(path, verified).map(|view| view.json()).collect();
    let whole = match logs.pop() {
        Some(only) if !verified.is_merged => only,
        last => {
            logs.extend(last);
            let weight = verified.logs.iter().map(|log| log.findings.weight()).max().unwrap_or(Weight::Note);
            let (log, exit_code) = (path.display().to_string(), exit_of(weight).code());
            serde_json::json!({ "log": log, "exit_code": exit_code, "logs": logs })
        }
    };
    writeln!(out, "{whole:#}")
}

/// The folder of the checkpoints, and the file of those who may sign them.
fn checkpoints<'a>(
    request: &'a VerifyRequest,
    configured: Option<&'a Path>,
) -> Result<Option<(&'a Path, &'a Path)>, CommandError> {
    let usage = |why: String| Err(CommandError::Usage(why));
    let (folder, signers) = match (&request.checkpoints, &request.allowed_signers) {
        (None, None) => return Ok(None),
        (Some(_), None) => {
            return usage("also name who may sign checkpoints: --allowed-signers FILE".to_owned());
        }
        (folder, Some(signers)) => match folder.as_deref().or(configured) {
            Some(folder) => (folder, signers.as_path()),
            None => return usage("also name the folder of the checkpoints: --checkpoints DIR".to_owned()),
        },
    };
    if !folder.is_dir() {
        return usage(format!("{}: there is no such folder", folder.display()));
    }
    for file in [Some(signers), request.revoked_signers.as_deref()].into_iter().flatten() {
        if !file.is_file() {
            return usage(format!("{}: there is no such file", file.display()));
        }
    }
    Ok(Some((folder, signers)))
}

/// Distinguishes "there is no log" from "it cannot be read".
pub(super) fn unverifiable(error: AuditError) -> CommandError {
    match error {
        AuditError::Missing { .. }
        | AuditError::Empty { .. }
        | AuditError::NoRecords { .. }
        | AuditError::Foreign { .. }
        | AuditError::Newer { .. }
        | AuditError::Orphan { .. } => CommandError::NothingToVerify(error),
        other => other.into(),
    }
}
