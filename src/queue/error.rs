//! Why a queue cannot be used.

use super::Broker;

/// Why a queue cannot be used. An address in it never shows a password.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    /// The text is no address of a queue.
    #[error("`{given}` is no address of a queue: {why}")]
    Address {
        /// The text, without a password.
        given: String,
        /// What is wrong with it.
        why: String,
    },
    /// This build has no client for the broker.
    #[error(
        "this build of decom has no client for {broker} (built in: {}); build it with `--features {}`",
        Broker::built_in(),
        broker.feature()
    )]
    NotBuiltIn {
        /// The broker.
        broker: Broker,
    },
    /// The broker cannot be reached just now; the same call may succeed later.
    #[error("the queue {queue} cannot be reached: {why}")]
    Away {
        /// The queue.
        queue: String,
        /// What the client said.
        why: String,
    },
    /// The broker was reached and refuses; trying again does not help.
    #[error("the queue {queue} refuses to {action}: {why}")]
    Refused {
        /// The queue.
        queue: String,
        /// What it was asked for.
        action: &'static str,
        /// What it said.
        why: String,
    },
    /// The broker has taken the message back, and gives it out again.
    #[error("the queue {queue} has taken the message back")]
    Stale {
        /// The queue.
        queue: String,
    },
}

impl QueueError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Away { .. })
    }
}
