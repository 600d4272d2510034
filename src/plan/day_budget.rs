//! How much may be deleted in any 24 hours, over all runs of an audit log and of those before it.

use std::collections::VecDeque;
use std::time::Duration;

use super::Refusal;
use crate::domain::{RecentDeletions, Timestamp};

/// The time within which deletions count.
pub const BUDGET_WINDOW: Duration = Duration::from_hours(24);

/// The most that may be deleted in any 24 hours, and what was deleted, or may have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayBudget {
    limit: u64,
    /// When each was, the first one first.
    used: VecDeque<Timestamp>,
}

impl DayBudget {
    /// A budget of which `recent` is used.
    #[must_use]
    pub fn new(limit: u64, recent: RecentDeletions) -> Self {
        let doubts = recent.in_doubt.into_iter().map(|(.., at)| at);
        let mut used: Vec<_> = recent.at.into_iter().chain(doubts).collect();
        used.sort_unstable();
        Self { limit, used: used.into() }
    }

    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes note of a deletion.
    pub fn add(&mut self, at: Timestamp) {
        let after = self.used.partition_point(|used| *used <= at);
        self.used.insert(after, at);
    }

    /// How many may be deleted at `now`.
    pub fn left(&mut self, now: Timestamp) -> u64 {
        self.limit.saturating_sub(self.used(now))
    }

    /// How many were deleted in the 24 hours before `now`, or may have been.
    pub fn used(&mut self, now: Timestamp) -> u64 {
        while self.used.front().is_some_and(|at| now >= end_of(*at)) {
            self.used.pop_front();
        }
        self.used.len() as u64
    }

    /// From when on `due` may be deleted; `None` if they are more than the budget of a day.
    #[must_use]
    pub fn fits_at(&self, due: u64) -> Option<Timestamp> {
        let others = self.limit.checked_sub(due)?;
        let to_go = (self.used.len() as u64).saturating_sub(others);
        let last_to_go = usize::try_from(to_go).ok().and_then(|count| count.checked_sub(1));
        Some(
            last_to_go
                .and_then(|index| self.used.get(index))
                .map_or_else(Timestamp::default, |at| end_of(*at)),
        )
    }

    /// Why `due` may not be deleted at `now`; `None` if they may.
    pub fn refusal(&mut self, due: u64, now: Timestamp) -> Option<Refusal> {
        if due <= self.left(now) {
            return None;
        }
        let (used, limit) = (self.used(now), self.limit);
        Some(Refusal::DayUsedUp { due, used, limit, fits_at: self.fits_at(due) })
    }
}

/// When what was deleted at `at` counts no longer.
fn end_of(at: Timestamp) -> Timestamp {
    at.after(BUDGET_WINDOW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ResourceKind;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_micros(hours * 3_600_000_000)
    }

    fn budget(limit: u64) -> DayBudget {
        let in_doubt = vec![(ResourceKind::Datamart, "m".to_owned(), at(2))];
        DayBudget::new(limit, RecentDeletions { at: vec![at(3), at(1)], in_doubt })
    }

    #[test]
    fn what_was_deleted_counts_for_a_day() {
        let mut budget = budget(5);
        assert_eq!(budget.left(at(4)), 2);
        budget.add(at(4));
        assert_eq!(budget.left(at(4)), 1);
        let last = Timestamp::from_micros(at(25).as_micros() - 1);
        assert_eq!((budget.left(last), budget.left(at(25)), budget.left(at(28))), (1, 2, 5));
    }

    #[test]
    fn says_when_more_fits() {
        let mut budget = budget(5);
        assert_eq!(budget.refusal(2, at(4)), None);
        for (due, fits_at) in [(3, Some(at(25))), (4, Some(at(26))), (5, Some(at(27))), (6, None)] {
            let refusal = Refusal::DayUsedUp { due, used: 3, limit: 5, fits_at };
            assert_eq!(budget.refusal(due, at(4)), Some(refusal));
        }
        // More is used than a day may: the limit was larger before.
        let mut smaller = self::budget(1);
        assert_eq!(smaller.left(at(4)), 0);
        assert_eq!(smaller.fits_at(1), Some(at(27)));
        assert_eq!(smaller.refusal(0, at(4)), None);
        let mut nothing = DayBudget::new(0, RecentDeletions::default());
        assert!(matches!(nothing.refusal(1, at(4)), Some(Refusal::DayUsedUp { fits_at: None, .. })));
    }
}
