//! A fixed ceiling: governor's GCRA on tokio's clock, asked by one waiter at a time.

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
/// governor would read the system's clock, which paused tokio time does not move, and would book a request when its
/// timer fired instead of when it was due.
#[derive(Debug, Clone, Default)]
struct BookingClock(Arc<AtomicU64>);

impl Clock for BookingClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.load(Ordering::Relaxed))
    }
}

/// A ceiling on how many requests leave in any window of time.
#[derive(Debug)]
pub(super) struct Ceiling {
    limiter: RateLimiter<NotKeyed, InMemoryState, BookingClock, NoOpMiddleware<Nanos>>,
    clock: BookingClock,
    origin: Instant,
    /// When the request that was refused last may leave.
    due: Option<Instant>,
}

impl Ceiling {
    /// Returns the ceiling of `rate`; `None` if it has none.
    pub(super) fn new(rate: Rate, now: Instant) -> Option<Self> {
        let quota = Quota::with_period(rate.interval()?)?.allow_burst(rate.at_once()?);
        let clock = BookingClock::default();
        let limiter = RateLimiter::direct_with_clock(quota, clock.clone());
        Some(Self { limiter, clock, origin: now, due: None })
    }

    /// Lets one request leave now, or returns when it may.
    ///
    /// Timers fire late, by a millisecond or so, and with a burst of 1 each delay would cost throughput. A request that
    /// waited is therefore booked at the instant at which it was due. In any stretch of time only the first request can
    /// have been due before the stretch began, as every later one was refused after the first had left. So each window
    /// stays within `requests` plus what may leave at once.
    pub(super) fn try_leave(&mut self, now: Instant) -> Result<(), Instant> {
        let at = match self.due {
            Some(due) if due <= now => due,
            _ => now,
        };
        self.clock
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
