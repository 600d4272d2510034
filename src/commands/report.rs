//! `decom runs` and `decom report`: what the audit log tells.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::context::{Context, Shared, World};
use super::{CommandError, certificate};
use crate::audit::{AuditError, AuditReader};
use crate::report::{EachResult, Format, RunFormat, write_history, write_report, write_runs};
use crate::vocabulary::{ExitStatus, Timestamp};

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
    /// One datasource, to be reported over all runs instead.
    pub datasource: Option<String>,
    /// The form of the report.
    pub format: RunFormat,
    /// Where it goes; standard output where there is none.
    pub out: Option<PathBuf>,
    /// When a certificate is issued; now where nothing is said.
    pub issued_at: Option<Timestamp>,
}

/// Lists the runs of the audit log.
///
/// # Errors
/// Where the log cannot be read.
pub fn runs(request: &RunsRequest, shared: &Shared, world: &World) -> Result<ExitStatus, CommandError> {
    let context = Context::new(shared, world)?;
    let reader = AuditReader::open_for_reports(&context.settings.audit.db)?;
    let runs = reader.runs()?;
    to_stdout(|out| write_runs(out, request.format, &runs))?;
    Ok(ExitStatus::Done)
}

/// Reports one run, or one datasource over all runs.
///
/// # Errors
/// Where the log cannot be read or the report cannot be written.
pub fn report(request: &ReportRequest, shared: &Shared, world: &World) -> Result<ExitStatus, CommandError> {
    let context = Context::new(shared, world)?;
    let reader = AuditReader::open_for_reports(&context.settings.audit.db)?;
    let format = match (request.format, &request.datasource) {
        (RunFormat::Plain(format), _) => format,
        (RunFormat::Certificate, None) => return certificate::issue(request, &context, &reader),
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
        written(request.out.as_deref(), log, write)
    };
    if let Some(name) = &request.datasource {
        let entries = reader.history_of(name)?;
        to(reader.path(), &mut |out| write_history(out, format, &entries))?;
        return Ok(ExitStatus::Done);
    }
    let run = reader.run(request.run.as_deref())?;
    let reading = Reading::default();
    let written = to(reader.path(), &mut |out| {
        let results: EachResult<'_> =
            &mut |take| reading.of(reader.each_result(&run.run_id, format.lists(), take));
        write_report(out, format, &run, results)
    });
    reading.and(written).map(|()| ExitStatus::Done)
}

/// Remembers why the log could not be read while a report is written: then that is what went wrong,
/// and not the writing.
#[derive(Debug, Default)]
pub(super) struct Reading(RefCell<Option<AuditError>>);

impl Reading {
    /// The result of reading, as those who write take it.
    pub(super) fn of(&self, read: Result<(), AuditError>) -> io::Result<()> {
        read.map_err(|error| {
            *self.0.borrow_mut() = Some(error);
            io::Error::other("the audit log cannot be read")
        })
    }

    /// How it all went.
    pub(super) fn and(self, written: Result<(), CommandError>) -> Result<(), CommandError> {
        match self.0.into_inner() {
            Some(error) => Err(error.into()),
            None => written,
        }
    }
}

/// Writes to the file at `out`, which must not be a part of `log`, or to standard output.
pub(super) fn written(
    out: Option<&Path>,
    log: &Path,
    write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CommandError> {
    match out {
        None => to_stdout(write),
        Some(path) => to_file(path, log, write),
    }
}

/// Writes to the file at `path`, which must not be a part of `log`: it would be gone.
pub(super) fn to_file(
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
pub(super) fn to_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), CommandError> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
