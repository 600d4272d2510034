//! `decom runs` and `decom report`: what the audit log tells.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use super::CommandError;
use super::context::{Context, Shared, World};
use crate::audit::AuditReader;
use crate::report::{EachResult, Format, write_report, write_runs};
use crate::vocabulary::ExitStatus;

/// What `decom runs` is asked for.
#[derive(Debug, Clone)]
pub struct RunsRequest {
    /// The form of the list.
    pub format: Format,
}

/// What `decom report` is asked for.
#[derive(Debug, Clone)]
pub struct ReportRequest {
    /// The run, or the beginning of its id; the newest where there is none.
    pub run: Option<String>,
    /// The form of the report.
    pub format: Format,
    /// Where it goes; standard output where there is none.
    pub out: Option<PathBuf>,
}

/// Lists the runs of the audit log.
///
/// # Errors
/// Where the log cannot be read.
pub fn runs(request: &RunsRequest, shared: &Shared, world: &World) -> Result<ExitStatus, CommandError> {
    let context = Context::new(shared, world)?;
    let reader = AuditReader::open(&context.settings.audit.db)?;
    let runs = reader.runs()?;
    to_stdout(|out| write_runs(out, request.format, &runs))?;
    Ok(ExitStatus::Done)
}

/// Reports one run.
///
/// # Errors
/// Where the log cannot be read or the report cannot be written.
pub fn report(request: &ReportRequest, shared: &Shared, world: &World) -> Result<ExitStatus, CommandError> {
    let context = Context::new(shared, world)?;
    let reader = AuditReader::open(&context.settings.audit.db)?;
    let run = reader.run(request.run.as_deref())?;
    let write = |out: &mut dyn Write| {
        let results: EachResult<'_> = &mut |take| {
            reader.each_result(&run.run_id, request.format.lists(), take).map_err(io::Error::other)
        };
        write_report(out, request.format, &run, results)
    };
    match &request.out {
        None => to_stdout(write)?,
        Some(path) => {
            let failed = |source| CommandError::Output { path: path.clone(), source };
            let mut out = BufWriter::new(File::create(path).map_err(failed)?);
            write(&mut out).and_then(|()| out.flush()).map_err(failed)?;
        }
    }
    Ok(ExitStatus::Done)
}

/// Writes to standard output. A reader that has seen enough, such as `head`, is no error.
fn to_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), CommandError> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
