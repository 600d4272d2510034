//! Why a queue cannot be used.

use super::Broker;

/// Why a queue cannot be used. No message shows a password.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    #[error("`{given}` is not a queue address: {why}")]
    Address { given: String, why: String },
    #[error(
        "this build of decom has no client for {broker} (built in: {}); build it with `--features {}`",
        Broker::built_in(),
        broker.feature()
    )]
    NotBuiltIn { broker: Broker },
    /// The broker cannot be reached now; the same call may succeed later.
    #[error("cannot reach the queue {queue}: {why}")]
    Unreachable { queue: String, why: String },
    /// The broker refuses; trying again does not help.
    #[error("the queue {queue} refuses to {action}: {why}")]
    Refused { queue: String, action: &'static str, why: String },
    /// The lease of the message ended, and the broker delivers it again.
    #[error("the queue {queue} has taken the message back")]
    Expired { queue: String },
}

impl QueueError {
    /// Returns true if the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}
