//! What a log says of the one before it and of the one after it, for logs that are closed and continued in a new file.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use super::super::AuditError;

/// What the first record of a log says of the log that was closed before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::audit) struct Predecessor {
    pub(in crate::audit) log_id: String,
    pub(in crate::audit) records: i64,
    pub(in crate::audit) head: String,
    /// Where it was put.
    pub(in crate::audit) file: String,
}

#[derive(Deserialize)]
struct Genesis {
    predecessor: Option<Predecessor>,
}

impl Predecessor {
    /// What the log says of the one before it; `None` where it is the first.
    pub(in crate::audit) fn of(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let detail: Option<String> = connection
            .query_row("SELECT detail FROM record WHERE seq = 1", [], |row| row.get(0))
            .optional()?
            .flatten();
        Ok(detail.and_then(|detail| Self::named_in(&detail)))
    }

    /// What the `detail` of a log's first record says of the log before it.
    pub(in crate::audit) fn named_in(detail: &str) -> Option<Self> {
        serde_json::from_str::<Genesis>(detail).ok()?.predecessor
    }
}

/// Refuses a log that was closed: nothing is added to it.
pub(in crate::audit) fn refuse_closed(connection: &Connection, path: &Path) -> Result<(), AuditError> {
    let failed = |source| AuditError::Sqlite { path: path.to_owned(), action: "read", source };
    // A database that its maker has not filled yet has no table.
    let made = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'record')";
    if !connection.query_row(made, [], |row| row.get(0)).map_err(failed)? {
        return Ok(());
    }
    let last: Option<(String, Option<String>)> = connection
        .query_row("SELECT kind, name FROM record ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .map_err(failed)?;
    match last {
        Some((kind, successor)) if kind == "close" => {
            Err(AuditError::ClosedForGood { path: path.to_owned(), successor: successor.unwrap_or_default() })
        }
        _ => Ok(()),
    }
}
