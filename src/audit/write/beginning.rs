//! How a run begins: it and all its targets become durable in one transaction, or none of it does.
//!
//! This is what whoever starts a run of a million names waits for, so it goes a way of its own: the
//! targets are read and chained on a thread beside the one that inserts them, several go into one
//! statement, where most of the log is made here, the index by name is filled at the end, and what begins a
//! new log is written straight into its file.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::{io, thread};

use rusqlite::{Connection, Statement, TransactionBehavior};

use super::WriteResult;
use super::appender::check_place;
use super::entry::RunOpening;
use super::inbox::NewTargets;
use super::journal::{write_ahead, write_straight};
use super::settled::Settled;
use super::writer::{Writer, not_before};
use crate::audit::AuditError;
use crate::audit::record::{APPEND, Hash, Head, Kind, Record};
use crate::domain::{NewTarget, Outcome, Seq, SkipReason};

/// How many targets are handed from the one thread to the other at once, and how often ahead.
const HANDED_OVER: usize = 256;
const AHEAD: usize = 4;

/// How many targets one statement inserts; more than this gains nothing.
const TOGETHER: usize = 16;

/// Fewer targets than this never let an index be filled anew, and never go straight into the log's file.
const MANY: usize = 10_000;

/// An index is filled anew where the log has no more than so many records for each new target:
/// all of them have to be read for that.
const OLD_FOR_EACH_NEW: usize = 8;

/// More targets than this are never written straight into the log's file: nobody else can read it for as long as
/// that takes, and others wait for 5 seconds at the most.
const MOST_STRAIGHT: usize = 1_000_000;

/// The index that is filled anew. In it, and in no other, targets in any order but that of their names
/// end up all over the place.
const BY_NAME: &str = "record_datasource";

/// What the write-ahead log may hold, in pages, before it is moved to the database; and how much more where
/// all targets of a run have just been written to it, so that the first request need not wait for that.
const MOVED_AT: u32 = 4000;
const MOVED_AT_MOST_AT: u64 = 60_000;

/// The bytes that a page takes in the write-ahead log.
const FRAME: u64 = 4096 + 24;

impl Writer {
    /// Appends a run and all its targets, all or nothing.
    pub(super) fn begin(&mut self, opening: &RunOpening, targets: NewTargets) -> WriteResult {
        if self.failure.is_some() {
            return Err(self.refusal());
        }
        match self.make_beginning(opening, targets) {
            Ok(run) => {
                self.keep(true);
                Ok(Seq(run))
            }
            Err(error) => {
                let error = Arc::new(error);
                self.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The run's place, once all of it is durable.
    fn make_beginning(&mut self, opening: &RunOpening, targets: NewTargets) -> Result<i64, AuditError> {
        let straight = self.goes_straight(&targets)?;
        let written = self.write_beginning(opening, targets, straight);
        // Where the log was taken away meanwhile, that says more than what SQLite makes of it.
        let (run, head, settled) =
            written.map_err(|error| self.identity.check_log().err().unwrap_or(error))?;
        // Durable, wherever the name leads now: what follows goes behind it.
        self.head = head;
        self.settled = settled;
        if straight {
            // First, as SQLite then makes files beside whatever has its name.
            self.identity.check_log()?;
            write_ahead(&self.connection, &self.path)?;
            self.identity.renew()?;
        }
        self.identity.check().map(|()| run)
    }

    /// Whether these targets go straight into the log's file, which is ready for that then.
    fn goes_straight(&self, targets: &NewTargets) -> Result<bool, AuditError> {
        let count = targets.size_hint().1.unwrap_or(0);
        if self.head.seq != 1 || !(MANY..=MOST_STRAIGHT).contains(&count) {
            return Ok(false);
        }
        // SQLite takes the files beside the log away, by their names and whatever has them by now.
        self.identity.check()?;
        write_straight(&self.connection, &self.path)
    }

    /// The run's place, the log's new head and which of the targets are settled, once all of it is durable.
    fn write_beginning(
        &mut self,
        opening: &RunOpening,
        targets: NewTargets,
        straight: bool,
    ) -> Result<(i64, Head, Settled), AuditError> {
        let path = self.path.clone();
        let failed = |source| AuditError::Sqlite { path: path.clone(), action: "write to", source };
        let at_us = not_before(opening.at, self.head.at_us, self.clock_tolerance)?;
        let old = usize::try_from(self.head.seq).unwrap_or(usize::MAX);
        let expected = targets.size_hint().1.unwrap_or(0);
        let fill_anew = expected >= MANY && old / OLD_FOR_EACH_NEW <= expected;
        self.connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(failed)?;
        // Whoever began to read before some of it is in the file would be in the way of the rest.
        let behavior = if straight { TransactionBehavior::Exclusive } else { TransactionBehavior::Immediate };
        let transaction = self.connection.transaction_with_behavior(behavior).map_err(failed)?;
        let index = if fill_anew { Some(drop_index(&transaction).map_err(failed)?) } else { None };
        let mut head = self.head.clone();
        let run = {
            let mut statement = transaction.prepare_cached(APPEND).map_err(failed)?;
            opening
                .with_record(|record| {
                    let place = head.chain(record, at_us, &mut Vec::new());
                    record.bind(&mut statement, 0, &place, at_us)?;
                    statement.raw_execute()?;
                    check_place(&transaction, place.0).map(|()| place.0)
                })
                .map_err(failed)?
        };
        let (sender, ready) = sync_channel(AHEAD);
        let chain = Chain { head, run, at_us };
        thread::Builder::new()
            .name("targets".to_owned())
            .spawn(move || chain.all(targets, &sender))
            .map_err(|source| AuditError::Targets { source })?;
        let mut rows = Rows::new(&transaction, run, at_us).map_err(failed)?;
        let head = loop {
            match ready.recv() {
                Ok(Part::Some(chained)) => {
                    for one in chained {
                        rows.append(&one).map_err(failed)?;
                    }
                }
                Ok(Part::End(head)) => break head,
                Ok(Part::Unread(source)) => return Err(AuditError::Targets { source }),
                // It says how it ends, unless it panicked.
                Err(_) => return Err(AuditError::Closed),
            }
        };
        let settled = rows.end(head.seq).map_err(failed)?;
        if let Some(sql) = index {
            make_index(&transaction, &sql).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        let pages = self.pages_ahead() + u64::from(MOVED_AT);
        let moved_at = if pages > MOVED_AT_MOST_AT { u64::from(MOVED_AT) } else { pages };
        if let Err(error) = self.connection.pragma_update(None, "wal_autocheckpoint", moved_at) {
            // All is durable; the write-ahead log grows until the log is closed.
            tracing::warn!(%error, "the write-ahead log is not moved to the audit log during this run");
        }
        Ok((run, head, settled))
    }

    /// How many pages the write-ahead log has room for.
    fn pages_ahead(&self) -> u64 {
        let path = self.connection.path().map(|path| format!("{path}-wal"));
        path.and_then(|path| std::fs::metadata(path).ok()).map_or(0, |found| found.len() / FRAME)
    }
}

/// Takes the index by name out, within the transaction, and returns what makes it again.
fn drop_index(transaction: &Connection) -> rusqlite::Result<String> {
    let query = "SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?1";
    let sql = transaction.query_row(query, [BY_NAME], |row| row.get(0))?;
    transaction.execute_batch(&format!("DROP INDEX {BY_NAME}"))?;
    Ok(sql)
}

/// Makes the index again: sorted, and written once from its beginning to its end. What is sorted goes
/// to a temporary file where there can be one, and otherwise stays in memory.
fn make_index(transaction: &Connection, sql: &str) -> rusqlite::Result<()> {
    let made = transaction.execute_batch(sql);
    if made.is_ok() || transaction.is_autocommit() {
        return made;
    }
    transaction.pragma_update(None, "temp_store", "MEMORY")?;
    transaction.execute_batch(sql)?;
    transaction.pragma_update(None, "temp_store", "DEFAULT")
}

/// What the thread that reads the targets hands over.
enum Part {
    /// The next targets.
    Some(Vec<Chained>),
    /// These were all; the head behind them.
    End(Head),
    /// They could not be read.
    Unread(io::Error),
}

/// A target and its place in the chain, and where it is skipped, those of the record that says so.
struct Chained {
    number: i64,
    target: NewTarget,
    place: (i64, Hash),
    skipped: Option<(i64, Hash)>,
}

/// Gives each target its place in the chain.
struct Chain {
    head: Head,
    run: i64,
    at_us: i64,
}

impl Chain {
    fn all(mut self, targets: NewTargets, sender: &SyncSender<Part>) {
        let mut buffer = Vec::with_capacity(512);
        let mut some = Vec::with_capacity(HANDED_OVER);
        for (number, target) in (1_i64..).zip(targets) {
            let target = match target {
                Ok(target) => target,
                Err(error) => return drop(sender.send(Part::Unread(error))),
            };
            let record = Record {
                run: Some(self.run),
                number: Some(number),
                name: Some(target.name.as_str()),
                reason: target.reason.as_deref(),
                ticket: target.ticket.as_deref(),
                ..Record::of(Kind::Target)
            };
            let place = self.head.chain(&record, self.at_us, &mut buffer);
            let skipped = target.skip.as_ref().map(|(reason, message)| {
                let record = skipped(self.run, place.0, *reason, message);
                self.head.chain(&record, self.at_us, &mut buffer)
            });
            some.push(Chained { number, target, place, skipped });
            if some.len() == HANDED_OVER {
                let full = std::mem::replace(&mut some, Vec::with_capacity(HANDED_OVER));
                // Nobody takes any more where the log could not be written.
                if sender.send(Part::Some(full)).is_err() {
                    return;
                }
            }
        }
        let _ = sender.send(Part::Some(some));
        let _ = sender.send(Part::End(self.head));
    }
}

/// Targets on their way into the log.
struct Rows<'c> {
    connection: &'c Connection,
    run: i64,
    at_us: i64,
    targets: Statement<'c>,
    /// How many targets are bound and not inserted yet, and the place of the last of them.
    bound: usize,
    last: i64,
    /// Inserts one record of any kind.
    one: Statement<'c>,
    /// Those that are skipped.
    settled: Settled,
}

impl<'c> Rows<'c> {
    /// The parameters of [`Rows::targets`]: those that all rows share, and those of each.
    const SHARED: usize = 2;
    const OWN: usize = 5;

    fn new(connection: &'c Connection, run: i64, at_us: i64) -> rusqlite::Result<Self> {
        let own = |row: usize| {
            let [number, name, reason, ticket, hash] =
                std::array::from_fn(|own| Self::SHARED + row * Self::OWN + own + 1);
            format!("(?{number},'target',?1,?2,?{name},?{reason},?{ticket},?{hash})")
        };
        let all = (0..TOGETHER).map(own).collect::<Vec<_>>().join(",");
        let mut targets = connection.prepare(&format!(
            "INSERT OR ROLLBACK INTO record (number, kind, at_us, run, name, reason, ticket, hash)
             SELECT * FROM (VALUES {all}) WHERE column1 IS NOT NULL"
        ))?;
        targets.raw_bind_parameter(1, at_us)?;
        targets.raw_bind_parameter(2, run)?;
        let one = connection.prepare(APPEND)?;
        let settled = Settled::none_from(run);
        Ok(Self { connection, run, at_us, targets, bound: 0, last: run, one, settled })
    }

    fn append(&mut self, one: &Chained) -> rusqlite::Result<()> {
        let Chained { number, target, place: (seq, hash), skipped: settled } = one;
        let first = Self::SHARED + self.bound * Self::OWN + 1;
        self.targets.raw_bind_parameter(first, number)?;
        self.targets.raw_bind_parameter(first + 1, target.name.as_str())?;
        self.targets.raw_bind_parameter(first + 2, target.reason.as_deref())?;
        self.targets.raw_bind_parameter(first + 3, target.ticket.as_deref())?;
        self.targets.raw_bind_parameter(first + 4, &hash[..])?;
        self.bound += 1;
        self.last = *seq;
        if self.bound == TOGETHER {
            self.insert()?;
        }
        if let (Some((reason, message)), Some(place)) = (&target.skip, settled) {
            self.finish()?;
            let record = skipped(self.run, *seq, *reason, message);
            record.bind(&mut self.one, 0, place, self.at_us)?;
            self.one.raw_execute()?;
            check_place(self.connection, place.0)?;
            self.settled.add(*seq);
        }
        Ok(())
    }

    /// Inserts the last of them. Which are settled, of all up to the place `last`.
    fn end(mut self, last: i64) -> rusqlite::Result<Settled> {
        self.finish()?;
        self.settled.know_to(last);
        Ok(self.settled)
    }

    /// Inserts what is bound. A row without a number is none.
    fn finish(&mut self) -> rusqlite::Result<()> {
        if self.bound == 0 {
            return Ok(());
        }
        for row in self.bound..TOGETHER {
            self.targets.raw_bind_parameter(Self::SHARED + row * Self::OWN + 1, None::<i64>)?;
        }
        self.insert()
    }

    fn insert(&mut self) -> rusqlite::Result<()> {
        self.bound = 0;
        self.targets.raw_execute()?;
        check_place(self.connection, self.last)
    }
}

fn skipped(run: i64, target: i64, reason: SkipReason, message: &str) -> Record<'_> {
    Record {
        run: Some(run),
        target: Some(target),
        outcome: Some(Outcome::Skipped.as_str()),
        evidence: Some(reason.evidence().as_str()),
        message: Some(message),
        detail: Some(reason.as_str()),
        ..Record::of(Kind::Settle)
    }
}
