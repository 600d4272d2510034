//! What a webhook is notified of.

use std::fmt;
use std::str::FromStr;

/// What a webhook is notified of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeEvent {
    /// A plan was made.
    PlanMade,
    /// A saved plan waits for the signature of a second person.
    ApprovalWanted,
    /// A run begins.
    RunStarted,
    /// A command did nothing, because its configuration or input is wrong or a guard refused.
    RunRefused,
    /// A run ended early, or could not begin for a passing reason.
    RunStopped,
    /// A run came to its end.
    RunEnded,
}

impl NoticeEvent {
    pub const ALL: [Self; 6] = [
        Self::PlanMade,
        Self::ApprovalWanted,
        Self::RunStarted,
        Self::RunRefused,
        Self::RunStopped,
        Self::RunEnded,
    ];

    /// Returns the word in settings and notices.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlanMade => "plan_made",
            Self::ApprovalWanted => "approval_wanted",
            Self::RunStarted => "run_started",
            Self::RunRefused => "run_refused",
            Self::RunStopped => "run_stopped",
            Self::RunEnded => "run_ended",
        }
    }
}

impl fmt::Display for NoticeEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for NoticeEvent {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|event| event.as_str() == text).ok_or(())
    }
}
