//! Stops a run in which too many targets fail: the cause is then not a single name.

use std::collections::VecDeque;

use crate::domain::{Outcome, Seq};

/// Counts how the last targets ended.
#[derive(Debug, Clone)]
pub(super) struct Breaker {
    window: usize,
    limit: usize,
    last: VecDeque<Status>,
    failures: usize,
    open: usize,
}

/// How a target ended, as far as the breaker is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Success,
    Failure,
    /// No reply settled it; a listing may.
    Open(Seq),
}

impl Status {
    const fn of(outcome: Outcome) -> Self {
        if matches!(outcome, Outcome::Failed | Outcome::Unknown | Outcome::Rejected) {
            Self::Failure
        } else {
            Self::Success
        }
    }
}

/// What the last targets indicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alarm {
    None,
    /// There are too many failures if each open target counts as one.
    Suspicion,
    Tripped {
        failures: usize,
        window: usize,
    },
}

impl Breaker {
    /// Makes a breaker that trips if `limit` of the last `window` targets failed.
    pub(super) fn new(window: usize, limit: usize) -> Self {
        Self { window, limit, last: VecDeque::with_capacity(window.min(1024)), failures: 0, open: 0 }
    }

    /// Takes a target that a reply settled. "In use" and "not found" are not failures.
    pub(super) fn settled(&mut self, outcome: Outcome) -> Alarm {
        self.push(Status::of(outcome));
        self.alarm()
    }

    /// Takes a target that counts as failed, whatever its outcome is.
    pub(super) fn failed(&mut self) -> Alarm {
        self.push(Status::Failure);
        self.alarm()
    }

    /// Takes a target that a listing settled; returns `None` if it was not open.
    pub(super) fn resolved(&mut self, target: Seq, outcome: Outcome) -> Option<Alarm> {
        if self.open == 0 {
            return None;
        }
        let place = self.last.iter().position(|status| *status == Status::Open(target))?;
        self.replace(place, Status::of(outcome));
        Some(self.alarm())
    }

    /// Takes a target that no attempt could settle.
    pub(super) fn open(&mut self, target: Seq) -> Alarm {
        self.push(Status::Open(target));
        self.alarm()
    }

    /// Counts every open target as failed, as no listing could settle it.
    pub(super) fn give_up_open(&mut self) -> Alarm {
        for place in 0..self.last.len() {
            if matches!(self.last[place], Status::Open(_)) {
                self.replace(place, Status::Failure);
            }
        }
        self.alarm()
    }

    fn push(&mut self, status: Status) {
        if self.last.len() == self.window
            && let Some(oldest) = self.last.pop_front()
        {
            self.count(oldest, -1);
        }
        self.last.push_back(status);
        self.count(status, 1);
    }

    fn replace(&mut self, place: usize, status: Status) {
        let before = std::mem::replace(&mut self.last[place], status);
        self.count(before, -1);
        self.count(status, 1);
    }

    fn count(&mut self, status: Status, change: isize) {
        let counter = match status {
            Status::Success => return,
            Status::Failure => &mut self.failures,
            Status::Open(_) => &mut self.open,
        };
        *counter = counter.saturating_add_signed(change);
    }

    fn alarm(&self) -> Alarm {
        if self.failures >= self.limit {
            return Alarm::Tripped { failures: self.failures, window: self.last.len() };
        }
        let suspicious = self.open > 0 && self.failures + self.open >= self.limit;
        if suspicious { Alarm::Suspicion } else { Alarm::None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIPPED: Alarm = Alarm::Tripped { failures: 3, window: 5 };

    #[test]
    fn trips_at_the_limit_within_the_window_and_not_before() {
        let mut breaker = Breaker::new(5, 3);
        let outcomes = [
            (Outcome::Failed, Alarm::None),
            (Outcome::Unknown, Alarm::None),
            (Outcome::InUse, Alarm::None),
            (Outcome::NotFound, Alarm::None),
            (Outcome::Deleted, Alarm::None),
            // The first failure has left the window.
            (Outcome::Rejected, Alarm::None),
            (Outcome::Failed, Alarm::None),
            (Outcome::Failed, TRIPPED),
        ];
        for (number, (outcome, alarm)) in outcomes.into_iter().enumerate() {
            assert_eq!(breaker.settled(outcome), alarm, "at {number}");
        }
    }

    #[test]
    fn open_targets_raise_suspicion_until_they_are_settled() {
        let mut breaker = Breaker::new(5, 3);
        breaker.settled(Outcome::Failed);
        assert_eq!(breaker.open(Seq(2)), Alarm::None);
        assert_eq!(breaker.open(Seq(3)), Alarm::Suspicion);
        assert_eq!(breaker.resolved(Seq(9), Outcome::Failed), None, "it was never open");
        assert_eq!(breaker.resolved(Seq(2), Outcome::DeletedUnconfirmed), Some(Alarm::None));
        assert_eq!(breaker.open(Seq(4)), Alarm::Suspicion);
        breaker.resolved(Seq(3), Outcome::Unknown);
        let tripped = Alarm::Tripped { failures: 3, window: 4 };
        assert_eq!(breaker.resolved(Seq(4), Outcome::Failed), Some(tripped));
    }

    #[test]
    fn targets_that_no_listing_could_settle_count_as_failed() {
        let mut breaker = Breaker::new(5, 2);
        breaker.open(Seq(1));
        assert_eq!(breaker.open(Seq(2)), Alarm::Suspicion);
        assert_eq!(breaker.give_up_open(), Alarm::Tripped { failures: 2, window: 2 });
    }
}
