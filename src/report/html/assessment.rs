//! How a run ended as a whole: complete, complete with exceptions, or incomplete.

use maud::{Markup, html};

use super::wording::{counted, number};
use crate::domain::{Outcome, RunAccount, RunSummary, SkipReason};

/// How a run ended as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assessment {
    pub(super) completeness: Completeness,
    /// "Not found" was accepted beforehand.
    pub(super) accepts_not_found: bool,
    /// Targets that the run deleted, without those that are still listed.
    deleted: u64,
    /// Targets that an earlier run deleted.
    pub(super) already_deleted: u64,
    /// Targets that were not found, if that was accepted.
    accepted: u64,
    /// Settled targets that are none of these.
    pub(super) exceptions: u64,
    pub(super) pending: u64,
    planned: u64,
    /// The end of the run, as a sentence.
    ending: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Completeness {
    Complete,
    WithExceptions,
    Incomplete,
}

impl Assessment {
    pub(super) fn of(run: &RunSummary, account: &RunAccount) -> Self {
        let counts = &run.counts;
        // With names that were not found the exit code is 0 only if that was accepted beforehand.
        let accepts_not_found = run.exit_code == Some(0);
        let not_found = counts.of(Outcome::NotFound);
        let accepted = if accepts_not_found { not_found } else { 0 };
        let failures = [Outcome::InUse, Outcome::Rejected, Outcome::Failed, Outcome::Unknown];
        let failures: u64 = failures.into_iter().map(|outcome| counts.of(outcome)).sum();
        let already_deleted = account.skipped.get(SkipReason::AlreadyDeleted.as_str()).copied().unwrap_or(0);
        let skipped = counts.of(Outcome::Skipped).saturating_sub(already_deleted);
        let exceptions = failures + not_found - accepted + skipped + account.still_listed;
        let pending = counts.of(Outcome::Pending);
        let completeness = match run.status.as_str() {
            "finished" if pending > 0 => Completeness::Incomplete,
            "finished" if exceptions > 0 => Completeness::WithExceptions,
            "finished" => Completeness::Complete,
            _ => Completeness::Incomplete,
        };
        let ending = match run.status.as_str() {
            "finished" => "The run is finished.",
            "stopped" => "The run stopped early.",
            "interrupted" => "The run was interrupted.",
            _ => "The end of the run is not recorded: it is still active, or it was killed.",
        };
        let deleted = counts.of(Outcome::Deleted) + counts.of(Outcome::DeletedUnconfirmed);
        Self {
            completeness,
            accepts_not_found,
            deleted: deleted.saturating_sub(account.still_listed),
            already_deleted,
            accepted,
            exceptions,
            pending,
            planned: counts.planned(),
            ending,
        }
    }

    pub(super) const fn word(&self) -> &'static str {
        match self.completeness {
            Completeness::Complete => "Complete",
            Completeness::WithExceptions => "Complete with exceptions",
            Completeness::Incomplete => "Incomplete",
        }
    }

    /// The class in the style sheet.
    pub(super) const fn class(&self) -> &'static str {
        match self.completeness {
            Completeness::Complete => "complete",
            Completeness::WithExceptions => "exceptions",
            Completeness::Incomplete => "incomplete",
        }
    }

    /// The counts in words. They add up to the targets of the run.
    pub(super) fn sentence(&self, rehearsal: bool) -> String {
        let planned = counted(self.planned, "datasource", "datasources");
        let emulated = if rehearsal { " of the emulator" } else { "" };
        let were = if self.deleted == 1 { "was" } else { "were" };
        let mut parts =
            vec![format!("{} {} of {planned}{emulated} {were} deleted", self.ending, number(self.deleted))];
        let others = [
            (self.already_deleted, "was deleted by an earlier run", "were deleted by an earlier run"),
            (
                self.accepted,
                "was not found, which was accepted beforehand",
                "were not found, which was accepted beforehand",
            ),
            (self.exceptions, "is an exception", "are exceptions"),
            (self.pending, "is not settled", "are not settled"),
        ];
        parts.extend(others.iter().filter(|(n, ..)| *n > 0).map(|(n, one, many)| counted(*n, one, many)));
        parts.join("; ") + "."
    }

    /// A sign that differs in its shape, not only in its colour.
    pub(super) fn sign(&self) -> Markup {
        html! {
            svg.sign viewBox="0 0 24 24" aria-hidden="true" {
                @match self.completeness {
                    Completeness::Complete => { path d="M4.5 12.5l5 5 10-11" {} }
                    Completeness::WithExceptions => { path d="M12 4v10.5M12 19.2v.3" {} }
                    Completeness::Incomplete => { path d="M5.2 12h.1M12 12h.1M18.7 12h.1" {} }
                }
            }
        }
    }
}
