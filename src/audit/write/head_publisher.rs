//! Publishes the end of the log outside of it: in checkpoints, and in the log stream.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;

use crate::audit::AuditError;
use crate::audit::record::{Head, Link, Statement, hold_against_folder};
use crate::domain::{Timestamp, check_folder, hex};
use crate::sshsig::SigningKey;

/// Where checkpoints go, and how often.
#[derive(Debug, Clone)]
pub struct CheckpointOptions {
    pub dir: PathBuf,
    pub key: Arc<SigningKey>,
    /// After how many records another one is written.
    pub every: u64,
    /// Called with each checkpoint once it and its signature are written. It must not wait.
    pub written: Option<OnCheckpoint>,
}

/// What is called when a checkpoint was written.
#[derive(Clone)]
pub struct OnCheckpoint(pub Arc<dyn Fn(&Path) + Send + Sync>);

impl fmt::Debug for OnCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnCheckpoint")
    }
}

impl CheckpointOptions {
    /// Writes a checkpoint and its signature.
    pub(in crate::audit) fn write(&self, statement: &Statement) -> Result<Link, AuditError> {
        let path = self.dir.join(statement.file_name());
        let previous = statement.write(&path, Some(&self.key))?;
        if let Some(OnCheckpoint(written)) = &self.written {
            written(&path);
        }
        Ok(previous)
    }

    /// Checks, and changes nothing, that checkpoints could be written.
    ///
    /// # Errors
    /// If they could not.
    pub fn check(&self) -> Result<(), AuditError> {
        let failed = |source| AuditError::CheckpointUnwritable { path: self.dir.clone(), source };
        check_folder(&self.dir).map_err(failed)
    }
}

/// Publishes the end of a log, so that a log that is cut off later does not pass as whole.
#[derive(Debug)]
pub(in crate::audit) struct HeadPublisher {
    log_id: String,
    options: Option<CheckpointOptions>,
    /// The number of records at the last checkpoint.
    last: u64,
    /// What the next checkpoint says of the one before it.
    previous: Link,
}

impl HeadPublisher {
    /// Begins with a checkpoint of the log as it is, after those that are there were held against it.
    ///
    /// # Errors
    /// If one of them does not fit the log, or another cannot be written: the run sends nothing then.
    pub(in crate::audit) fn begin(
        log_id: &str,
        options: Option<CheckpointOptions>,
        (connection, path): (&Connection, &Path),
        head: &Head,
        at: Timestamp,
    ) -> Result<Self, AuditError> {
        let previous = match &options {
            Some(options) => hold_against_folder(connection, path, &options.dir)?,
            None => Link::First,
        };
        // If the clock went back, the checkpoint is not older than the record that it covers.
        let at = at.max(Timestamp::from_micros(head.at_us));
        let mut publisher = Self { log_id: log_id.to_owned(), options, last: 0, previous };
        publisher.write(head, at)?;
        Ok(publisher)
    }

    /// Takes note that the records up to `head` are durable. At a `milestone` a run begins, resumes or ends with them.
    pub(in crate::audit) fn committed(&mut self, head: &Head, milestone: bool) {
        if milestone {
            let (log_id, records) = (&self.log_id, head.seq);
            tracing::info!(log_id, records, head = hex(head.hash), "the end of the audit log");
        }
        let Some(options) = &self.options else { return };
        let records = u64::try_from(head.seq).unwrap_or(0);
        if (milestone || records >= self.last.saturating_add(options.every))
            && let Err(error) = self.write(head, Timestamp::from_micros(head.at_us))
        {
            // Every request is in the log nevertheless, and the next checkpoint covers it.
            self.last = records;
            tracing::error!(%error, "a checkpoint of the audit log cannot be written; the run continues");
        }
    }

    fn write(&mut self, head: &Head, time: Timestamp) -> Result<(), AuditError> {
        let Some(options) = &self.options else { return Ok(()) };
        let records = u64::try_from(head.seq).unwrap_or(0);
        let (log_id, previous) = (self.log_id.clone(), self.previous.clone());
        let statement = Statement { log_id, records, head: hex(head.hash), time, previous };
        self.previous = options.write(&statement)?;
        self.last = records;
        Ok(())
    }
}
