//! Points in time as the audit log keeps them, and the clock.

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
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns how much later this is than `earlier`; zero if it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns the beginning of a date like `2026-03-01` in UTC; `None` if the text is not one.
    #[must_use]
    pub fn of_date(text: &str) -> Option<Self> {
        let is_shaped = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        let date: jiff::civil::Date = text.parse().ok().filter(|_| is_shaped)?;
        let begin = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self(begin.timestamp().as_microsecond())).filter(|begin| begin.is_valid())
    }

    /// Returns the time that a text without a zone, like `2026-03-01 09:30`, names in UTC; `None` if it is not one.
    #[must_use]
    pub fn of_utc(text: &str) -> Option<Self> {
        Self::of_date(text.get(..10)?)?;
        let time: jiff::civil::DateTime = text.parse().ok()?;
        let at = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self(at.timestamp().as_microsecond())).filter(|at| at.is_valid())
    }

    /// Returns the number of its day in UTC, counted from 1970-01-01.
    #[must_use]
    pub const fn day(self) -> i64 {
        self.0.div_euclid(24 * 60 * 60 * 1_000_000)
    }

    /// Returns the time `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Returns true if it can be written as RFC 3339 with a year of four digits, and is not before 1970.
    #[must_use]
    pub fn is_valid(self) -> bool {
        self.0 >= 0 && jiff::Timestamp::from_microsecond(self.0).is_ok()
    }

    fn formatted(self, format: &str) -> String {
        // Years before -9999 and after 9999 are outside jiff's range; no clock returns them.
        jiff::Timestamp::from_microsecond(self.0).unwrap_or_default().strftime(format).to_string()
    }

    /// Formats it to the second for people, without its zone.
    #[must_use]
    pub fn in_words(self) -> String {
        self.formatted("%Y-%m-%d %H:%M:%S")
    }

    /// Formats it as `YYYYMMDDTHHMMSSZ`, for identifiers and file names.
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

    /// Parses RFC 3339, in any zone.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let time: jiff::Timestamp = text.parse().map_err(|_| TimeError { text: text.to_owned() })?;
        Ok(Self(time.as_microsecond()))
    }
}

/// A text that is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a point in time; write it in RFC 3339, like 2026-03-01T09:30:00Z")]
pub struct TimeError {
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

/// The source of the time, so that tests can set it.
pub trait Clock: Send + Sync {
    /// Returns the time of day, which may jump.
    fn now(&self) -> SystemTime;

    /// Returns the time of day as the audit log keeps it.
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

/// The whole seconds of `duration`, rounded up.
#[must_use]
pub const fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + (duration.subsec_nanos() > 0) as u64
}
