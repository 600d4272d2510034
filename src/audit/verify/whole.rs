//! The file as a whole: whether SQLite finds its pages in order, and whether the indexes hold what the
//! records say.

use rusqlite::Connection;

use super::chain::Part;
use super::indexes::{self, Found, Key, Sums};
use super::source::Source;
use super::{Finding, Findings, First};

/// What SQLite says of a file: nothing, where it is in order.
type Said = rusqlite::Result<Vec<String>>;

/// A file, of which the records are read elsewhere.
pub(super) struct Whole<'a> {
    pub(super) source: &'a Source,
    pub(super) look: Look,
    /// Whether all of it is known to be in order.
    is_in_order: bool,
    /// What is known of it so far.
    pub(super) seen: Option<Seen>,
    /// The entries that the indexes should have of the records.
    entries: Sums,
    /// Whether some records could not be read.
    is_unread: bool,
}

/// How a file is looked at.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) key: Key,
    /// The last record.
    pub(super) last: i64,
    pub(super) is_merged: bool,
    /// Whether the tables and indexes are those that are known here.
    pub(super) is_known: bool,
}

/// What was seen of a file.
pub(super) struct Seen {
    pub(super) pages: Said,
    pub(super) indexes: rusqlite::Result<Found>,
}

impl Look {
    /// How the file of these logs is looked at.
    pub(super) fn of(logs: &[First], is_merged: bool, is_known: bool) -> Self {
        let last = logs.last().map_or(0, |log| log.shift.saturating_add(log.last));
        Self { key: Key::default(), last, is_merged, is_known }
    }

    /// Has SQLite check every page, and the rows of every table.
    pub(super) fn pages(&self, connection: &Connection) -> Said {
        if !self.is_known {
            return everything(connection);
        }
        let mut said = ask(connection, "PRAGMA quick_check(20)")?;
        said.extend(ask(connection, FREE_PAGES)?);
        if self.is_merged {
            // This table is small, and its index is none of those that are read here.
            said.extend(ask(connection, "PRAGMA integrity_check(log)")?);
        }
        Ok(said)
    }

    /// Reads every index.
    pub(super) fn indexes(&self, connection: &Connection) -> rusqlite::Result<Found> {
        if self.is_known { indexes::read(connection, &self.key, self.last) } else { Ok(Found::default()) }
    }
}

impl<'a> Whole<'a> {
    pub(super) fn new(source: &'a Source, look: Look, is_in_order: bool) -> Self {
        Self { source, look, is_in_order, seen: None, entries: Sums::default(), is_unread: false }
    }

    /// Takes what is to be known of some records.
    pub(super) fn add(&mut self, part: &Part) {
        self.entries.add(part.entries);
    }

    /// Some records could not be read.
    pub(super) fn miss(&mut self, error: &rusqlite::Error, findings: &mut Findings) {
        self.is_unread = true;
        findings.add(Finding::Corrupt { why: error.to_string() });
    }

    /// All records were read: whether all of it fits together.
    pub(super) fn close(self, findings: &mut Findings) {
        if self.is_in_order {
            return;
        }
        let Some(Seen { pages, indexes }) = self.seen else {
            let why = "it could not be checked as a whole".to_owned();
            return findings.add(Finding::Corrupt { why });
        };
        let differing: Vec<_> = match &indexes {
            Ok(found) if self.look.is_known => found.differ_from(&self.entries).collect(),
            _ => Vec::new(),
        };
        let is_sound = pages.as_ref().is_ok_and(Vec::is_empty);
        if is_sound && indexes.is_ok() && differing.is_empty() {
            return;
        }
        // What was found so far says that something is wrong. SQLite's slow check says of which records.
        let slow = if self.look.is_known {
            self.source.connect().and_then(|it| everything(&it))
        } else {
            Ok(Vec::new())
        };
        let mut said = slow.unwrap_or_else(|error| vec![error.to_string()]);
        if said.is_empty() {
            said = pages.unwrap_or_else(|error| vec![error.to_string()]);
        }
        if said.is_empty()
            && let Err(error) = indexes
        {
            said.push(error.to_string());
        }
        for why in said {
            findings.add(Finding::Corrupt { why });
        }
        if is_sound && !self.is_unread {
            for name in differing {
                findings.add(Finding::Index { name });
            }
        }
    }
}

/// Has SQLite check every page, every row, and each record against each index.
fn everything(connection: &Connection) -> Said {
    let mut said = ask(connection, "PRAGMA integrity_check(20)")?;
    if said.is_empty() {
        said = ask(connection, FREE_PAGES)?;
    }
    Ok(said)
}

/// Asks for the list of free pages by itself. A view has no page; where SQLite happens to meet one first, it
/// takes the check of the whole file for that of one table, and leaves this out.
const FREE_PAGES: &str = "PRAGMA quick_check(sqlite_schema)";

fn ask(connection: &Connection, pragma: &str) -> Said {
    let mut statement = connection.prepare(pragma)?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let lines = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(if lines == ["ok"] { Vec::new() } else { lines })
}
