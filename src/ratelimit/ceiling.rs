//! A fixed ceiling: governor's GCRA, read by tokio's clock and asked by one waiter at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use super::rate::Rate;

/// The instant at which a request is booked, in nanoseconds since the ceiling was made.
///
/// governor would read the system's clock, which paused tokio time does not move, and which cannot tell when
/// a request was due from when its timer fired.
#[derive(Debug, Clone, Default)]
struct Booked(Arc<AtomicU64>);

impl Clock for Booked {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.load(Ordering::Relaxed))
    }
}

/// A ceiling on how many requests leave in any window of time.
#[derive(Debug)]
pub(super) struct Ceiling {
    limiter: RateLimiter<NotKeyed, InMemoryState, Booked, NoOpMiddleware<Nanos>>,
    booked: Booked,
    origin: Instant,
    /// When the request that was refused last may leave.
    due: Option<Instant>,
}

impl Ceiling {
    /// The ceiling of `rate`; `None` where it has none.
    pub(super) fn new(rate: Rate, now: Instant) -> Option<Self> {
        let quota = Quota::with_period(rate.interval()?)?.allow_burst(rate.at_once()?);
        let booked = Booked::default();
        let limiter = RateLimiter::direct_with_clock(quota, booked.clone());
        Some(Self { limiter, booked, origin: now, due: None })
    }

    /// Lets one request leave now, or tells when it may.
    ///
    /// Timers fire late, by a millisecond or so, and at a burst of 1 each delay would be lost for good. So a
    /// request that waited is booked at the instant it was due. Of the requests that leave in a stretch of
    /// time only the first can be booked before it began, for any other that was refused was refused after
    /// that one had left; so any window stays within `requests` and what may leave at once.
    pub(super) fn try_leave(&mut self, now: Instant) -> Result<(), Instant> {
        let at = match self.due {
            Some(due) if due <= now => due,
            _ => now,
        };
        self.booked
            .0
            .store(Nanos::from(at.saturating_duration_since(self.origin)).as_u64(), Ordering::Relaxed);
        match self.limiter.check() {
            Ok(()) => {
                self.due = None;
                Ok(())
            }
            Err(refused) => {
                let due = self.origin + Duration::from(refused.earliest_possible());
                self.due = Some(due);
                Err(due)
            }
        }
    }
}
