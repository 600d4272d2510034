//! What the broker's and the client's errors mean: away, or refused, and what to do.

use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::{Error, ErrorKind};

use crate::queue::QueueError;

/// Tells of one queue's troubles.
pub(super) struct Told {
    /// The queue's address.
    pub(super) queue: String,
}

impl Told {
    /// What it means that `action` ended with `error`.
    pub(super) fn of(&self, action: &'static str, error: &Error) -> QueueError {
        match refusal(error) {
            Some(why) => QueueError::Refused { queue: self.queue.clone(), action, why },
            None => self.away(error.to_string()),
        }
    }

    pub(super) fn away(&self, why: String) -> QueueError {
        QueueError::Away { queue: self.queue.clone(), why }
    }
}

/// What trying again would not help, and what would.
fn refusal(error: &Error) -> Option<String> {
    let refused = match error.kind() {
        ErrorKind::ProtocolError(refused) => refused,
        ErrorKind::InvalidProtocolVersion(_) => return Some(format!("{error}; is this RabbitMQ?")),
        ErrorKind::IOError(io) if io.kind() == std::io::ErrorKind::InvalidData => {
            return Some(format!("{io}; a private authority is named by ca_file=FILE in the URL"));
        }
        _ => return None,
    };
    let next = match refused.kind() {
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
            "check the user, the password, and what that user may do in the virtual host"
        }
        AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
            "the path of the URL names the virtual host; it has to exist, and to be the user's to enter"
        }
        AMQPErrorKind::Soft(AMQPSoftError::RESOURCELOCKED) => {
            "somebody else uses the queue exclusively; take another, or have it made anew"
        }
        AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) => {
            "remove the queue where it is empty, or name another one"
        }
        AMQPErrorKind::Hard(AMQPHardError::NOTIMPLEMENTED) => "this needs RabbitMQ 3.8 or later",
        _ => return None,
    };
    Some(format!("{}; {next}", refused.get_message()))
}
