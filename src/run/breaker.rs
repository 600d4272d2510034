//! Stops a run in which too much fails: the trouble is then not with single names.

use std::collections::VecDeque;

use crate::domain::Outcome;

/// Looks at the last settled targets.
#[derive(Debug, Clone)]
pub(super) struct Breaker {
    window: usize,
    limit: usize,
    last: VecDeque<bool>,
    failures: usize,
}

impl Breaker {
    /// Trips when `limit` of the last `window` settled targets failed.
    pub(super) fn new(window: usize, limit: usize) -> Self {
        Self { window, limit, last: VecDeque::with_capacity(window.min(1024)), failures: 0 }
    }

    /// Takes note of a settled target; `true` where that is one failure too many. In use and not
    /// found are no failures.
    pub(super) fn settled(&mut self, outcome: Outcome) -> bool {
        let failed = matches!(outcome, Outcome::Failed | Outcome::Unknown | Outcome::Rejected);
        if self.last.len() == self.window && self.last.pop_front() == Some(true) {
            self.failures -= 1;
        }
        self.last.push_back(failed);
        self.failures += usize::from(failed);
        failed && self.failures >= self.limit
    }

    /// How many failed of how many.
    pub(super) fn state(&self) -> (usize, usize) {
        (self.failures, self.last.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trips_at_the_limit_within_the_window_and_not_before() {
        let mut breaker = Breaker::new(5, 3);
        let outcomes = [
            (Outcome::Failed, false),
            (Outcome::Unknown, false),
            (Outcome::InUse, false),
            (Outcome::NotFound, false),
            (Outcome::Deleted, false),
            // The first failure has left the window.
            (Outcome::Rejected, false),
            (Outcome::Failed, false),
            (Outcome::Failed, true),
        ];
        for (number, (outcome, trips)) in outcomes.into_iter().enumerate() {
            assert_eq!(breaker.settled(outcome), trips, "at {number}");
        }
        assert_eq!(breaker.state(), (3, 5));
    }
}
