//! Executes a run: workers that deliver targets, and one place where what happens is put in order.
//!
//! Workers talk to no one outside. What they did comes back from the audit log, already durable and in its order; one
//! loop counts it, decides whether to stop, and reports it to the watcher.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, UnboundedReceiver};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::breaker::{Alarm, Breaker};
use super::deliver::Delivery;
use super::feed::{Feed, was_held_back};
use super::listing::{ListingJudge, OpenTarget};
use super::{Interrupt, Limits, SideEvent, StopReason, Watcher};
use crate::audit::{Commit, Fact, Recorder};
use crate::domain::{
    AttemptEnd, Counts, DatasourceName, Next, Outcome, RunEvent, Seq, Settlement, Target, Verdict,
};
use crate::ratelimit::{PaceEvent, PauseReason};

/// How many commits are taken before something else is looked at.
const AT_ONCE: usize = 128;

/// How often the watcher learns that time passed.
const TICK: Duration = Duration::from_secs(1);

/// How far apart two readings of the listing are at least, if outcomes are waited for: each costs requests that could
/// delete.
const BETWEEN_LISTINGS: Duration = Duration::from_secs(30);

/// Delivers every target of a feed, until all are done or there is reason to stop.
pub(super) struct Engine<'a> {
    pub(super) limits: Limits,
    pub(super) delivery: Arc<Delivery>,
    pub(super) feed: Arc<dyn Feed>,
    pub(super) recorder: Recorder,
    pub(super) judge: &'a ListingJudge,
    pub(super) stop: CancellationToken,
    pub(super) interrupts: &'a mut Receiver<Interrupt>,
    pub(super) commits: UnboundedReceiver<Commit>,
    pub(super) side_events: &'a mut UnboundedReceiver<SideEvent>,
    pub(super) watcher: &'a mut dyn Watcher,
    pub(super) breaker: Breaker,
    pub(super) state: State,
}

/// What is known of a run while it is executed.
pub(super) struct State {
    pub(super) counts: Counts,
    /// Why the run stops, if it does.
    pub(super) stopped: Option<StopReason>,
    /// What a listing has to settle.
    pub(super) open: Vec<OpenTarget>,
    contact: Contact,
    /// How many targets may be sent, if the queue holds more.
    limit: Option<u64>,
    in_canary: bool,
    /// The listing has to be read before more is sent.
    listing_due: bool,
    listed_at: Option<Instant>,
    interrupted: bool,
    /// The targets that may have been deleted, although no reply says so.
    in_doubt: HashSet<Seq>,
}

/// What the attempts so far have shown about reaching the API.
enum Contact {
    None,
    /// No request could be sent.
    Failed {
        why: String,
    },
    /// A request may have reached the API.
    Made,
}

impl State {
    pub(super) fn new(counts: Counts, in_doubt: Vec<Target>) -> Self {
        Self {
            counts,
            stopped: None,
            open: Vec::new(),
            contact: Contact::None,
            limit: None,
            in_canary: false,
            listing_due: false,
            listed_at: None,
            interrupted: false,
            in_doubt: in_doubt.into_iter().map(|target| target.seq).collect(),
        }
    }
}

impl Engine<'_> {
    /// Delivers all targets. What is left open, and why the run stopped, is in the state.
    pub(super) async fn work(&mut self) {
        self.report_doubt();
        if self.limits.canary > 0 {
            self.state.in_canary = true;
            self.deliver_up_to(self.limits.canary).await;
            self.state.in_canary = false;
        }
        self.deliver_up_to(u64::MAX).await;
        if self.state.stopped.is_none() && matches!(self.state.contact, Contact::Failed { .. }) {
            self.halt_unreachable();
        }
        if let Some(limit) = self.state.limit {
            self.halt(StopReason::Limit { limit });
        }
    }

    /// Delivers the first `limit` targets of the run, and reads the listing as often as they have to be held for it.
    async fn deliver_up_to(&mut self, limit: u64) {
        while self.state.stopped.is_none() {
            self.feed.limit_to(limit);
            self.deliver().await;
            let was_held = self.state.listing_due;
            if was_held || self.state.in_canary || self.feed.is_any_waiting() {
                self.settle_open().await;
            }
            if !was_held && !self.feed.has_more() {
                break;
            }
        }
    }

    /// Delivers what the feed hands out, until that is all done or there is reason to stop.
    async fn deliver(&mut self) {
        let mut workers = JoinSet::new();
        for _ in 0..self.limits.concurrency {
            let work = worker(self.delivery.clone(), self.feed.clone(), self.stop.clone());
            workers.spawn(work.instrument(Span::current()));
        }
        let mut give_up_at: Option<Instant> = None;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let far = Instant::now() + Duration::from_hours(24 * 365);
        let mut commits = Vec::with_capacity(AT_ONCE);
        loop {
            tokio::select! {
                biased;
                Some(interrupt) = self.interrupts.recv() => {
                    if self.state.interrupted {
                        // A second signal: what is in flight stays in doubt.
                        workers.abort_all();
                    }
                    self.state.interrupted = true;
                    self.halt(StopReason::Interrupted(interrupt));
                }
                Some(event) = self.side_events.recv() => self.take_side_event(event),
                1.. = self.commits.recv_many(&mut commits, AT_ONCE) => {
                    commits.drain(..).for_each(|commit| self.take(commit));
                }
                () = sleep_until(give_up_at.unwrap_or(far)), if give_up_at.is_some() => {
                    tracing::warn!("requests in flight did not finish in time; they are in doubt");
                    workers.abort_all();
                    give_up_at = Some(far);
                }
                _ = ticks.tick() => self.tick(),
                joined = workers.join_next() => match joined {
                    // What is under way is within the limit, and is finished.
                    Some(Ok(Err(StopReason::Limit { limit }))) => self.state.limit = Some(limit),
                    Some(Ok(Err(reason))) => self.halt(reason),
                    Some(_) => {}
                    None => break,
                },
            }
            if self.state.stopped.is_some() && give_up_at.is_none() {
                give_up_at = Some(Instant::now() + self.limits.grace);
            }
        }
        self.catch_up().await;
    }

    /// Takes everything that was handed to the log so far.
    pub(super) async fn catch_up(&mut self) {
        if let Err(error) = self.recorder.flush().await {
            self.halt(StopReason::Audit(error));
        }
        while let Ok(commit) = self.commits.try_recv() {
            self.take(commit);
        }
        while let Ok(event) = self.side_events.try_recv() {
            self.take_side_event(event);
        }
    }

    fn tick(&mut self) {
        let is_due = self.state.listed_at.is_none_or(|at| at.elapsed() >= BETWEEN_LISTINGS);
        if self.feed.is_waited_for() && !self.state.open.is_empty() && is_due {
            self.hold_for_listing();
        }
        self.watcher.tick(&self.state.counts);
    }

    /// Hands out nothing more until the listing has settled what is open.
    fn hold_for_listing(&mut self) {
        self.state.listing_due = true;
        self.feed.limit_to(0);
    }

    /// Settles by the listing what is open, unless the run stops meanwhile. What no listing can settle now counts as
    /// failed.
    async fn settle_open(&mut self) {
        self.state.listing_due = false;
        if self.state.open.is_empty() || self.state.stopped.is_some() {
            return;
        }
        let judge = self.judge;
        let listed = tokio::select! {
            listed = judge.read() => listed,
            Some(interrupt) = self.interrupts.recv() => {
                self.state.interrupted = true;
                return self.halt(StopReason::Interrupted(interrupt));
            }
        };
        self.state.listed_at = Some(Instant::now());
        // What waits for an outcome cannot wait until the end of the run.
        let settles_all = judge.lister.is_none() || self.feed.is_waited_for() || self.feed.is_any_waiting();
        let (settled, open) = std::mem::take(&mut self.state.open)
            .into_iter()
            .partition(|open| settles_all || listed.has(open.target.resource().kind));
        self.state.open = open;
        if let Err(error) = judge.settle(settled, &listed).await {
            self.halt(StopReason::Audit(error));
        }
        self.catch_up().await;
        if !self.state.open.is_empty() {
            let alarm = self.breaker.give_up_open();
            self.heed(alarm);
        }
        if let Some(first) = self.state.open.first().filter(|_| self.state.in_canary) {
            self.halt(StopReason::Canary { name: first.target.name.clone(), outcome: Outcome::Unknown });
        }
    }

    fn take(&mut self, commit: Commit) {
        match commit {
            Commit::Facts(facts) => facts.into_iter().for_each(|fact| self.take_fact(fact)),
            Commit::Failed(error) => self.halt(StopReason::Audit(error)),
        }
    }

    fn take_fact(&mut self, fact: Fact) {
        match fact {
            Fact::AttemptStart(_, start) => self.report(&RunEvent::Sending { waited: start.waited }),
            Fact::AttemptEnd(_, end) => self.take_end(*end),
            Fact::Target(_, target) => {
                self.state.counts.add(Outcome::Pending, 1);
                self.report(&RunEvent::TakenOn { name: target.name });
            }
            Fact::Settlement(_, settlement) => {
                let Settlement { target, name, outcome, .. } = *settlement;
                let alarm = self.breaker.resolved(target, outcome);
                self.settled(target, name, outcome, alarm);
            }
            Fact::Refused(_, message) => {
                self.report(&RunEvent::Refused { message_id: message.message_id, why: message.why });
            }
            Fact::Log { .. } | Fact::Check(..) | Fact::Resume { .. } | Fact::End(..) => {}
        }
    }

    fn take_end(&mut self, end: AttemptEnd) {
        let AttemptEnd { target, answer, latency, next, .. } = end;
        let verdict = answer.verdict;
        if verdict != Verdict::NotSent {
            self.state.contact = Contact::Made;
        } else if !was_held_back(&answer) && !matches!(self.state.contact, Contact::Made) {
            self.state.contact = Contact::Failed { why: answer.message.clone().unwrap_or_default() };
        }
        self.report(&RunEvent::Answered { verdict, latency });
        if verdict.raises_doubt() && self.state.in_doubt.insert(target.seq) {
            self.report_doubt();
        }
        match next {
            Next::Settled(outcome, _) => {
                let alarm = if target.may_be_released(verdict) {
                    // Datamarts must not go on and on while no datasource does.
                    self.breaker.failed()
                } else {
                    self.breaker.settled(outcome)
                };
                self.settled(target.seq, target.name, outcome, Some(alarm));
            }
            Next::Attempt => self.report(&RunEvent::Retrying { name: target.name, verdict }),
            Next::Open(doubt) => {
                let alarm = self.breaker.open(target.seq);
                self.feed.opened(target.seq);
                self.state.open.push(OpenTarget { target, answer, doubt });
                self.heed(alarm);
            }
            Next::Stop if verdict == Verdict::Unauthorized => self.halt(StopReason::Unauthorized(answer)),
            Next::Stop => self.halt(StopReason::OtherDeleted(answer)),
        }
    }

    /// A target has its outcome. Without an alarm it was not sent by this run, which says nothing about how it goes.
    fn settled(&mut self, target: Seq, name: DatasourceName, outcome: Outcome, alarm: Option<Alarm>) {
        self.state.counts.settle(outcome);
        if outcome != Outcome::Unknown && self.state.in_doubt.remove(&target) {
            self.report_doubt();
        }
        self.feed.settled(target, outcome);
        self.report(&RunEvent::Settled { name: name.clone(), outcome });
        let Some(alarm) = alarm else { return };
        let is_success = outcome.is_gone() || self.limits.accept.accepts(outcome);
        if self.state.in_canary && !is_success {
            self.halt(StopReason::Canary { name, outcome });
        }
        self.heed(alarm);
    }

    fn heed(&mut self, alarm: Alarm) {
        match alarm {
            Alarm::None => {}
            // What got no clear reply may be gone all the same.
            Alarm::Suspicion => self.hold_for_listing(),
            Alarm::Tripped { .. } if !matches!(self.state.contact, Contact::Made) => self.halt_unreachable(),
            Alarm::Tripped { failures, window } => {
                self.halt(StopReason::TooManyFailures { failures, window });
            }
        }
    }

    fn take_side_event(&mut self, event: SideEvent) {
        match event {
            SideEvent::Stop(reason) => self.halt(reason),
            SideEvent::Gauge(event) => self.report(&event),
            SideEvent::QueueReachable(true) => self.report(&RunEvent::QueueReachable),
            SideEvent::QueueReachable(false) => self.report(&RunEvent::QueueUnreachable),
            SideEvent::Withheld(target, why) => {
                self.state.open.push(OpenTarget::withheld(target, &why));
            }
            SideEvent::Pace(PaceEvent::Paused { pause, why }) => {
                let why = match why {
                    PauseReason::Throttled => "the server turns requests away for now",
                    PauseReason::QuotaUsedUp => "the quota is used up until its window ends",
                };
                self.report(&RunEvent::Paused { pause, why: why.to_owned() });
            }
            SideEvent::Pace(PaceEvent::NoHeaders { rate }) => {
                tracing::warn!(%rate, "the server does not report its rate limit; this ceiling is kept instead");
            }
        }
    }

    fn report_doubt(&mut self) {
        let targets = self.state.in_doubt.len() as u64;
        self.report(&RunEvent::InDoubt { targets });
    }

    fn report(&mut self, event: &RunEvent) {
        self.watcher.event(event, &self.state.counts);
    }

    fn halt_unreachable(&mut self) {
        let why = match &self.state.contact {
            Contact::Failed { why } => why.clone(),
            Contact::None | Contact::Made => String::new(),
        };
        self.halt(StopReason::Unreachable { why });
    }

    /// Begins to stop; only the first reason counts, but that the log cannot be written outweighs every other.
    pub(super) fn halt(&mut self, reason: StopReason) {
        self.stop.cancel();
        match (&self.state.stopped, &reason) {
            (None, _) => {
                self.report(&RunEvent::Stopping { why: reason.to_string() });
                self.state.stopped = Some(reason);
            }
            (Some(StopReason::Audit(_)), _) => {}
            (Some(_), StopReason::Audit(_)) => self.state.stopped = Some(reason),
            (Some(_), _) => {}
        }
    }
}

async fn worker(
    delivery: Arc<Delivery>,
    feed: Arc<dyn Feed>,
    stop: CancellationToken,
) -> Result<(), StopReason> {
    while !stop.is_cancelled() {
        match feed.next().await? {
            Some(target) => delivery.deliver(target, &*feed).await?,
            None => break,
        }
    }
    Ok(())
}
