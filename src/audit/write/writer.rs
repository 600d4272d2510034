//! The one writer: a thread that owns the connection and shares each commit among all who wait.
//!
//! It takes what lies in its inbox, writes it in one transaction, commits once, and only then tells
//! those who wait that their record is durable. Once a write has failed, no attempt may start any
//! more (the log fails closed); what did happen is still recorded wherever that is possible.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use super::appender::{Appender, ROWS};
use super::entry::Entry;
use super::identity::Identity;
use super::inbox::{Batch, Command, Gathering, Inbox};
use super::journal::fold;
use super::keeper::Keeper;
use super::relay::Relays;
use super::settled::Settled;
use crate::audit::AuditError;
use crate::audit::record::{Hash, Head, Record, rehash};
use crate::domain::{Seq, Timestamp};

/// More than this never shares one commit, so that nobody waits for long.
const LARGEST_BATCH: usize = 1024;

pub(in crate::audit) struct Writer {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    pub(super) head: Head,
    pub(super) settled: Settled,
    pub(super) clock_tolerance: Duration,
    /// What a commit that would be a small one waits for: no more than one may hold.
    pub(super) gathering: Gathering,
    pub(super) failure: Option<Arc<AuditError>>,
    /// Until when what did happen is tried to be recorded nevertheless.
    pub(super) rescue_until: Option<Instant>,
    /// The ways to those who wait.
    pub(super) relays: Relays,
    /// Makes the head known outside of the log; there once the log's id is known.
    pub(super) keeper: Option<Keeper>,
}

impl Writer {
    /// Finds the end of the chain, and checks that it holds there.
    pub(in crate::audit) fn find_head(
        connection: &Connection,
        path: &std::path::Path,
    ) -> Result<Head, AuditError> {
        let failed = |source| AuditError::Sqlite { path: path.to_owned(), action: "read", source };
        let mut statement =
            connection.prepare("SELECT * FROM record ORDER BY seq DESC LIMIT 1").map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let Some(last) = rows.next().map_err(failed)? else { return Ok(Head::empty()) };
        let (seq, at_us): (i64, i64) = (last.get(0).map_err(failed)?, last.get(2).map_err(failed)?);
        let hash: Hash = last.get(19).map_err(failed)?;
        drop(rows);
        let previous = if seq == 1 {
            crate::audit::record::BEFORE_THE_FIRST
        } else {
            connection
                .query_row("SELECT hash FROM record WHERE seq = ?1", [seq - 1], |row| row.get(0))
                .map_err(failed)?
        };
        let recomputed = connection
            .query_row("SELECT * FROM record WHERE seq = ?1", [seq], |row| rehash(&previous, row))
            .map_err(failed)?;
        if recomputed != hash {
            return Err(AuditError::BrokenChain { path: path.to_owned(), seq });
        }
        Ok(Head { seq, at_us, hash })
    }

    /// Begins the log where it is new, and makes its head known outside of it. The log's id.
    pub(super) fn make_ready(&mut self, options: &super::LogOptions) -> Result<String, AuditError> {
        if self.head.seq == 0 {
            self.begin_log(options)?;
        }
        let id = self.log_id()?;
        self.keeper = Some(Keeper::begin(&id, options.checkpoints.clone(), &self.head, options.at)?);
        Ok(id)
    }

    /// Writes the first record of a new log.
    fn begin_log(&mut self, options: &super::LogOptions) -> Result<(), AuditError> {
        let detail = serde_json::json!({
            "format": 1,
            "tool_version": options.tool_version,
            "sqlite_version": rusqlite::version(),
        });
        let entry =
            Entry::Log { at: options.at, log_id: options.new_log_id.clone(), detail: detail.to_string() };
        let at_us = not_before(options.at, self.head.at_us, self.clock_tolerance)?;
        self.transact(|head, append| entry.with_record(|record| append(head, record, at_us, 0)).map(drop))
    }

    /// The log's random id, from its first record.
    fn log_id(&self) -> Result<String, AuditError> {
        let id = self.connection.query_row("SELECT name FROM record WHERE seq = 1", [], |row| row.get(0));
        id.map_err(|source| AuditError::Sqlite { path: self.path.clone(), action: "read", source })
    }

    /// Serves `inbox` until everybody who can write is gone, then folds the log into one file.
    pub(super) fn serve(mut self, mut inbox: Inbox) {
        while let Some(command) = inbox.next() {
            match command {
                Command::Append(entry, waiter) => {
                    let mut batch = Batch::with_capacity(self.gathering.records);
                    batch.push((entry, waiter));
                    self.write(batch, &mut inbox);
                }
                Command::Begin(opening, targets, waiter) => {
                    let begun = self.begin(&opening, targets);
                    self.relays.tell(std::iter::once((waiter, begun)));
                }
                Command::Flush(waiter) => {
                    let flushed = self.failure.clone().map_or(Ok(Seq(self.head.seq)), Err);
                    self.relays.tell(std::iter::once((waiter, flushed)));
                }
                Command::Relay(place, relay) => self.relays.add(place, relay),
                Command::Gather(Gathering { records, time }) => {
                    self.gathering = Gathering { records: records.min(LARGEST_BATCH), time };
                }
                Command::Call(call) => call(),
            }
        }
        self.close();
    }

    /// Writes `batch`, and what lies in `inbox` or arrives there while it is being written.
    fn write(&mut self, mut batch: Batch, inbox: &mut Inbox) {
        if self.failure.is_none() {
            match self.commit(&mut batch, inbox) {
                Ok(first) => {
                    // SQLite does not notice that its file was taken away: what it has just called
                    // durable is so only where the name still leads there.
                    if let Err(error) = self.identity.check() {
                        self.fail(error);
                    }
                    let milestone = batch.iter().any(|(entry, _)| entry.is_milestone());
                    self.relays.tell((first..).zip(batch).map(|(seq, (entry, waiter))| {
                        let may_leave = self.failure.is_none() || !matches!(entry, Entry::AttemptStart(..));
                        (waiter, if may_leave { Ok(Seq(seq)) } else { Err(self.refusal()) })
                    }));
                    self.keep(milestone);
                    return;
                }
                Err(error) => self.fail(error),
            }
        }
        inbox.take_records(&mut batch, LARGEST_BATCH);
        let (starts, facts): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|(entry, _)| matches!(entry, Entry::AttemptStart(..)));
        self.refuse(starts);
        self.rescue(facts);
    }

    /// Makes the head known outside of the log, now that it is durable.
    pub(super) fn keep(&mut self, milestone: bool) {
        if let Some(keeper) = &mut self.keeper
            && self.failure.is_none()
        {
            keeper.committed(&self.head, milestone);
        }
    }

    /// Writes `batch` in one transaction, with what is gathered from `inbox` meanwhile. The place of the first of
    /// them, once all are durable.
    fn commit(&mut self, batch: &mut Batch, inbox: &mut Inbox) -> Result<i64, AuditError> {
        let Gathering { records, time } = self.gathering;
        let until = Instant::now() + time;
        // Half of them are written while the others come: what is left to do then is what everybody waits for.
        let mut sizes = [records / 2, records].into_iter();
        let mut wanted = None;
        self.append(batch, self.clock_tolerance, |batch| {
            if let Some(size) = wanted {
                inbox.wait_for(size - batch.len(), until);
            }
            let open = inbox.take_records(batch, LARGEST_BATCH);
            wanted = sizes.find(|size| open && batch.len() < *size && Instant::now() < until);
            wanted.is_some()
        })
    }

    /// Writes `batch` in one transaction. `gather` adds to it what has come, and tells whether more is waited for.
    /// The place of the first of them.
    pub(super) fn append(
        &mut self,
        batch: &mut Batch,
        tolerance: Duration,
        mut gather: impl FnMut(&mut Batch) -> bool,
    ) -> Result<i64, AuditError> {
        let head = self.head.clone();
        let first = head.seq + 1;
        let result = self.transact(|head, append| {
            let mut written = 0;
            loop {
                let more = gather(batch);
                // What fills no statement waits for what comes.
                let now = if more { batch.len() - batch.len() % ROWS } else { batch.len() };
                for (at, (entry, _)) in batch.iter().enumerate().take(now).skip(written) {
                    let at_us = not_before(entry.at(), head.at_us, tolerance)?;
                    entry.with_record(|record| append(head, record, at_us, now - at - 1))?;
                }
                written = now;
                if !more {
                    return Ok(());
                }
            }
        });
        if result.is_err() {
            self.head = head;
        }
        result.map(|()| first)
    }

    fn transact(
        &mut self,
        write: impl FnOnce(
            &mut Head,
            &mut dyn FnMut(&mut Head, &Record<'_>, i64, usize) -> Result<i64, AuditError>,
        ) -> Result<(), AuditError>,
    ) -> Result<(), AuditError> {
        let path = self.path.clone();
        let failed = |source| AuditError::Sqlite { path: path.clone(), action: "write to", source };
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let written =
            Appender::new(&transaction, &mut self.settled).map_err(failed).and_then(|mut appender| {
                write(&mut self.head, &mut |head, record, at_us, following| {
                    appender.append(head, record, at_us, following).map_err(failed)
                })
            });
        let durable = written.and_then(|()| transaction.commit().map_err(failed));
        match durable {
            Ok(()) => self.settled.keep(),
            Err(_) => self.settled.undo(),
        }
        durable
    }

    /// Folds the write-ahead log in and leaves a single file, which can be copied and opened from a
    /// read-only folder. Where somebody is reading just now, the next one to close does it.
    pub(super) fn close(self) {
        if self.identity.check().is_ok() {
            fold(&self.connection);
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "the audit log did not close cleanly");
        }
    }
}

/// Records are in order of time. Small steps back (threads that finish at once, a clock being
/// slewed) are levelled; a jump back is an error, as it would make the log tell a false story.
pub(in crate::audit) fn not_before(
    at: Timestamp,
    last_us: i64,
    tolerance: Duration,
) -> Result<i64, AuditError> {
    let at_us = at.as_micros();
    let behind = last_us.saturating_sub(at_us);
    if i128::from(behind) > i128::try_from(tolerance.as_micros()).unwrap_or(i128::MAX) {
        return Err(AuditError::ClockWentBack { by_seconds: behind / 1_000_000 });
    }
    Ok(at_us.max(last_us))
}
