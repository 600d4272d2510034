//! The one final state of a target in a run, how it is known, and the counts that must add up.

use std::fmt;
use std::str::FromStr;

/// The one final state of a target in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The API says that it deleted it.
    Deleted,
    /// "Not found", or absent from the listing, after an attempt that got no clear reply.
    DeletedUnconfirmed,
    /// "Not found", or absent from the listing, without such an attempt.
    NotFound,
    /// Something depends on it, and has to be removed first.
    InUse,
    /// Any other definite refusal.
    Rejected,
    /// Attempts used up or useless, and it is listed; or no listing and no doubt.
    Failed,
    /// Attempts used up in doubt, and no listing could settle it.
    Unknown,
    /// Never sent, with a reason.
    Skipped,
    /// Not finished: the run was stopped.
    Pending,
}

impl Outcome {
    /// Every outcome, in the order in which reports show them.
    pub const ALL: [Self; 9] = [
        Self::Deleted,
        Self::DeletedUnconfirmed,
        Self::NotFound,
        Self::InUse,
        Self::Rejected,
        Self::Failed,
        Self::Unknown,
        Self::Skipped,
        Self::Pending,
    ];

    /// Returns the word in the audit log, in reports and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::DeletedUnconfirmed => "deleted_unconfirmed",
            Self::NotFound => "not_found",
            Self::InUse => "in_use",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
            Self::Pending => "pending",
        }
    }

    /// Returns true if decom has deleted it, confirmed by a reply or not.
    #[must_use]
    pub const fn is_gone(self) -> bool {
        matches!(self, Self::Deleted | Self::DeletedUnconfirmed)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, UnknownOutcome> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
            .ok_or_else(|| UnknownOutcome { text: text.to_owned() })
    }
}

/// A word that is not an outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an outcome; the outcomes are deleted, deleted_unconfirmed, not_found, in_use, rejected, failed, unknown, skipped and pending"
)]
pub struct UnknownOutcome {
    pub text: String,
}

/// Why a target was never sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// A protection pattern matches its name.
    Protected,
    /// It must not be deleted for now.
    OnHold,
    /// The audit log knows that it is gone already.
    AlreadyDeleted,
    /// The audit log knows that it was deleted, and a listing shows that it exists again.
    ExistsAgain,
    /// A datamart that goes with it, or that it goes with, is not deleted.
    DependantsRemain,
    /// The datamarts that read the datasource are not those that were planned.
    DependantsChanged,
}

impl SkipReason {
    pub const ALL: [Self; 4] = [Self::Protected, Self::OnHold, Self::AlreadyDeleted, Self::ExistsAgain];

    /// Returns the word in the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Protected => "protected",
            Self::OnHold => "on_hold",
            Self::AlreadyDeleted => "already_deleted",
            Self::ExistsAgain => "exists_again",
            Self::DependantsRemain => DEPENDANTS_REMAIN,
            Self::DependantsChanged => DEPENDANTS_CHANGED,
        }
    }

    /// Returns how the reason is known.
    #[must_use]
    pub const fn evidence(self) -> Evidence {
        match self {
            // The plan is a rule of its run, and so is the order within a group.
            Self::Protected | Self::OnHold | Self::DependantsRemain | Self::DependantsChanged => {
                Evidence::Rule
            }
            Self::AlreadyDeleted | Self::ExistsAgain => Evidence::AuditLog,
        }
    }

    /// Returns true if a rule keeps the name from being sent. "Skipped" says that it was never sent, so that what was
    /// attempted in doubt is settled by a listing instead.
    #[must_use]
    pub const fn is_rule(self) -> bool {
        matches!(self, Self::Protected | Self::OnHold)
    }
}

/// Why a target was never sent although no rule excludes it: the run stopped first, and its message went back to the
/// queue.
pub const GIVEN_BACK: &str = "given_back";

/// Why a datasource was never sent although no rule excludes it: a datamart that goes with it was not deleted.
pub const DEPENDANTS_REMAIN: &str = "dependants_remain";

/// Why a target of a group was never sent although no rule excludes it: a listing shows another group than was planned.
pub const DEPENDANTS_CHANGED: &str = "dependants_changed";

/// How an outcome is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// The API's documented success.
    Acknowledged,
    /// The API's definite reply that it did not delete.
    Refused,
    /// "Not found" after an attempt in doubt.
    NotFoundAfterDoubt,
    /// "Not found", and another worker had received the message before: its log has what it did.
    NotFoundAfterRedelivery,
    /// The name is not in a listing that was read afterwards.
    AbsentFromListing,
    /// The name is still in a listing that was read afterwards.
    StillListed,
    /// Nothing settled it, and the attempts are used up.
    NoClearAnswer,
    /// This audit log holds an earlier outcome.
    AuditLog,
    /// A rule of the configuration, or that a group is sent only as it was planned.
    Rule,
    /// The message that asked for it is on its queue again.
    Queue,
}

impl Evidence {
    pub const ALL: [Self; 10] = [
        Self::Acknowledged,
        Self::Refused,
        Self::NotFoundAfterDoubt,
        Self::NotFoundAfterRedelivery,
        Self::AbsentFromListing,
        Self::StillListed,
        Self::NoClearAnswer,
        Self::AuditLog,
        Self::Rule,
        Self::Queue,
    ];

    /// Returns the word in the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Refused => "refused",
            Self::NotFoundAfterDoubt => "not_found_after_doubt",
            Self::NotFoundAfterRedelivery => "not_found_after_redelivery",
            Self::AbsentFromListing => "absent_from_listing",
            Self::StillListed => "still_listed",
            Self::NoClearAnswer => "no_clear_answer",
            Self::AuditLog => "audit_log",
            Self::Rule => "rule",
            Self::Queue => "queue",
        }
    }
}

/// How many targets ended in which outcome. The counts always add up to [`Counts::planned`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts([u64; Outcome::ALL.len()]);

impl Counts {
    /// Adds `n` targets with this outcome.
    pub fn add(&mut self, outcome: Outcome, n: u64) {
        self.0[outcome as usize] += n;
    }

    /// Moves one target from pending to `outcome`.
    pub fn settle(&mut self, outcome: Outcome) {
        let pending = &mut self.0[Outcome::Pending as usize];
        *pending = pending.saturating_sub(1);
        self.0[outcome as usize] += 1;
    }

    /// Returns how many ended with `outcome`.
    #[must_use]
    pub const fn of(&self, outcome: Outcome) -> u64 {
        self.0[outcome as usize]
    }

    /// Returns how many targets there are in all.
    #[must_use]
    pub fn planned(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Returns how many are settled.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.planned() - self.of(Outcome::Pending)
    }

    /// Returns the outcomes that occur, with their counts, in the order of [`Outcome::ALL`].
    pub fn occurring(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        Outcome::ALL.into_iter().map(|o| (o, self.of(o))).filter(|(_, n)| *n > 0)
    }
}
