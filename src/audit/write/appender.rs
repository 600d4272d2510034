//! Writes records behind one another, many with one statement where many come together.
//!
//! The log's triggers hold back every other program, and every other connection of this one. Here they are
//! switched off, as they cost a fifth of each record; what they refuse cannot be said here. The one statement
//! neither updates nor deletes nor replaces, SQLite itself puts each record behind the last one, and a second
//! outcome of a target is looked for.

use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, ErrorCode, ffi};

use super::settled::Settled;
use crate::audit::record::{APPEND, APPENDED, Head, Record};

/// How many records one statement writes, where so many come together.
pub(super) const ROWS: usize = 16;

/// Lets `connection` append without the triggers of the log, which know no place that SQLite gives by itself.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).map(drop)
}

/// Appends one record to the chain that ends with `head`, in a transaction of its own.
pub(in crate::audit) fn append_one(
    connection: &mut Connection,
    head: &mut Head,
    record: &Record<'_>,
    at_us: i64,
) -> rusqlite::Result<()> {
    prepare(connection)?;
    let transaction = connection.transaction()?;
    Appender::new(&transaction, &mut Settled::default())?.append(head, record, at_us, 0)?;
    transaction.commit()
}

/// Appends records within one transaction.
pub(super) struct Appender<'c> {
    connection: &'c Connection,
    one: CachedStatement<'c>,
    many: CachedStatement<'c>,
    /// Looks for the outcome of a target.
    outcome: CachedStatement<'c>,
    settled: &'c mut Settled,
    buffer: Vec<u8>,
    /// How many rows of `many` are bound; it is executed when all are.
    bound: usize,
}

impl<'c> Appender<'c> {
    /// Appends to what `connection` is connected to, which was [`prepare`]d for that.
    pub(super) fn new(connection: &'c Connection, settled: &'c mut Settled) -> rusqlite::Result<Self> {
        let row = &APPEND[APPEND.rfind('(').unwrap_or(0)..];
        let many = format!("{APPEND}{}", format!(",{row}").repeat(ROWS - 1));
        Ok(Self {
            connection,
            one: connection.prepare_cached(APPEND)?,
            many: connection.prepare_cached(&many)?,
            outcome: connection
                .prepare_cached("SELECT 1 FROM record WHERE target = ?1 AND outcome IS NOT NULL LIMIT 1")?,
            settled,
            buffer: Vec::with_capacity(512),
            bound: 0,
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
        if let (Some(target), Some(_)) = (record.target, record.outcome)
            && !self.settled.settle(target, ROWS, || self.outcome.exists([target]))?
        {
            return Err(settled_twice(target));
        }
        let grouped = self.bound > 0 || following + 1 >= ROWS;
        let statement = if grouped { &mut self.many } else { &mut self.one };
        let place = head.chain(record, at_us, &mut self.buffer);
        record.bind(statement, self.bound * APPENDED, &place, at_us)?;
        if grouped {
            self.bound += 1;
        }
        if !grouped || self.bound == ROWS {
            statement.raw_execute()?;
            self.bound = 0;
            check_place(self.connection, place.0)?;
        }
        Ok(place.0)
    }
}

/// Checks that the record that `connection` wrote last has the place `chained`, with which it was chained.
///
/// # Errors
/// Where somebody else has written before it: nothing of the transaction may be committed then.
pub(super) fn check_place(connection: &Connection, chained: i64) -> rusqlite::Result<()> {
    let found = connection.last_insert_rowid();
    if found == chained {
        return Ok(());
    }
    Err(refused(format!(
        "a record went to place {found} and not to {chained}: something else writes to this log"
    )))
}

fn settled_twice(target: i64) -> rusqlite::Error {
    refused(format!("target {target} has exactly one outcome, and is settled already"))
}

fn refused(why: String) -> rusqlite::Error {
    let error = ffi::Error { code: ErrorCode::ConstraintViolation, extended_code: ffi::SQLITE_CONSTRAINT };
    rusqlite::Error::SqliteFailure(error, Some(why))
}

#[cfg(test)]
mod tests {
    use super::super::open::migrate;
    use super::*;
    use crate::audit::record::{BEFORE_THE_FIRST, COLUMNS, Hash, Kind, rehash};

    fn log() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        prepare(&connection).unwrap();
        connection
    }

    fn append_all(connection: &Connection, records: &[Record<'_>]) -> rusqlite::Result<()> {
        append_knowing(&mut Settled::default(), connection, records)
    }

    fn append_knowing(
        settled: &mut Settled,
        connection: &Connection,
        records: &[Record<'_>],
    ) -> rusqlite::Result<()> {
        let (mut head, mut appender) = (Head::empty(), Appender::new(connection, settled)?);
        for (at, record) in records.iter().enumerate() {
            let seq = appender.append(&mut head, record, 7, records.len() - at - 1)?;
            assert_eq!(seq, i64::try_from(at + 1).unwrap());
        }
        Ok(())
    }

    fn settles(target: i64) -> Record<'static> {
        Record { target: Some(target), outcome: Some("deleted"), ..Record::of(Kind::Answer) }
    }

    #[test]
    fn any_number_of_records_is_one_chain() {
        for count in 0..3 * ROWS + 2 {
            let connection = log();
            let records: Vec<_> = (0..count).map(|at| settles(i64::try_from(at).unwrap())).collect();
            append_all(&connection, &records).unwrap();
            let mut statement = connection.prepare("SELECT * FROM record ORDER BY seq").unwrap();
            let (mut rows, mut previous, mut found) = (statement.query([]).unwrap(), BEFORE_THE_FIRST, 0);
            while let Some(row) = rows.next().unwrap() {
                let hash: Hash = row.get(COLUMNS - 1).unwrap();
                assert_eq!(rehash(&previous, row).unwrap(), hash, "record {found} of {count}");
                (previous, found) = (hash, found + 1);
            }
            assert_eq!(found, count);
        }
    }

    #[test]
    fn a_target_is_settled_once_whichever_way_its_records_are_written() {
        for apart in [1, 2, ROWS - 1, ROWS, 2 * ROWS] {
            let connection = log();
            connection.execute_batch("BEGIN").unwrap();
            let mut records: Vec<_> = (0..3 * ROWS).map(|at| settles(i64::try_from(at).unwrap())).collect();
            records[apart] = records[0];
            let mut known = Settled::none_from(0);
            known.know_to(i64::try_from(3 * ROWS).unwrap());
            for mut settled in [Settled::default(), known] {
                let error = append_knowing(&mut settled, &connection, &records).unwrap_err();
                assert_eq!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::ConstraintViolation),
                    "{apart}: {error}"
                );
                connection.execute_batch("ROLLBACK; BEGIN").unwrap();
            }
        }
    }

    #[test]
    fn a_statement_that_fails_undoes_all_of_its_transaction() {
        let connection = log();
        connection.execute_batch("BEGIN").unwrap();
        let run = Record { name: Some("one"), ..Record::of(Kind::Run) };
        // Two runs of one id.
        append_all(&connection, &[settles(1), run, run]).unwrap_err();
        assert!(connection.is_autocommit());
        let records: i64 = connection.query_row("SELECT count(*) FROM record", [], |row| row.get(0)).unwrap();
        assert_eq!(records, 0);
    }

    #[test]
    fn a_record_that_does_not_come_to_its_place_is_an_error() {
        for count in [1, ROWS] {
            let connection = log();
            append_all(&connection, &[Record::of(Kind::Send)]).unwrap();
            // The head that this begins with knows nothing of it.
            let error = append_all(&connection, &vec![Record::of(Kind::Send); count]).unwrap_err();
            assert!(error.to_string().contains(&format!("not to {count}")), "{error}");
        }
    }

    #[test]
    fn whoever_else_opens_the_log_meets_its_triggers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        let mut ours = Connection::open(&path).unwrap();
        migrate(&mut ours).unwrap();
        prepare(&ours).unwrap();
        append_all(&ours, &[Record::of(Kind::Send), Record::of(Kind::Send)]).unwrap();
        let other = Connection::open(&path).unwrap();
        for statement in [
            "UPDATE record SET target = 3 WHERE seq = 1",
            "DELETE FROM record WHERE seq = 2",
            "INSERT OR REPLACE INTO record SELECT * FROM record WHERE seq = 2",
        ] {
            let error = other.execute(statement, []).unwrap_err();
            assert!(error.to_string().contains("append-only"), "{statement}: {error}");
        }
    }
}
