//! The `auto` rate: how much of the server's quota is left, by what its answers told so far.
//!
//! The server is taken to count requests in windows of fixed length, the next of which begins with the first
//! request after the last one's end. Answers arrive late and out of order, other clients may use the same
//! quota, and the seconds until the reset are rounded, up or down. So the state held here errs on the side of
//! fewer requests, and each thing it does not know costs a little time rather than a refusal. It does no
//! waiting and reads no clock.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::headers::Quota;

/// How far off the told seconds until the reset may be, by rounding.
const ROUNDING: Duration = Duration::from_secs(1);

/// For how long a worker that shares the quota trusts what it was told is left.
const FRESH: Duration = Duration::from_millis(250);

/// So many answers without a quota in a row mean that the server does not tell; a single one may come from a
/// proxy in between.
const SILENT_AFTER: u32 = 3;

/// What identifies a request that left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    number: u64,
    window: u64,
    left: Instant,
}

/// Whether a request may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Now.
    Go,
    /// Not before the quota is whole again.
    UsedUp(Instant),
    /// Not before an answer to what is in flight shows more, or this instant has come.
    Answer(Option<Instant>),
    /// The server does not tell; something else has to decide.
    Silent,
}

#[derive(Debug)]
enum Known {
    /// Nothing yet, after so many answers.
    Nothing { answers: u32 },
    /// That the server does not tell.
    Silence,
    /// The last window is over; this one has a whole quota, and nothing has been told about it.
    Whole { limit: u64 },
    /// The fewest remaining that any answer told, and an instant at which the window is certainly over.
    Told { remaining: u64, over: Instant },
}

/// The server's current window, as far as it is known.
#[derive(Debug)]
pub(super) struct Window {
    known: Known,
    limit: Option<u64>,
    /// How many workers share the quota, this one included.
    workers: u64,
    /// The most requests that were in flight at once: the others are taken to be alike.
    peak: u64,
    /// When the server last told what is left.
    told_at: Option<Instant>,
    /// The number of the current window, and of the next request.
    current: u64,
    next: u64,
    in_flight: u64,
    /// Requests that the server may have counted without telling (no answer, or one without a quota), each as
    /// the number of the request that left next: once that or a later one is answered, the server's own count
    /// includes them.
    untold: VecDeque<u64>,
}

impl Window {
    pub(super) fn new(workers: u32) -> Self {
        Self {
            known: Known::Nothing { answers: 0 },
            limit: None,
            workers: u64::from(workers.max(1)),
            peak: 0,
            told_at: None,
            current: 0,
            next: 0,
            in_flight: 0,
            untold: VecDeque::new(),
        }
    }

    /// Whether a request may leave at `now`.
    pub(super) fn look(&mut self, now: Instant) -> Look {
        if let Known::Told { over, .. } = self.known
            && over <= now
        {
            self.begin(match self.limit {
                Some(limit) => Known::Whole { limit },
                None => Known::Nothing { answers: 0 },
            });
            // Whatever was lost before now was counted in the last window. What is still in flight may yet
            // be counted in this one, and `in_flight` stands for it.
            self.untold.clear();
        }
        let (quota, over) = match self.known {
            Known::Nothing { .. } if self.in_flight == 0 => return Look::Go,
            Known::Nothing { .. } => return Look::Answer(None),
            Known::Silence => return Look::Silent,
            Known::Whole { limit } => (limit, None),
            Known::Told { remaining, over } => (remaining, Some(over)),
        };
        // An answered request is within the lowest number told; any other may come on top of it. Requests
        // that overtook each other are subtracted twice until they are answered, which is the safe error.
        let quota = self.own_part(quota.saturating_sub(self.untold()), now);
        match over {
            _ if quota > self.in_flight => Look::Go,
            _ if quota > 0 && self.in_flight > 0 => Look::Answer(over),
            Some(over) => Look::UsedUp(over),
            None if self.in_flight > 0 => Look::Answer(None),
            // A whole quota was spent and not one answer told of it: the server has stopped telling.
            None => {
                self.known = Known::Silence;
                self.untold.clear();
                Look::Silent
            }
        }
    }

    /// How many requests may be in flight, where so many are left for all workers. What the others have used
    /// since the server last told it, and what they have in flight, nobody knows: so that much is held back, and
    /// near the end each sends one at a time and looks what is left.
    fn own_part(&self, left: u64, now: Instant) -> u64 {
        if self.workers == 1 {
            return left;
        }
        let unseen = (self.workers - 1) * 2 * self.peak;
        let is_fresh = self.told_at.is_none_or(|told| now.duration_since(told) < FRESH);
        match left.saturating_sub(unseen) / self.workers {
            part if part > 1 && is_fresh => part,
            _ => u64::from(left > 2 * self.workers),
        }
    }

    /// Lets a request leave.
    pub(super) fn leave(&mut self, now: Instant) -> Ticket {
        let number = self.next;
        self.next += 1;
        self.in_flight += 1;
        self.peak = self.peak.max(self.in_flight);
        Ticket { number, window: self.current, left: now }
    }

    /// A request was given up without an answer.
    pub(super) fn unanswered(&mut self, _ticket: Ticket) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.count_untold();
    }

    /// A request was answered at `now`.
    pub(super) fn answered(&mut self, ticket: Ticket, quota: Option<&Quota>, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(quota) = quota else {
            self.count_untold();
            if let Known::Nothing { answers } = &mut self.known {
                *answers += 1;
                if *answers >= SILENT_AFTER {
                    self.known = Known::Silence;
                }
            }
            return;
        };
        self.told_at = Some(now);
        if ticket.window != self.current {
            // It tells of the last window or of this one, and nothing shows which.
            self.count_untold();
            return;
        }
        // Rounded down, the window may last a second longer than told. But no window lasts longer than its
        // length after a request that it has counted, which for its first request is exact.
        let told = quota.reset + ROUNDING;
        let over = now + quota.window.map_or(told, |window| told.min(window));
        self.known = match self.known {
            Known::Nothing { .. } | Known::Silence => Known::Told { remaining: quota.remaining, over },
            Known::Whole { limit } => Known::Told { remaining: quota.remaining.min(limit), over },
            Known::Told { over: ends, .. } if self.is_newer(ticket, quota, ends) => {
                self.current += 1;
                Known::Told { remaining: quota.remaining, over }
            }
            Known::Told { remaining, over: ends } => {
                Known::Told { remaining: remaining.min(quota.remaining), over: ends.min(over) }
            }
        };
        self.limit = quota.limit.or(self.limit);
        while self.untold.front().is_some_and(|next| *next <= ticket.number) {
            self.untold.pop_front();
        }
    }

    /// Whether an answer tells of a later window than the one that `ends` then: its reset lies beyond that
    /// even if rounded up and answered without delay, or its quota is another one altogether.
    fn is_newer(&self, ticket: Ticket, quota: &Quota, ends: Instant) -> bool {
        ticket.left + quota.reset >= ends + ROUNDING || (quota.limit.is_some() && quota.limit != self.limit)
    }

    fn begin(&mut self, known: Known) {
        self.current += 1;
        self.known = known;
    }

    fn count_untold(&mut self) {
        if matches!(self.known, Known::Whole { .. } | Known::Told { .. }) {
            self.untold.push_back(self.next);
        }
    }

    fn untold(&self) -> u64 {
        u64::try_from(self.untold.len()).unwrap_or(u64::MAX)
    }
}
