//! Compares the schema of a file with the one that decom makes.

use rusqlite::Connection;

use super::{Finding, Findings};
use crate::audit::record::SchemaDifferences;

/// Compares the schema with that of a log, or of a merged file. Returns true if it is sound.
pub(super) fn compare(
    connection: &Connection,
    is_merged: bool,
    findings: &mut Findings,
) -> rusqlite::Result<bool> {
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version < 1 {
        findings.add(Finding::Version { found: version });
    }
    let differences = SchemaDifferences::of(connection, is_merged)?;
    let is_sound = differences.is_sound();
    let SchemaDifferences { missing, altered, added, foreign } = differences;
    findings.add_all(missing.into_iter().map(|what| Finding::SchemaMissing { what }));
    findings.add_all(altered.into_iter().map(|what| Finding::SchemaAltered { what }));
    findings.add_all(added.into_iter().map(|what| Finding::SchemaAdded { what }));
    findings.add_all(foreign.into_iter().map(|what| Finding::NotCovered { what }));
    Ok(is_sound)
}
