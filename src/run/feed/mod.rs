//! Where the targets of a run come from: the audit log, in which all of them stand from the start, or
//! a queue, from which they are taken one by one.

mod log;
mod messages;
mod owed;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub(super) use log::LogFeed;
pub(super) use messages::{MessageFeed, MessageFeedParts};
pub(super) use owed::Owed;

use crate::audit::AuditError;
use crate::domain::{Outcome, Seq, Target};
use crate::plan::Rules;
use crate::queue::{Queue, QueueError};

/// Where the targets of a run come from.
pub enum Supply {
    /// All of them are in the audit log.
    Log,
    /// A queue.
    Queue(QueueSupply),
}

/// A queue that targets are taken from, and how far.
pub struct QueueSupply {
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// Which names are skipped.
    pub rules: Rules,
    /// How many targets the run may send at the most.
    pub limit: u64,
    /// The run is over once no message came for so long; `None`: it goes on for ever.
    pub idle: Option<Duration>,
    /// The run stops where the broker is away for longer.
    pub max_outage: Duration,
}

/// Hands out targets, each once.
#[async_trait]
pub(super) trait Feed: Send + Sync {
    /// The next target; `None` when all were handed out, or the run stops.
    async fn next(&self) -> Result<Option<Target>, FeedError>;

    /// Hands out no more than `limit` targets in all, from now on.
    async fn limit_to(&self, limit: u64);

    /// How many targets were handed out.
    async fn handed_out(&self) -> u64;

    /// A target has its outcome, durably.
    fn settled(&self, target: Seq, outcome: Outcome);

    /// Whether somebody waits for each outcome, so that none is left to the end of the run.
    fn is_waited_for(&self) -> bool;
}

/// Why there is no next target.
#[derive(Debug)]
pub(super) enum FeedError {
    /// The audit log cannot be read or written.
    Audit(Arc<AuditError>),
    /// The queue cannot be used.
    Queue(QueueError),
    /// The run may not send more than this.
    Limit(u64),
}

impl From<AuditError> for FeedError {
    fn from(error: AuditError) -> Self {
        Self::Audit(Arc::new(error))
    }
}

impl From<Arc<AuditError>> for FeedError {
    fn from(error: Arc<AuditError>) -> Self {
        Self::Audit(error)
    }
}
