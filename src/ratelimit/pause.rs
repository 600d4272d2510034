//! The pauses that the server asks for: until when no request leaves, and which pause is too long.

use std::time::Duration;

use tokio::time::Instant;

use super::PauseReason;
use super::headers::RateLimitHeaders;

/// The pause after a 429 that gives no time. A shorter one would send more requests to a server that has just refused
/// some; half a window would mostly be wasted.
const FLOOR: Duration = Duration::from_secs(1);

/// The state of the pauses, shared by all workers.
#[derive(Debug)]
pub(super) struct Pauses {
    max: Duration,
    until: Option<Instant>,
    /// Since when every reply has been a throttled one.
    throttled_since: Option<Instant>,
}

/// What a reply asks of all workers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PauseRequest {
    None,
    Pause {
        until: Instant,
        why: PauseReason,
    },
    /// A longer pause than is allowed.
    TooLong {
        asked: Duration,
    },
}

impl Pauses {
    pub(super) fn new(max: Duration) -> Self {
        Self { max, until: None, throttled_since: None }
    }

    /// Returns the instant before which no request leaves, if it is in the future, and forgets it otherwise.
    pub(super) fn until(&mut self, now: Instant) -> Option<Instant> {
        self.until = self.until.filter(|until| *until > now);
        self.until
    }

    /// Returns true if no pause and no throttling is remembered, so that a reply without rate limit headers changes
    /// nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.until.is_none() && self.throttled_since.is_none()
    }

    /// Takes a reply, which arrived at `now`, to a request that left at `left`. With `quota_waits` a used up quota is a
    /// pause; without, the window of `auto` keeps the quota.
    pub(super) fn take_reply(
        &mut self,
        headers: &RateLimitHeaders,
        throttled: bool,
        quota_waits: bool,
        left: Instant,
        now: Instant,
    ) -> PauseRequest {
        if throttled {
            self.throttled_since.get_or_insert(now);
        } else if self.throttled_since.is_some_and(|since| left > since) {
            // The reply to a request that left before the throttling began does not show that it has ended.
            self.throttled_since = None;
        }
        // With any reply but a 429, `Retry-After` concerns that target alone, unless it is too long.
        if let Some(asked) = headers.retry_after.filter(|asked| *asked > self.max) {
            return PauseRequest::TooLong { asked };
        }
        let asked = match (throttled, headers.retry_after, headers.quota) {
            (true, Some(retry_after), _) => retry_after.max(FLOOR),
            // A 429 contradicts a quota of which something is left: the 429 counts.
            (true, None, Some(quota)) => quota.reset.max(FLOOR),
            (true, None, None) => FLOOR,
            (false, _, Some(quota)) if quota.remaining == 0 && (quota_waits || quota.reset > self.max) => {
                quota.reset
            }
            (false, ..) => return PauseRequest::None,
        };
        let since = self.throttled_since.filter(|_| throttled).unwrap_or(now);
        let altogether = now.saturating_duration_since(since) + asked;
        if altogether > self.max {
            return PauseRequest::TooLong { asked: altogether };
        }
        let until = now + asked;
        self.until = self.until.max(Some(until));
        let why = if throttled { PauseReason::Throttled } else { PauseReason::QuotaUsedUp };
        PauseRequest::Pause { until, why }
    }
}
