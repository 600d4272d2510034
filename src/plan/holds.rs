//! Names that must not be deleted for now, each with a reason, and for some a last day.
//!
//! A hold covers datasources and datamarts alike, and its name is matched with the care of protection: what a reader
//! would take for a match is one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::protection::PatternUse;
use super::{PlanError, Protection};
use crate::domain::{DatasourceName, Timestamp};

const DAY: Duration = Duration::from_hours(24);

/// A row of a file of holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldEntry {
    /// Its line in the file, from 1.
    pub line: u64,
    /// A name, or a glob of names.
    pub name: String,
    pub reason: Option<String>,
    /// The last day of the hold, in UTC; `None` if it has no end.
    pub until: Option<String>,
}

/// The holds that are in force at one time.
#[derive(Debug, Clone)]
pub struct HoldList {
    holds: Vec<HoldEntry>,
    /// The names and globs of `holds`, in the same order.
    patterns: Protection,
    /// The names of `holds` as they are written, each with its place: a name may have the characters of a glob.
    as_written: HashMap<String, usize>,
    /// When the first of them ends.
    next_end: Option<Timestamp>,
}

/// What is wrong with a row of a file of holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    #[error(
        "line {line}: `{until}` is not a date; write the last day of the hold like 2026-12-31, or nothing"
    )]
    Until { line: u64, until: String },
    #[error(
        "line {line}: `{name}`: {why}; write a name, or a glob such as `acme-*` with `[*]` for a star itself"
    )]
    Name { line: u64, name: String, why: String },
}

/// The holds cannot be read now, so that it is unknown what may be deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct HoldsUnreadable {
    /// What happened, to which file and line, and what to do.
    pub why: String,
}

/// Reads the holds whenever it is asked.
pub trait HoldSource: Send + Sync {
    /// The holds that are in force now.
    ///
    /// # Errors
    /// If they cannot be read, or a row is wrong.
    fn current(&self) -> Result<Arc<HoldList>, HoldsUnreadable>;
}

/// Where the holds of a run are read; it may have none.
#[derive(Clone, Default)]
pub struct Holds(Option<Arc<dyn HoldSource>>);

impl Holds {
    #[must_use]
    pub fn new(source: Arc<dyn HoldSource>) -> Self {
        Self(Some(source))
    }

    /// The holds that are in force now.
    ///
    /// # Errors
    /// If they cannot be read, or a row is wrong.
    pub fn current(&self) -> Result<Arc<HoldList>, HoldsUnreadable> {
        match &self.0 {
            Some(source) => source.current(),
            None => Ok(Arc::default()),
        }
    }
}

impl Default for HoldList {
    fn default() -> Self {
        Self { holds: Vec::new(), patterns: Protection::none(), as_written: HashMap::new(), next_end: None }
    }
}

impl HoldList {
    /// The holds among `entries` that are in force at `now`. All of them are checked.
    ///
    /// # Errors
    /// If a name is not a glob, or a last day is not a date.
    pub fn new(entries: &[HoldEntry], now: Timestamp) -> Result<Self, HoldError> {
        let (mut holds, mut next_end) = (Vec::new(), None::<Timestamp>);
        for entry in entries {
            let end = entry.until.as_deref().map(|until| end_of(until, entry.line)).transpose()?;
            Protection::new(std::slice::from_ref(&entry.name)).map_err(|error| malformed(entry, error))?;
            if end.is_none_or(|end| now < end) {
                next_end = [next_end, end].into_iter().flatten().min();
                holds.push(entry.clone());
            }
        }
        let names: Vec<_> = holds.iter().map(|hold| hold.name.clone()).collect();
        // Each is a pattern by itself; if together they were none, nothing would be held.
        let patterns = match holds.first() {
            Some(first) => Protection::new(&names).map_err(|error| malformed(first, error))?,
            None => Protection::none(),
        };
        let as_written = names.into_iter().enumerate().rev().map(|(place, name)| (name, place)).collect();
        Ok(Self { holds, patterns, as_written, next_end })
    }

    /// Returns true if none of the holds has ended by `now`.
    #[must_use]
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.next_end.is_none_or(|end| now < end)
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.holds.is_empty()
    }

    /// Why `name` is on hold, in words; `None` if it is not.
    #[must_use]
    pub fn on(&self, name: &DatasourceName) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let (place, is_exact) = match self.as_written.get(name.as_str()) {
            Some(place) => (*place, true),
            None => self.patterns.find(name)?,
        };
        let HoldEntry { name: pattern, reason, until, .. } = &self.holds[place];
        let held = match (is_exact, pattern == name.as_str()) {
            (true, true) => "held".to_owned(),
            (true, false) => format!("held by `{pattern}`"),
            (false, _) => format!("looks like a match of `{pattern}`, which is held"),
        };
        let until = until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
        Some(format!("{held}{until}: {}", reason.as_deref().unwrap_or("no reason given")))
    }

    /// Takes notice in `seen` of `name`, which is on hold or not.
    pub(super) fn note(&self, seen: &mut PatternUse, name: &DatasourceName) {
        if !self.is_empty() {
            seen.add(&self.patterns, name, self.on(name).is_some());
        }
    }

    /// The names and globs that hold none of the names in `seen`, and none of `others`.
    pub(super) fn unused<'a>(&self, seen: &PatternUse, others: impl Iterator<Item = &'a str>) -> Vec<&str> {
        self.patterns.unused(seen, others)
    }
}

/// The end of the day `until`, in UTC.
fn end_of(until: &str, line: u64) -> Result<Timestamp, HoldError> {
    match Timestamp::of_date(until) {
        Some(begin) => Ok(begin.after(DAY)),
        None => Err(HoldError::Until { line, until: until.to_owned() }),
    }
}

fn malformed(entry: &HoldEntry, error: PlanError) -> HoldError {
    let why = match error {
        PlanError::Pattern { why, .. } => why,
        other => other.to_string(),
    };
    HoldError::Name { line: entry.line, name: entry.name.clone(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(line: u64, name: &str, until: Option<&str>) -> HoldEntry {
        let reason = Some("litigation".to_owned());
        HoldEntry { line, name: name.to_owned(), reason, until: until.map(str::to_owned) }
    }

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn on(list: &HoldList, name: &str) -> Option<String> {
        list.on(&DatasourceName::new(name).unwrap())
    }

    #[test]
    fn a_hold_lasts_through_its_last_day_in_utc() {
        let entries = [entry(2, "acme", Some("2026-12-31")), entry(3, "globex-*", None)];
        let last = HoldList::new(&entries, at("2026-12-31T23:59:59Z")).unwrap();
        assert_eq!(on(&last, "acme").unwrap(), "held until 2026-12-31: litigation");
        assert_eq!(on(&last, "globex-eu").unwrap(), "held by `globex-*`: litigation");
        assert_eq!(on(&last, "initech"), None);
        assert!(last.is_current(at("2026-12-31T23:59:59.999999Z")));
        let over = at("2027-01-01T00:00:00Z");
        assert!(!last.is_current(over));
        let after = HoldList::new(&entries, over).unwrap();
        assert_eq!(on(&after, "acme"), None);
        assert!(on(&after, "globex-eu").is_some() && after.is_current(at("2099-01-01T00:00:00Z")));
    }

    #[test]
    fn a_name_is_held_in_whatever_way_it_is_spelled() {
        let list = HoldList::new(
            &[entry(2, "prod eu", None), entry(3, "acme [old]", None)],
            at("2026-01-01T00:00:00Z"),
        );
        let list = list.unwrap();
        for alike in ["prod\u{A0}eu", " prod eu", "pr\u{43e}d eu"] {
            let why = on(&list, alike).unwrap();
            assert_eq!(why, "looks like a match of `prod eu`, which is held: litigation", "{alike:?}");
        }
        assert_eq!(on(&list, "Prod eu"), None, "case counts");
        // As it is written, and as the glob that it is.
        assert_eq!(on(&list, "acme [old]").unwrap(), "held: litigation");
        assert_eq!(on(&list, "acme o").unwrap(), "held by `acme [old]`: litigation");
    }

    #[test]
    fn refuses_what_is_no_glob_and_what_is_no_date_also_in_holds_that_are_over() {
        let now = at("2026-06-01T00:00:00Z");
        let refused = |name: &str, until: Option<&str>| {
            HoldList::new(&[entry(7, name, until)], now).unwrap_err().to_string()
        };
        for until in ["31.12.2026", "2026-13-01", "2026-02-30", "2026-1-1", "2026-12-31T10", "tomorrow"] {
            let why = refused("acme", Some(until));
            assert!(why.starts_with(&format!("line 7: `{until}` is not a date")), "{why}");
        }
        assert!(refused("acme [x", Some("2020-01-01")).contains("line 7: `acme [x`: a `[` without its `]`"));
        assert!(refused("\u{200B}", None).contains("invisible"));
    }

    #[test]
    fn without_a_source_nothing_is_on_hold() {
        assert!(Holds::default().current().unwrap().is_empty());
    }
}
