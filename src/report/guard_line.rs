//! A guard as it is shown before a run: its limit, and its result.

use serde_json::json;

/// A guard, its limit, and its result.
#[derive(Debug, Clone, PartialEq)]
pub struct GuardLine {
    /// As its setting is called.
    pub name: &'static str,
    pub limit: f64,
    /// What the limit counts, after it.
    pub unit: &'static str,
    pub result: GuardResult,
}

/// The result of a guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuardResult {
    Passes,
    /// It refuses the run for this reason.
    Refuses(String),
    /// It could not be checked for this reason.
    Unchecked(&'static str),
}

impl GuardLine {
    /// The guard and its limit, for people.
    pub(super) fn title(&self) -> String {
        format!("{} {}{}", self.name, self.limit, self.unit)
    }

    pub(super) fn object(&self) -> serde_json::Value {
        let (holds, why) = match &self.result {
            GuardResult::Passes => (Some(true), None),
            GuardResult::Refuses(why) => (Some(false), Some(why.as_str())),
            GuardResult::Unchecked(why) => (None, Some(*why)),
        };
        let (name, limit) = (self.name, self.limit);
        json!({ "guard": self.title(), "name": name, "limit": limit, "holds": holds, "why": why })
    }
}
