//! Lets no more targets go out than may be deleted in any 24 hours. What is under way counts until it is known to exist.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::domain::{Clock, Outcome, Seq, lock};
use crate::plan::DayBudget;
use crate::queue::Queue;

/// How often it is looked if the budget has room again.
const INTERVAL: Duration = Duration::from_secs(1);

/// The budget of a run that takes its targets from a queue, if it has one.
pub(super) struct BudgetGate {
    clock: Arc<dyn Clock>,
    state: Option<Mutex<State>>,
}

struct State {
    budget: DayBudget,
    /// Targets that were handed out and have no outcome.
    under_way: HashSet<Seq>,
    is_paused: bool,
}

impl BudgetGate {
    pub(super) fn new(budget: Option<DayBudget>, clock: Arc<dyn Clock>) -> Self {
        let state = |budget| Mutex::new(State { budget, under_way: HashSet::new(), is_paused: false });
        Self { clock, state: budget.map(state) }
    }

    /// Returns true if another target may be handed out.
    pub(super) fn has_room(&self) -> bool {
        self.state().is_none_or(|mut state| {
            let left = state.budget.left(self.clock.timestamp());
            left > state.under_way.len() as u64
        })
    }

    /// Waits until another target may be handed out, `is_over`, or the queue is empty that `ending` is.
    pub(super) async fn wait(&self, is_over: impl Fn() -> bool, ending: Option<&dyn Queue>) {
        while !is_over() {
            if self.has_room() {
                return self.resume();
            }
            if let Some(queue) = ending
                && matches!(queue.waiting().await, Ok(0))
            {
                return;
            }
            self.pause();
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// How much of it is used, and how much there is, if there is one.
    pub(super) fn extent(&self) -> Option<(u64, u64)> {
        let mut state = self.state()?;
        Some((state.budget.used(self.clock.timestamp()), state.budget.limit()))
    }

    pub(super) fn hand_out(&self, target: Seq) {
        if let Some(mut state) = self.state() {
            state.under_way.insert(target);
        }
    }

    /// Takes note of the outcome of a target: what is gone, or may be, counts.
    pub(super) fn settled(&self, target: Seq, outcome: Outcome) {
        let Some(mut state) = self.state() else { return };
        let was_sent = state.under_way.remove(&target);
        if was_sent && (outcome.is_gone() || outcome == Outcome::Unknown) {
            state.budget.add(self.clock.timestamp());
        }
    }

    /// Says once that the run waits, and until when.
    fn pause(&self) {
        let Some(mut state) = self.state() else { return };
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
            None => {
                tracing::warn!(
                    "no deletion at all is allowed in 24 hours (max_deletes_per_day); no message is taken"
                );
            }
        }
    }

    fn resume(&self) {
        if self.state().is_some_and(|mut state| std::mem::take(&mut state.is_paused)) {
            tracing::info!("the limit of 24 hours has room again; the run continues");
        }
    }

    fn state(&self) -> Option<MutexGuard<'_, State>> {
        self.state.as_ref().map(lock)
    }
}
