//! `decom show NAME`: all that the logs hold of one name.

use std::io::{self, Write};
use std::path::PathBuf;

use super::context::{Context, Options, World};
use super::output::{Destination, written};
use super::{CheckpointSigners, CommandError, customer};
use crate::audit::LogSeries;
use crate::domain::{ExitStatus, MissingLog, Place, ResourceKind, Timestamp, differences};
use crate::report::{Format, NameHistory, RunFormat, grouped, visible, write_results_json, write_show};

/// What `decom show` is asked for.
#[derive(Debug, Clone)]
pub struct ShowRequest {
    pub name: String,
    /// Only resources of this kind.
    pub kind: Option<ResourceKind>,
    pub format: RunFormat,
    /// The file; standard output if there is none.
    pub out: Option<PathBuf>,
    /// Replace a file that is there.
    pub force: bool,
    /// When a certificate is issued; now if it is not given.
    pub issued_at: Option<Timestamp>,
    /// Who may sign the checkpoints that a certificate rests on.
    pub signers: CheckpointSigners,
    /// JSON is the list of results alone: the form of `report --datasource`.
    pub results_only: bool,
}

/// Shows what every run did with a name.
///
/// # Errors
/// If a log cannot be read, none of them mentions the name, or the result cannot be written.
pub fn show(request: &ShowRequest, options: &Options, world: &World) -> Result<ExitStatus, CommandError> {
    let context = Context::new(options, world)?;
    let destination = Destination { path: request.out.as_deref(), force: request.force };
    let RunFormat::Plain(format) = request.format else {
        return customer::issue(request, destination, &context);
    };
    let checkpoint = &options.flags.checkpoint;
    for (flag, is_given) in [
        ("--issued-at", request.issued_at.is_some()),
        ("--checkpoint-dir", checkpoint.checkpoint_dir.is_some()),
        ("--signing-key", checkpoint.signing_key.is_some()),
        ("--allowed-signers", request.signers.allowed.is_some()),
    ] {
        if is_given {
            let why = format!("{flag} is for certificates; add --format html, or leave it out");
            return Err(CommandError::Usage(why));
        }
    }
    let series = LogSeries::open(&context.settings.audit.db)?;
    let history = history_of(&series, request)?;
    let mut write = |out: &mut dyn Write| -> io::Result<()> {
        if request.results_only && format == Format::Json {
            write_results_json(out, &history)
        } else {
            write_show(out, format, &history)
        }
    };
    if format == Format::Csv || request.results_only {
        warn_of_missing(&history.missing);
    }
    written(destination, &context.settings.audit.db, Place::Kind(format.beginnings()), &mut write)?;
    Ok(ExitStatus::Done)
}

/// Reads all that the logs hold of the name.
pub(super) fn history_of(series: &LogSeries, request: &ShowRequest) -> Result<NameHistory, CommandError> {
    let (mut accounts, mut logs) = (Vec::new(), Vec::new());
    for reader in series.readers() {
        logs.extend(reader.log_ids()?);
        accounts.extend(reader.accounts_of(request.kind, &request.name)?);
    }
    if accounts.is_empty() {
        return Err(CommandError::Usage(not_there(series, request)?));
    }
    Ok(NameHistory { name: request.name.clone(), accounts, logs, missing: series.missing().to_vec() })
}

/// That no log mentions the name, and which ones that are like it are there.
fn not_there(series: &LogSeries, request: &ShowRequest) -> Result<String, CommandError> {
    let name = &request.name;
    let what = request.kind.map(|kind| format!("the {kind} ")).unwrap_or_default();
    let mut words = format!("no run in this log mentions {what}\"{}\"", visible(name));
    for near in series.near(request.kind, name)? {
        let differences = differences(name, &near);
        let hint = match differences.as_slice() {
            [] => "it is similar".to_owned(),
            [one] => format!("{one} matters"),
            several => format!("they differ in {}", several.join(" and ")),
        };
        let near = format!("; \"{}\" is there ({hint})", visible(&near));
        words.push_str(&near);
    }
    for missing in series.missing() {
        let missing = format!("; the log {} before it was not read: {}", missing.log_id, missing.why);
        words.push_str(&missing);
    }
    Ok(words)
}

/// Says on stderr what a format has no place for.
pub(super) fn warn_of_missing(missing: &[MissingLog]) {
    for log in missing {
        tracing::warn!(
            log_id = log.log_id,
            file = log.file,
            "a log before this one ({} records) was not read: {}; what it holds is not in this report",
            grouped(log.records),
            log.why
        );
    }
}
