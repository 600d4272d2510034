//! The gate that every request passes, whichever worker sends it.
//!
//! One waiter at a time waits for its moment, and the others queue after it in order of arrival: many waiters with a
//! timer each would wake each other up, and a pause would have to reach all of them.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ceiling::Ceiling;
use super::headers::RateLimitHeaders;
use super::pause::{PauseRequest, Pauses};
use super::rate::Rate;
use super::window::{Condition, Ticket, Window};
use super::{PaceError, PaceEvent, PaceOptions, PauseReason};
use crate::domain::lock;

/// A pause that is extended by less than this is not reported again: each reply to a request that was in flight when it
/// began asks for it again.
const SAME_PAUSE: Duration = Duration::from_secs(1);

/// Decides when requests may leave. Clones share one gate.
#[derive(Clone)]
pub struct Pacer {
    gate: Arc<Gate>,
}

/// The permission to send one request now. Its reply goes to [`answered`](Turn::answered); if the turn is dropped
/// instead, the request counts as sent and never answered.
#[must_use = "a turn that is dropped counts as a request without a reply"]
pub struct Turn {
    /// How long the request waited for its turn.
    pub waited: Duration,
    gate: Arc<Gate>,
    left: Instant,
    ticket: Option<Ticket>,
}

struct Gate {
    rate: Rate,
    options: PaceOptions,
    /// Held by the waiter whose turn is next. tokio's mutex is fair.
    queue: tokio::sync::Mutex<()>,
    /// Locked briefly, never while waiting.
    state: Mutex<State>,
    /// No pause is in force or remembered, and nothing has failed: at an unlimited rate a request may leave at once.
    is_open: AtomicBool,
    /// Notified if a condition that the next waiter waits for may have changed.
    changed: Notify,
    /// Cancelled if the server asked for too long a pause: no further request leaves.
    failed: CancellationToken,
    failure: OnceLock<PaceError>,
}

struct State {
    pauses: Pauses,
    policy: Policy,
    /// Until when the next waiter waits for the quota to be whole again.
    used_up: Option<Instant>,
    /// The end of the pause that was reported last.
    reported_pause: Option<Instant>,
}

enum Policy {
    Unlimited,
    Ceiling(Ceiling),
    Auto { window: Window, fallback: Option<Ceiling>, fallback_reported: bool },
}

/// What the next waiter does.
enum Step {
    Leave(Option<Ticket>),
    Sleep(Instant),
    /// Wait for a reply, or until then.
    AwaitReply(Option<Instant>),
}

impl Pacer {
    /// Makes a gate that lets requests leave at `rate`. Its clock is tokio's.
    #[must_use]
    pub fn new(rate: Rate, options: PaceOptions) -> Self {
        let now = Instant::now();
        let policy = match rate {
            Rate::Auto => Policy::Auto {
                window: Window::new(options.workers),
                fallback: None,
                fallback_reported: false,
            },
            _ => Ceiling::new(rate, now).map_or(Policy::Unlimited, Policy::Ceiling),
        };
        let state =
            State { pauses: Pauses::new(options.max_pause), policy, used_up: None, reported_pause: None };
        let gate = Gate {
            rate,
            options,
            queue: tokio::sync::Mutex::new(()),
            state: Mutex::new(state),
            is_open: AtomicBool::new(true),
            changed: Notify::new(),
            failed: CancellationToken::new(),
            failure: OnceLock::new(),
        };
        Self { gate: Arc::new(gate) }
    }

    #[must_use]
    pub fn rate(&self) -> Rate {
        self.gate.rate
    }

    /// Waits until a request may leave. Workers are served in order of arrival. A wait that is abandoned, by dropping
    /// the future, uses no turn.
    ///
    /// # Errors
    /// At once when `stop` is cancelled, and for every caller once the server has asked for a longer pause than is
    /// allowed.
    pub async fn turn(&self, stop: &CancellationToken) -> Result<Turn, PaceError> {
        let gate = &self.gate;
        if stop.is_cancelled() {
            return Err(PaceError::Stopped);
        }
        if gate.rate == Rate::Unlimited && gate.is_open.load(Ordering::Acquire) {
            return Ok(Turn::new(gate, Duration::ZERO, Instant::now(), None));
        }
        let began = Instant::now();
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(PaceError::Stopped),
            () = gate.failed.cancelled() => Err(gate.failure.get().copied().unwrap_or(PaceError::Stopped)),
            (left, ticket) = gate.wait() => {
                Ok(Turn::new(gate, left.saturating_duration_since(began), left, ticket))
            }
        }
    }

    /// Waits until the server has asked for a longer pause than is allowed: from then on each [`turn`](Self::turn) is
    /// refused.
    pub async fn failed(&self) {
        self.gate.failed.cancelled().await;
    }

    /// Returns until when no request leaves because of a pause or a used up quota, if that is in the future.
    #[must_use]
    pub fn paused_until(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut state = self.gate.state();
        let used_up = state.used_up.filter(|until| *until > now);
        state.pauses.until(now).max(used_up)
    }
}

#[cfg(test)]
impl Pacer {
    /// Takes the first place in the queue: only requests that do not queue can leave meanwhile.
    pub(super) async fn block_queue(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.gate.queue.lock().await
    }
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Waits to be next in the queue, then for the moment to leave.
    async fn wait(&self) -> (Instant, Option<Ticket>) {
        let _place = self.queue.lock().await;
        loop {
            let now = Instant::now();
            let mut events = Vec::new();
            let step = {
                let mut state = self.state();
                let step = state.step(now, self.options.fallback, &mut events);
                self.update_openness(&state);
                step
            };
            self.report(events);
            // Whatever ended the wait, everything is checked again: a pause may have begun meanwhile.
            match step {
                Step::Leave(ticket) => return (now, ticket),
                Step::Sleep(until) => tokio::time::sleep_until(until).await,
                Step::AwaitReply(None) => self.changed.notified().await,
                Step::AwaitReply(Some(until)) => tokio::select! {
                    () = self.changed.notified() => {}
                    () = tokio::time::sleep_until(until) => {}
                },
            }
        }
    }

    fn take_reply(&self, left: Instant, ticket: Option<Ticket>, headers: &RateLimitHeaders, throttled: bool) {
        let changes_nothing = !throttled && *headers == RateLimitHeaders::default();
        if changes_nothing && ticket.is_none() && self.is_open.load(Ordering::Acquire) {
            return;
        }
        let now = Instant::now();
        let mut events = Vec::new();
        {
            let mut state = self.state();
            let quota_waits = !matches!(state.policy, Policy::Auto { .. });
            match state.pauses.take_reply(headers, throttled, quota_waits, left, now) {
                PauseRequest::None => {}
                PauseRequest::Pause { until, why } => events.extend(state.report_pause(until, why, now)),
                PauseRequest::TooLong { asked } => {
                    // The first failure counts; later ones only repeat it.
                    let _ = self.failure.set(PaceError::TooLong { asked, max: self.options.max_pause });
                    self.failed.cancel();
                }
            }
            if let (Policy::Auto { window, .. }, Some(ticket)) = (&mut state.policy, ticket) {
                window.answered(ticket, headers.quota.as_ref(), now);
            }
            self.update_openness(&state);
        }
        if ticket.is_some() {
            self.changed.notify_one();
        }
        self.report(events);
    }

    fn abandon(&self, ticket: Ticket) {
        if let Policy::Auto { window, .. } = &mut self.state().policy {
            window.unanswered(ticket);
        }
        self.changed.notify_one();
    }

    /// Derives `is_open` from the state, after each change and still under its lock, so that an older value never
    /// replaces a newer one.
    fn update_openness(&self, state: &State) {
        self.is_open.store(state.pauses.is_empty() && self.failure.get().is_none(), Ordering::Release);
    }

    /// Called without any lock, so that the listener may use the pacer.
    fn report(&self, events: Vec<PaceEvent>) {
        if let Some(listener) = &self.options.on_event {
            for event in events {
                listener(event);
            }
        }
    }
}

impl State {
    fn step(&mut self, now: Instant, fallback_rate: Rate, events: &mut Vec<PaceEvent>) -> Step {
        self.used_up = None;
        if let Some(until) = self.pauses.until(now) {
            return Step::Sleep(until);
        }
        let by_ceiling = |ceiling: &mut Ceiling| ceiling.try_leave(now).err();
        match &mut self.policy {
            Policy::Unlimited => Step::Leave(None),
            Policy::Ceiling(ceiling) => by_ceiling(ceiling).map_or(Step::Leave(None), Step::Sleep),
            Policy::Auto { window, fallback, fallback_reported } => match window.condition(now) {
                Condition::None => Step::Leave(Some(window.leave(now))),
                Condition::Reply(until) => Step::AwaitReply(until),
                Condition::Reset(until) => {
                    self.used_up = Some(until);
                    events.extend(self.report_pause(until, PauseReason::QuotaUsedUp, now));
                    // A reply may yet show that the window ends sooner.
                    Step::AwaitReply(Some(until))
                }
                Condition::OtherLimit => {
                    if !*fallback_reported {
                        *fallback_reported = true;
                        events.push(PaceEvent::NoHeaders { rate: fallback_rate });
                    }
                    if fallback.is_none() {
                        *fallback = Ceiling::new(fallback_rate, now);
                    }
                    // A reply may yet report a quota, but only the ceiling's time ends this wait.
                    match fallback.as_mut().and_then(by_ceiling) {
                        Some(due) => Step::Sleep(due),
                        None => Step::Leave(Some(window.leave(now))),
                    }
                }
            },
        }
    }

    /// Returns the event of a pause, unless it was reported before.
    fn report_pause(&mut self, until: Instant, why: PauseReason, now: Instant) -> Option<PaceEvent> {
        let reported = self.reported_pause.filter(|reported| *reported > now);
        if reported.is_some_and(|reported| until < reported + SAME_PAUSE) {
            return None;
        }
        self.reported_pause = Some(until);
        Some(PaceEvent::Paused { pause: until.saturating_duration_since(now), why })
    }
}

impl Turn {
    fn new(gate: &Arc<Gate>, waited: Duration, left: Instant, ticket: Option<Ticket>) -> Self {
        Self { waited, gate: Arc::clone(gate), left, ticket }
    }

    /// Takes what the reply to the request says. `throttled` is true for a 429.
    pub fn answered(mut self, headers: &RateLimitHeaders, throttled: bool) {
        self.gate.take_reply(self.left, self.ticket.take(), headers, throttled);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.gate.abandon(ticket);
        }
    }
}

impl fmt::Debug for Pacer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pacer").field("rate", &self.gate.rate).finish_non_exhaustive()
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("waited", &self.waited).finish_non_exhaustive()
    }
}
