//! How much a finding weighs, and whether it speaks against the log itself.

use super::Finding;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It is as it should be, and worth a word.
    Note,
    /// Not finished, or not vouched for from outside.
    Open,
    /// The log is not what decom wrote.
    Unsound,
}

impl Finding {
    /// How much it weighs.
    #[must_use]
    pub const fn weight(&self) -> Weight {
        match self {
            Self::AttemptDoubted { .. }
            | Self::NotCovered { .. }
            | Self::WalMissing { ended: true }
            | Self::CheckpointsBefore { .. }
            | Self::EndAnchoredLater { .. } => Weight::Note,
            Self::WalMissing { ended: false }
            | Self::Unfinished { .. }
            | Self::AttemptOpen { .. }
            | Self::CheckpointOfEnd { .. }
            | Self::EndNotAnchored { .. }
            | Self::NotAnchored { .. } => Weight::Open,
            _ => Weight::Unsound,
        }
    }

    /// Returns true if the log is not what decom wrote, or not what a checkpoint says of it. That a checkpoint cannot be
    /// read, is not signed by one who may, or is missing, is wrong with the checkpoint, and says nothing of the log.
    #[must_use]
    pub const fn speaks_against_log(&self) -> bool {
        matches!(self.weight(), Weight::Unsound)
            && !matches!(
                self,
                Self::CheckpointUnreadable { .. }
                    | Self::CheckpointUnsigned { .. }
                    | Self::CheckpointsMissing { .. }
                    | Self::CheckpointRemoved { .. }
            )
    }
}
