//! The exit codes: public interface, relied on by scripts and by Kubernetes' `podFailurePolicy`.

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitStatus {
    /// 0: every target is gone.
    Done,
    /// 1: the run finished, but something else is among the outcomes.
    Exceptions,
    /// 2: usage, configuration or input is wrong; nothing was sent.
    Usage,
    /// 3: a guard refused, or the operator did not confirm; nothing was sent.
    Refused,
    /// 4: stopped early, or could not start, for a transient reason; `resume` continues.
    Stopped,
    /// 5: the audit log cannot be written or is not sound.
    Audit,
    /// 6: `audit verify` found nothing to verify.
    NothingToVerify,
    /// 129: interrupted by SIGHUP, as the session ended; finished cleanly, `resume` continues.
    HungUp,
    /// 130: interrupted by SIGINT; finished cleanly, `resume` continues.
    Interrupted,
    /// 143: interrupted by SIGTERM; finished cleanly, `resume` continues.
    Terminated,
}

impl ExitStatus {
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Exceptions => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Stopped => 4,
            Self::Audit => 5,
            Self::NothingToVerify => 6,
            Self::HungUp => 129,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}
