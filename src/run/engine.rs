//! Executes a run: workers that deliver targets, and one place where what happens is put in order.
//!
//! Workers talk to nobody outside. All that happens comes through one channel, already durable, to
//! one loop, which counts, decides whether to stop, and tells the watcher.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::breaker::Breaker;
use super::conclusion::Exhausted;
use super::feed::{Feed, FeedError};
use super::lanes::{Lane, Lanes};
use super::settler::Settler;
use super::{Happening, Interrupt, Limits, StopReason, Watcher};
use crate::api::{ApiError, Deleter, Delivered};
use crate::domain::{Counts, DatasourceName, Outcome, RunEvent, Seq};
use crate::ratelimit::{PaceError, PaceEvent, PauseCause};

/// How many happenings are taken before something else is looked for.
const AT_ONCE: usize = 128;

/// How often the watcher is told that time passed.
const TICK: Duration = Duration::from_secs(1);

/// What is left when the workers are done.
pub(super) struct Worked {
    pub(super) stopped: Option<StopReason>,
    /// What is known of how many targets ended how.
    pub(super) counts: Counts,
    pub(super) exhausted: Vec<Exhausted>,
}

/// Delivers every target of `feed`, until all are done or there is reason to stop.
pub(super) struct Engine<'a> {
    pub(super) limits: Limits,
    pub(super) counts: Counts,
    pub(super) stop: CancellationToken,
    pub(super) interrupts: &'a mut Receiver<Interrupt>,
    pub(super) happenings: &'a mut UnboundedReceiver<Happening>,
    pub(super) watcher: &'a mut dyn Watcher,
    pub(super) feed: Arc<dyn Feed>,
    /// Settles by the listing what is waited for.
    pub(super) settler: Option<Settler>,
}

impl Engine<'_> {
    pub(super) async fn work(mut self, crew: Crew<'_>) -> Worked {
        let feed = self.feed.clone();
        let mut state = State {
            breaker: Breaker::new(self.limits.breaker_window, self.limits.breaker_failures),
            worked: Worked { stopped: None, counts: self.counts, exhausted: Vec::new() },
            concluded: 0,
            in_canary: self.limits.canary > 0,
            limit: None,
        };
        if state.in_canary {
            feed.limit_to(self.limits.canary).await;
            self.deliver(&mut state, &crew).await;
            // The rest waits until all of these are durable.
            while state.worked.stopped.is_none() && state.concluded < feed.handed_out().await {
                let Some(happening) = self.happenings.recv().await else { break };
                self.take(&mut state, happening);
            }
            state.in_canary = false;
            feed.limit_to(u64::MAX).await;
        }
        if state.worked.stopped.is_none() {
            self.deliver(&mut state, &crew).await;
        }
        if let Some(settler) = &mut self.settler {
            state.worked.exhausted.extend(settler.stop().await);
        }
        while let Ok(happening) = self.happenings.try_recv() {
            self.take(&mut state, happening);
        }
        if let Some(limit) = state.limit {
            self.halt(&mut state, StopReason::Limit { limit });
        }
        Worked { counts: self.counts, ..state.worked }
    }

    /// Delivers what `feed` hands out, until that is all done or there is reason to stop.
    async fn deliver(&mut self, state: &mut State, crew: &Crew<'_>) {
        let mut workers = JoinSet::new();
        for number in 0..crew.workers {
            let Lane { runtime, deleter } = crew.lanes.of(number);
            let work = worker(deleter.clone(), self.feed.clone(), self.stop.clone(), crew.sender.clone());
            workers.spawn_on(work.instrument(crew.span.clone()), runtime);
        }
        let mut give_up_at: Option<Instant> = None;
        let mut asked = false;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let far = Instant::now() + Duration::from_hours(24 * 365);
        let mut happenings = Vec::with_capacity(AT_ONCE);
        loop {
            tokio::select! {
                biased;
                Some(interrupt) = self.interrupts.recv() => {
                    if asked {
                        // Asked for a second time: what is in flight stays in doubt.
                        workers.abort_all();
                    } else {
                        asked = true;
                        self.halt(state, StopReason::Interrupted(interrupt));
                    }
                }
                // Never over, as the crew has a sender.
                _ = self.happenings.recv_many(&mut happenings, AT_ONCE) => {
                    for happening in happenings.drain(..) {
                        self.take(state, happening);
                    }
                }
                () = sleep_until(give_up_at.unwrap_or(far)), if give_up_at.is_some() => {
                    tracing::warn!("requests in flight did not finish in time; they are in doubt");
                    workers.abort_all();
                    give_up_at = Some(far);
                }
                _ = ticks.tick() => {
                    if let Some(settler) = &mut self.settler {
                        settler.tick(&mut state.worked.exhausted, crew.sender);
                    }
                    self.watcher.tick(&self.counts);
                }
                joined = workers.join_next() => match joined {
                    Some(_) => {}
                    None => break,
                },
            }
            if state.worked.stopped.is_some() && give_up_at.is_none() {
                give_up_at = Some(Instant::now() + self.limits.grace);
            }
        }
    }

    fn take(&mut self, state: &mut State, happening: Happening) {
        match happening {
            Happening::TakenOn { name } => {
                self.counts.add(Outcome::Pending, 1);
                self.watcher.event(&RunEvent::TakenOn { name }, &self.counts);
            }
            Happening::Shared { name, outcome } => {
                self.counts.settle(outcome);
                self.watcher.event(&RunEvent::Settled { name, outcome }, &self.counts);
            }
            Happening::Refused { message_id, why } => {
                self.watcher.event(&RunEvent::Refused { message_id, why }, &self.counts);
            }
            Happening::Answered { name, verdict, latency, settled } => {
                self.watcher.event(&RunEvent::Answered { verdict, latency }, &self.counts);
                if let Some((target, outcome)) = settled {
                    self.conclude(target, name.clone(), outcome);
                    self.note(state, &name, outcome);
                } else {
                    self.watcher.event(&RunEvent::Retrying { name, verdict }, &self.counts);
                }
            }
            Happening::Listed { target, name, outcome } => self.conclude(target, name, outcome),
            Happening::Shown(event) => self.watcher.event(&event, &self.counts),
            Happening::Exhausted(exhausted) => {
                let outcome = exhausted.outcome_without_listing();
                self.note(state, &exhausted.target.name, outcome);
                state.worked.exhausted.push(*exhausted);
            }
            Happening::Unauthorized(answer) => self.halt(state, StopReason::Unauthorized(answer)),
            Happening::AuditFailed(error) => self.halt(state, StopReason::Audit(error)),
            Happening::QueueFailed(error) => self.halt(state, StopReason::Queue(error)),
            // What is under way is within it, and is finished.
            Happening::LimitReached(limit) => state.limit = Some(limit),
            Happening::CannotGoOn(error) => match error {
                // The ledger has told the reason itself.
                ApiError::Ledger(_) => self.stop.cancel(),
                ApiError::Pace(PaceError::TooLong { asked, max }) => {
                    self.halt(state, StopReason::LongPause { asked, max });
                }
                error => self.halt(state, StopReason::Client(error.to_string())),
            },
            Happening::Pace(event) => {
                if let PaceEvent::Paused { for_, why } = event {
                    let why = match why {
                        PauseCause::Throttled => "the server turns requests away for now",
                        PauseCause::RetryAfter => "Retry-After",
                        PauseCause::QuotaUsedUp => "the quota is used up until its window ends",
                    };
                    let event = RunEvent::Paused { pause: for_, why: why.to_owned() };
                    self.watcher.event(&event, &self.counts);
                } else if let PaceEvent::NoHeaders { rate } = event {
                    tracing::warn!(%rate, "the server does not tell its rate limit; this ceiling is kept instead");
                }
            }
        }
    }

    fn conclude(&mut self, target: Seq, name: DatasourceName, outcome: Outcome) {
        self.counts.settle(outcome);
        self.feed.settled(target, outcome);
        self.watcher.event(&RunEvent::Settled { name, outcome }, &self.counts);
    }

    fn note(&mut self, state: &mut State, name: &DatasourceName, outcome: Outcome) {
        state.concluded += 1;
        let is_success = outcome.is_gone() || (outcome == Outcome::NotFound && self.limits.ignore_not_found);
        if state.in_canary && !is_success {
            self.halt(state, StopReason::Canary { name: name.clone(), outcome });
        }
        if state.breaker.settled(outcome) {
            let (failures, window) = state.breaker.state();
            self.halt(state, StopReason::TooManyFailures { failures, window });
        }
    }

    /// Begins to stop; only the first reason counts, but that a log cannot be written outweighs
    /// every other.
    fn halt(&mut self, state: &mut State, reason: StopReason) {
        self.stop.cancel();
        match (&state.worked.stopped, &reason) {
            (None, _) => {
                let event = RunEvent::Stopping { why: reason.to_string() };
                self.watcher.event(&event, &self.counts);
                state.worked.stopped = Some(reason);
            }
            (Some(StopReason::Audit(_)), _) => {}
            (Some(_), StopReason::Audit(_)) => state.worked.stopped = Some(reason),
            (Some(_), _) => {}
        }
    }
}

/// Who delivers.
pub(super) struct Crew<'a> {
    pub(super) lanes: &'a Lanes,
    pub(super) workers: usize,
    /// What they tell their news to.
    pub(super) sender: &'a UnboundedSender<Happening>,
    /// What they work in.
    pub(super) span: Span,
}

struct State {
    breaker: Breaker,
    worked: Worked,
    /// How many targets have ended, one way or the other.
    concluded: u64,
    /// Whether only the first few targets are under way.
    in_canary: bool,
    /// How many targets may be sent, where the queue holds more.
    limit: Option<u64>,
}

async fn worker(
    deleter: Arc<Deleter>,
    feed: Arc<dyn Feed>,
    stop: CancellationToken,
    happenings: UnboundedSender<Happening>,
) {
    // The run listens until all workers are gone.
    let tell = |happening| drop(happenings.send(happening));
    while !stop.is_cancelled() {
        let target = match feed.next().await {
            Ok(Some(target)) => target,
            Ok(None) => return,
            Err(error) => {
                return tell(match error {
                    FeedError::Audit(error) => Happening::AuditFailed(error),
                    FeedError::Queue(error) => Happening::QueueFailed(error),
                    FeedError::Limit(limit) => Happening::LimitReached(limit),
                });
            }
        };
        match deleter.delete(target.clone()).await {
            Ok(Some(Delivered::Settled(_))) => {}
            Ok(Some(Delivered::Exhausted { answer, doubted })) => {
                tell(Happening::Exhausted(Box::new(Exhausted { target, answer, doubted })));
            }
            Ok(Some(Delivered::Unauthorized(answer))) => {
                // At once: no other name would fare better.
                stop.cancel();
                return tell(Happening::Unauthorized(answer));
            }
            Ok(None) => return,
            Err(error) => return tell(Happening::CannotGoOn(error)),
        }
    }
}
