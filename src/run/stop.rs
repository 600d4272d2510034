//! Why a run ends before all its targets are settled.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::api::ApiError;
use crate::audit::AuditError;
use crate::domain::{Answer, DatasourceName, ExitStatus, Outcome, seconds_up};
use crate::queue::QueueError;

/// A signal that asks the process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    Hup,
    Int,
    Term,
}

/// Why a run ends before all its targets are settled.
#[derive(Debug, Clone)]
pub enum StopReason {
    Interrupted(Interrupt),
    /// The API does not accept the token.
    Unauthorized(Answer),
    /// The API says that it deleted another resource than was sent.
    OtherDeleted(Answer),
    /// Too many of the last targets failed.
    TooManyFailures {
        failures: usize,
        /// The number of the last targets.
        window: usize,
    },
    /// One of the first few targets ended otherwise than deleted.
    Canary {
        name: DatasourceName,
        outcome: Outcome,
    },
    /// No request of this run ever reached the API.
    Unreachable {
        why: String,
    },
    /// The server asks for a longer pause than is allowed.
    LongPause {
        asked: Duration,
        max: Duration,
    },
    /// As many targets were sent as one run may delete, and the queue holds more.
    Limit {
        limit: u64,
    },
    /// The process or its machine slept for longer than a run over a list may.
    Slept {
        gap: Duration,
        longest: Duration,
    },
    /// The listing of datamarts, which groups are held against, cannot be read.
    NoListing {
        error: ApiError,
    },
    /// The queue cannot be used.
    Queue(QueueError),
    /// The audit log cannot be written.
    Audit(Arc<AuditError>),
}

impl StopReason {
    pub(super) const SLEPT: &'static str = "slept";
    pub(super) const NO_LISTING: &'static str = "no_listing";

    /// Returns the exit code of a run that stopped for this reason.
    #[must_use]
    pub const fn exit(&self) -> ExitStatus {
        match self {
            Self::Interrupted(Interrupt::Hup) => ExitStatus::HungUp,
            Self::Interrupted(Interrupt::Int) => ExitStatus::Interrupted,
            Self::Interrupted(Interrupt::Term) => ExitStatus::Terminated,
            Self::Audit(_) => ExitStatus::Audit,
            _ => ExitStatus::Stopped,
        }
    }

    /// Returns the word for it in the record of an attempt that was held back at the last moment.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoListing { .. } => Self::NO_LISTING,
            _ => Self::SLEPT,
        }
    }

    /// Returns true if the API can still be asked for its listing and the operator is not waiting for the end.
    #[must_use]
    pub const fn api_answers(&self) -> bool {
        matches!(
            self,
            Self::TooManyFailures { .. } | Self::Canary { .. } | Self::Limit { .. } | Self::Queue(_)
        )
    }

    /// Returns true if targets that no attempt could settle are settled now, and not at the next start.
    #[must_use]
    pub const fn settles_open(&self) -> bool {
        self.api_answers() || matches!(self, Self::Unreachable { .. })
    }

    /// Returns why, in words that name no datasource.
    #[must_use]
    pub fn without_names(&self) -> String {
        match self {
            Self::Canary { outcome, .. } => format!("a canary ended {outcome}; the run was stopped"),
            Self::OtherDeleted(_) => {
                "the API deleted another resource than was sent; find out why before you resume".to_owned()
            }
            other => other.to_string(),
        }
    }

    /// Returns the run's status in the audit log.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        match self {
            Self::Interrupted(_) => "interrupted",
            _ => "stopped",
        }
    }
}

impl From<AuditError> for StopReason {
    fn from(error: AuditError) -> Self {
        Self::Audit(Arc::new(error))
    }
}

impl From<Arc<AuditError>> for StopReason {
    fn from(error: Arc<AuditError>) -> Self {
        Self::Audit(error)
    }
}

impl From<QueueError> for StopReason {
    fn from(error: QueueError) -> Self {
        Self::Queue(error)
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted(Interrupt::Hup) => f.write_str("interrupted by SIGHUP"),
            Self::Interrupted(Interrupt::Int) => f.write_str("interrupted by SIGINT"),
            Self::Interrupted(Interrupt::Term) => f.write_str("interrupted by SIGTERM"),
            Self::Unauthorized(answer) => {
                write!(f, "the API does not accept the token")?;
                if let Some(status) = answer.http_status {
                    write!(f, " (HTTP {status})")?;
                }
                if let Some(message) = &answer.message {
                    write!(f, ": {message}")?;
                }
                Ok(())
            }
            Self::OtherDeleted(answer) => {
                let what =
                    answer.message.as_deref().unwrap_or("the API deleted another resource than was sent");
                write!(f, "{what}; find out why before you resume")
            }
            Self::TooManyFailures { failures, window } => {
                write!(
                    f,
                    "{failures} of the last {window} targets failed; this looks like a systemic failure"
                )
            }
            Self::Canary { name, outcome } => {
                write!(f, "canary `{name}` ended {outcome}; the run was stopped")
            }
            Self::LongPause { asked, max } => write!(
                f,
                "the server asks for a pause of {}, and the longest allowed is {} (pace.max_pause)",
                humantime::format_duration(Duration::from_secs(seconds_up(*asked))),
                humantime::format_duration(*max)
            ),
            Self::Limit { limit } => write!(
                f,
                "the limit of {limit} deletions in one run (safety.max_deletes, safety.max_share) is reached, and the queue holds more"
            ),
            Self::Slept { gap, longest } => write!(
                f,
                "the process or its machine slept for {}, and the longest allowed is {} (run.max_sleep); what was checked before may not be true any more, so resuming checks it again",
                humantime::format_duration(Duration::from_secs(gap.as_secs())),
                humantime::format_duration(*longest)
            ),
            Self::NoListing { error } => write!(
                f,
                "{error}; no datasource is sent with its datamarts unless a listing of the last ten minutes shows them as they were planned"
            ),
            Self::Queue(error) => write!(f, "{error}"),
            Self::Unreachable { why } => {
                write!(
                    f,
                    "the API cannot be reached: {why}; no request was answered. Check --base-url and the network"
                )
            }
            Self::Audit(error) => write!(f, "{error}"),
        }
    }
}
