//! Where the targets of a run come from: the audit log, which holds all of them from the beginning, or a queue, from
//! which they are taken one by one.

mod acks;
mod budget;
mod datamarts;
mod gauges;
mod group;
mod groups;
mod log;
mod messages;
mod outage;
mod requested;
mod withdrawal;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

pub(super) use acks::PendingAcks;
pub(super) use gauges::QueueGauges;
pub(super) use log::{LogFeed, LogFeedParts};
pub(super) use messages::{MessageFeed, MessageFeedParts};
pub(super) use withdrawal::{Withdrawal, was_held_back};

use super::StopReason;
use crate::domain::{Outcome, Seq, Target};
use crate::plan::{DayBudget, Protection, Rules};
use crate::queue::{Message, Queue};

/// Where the targets of a run come from.
pub enum Supply {
    /// All of them are in the audit log. What is protected by now is not sent; if it is in doubt, a listing settles it.
    Log {
        protection: Protection,
        /// The datasources that a protected datamart protects.
        kept: HashSet<String>,
        /// The names of the canary; `None` if it is the first targets in their order.
        canary: Option<Vec<String>>,
    },
    Queue(Box<QueueSupply>),
}

/// A queue that targets are taken from, and its limits.
pub struct QueueSupply {
    pub queue: Arc<dyn Queue>,
    /// The message that was taken before the run began, if there is one.
    pub first: Option<Message>,
    pub rules: Rules,
    /// How many targets the run may send at most.
    pub limit: u64,
    /// How many may be deleted in any 24 hours, if that is limited: the run waits then.
    pub budget: Option<DayBudget>,
    /// The run ends when no message has arrived for this long; `None` for a run without end.
    pub idle: Option<Duration>,
    /// The run stops if the broker cannot be reached for longer; `None` if it waits indefinitely.
    pub max_outage: Option<Duration>,
}

/// Hands out targets, each once.
#[async_trait]
pub(super) trait Feed: Send + Sync {
    /// Returns the next target; `None` if there is none to hand out, or the run stops.
    ///
    /// # Errors
    /// If the run has to stop: the log or the queue cannot be used, or the queue holds more than may be sent.
    async fn next(&self) -> Result<Option<Target>, StopReason>;

    /// Begins no more than `limit` targets, or groups of them, in all, from now on; what belongs to a group that was
    /// begun follows, unless `limit` is 0.
    fn limit_to(&self, limit: u64);

    /// Returns why the target must not be sent any more; `None` if this run may send it.
    ///
    /// # Errors
    /// If nothing more may be sent: the run slept for too long, or a listing that is needed cannot be read.
    async fn confirm(&self, target: Seq) -> Result<Option<Withdrawal>, StopReason>;

    /// Lets go of a target that was handed out and is not sent, so that another may be in its place. What was attempted
    /// in doubt is for a listing to settle: "skipped" says that it was never sent.
    ///
    /// # Errors
    /// If the log cannot be written.
    async fn withdraw(&self, target: Target, withdrawal: Withdrawal) -> Result<(), StopReason>;

    /// Takes note that a target has its outcome, durably.
    fn settled(&self, target: Seq, outcome: Outcome);

    /// Takes note that no attempt could settle a target: a listing has to.
    fn opened(&self, target: Seq);

    /// Returns true if a broker waits for each outcome, so that none may be left open until the end of the run.
    fn is_waited_for(&self) -> bool;

    /// Returns true if targets wait for the outcomes of others.
    fn is_any_waiting(&self) -> bool;

    /// Returns true if there is something to hand out that waited before.
    fn has_more(&self) -> bool;
}

/// How many targets were handed out, and how many may be in all.
#[derive(Debug)]
struct Allowance {
    handed_out: AtomicU64,
    limit: AtomicU64,
}

impl Allowance {
    const fn unlimited() -> Self {
        Self { handed_out: AtomicU64::new(0), limit: AtomicU64::new(u64::MAX) }
    }

    fn limit_to(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    fn handed_out(&self) -> u64 {
        self.handed_out.load(Ordering::Relaxed)
    }

    fn is_used_up(&self) -> bool {
        self.handed_out() >= self.limit.load(Ordering::Relaxed)
    }

    /// Returns true if nothing at all may be handed out.
    fn is_closed(&self) -> bool {
        self.limit.load(Ordering::Relaxed) == 0
    }

    fn hand_out(&self) {
        self.handed_out.fetch_add(1, Ordering::Relaxed);
    }

    fn take_back(&self) {
        self.handed_out.fetch_sub(1, Ordering::Relaxed);
    }
}
