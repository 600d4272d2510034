//! The meaning of the broker's and the client's errors: unreachable, or refused and what to do.

use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::{Error, ErrorKind};

use crate::queue::QueueError;
use crate::queue::error_context::ErrorContext;

/// The error of an action that ended with `error`.
pub(super) fn error_of(errors: &ErrorContext, action: &'static str, error: &Error) -> QueueError {
    match refusal(error) {
        Some(why) => errors.refused(action, why),
        None => errors.unreachable(error.to_string()),
    }
}

/// The error if it is permanent, with what to do.
fn refusal(error: &Error) -> Option<String> {
    let refused = match error.kind() {
        ErrorKind::ProtocolError(refused) => refused,
        ErrorKind::InvalidProtocolVersion(_) => return Some(format!("{error}; check that this is RabbitMQ")),
        ErrorKind::IOError(io) if io.kind() == std::io::ErrorKind::InvalidData => {
            return Some(format!("{io}; name a private authority with ca_file=FILE in the URL"));
        }
        _ => return None,
    };
    let next = match refused.kind() {
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
            "check the user, the password, and the user's permissions in the virtual host"
        }
        AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
            "the path of the URL names the virtual host, which must exist and be accessible to the user"
        }
        AMQPErrorKind::Soft(AMQPSoftError::RESOURCELOCKED) => {
            "another connection uses the queue exclusively; name another queue"
        }
        AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) => {
            "delete the queue if it is empty, or name another one"
        }
        AMQPErrorKind::Hard(AMQPHardError::NOTIMPLEMENTED) => "this needs RabbitMQ 3.8 or later",
        _ => return None,
    };
    Some(format!("{}; {next}", refused.get_message()))
}
