//! Targets with something in common, and what is said of all of them: the exceptions, and remarks on others.

use super::Facts;
use crate::domain::{DEPENDANTS_CHANGED, DEPENDANTS_REMAIN, GIVEN_BACK, Outcome, ResultFilter, SkipReason};

/// Targets with something in common.
pub(in crate::report) struct Group {
    pub(in crate::report) filter: ResultFilter<'static>,
    pub(in crate::report) title: &'static str,
    pub(in crate::report) words: &'static str,
    pub(in crate::report) count: u64,
}

impl Facts<'_> {
    fn ended(&self, outcome: Outcome, title: &'static str, words: &'static str) -> Group {
        let count = self.run.counts.of(outcome);
        Group { filter: ResultFilter::Outcome(outcome), title, words, count }
    }

    fn skipped(&self, reason: &'static str, title: &'static str, words: &'static str) -> Group {
        let count = self.account.skipped.get(reason).copied().unwrap_or(0);
        Group { filter: ResultFilter::Skipped(reason), title, words, count }
    }

    /// The targets that are neither gone nor accepted.
    pub(in crate::report) fn exceptions(&self) -> Vec<Group> {
        let mut groups = vec![
            Group {
                filter: ResultFilter::StillListed,
                title: "Said to be deleted, and still listed",
                words: "These ended as deleted, and a listing that was read afterwards still holds them: they were \
                        created again, or were not deleted.",
                count: self.run.still_listed(),
            },
            self.ended(Outcome::Failed, "Failed", "All attempts failed. As far as is known, these exist."),
            self.ended(
                Outcome::Unknown,
                "Unknown",
                "No attempt got a clear reply, and no listing settled it. These may exist or not.",
            ),
            self.ended(Outcome::Rejected, "Rejected", "The API refused to delete these, for the reason given."),
            self.ended(
                Outcome::InUse,
                "In use",
                "The API did not delete these, as something depends on them. Remove the dependants first.",
            ),
            self.skipped(
                SkipReason::Protected.as_str(),
                "Protected",
                "A rule protects these names. This run sent no request for them.",
            ),
            self.skipped(
                SkipReason::OnHold.as_str(),
                "On hold",
                "These must not be deleted for now, for the reason given. This run sent no request for them.",
            ),
            self.skipped(
                SkipReason::ExistsAgain.as_str(),
                "Existing again",
                "An earlier run deleted these, and the listing shows them again: they were created again, or were not \
                 deleted. This run sent no request for them.",
            ),
            self.skipped(
                GIVEN_BACK,
                "Given back to the queue",
                "The run stopped first, or slept for too long, and the messages that name these went back to the queue \
                 for another run. This run sent no request for them.",
            ),
            self.skipped(
                DEPENDANTS_REMAIN,
                "Datamarts remain",
                "A datamart that was to go before each of these was not deleted. This run sent no request for them.",
            ),
            self.skipped(
                DEPENDANTS_CHANGED,
                "Datamarts changed",
                "A listing that was read before their requests showed other datamarts than were planned. This run sent no \
                 request for these.",
            ),
            self.ended(Outcome::NotFound, "Not found", NOT_FOUND_UNACCEPTED),
            self.ended(
                Outcome::Pending,
                "Pending",
                "The run has not settled these. Those that were sent without a recorded reply may be gone.",
            ),
        ];
        if self.run.accepts_not_found() {
            groups.retain(|group| group.filter != ResultFilter::Outcome(Outcome::NotFound));
        }
        groups
    }

    /// Skipped targets whose reason this version does not know.
    pub(in crate::report) fn skipped_otherwise(&self) -> u64 {
        let known =
            [SkipReason::Protected, SkipReason::OnHold, SkipReason::AlreadyDeleted, SkipReason::ExistsAgain]
                .map(SkipReason::as_str);
        let is_known = |reason: &String| {
            known.contains(&reason.as_str())
                || [GIVEN_BACK, DEPENDANTS_REMAIN, DEPENDANTS_CHANGED].contains(&reason.as_str())
        };
        self.account.skipped.iter().filter(|(reason, _)| !is_known(reason)).map(|(_, n)| n).sum()
    }

    /// Targets that are not exceptions, and of which there is something to say.
    pub(in crate::report) fn remarks(&self) -> Vec<Group> {
        let mut groups = vec![
            self.ended(
                Outcome::DeletedUnconfirmed,
                "Gone, without the API’s own confirmation",
                "An attempt got no clear reply, and afterwards the API or its listing did not have these any more. Most \
                 likely that attempt deleted them.",
            ),
            self.skipped(
                SkipReason::AlreadyDeleted.as_str(),
                "Deleted before",
                "The audit log holds an earlier deletion of these. This run sent no request for them.",
            ),
        ];
        if self.run.accepts_not_found() {
            groups.push(self.ended(Outcome::NotFound, "Not found, accepted beforehand", NOT_FOUND_ACCEPTED));
        }
        groups
    }
}

const NOT_FOUND_UNACCEPTED: &str = "The API or its listing has none of these names, and no attempt can have deleted them. Check the spelling.";

const NOT_FOUND_ACCEPTED: &str = "The API or its listing has none of these names, and no attempt can have deleted them. \
                                  The run was started with this counting as success. Nothing was deleted for them.";
