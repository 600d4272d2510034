//! The pauses that the server asks for: until when nobody sends, and when it has asked too much.

use std::time::Duration;

use tokio::time::Instant;

use super::PauseReason;
use super::headers::ServerWord;

/// The pause after a 429 that does not say how long: half a window would often be wasted, and less than this
/// hammers a server that just refused.
const FLOOR: Duration = Duration::from_secs(1);

/// The state of the pauses, shared by all workers.
#[derive(Debug)]
pub(super) struct Pauses {
    max: Duration,
    until: Option<Instant>,
    /// Since when every answer has been a throttled one.
    throttled_since: Option<Instant>,
}

/// What an answer asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing.
    Nothing,
    /// Nobody sends until then.
    Pause { until: Instant, why: PauseReason },
    /// More than may be asked for.
    TooLong { asked: Duration },
}

impl Pauses {
    pub(super) fn new(max: Duration) -> Self {
        Self { max, until: None, throttled_since: None }
    }

    /// The instant before which nobody sends, if it lies ahead. Forgets it once it has passed.
    pub(super) fn until(&mut self, now: Instant) -> Option<Instant> {
        self.until = self.until.filter(|until| *until > now);
        self.until
    }

    /// Whether nothing is in force or remembered, so that an answer without a word changes nothing.
    pub(super) fn calm(&self) -> bool {
        self.until.is_none() && self.throttled_since.is_none()
    }

    /// Hears an answer, which arrived at `now`, to a request that left at `left`. Where `quota_waits`, a used
    /// up quota is a pause; otherwise somebody else keeps the quota.
    pub(super) fn hear(
        &mut self,
        word: &ServerWord,
        throttled: bool,
        quota_waits: bool,
        left: Instant,
        now: Instant,
    ) -> Asked {
        if throttled {
            self.throttled_since.get_or_insert(now);
        } else if self.throttled_since.is_some_and(|since| left > since) {
            // An answer to a request from before the throttling shows nothing about its end.
            self.throttled_since = None;
        }
        // With any other reply than a refusal `Retry-After` is about its target alone, but for its length.
        if let Some(asked) = word.retry_after.filter(|asked| *asked > self.max) {
            return Asked::TooLong { asked };
        }
        let asked = match (throttled, word.retry_after, word.quota) {
            // The clearest word.
            (true, Some(retry_after), _) => retry_after.max(FLOOR),
            // A refusal contradicts a quota with something left: believe the refusal.
            (true, None, Some(quota)) => quota.reset.max(FLOOR),
            (true, None, None) => FLOOR,
            (false, _, Some(quota)) if quota.remaining == 0 && (quota_waits || quota.reset > self.max) => {
                quota.reset
            }
            (false, ..) => return Asked::Nothing,
        };
        let since = self.throttled_since.filter(|_| throttled).unwrap_or(now);
        let altogether = now.saturating_duration_since(since) + asked;
        if altogether > self.max {
            return Asked::TooLong { asked: altogether };
        }
        let until = now + asked;
        self.until = self.until.max(Some(until));
        let why = if throttled { PauseReason::Throttled } else { PauseReason::QuotaUsedUp };
        Asked::Pause { until, why }
    }
}
