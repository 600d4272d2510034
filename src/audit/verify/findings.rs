//! All that was found, of each kind the first few.

use std::collections::BTreeMap;

use super::{Finding, Weight};

/// What was found, of each kind a few.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    list: Vec<Finding>,
    counts: BTreeMap<&'static str, u64>,
}

/// How many of each kind are kept.
const KEPT: u64 = 20;

impl Findings {
    /// Notes one more.
    pub fn add(&mut self, finding: Finding) {
        let count = self.counts.entry(finding.kind()).or_default();
        *count += 1;
        if *count <= KEPT {
            self.list.push(finding);
        }
    }

    pub(super) fn add_all(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            self.add(finding);
        }
    }

    /// The first ones of each kind.
    #[must_use]
    pub fn list(&self) -> &[Finding] {
        &self.list
    }

    /// How many there are of a kind.
    #[must_use]
    pub fn count(&self, kind: &str) -> u64 {
        self.counts.get(kind).copied().unwrap_or(0)
    }

    /// How much the heaviest weighs.
    #[must_use]
    pub fn weight(&self) -> Weight {
        self.list.iter().map(Finding::weight).max().unwrap_or(Weight::Note)
    }

    /// The first record that is not what decom wrote.
    #[must_use]
    pub fn first_bad_record(&self) -> Option<i64> {
        self.list.iter().filter(|it| it.weight() == Weight::Unsound).filter_map(Finding::record).min()
    }
}
