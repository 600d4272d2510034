//! The rate limit: a fixed window over all endpoints, and the headers that tell the client about it.
//!
//! Modelled on express-rate-limit, which the real API most likely runs: a window opens with the first
//! request after the last one has run out, and refused requests count as well.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::header::{HeaderMap, HeaderName, HeaderValue};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const COMBINED: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const LEGACY_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const LEGACY_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const LEGACY_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The partition key of draft 8 for the client 127.0.0.1, derived as express-rate-limit derives it:
/// base64 over the first 12 hexadecimal digits of the SHA-256 of the address.
const PARTITION: &str = "MTJjYTE3YjQ5YWYy";

/// Longer windows are cut to this, because no clock reaches arbitrarily far ahead.
const LONGEST_WINDOW: Duration = Duration::from_hours(366 * 24);

/// At most `requests` in each `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowLimit {
    /// How many requests of one window are answered; all further ones get a 429.
    pub requests: u32,
    /// How long a window lasts, counted from its first request: a year at most.
    pub window: Duration,
}

/// Which of the header generations in use tells the client about the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeaderGeneration {
    /// `RateLimit-Limit`, `RateLimit-Remaining`, `RateLimit-Reset` (seconds left), `RateLimit-Policy`.
    #[default]
    Draft6,
    /// `RateLimit: limit=500, remaining=499, reset=120` and `RateLimit-Policy`.
    Draft7,
    /// `RateLimit: "500-in-2min"; r=499; t=120` and `RateLimit-Policy`.
    Draft8,
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining`, `X-RateLimit-Reset` (Unix time).
    Legacy,
    /// No word about the limit, but for `Retry-After` on a 429.
    None,
}

impl HeaderGeneration {
    /// Every generation.
    pub const ALL: [Self; 5] = [Self::Draft6, Self::Draft7, Self::Draft8, Self::Legacy, Self::None];

    /// The generation as it is written: `draft-6`, `draft-7`, `draft-8`, `legacy` or `none`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Draft6 => "draft-6",
            Self::Draft7 => "draft-7",
            Self::Draft8 => "draft-8",
            Self::Legacy => "legacy",
            Self::None => "none",
        }
    }
}

impl fmt::Display for HeaderGeneration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for HeaderGeneration {
    type Err = HeaderGenerationError;

    fn from_str(text: &str) -> Result<Self, HeaderGenerationError> {
        Self::ALL
            .into_iter()
            .find(|known| known.name() == text)
            .ok_or_else(|| HeaderGenerationError { given: text.to_owned() })
    }
}

/// A text that names no [`HeaderGeneration`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no header generation `{given}`; known are {}",
    HeaderGeneration::ALL.map(HeaderGeneration::name).join(", ")
)]
pub struct HeaderGenerationError {
    /// The text as it was given.
    pub given: String,
}

/// The limiter and its current window.
#[derive(Debug)]
pub(super) struct Limiter {
    limit: WindowLimit,
    generation: HeaderGeneration,
    /// What draft 8 calls the policy, such as `500-in-2min`.
    policy: String,
    /// When the current window ends, by both clocks, and how many requests it has seen.
    open: Option<(Instant, SystemTime, u32)>,
}

/// What the limiter said about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Admission {
    pub(super) refused: bool,
    pub(super) remaining: u32,
    /// Until the window ends, in whole seconds, rounded up.
    pub(super) reset_seconds: u64,
    /// When the window ends, in seconds of Unix time, rounded up.
    pub(super) reset_at: u64,
}

impl Limiter {
    pub(super) fn new(limit: WindowLimit, generation: HeaderGeneration) -> Self {
        let limit = WindowLimit { window: limit.window.min(LONGEST_WINDOW), ..limit };
        let policy = format!("{}-in-{}", limit.requests, spoken(limit.window));
        Self { limit, generation, policy, open: None }
    }

    /// Counts a request. The clocks are arguments so that a test need not wait for a window to end.
    pub(super) fn admit(&mut self, now: Instant, wall: SystemTime) -> Admission {
        let (ends, ends_wall, seen) = match self.open {
            Some((ends, ends_wall, seen)) if now < ends => (ends, ends_wall, seen.saturating_add(1)),
            _ => (now + self.limit.window, wall + self.limit.window, 1),
        };
        self.open = Some((ends, ends_wall, seen));
        Admission {
            refused: seen > self.limit.requests,
            remaining: self.limit.requests.saturating_sub(seen),
            reset_seconds: seconds_up(ends.saturating_duration_since(now)),
            reset_at: seconds_up(ends_wall.duration_since(UNIX_EPOCH).unwrap_or_default()),
        }
    }

    /// Puts the word about the limit on a response.
    pub(super) fn announce(&self, admission: Admission, headers: &mut HeaderMap) {
        let Admission { remaining, reset_seconds: reset, .. } = admission;
        let (limit, window) = (self.limit.requests, seconds_up(self.limit.window));
        let mut put = |name: HeaderName, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        match self.generation {
            HeaderGeneration::Draft6 => {
                put(POLICY, format!("{limit};w={window}"));
                put(LIMIT, limit.to_string());
                put(REMAINING, remaining.to_string());
                put(RESET, reset.to_string());
            }
            HeaderGeneration::Draft7 => {
                put(POLICY, format!("{limit};w={window}"));
                put(COMBINED, format!("limit={limit}, remaining={remaining}, reset={reset}"));
            }
            HeaderGeneration::Draft8 => {
                let policy = &self.policy;
                put(POLICY, format!("\"{policy}\"; q={limit}; w={window}; pk=:{PARTITION}:"));
                put(COMBINED, format!("\"{policy}\"; r={remaining}; t={reset}"));
            }
            HeaderGeneration::Legacy => {
                put(LEGACY_LIMIT, limit.to_string());
                put(LEGACY_REMAINING, remaining.to_string());
                put(LEGACY_RESET, admission.reset_at.to_string());
            }
            HeaderGeneration::None => {}
        }
    }
}

fn seconds_up(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// A window's length as draft 8's policy names spell it: `2min`, `1.5min`, `0.3sec`.
fn spoken(window: Duration) -> String {
    let seconds = window.as_secs_f64();
    match window.as_secs() {
        0..60 => format!("{seconds}sec"),
        60..3_600 => format!("{}min", seconds / 60.0),
        3_600..86_400 => format!("{}hr", seconds / 3_600.0),
        _ => format!("{}days", seconds / 86_400.0),
    }
}
