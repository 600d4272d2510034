//! `decom audit rotate`: closes the log, and begins a new one in its place.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::CommandError;
use super::super::context::{Context, Options, World, quoted};
use super::super::log::log_options;
use super::super::observed::timestamps;
use super::super::output::to_stdout;
use crate::audit::{self, Rotated};
use crate::domain::ExitStatus;
use crate::report::{grouped, visible};

/// What `decom audit rotate` is asked for.
#[derive(Debug, Clone)]
pub struct RotateRequest {
    /// The closed log; if it is not given, beside the log and named after the time of its last record.
    pub out: Option<PathBuf>,
}

/// Closes the log, and reports what the new one does not know.
///
/// # Errors
/// If the log is in use, not finished or not sound, or a file cannot be written.
pub fn rotate(request: &RotateRequest, options: &Options, world: &World) -> Result<ExitStatus, CommandError> {
    let mut context = Context::new(options, world)?;
    context.observers.timestamps = timestamps(&context)?;
    let log = &context.settings.audit.db;
    let rotated = audit::rotate(log, request.out.as_deref(), &log_options(&context)?)?;
    if let Some(timestamps) = &context.observers.timestamps {
        timestamps.finish(false);
    }
    to_stdout(|out| if options.json { as_json(out, &rotated) } else { as_text(out, &rotated, log) })?;
    Ok(ExitStatus::Done)
}

fn as_json(out: &mut dyn Write, rotated: &Rotated) -> io::Result<()> {
    let closed = &rotated.closed;
    let object = json!({
        "closed": {
            "log_id": closed.log_id,
            "path": closed.path.to_string_lossy(),
            "records": closed.records,
            "head": closed.head,
        },
        "successor": rotated.successor,
        "gone": rotated.gone,
        "unknown": rotated.unknown,
    });
    writeln!(out, "{object}")
}

fn as_text(out: &mut dyn Write, rotated: &Rotated, log: &Path) -> io::Result<()> {
    let closed = &rotated.closed;
    let (path, log) = (closed.path.to_string_lossy(), log.to_string_lossy());
    let records = grouped(closed.records.unsigned_abs());
    writeln!(out, "Closed {} as {}, for reading only:", visible(&log), visible(&path))?;
    writeln!(out, "  log id     {}", visible(&closed.log_id))?;
    writeln!(out, "  records    {records}")?;
    writeln!(out, "  last hash  {}", closed.head)?;
    writeln!(out, "\n{} is a new log, {}, that names it.", visible(&log), rotated.successor)?;
    writeln!(out, "\nThe new log does not know")?;
    writeln!(
        out,
        "  {:>9}  datasources that are gone: a list that names one sends it again",
        grouped(rotated.gone)
    )?;
    writeln!(
        out,
        "  {:>9}  targets that ended unknown: \"not found\" will not count as their deletion",
        grouped(rotated.unknown)
    )?;
    let merge = ["decom", "audit", "merge", &path, &log, "--out", "ALL.db"].map(str::to_owned);
    writeln!(out, "\nTo report over both:\n  {}", quoted(&merge))
}
