//! The gate that every request passes, whichever worker sends it.
//!
//! One waiter at a time stands at the gate and the others queue behind it in the order in which they came:
//! many waiters with a timer each would wake each other up, and a pause would have to reach all of them.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ceiling::Ceiling;
use super::headers::ServerWord;
use super::pause::{Asked, Pauses};
use super::rate::Rate;
use super::window::{Look, Ticket, Window};
use super::{PaceError, PaceEvent, PaceOptions, PauseReason};
use crate::domain::lock;

/// A pause that is only extended by less than this is not reported again: the answers to what was in flight
/// when it began each ask for it anew.
const SAME_PAUSE: Duration = Duration::from_secs(1);

/// Decides when requests may leave, for all workers together. Clones share one gate.
#[derive(Clone)]
pub struct Pacer {
    gate: Arc<Gate>,
}

/// The leave to send one request now. Hand it the answer with [`answered`](Turn::answered); dropped without,
/// the request counts as sent and never answered.
#[must_use = "a turn that is dropped counts as a request without an answer"]
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
    /// Whoever holds it is first. tokio's mutex is fair.
    first: tokio::sync::Mutex<()>,
    /// Held for moments only, never while waiting.
    state: Mutex<State>,
    /// Nothing is paused, remembered or over: with no rate to keep, a request may leave without looking.
    calm: AtomicBool,
    /// Something that the first waiter waits for may have changed.
    changed: Notify,
    /// The server asked too much; nobody sends any more.
    over: CancellationToken,
    verdict: OnceLock<PaceError>,
}

struct State {
    pauses: Pauses,
    policy: Policy,
    /// Until when the first waiter waits for the quota to be whole again.
    used_up: Option<Instant>,
    announced: Option<Instant>,
}

enum Policy {
    Unlimited,
    Ceiling(Ceiling),
    Auto { window: Window, fallback: Option<Ceiling>, reported: bool },
}

/// What the first waiter is to do.
enum Step {
    Leave(Option<Ticket>),
    Sleep(Instant),
    /// Until an answer arrives, or until then.
    Listen(Option<Instant>),
}

impl Pacer {
    /// A gate that lets requests leave at `rate`. All its time is tokio's.
    #[must_use]
    pub fn new(rate: Rate, options: PaceOptions) -> Self {
        let now = Instant::now();
        let policy = match rate {
            Rate::Auto => {
                Policy::Auto { window: Window::new(options.workers), fallback: None, reported: false }
            }
            _ => Ceiling::new(rate, now).map_or(Policy::Unlimited, Policy::Ceiling),
        };
        let state = State { pauses: Pauses::new(options.max_pause), policy, used_up: None, announced: None };
        let gate = Gate {
            rate,
            options,
            first: tokio::sync::Mutex::new(()),
            state: Mutex::new(state),
            calm: AtomicBool::new(true),
            changed: Notify::new(),
            over: CancellationToken::new(),
            verdict: OnceLock::new(),
        };
        Self { gate: Arc::new(gate) }
    }

    /// The rate that was asked for.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.gate.rate
    }

    /// Waits until a request may leave. Workers are served in the order in which they came. Giving up the
    /// wait, by dropping the future, costs nothing.
    ///
    /// # Errors
    /// At once when `stop` is cancelled, and for every caller from the moment on at which the server has asked
    /// for a longer pause than is allowed.
    pub async fn turn(&self, stop: &CancellationToken) -> Result<Turn, PaceError> {
        let gate = &self.gate;
        if stop.is_cancelled() {
            return Err(PaceError::Stopped);
        }
        if gate.rate == Rate::Unlimited && gate.calm.load(Ordering::Acquire) {
            return Ok(Turn::new(gate, Duration::ZERO, Instant::now(), None));
        }
        let asked = Instant::now();
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(PaceError::Stopped),
            () = gate.over.cancelled() => Err(gate.verdict.get().copied().unwrap_or(PaceError::Stopped)),
            (left, ticket) = gate.wait() => {
                Ok(Turn::new(gate, left.saturating_duration_since(asked), left, ticket))
            }
        }
    }

    /// Until when nobody sends because the server said so (a pause, or a used up quota), if that lies ahead.
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
    /// Stands first at the gate, so that a test sees who comes by.
    pub(super) async fn hold_the_gate(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.gate.first.lock().await
    }
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Waits to be first, then for the moment to leave.
    async fn wait(&self) -> (Instant, Option<Ticket>) {
        let _first = self.first.lock().await;
        loop {
            let now = Instant::now();
            let mut events = Vec::new();
            let step = {
                let mut state = self.state();
                let step = state.step(now, self.options.fallback, &mut events);
                self.settle(&state);
                step
            };
            self.report(events);
            // Whatever ended the wait, everything is looked at again: a pause may have begun meanwhile.
            match step {
                Step::Leave(ticket) => return (now, ticket),
                Step::Sleep(until) => tokio::time::sleep_until(until).await,
                Step::Listen(None) => self.changed.notified().await,
                Step::Listen(Some(until)) => tokio::select! {
                    () = self.changed.notified() => {}
                    () = tokio::time::sleep_until(until) => {}
                },
            }
        }
    }

    fn hear(&self, left: Instant, ticket: Option<Ticket>, word: &ServerWord, throttled: bool) {
        let silent = !throttled && *word == ServerWord::default();
        if silent && ticket.is_none() && self.calm.load(Ordering::Acquire) {
            return;
        }
        let now = Instant::now();
        let mut events = Vec::new();
        {
            let mut state = self.state();
            let quota_waits = !matches!(state.policy, Policy::Auto { .. });
            match state.pauses.hear(word, throttled, quota_waits, left, now) {
                Asked::Nothing => {}
                Asked::Pause { until, why } => events.extend(state.announce(until, why, now)),
                Asked::TooLong { asked } => {
                    // The first verdict stands; later ones only repeat it.
                    let _ = self.verdict.set(PaceError::TooLong { asked, max: self.options.max_pause });
                    self.over.cancel();
                }
            }
            if let (Policy::Auto { window, .. }, Some(ticket)) = (&mut state.policy, ticket) {
                window.answered(ticket, word.quota.as_ref(), now);
            }
            self.settle(&state);
        }
        if ticket.is_some() {
            self.changed.notify_one();
        }
        self.report(events);
    }

    fn give_up(&self, ticket: Ticket) {
        if let Policy::Auto { window, .. } = &mut self.state().policy {
            window.unanswered(ticket);
        }
        self.changed.notify_one();
    }

    /// Says whether requests may leave without looking, after each change of the state and still under its
    /// lock, so that an older view never replaces a newer one.
    fn settle(&self, state: &State) {
        self.calm.store(state.pauses.calm() && self.verdict.get().is_none(), Ordering::Release);
    }

    /// Outside of every lock, so that the listener may ask the pacer.
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
            Policy::Auto { window, fallback, reported } => match window.look(now) {
                Look::Go => Step::Leave(Some(window.leave(now))),
                Look::Answer(until) => Step::Listen(until),
                Look::UsedUp(until) => {
                    self.used_up = Some(until);
                    events.extend(self.announce(until, PauseReason::QuotaUsedUp, now));
                    // An answer may yet show that the window ends sooner.
                    Step::Listen(Some(until))
                }
                Look::Silent => {
                    if !*reported {
                        *reported = true;
                        events.push(PaceEvent::NoHeaders { rate: fallback_rate });
                    }
                    if fallback.is_none() {
                        *fallback = Ceiling::new(fallback_rate, now);
                    }
                    // An answer may yet tell of a quota, but only the ceiling's time ends this wait.
                    match fallback.as_mut().and_then(by_ceiling) {
                        Some(due) => Step::Sleep(due),
                        None => Step::Leave(Some(window.leave(now))),
                    }
                }
            },
        }
    }

    fn announce(&mut self, until: Instant, why: PauseReason, now: Instant) -> Option<PaceEvent> {
        let known = self.announced.filter(|announced| *announced > now);
        if known.is_some_and(|known| until < known + SAME_PAUSE) {
            return None;
        }
        self.announced = Some(until);
        Some(PaceEvent::Paused { for_: until.saturating_duration_since(now), why })
    }
}

impl Turn {
    fn new(gate: &Arc<Gate>, waited: Duration, left: Instant, ticket: Option<Ticket>) -> Self {
        Self { waited, gate: Arc::clone(gate), left, ticket }
    }

    /// The request was answered, and its headers said `word`. `throttled` is whether the answer was a refusal
    /// for being too fast (429).
    pub fn answered(mut self, word: &ServerWord, throttled: bool) {
        self.gate.hear(self.left, self.ticket.take(), word, throttled);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.gate.give_up(ticket);
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
