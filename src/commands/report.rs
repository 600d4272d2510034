//! `decom runs` and `decom report`: what the audit log says.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::anchored::{CheckpointSigners, verified};
use super::context::{Context, Options, World};
use super::output::{Destination, ReadError, to_stdout, written};
use super::show::{ShowRequest, show};
use super::{CommandError, PeriodRequest, certificate, period};
use crate::audit::AuditReader;
use crate::domain::{ExitStatus, Place, ResourceKind, Timestamp};
use crate::report::{EachResult, Format, RunFormat, write_report, write_runs};

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
    /// All of a period, instead of a run.
    pub period: Option<PeriodRequest>,
    /// The file; standard output if there is none.
    pub out: Option<PathBuf>,
    /// Replace a file that is there.
    pub force: bool,
    /// When a certificate is issued; now if it is not given.
    pub issued_at: Option<Timestamp>,
    /// Who may sign the checkpoints that a certificate rests on.
    pub signers: CheckpointSigners,
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
    if let Some(name) = &request.datasource {
        return show_datasource(name, request, options, world);
    }
    let context = Context::new(options, world)?;
    if let Some(wanted) = &request.period {
        return period::issue(wanted, request, &context);
    }
    let verified = match request.format {
        RunFormat::Certificate => verified(&context.settings.audit.db, &request.signers, &context)?,
        RunFormat::Plain(_) => Vec::new(),
    };
    let reader = AuditReader::open_for_reports(&context.settings.audit.db)?;
    let destination = Destination { path: request.out.as_deref(), force: request.force };
    let RunFormat::Plain(format) = request.format else {
        let (wanted, out) = (request.run.as_deref(), destination);
        return certificate::issue(wanted, out, request.issued_at, &context, (&reader, &verified));
    };
    if request.issued_at.is_some() {
        return Err(CommandError::Usage(
            "--issued-at is for certificates; add --format html, or leave it out".to_owned(),
        ));
    }
    let to = |log: &Path, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>| {
        written(destination, log, Place::Kind(format.beginnings()), write)
    };
    let checkpoint = &options.flags.checkpoint;
    for (flag, is_given) in [
        ("--checkpoint-dir", checkpoint.checkpoint_dir.is_some()),
        ("--signing-key", checkpoint.signing_key.is_some()),
        ("--allowed-signers", request.signers.allowed.is_some()),
    ] {
        if is_given {
            let why = format!("{flag} is for certificates; add --format html, or leave it out");
            return Err(CommandError::Usage(why));
        }
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

/// What `report --datasource` was before there was `decom show`.
fn show_datasource(
    name: &str,
    request: &ReportRequest,
    options: &Options,
    world: &World,
) -> Result<ExitStatus, CommandError> {
    let request = ShowRequest {
        name: name.to_owned(),
        kind: Some(ResourceKind::Datasource),
        format: request.format,
        out: request.out.clone(),
        force: request.force,
        issued_at: request.issued_at,
        signers: request.signers.clone(),
        results_only: true,
    };
    show(&request, options, world)
}
