//! Turns the events of a run into metrics. It is called from the loop of the run, so it only counts.

use std::sync::Arc;

use tokio::time::Instant;

use super::metrics::{Metrics, seconds, set, whole};
use crate::domain::{Clock, Counts, Outcome, RunEvent};
use crate::ratelimit::Rate;
use crate::run::Watcher;

/// Counts the events of a run.
pub struct MetricsWatcher {
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    /// Targets that were settled before this process, or are counted already.
    counted: Counts,
    paused_until: Option<Instant>,
}

impl MetricsWatcher {
    pub(super) fn new(metrics: Metrics, rate: Rate, clock: Arc<dyn Clock>) -> Self {
        if let Rate::Ceiling { requests, window } = rate {
            set(&metrics.ceiling, f64::from(requests.get()) / window.as_secs_f64());
        }
        Self { metrics, clock, counted: Counts::default(), paused_until: None }
    }

    /// Takes over the `counts` of the finished run from its log: some targets are settled only at the end.
    pub fn ended(&mut self, counts: &Counts) {
        for outcome in Outcome::ALL {
            let late = counts.of(outcome).saturating_sub(self.counted.of(outcome));
            self.metrics.settled[outcome as usize].inc_by(late);
        }
        self.counted = *counts;
        self.metrics.count(counts);
        self.metrics.ready.set(0);
        self.metrics.in_flight.set(0);
    }

    fn settled(&mut self, outcome: Outcome, counts: &Counts) {
        self.counted.add(outcome, 1);
        self.metrics.settled[outcome as usize].inc();
        for outcome in [outcome, Outcome::Pending] {
            self.metrics.targets[outcome as usize].set(whole(counts.of(outcome)));
        }
    }
}

impl Watcher for MetricsWatcher {
    fn event(&mut self, event: &RunEvent, counts: &Counts) {
        let metrics = &self.metrics;
        match event {
            RunEvent::Begun { counts } => {
                self.counted = *counts;
                metrics.count(counts);
                set(&metrics.began, seconds(self.clock.timestamp()));
                metrics.ready.set(1);
            }
            RunEvent::Sending { waited } => {
                metrics.waited.inc_by(waited.as_secs_f64());
                metrics.in_flight.inc();
            }
            RunEvent::Answered { verdict, latency } => metrics.answered(*verdict, *latency),
            RunEvent::Settled { outcome, .. } => self.settled(*outcome, counts),
            RunEvent::Paused { pause, .. } => {
                let now = Instant::now();
                // Replies to requests in flight ask for the same pause again.
                let from = self.paused_until.map_or(now, |until| until.max(now));
                let until = now + *pause;
                metrics.pauses.inc();
                metrics.paused.inc_by(until.saturating_duration_since(from).as_secs_f64());
                self.paused_until = Some(from.max(until));
            }
            RunEvent::Stopping { .. } => {
                metrics.ready.set(0);
            }
            RunEvent::TakenOn { .. } => {
                metrics.targets[Outcome::Pending as usize].set(whole(counts.of(Outcome::Pending)));
            }
            RunEvent::QueueUnreachable => metrics.queue(false),
            RunEvent::QueueReachable => metrics.queue(true),
            RunEvent::Backlog { messages, oldest } => metrics.backlog(*messages, *oldest),
            RunEvent::Budget { used, limit } => metrics.budget(*used, *limit),
            RunEvent::InDoubt { targets } => {
                metrics.in_doubt.set(whole(*targets));
            }
            RunEvent::Refused { .. } => {
                metrics.refused.inc();
            }
            RunEvent::Retrying { .. } => {}
        }
    }

    fn tick(&mut self, counts: &Counts) {
        self.metrics.count(counts);
    }
}
