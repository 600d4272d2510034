//! Why a command ends without doing what it was asked for, and the exit code that tells it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::api::ApiError;
use crate::audit::AuditError;
use crate::config::ConfigError;
use crate::domain::ExitStatus;
use crate::emulator::EmulatorError;
use crate::input::SourceError;
use crate::plan::{ApprovalError, PlanError, PlanRefusal};
use crate::queue::QueueError;
use crate::run::RunError;
use crate::telemetry::WatchError;
use crate::terminal::LogError;

/// Why a command ends without doing what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The input is wrong.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The plan cannot be made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A saved plan is not run.
    #[error("{0}; nothing was sent")]
    PlanRefused(#[from] PlanRefusal),
    /// A saved plan is not approved.
    #[error("{0}; nothing was sent")]
    Approval(#[from] ApprovalError),
    /// The API cannot be reached as configured.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The API does not accept the token, as a look before anything is sent showed.
    #[error(
        "{0}; nothing was sent, and no run was begun. Check DATABRAIN_TOKEN and the base URL, and give the same command again"
    )]
    Unauthorized(ApiError),
    /// The audit log cannot be used.
    #[error(transparent)]
    Audit(Arc<AuditError>),
    /// There is no audit log that could be verified.
    #[error("{0}; nothing was verified")]
    NothingToVerify(AuditError),
    /// The audit log is not what decom wrote.
    #[error("{}: this audit log is not what decom wrote; `decom audit verify` tells what is wrong; nothing was signed", path.display())]
    NotSound {
        /// The log.
        path: PathBuf,
    },
    /// The queue cannot be used.
    #[error("{0}; nothing was sent")]
    Queue(#[from] QueueError),
    /// Not all of an input went on the queue.
    #[error(
        "{source}; at least {put} of {count} names are on the queue. Give the same command again: a name that is there twice is deleted once"
    )]
    Enqueue {
        /// How many are on it for certain.
        put: u64,
        /// How many there are.
        count: u64,
        /// What went wrong.
        source: QueueError,
    },
    /// The log cannot be kept.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The run cannot be executed.
    #[error(transparent)]
    Run(RunError),
    /// The emulator cannot be started.
    #[error(transparent)]
    Emulator(#[from] EmulatorError),
    /// Nobody can be told of the run.
    #[error("{0}; nothing was sent")]
    Watch(#[from] WatchError),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A guard refuses, or nobody confirmed.
    #[error("{0}; nothing was sent")]
    Refused(String),
    /// A report cannot be written.
    #[error("{}: cannot write the report: {source}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The terminal or standard output cannot be used.
    #[error("cannot write to the terminal: {0}")]
    Terminal(#[from] io::Error),
}

impl CommandError {
    /// Whether a reader of ours, such as `head`, has seen enough.
    pub(super) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Terminal(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code that tells it.
    #[must_use]
    pub fn exit(&self) -> ExitStatus {
        match self {
            Self::Audit(error) => of_audit(error),
            Self::Run(RunError::Audit(error)) => of_audit(error),
            Self::NotSound { .. } => ExitStatus::Audit,
            Self::NothingToVerify(_) => ExitStatus::NothingToVerify,
            Self::Refused(_) | Self::PlanRefused(_) | Self::Plan(PlanError::Altered { .. }) => {
                ExitStatus::Refused
            }
            Self::Unauthorized(_) => ExitStatus::Stopped,
            Self::Approval(error) if !error.is_usage() => ExitStatus::Refused,
            _ => ExitStatus::Usage,
        }
    }
}

fn of_audit(error: &AuditError) -> ExitStatus {
    match error {
        AuditError::Held { .. } | AuditError::Unfinished { .. } | AuditError::InUse { .. } => {
            ExitStatus::Refused
        }
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

impl From<RunError> for CommandError {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}
