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
    missing.into_iter().for_each(|what| findings.add(Finding::SchemaMissing { what }));
    altered.into_iter().for_each(|what| findings.add(Finding::SchemaAltered { what }));
    added.into_iter().for_each(|what| findings.add(Finding::SchemaAdded { what }));
    foreign.into_iter().for_each(|what| findings.add(Finding::NotCovered { what }));
    Ok(is_sound)
}
