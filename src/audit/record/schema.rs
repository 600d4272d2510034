//! What makes a database a log, or a merged file: its marks in the header, and its tables, indexes,
//! triggers and views.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rusqlite::Connection;

/// `decm`, in the database header's application id: tells our files from other SQLite files.
pub(in crate::audit) const APPLICATION_ID: i64 = 0x6465_636d;

/// `decM`: a file that several logs were merged into, which no run may write to.
pub(in crate::audit) const MERGED_ID: i64 = 0x6465_634d;

/// The newest schema version, in the database header's user version.
pub(in crate::audit) const SCHEMA_VERSION: i64 = 1;

/// The tables, indexes, triggers and views.
pub(in crate::audit) const SCHEMA: &str = include_str!("schema.sql");

/// The public views.
const VIEWS: [&str; 4] = ["runs", "results", "attempts", "refused_messages"];

/// Makes the schema of a merged file: that of a log, and each view with the log's id at the end.
pub(in crate::audit) fn make_merged(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(SCHEMA)?;
    connection.execute_batch(include_str!("merged.sql"))?;
    for view in VIEWS {
        let query = "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?1";
        let sql: String = connection.query_row(query, [view], |row| row.get(0))?;
        let inner = sql.replacen(view, &format!("{view}_without_log"), 1);
        connection.execute_batch(&format!(
            "DROP VIEW {view}; {inner};
             CREATE VIEW {view} AS SELECT v.*, (SELECT l.log_id FROM log_of_run l WHERE l.run_id = v.run_id) AS log_id
               FROM {view}_without_log v;"
        ))?;
    }
    connection.pragma_update(None, "application_id", MERGED_ID)?;
    connection.pragma_update(None, "user_version", SCHEMA_VERSION)
}

/// Lets nothing be added any more.
pub(in crate::audit) fn seal(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(include_str!("sealed.sql"))
}

/// Everything that a schema holds: what it is called, and the text that made it.
pub(in crate::audit) type Texts = BTreeMap<String, (String, Option<String>)>;

pub(in crate::audit) fn texts(connection: &Connection) -> rusqlite::Result<Texts> {
    let mut statement = connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema")?;
    let rows = statement.query_map([], |row| {
        let (kind, name): (String, String) = (row.get(0)?, row.get(1)?);
        Ok((format!("{kind} `{name}`"), (row.get(2)?, row.get(3)?)))
    })?;
    rows.collect()
}

/// The schema of a log, or of a merged file, that is made now.
pub(in crate::audit) fn wanted(is_merged: bool) -> rusqlite::Result<&'static Texts> {
    static LOG: OnceLock<Texts> = OnceLock::new();
    static MERGED: OnceLock<Texts> = OnceLock::new();
    let known = if is_merged { &MERGED } else { &LOG };
    if let Some(wanted) = known.get() {
        return Ok(wanted);
    }
    let fresh = Connection::open_in_memory()?;
    if is_merged {
        make_merged(&fresh).and_then(|()| seal(&fresh))?;
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

/// The partial indexes on the table of records: the name of each, and the condition for a record to be in it.
pub(in crate::audit) fn partial_indexes() -> impl Iterator<Item = (&'static str, &'static str)> {
    SCHEMA.split(';').filter_map(|statement| {
        let (_, index) = statement.split_once("INDEX ")?;
        let (name, rest) = index.split_once(" ON record ")?;
        Some((name, rest.split_once(" WHERE ")?.1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_indexes_are_those_that_sqlite_makes_of_the_schema() {
        let log = Connection::open_in_memory().unwrap();
        log.execute_batch(SCHEMA).unwrap();
        let mut statement =
            log.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'index' ORDER BY rowid").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let made: Vec<(String, String)> = rows.map(Result::unwrap).collect();
        let known: Vec<_> = partial_indexes().collect();
        assert_eq!(made.len(), known.len());
        for ((name, sql), (known, which)) in made.iter().zip(known) {
            assert_eq!((name.as_str(), sql.split_once(" WHERE ").unwrap().1), (known, which));
        }
    }
}
