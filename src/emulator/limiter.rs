//! The rate limit: a fixed window over all endpoints, and the headers that announce it.
//!
//! Modelled on express-rate-limit, which the real API most likely uses: a window opens with the first request after
//! the end of the last one, and refused requests count as well.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::seconds_up;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const COMBINED: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const LEGACY_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const LEGACY_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const LEGACY_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The partition key of draft 8 for the client 127.0.0.1, as express-rate-limit derives it: base64 of the first 12
/// hexadecimal digits of the SHA-256 of the address.
const PARTITION: &str = "MTJjYTE3YjQ5YWYy";

/// Longer windows are cut to this, because clocks have a range.
const LONGEST_WINDOW: Duration = Duration::from_hours(366 * 24);

/// At most `requests` in each `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowLimit {
    /// How many requests of one window are served; all further ones get a 429.
    pub requests: u32,
    /// The length of a window from its first request on, a year at most.
    pub window: Duration,
}

/// The generation of headers that announces the limit.
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
    /// Nothing but `Retry-After` on a 429.
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

/// A text that is not a [`HeaderGeneration`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no header generation `{given}`; known are {}",
    HeaderGeneration::ALL.map(HeaderGeneration::name).join(", ")
)]
pub struct HeaderGenerationError {
    pub given: String,
}

/// The limiter and its current window.
#[derive(Debug)]
pub(super) struct Limiter {
    limit: WindowLimit,
    generation: HeaderGeneration,
    /// The name of the policy in draft 8, such as `500-in-2min`.
    policy: String,
    /// The end of the current window by both clocks, and the number of its requests.
    open: Option<(Instant, SystemTime, u32)>,
}

/// The limiter's decision on one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Admission {
    pub(super) refused: bool,
    pub(super) remaining: u32,
    /// The time until the end of the window, in seconds, rounded up.
    pub(super) reset_seconds: u64,
    /// The end of the window in Unix time, in seconds, rounded up.
    pub(super) reset_at: u64,
}

impl Limiter {
    pub(super) fn new(limit: WindowLimit, generation: HeaderGeneration) -> Self {
        let limit = WindowLimit { window: limit.window.min(LONGEST_WINDOW), ..limit };
        let policy = format!("{}-in-{}", limit.requests, policy_length(limit.window));
        Self { limit, generation, policy, open: None }
    }

    /// Counts a request.
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

    /// Writes the headers that announce the limit.
    pub(super) fn write_headers(&self, admission: Admission, headers: &mut HeaderMap) {
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

/// The length of a window as in the names of draft 8's policies: `2min`, `1.5min`, `0.3sec`.
fn policy_length(window: Duration) -> String {
    let seconds = window.as_secs_f64();
    match window.as_secs() {
        0..60 => format!("{seconds}sec"),
        60..3_600 => format!("{}min", seconds / 60.0),
        3_600..86_400 => format!("{}hr", seconds / 3_600.0),
        _ => format!("{}days", seconds / 86_400.0),
    }
}
