//! Compares what a file's schema holds with what decom makes.

use rusqlite::Connection;

use super::{Finding, Findings};
use crate::audit::record::{texts, wanted};

/// Compares the schema with that of a log, or of a merged file, that is made now. Returns true if all of it is
/// as decom makes it.
pub(super) fn compare(
    connection: &Connection,
    is_merged: bool,
    findings: &mut Findings,
) -> rusqlite::Result<bool> {
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version < 1 {
        findings.add(Finding::Version { found: version });
    }
    let (mut found, wanted) = (texts(connection)?, wanted(is_merged)?);
    let is_known = found == *wanted;
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
    Ok(is_known)
}
