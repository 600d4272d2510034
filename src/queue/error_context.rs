//! Makes the errors of one queue, for the clients of all brokers.

use super::{Address, QueueError};

/// Makes the errors of one queue.
#[derive(Debug, Clone)]
pub(super) struct ErrorContext {
    queue: String,
}

impl ErrorContext {
    pub(super) fn of(address: &Address) -> Self {
        Self { queue: address.to_string() }
    }

    pub(super) fn address(&self, why: String) -> QueueError {
        QueueError::Address { given: self.queue.clone(), why }
    }

    pub(super) fn unreachable(&self, why: String) -> QueueError {
        QueueError::Unreachable { queue: self.queue.clone(), why }
    }

    pub(super) fn refused(&self, action: &'static str, why: String) -> QueueError {
        QueueError::Refused { queue: self.queue.clone(), action, why }
    }

    pub(super) fn expired(&self) -> QueueError {
        QueueError::Expired { queue: self.queue.clone() }
    }
}
