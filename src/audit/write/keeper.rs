//! Writes checkpoints while a log is written, and tells the head to the log stream.

use std::path::PathBuf;
use std::sync::Arc;

use crate::audit::AuditError;
use crate::audit::record::Head;
use crate::audit::record::{Statement, hex};
use crate::domain::Timestamp;
use crate::sshsig::SigningKey;

/// Where checkpoints go, and how often.
#[derive(Debug, Clone)]
pub struct CheckpointOptions {
    /// The folder.
    pub dir: PathBuf,
    /// What signs them.
    pub key: Arc<SigningKey>,
    /// After how many records there is another one.
    pub every: u64,
}

/// Sees to it that the head of a log is known outside of it.
#[derive(Debug)]
pub(in crate::audit) struct Keeper {
    log_id: String,
    options: Option<CheckpointOptions>,
    last: u64,
}

impl Keeper {
    /// Begins with a checkpoint of what there is: nothing is sent by a run whose checkpoints could
    /// not be written.
    pub(in crate::audit) fn begin(
        log_id: &str,
        options: Option<CheckpointOptions>,
        head: &Head,
        at: Timestamp,
    ) -> Result<Self, AuditError> {
        // Where the clock went back, nothing is said at a time at which it was not there yet.
        let at = at.max(Timestamp::from_micros(head.at_us));
        let mut keeper = Self { log_id: log_id.to_owned(), options, last: 0 };
        keeper.write(head, at)?;
        Ok(keeper)
    }

    /// Records up to `head` are durable. A run begins or ends with them where this is a `milestone`.
    pub(in crate::audit) fn committed(&mut self, head: &Head, milestone: bool) {
        if milestone {
            let (log_id, records) = (&self.log_id, head.seq);
            tracing::info!(log_id, records, head = hex(&head.hash), "the head of the audit log");
        }
        let Some(options) = &self.options else { return };
        let records = u64::try_from(head.seq).unwrap_or(0);
        if (milestone || records >= self.last.saturating_add(options.every))
            && let Err(error) = self.write(head, Timestamp::from_micros(head.at_us))
        {
            // What was sent stands in the log nevertheless, and the next one covers it, too.
            self.last = records;
            tracing::error!(%error, "a checkpoint of the audit log cannot be written; the run goes on");
        }
    }

    fn write(&mut self, head: &Head, time: Timestamp) -> Result<(), AuditError> {
        let Some(options) = &self.options else { return Ok(()) };
        let records = u64::try_from(head.seq).unwrap_or(0);
        let statement = Statement { log_id: self.log_id.clone(), records, head: hex(&head.hash), time };
        statement.write(&options.dir.join(statement.file_name()), Some(&options.key))?;
        self.last = records;
        Ok(())
    }
}
