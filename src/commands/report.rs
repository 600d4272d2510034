//! `decom runs` and `decom report`: what the audit log says.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::context::{Context, Options, World};
use super::output::{Destination, ReadError, to_stdout, written};
use super::{CommandError, certificate};
use crate::audit::verify::{AnchorCheck, Verification};
use crate::audit::{self, AuditReader};
use crate::domain::{ExitStatus, Place, ResourceKind, Timestamp};
use crate::report::{EachResult, Format, RunFormat, write_history, write_report, write_runs};

/// What `decom runs` is asked for.
#[derive(Debug, Clone)]
pub struct RunsRequest {
    pub format: Format,
}

/// What `decom report` is asked for.
#[derive(Debug, Clone)]
pub struct ReportRequest {
    /// The run, or the beginning of its id; the newest if there is none.
    pub run: Option<String>,
    /// One datasource, to be reported over all runs instead.
    pub datasource: Option<String>,
    pub format: RunFormat,
    /// The file; standard output if there is none.
    pub out: Option<PathBuf>,
    /// Replace a file that is there.
    pub force: bool,
    /// When a certificate is issued; now if it is not given.
    pub issued_at: Option<Timestamp>,
    /// Who may sign the checkpoints that a certificate rests on.
    pub allowed_signers: Option<PathBuf>,
    /// Public keys whose signatures do not count any more.
    pub revoked_signers: Option<PathBuf>,
}

/// Lists the runs of the audit log.
///
/// # Errors
/// If the log cannot be read.
pub fn runs(request: &RunsRequest, options: &Options, world: &World) -> Result<ExitStatus, CommandError> {
    let context = Context::new(options, world)?;
    let reader = AuditReader::open_for_reports(&context.settings.audit.db)?;
    let runs = reader.runs()?;
    to_stdout(|out| write_runs(out, request.format, &runs))?;
    Ok(ExitStatus::Done)
}

/// Reports one run, or one datasource over all runs.
///
/// # Errors
/// If the log cannot be read or the report cannot be written.
pub fn report(request: &ReportRequest, options: &Options, world: &World) -> Result<ExitStatus, CommandError> {
    let context = Context::new(options, world)?;
    let verified = match request.format {
        RunFormat::Certificate => verified(request, &context)?,
        RunFormat::Plain(_) => Vec::new(),
    };
    let reader = AuditReader::open_for_reports(&context.settings.audit.db)?;
    let destination = Destination { path: request.out.as_deref(), force: request.force };
    let format = match (request.format, &request.datasource) {
        (RunFormat::Plain(format), _) => format,
        (RunFormat::Certificate, None) => {
            let (wanted, out) = (request.run.as_deref(), destination);
            return certificate::issue(wanted, out, request.issued_at, &context, (&reader, &verified));
        }
        (RunFormat::Certificate, Some(_)) => {
            return Err(CommandError::Usage(
                "a certificate is about a run, and --datasource is about all runs; use --format table, csv, json or md".to_owned(),
            ));
        }
    };
    if request.issued_at.is_some() {
        return Err(CommandError::Usage(
            "--issued-at is for certificates; add --format html, or leave it out".to_owned(),
        ));
    }
    let to = |log: &Path, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>| {
        written(destination, log, Place::Kind(format.beginnings()), write)
    };
    for (flag, is_given) in [
        ("--checkpoint-dir", options.flags.checkpoint.checkpoint_dir.is_some()),
        ("--allowed-signers", request.allowed_signers.is_some()),
    ] {
        if is_given {
            let why = format!("{flag} is for certificates; add --format html, or leave it out");
            return Err(CommandError::Usage(why));
        }
    }
    if let Some(name) = &request.datasource {
        let entries = reader.history_of(ResourceKind::Datasource, name)?;
        to(reader.path(), &mut |out| write_history(out, format, &entries))?;
        return Ok(ExitStatus::Done);
    }
    let run = reader.run(request.run.as_deref())?;
    let read_error = ReadError::default();
    let written = to(reader.path(), &mut |out| {
        let results: EachResult<'_> =
            &mut |take| read_error.keep(reader.each_result(&run.run_id, format.lists(), take));
        write_report(out, format, &run, results, options.verbose)
    });
    read_error.or(written).map(|()| ExitStatus::Done)
}

/// Verifies the log, and holds it against the checkpoints of the settings, for a certificate.
fn verified(request: &ReportRequest, context: &Context<'_>) -> Result<Vec<Verification>, CommandError> {
    let audit = &context.settings.audit;
    let folder = audit.checkpoint_dir.as_deref();
    if request.allowed_signers.is_some() && folder.is_none() {
        return Err(CommandError::Usage(
            "--allowed-signers checks checkpoints; also name their folder with --checkpoint-dir DIR"
                .to_owned(),
        ));
    }
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(CommandError::Usage(format!("{}: there is no such folder", folder.display())));
    }
    let (allowed_signers, revoked) = (request.allowed_signers.as_deref(), request.revoked_signers.as_deref());
    for file in [allowed_signers, revoked].into_iter().flatten() {
        if !file.is_file() {
            return Err(CommandError::Usage(format!("{}: there is no such file", file.display())));
        }
    }
    let anchors = AnchorCheck { folder, allowed_signers, revoked, now: context.world.clock.timestamp() };
    Ok(audit::refuse_to_certify(&audit.db, &anchors)?)
}
