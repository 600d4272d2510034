//! What the server's and the client's errors mean: away, or refused, and what to do.

use std::error::Error;

use async_nats::jetstream::{Error as Answer, ErrorCode};
use async_nats::{ConnectError, ConnectErrorKind};

use super::target::Forbidden;
use crate::domain::{error_chain, lock};
use crate::queue::QueueError;

/// Tells of one queue's troubles.
pub(super) struct Told {
    /// The queue's address.
    pub(super) queue: String,
    /// What the server said beside its answers.
    pub(super) forbidden: Forbidden,
}

impl Told {
    /// What it means that no connection came about.
    pub(super) fn of_connecting(&self, error: &ConnectError) -> QueueError {
        let why = error_chain(error);
        match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => self.refused(
                "let decom in",
                format!("{why}; check the user and the password, the token or the credentials"),
            ),
            ConnectErrorKind::Tls => self.refused(
                "let decom in",
                format!("{why}; a private authority is named by ca_file=FILE in the URL"),
            ),
            _ => self.away(why),
        }
    }

    /// What it means that `action` ended with `error`: one of JetStream's own is in it or not.
    pub(super) fn of(&self, action: &'static str, error: &(dyn Error + 'static)) -> QueueError {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(answer) = error.downcast_ref::<Answer>() {
                return self.of_answer(action, answer);
            }
            cause = error.source();
        }
        self.away_or_forbidden(action, error_chain(error))
    }

    /// What an answer of JetStream's means.
    pub(super) fn of_answer(&self, action: &'static str, answer: &Answer) -> QueueError {
        match answer.error_code() {
            ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => {
                self.without_jetstream(action)
            }
            // No leader just now, no space left, a limit that is reached: it may pass.
            _ if answer.code() == 503 => self.away(answer.to_string()),
            _ => self.refused(action, answer.to_string()),
        }
    }

    /// Nobody listens where JetStream would.
    pub(super) fn without_jetstream(&self, action: &'static str) -> QueueError {
        let next = "JetStream is not enabled; start the server with -js, and allow it to the account";
        self.refused(action, next.to_owned())
    }

    /// No answer came. The server does not answer what it does not permit, but says so beside.
    pub(super) fn away_or_forbidden(&self, action: &'static str, why: String) -> QueueError {
        let forbidden = lock(&self.forbidden).take();
        match forbidden {
            Some(said) => self.refused(action, format!("{said}; allow it to the user")),
            None => self.away(why),
        }
    }

    pub(super) fn away(&self, why: String) -> QueueError {
        QueueError::Away { queue: self.queue.clone(), why }
    }

    pub(super) fn refused(&self, action: &'static str, why: String) -> QueueError {
        QueueError::Refused { queue: self.queue.clone(), action, why }
    }
}
