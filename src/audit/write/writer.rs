//! The one writer: a thread that owns the connection and shares each commit among all who wait.
//!
//! It takes what lies in its channel, writes it in one transaction, commits once, and only then answers those who wait
//! and publishes what is durable. After a write has failed, no attempt may start any more (the log fails closed); what
//! did happen is still recorded if that is possible at all.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::fact::{Fact, RunOpening};
use super::head_publisher::HeadPublisher;
use super::log_files::LogFiles;
use super::open::fold;
use super::{LogOptions, NewTargets, WriteResult};
use crate::audit::AuditError;
use crate::audit::record::{APPEND, Head, not_before};
use crate::domain::Seq;

/// More facts than this never share one commit, so that no one waits for long.
const LARGEST_BATCH: usize = 1024;

/// Answers the one who waits for a record, once it is durable or cannot become so.
pub(super) type Ack = oneshot::Sender<WriteResult>;

/// What the writer is asked for.
pub(super) enum Command {
    Append(Fact, Option<Ack>),
    /// Append a run and all its targets, all or nothing.
    Begin(Box<RunOpening>, NewTargets, Ack),
    /// Answer once everything before is written, or cannot be.
    Flush(Ack),
    /// From now on, publish there what is durable.
    Publish(UnboundedSender<Commit>),
}

/// What became durable with one commit, in the order of the log.
#[derive(Debug)]
pub enum Commit {
    Facts(Vec<Fact>),
    /// The log cannot be written; nothing more may be sent.
    Failed(Arc<AuditError>),
}

/// Facts that become durable together, each with the one who waits for it.
pub(super) type Batch = Vec<(Fact, Option<Ack>)>;

pub(in crate::audit) struct Writer {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) files: LogFiles,
    pub(super) head: Head,
    pub(super) clock_tolerance: Duration,
    pub(super) failure: Option<Arc<AuditError>>,
    /// Until when recording what did happen is tried after a failure.
    pub(super) rescue_until: Option<Instant>,
    pub(super) subscriber: Option<UnboundedSender<Commit>>,
    /// `None` until the log's id is known.
    pub(super) head_publisher: Option<HeadPublisher>,
}

impl Writer {
    /// Begins the log if it is new, and publishes its end. Returns the log's id.
    pub(super) fn make_ready(&mut self, options: &LogOptions) -> Result<String, AuditError> {
        if self.head.seq == 0 {
            let detail = serde_json::json!({
                "format": 1,
                "tool_version": options.tool_version,
                "sqlite_version": rusqlite::version(),
            });
            let (at, log_id) = (options.at, options.new_log_id.clone());
            let first = Fact::Log { at, log_id, detail: detail.to_string() };
            self.append(&[(first, None)], self.clock_tolerance)?;
        }
        let id: String = self
            .connection
            .query_row("SELECT name FROM record WHERE seq = 1", [], |row| row.get(0))
            .map_err(|source| AuditError::Sqlite { path: self.path.clone(), action: "read", source })?;
        let log = (&self.connection, self.path.as_path());
        let publisher = HeadPublisher::begin(&id, options.checkpoints.clone(), log, &self.head, options.at)?;
        self.head_publisher = Some(publisher);
        Ok(id)
    }

    /// Serves `commands` until every sender is gone, then folds the log into one file.
    pub(super) fn serve(mut self, commands: &Receiver<Command>) {
        let mut next = commands.recv().ok();
        while let Some(command) = next.take() {
            match command {
                Command::Append(fact, ack) => {
                    let mut batch = vec![(fact, ack)];
                    while batch.len() < LARGEST_BATCH {
                        match commands.try_recv() {
                            Ok(Command::Append(fact, ack)) => batch.push((fact, ack)),
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.write(batch);
                }
                Command::Begin(opening, targets, ack) => answer(Some(ack), self.begin(&opening, targets)),
                Command::Flush(ack) => {
                    answer(Some(ack), self.failure.clone().map_or(Ok(Seq(self.head.seq)), Err));
                }
                Command::Publish(subscriber) => self.subscriber = Some(subscriber),
            }
            if next.is_none() {
                next = commands.recv().ok();
            }
        }
        self.close();
    }

    /// Writes `batch`, or, after a failure, what of it did happen.
    fn write(&mut self, batch: Batch) {
        let written = if let Some(failure) = &self.failure {
            Err(failure.clone())
        } else {
            let appended = self.check_lengths().and_then(|()| self.append(&batch, self.clock_tolerance));
            appended.map_err(|error| self.fail(error))
        };
        let Ok(first) = written else {
            let (starts, facts) =
                batch.into_iter().partition(|(fact, _)| matches!(fact, Fact::AttemptStart(..)));
            self.refuse(starts);
            return self.rescue(facts);
        };
        // SQLite does not notice that its file was taken away: what it has just called durable is so only if the name
        // still leads there.
        if let Err(error) = self.files.check() {
            self.fail(error);
        }
        let milestone = batch.iter().any(|(fact, _)| fact.is_milestone());
        self.publish(first, batch);
        self.publish_head(milestone);
    }

    /// Publishes facts that are durable, the first of them in place `first`, and answers those who wait. In a log that
    /// has failed meanwhile no attempt may leave.
    pub(super) fn publish(&self, first: i64, batch: Batch) {
        let mut facts = Vec::with_capacity(batch.len());
        let mut acks = Vec::with_capacity(batch.len());
        for (seq, (fact, ack)) in (first..).zip(batch) {
            let may_not_leave = self.failure.is_some() && matches!(fact, Fact::AttemptStart(..));
            acks.extend(ack.map(|ack| (ack, if may_not_leave { Err(self.refusal()) } else { Ok(Seq(seq)) })));
            if !may_not_leave {
                facts.push(fact);
            }
        }
        self.notify(Commit::Facts(facts));
        for (ack, result) in acks {
            answer(Some(ack), result);
        }
    }

    pub(super) fn notify(&self, commit: Commit) {
        if let Some(subscriber) = &self.subscriber {
            // A run that is over listens no longer.
            let _ = subscriber.send(commit);
        }
    }

    /// Publishes the end of the log, now that it is durable.
    pub(super) fn publish_head(&mut self, milestone: bool) {
        if let Some(publisher) = &mut self.head_publisher
            && self.failure.is_none()
        {
            publisher.committed(&self.head, milestone);
        }
    }

    /// Writes `batch` in one transaction. Returns the place of the first, once all are durable.
    pub(super) fn append(
        &mut self,
        batch: &[(Fact, Option<Ack>)],
        tolerance: Duration,
    ) -> Result<i64, AuditError> {
        let failed = |source| AuditError::Sqlite { path: self.path.clone(), action: "write to", source };
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let (mut head, mut buffer) = (self.head.clone(), Vec::with_capacity(512));
        {
            let mut append = transaction.prepare_cached(APPEND).map_err(failed)?;
            for (fact, _) in batch {
                let at_us = not_before(fact.at(), head.at_us, tolerance)?;
                fact.with_record(|record| record.append(&mut append, &mut head, at_us, &mut buffer))
                    .map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)?;
        let first = self.head.seq + 1;
        self.head = head;
        Ok(first)
    }

    /// Checks that no part of the log's files is gone. Another program may empty the write-ahead log with a checkpoint
    /// of its own, which SQLite knows of.
    fn check_lengths(&self) -> Result<(), AuditError> {
        self.files.check_lengths().or_else(|error| match bytes_in_wal(&self.connection) {
            Ok(bytes) => self.files.accept_emptied(bytes),
            Err(_) => Err(error),
        })
    }

    /// Folds the write-ahead log in and leaves a single file, which can be copied and opened from a read-only folder. If
    /// another process is reading just now, the next one to close does it.
    pub(super) fn close(self) {
        if self.check_lengths().is_err() {
            // What is missing in the write-ahead log must not be moved into the log.
            let kept = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            if let Err(error) = kept {
                tracing::warn!(%error, "the write-ahead log could not be kept apart");
            }
        } else if self.files.check().is_ok() {
            fold(&self.connection);
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "the audit log did not close cleanly");
        }
    }
}

/// How long the write-ahead log has to be for the frames that SQLite knows of.
fn bytes_in_wal(connection: &Connection) -> rusqlite::Result<u64> {
    const HEADER: u64 = 32;
    const FRAME_HEADER: u64 = 24;
    let page: u64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    // Moves nothing.
    let frames: u64 = connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1))?;
    Ok(if frames == 0 { 0 } else { HEADER + frames * (FRAME_HEADER + page) })
}

pub(super) fn answer(ack: Option<Ack>, result: WriteResult) {
    if let Some(ack) = ack {
        // A worker that was aborted waits no longer.
        let _ = ack.send(result);
    }
}
