//! How many targets of a period ended how, by operator, by ticket and by month.

use std::collections::BTreeMap;

use crate::domain::{Counts, Outcome, SettledTarget};

/// The counts of a period.
#[derive(Debug, Clone, Default)]
pub struct PeriodCounts {
    pub outcomes: Counts,
    /// Deleted, and still in a listing that was read afterwards.
    pub still_listed: u64,
    /// By the operator as stated; `None` if none is recorded.
    pub operators: BTreeMap<Option<String>, GroupCount>,
    /// By the ticket of the target, or else of its run.
    pub tickets: BTreeMap<Option<String>, GroupCount>,
    /// By the month of the outcome in UTC, such as `2026-07`.
    pub months: BTreeMap<Option<String>, GroupCount>,
}

/// The targets that have something in common.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupCount {
    pub targets: u64,
    /// Those that were deleted, confirmed or not.
    pub deleted: u64,
}

impl PeriodCounts {
    /// Counts a target.
    pub fn add(&mut self, target: &SettledTarget) {
        let (run, result) = (&target.run, &target.result);
        self.outcomes.add(result.outcome, 1);
        let deleted = matches!(result.outcome, Outcome::Deleted | Outcome::DeletedUnconfirmed);
        self.still_listed += u64::from(deleted && result.evidence.as_deref() == Some("still_listed"));
        let month = result.finished_at.as_deref().and_then(|at| at.get(..7));
        let ticket = result.target_ticket.as_ref().or(run.ticket.as_ref());
        for (groups, key) in [
            (&mut self.operators, run.operator.clone()),
            (&mut self.tickets, ticket.cloned()),
            (&mut self.months, month.map(str::to_owned)),
        ] {
            let group = groups.entry(key).or_default();
            group.targets += 1;
            group.deleted += u64::from(deleted);
        }
    }

    /// How many targets there are.
    #[must_use]
    pub fn targets(&self) -> u64 {
        self.outcomes.planned()
    }

    /// How many of them were deleted, confirmed or not.
    #[must_use]
    pub const fn deleted(&self) -> u64 {
        self.outcomes.of(Outcome::Deleted) + self.outcomes.of(Outcome::DeletedUnconfirmed)
    }

    /// The groups, each with its heading.
    pub(in crate::report) fn groups(&self) -> [(&'static str, &BTreeMap<Option<String>, GroupCount>); 3] {
        [("month", &self.months), ("operator", &self.operators), ("ticket", &self.tickets)]
    }
}
