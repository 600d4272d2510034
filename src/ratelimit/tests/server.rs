//! A limiter with fixed windows, as servers have it, in virtual time, with each generation of headers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use tokio::time::Instant;

/// A generation of headers, or none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    Separate,
    Combined,
    Named,
    Legacy,
    Absent,
}

pub(super) const GENERATIONS: [Generation; 4] =
    [Generation::Separate, Generation::Combined, Generation::Named, Generation::Legacy];

/// What happened in one window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tally {
    pub(super) begun: Instant,
    pub(super) counted: u64,
    /// Of ours only.
    pub(super) refused: u64,
}

/// The limiter. A window begins with the first request after the last one's end.
pub(super) struct Server {
    pub(super) limit: u64,
    pub(super) window: Duration,
    pub(super) generation: Generation,
    /// The seconds left are rounded up, as express-rate-limit does, and not down.
    pub(super) rounds_up: bool,
    pub(super) tallies: Vec<Tally>,
    start: Instant,
}

impl Server {
    pub(super) fn new(limit: u64, window: Duration, generation: Generation, rounds_up: bool) -> Self {
        Self { limit, window, generation, rounds_up, tallies: Vec::new(), start: Instant::now() }
    }

    /// Returns the wall-clock time, which both sides share. It does not begin at a full second.
    pub(super) fn clock(&self, now: Instant) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_700_000_000_370) + (now - self.start)
    }

    /// Takes a request. Returns true if it is refused, and the reply's headers.
    pub(super) fn hit(&mut self, now: Instant) -> (bool, HeaderMap) {
        if self.tallies.last().is_none_or(|tally| tally.begun + self.window <= now) {
            self.tallies.push(Tally { begun: now, counted: 0, refused: 0 });
        }
        let limit = self.limit;
        let tally = self.tallies.last_mut().unwrap();
        let refused = tally.counted >= limit;
        if refused {
            tally.refused += 1;
        } else {
            tally.counted += 1;
        }
        let (ends, remaining) = (tally.begun + self.window, limit - tally.counted);
        (refused, self.headers(ends, remaining, refused, now))
    }

    /// Takes a request of another client that shares the quota.
    pub(super) fn hit_by_another(&mut self, now: Instant) {
        if self.hit(now).0 {
            self.tallies.last_mut().unwrap().refused -= 1;
        }
    }

    fn headers(&self, ends: Instant, remaining: u64, refused: bool, now: Instant) -> HeaderMap {
        let round = |length: Duration| {
            let up = u64::from(self.rounds_up && length.subsec_nanos() > 0);
            length.as_secs() + up
        };
        let (limit, window, left) = (self.limit, self.window.as_secs(), round(ends - now));
        let mut lines = match self.generation {
            Generation::Separate => vec![
                ("ratelimit-policy", format!("{limit};w={window}")),
                ("ratelimit-limit", limit.to_string()),
                ("ratelimit-remaining", remaining.to_string()),
                ("ratelimit-reset", left.to_string()),
            ],
            Generation::Combined => vec![
                ("ratelimit-policy", format!("{limit};w={window}")),
                ("ratelimit", format!("limit={limit}, remaining={remaining}, reset={left}")),
            ],
            Generation::Named => {
                let name = format!("{limit}-in-{window}sec");
                vec![
                    ("ratelimit-policy", format!("\"{name}\"; q={limit}; w={window}; pk=:MTJjYTE3YjQ5YWYy:")),
                    ("ratelimit", format!("\"{name}\"; r={remaining}; t={left}")),
                ]
            }
            Generation::Legacy => {
                let date = round(self.clock(ends).duration_since(UNIX_EPOCH).unwrap());
                vec![
                    ("date", httpdate::fmt_http_date(self.clock(now))),
                    ("x-ratelimit-limit", limit.to_string()),
                    ("x-ratelimit-remaining", remaining.to_string()),
                    ("x-ratelimit-reset", date.to_string()),
                ]
            }
            Generation::Absent => vec![],
        };
        if refused && self.generation != Generation::Absent {
            lines.push(("retry-after", left.to_string()));
        }
        let header = |(name, value): (&'static str, String)| {
            (HeaderName::from_static(name), HeaderValue::try_from(value).unwrap())
        };
        lines.into_iter().map(header).collect()
    }
}
