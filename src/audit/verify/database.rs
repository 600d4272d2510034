//! Has SQLite check the database: its pages, its rows, and whether each index has the records that it should.

use rusqlite::Connection;

use super::passing::may_pass;
use super::{Finding, Findings};
use crate::audit::record::partial_indexes;

/// SQLite's own check of all pages, rows and indexes.
const EVERYTHING: &str = "PRAGMA integrity_check(20)";

/// The list of free pages by itself. If SQLite meets a view first, which has no page, it takes the check of the
/// whole file for that of one table, and leaves this out.
const FREE_PAGES: &str = "PRAGMA quick_check(sqlite_schema)";

/// Checks the database as a whole; with `is_known`, its tables and indexes are those of decom.
///
/// # Errors
/// If the file cannot be read now, which says nothing of what it holds.
pub(super) fn check(
    connection: &Connection,
    is_known: bool,
    findings: &mut Findings,
) -> rusqlite::Result<()> {
    for pragma in [EVERYTHING, FREE_PAGES] {
        let said = match ask(connection, pragma) {
            Ok(said) => said,
            Err(error) if may_pass(&error) => return Err(error),
            Err(error) => vec![error.to_string()],
        };
        if !said.is_empty() {
            findings.add_all(said.into_iter().map(|why| Finding::Corrupt { why }));
            return Ok(());
        }
    }
    // It looks each record up in each index, and misses an entry too many in a partial one: all of ours are.
    let surplus = if is_known { differing_indexes(connection) } else { Ok(Vec::new()) };
    match surplus {
        Ok(names) => findings.add_all(names.into_iter().map(|name| Finding::Index { name })),
        Err(error) if may_pass(&error) => return Err(error),
        Err(error) => findings.add(Finding::Corrupt { why: error.to_string() }),
    }
    Ok(())
}

fn ask(connection: &Connection, pragma: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(pragma)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    let lines = rows.collect::<rusqlite::Result<Vec<String>>>()?;
    Ok(if lines == ["ok"] { Vec::new() } else { lines })
}

/// The indexes that have another number of entries than there are records for them.
fn differing_indexes(connection: &Connection) -> rusqlite::Result<Vec<&'static str>> {
    let indexes: Vec<_> = partial_indexes().collect();
    let counts: Vec<_> =
        indexes.iter().map(|(_, which)| format!("count(*) FILTER (WHERE {which})")).collect();
    let query = format!("SELECT {} FROM record NOT INDEXED", counts.join(", "));
    let records: Vec<i64> =
        connection.query_row(&query, [], |row| (0..indexes.len()).map(|at| row.get(at)).collect())?;
    let mut entries = connection.prepare("SELECT ncell FROM dbstat WHERE aggregate = 1 AND name = ?1")?;
    let mut differing = Vec::new();
    for ((name, _), records) in indexes.iter().zip(records) {
        if entries.query_row([name], |row| row.get::<_, i64>(0))? != records {
            differing.push(*name);
        }
    }
    Ok(differing)
}
