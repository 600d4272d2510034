//! Which customer asked for a deletion, and when, as the input says: recorded with the target, so that the customer can
//! be told how long it took.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Who asked for a target to be deleted, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerRequest {
    /// From the input's `customer` column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// From the input's `requested_at` column, as it is written there: a [`RequestTime`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<String>,
}

impl CustomerRequest {
    /// How many days after the request `at` is, counted from date to date in UTC; negative if it is before.
    #[must_use]
    pub fn days_until(&self, at: Timestamp) -> Option<i64> {
        let requested: RequestTime = self.requested_at.as_deref()?.parse().ok()?;
        Some(at.day() - requested.day())
    }
}

/// When something was asked for: a date, or a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestTime {
    day: i64,
}

impl RequestTime {
    /// The days since 1970-01-01 in UTC.
    #[must_use]
    pub const fn day(self) -> i64 {
        self.day
    }
}

/// A text that is neither a date nor a point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a date or a time; write it like 2026-03-01 or 2026-03-01T09:30:00Z")]
pub struct RequestTimeError {
    pub text: String,
}

impl FromStr for RequestTime {
    type Err = RequestTimeError;

    fn from_str(text: &str) -> Result<Self, RequestTimeError> {
        // Without a zone it is in UTC: only days are counted.
        let at = text.parse().ok().filter(|at: &Timestamp| at.is_valid());
        at.or_else(|| Timestamp::of_utc(text))
            .map(|at| Self { day: at.day() })
            .ok_or_else(|| RequestTimeError { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(requested_at: &str, at: &str) -> Option<i64> {
        let request = CustomerRequest { requested_at: Some(requested_at.to_owned()), customer: None };
        request.days_until(at.parse().unwrap())
    }

    #[test]
    fn counts_days_from_date_to_date() {
        assert_eq!(days("2026-11-28", "2026-12-01T00:00:00Z"), Some(3));
        assert_eq!(days("2026-11-28T23:59:59Z", "2026-12-01T00:00:00Z"), Some(3));
        assert_eq!(days("2026-11-29T00:30:00+02:00", "2026-12-01T00:00:00Z"), Some(3), "in UTC");
        assert_eq!(days("2026-11-28 23:59", "2026-12-01T00:00:00Z"), Some(3));
        assert_eq!(days("2026-12-01", "2026-12-01T23:00:00Z"), Some(0));
        assert_eq!(days("2026-12-02", "2026-12-01T23:00:00Z"), Some(-1));
        assert_eq!(CustomerRequest::default().days_until(Timestamp::default()), None);
    }

    #[test]
    fn refuses_what_is_not_a_time() {
        for text in [
            "",
            "yesterday",
            "01.12.2026",
            "2026-12-32",
            "2026-1-1",
            "20261201",
            "2026-12-01T25:30",
            "12/01/2026",
        ] {
            assert!(text.parse::<RequestTime>().is_err(), "{text}");
        }
    }
}
