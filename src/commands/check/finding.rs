//! What one check found.

use serde_json::json;

use crate::commands::CommandError;
use crate::domain::ExitStatus;

/// What one check found.
#[derive(Debug)]
pub(super) struct Finding {
    /// What was checked.
    pub(super) what: &'static str,
    pub(super) status: Status,
    /// What was found, and what to do about it.
    pub(super) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    /// A run would start; the user may want to know this before.
    Warning,
    /// A run could not start, and would end so.
    Failed(ExitStatus),
    /// Not checked, because of another finding.
    Skipped,
}

impl Status {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed(_) => "FAILED",
            Self::Skipped => "skipped",
        }
    }
}

impl Finding {
    pub(super) const fn new(what: &'static str, status: Status, text: String) -> Self {
        Self { what, status, text }
    }

    /// A check that failed with `error`.
    pub(super) fn failed(what: &'static str, error: impl Into<CommandError>) -> Self {
        let error = error.into();
        Self::new(what, Status::Failed(error.exit()), error.to_string())
    }

    /// How the process ends for this finding.
    pub(super) const fn exit(&self) -> ExitStatus {
        match self.status {
            Status::Failed(exit) => exit,
            _ => ExitStatus::Done,
        }
    }

    pub(super) fn object(&self) -> serde_json::Value {
        json!({
            "check": self.what,
            "status": self.status.word().to_ascii_lowercase(),
            "message": self.text,
            "exit_code": self.exit().code(),
        })
    }
}
