//! Opens a log, or a merged file, for reading.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::audit::AuditError;
use crate::audit::record::{BUSY_TIMEOUT, Content, Schema, refuse_other_things, schema_of, show_views};

/// Opens an existing file for reading only. A log that was killed before it began is not there yet.
pub(super) fn open_for_reading(path: &Path) -> Result<(Connection, Content), AuditError> {
    if !path.exists() {
        return Err(AuditError::Missing { path: path.to_owned() });
    }
    refuse_other_things(path)?;
    let failed = |source| AuditError::Sqlite { path: path.to_owned(), action: "open", source };
    let open = |access| {
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        let schema = schema_of(&connection, path)?;
        Ok((connection, schema))
    };
    let (connection, schema) = match open(OpenFlags::SQLITE_OPEN_READ_ONLY) {
        // A decom that was killed while it began or folded the log left a rollback journal, which
        // must be played back before anything can be read.
        Err(AuditError::Sqlite { source, .. }) if source.sqlite_error_code() == Some(ErrorCode::ReadOnly) => {
            drop(open(OpenFlags::SQLITE_OPEN_READ_WRITE)?);
            open(OpenFlags::SQLITE_OPEN_READ_ONLY)?
        }
        other => other?,
    };
    let content = match schema {
        Schema::Ours => Content::Log,
        Schema::Merged => Content::Merged,
        Schema::NotYet => return Err(AuditError::Missing { path: path.to_owned() }),
    };
    show_views(&connection, content == Content::Merged).map_err(failed)?;
    Ok((connection, content))
}
