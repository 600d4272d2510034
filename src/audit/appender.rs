//! Writes records behind one another, many with one statement where many come together.
//!
//! The log's triggers hold back every other program, and every other connection of this one. Here they are
//! switched off, as they cost a fifth of each record; what they refuse cannot be said here. The one statement
//! neither updates nor deletes nor replaces, each record goes behind the last one, and a second outcome of a
//! target is looked for.

use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, ErrorCode, ffi};

use super::record::{COLUMNS, Head, INSERT, Record};

/// How many records one statement writes, where so many come together.
const ROWS: usize = 16;

/// Lets `connection` append without the triggers of the log.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).map(drop)
}

/// Appends records within one transaction.
pub(super) struct Appender<'c> {
    one: CachedStatement<'c>,
    many: CachedStatement<'c>,
    settled: CachedStatement<'c>,
    buffer: Vec<u8>,
    /// How many rows of `many` are bound; it is executed when all are.
    bound: usize,
    /// The targets that those settle.
    settles: Vec<i64>,
}

impl<'c> Appender<'c> {
    pub(super) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        let row = INSERT.rsplit_once("VALUES").map_or(INSERT, |(_, row)| row);
        let row = row.replace(|c: char| c.is_ascii_digit(), "");
        let many = format!("INSERT INTO record VALUES {}", vec![row.as_str(); ROWS].join(","));
        Ok(Self {
            one: connection.prepare_cached(INSERT)?,
            many: connection.prepare_cached(&many)?,
            settled: connection
                .prepare_cached("SELECT 1 FROM record WHERE target = ?1 AND outcome IS NOT NULL LIMIT 1")?,
            buffer: Vec::with_capacity(512),
            bound: 0,
            settles: Vec::new(),
        })
    }

    /// Appends `record` to the chain that ends with `head`, and moves on to it. `following`: how many records
    /// are certain to follow it in this transaction.
    ///
    /// # Errors
    /// Where it cannot be written, or would settle a target for a second time: nothing of the transaction may
    /// be committed then.
    pub(super) fn append(
        &mut self,
        head: &mut Head,
        record: &Record<'_>,
        at_us: i64,
        following: usize,
    ) -> rusqlite::Result<i64> {
        if let (Some(target), Some(_)) = (record.target, record.outcome) {
            if self.settles.contains(&target) || self.settled.exists([target])? {
                return Err(settled_twice(target));
            }
            self.settles.push(target);
        }
        let grouped = self.bound > 0 || following + 1 >= ROWS;
        let statement = if grouped { &mut self.many } else { &mut self.one };
        let seq = head.bind(statement, self.bound * COLUMNS, &mut self.buffer, record, at_us)?;
        if grouped {
            self.bound += 1;
        }
        if !grouped || self.bound == ROWS {
            statement.raw_execute()?;
            self.bound = 0;
            self.settles.clear();
        }
        Ok(seq)
    }
}

fn settled_twice(target: i64) -> rusqlite::Error {
    let error = ffi::Error { code: ErrorCode::ConstraintViolation, extended_code: ffi::SQLITE_CONSTRAINT };
    let said = format!("target {target} has exactly one outcome, and is settled already");
    rusqlite::Error::SqliteFailure(error, Some(said))
}
