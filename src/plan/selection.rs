//! Which targets are due and which are skipped: one code path for showing and for running.

use std::collections::HashMap;

use crate::domain::{DatasourceName, NewTarget, SkipReason};

use super::{PlanError, Protection, Targets};

/// How many of the first and of the last names are kept to be shown.
const SHOWN: usize = 3;

/// Tells in which run a datasource went, and when, where that is known.
pub type KnownGone = Box<dyn Fn(&DatasourceName) -> Option<(String, String)> + Send>;

/// Names that a saved plan skips, each with why, and why in words.
pub type PlannedSkips = HashMap<String, (SkipReason, String)>;

/// Decides for each target whether it is sent.
pub struct Rules {
    /// Names that are never deleted.
    pub protection: Protection,
    /// What the audit log knows; `None` where the run asked for all of them again.
    pub known_gone: Option<KnownGone>,
    /// What the saved plan that is carried out skips.
    pub planned: PlannedSkips,
}

/// A list of targets, each due or skipped: decided once, so that what is shown is what is done.
pub struct Selection {
    targets: Targets,
    rules: Rules,
    /// For each target, in order, why it is skipped where it is: one byte.
    decided: Vec<Option<SkipReason>>,
    counts: SelectionCounts,
    ends: Ends,
}

/// How many targets are due, and how many are skipped and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SelectionCounts {
    /// To be sent.
    pub due: u64,
    /// Skipped because a pattern protects them.
    pub protected: u64,
    /// Skipped because the audit log knows that they are gone.
    pub already_deleted: u64,
}

/// The beginning and the end of the list of those that are due.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ends {
    /// The first few names.
    pub first: Vec<DatasourceName>,
    /// The last few names that are not among the first.
    pub last: Vec<DatasourceName>,
}

impl Ends {
    pub(super) fn add(&mut self, name: &DatasourceName) {
        if self.first.len() < SHOWN {
            self.first.push(name.clone());
            return;
        }
        if self.last.len() == SHOWN {
            self.last.remove(0);
        }
        self.last.push(name.clone());
    }
}

impl Rules {
    /// Whether no name at all is skipped by them.
    #[must_use]
    pub fn skip_none(&self) -> bool {
        self.protection.is_empty() && self.planned.is_empty() && self.known_gone.is_none()
    }

    /// Why `name` is not sent, where it is not, and in words.
    #[must_use]
    pub fn skip(&self, name: &DatasourceName) -> Option<(SkipReason, String)> {
        if let Some(pattern) = self.protection.of(name) {
            return Some((SkipReason::Protected, format!("matches the protected pattern `{pattern}`")));
        }
        if let Some(skip) = self.planned.get(name.as_str()) {
            return Some(skip.clone());
        }
        let (run, at) = self.known_gone.as_ref().and_then(|known_gone| known_gone(name))?;
        Some((SkipReason::AlreadyDeleted, format!("deleted by run {run} at {at}")))
    }
}

impl Selection {
    /// Applies `rules` to `targets`.
    ///
    /// # Errors
    /// Where the list cannot be read back.
    pub fn new(mut targets: Targets, rules: Rules) -> Result<Self, PlanError> {
        let (mut counts, mut ends) = (SelectionCounts::default(), Ends::default());
        if rules.skip_none() {
            (counts.due, ends) = (targets.facts().count, targets.ends().clone());
            let decided = vec![None; usize::try_from(counts.due).unwrap_or(usize::MAX)];
            return Ok(Self { targets, rules, decided, counts, ends });
        }
        let mut decided = Vec::new();
        targets.each(|target| {
            let skip = rules.skip(&target.name).map(|(reason, _)| reason);
            decided.push(skip);
            match skip {
                None => {
                    counts.due += 1;
                    ends.add(&target.name);
                }
                Some(SkipReason::Protected) => counts.protected += 1,
                Some(SkipReason::AlreadyDeleted) => counts.already_deleted += 1,
            }
        })?;
        Ok(Self { targets, rules, decided, counts, ends })
    }

    /// The list.
    #[must_use]
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// How many are due and how many are skipped.
    #[must_use]
    pub const fn counts(&self) -> SelectionCounts {
        self.counts
    }

    /// The first and the last few of those that are due.
    #[must_use]
    pub const fn ends(&self) -> &Ends {
        &self.ends
    }

    /// What decides.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Hands each target that is due to `take`, in order.
    ///
    /// # Errors
    /// Where the list cannot be read back.
    pub fn each_due(&mut self, mut take: impl FnMut(NewTarget)) -> Result<(), PlanError> {
        let mut decided = self.decided.iter();
        self.targets.each(|target| {
            if decided.next() == Some(&None) {
                take(target);
            }
        })
    }

    /// Hands each target that is skipped to `take`, in order, with why in words.
    ///
    /// # Errors
    /// Where the list cannot be read back.
    pub fn each_skipped(
        &mut self,
        mut take: impl FnMut(NewTarget, SkipReason, String),
    ) -> Result<(), PlanError> {
        if self.counts.protected + self.counts.already_deleted == 0 {
            return Ok(());
        }
        let (rules, mut decided) = (&self.rules, self.decided.iter());
        self.targets.each(|target| {
            if let Some(Some(reason)) = decided.next() {
                let words = rules.skip(&target.name).map(|(_, words)| words).unwrap_or_default();
                take(target, *reason, words);
            }
        })
    }

    /// The targets in order, each with why it is skipped where it is.
    pub fn into_targets(self) -> impl Iterator<Item = std::io::Result<NewTarget>> + Send + use<> {
        let Self { targets, rules, decided, .. } = self;
        targets.into_targets().zip(decided).map(move |(target, decided)| {
            let target = target?;
            let words = |name| rules.skip(name).map(|(_, words)| words).unwrap_or_default();
            let skip = decided.map(|reason| (reason, words(&target.name)));
            Ok(NewTarget { skip, ..target })
        })
    }
}
