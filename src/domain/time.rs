//! Points in time as the audit log keeps them, and the clock that tells them.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: whole microseconds since 1970-01-01T00:00:00Z.
///
/// Shown as RFC 3339 in UTC with six decimals, always 27 characters, so that text order is time
/// order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since 1970.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// How much later this is than `earlier`; zero where it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    fn formatted(self, format: &str) -> String {
        // Years before -9999 and after 9999 are outside jiff's range; no clock shows them.
        jiff::Timestamp::from_microsecond(self.0).unwrap_or_default().strftime(format).to_string()
    }

    /// `YYYYMMDDTHHMMSSZ`, for identifiers and file names.
    #[must_use]
    pub fn compact(self) -> String {
        self.formatted("%Y%m%dT%H%M%SZ")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.formatted("%Y-%m-%dT%H:%M:%S%.6fZ"))
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    /// Reads RFC 3339, in whichever zone.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let time: jiff::Timestamp = text.parse().map_err(|_| TimeError { text: text.to_owned() })?;
        Ok(Self(time.as_microsecond()))
    }
}

/// A text that is no point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no point in time; write it in RFC 3339, like 2026-03-01T09:30:00Z")]
pub struct TimeError {
    /// The text.
    pub text: String,
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let micros = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
        };
        Self(micros)
    }
}

/// Tells the time. Passed in wherever time is needed, so that tests own it.
pub trait Clock: Send + Sync {
    /// The time of day, which may jump.
    fn now(&self) -> SystemTime;

    /// The time of day as the audit log keeps it.
    fn timestamp(&self) -> Timestamp {
        self.now().into()
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
