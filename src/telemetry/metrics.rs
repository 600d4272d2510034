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

use super::text::classic;
use crate::domain::{Counts, ExitStatus, Outcome, Timestamp, Verdict};

/// How long attempts take, in seconds: the bounds between which they are counted.
const LATENCIES: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// A label: its name and its value, both words of our own.
type Label = (&'static str, &'static str);

type Whole = Gauge<i64, AtomicI64>;
type Float = Gauge<f64, AtomicU64>;
type Seconds = Counter<f64, AtomicU64>;

/// What there is to tell before it is known is not told: a family without a member has no line.
type Later<T> = Family<[Label; 0], T>;

/// The metrics of one process. Clones share them.
#[derive(Clone)]
pub(super) struct Metrics {
    registry: Arc<Registry>,
    pub(super) ready: Whole,
    pub(super) targets: [Whole; Outcome::ALL.len()],
    pub(super) settled: [Counter; Outcome::ALL.len()],
    pub(super) attempts: [Counter; Verdict::ALL.len()],
    pub(super) durations: Histogram,
    pub(super) in_flight: Whole,
    pub(super) waited: Seconds,
    pub(super) refused: Counter,
    pub(super) pauses: Counter,
    pub(super) paused: Seconds,
    pub(super) ceiling: Later<Float>,
    pub(super) began: Later<Float>,
    pub(super) last_end: Later<Float>,
    pub(super) last_exit: Later<Whole>,
}

impl Metrics {
    pub(super) fn new(version: &'static str) -> Self {
        let mut registry = Registry::with_prefix("decom");
        let build: Family<[Label; 1], Whole> = Family::default();
        build.get_or_create(&[("version", version)]).set(1);
        registry.register("build_info", "The version of decom", build);
        let targets: Family<[Label; 1], Whole> = Family::default();
        let settled: Family<[Label; 1], Counter> = Family::default();
        let attempts: Family<[Label; 1], Counter> = Family::default();
        // Each label's value is there from the beginning, at 0: what appears late has no rate.
        let of = |outcome: Outcome| [("outcome", outcome.as_str())];
        let metrics = Self {
            ready: Gauge::default(),
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
        registry.register(
            "ready",
            "Whether a run is at work: 1, or 0 before it begins and once it stops",
            m.ready,
        );
        registry.register("targets", "The targets of the run by outcome, pending ones included", targets);
        registry.register("targets_settled", "Targets that this process settled, by outcome", settled);
        registry.register("attempts", "Deletions sent, by what their answer showed", attempts);
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
        registry.register(
            "messages_refused",
            "Messages of a queue that made no sense and were set aside",
            m.refused,
        );
        registry.register("pauses", "How often the server asked everybody to wait", m.pauses);
        registry.register(
            "paused_seconds",
            "How long the server asked everybody to wait, added up",
            m.paused,
        );
        registry.register(
            "rate_ceiling_requests_per_second",
            "The most requests that may leave; absent where the rate is auto or unlimited",
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
        classic(&open)
    }

    /// Whether a run is at work.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.get() == 1
    }

    /// How many targets ended how.
    pub(super) fn count(&self, counts: &Counts) {
        for outcome in Outcome::ALL {
            self.targets[outcome as usize].set(whole(counts.of(outcome)));
        }
    }

    /// An attempt is over.
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

    /// What an earlier process has told of its end, for as long as this one has not come to its own.
    pub(super) fn remember(&self, last_end: f64, last_exit: i64) {
        set(&self.last_end, last_end);
        self.last_exit.get_or_create(&[]).set(last_exit);
    }
}

pub(super) fn set(later: &Later<Float>, value: f64) {
    later.get_or_create(&[]).set(value);
}

pub(super) fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Seconds since 1970, as Prometheus tells the time.
#[expect(clippy::cast_precision_loss, reason = "microseconds of this century fit into 53 bits")]
pub(super) fn seconds(at: Timestamp) -> f64 {
    at.as_micros() as f64 / 1e6
}
