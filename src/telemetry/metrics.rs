//! The metrics: their names, what they count, and their text. docs/monitoring.md lists them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::text::prometheus_text;
use crate::domain::{Counts, ExitStatus, Outcome, Timestamp, Verdict};

/// The bounds of the histogram of latencies, in seconds.
const LATENCIES: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// A label's name and value.
type Label = (&'static str, &'static str);

type Whole = Gauge<i64, AtomicI64>;
type Float = Gauge<f64, AtomicU64>;
type Seconds = Counter<f64, AtomicU64>;

/// A metric that is absent until it has a value: a family without a member has no line.
type Optional<T> = Family<[Label; 0], T>;

/// The metrics of one process. Clones share them.
#[derive(Clone)]
pub(super) struct Metrics {
    registry: Arc<Registry>,
    pub(super) ready: Whole,
    queue_reachable: Optional<Whole>,
    queue_messages: Optional<Whole>,
    queue_oldest: Optional<Float>,
    deletions_last_day: Optional<Whole>,
    max_deletes_per_day: Optional<Whole>,
    pub(super) in_doubt: Whole,
    pub(super) targets: [Whole; Outcome::ALL.len()],
    pub(super) settled: [Counter; Outcome::ALL.len()],
    pub(super) attempts: [Counter; Verdict::ALL.len()],
    pub(super) durations: Histogram,
    pub(super) in_flight: Whole,
    pub(super) waited: Seconds,
    pub(super) refused: Counter,
    pub(super) pauses: Counter,
    pub(super) paused: Seconds,
    pub(super) ceiling: Optional<Float>,
    pub(super) began: Optional<Float>,
    pub(super) last_end: Optional<Float>,
    pub(super) last_exit: Optional<Whole>,
}

impl Metrics {
    pub(super) fn new(version: &'static str) -> Self {
        let mut registry = Registry::with_prefix("decom");
        let build: Family<[Label; 1], Whole> = Family::default();
        build.get_or_create(&[("version", version)]).set(1);
        registry.register("build_info", "The version of decom", build);
        let targets: Family<[Label; 1], Whole> = Family::default();
        let (settled, attempts) = <(Family<[Label; 1], Counter>, Family<[Label; 1], Counter>)>::default();
        // Every series exists from the start, at 0: one that appears later has no rate.
        let of = |outcome: Outcome| [("outcome", outcome.as_str())];
        let metrics = Self {
            ready: Gauge::default(),
            queue_reachable: Family::default(),
            queue_messages: Family::default(),
            queue_oldest: Family::default(),
            deletions_last_day: Family::default(),
            max_deletes_per_day: Family::default(),
            in_doubt: Gauge::default(),
            targets: Outcome::ALL.map(|outcome| targets.get_or_create_owned(&of(outcome))),
            settled: Outcome::ALL.map(|outcome| match outcome {
                Outcome::Pending => Counter::default(),
                outcome => settled.get_or_create_owned(&of(outcome)),
            }),
            attempts: Verdict::ALL
                .map(|verdict| attempts.get_or_create_owned(&[("verdict", verdict.as_str())])),
            durations: Histogram::new(LATENCIES),
            in_flight: Gauge::default(),
            waited: Counter::default(),
            refused: Counter::default(),
            pauses: Counter::default(),
            paused: Counter::default(),
            ceiling: Family::default(),
            began: Family::default(),
            last_end: Family::default(),
            last_exit: Family::default(),
            registry: Arc::default(),
        };
        let m = metrics.clone();
        registry.register("ready", "1 while a run is active, 0 before it begins and after it stops", m.ready);
        registry.register(
            "queue_reachable",
            "1 while the broker of the queue can be reached, 0 while it is waited for; absent without a queue",
            m.queue_reachable,
        );
        registry.register(
            "queue_messages",
            "How many messages wait on the queue, as its broker counts; absent without a queue",
            m.queue_messages,
        );
        registry.register(
            "queue_oldest_message_age_seconds",
            "The age of the oldest message that is not settled; absent if there is none, or the broker does not say",
            m.queue_oldest,
        );
        registry.register(
            "deletions_last_day",
            "What was deleted in the last 24 hours, or may have been, and counts against the limit of a day; absent without one",
            m.deletions_last_day,
        );
        registry.register(
            "max_deletes_per_day",
            "The limit of deletions in any 24 hours; absent without one",
            m.max_deletes_per_day,
        );
        registry.register(
            "targets_in_doubt",
            "The targets of the run that may have been deleted, although no reply says so",
            m.in_doubt,
        );
        registry.register("targets", "The targets of the run by outcome, pending ones included", targets);
        registry.register("targets_settled", "Targets that this process settled, by outcome", settled);
        registry.register("attempts", "Deletions sent, by the verdict of their reply", attempts);
        registry.register(
            "attempt_duration_seconds",
            "How long deletions took, from the first byte sent to the last byte read",
            m.durations,
        );
        registry.register("attempts_in_flight", "Deletions under way", m.in_flight);
        registry.register(
            "rate_limit_wait_seconds",
            "How long deletions waited for the rate limit, added up",
            m.waited,
        );
        registry.register("messages_refused", "Malformed messages of a queue that were set aside", m.refused);
        registry.register("pauses", "How often the server asked all clients to wait", m.pauses);
        registry.register(
            "paused_seconds",
            "How long the server asked all clients to wait, added up",
            m.paused,
        );
        registry.register(
            "rate_ceiling_requests_per_second",
            "The most requests per second that may be sent; absent if the rate is auto or unlimited",
            m.ceiling,
        );
        registry.register(
            "run_start_timestamp_seconds",
            "When this process began to work on its run",
            m.began,
        );
        registry.register("last_run_end_timestamp_seconds", "When the last run ended", m.last_end);
        registry.register("last_run_exit_code", "The exit code that the last run ended with", m.last_exit);
        Self { registry: Arc::new(registry), ..metrics }
    }

    /// The metrics as Prometheus reads them.
    pub(super) fn text(&self) -> String {
        let mut open = String::new();
        // Writing to a string cannot fail.
        let _ = encode_registry(&mut open, &self.registry);
        prometheus_text(&open)
    }

    /// Returns true while a run is active.
    pub(super) fn is_active(&self) -> bool {
        self.ready.get() == 1
    }

    /// Returns true unless there is a queue whose broker cannot be reached.
    pub(super) fn has_queue(&self) -> bool {
        self.queue_reachable.get(&[]).is_none_or(|reachable| reachable.get() == 1)
    }

    /// Takes note that the broker of the queue can be reached, or cannot.
    pub(super) fn queue(&self, is_reachable: bool) {
        self.queue_reachable.get_or_create(&[]).set(is_reachable.into());
    }

    /// Sets how much is on the queue.
    pub(super) fn backlog(&self, messages: u64, oldest: Option<Duration>) {
        self.queue_messages.get_or_create(&[]).set(whole(messages));
        match oldest {
            Some(age) => set(&self.queue_oldest, age.as_secs_f64()),
            None => drop(self.queue_oldest.remove(&[])),
        }
    }

    /// Sets how much of the limit of a day is used.
    pub(super) fn budget(&self, used: u64, limit: u64) {
        self.deletions_last_day.get_or_create(&[]).set(whole(used));
        self.max_deletes_per_day.get_or_create(&[]).set(whole(limit));
    }

    /// Sets the numbers of targets by outcome.
    pub(super) fn count(&self, counts: &Counts) {
        for outcome in Outcome::ALL {
            self.targets[outcome as usize].set(whole(counts.of(outcome)));
        }
    }

    /// Counts an attempt that is over.
    pub(super) fn answered(&self, verdict: Verdict, latency: Duration) {
        self.attempts[verdict as usize].inc();
        self.durations.observe(latency.as_secs_f64());
        self.in_flight.dec();
    }

    /// The command is over.
    pub(super) fn over(&self, at: Timestamp, exit: ExitStatus) {
        self.ready.set(0);
        self.in_flight.set(0);
        set(&self.last_end, seconds(at));
        self.last_exit.get_or_create(&[]).set(exit.code().into());
    }

    /// Sets the end of the last run, as an earlier process wrote it.
    pub(super) fn set_last_run(&self, last_end: f64, last_exit: i64) {
        set(&self.last_end, last_end);
        self.last_exit.get_or_create(&[]).set(last_exit);
    }
}

pub(super) fn set(metric: &Optional<Float>, value: f64) {
    metric.get_or_create(&[]).set(value);
}

pub(super) fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Seconds since 1970.
#[expect(clippy::cast_precision_loss, reason = "microseconds of this century fit into 53 bits")]
pub(super) fn seconds(at: Timestamp) -> f64 {
    at.as_micros() as f64 / 1e6
}
