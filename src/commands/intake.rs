//! Reads the input into a list of targets.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::CommandError;
use super::context::quoted;
use crate::domain::{NewTarget, TargetRole, Token};
use crate::input::{CsvOptions, CsvReader, Input, InputFacts, Row};
use crate::plan::{SavedPlan, Shard, Targets, TargetsBuilder};
use crate::report::{grouped, visible};

/// What the names are read from, and how.
#[derive(Debug, Clone)]
pub struct InputRequest {
    pub input: Input,
    pub csv: CsvOptions,
}

/// A list of targets, and its source.
pub(super) struct Intake {
    pub(super) targets: Targets,
    pub(super) label: String,
    pub(super) sha256: Option<String>,
    pub(super) rows: u64,
}

/// Reads all of the input, each name once, of which this process takes `shard`, or all. What is not kept in
/// memory goes to a file in `folder`, or in the system's folder for temporary files if that one cannot be written.
pub(super) fn read(
    request: &InputRequest,
    folder: &Path,
    shard: Option<Shard>,
    token: Option<&Token>,
) -> Result<Intake, CommandError> {
    read_names(request, folder, shard, token).map_err(|error| match (&request.input, error) {
        // The likeliest reason why a file is no list of names.
        (Input::File(path), CommandError::Input(_)) if SavedPlan::read(path).is_ok() => {
            let (plan, path) = (path.display(), path.display().to_string());
            let command = quoted(&["decom", "run", "--plan", &path].map(str::to_owned));
            CommandError::Usage(format!("{plan} is a saved plan, not a list of names; use: {command}"))
        }
        (_, error) => error,
    })
}

/// Refuses a row that holds the service token: it would be recorded, and stay in the log for good.
fn refuse_token(token: &Token, row: &Row) -> Result<(), CommandError> {
    let texts = [&row.reason, &row.ticket, &row.request.customer].map(Option::as_deref);
    let cells = [Some(row.name.as_str())].into_iter().chain(texts);
    if cells.flatten().any(|cell| token.is_in(cell)) {
        let line = row.line;
        return Err(CommandError::Usage(format!(
            "the input holds the service token in line {line}; remove it there, and use another token, as this one was written down"
        )));
    }
    Ok(())
}

fn read_names(
    request: &InputRequest,
    folder: &Path,
    shard: Option<Shard>,
    token: Option<&Token>,
) -> Result<Intake, CommandError> {
    if request.input == Input::Stdin && io::stdin().is_terminal() {
        writeln!(
            io::stderr(),
            "Reading names from the terminal, one a line after a header; end with Ctrl-D."
        )?;
    }
    let mut reader = CsvReader::open(&request.input, &request.csv)?;
    let mut builder = TargetsBuilder::new(spool_folder(folder), shard);
    let mut last = None;
    for row in &mut reader {
        let row = row?;
        if let Some(token) = token {
            refuse_token(token, &row)?;
        }
        last = Some(row.name.clone());
        builder.add(&NewTarget {
            name: row.name,
            role: TargetRole::Datasource,
            reason: row.reason,
            ticket: row.ticket,
            request: row.request,
            skip: None,
        })?;
    }
    let InputFacts { label, sha256, rows, empty_rows, is_open_ended, .. } = reader.finish()?;
    if let Some(last) = last.filter(|_| is_open_ended && request.input.is_piped()) {
        tracing::warn!(
            "{label} ends without a line break; check that the last name, `{}`, was not cut off",
            visible(last.as_str())
        );
    }
    if empty_rows > 0 {
        tracing::warn!(
            "{label}: skipped {} of nothing but separators",
            if empty_rows == 1 { "1 row".to_owned() } else { format!("{} rows", grouped(empty_rows)) }
        );
    }
    let targets = builder.finish();
    let facts = targets.facts();
    if facts.repeated > 0 {
        tracing::info!(
            rows,
            distinct = facts.count,
            "{} a datasource that an earlier row names; each is one target",
            if facts.repeated == 1 {
                "1 row names".to_owned()
            } else {
                format!("{} rows name", grouped(facts.repeated))
            }
        );
    }
    if facts.with_outer_space > 0 {
        tracing::warn!(
            "{} with a space; kept as written{}",
            if facts.with_outer_space == 1 {
                "1 name begins or ends".to_owned()
            } else {
                format!("{} names begin or end", grouped(facts.with_outer_space))
            },
            facts
                .first_with_outer_space
                .as_ref()
                .map_or_else(String::new, |name| format!(", the first is \"{}\"", visible(name.as_str())))
        );
    }
    Ok(Intake { targets, label, sha256: Some(sha256), rows })
}

/// The folder that a file is in.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A folder for temporary files.
pub(super) fn spool_folder(preferred: &Path) -> PathBuf {
    if tempfile::tempfile_in(preferred).is_ok() { preferred.to_owned() } else { std::env::temp_dir() }
}
