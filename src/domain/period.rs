//! A period of whole days in UTC, and the targets that got their outcome in it.

use std::fmt;
use std::rc::Rc;

use super::{CustomerRequest, RunOfTarget, TargetResult, Timestamp};

/// Whole days in UTC, the first and the last of them included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    first: String,
    last: String,
    /// The beginning of the first day.
    pub from: Timestamp,
    /// The end of the last day: the first moment that is not in the period.
    pub until: Timestamp,
}

/// Why two texts are not a period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    #[error("`{text}` is not a date; write it like 2026-07-01")]
    Date { text: String },
    #[error("the period ends on {last}, which is before it begins, {first}; exchange the two dates")]
    Reversed { first: String, last: String },
}

const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

impl Period {
    /// The period from the day `first` to the day `last`.
    ///
    /// # Errors
    /// If one of them is not a date, or they are in the wrong order.
    pub fn new(first: &str, last: &str) -> Result<Self, PeriodError> {
        let day =
            |text: &str| Timestamp::of_date(text).ok_or_else(|| PeriodError::Date { text: text.to_owned() });
        let (from, last_day) = (day(first)?, day(last)?);
        if last_day < from {
            return Err(PeriodError::Reversed { first: first.to_owned(), last: last.to_owned() });
        }
        let until = Timestamp::from_micros(last_day.as_micros() + DAY_MICROS);
        Ok(Self { first: first.to_owned(), last: last.to_owned(), from, until })
    }

    /// The first day, like `2026-07-01`.
    #[must_use]
    pub fn first(&self) -> &str {
        &self.first
    }

    /// The last day.
    #[must_use]
    pub fn last(&self) -> &str {
        &self.last
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.first, self.last)
    }
}

/// A target that got its outcome, with what is said of its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledTarget {
    /// The id of the log that holds it.
    pub log_id: Rc<str>,
    pub run: Rc<RunOfTarget>,
    pub result: TargetResult,
    pub request: CustomerRequest,
}

/// A run with targets that have no outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsettledRun {
    pub run_id: String,
    /// `stopped`, `interrupted` or `unfinished`.
    pub status: String,
    pub pending: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_of_whole_days_with_the_last_one() {
        let period = Period::new("2026-07-01", "2026-09-30").unwrap();
        assert_eq!(period.from.to_string(), "2026-07-01T00:00:00.000000Z");
        assert_eq!(period.until.to_string(), "2026-10-01T00:00:00.000000Z");
        let day = Period::new("2026-02-28", "2026-02-28").unwrap();
        assert_eq!(day.until.to_string(), "2026-03-01T00:00:00.000000Z");
        for (first, last) in [
            ("2026-07-01", "2026-06-30"),
            ("2026-07", "2026-07-31"),
            ("x", "2026-07-31"),
            ("2026-02-30", "2026-03-01"),
        ] {
            assert!(Period::new(first, last).is_err(), "{first} {last}");
        }
    }
}
