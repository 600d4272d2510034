//! Whether the schema is the one that decom makes, to the letter.

use rusqlite::Connection;

use super::{Finding, Findings};
use crate::audit::record::{APPLICATION_ID, MERGED_ID, SCHEMA_VERSION, texts, wanted};

/// What the header says that the file is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// A log, of a version that is known here.
    Ours,
    /// Several logs that were merged.
    Merged,
    /// Nothing at all yet.
    Nothing,
    /// Another program's.
    Foreign {
        /// Its application id.
        application_id: i64,
    },
    /// A log of a newer decom.
    Newer {
        /// Its version.
        version: i64,
    },
}

pub(super) fn identity(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<Identity> {
    let read = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    let application_id = read("PRAGMA application_id")?;
    let version = read("PRAGMA user_version")?;
    let tables = read("SELECT count(*) FROM sqlite_schema")?;
    if (application_id, version, tables) == (0, 0, 0) {
        return Ok(Identity::Nothing);
    }
    if ![APPLICATION_ID, MERGED_ID].contains(&application_id) {
        return Ok(Identity::Foreign { application_id });
    }
    if version > SCHEMA_VERSION {
        return Ok(Identity::Newer { version });
    }
    if version < 1 {
        findings.add(Finding::Version { found: version });
    }
    Ok(if application_id == MERGED_ID { Identity::Merged } else { Identity::Ours })
}

/// Compares the schema with that of a log, or of a merged file, that is made now.
pub(super) fn compare(
    connection: &Connection,
    is_merged: bool,
    findings: &mut Findings,
) -> rusqlite::Result<()> {
    let (mut found, wanted) = (texts(connection)?, wanted(is_merged)?);
    for (what, text) in wanted {
        match found.remove(what) {
            None => findings.add(Finding::SchemaMissing { what: what.clone() }),
            Some(other) if other != *text => findings.add(Finding::SchemaAltered { what: what.clone() }),
            Some(_) => {}
        }
    }
    for what in found.into_keys() {
        findings.add(Finding::SchemaAdded { what });
    }
    Ok(())
}
