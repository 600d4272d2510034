//! Whether the schema is the one that decom makes, to the letter.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rusqlite::Connection;

use super::super::file::{APPLICATION_ID, MERGED_ID, SCHEMA, SCHEMA_VERSION};
use super::super::merge;
use super::{Finding, Findings};

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

/// Everything that a schema holds: what it is called, and the text that made it.
type Texts = BTreeMap<String, (String, Option<String>)>;

fn texts(connection: &Connection) -> rusqlite::Result<Texts> {
    let mut statement = connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema")?;
    let rows = statement.query_map([], |row| {
        let (kind, name): (String, String) = (row.get(0)?, row.get(1)?);
        Ok((format!("{kind} `{name}`"), (row.get(2)?, row.get(3)?)))
    })?;
    rows.collect()
}

/// The schema of a log, or of a merged file, that is made now.
fn wanted(is_merged: bool) -> rusqlite::Result<&'static Texts> {
    static LOG: OnceLock<Texts> = OnceLock::new();
    static MERGED: OnceLock<Texts> = OnceLock::new();
    let known = if is_merged { &MERGED } else { &LOG };
    if let Some(wanted) = known.get() {
        return Ok(wanted);
    }
    let fresh = Connection::open_in_memory()?;
    if is_merged {
        merge::make(&fresh).and_then(|()| merge::seal(&fresh))?;
    } else {
        fresh.execute_batch(SCHEMA)?;
    }
    let made = texts(&fresh)?;
    Ok(known.get_or_init(|| made))
}

/// Whether the schema is that of a log that is made now.
pub(in crate::audit) fn is_ours(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(texts(connection)? == *wanted(false)?)
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

/// Has SQLite check the whole file: every page, every index, every constraint.
pub(super) fn check_integrity(connection: &Connection, findings: &mut Findings) {
    let said = connection.prepare("PRAGMA integrity_check(20)").and_then(|mut statement| {
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    });
    match said {
        Ok(lines) if lines == ["ok"] => {}
        Ok(lines) => {
            for why in lines {
                findings.add(Finding::Corrupt { why });
            }
        }
        Err(error) => findings.add(Finding::Corrupt { why: error.to_string() }),
    }
}
