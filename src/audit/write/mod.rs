//! Writing the log: [`AuditLog`] opens it and owns its one writer; a [`Recorder`] hands records to that
//! writer and waits until they are durable.

mod appender;
mod beginning;
mod entry;
mod identity;
mod inbox;
mod journal;
mod keeper;
mod lock;
mod open;
mod relay;
mod rescue;
mod rotated;
#[cfg(test)]
mod samples;
mod settled;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

pub(super) use appender::append_one;
pub use entry::{ListingCheck, RunEnding, RunOpening};
pub use inbox::{Gathering, NewTargets};
pub(super) use journal::{fold, leave_ahead};
pub use keeper::CheckpointOptions;
pub(super) use lock::WriterLock;
pub(super) use open::{migrate, open_for_writing};
pub(super) use rotated::{closing_name, give_name, settle, sync_folder};
pub(super) use writer::{Writer, not_before};

use crate::audit::AuditError;
use crate::audit::record::real_path;
use crate::domain::{AttemptEnd, AttemptStart, RefusedMessage, RequestedTarget, Seq, Settlement, Timestamp};
use entry::Entry;
use identity::Identity;
use inbox::{Command, Outbox};
use relay::{Done, Place, Relay, Relays, Waiter};
use settled::Settled;

/// What became of a record: its place once it is durable, or why it cannot become so.
pub type WriteResult = Result<Seq, Arc<AuditError>>;

/// How a log is opened for writing.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Who writes, for others who find the log held.
    pub holder: String,
    /// The id of the log, where it has to be made: random, in hexadecimal.
    pub new_log_id: String,
    /// The version of decom, for the first record.
    pub tool_version: String,
    /// The time.
    pub at: Timestamp,
    /// How far the clock may step back before that counts as a jump.
    pub clock_tolerance: Duration,
    /// Where checkpoints go, where any are written.
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
    /// Opens the log at `path`, making it where there is none, and starts its writer.
    ///
    /// # Errors
    /// Where the file is not ours or cannot be written durably, or another decom holds it.
    pub fn open(path: &Path, options: &LogOptions) -> Result<Self, AuditError> {
        let real = real_path(path)?;
        let mut lock = WriterLock::take(&real, &options.holder)?;
        // Before SQLite opens it: whoever finds it held closes it again, and SQLite's locks with it.
        lock.hold_file(&real)?;
        let connection = open_for_writing(path, &real)?;
        lock.hold_file(&real)?;
        if let Err(error) = settle(&connection, path) {
            // It is whole under either name, and no reason not to go on.
            tracing::warn!(%error, "the closed audit log before this one could not get its name");
        }
        let head = Writer::find_head(&connection, path)?;
        let mut writer = Writer {
            identity: Identity::of(path, &real)?,
            connection,
            path: path.to_owned(),
            head,
            settled: Settled::default(),
            clock_tolerance: options.clock_tolerance,
            gathering: Gathering::NONE,
            failure: None,
            rescue_until: None,
            relays: Relays::default(),
            keeper: None,
        };
        let id = match writer.make_ready(options) {
            Ok(id) => id,
            Err(error) => {
                writer.close();
                return Err(error);
            }
        };
        let (outbox, inbox) = inbox::open();
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.serve(inbox))
            .map_err(|source| AuditError::Io { path: path.to_owned(), action: "start writing to", source })?;
        let recorder = Recorder { outbox, place: Place::default() };
        Ok(Self { path: path.to_owned(), id, recorder, thread, _lock: lock })
    }

    /// Where the log is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The log's random id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Hands records to the writer.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Waits until all that was handed over is written, and closes the log. Every [`Recorder`] must
    /// be gone.
    pub fn close(self) {
        drop(self.recorder);
        // A writer that panicked has nothing more to say: nobody who waits for it is told "durable".
        let _ = self.thread.join();
    }
}

/// Hands records to the log's writer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Recorder {
    outbox: Outbox,
    place: Place,
}

impl Recorder {
    /// One for where many wait at once, and the task that tells them that their records are durable, to be
    /// run where they wait. Those who wait for any other are told from the writer's thread, each by itself.
    pub fn relayed(&self) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (relay, task) = Relay::open();
        let place = self.outbox.new_place();
        // Where the writer is gone, nobody waits for it.
        let _ = self.outbox.send(Command::Relay(place, relay));
        (Self { outbox: self.outbox.clone(), place }, task)
    }

    /// From now on, commits that would be small ones wait for more records to share them with: a commit costs
    /// as much as dozens of records. For those who do not wait for the one before.
    pub fn gather(&self, gathering: Gathering) {
        // Where the writer is gone, nothing is written any more.
        let _ = self.outbox.send(Command::Gather(gathering));
    }

    /// Does something on the thread that writes, between two commits.
    pub fn on_the_writers_thread(&self, call: impl FnOnce() + Send + 'static) {
        // Where the writer is gone, so is its thread.
        let _ = self.outbox.send(Command::Call(Box::new(call)));
    }

    /// Records a run and all its targets, all or nothing, and returns the run's place once that is
    /// durable.
    ///
    /// # Errors
    /// Where it cannot be written, or `targets` fails: nothing of it is in the log then. Where the log was taken
    /// away meanwhile: all of it may be in the one that was. Where it is all in the log, and SQLite cannot go on
    /// there, as somebody reads it and does not stop: it is an interrupted run.
    pub async fn begin_run(&self, opening: RunOpening, targets: NewTargets) -> WriteResult {
        self.wait(|done| Command::Begin(Box::new(opening), targets, done)).await
    }

    /// Records that an interrupted run goes on. `detail` is a JSON object.
    pub async fn resume_run(&self, run: Seq, at: Timestamp, detail: String) -> WriteResult {
        self.wait(|done| Command::Append(Entry::Resume { run, at, detail }, done)).await
    }

    /// Records a target that a message asked for, and returns its place once that is durable.
    pub async fn take_on(&self, run: Seq, target: RequestedTarget) -> WriteResult {
        self.wait(|done| Command::Append(Entry::Target(run, Box::new(target)), done)).await
    }

    /// Records that a message asked for nothing that could be done.
    pub async fn refuse(&self, run: Seq, message: RefusedMessage) -> WriteResult {
        self.wait(|done| Command::Append(Entry::Refused(run, Box::new(message)), done)).await
    }

    /// Records that an attempt is about to leave, and returns once that is durable: only then may
    /// its first byte be sent. `durable` is called just before, one after the other for all that share a
    /// commit.
    ///
    /// # Errors
    /// Where it cannot be written: nothing may be sent then.
    pub async fn attempt_starts(
        &self,
        run: Seq,
        start: AttemptStart,
        durable: impl FnOnce() + Send + 'static,
    ) -> WriteResult {
        self.wait_telling(durable, |done| Command::Append(Entry::AttemptStart(run, start), done)).await
    }

    /// Records how an attempt ended. `done` is called once that is durable, or cannot become so.
    pub fn attempt_ended(&self, run: Seq, end: AttemptEnd, done: impl FnOnce(WriteResult) + Send + 'static) {
        self.append(Entry::AttemptEnd(run, Box::new(end)), Box::new(done));
    }

    /// Records that a target is settled without an attempt of its own.
    pub async fn settle(&self, run: Seq, settlement: Settlement) -> WriteResult {
        self.wait(|done| Command::Append(Entry::Settlement(run, Box::new(settlement)), done)).await
    }

    /// Records what the listing showed.
    pub async fn checked(&self, run: Seq, check: ListingCheck) -> WriteResult {
        self.wait(|done| Command::Append(Entry::Check(run, check), done)).await
    }

    /// Records that a run is over, for now.
    pub async fn end_run(&self, run: Seq, ending: RunEnding) -> WriteResult {
        self.wait(|done| Command::Append(Entry::End(run, Box::new(ending)), done)).await
    }

    /// Returns once everything that was handed over before is written, or cannot be.
    pub async fn flush(&self) -> Result<(), Arc<AuditError>> {
        self.wait(Command::Flush).await.map(|_| ())
    }

    fn append(&self, entry: Entry, done: Done) {
        let command = Command::Append(entry, self.waiter(done));
        if let Err(command) = self.outbox.send(command)
            && let Command::Append(_, waiter) = *command
        {
            (waiter.done)(Err(Arc::new(AuditError::Closed)));
        }
    }

    fn waiter(&self, done: Done) -> Waiter {
        Waiter { done, place: self.place }
    }

    async fn wait(&self, command: impl FnOnce(Waiter) -> Command) -> WriteResult {
        self.wait_telling(|| (), command).await
    }

    async fn wait_telling(
        &self,
        durable: impl FnOnce() + Send + 'static,
        command: impl FnOnce(Waiter) -> Command,
    ) -> WriteResult {
        let (sender, receiver) = oneshot::channel();
        let done: Done = Box::new(move |result| {
            if result.is_ok() {
                durable();
            }
            // Nobody waits any more where a worker was stopped at once.
            let _ = sender.send(result);
        });
        // Where the writer is gone, `done` is dropped with the command, and the channel says so.
        let _ = self.outbox.send(command(self.waiter(done)));
        receiver.await.unwrap_or_else(|_| Err(Arc::new(AuditError::Closed)))
    }
}
