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
pub(in crate::audit) const SCHEMA_VERSION: i64 = 3;

/// The table of records, its indexes and its triggers: the same in every version.
const RECORDS: &str = include_str!("schema.sql");

/// The public views of each version, the oldest first.
const VIEWS_OF_VERSIONS: [&str; 3] = [
    include_str!("views/version_1.sql"),
    include_str!("views/version_2.sql"),
    include_str!("views/version_3.sql"),
];

/// The public views.
const VIEWS: [&str; 4] = ["runs", "results", "attempts", "refused_messages"];

/// Makes the schema of a log.
pub(in crate::audit) fn make_log(connection: &Connection) -> rusqlite::Result<()> {
    make_log_of(connection, SCHEMA_VERSION)
}

fn make_log_of(connection: &Connection, version: i64) -> rusqlite::Result<()> {
    connection.execute_batch(RECORDS)?;
    connection.execute_batch(VIEWS_OF_VERSIONS[place_of(version)])?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", version)
}

/// Replaces the views of a log that an earlier version made. Records stay as they are.
pub(in crate::audit) fn replace_views(connection: &Connection) -> rusqlite::Result<()> {
    for view in VIEWS {
        connection.execute_batch(&format!("DROP VIEW {view}"))?;
    }
    connection.execute_batch(VIEWS_OF_VERSIONS[place_of(SCHEMA_VERSION)])?;
    connection.pragma_update(None, "user_version", SCHEMA_VERSION)
}

/// Shows a file of an earlier version to this connection alone with the views of this one: temporary views hide those
/// that are stored.
pub(in crate::audit) fn show_views(connection: &Connection, is_merged: bool) -> rusqlite::Result<()> {
    if version_of(connection)? >= SCHEMA_VERSION {
        return Ok(());
    }
    for ((kind, _), (_, sql)) in expected(is_merged, SCHEMA_VERSION)? {
        if let Some(sql) = sql.as_ref().filter(|_| kind == "view") {
            connection.execute_batch(&sql.replacen("CREATE VIEW", "CREATE TEMP VIEW", 1))?;
        }
    }
    Ok(())
}

fn version_of(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// The place of a version among all; an unknown one is held against the newest.
fn place_of(version: i64) -> usize {
    let last = VIEWS_OF_VERSIONS.len() - 1;
    usize::try_from(version).ok().and_then(|version| version.checked_sub(1)).unwrap_or(last).min(last)
}

/// Makes the schema of a merged file: that of a log, and each view with the log's id at the end.
pub(in crate::audit) fn make_merged(connection: &Connection) -> rusqlite::Result<()> {
    make_merged_of(connection, SCHEMA_VERSION)
}

fn make_merged_of(connection: &Connection, version: i64) -> rusqlite::Result<()> {
    make_log_of(connection, version)?;
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
    connection.pragma_update(None, "application_id", MERGED_ID)
}

/// Lets nothing be added any more.
pub(in crate::audit) fn seal(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(include_str!("sealed.sql"))
}

/// Everything that a schema holds: its kind and name, the table that it belongs to, and the text that made it.
type Entries = BTreeMap<(String, String), (String, Option<String>)>;

fn entries(connection: &Connection) -> rusqlite::Result<Entries> {
    let mut statement = connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema")?;
    let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?))))?;
    rows.collect()
}

/// The schema of a log, or of a merged file, as decom makes it in this version of the schema.
fn expected(is_merged: bool, version: i64) -> rusqlite::Result<&'static Entries> {
    static LOGS: [OnceLock<Entries>; VIEWS_OF_VERSIONS.len()] =
        [const { OnceLock::new() }; VIEWS_OF_VERSIONS.len()];
    static MERGED: [OnceLock<Entries>; VIEWS_OF_VERSIONS.len()] =
        [const { OnceLock::new() }; VIEWS_OF_VERSIONS.len()];
    let known = &(if is_merged { &MERGED } else { &LOGS })[place_of(version)];
    if let Some(expected) = known.get() {
        return Ok(expected);
    }
    let fresh = Connection::open_in_memory()?;
    if is_merged {
        make_merged_of(&fresh, version).and_then(|()| seal(&fresh))?;
    } else {
        make_log_of(&fresh, version)?;
    }
    let made = entries(&fresh)?;
    Ok(known.get_or_init(|| made))
}

/// How the schema of a file differs from the one that decom makes. Each entry is named by its kind and its name.
#[derive(Debug, Default)]
pub(in crate::audit) struct SchemaDifferences {
    pub(in crate::audit) missing: Vec<String>,
    pub(in crate::audit) altered: Vec<String>,
    pub(in crate::audit) added: Vec<String>,
    /// Tables of other programs, such as the statistics of `ANALYZE`: they touch no record.
    pub(in crate::audit) foreign: Vec<String>,
}

impl SchemaDifferences {
    /// Compares the schema of `connection` with that of a log, or of a merged file, of the same version.
    pub(in crate::audit) fn of(connection: &Connection, is_merged: bool) -> rusqlite::Result<Self> {
        let expected = expected(is_merged, version_of(connection)?)?;
        let mut found = entries(connection)?;
        let mut differences = Self::default();
        // A text that is stored in another encoding is converted whenever it is read.
        let encoding: String = connection.query_row("PRAGMA encoding", [], |row| row.get(0))?;
        if encoding != "UTF-8" {
            differences.altered.push(format!("text encoding `{encoding}`"));
        }
        for (key, made) in expected {
            match found.remove(key) {
                None => differences.missing.push(in_words(key)),
                Some(other) if other != *made => differences.altered.push(in_words(key)),
                Some(_) => {}
            }
        }
        for ((kind, name), (table, _)) in found {
            let is_foreign = match kind.as_str() {
                "table" => true,
                "index" => !expected.contains_key(&("table".to_owned(), table)),
                // They can read or write any table.
                _ => false,
            };
            let list = if is_foreign { &mut differences.foreign } else { &mut differences.added };
            // An index belongs to its table, which is named.
            if !is_foreign || kind == "table" {
                list.push(in_words(&(kind, name)));
            }
        }
        Ok(differences)
    }

    /// Returns true if everything of decom's is there, and nothing else touches it.
    pub(in crate::audit) fn is_sound(&self) -> bool {
        self.missing.is_empty() && self.altered.is_empty() && self.added.is_empty()
    }
}

fn in_words((kind, name): &(String, String)) -> String {
    format!("{kind} `{name}`")
}

/// The partial indexes on the table of records: the name of each, and the condition for a record to be in it.
pub(in crate::audit) fn partial_indexes() -> impl Iterator<Item = (&'static str, &'static str)> {
    RECORDS.split(';').filter_map(|statement| {
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
        make_log(&log).unwrap();
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
