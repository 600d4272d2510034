//! Why a command ends without doing what it was asked for, and with which exit code.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::api::ApiError;
use crate::audit::AuditError;
use crate::config::ConfigError;
use crate::domain::ExitStatus;
use crate::emulator::EmulatorError;
use crate::input::InputError;
use crate::plan::{ApprovalError, HoldsUnreadable, PlanError, PlanRefusal};
use crate::queue::QueueError;
use crate::run::RunError;
use crate::telemetry::WatchError;
use crate::terminal::LogError;

/// Why a command ends without doing what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("{0}; nothing was sent")]
    Holds(#[from] HoldsUnreadable),
    #[error("{0}; nothing was sent")]
    PlanRefused(#[from] PlanRefusal),
    #[error("{0}; nothing was sent")]
    Approval(#[from] ApprovalError),
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The API does not accept the token, as reading the listing showed.
    #[error("{0}; check the token and the base URL, and run the same command again; nothing was sent")]
    Unauthorized(ApiError),
    /// What exists cannot be read now, for a reason that may pass.
    #[error("{0}; nothing was sent")]
    Unavailable(ApiError),
    #[error(transparent)]
    Audit(Arc<AuditError>),
    #[error("{0}; nothing was verified")]
    NothingToVerify(AuditError),
    #[error("{}: this audit log is not what decom wrote; `decom audit verify` shows what is wrong; nothing was signed", path.display())]
    NotSound { path: PathBuf },
    #[error("{0}; nothing was sent")]
    Queue(#[from] QueueError),
    /// Not all of an input is on the queue.
    #[error(
        "{source}; at least {put} of {count} names are on the queue; run the same command again: a name that is there twice is deleted once"
    )]
    Enqueue { put: u64, count: u64, source: QueueError },
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Emulator(#[from] EmulatorError),
    #[error("{0}; nothing was sent")]
    Watch(#[from] WatchError),
    /// The request is malformed, or contradicts itself.
    #[error("{0}")]
    Usage(String),
    /// A guard refuses, or nobody confirmed.
    #[error("{0}; nothing was sent")]
    Refused(String),
    #[error("{}: cannot write this file: {source}", path.display())]
    Output { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output or the terminal: {0}")]
    Terminal(#[from] io::Error),
    /// What the command had to show is on standard output already, and says the same.
    #[error(transparent)]
    AfterOutput(Box<Self>),
}

impl CommandError {
    /// The same error, after a result was printed.
    pub(super) fn after_output(self) -> Self {
        Self::AfterOutput(Box::new(self))
    }

    /// Returns true if a result was printed before.
    #[must_use]
    pub const fn follows_output(&self) -> bool {
        matches!(self, Self::AfterOutput(_))
    }

    #[must_use]
    pub fn exit(&self) -> ExitStatus {
        match self {
            Self::AfterOutput(error) => error.exit(),
            Self::Audit(error) => of_audit(error),
            Self::Run(RunError::Audit(error)) => of_audit(error),
            Self::NotSound { .. } => ExitStatus::Audit,
            Self::NothingToVerify(_) => ExitStatus::NothingToVerify,
            Self::Refused(_) | Self::PlanRefused(_) | Self::Plan(PlanError::Altered { .. }) => {
                ExitStatus::Refused
            }
            Self::Approval(error) if !error.is_usage() => ExitStatus::Refused,
            Self::Unauthorized(_) | Self::Unavailable(_) | Self::Api(ApiError::Unauthorized { .. }) => {
                ExitStatus::Stopped
            }
            Self::Api(error) if error.may_pass() => ExitStatus::Stopped,
            Self::Queue(error) | Self::Enqueue { source: error, .. } if error.is_transient() => {
                ExitStatus::Stopped
            }
            _ => ExitStatus::Usage,
        }
    }
}

fn of_audit(error: &AuditError) -> ExitStatus {
    match error {
        // It passes: another process ends.
        AuditError::Held { .. } | AuditError::InUse { .. } => ExitStatus::Stopped,
        AuditError::Unfinished { .. } | AuditError::NoPredecessor { .. } => ExitStatus::Refused,
        AuditError::Missing { .. }
        | AuditError::Exists { .. }
        | AuditError::NoRuns { .. }
        | AuditError::NoSuchRun { .. }
        | AuditError::AmbiguousRun { .. } => ExitStatus::Usage,
        _ => ExitStatus::Audit,
    }
}

impl From<AuditError> for CommandError {
    fn from(error: AuditError) -> Self {
        Self::Audit(Arc::new(error))
    }
}

impl From<Arc<AuditError>> for CommandError {
    fn from(error: Arc<AuditError>) -> Self {
        Self::Audit(error)
    }
}
