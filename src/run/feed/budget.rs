//! Lets no more targets go out than may be deleted in any 24 hours. What is under way counts until it is known to exist.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};

use crate::domain::{Outcome, Seq, Timestamp, lock};
use crate::plan::DayBudget;

/// The budget of a run that takes its targets from a queue.
#[derive(Debug)]
pub(super) struct BudgetGate(Mutex<State>);

#[derive(Debug)]
struct State {
    budget: DayBudget,
    /// Targets that were handed out and have no outcome.
    under_way: HashSet<Seq>,
    is_paused: bool,
}

impl BudgetGate {
    pub(super) fn new(budget: DayBudget) -> Self {
        Self(Mutex::new(State { budget, under_way: HashSet::new(), is_paused: false }))
    }

    /// Returns true if another target may be handed out at `now`.
    pub(super) fn has_room(&self, now: Timestamp) -> bool {
        let state = &mut *self.lock();
        state.budget.left(now) > state.under_way.len() as u64
    }

    pub(super) fn hand_out(&self, target: Seq) {
        self.lock().under_way.insert(target);
    }

    /// Takes note of the outcome of a target: what is gone, or may be, counts.
    pub(super) fn settled(&self, target: Seq, outcome: Outcome, at: Timestamp) {
        let state = &mut *self.lock();
        let was_sent = state.under_way.remove(&target);
        if was_sent && (outcome.is_gone() || outcome == Outcome::Unknown) {
            state.budget.add(at);
        }
    }

    /// Says once that the run waits, and until when.
    pub(super) fn pause(&self) {
        let state = &mut *self.lock();
        // What is under way may need no budget in the end.
        if !state.under_way.is_empty() || std::mem::replace(&mut state.is_paused, true) {
            return;
        }
        let limit = state.budget.limit();
        match state.budget.fits_at(1) {
            Some(until) => tracing::warn!(
                %until,
                "{limit} deletions in 24 hours is the limit (max_deletes_per_day), and they are used up; no message is taken until {until}"
            ),
            None => tracing::warn!(
                "no deletion at all is allowed in 24 hours (max_deletes_per_day); no message is taken"
            ),
        }
    }

    pub(super) fn resume(&self) {
        if std::mem::take(&mut self.lock().is_paused) {
            tracing::info!("the limit of 24 hours has room again; the run continues");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}
