//! The `auto` rate: how much of the server's quota is left, according to the replies so far.
//!
//! The server is assumed to count requests in windows of fixed length, the next of which begins with the first request
//! after the end of the last. Replies arrive late and out of order, other clients may use the same quota, and the
//! seconds until the reset are rounded, up or down. The state here therefore errs on the side of fewer requests: what
//! it does not know costs a little time, and no refusal. It does not wait and reads no clock.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::headers::Quota;

/// By how much the reported seconds until the reset may be wrong, through rounding.
const ROUNDING: Duration = Duration::from_secs(1);

/// How long a process that shares the quota relies on the last report of what is left.
const FRESH: Duration = Duration::from_millis(250);

/// So many replies in a row without a quota mean that the server does not report it. A single one may come from a
/// proxy.
const UNREPORTED_AFTER: u32 = 3;

/// Identifies a request that left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    number: u64,
    window: u64,
    left: Instant,
}

/// What has to happen before the next request may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// Nothing.
    None,
    /// The quota is used up, and is whole again at this instant.
    Reset(Instant),
    /// A request in flight has to be answered, or this instant has to come.
    Reply(Option<Instant>),
    /// The server does not report its quota; another limit has to decide.
    OtherLimit,
}

/// What the replies have shown of the quota.
#[derive(Debug)]
enum Knowledge {
    /// No reply has reported it, of so many.
    Nothing { replies: u32 },
    /// The server does not report it.
    Unreported,
    /// The last window is over; this one has a whole quota, and no reply has reported on it.
    Whole { limit: u64 },
    /// The fewest remaining requests of any report, and an instant at which the window is certainly over.
    Partial { remaining: u64, over: Instant },
}

/// The server's current window, as far as it is known.
#[derive(Debug)]
pub(super) struct Window {
    knowledge: Knowledge,
    limit: Option<u64>,
    /// How many processes share the quota, this one included.
    workers: u64,
    /// The most requests that were in flight at once; the other processes are assumed to have as many.
    peak: u64,
    /// When the server last reported what is left.
    reported_at: Option<Instant>,
    /// The number of the current window.
    current: u64,
    /// The number of the next request.
    next: u64,
    in_flight: u64,
    /// Requests that the server may have counted without a report (no reply, or one without a quota), each as the
    /// number of the request that left next: once that one or a later one is answered, its report includes them.
    unreported: VecDeque<u64>,
}

impl Window {
    pub(super) fn new(workers: u32) -> Self {
        Self {
            knowledge: Knowledge::Nothing { replies: 0 },
            limit: None,
            workers: u64::from(workers.max(1)),
            peak: 0,
            reported_at: None,
            current: 0,
            next: 0,
            in_flight: 0,
            unreported: VecDeque::new(),
        }
    }

    /// Returns what has to happen, as of `now`, before a request may leave.
    pub(super) fn condition(&mut self, now: Instant) -> Condition {
        if let Knowledge::Partial { over, .. } = self.knowledge
            && over <= now
        {
            self.begin(match self.limit {
                Some(limit) => Knowledge::Whole { limit },
                None => Knowledge::Nothing { replies: 0 },
            });
            // Requests that got no reply were counted in the last window. Those in flight may yet be counted in this
            // one, which `in_flight` allows for.
            self.unreported.clear();
        }
        let (quota, over) = match self.knowledge {
            Knowledge::Nothing { .. } if self.in_flight == 0 => return Condition::None,
            Knowledge::Nothing { .. } => return Condition::Reply(None),
            Knowledge::Unreported => return Condition::OtherLimit,
            Knowledge::Whole { limit } => (limit, None),
            Knowledge::Partial { remaining, over } => (remaining, Some(over)),
        };
        // An answered request is part of the lowest report; any other may come on top of it. Requests that overtook
        // each other are subtracted twice until they are answered, which errs on the safe side.
        let quota = self.own_share(quota.saturating_sub(self.count_unreported()), now);
        match over {
            _ if quota > self.in_flight => Condition::None,
            _ if quota > 0 && self.in_flight > 0 => Condition::Reply(over),
            Some(over) => Condition::Reset(over),
            None if self.in_flight > 0 => Condition::Reply(None),
            // A whole quota was used and no reply reported on it: the server has stopped reporting.
            None => {
                self.knowledge = Knowledge::Unreported;
                self.unreported.clear();
                Condition::OtherLimit
            }
        }
    }

    /// Returns how many requests of this process may be in flight when `left` remain for all processes. What the others
    /// have used since the last report, and what they have in flight, is not known. So that much is subtracted, and
    /// near the end each process sends one request at a time.
    fn own_share(&self, left: u64, now: Instant) -> u64 {
        if self.workers == 1 {
            return left;
        }
        let unseen = (self.workers - 1) * 2 * self.peak;
        let is_fresh = self.reported_at.is_none_or(|at| now.duration_since(at) < FRESH);
        match left.saturating_sub(unseen) / self.workers {
            share if share > 1 && is_fresh => share,
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

    /// Takes note that a request was abandoned without a reply.
    pub(super) fn unanswered(&mut self, _ticket: Ticket) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.add_unreported();
    }

    /// Takes the reply to a request, which arrived at `now`.
    pub(super) fn answered(&mut self, ticket: Ticket, quota: Option<&Quota>, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(quota) = quota else {
            self.add_unreported();
            if let Knowledge::Nothing { replies } = &mut self.knowledge {
                *replies += 1;
                if *replies >= UNREPORTED_AFTER {
                    self.knowledge = Knowledge::Unreported;
                }
            }
            return;
        };
        self.reported_at = Some(now);
        if ticket.window != self.current {
            // It reports on the last window or on this one, and nothing shows which.
            self.add_unreported();
            return;
        }
        // If the reset was rounded down, the window may last a second longer than reported. But no window lasts longer
        // than its length after a request that it has counted, which for its first request is exact.
        let latest = quota.reset + ROUNDING;
        let over = now + quota.window.map_or(latest, |window| latest.min(window));
        self.knowledge = match self.knowledge {
            Knowledge::Nothing { .. } | Knowledge::Unreported => {
                Knowledge::Partial { remaining: quota.remaining, over }
            }
            Knowledge::Whole { limit } => Knowledge::Partial { remaining: quota.remaining.min(limit), over },
            Knowledge::Partial { over: ends, .. } if self.is_newer(ticket, quota, ends) => {
                self.current += 1;
                Knowledge::Partial { remaining: quota.remaining, over }
            }
            Knowledge::Partial { remaining, over: ends } => {
                Knowledge::Partial { remaining: remaining.min(quota.remaining), over: ends.min(over) }
            }
        };
        self.limit = quota.limit.or(self.limit);
        while self.unreported.front().is_some_and(|next| *next <= ticket.number) {
            self.unreported.pop_front();
        }
    }

    /// Returns true if a reply reports on a later window than the one that `ends` then: its reset is after that even if
    /// it was rounded up and sent without delay, or its limit is another one.
    fn is_newer(&self, ticket: Ticket, quota: &Quota, ends: Instant) -> bool {
        ticket.left + quota.reset >= ends + ROUNDING || (quota.limit.is_some() && quota.limit != self.limit)
    }

    fn begin(&mut self, knowledge: Knowledge) {
        self.current += 1;
        self.knowledge = knowledge;
    }

    fn add_unreported(&mut self) {
        if matches!(self.knowledge, Knowledge::Whole { .. } | Knowledge::Partial { .. }) {
            self.unreported.push_back(self.next);
        }
    }

    fn count_unreported(&self) -> u64 {
        u64::try_from(self.unreported.len()).unwrap_or(u64::MAX)
    }
}
