//! The meaning of the server's and the client's errors: unreachable, or refused and what to do.

use std::error::Error;

use async_nats::jetstream::{Error as JetStreamError, ErrorCode};
use async_nats::{ConnectError, ConnectErrorKind};

use super::endpoint::Denials;
use crate::domain::{error_chain, lock};
use crate::queue::QueueError;
use crate::queue::error_context::ErrorContext;

/// Makes the errors of one queue.
pub(super) struct JetStreamErrors {
    pub(super) context: ErrorContext,
    pub(super) denials: Denials,
}

impl JetStreamErrors {
    /// The error of a failed connection.
    pub(super) fn of_connecting(&self, error: &ConnectError) -> QueueError {
        let why = error_chain(error);
        match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                self.context.refused(
                    "accept a connection",
                    format!("{why}; check the user and the password, the token or the credentials"),
                )
            }
            ConnectErrorKind::Tls => self.context.refused(
                "accept a connection",
                format!("{why}; name a private authority with ca_file=FILE in the URL"),
            ),
            _ => self.context.unreachable(why),
        }
    }

    /// The error of an action that ended with `error`, which may hold an error of JetStream.
    pub(super) fn of(&self, action: &'static str, error: &(dyn Error + 'static)) -> QueueError {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<JetStreamError>() {
                return self.of_jetstream(action, error);
            }
            cause = error.source();
        }
        self.unreachable_or_denied(action, error_chain(error))
    }

    /// The error of an action that JetStream refused.
    pub(super) fn of_jetstream(&self, action: &'static str, error: &JetStreamError) -> QueueError {
        match error.error_code() {
            ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => {
                self.without_jetstream(action)
            }
            // No leader, no space, or a limit that is reached: this may change.
            _ if error.code() == 503 => self.context.unreachable(error.to_string()),
            _ => self.context.refused(action, error.to_string()),
        }
    }

    /// The error if no JetStream responded.
    pub(super) fn without_jetstream(&self, action: &'static str) -> QueueError {
        let next = "JetStream is not enabled; start the server with -js, and enable it for the account";
        self.context.refused(action, next.to_owned())
    }

    /// The error if no reply came. The server does not reply to a request that it denies, but reports that apart.
    pub(super) fn unreachable_or_denied(&self, action: &'static str, why: String) -> QueueError {
        let denial = lock(&self.denials).take();
        match denial {
            Some(denial) => self.context.refused(action, format!("{denial}; give the user this permission")),
            None => self.context.unreachable(why),
        }
    }
}
