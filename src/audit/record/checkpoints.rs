//! A folder of checkpoints: the statements that lie in it, and whether those about a log agree with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};

use super::statement::{EXTENSION, LONGEST_FILE};
use super::{Hash, Link, Statement};
use crate::audit::AuditError;
use crate::domain::{hex, read_file};

/// A statement as it lies in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::audit) struct StatementFile {
    pub(in crate::audit) path: PathBuf,
    pub(in crate::audit) text: String,
    pub(in crate::audit) statement: Statement,
}

impl StatementFile {
    /// Reads the file at `path`, or says in words why it holds no statement. A pipe is not waited for.
    pub(in crate::audit) fn read(path: &Path) -> Result<Self, String> {
        let bytes = read_file(path, LONGEST_FILE).map_err(|error| error.to_string())?;
        let text = String::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
        let statement = text.parse().map_err(str::to_owned)?;
        Ok(Self { path: path.to_owned(), text, statement })
    }
}

/// The files in `folder` that should hold statements, in the order of their names.
pub(in crate::audit) fn statement_paths(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The hash of the record `seq`, if there is one.
fn hash_at(connection: &Connection, seq: u64) -> rusqlite::Result<Option<Hash>> {
    let query = "SELECT hash FROM record WHERE seq = ?1";
    let Ok(seq) = i64::try_from(seq) else { return Ok(None) };
    connection.query_row(query, [seq], |row| row.get(0)).optional()
}

/// Holds the log at `path` against the statements about it in `folder`, and returns what the next one names as the one
/// before it. Signatures are not looked at: whoever wrote a statement that does not fit, a person has to look first.
///
/// # Errors
/// If one of them is of more records than there are, or contradicts a record.
pub(in crate::audit) fn hold_against_folder(
    connection: &Connection,
    path: &Path,
    folder: &Path,
) -> Result<Link, AuditError> {
    let failed = |source| AuditError::Sqlite { path: path.to_owned(), action: "read", source };
    let paths = match statement_paths(folder) {
        Ok(paths) => paths,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Link::First),
        Err(source) => {
            return Err(AuditError::Io {
                path: folder.to_owned(),
                action: "read the checkpoints of",
                source,
            });
        }
    };
    let query = "SELECT name, (SELECT max(seq) FROM record) FROM record WHERE seq = 1";
    let log: Option<(String, u64)> =
        connection.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?))).optional().map_err(failed)?;
    let Some((log_id, found)) = log else { return Ok(Link::First) };
    let mut newest: Option<StatementFile> = None;
    for file in paths {
        let read = match StatementFile::read(&file) {
            Ok(read) => read,
            Err(why) => {
                tracing::warn!("{}: this is not a checkpoint: {why}", file.display());
                continue;
            }
        };
        let Statement { records, head, .. } = &read.statement;
        if read.statement.log_id != log_id {
            continue;
        }
        let (path, records) = (path.to_owned(), *records);
        if records > found {
            return Err(AuditError::CheckpointAhead { path, file, records, found });
        }
        if hash_at(connection, records).map_err(failed)?.map(hex).as_ref() != Some(head) {
            return Err(AuditError::CheckpointContradicts { path, file, records });
        }
        if newest.as_ref().is_none_or(|newest| newest.statement.records <= records) {
            newest = Some(read);
        }
    }
    Ok(newest.map_or(Link::First, |newest| Link::after(newest.statement.records, &newest.text)))
}
