//! Which targets are due and which are skipped: decided once, so that what is shown is what is done.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use super::along::{Along, keeps_targets};
use super::protection::{HOLD, PROTECTION, PatternUse};
use super::target_file::TargetFile;
use super::{HoldList, ListFacts, PlanError, Protection, Shard, Targets};
use crate::domain::{DatasourceName, NewTarget, Resource, ResourceKind, SkipReason, Target, TargetRole};

/// How many of the first and of the last names an excerpt has.
const SHOWN: usize = 3;

/// Returns in which run a resource was deleted, and when, if that is known.
pub type KnownGone = Box<dyn Fn(Resource<'_>) -> Option<(String, String)> + Send>;

/// Returns true if nothing shows whether an earlier attempt deleted a resource.
pub type InDoubt = Box<dyn Fn(Resource<'_>) -> bool + Send>;

/// Names that a saved plan skips, each with why, and why in words.
pub type PlannedSkips = HashMap<String, (SkipReason, String)>;

/// Decides for each target whether it is sent.
pub struct Rules {
    /// Names that are never deleted.
    pub protection: Protection,
    /// Names that must not be deleted for now.
    pub holds: Arc<HoldList>,
    /// What the audit log knows; `None` if the run sends what is known to be gone again.
    pub known_gone: Option<KnownGone>,
    /// What the audit log does not know the end of.
    pub in_doubt: Option<InDoubt>,
    /// What the saved plan that is carried out skips.
    pub planned: PlannedSkips,
}

/// A list of targets, each due or skipped.
pub struct Selection {
    pub(super) targets: Targets,
    pub(super) rules: Rules,
    pub(super) counts: SelectionCounts,
    pub(super) share: Option<(Shard, u64)>,
    /// The datamarts that are taken along, if any are to be.
    pub(super) along: Option<Along>,
    /// What the audit log knows as deleted, and a listing shows again.
    again: HashSet<String>,
    pattern_use: PatternUse,
    hold_use: PatternUse,
}

/// How many targets are due, and how many are skipped and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SelectionCounts {
    /// Datasources to be sent.
    pub due: u64,
    /// Datamarts to be sent, with the datasources.
    pub datamarts: u64,
    /// Datamarts that stay with datasources that are skipped.
    pub staying: u64,
    /// Skipped because a pattern protects them.
    pub protected: u64,
    /// Skipped because they must not be deleted for now.
    pub on_hold: u64,
    /// Skipped because the audit log knows that they are gone.
    pub already_deleted: u64,
    /// Skipped because of a datamart that stays, or of datamarts that changed.
    pub kept: u64,
}

/// The beginning and the end of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Excerpt {
    /// The first few names.
    pub first: Vec<DatasourceName>,
    /// The last few names that are not among the first.
    pub last: Vec<DatasourceName>,
}

impl Excerpt {
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

impl SelectionCounts {
    /// How many targets are skipped, for whatever reason.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.protected + self.on_hold + self.already_deleted + self.kept
    }
}

impl Rules {
    /// Returns true if no name at all is skipped by them.
    #[must_use]
    pub fn skip_none(&self) -> bool {
        self.protection.is_empty()
            && self.holds.is_empty()
            && self.planned.is_empty()
            && self.known_gone.is_none()
    }

    /// Why `name` is not sent, also in words; `None` if it is sent.
    #[must_use]
    pub fn skip(&self, name: &DatasourceName) -> Option<(SkipReason, String)> {
        if let Some(found) = self.protection.of(name) {
            return Some((SkipReason::Protected, found.to_string()));
        }
        if let Some(why) = self.holds.on(name) {
            return Some((SkipReason::OnHold, why));
        }
        if let Some(skip) = self.planned.get(name.as_str()) {
            return Some(skip.clone());
        }
        let resource = Resource { kind: ResourceKind::Datasource, name };
        let (run, at) = self.known_gone.as_ref().and_then(|known_gone| known_gone(resource))?;
        Some((SkipReason::AlreadyDeleted, format!("deleted by run {run} at {at}")))
    }
}

impl Selection {
    /// Applies `rules` to `targets`.
    ///
    /// # Errors
    /// If the temporary file cannot be read or written.
    pub fn new(mut targets: Targets, rules: Rules) -> Result<Self, PlanError> {
        let mut counts = SelectionCounts::default();
        if rules.skip_none() {
            counts.due = targets.facts.count;
            let share = targets.shard.map(|shard| (shard, targets.taken));
            return Ok(Self {
                targets,
                rules,
                counts,
                share,
                along: None,
                again: HashSet::new(),
                pattern_use: PatternUse::default(),
                hold_use: PatternUse::default(),
            });
        }
        let mut decided = TargetFile::new(&targets.folder);
        let (mut excerpt, mut due_here) = (Excerpt::default(), 0);
        let (mut pattern_use, mut hold_use) = (PatternUse::default(), PatternUse::default());
        for target in targets.file.read().map_err(PlanError::temporary_file)? {
            let target = target.map_err(PlanError::temporary_file)?;
            let target = NewTarget { skip: rules.skip(&target.name), ..target };
            let is_protected = matches!(target.skip, Some((SkipReason::Protected, _)));
            pattern_use.add(&rules.protection, &target.name, is_protected);
            rules.holds.note(&mut hold_use, &target.name);
            match target.skip {
                None => {
                    counts.due += 1;
                    excerpt.add(&target.name);
                    due_here += u64::from(targets.shard.is_some_and(|shard| shard.takes(&target.name)));
                }
                Some((SkipReason::Protected, _)) => counts.protected += 1,
                Some((SkipReason::OnHold, _)) => counts.on_hold += 1,
                Some((SkipReason::DependantsChanged | SkipReason::DependantsRemain, _)) => counts.kept += 1,
                Some((SkipReason::AlreadyDeleted | SkipReason::ExistsAgain, _)) => {
                    counts.already_deleted += 1;
                }
            }
            decided.push(&target).map_err(PlanError::temporary_file)?;
        }
        let share = targets.shard.map(|shard| (shard, due_here));
        let targets = Targets { file: decided, excerpt, ..targets };
        let again = HashSet::new();
        Ok(Self { targets, rules, counts, share, along: None, again, pattern_use, hold_use })
    }

    /// What is known of the list.
    #[must_use]
    pub const fn facts(&self) -> &ListFacts {
        &self.targets.facts
    }

    /// What the run is known by: [`Targets::sha256`].
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.targets.sha256
    }

    /// How many are due and how many are skipped, whichever shard takes them.
    #[must_use]
    pub const fn counts(&self) -> SelectionCounts {
        self.counts
    }

    /// The share that this process takes, and how many are due in it; `None` if it takes all.
    #[must_use]
    pub const fn share(&self) -> Option<(Shard, u64)> {
        self.share
    }

    /// The first and the last few of those that are due.
    #[must_use]
    pub const fn excerpt(&self) -> &Excerpt {
        &self.targets.excerpt
    }

    /// What decides.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What to warn of in the patterns of protected names and in the holds, if these are the datasources that exist;
    /// `None` if that is unknown.
    pub(super) fn warnings(&self, exist: Option<&[String]>) -> Vec<String> {
        let others = || exist.unwrap_or_default().iter().map(String::as_str);
        let nowhere = match exist {
            Some(_) => ", neither in the input nor among the datasources that exist",
            None => " in the input (what exists was not checked)",
        };
        let mut warnings = Vec::new();
        for (seen, wording) in [(&self.pattern_use, PROTECTION), (&self.hold_use, HOLD)] {
            warnings.extend(seen.look_alike_warning(wording).into_iter().chain(seen.case_warning(wording)));
        }
        let unused = self.rules.protection.unused(&self.pattern_use, others());
        warnings.extend(unused.into_iter().map(|pattern| {
            format!("protection pattern `{pattern}` matches nothing{nowhere}; check how it is spelled")
        }));
        // A file of holds is kept for all lists, and may be long.
        let unused = self.rules.holds.unused(&self.hold_use, others());
        warnings.extend(match unused.as_slice() {
            [] => None,
            [hold] => Some(format!("the hold `{hold}` matches nothing{nowhere}; check how it is spelled")),
            [first, rest @ ..] => {
                let others = if rest.len() == 1 { "other" } else { "others" };
                let count = rest.len();
                Some(format!(
                    "the hold `{first}` and {count} {others} match nothing{nowhere}; check how they are spelled"
                ))
            }
        });
        warnings.extend(self.along.iter().flat_map(Along::warnings));
        warnings
    }

    /// Hands each target to `take`, in order, whichever shard takes it.
    ///
    /// # Errors
    /// If the temporary file cannot be read.
    pub fn each(&mut self, take: impl FnMut(NewTarget)) -> Result<(), PlanError> {
        self.targets.each(take)
    }

    /// These are known as deleted, and a listing shows them again.
    pub(super) fn exist_again(&mut self, again: HashSet<String>) {
        self.again = again;
    }

    /// Why a target is not sent, also in words, by the rules and the listing; `None` if it is sent.
    #[must_use]
    pub fn skip(&self, target: &Target) -> Option<(SkipReason, String)> {
        let of_datasource = |name: &DatasourceName| {
            let kept = || self.along.as_ref().and_then(|along| along.kept(name.as_str())).cloned();
            by_listing(&self.again, name, self.rules.skip(name)).or_else(kept)
        };
        let TargetRole::Dependant { of, .. } = &target.role else { return of_datasource(&target.name) };
        let (reason, words) = of_datasource(&DatasourceName::new(of).ok()?)?;
        keeps_targets(Some(&(reason, String::new())))
            .then(|| (reason, format!("goes with `{of}`, which stays: {words}")))
    }

    /// The datasources that a protected or held datamart keeps.
    #[must_use]
    pub fn protected_groups(&self) -> HashSet<String> {
        self.along.iter().flat_map(Along::protected).cloned().collect()
    }

    /// The targets that this process takes, in order: the datamarts of a group before its datasource. What is protected
    /// or held, and in doubt, is not among the skipped ones, which were never sent: it is not sent again, and a listing settles it.
    pub fn into_targets(self) -> impl Iterator<Item = io::Result<NewTarget>> + Send + use<> {
        let Self { targets, rules, mut along, again, .. } = self;
        let most = targets.taken + along.as_ref().map_or(0, Along::here);
        let skip = move |resource: Resource<'_>, skip: Option<(SkipReason, String)>| {
            let is_in_doubt = || rules.in_doubt.as_ref().is_some_and(|in_doubt| in_doubt(resource));
            match (skip, resource.kind) {
                (Some((reason, _)), _) if reason.is_rule() && is_in_doubt() => None,
                (skip, ResourceKind::Datasource) => by_listing(&again, resource.name, skip),
                (skip, ResourceKind::Datamart) => skip,
            }
        };
        let group = move |target: io::Result<NewTarget>| match (target, &mut along) {
            (Ok(target), Some(along)) => along.group(target, &skip).into_iter().map(Ok).collect(),
            (Ok(target), None) => {
                let resource = Resource { kind: ResourceKind::Datasource, name: &target.name };
                let skip = skip(resource, target.skip.clone());
                vec![Ok(NewTarget { skip, ..target })]
            }
            (Err(error), _) => vec![Err(error)],
        };
        // The writer plans by how many there can be at most.
        targets.into_taken().flat_map(group).take(usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// The entries of the datamarts among the targets that this process takes.
    pub fn definitions(&mut self) -> Result<Vec<String>, PlanError> {
        let mut definitions = Vec::new();
        let Some(mut along) = self.along.take() else { return Ok(definitions) };
        let shard = self.targets.shard;
        let each = self.each(|target| {
            let is_here = shard.is_none_or(|shard| shard.takes(&target.name));
            if !is_here || !keeps_targets(target.skip.as_ref()) {
                return;
            }
            let group = along.cascade.groups.get_mut(target.name.as_str());
            definitions.extend(group.into_iter().flatten().filter_map(|datamart| datamart.definition.take()));
        });
        self.along = Some(along);
        each.map(|()| definitions)
    }
}

/// Distinguishes what is gone from what exists again.
fn by_listing(
    again: &HashSet<String>,
    name: &DatasourceName,
    skip: Option<(SkipReason, String)>,
) -> Option<(SkipReason, String)> {
    match skip {
        Some((SkipReason::AlreadyDeleted, why)) if again.contains(name.as_str()) => {
            Some((SkipReason::ExistsAgain, format!("{why}, and exists again; --again sends it")))
        }
        skip => skip,
    }
}
