//! `decom audit export`: the log for other programs, one line for each record or each request.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use super::super::CommandError;
use super::super::context::{Context, Options, World};
use super::super::output::{Destination, written};
use crate::audit::AuditReader;
use crate::domain::{ExitStatus, Place};
use crate::report::ocsf_event;

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// Each record as one line of JSON, with its hash.
    Jsonl,
    /// Each request as an event of the Open Cybersecurity Schema Framework.
    Ocsf,
}

impl ExportFormat {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Ocsf => "ocsf",
        }
    }

    /// What an export in this format begins with.
    const fn beginnings(self) -> &'static [&'static str] {
        match self {
            Self::Jsonl => &["{\"seq\":0"],
            Self::Ocsf => &["{\"activity_id\":0,\"activity_name\":\""],
        }
    }
}

impl FromStr for ExportFormat {
    type Err = UnknownExportFormat;

    fn from_str(text: &str) -> Result<Self, UnknownExportFormat> {
        [Self::Jsonl, Self::Ocsf]
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| UnknownExportFormat { text: text.to_owned() })
    }
}

impl fmt::Display for ExportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that does not name a form of an export.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a format of an export; use jsonl or ocsf")]
pub struct UnknownExportFormat {
    pub text: String,
}

/// What `decom audit export` is asked for.
#[derive(Debug, Clone)]
pub struct ExportRequest {
    /// The run, or the beginning of its id; the whole log if there is none.
    pub run: Option<String>,
    pub format: ExportFormat,
    /// The file; standard output if there is none.
    pub out: Option<PathBuf>,
    /// Replace a file that is there.
    pub force: bool,
}

/// Exports the log, or what belongs to one run of it.
///
/// # Errors
/// If the log cannot be read or the export cannot be written.
pub fn export(request: &ExportRequest, options: &Options, world: &World) -> Result<ExitStatus, CommandError> {
    let context = Context::new(options, world)?;
    let reader = AuditReader::open_for_reports(&context.settings.audit.db)?;
    let run = request.run.as_deref().map(|wanted| reader.run(Some(wanted))).transpose()?;
    let run_id = run.as_ref().map(|run| run.run_id.as_str());
    let mut unreadable = None;
    let destination = Destination { path: request.out.as_deref(), force: request.force };
    let kind = Place::Kind(request.format.beginnings());
    let written = written(destination, reader.path(), kind, &mut |out| {
        let mut done = Ok(());
        let mut put = |line: fmt::Arguments<'_>| {
            done = writeln!(out, "{line}");
            done.is_ok()
        };
        let read = match request.format {
            ExportFormat::Jsonl => reader.each_line(run_id, |line| put(format_args!("{line}"))),
            ExportFormat::Ocsf => {
                reader.each_request(run_id, |by, sent| put(format_args!("{}", ocsf_event(by, sent))))
            }
        };
        if let Err(error) = read {
            unreadable = Some(error);
            return Err(io::Error::other("the audit log cannot be read"));
        }
        done
    });
    match unreadable {
        // Then that is what went wrong, and not the writing.
        Some(error) => Err(error.into()),
        None => written.map(|()| ExitStatus::Done),
    }
}
