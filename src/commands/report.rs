//! `decom runs` and `decom report`: what the audit log tells.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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
    let mut unreadable = None;
    let write = |out: &mut dyn Write| {
        let results: EachResult<'_> = &mut |take| {
            reader.each_result(&run.run_id, request.format.lists(), take).map_err(|error| {
                unreadable = Some(error);
                io::Error::other("the audit log cannot be read")
            })
        };
        write_report(out, request.format, &run, results)
    };
    let written = match &request.out {
        None => to_stdout(write),
        Some(path) => to_file(path, reader.path(), write),
    };
    match unreadable {
        // Then that is what went wrong, and not the writing.
        Some(error) => Err(error.into()),
        None => written.map(|()| ExitStatus::Done),
    }
}

/// Writes to the file at `path`, which must not be a part of `log`: it would be gone.
fn to_file(
    path: &Path,
    log: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CommandError> {
    let place = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let part = |suffix| {
        let mut part = log.as_os_str().to_owned();
        part.push(suffix);
        PathBuf::from(part)
    };
    let there = place(path);
    if there.is_some() && ["", "-wal", "-shm", ".lock"].into_iter().any(|it| place(&part(it)) == there) {
        let path = path.display();
        return Err(CommandError::Usage(format!(
            "{path}: this is the audit log; name another file with --out"
        )));
    }
    let failed = |source| CommandError::Output { path: path.to_owned(), source };
    let mut out = BufWriter::new(File::create(path).map_err(failed)?);
    write(&mut out).and_then(|()| out.flush()).map_err(failed)
}

/// Writes to standard output. A reader that has seen enough, such as `head`, is no error.
fn to_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), CommandError> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
