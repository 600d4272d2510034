//! What a run as a whole amounts to, in words: its title, its status, and the counts as a sentence.

use super::run_facts::RunEnd;
use super::{Completeness, RunFacts, counted};
use crate::domain::Outcome;
use crate::report::text::grouped;

/// The mark of a rehearsal.
pub(in crate::report) const REHEARSAL: &str = "REHEARSAL – nothing real was deleted";

impl RunFacts {
    /// The title of a page about it. Only what deleted something is a certificate of deletion.
    pub(in crate::report) const fn title(&self) -> &'static str {
        if self.rehearsal {
            "Rehearsal of a deletion"
        } else if self.has_deleted() {
            "Certificate of deletion"
        } else {
            "Record of a run"
        }
    }

    /// The status in a word.
    pub(in crate::report) fn status(&self) -> &'static str {
        match self.completeness() {
            Completeness::Complete => "Complete",
            Completeness::NothingDeleted => "Nothing deleted",
            Completeness::WithExceptions if self.has_deleted() || self.already_deleted > 0 => {
                "Complete with exceptions"
            }
            Completeness::WithExceptions => "Finished with exceptions",
            Completeness::Incomplete => "Incomplete",
        }
    }

    /// How it ended, and the counts in words. They add up to its targets.
    pub(in crate::report) fn headline(&self) -> String {
        let end = match self.end {
            RunEnd::Finished => "The run is finished.",
            RunEnd::Stopped => "The run stopped early.",
            RunEnd::Interrupted => "The run was interrupted.",
            RunEnd::Unrecorded => "The end of the run is not recorded: it is still active, or it was killed.",
        };
        let planned = self.counts.planned();
        let planned = format!("{} {}", grouped(planned), self.noun(planned));
        let emulated = if self.rehearsal { " of the emulator" } else { "" };
        let were = if self.confirmed() == 1 { "was" } else { "were" };
        let mut parts =
            vec![format!("{end} {} of {planned}{emulated} {were} deleted", grouped(self.confirmed()))];
        let others = [
            (
                self.unconfirmed(),
                "is gone after an attempt without a clear reply",
                "are gone after attempts without a clear reply",
            ),
            (self.already_deleted, "was deleted by an earlier run", "were deleted by an earlier run"),
            (
                self.accepted(),
                "was not found, which was accepted beforehand",
                "were not found, which was accepted beforehand",
            ),
            (self.exceptions(), "is an exception", "are exceptions"),
            (self.pending(), "is not settled", "are not settled"),
        ];
        parts.extend(others.iter().filter(|(n, ..)| *n > 0).map(|(n, one, many)| counted(*n, one, many)));
        let mut headline = parts.join("; ") + ".";
        if self.is_unexplained() {
            let code = self.exit_code.unwrap_or_default();
            let why = format!(
                " It ended with exit code {code}: a message was malformed, or at the end no listing showed that what an \
                 earlier run deleted is still gone."
            );
            headline += &why;
        }
        headline
    }

    /// What an outcome means for its targets.
    pub(in crate::report) fn meaning(&self, outcome: Outcome) -> String {
        let meaning = match outcome {
            Outcome::Deleted => "the API confirmed the deletion",
            Outcome::DeletedUnconfirmed => "gone, after an attempt without a clear reply",
            Outcome::NotFound if self.with_datamarts => "there is none of this name",
            Outcome::NotFound => "no such datasource",
            Outcome::InUse => "something depends on it; remove that first",
            Outcome::Rejected => "the API refused the request",
            Outcome::Failed => "all attempts failed; as far as is known it still exists",
            Outcome::Unknown => "no clear reply; it may exist or not",
            Outcome::Skipped => match self.already_deleted {
                0 => "not sent",
                all if all == self.counts.of(outcome) => "deleted by an earlier run, and not sent",
                some => return format!("not sent; {} of them deleted by an earlier run", grouped(some)),
            },
            Outcome::Pending => "not finished",
        };
        match (outcome, self.still_listed.of(outcome)) {
            (_, 0) => meaning.to_owned(),
            (Outcome::Deleted, n) if n == self.counts.of(outcome) => {
                "the API replied that it deleted it, and a listing afterwards still shows it".to_owned()
            }
            (Outcome::Deleted, n) => {
                let are = if n == 1 { "is" } else { "are" };
                format!("the API replied that it deleted it; {} {are} still listed", grouped(n))
            }
            (_, n) => format!("{meaning}; {} still listed", grouped(n)),
        }
    }
}
