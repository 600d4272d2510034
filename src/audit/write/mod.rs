//! Writing the log: [`AuditLog`] opens it and owns its one writer; a [`Recorder`] hands records to that
//! writer and waits until they are durable.

mod append;
mod begin;
mod definitions;
mod fact;
mod head_publisher;
mod inspection;
mod lock;
mod log_files;
mod open;
mod predecessor;
mod rescue;
#[cfg(test)]
mod samples;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;

pub(super) use append::append_one;
pub use definitions::{DEFINITIONS, Definitions};
pub use fact::{Fact, ListingCheck, RunEnding, RunOpening};
pub use head_publisher::{CheckpointOptions, OnCheckpoint};
pub use inspection::{LogInspection, inspect};
pub(super) use lock::WriterLock;
pub(super) use open::{fold, leave_wal, migrate, open_for_writing};
pub(super) use predecessor::{closing_name, give_name, name_predecessor, sync_folder};
pub use writer::Commit;
pub(super) use writer::Writer;

use crate::audit::AuditError;
use crate::audit::record::real_path;
use crate::domain::{
    AttemptEnd, AttemptStart, NewTarget, RefusedMessage, RequestedTarget, Seq, Settlement, Timestamp,
};
use log_files::LogFiles;
use writer::Command;

/// The targets that a run begins with, read once, in order.
pub type NewTargets = Box<dyn Iterator<Item = std::io::Result<NewTarget>> + Send>;

/// The place of a record once it is durable, or why it cannot be recorded.
pub type WriteResult = Result<Seq, Arc<AuditError>>;

/// How a log is opened for writing.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Describes this process to another that finds the log in use: `process 12 on host`, and more if there is more
    /// to say.
    pub holder: String,
    /// The id of the log if it has to be made: random, in hexadecimal.
    pub new_log_id: String,
    /// The version of decom, for the first record.
    pub tool_version: String,
    pub at: Timestamp,
    /// How far the clock may step back without an error.
    pub clock_tolerance: Duration,
    /// Where checkpoints go, if any are written.
    pub checkpoints: Option<CheckpointOptions>,
}

/// The audit log, open for writing.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    id: String,
    recorder: Recorder,
    thread: JoinHandle<()>,
    _lock: WriterLock,
}

impl AuditLog {
    /// Opens the log at `path`, making it if there is none, and starts its writer.
    ///
    /// # Errors
    /// If the file is not a log or cannot be written durably, or another process writes to it.
    pub fn open(path: &Path, options: &LogOptions) -> Result<Self, AuditError> {
        let real = real_path(path)?;
        let mut lock = WriterLock::take(&real, &options.holder)?;
        // Before SQLite opens it: closing a file that is found locked would also drop SQLite's locks on it.
        lock.hold_file(&real)?;
        let (connection, head) = open_for_writing(path, &real)?;
        lock.hold_file(&real)?;
        if let Err(error) = name_predecessor(&connection, path) {
            // It is complete under either name.
            tracing::warn!(%error, "the closed audit log before this one could not be renamed");
        }
        let mut writer = Writer {
            files: LogFiles::of(path, &real).inspect_err(|_| fold(&connection))?,
            connection,
            path: path.to_owned(),
            head,
            clock_tolerance: options.clock_tolerance,
            failure: None,
            rescue_until: None,
            subscriber: None,
            head_publisher: None,
        };
        let id = match writer.make_ready(options) {
            Ok(id) => id,
            Err(error) => {
                writer.close();
                return Err(error);
            }
        };
        let (sender, commands) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.serve(&commands))
            .map_err(|source| AuditError::Io { path: path.to_owned(), action: "start writing to", source })?;
        Ok(Self { path: path.to_owned(), id, recorder: Recorder { sender }, thread, _lock: lock })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the log's random id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    #[must_use]
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Waits until everything that was handed over is written, and closes the log. Every [`Recorder`] must be dropped
    /// before.
    pub fn close(self) {
        drop(self.recorder);
        // If the writer panicked, each caller that waited for it has an error already.
        let _ = self.thread.join();
    }
}

/// Hands facts to the log's writer, which records them in the order in which they come. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Recorder {
    sender: Sender<Command>,
}

impl Recorder {
    /// Returns what will be durable from now on, commit by commit.
    #[must_use]
    pub fn commits(&self) -> UnboundedReceiver<Commit> {
        let (sender, receiver) = unbounded_channel();
        self.hand_over(Command::Publish(sender));
        receiver
    }

    /// Records a run and all its targets, all or nothing, and returns the run's place once that is durable.
    ///
    /// # Errors
    /// If it cannot be written, or `targets` fails: nothing of it is in the log then. If the log was taken away
    /// meanwhile, all of it may be in the one that was.
    pub async fn begin_run(&self, opening: RunOpening, targets: NewTargets) -> WriteResult {
        let (ack, acknowledged) = oneshot::channel();
        self.hand_over(Command::Begin(Box::new(opening), targets, ack));
        acknowledgement(acknowledged).await
    }

    /// Records that an interrupted run resumes. `detail` is a JSON object.
    pub async fn resume_run(&self, run: Seq, at: Timestamp, detail: String) -> WriteResult {
        self.append(Fact::Resume { run, at, detail }).await
    }

    /// Records a target that a message asked for, and returns its place once that is durable.
    pub async fn take_on(&self, run: Seq, target: RequestedTarget) -> WriteResult {
        self.append(Fact::Target(run, Box::new(target))).await
    }

    /// Records that a message was malformed.
    pub async fn refuse(&self, run: Seq, message: RefusedMessage) -> WriteResult {
        self.append(Fact::Refused(run, Box::new(message))).await
    }

    /// Records that an attempt is about to leave, and returns once that is durable: only then may its first byte be sent.
    ///
    /// # Errors
    /// If it cannot be written: nothing may be sent then.
    pub async fn attempt_starts(&self, run: Seq, start: AttemptStart) -> WriteResult {
        self.append(Fact::AttemptStart(run, start)).await
    }

    /// Records how an attempt ended. That it is durable is published, as for every fact.
    pub fn attempt_ended(&self, run: Seq, end: AttemptEnd) {
        self.hand_over(Command::Append(Fact::AttemptEnd(run, Box::new(end)), None));
    }

    /// Records that a target is settled without an attempt of its own. Handed over at once; what is returned waits until
    /// it is durable.
    pub fn settle(&self, run: Seq, settlement: Settlement) -> impl Future<Output = WriteResult> + use<> {
        self.append(Fact::Settlement(run, Box::new(settlement)))
    }

    /// Records what the listing showed.
    pub async fn checked(&self, run: Seq, check: ListingCheck) -> WriteResult {
        self.append(Fact::Check(run, check)).await
    }

    /// Records that a run is over, for now.
    pub async fn end_run(&self, run: Seq, ending: RunEnding) -> WriteResult {
        self.append(Fact::End(run, Box::new(ending))).await
    }

    /// Returns once everything that was handed over before is written and published, or cannot be.
    pub async fn flush(&self) -> Result<(), Arc<AuditError>> {
        let (ack, acknowledged) = oneshot::channel();
        self.hand_over(Command::Flush(ack));
        acknowledgement(acknowledged).await.map(|_| ())
    }

    fn append(&self, fact: Fact) -> impl Future<Output = WriteResult> + use<> {
        let (ack, acknowledged) = oneshot::channel();
        self.hand_over(Command::Append(fact, Some(ack)));
        acknowledgement(acknowledged)
    }

    fn hand_over(&self, command: Command) {
        // If the writer is gone, the acknowledgement is dropped with the command, and the caller gets an error.
        let _ = self.sender.send(command);
    }
}

async fn acknowledgement(acknowledged: oneshot::Receiver<WriteResult>) -> WriteResult {
    acknowledged.await.unwrap_or_else(|_| Err(Arc::new(AuditError::Closed)))
}
