//! Takes datamarts along: attaches each group to its datasource, and keeps a group whole if one of it must stay.

use std::collections::{HashMap, HashSet};

use super::protection::{PROTECTION, PatternUse};
use super::selection::Excerpt;
use super::target_file::TargetFile;
use super::{Cascade, PlanError, PlannedDatamart, Protection, Refusal, Rules, Selection, SelectionCounts};
use crate::domain::{CustomerRequest, NewTarget, Resource, ResourceKind, SkipReason, TargetRole};

const EXISTS_AGAIN: &str = "and exists again; --again sends it";

/// The datamarts that go with the datasources of a selection.
pub(super) struct Along {
    /// Those of all datasources of the selection, also of those that are skipped.
    pub(super) cascade: Cascade,
    /// The names that protect their datasource as well.
    protection: Protection,
    pattern_use: PatternUse,
    /// Datasources that are not sent because of a datamart, each with why.
    kept: HashMap<String, (SkipReason, String)>,
    /// Datamarts that are known as deleted and exist again, each with why it is not sent.
    again: HashMap<String, String>,
    /// How many datamarts are among the targets of this process.
    here: u64,
    /// How many of these are due.
    due_here: u64,
}

impl Along {
    fn new(cascade: Cascade, protection: Protection) -> Self {
        let mut pattern_use = PatternUse::default();
        for datamart in cascade.groups.values().flatten() {
            let is_protected = protection.of(&datamart.name).is_some();
            pattern_use.add(&protection, &datamart.name, is_protected);
        }
        let (kept, again) = (HashMap::new(), HashMap::new());
        Self { cascade, protection, pattern_use, kept, again, here: 0, due_here: 0 }
    }

    /// Why the datasource `name` is not sent because of a datamart.
    pub(super) fn kept(&self, name: &str) -> Option<&(SkipReason, String)> {
        self.kept.get(name)
    }

    /// The datasources that a protected or held datamart keeps.
    pub(super) fn protected(&self) -> impl Iterator<Item = &String> {
        let protected = self.kept.iter().filter(|(_, (reason, _))| reason.is_rule());
        protected.map(|(name, _)| name)
    }

    pub(super) const fn here(&self) -> u64 {
        self.here
    }

    const fn due_here(&self) -> u64 {
        self.due_here
    }

    /// What to warn of in the patterns of protected datamarts.
    pub(super) fn warnings(&self) -> Vec<String> {
        let seen = &self.pattern_use;
        let alike = seen.look_alike_warning(PROTECTION);
        let mut warnings: Vec<_> = alike.into_iter().chain(seen.case_warning(PROTECTION)).collect();
        let unused = self.protection.unused(seen, std::iter::empty());
        warnings.extend(unused.into_iter().map(|pattern| {
            format!(
                "protection pattern `{pattern}` matches no datamart that is listed; check how it is spelled"
            )
        }));
        warnings
    }

    /// Keeps the group of the datasource `name` if it has to stay, and returns why.
    fn keep(&mut self, rules: &Rules, name: &str, is_new: bool) -> Option<(SkipReason, String)> {
        let group = self.cascade.group(name);
        let protected = group.iter().find_map(|datamart| {
            let found = self.protection.of(&datamart.name)?;
            let how = if found.is_exact { "matches" } else { "looks like a match of" };
            Some(format!("its datamart `{}` {how} the protected pattern `{}`", datamart.name, found.pattern))
        });
        let why = if let Some(what) = self.cascade.changed().get(name) {
            (SkipReason::DependantsChanged, what.clone())
        } else if let Some(protected) = protected {
            (SkipReason::Protected, protected)
        } else if let Some((datamart, why)) =
            group.iter().find_map(|datamart| Some((&datamart.name, rules.holds.on(&datamart.name)?)))
        {
            (SkipReason::OnHold, format!("its datamart `{datamart}`: {why}"))
        } else {
            let known_gone = rules.known_gone.as_ref().filter(|_| is_new)?;
            let again = group.iter().filter_map(|datamart| {
                let (run, at) = known_gone(Resource { kind: ResourceKind::Datamart, name: &datamart.name })?;
                Some((datamart.name.to_string(), format!("deleted by run {run} at {at}, {EXISTS_AGAIN}")))
            });
            let again: Vec<_> = again.collect();
            let (first, _) = again.first()?;
            let why = format!("its datamart `{first}` was deleted earlier, {EXISTS_AGAIN}");
            self.again.extend(again);
            (SkipReason::DependantsRemain, why)
        };
        self.kept.insert(name.to_owned(), why.clone());
        Some(why)
    }

    /// The targets of a group, the datasource last. What keeps the datasource keeps its datamarts, too.
    pub(super) fn group(
        &mut self,
        datasource: NewTarget,
        skip: impl Fn(Resource<'_>, Option<(SkipReason, String)>) -> Option<(SkipReason, String)>,
    ) -> Vec<NewTarget> {
        let NewTarget { name, reason, ticket, request, skip: why, .. } = datasource;
        let datamarts = self.cascade.groups.remove(name.as_str()).unwrap_or_default();
        let datamarts = if keeps_targets(why.as_ref()) { datamarts } else { Vec::new() };
        let role = TargetRole::Group { datamarts: datamarts.len() as u64 };
        let mut targets = Vec::with_capacity(datamarts.len() + 1);
        for PlannedDatamart { name: datamart, definition_sha256, .. } in datamarts {
            let why = match self.again.remove(datamart.as_str()) {
                Some(again) => Some((SkipReason::ExistsAgain, again)),
                None => why
                    .as_ref()
                    .map(|(reason, words)| (*reason, format!("goes with `{name}`, which stays: {words}"))),
            };
            let resource = Resource { kind: ResourceKind::Datamart, name: &datamart };
            let (skip, of) = (skip(resource, why), name.to_string());
            let role = TargetRole::Dependant { of, definition_sha256 };
            let (reason, ticket) = (reason.clone(), ticket.clone());
            let request = CustomerRequest::default();
            targets.push(NewTarget { name: datamart, role, reason, ticket, request, skip });
        }
        let why = skip(Resource { kind: ResourceKind::Datasource, name: &name }, why);
        targets.push(NewTarget { name, role, reason, ticket, request, skip: why });
        targets
    }
}

/// Returns true if the datamarts of a datasource that is skipped for this reason are targets, too. Those of one that was
/// deleted earlier are not known to be what the list means.
pub(super) const fn keeps_targets(why: Option<&(SkipReason, String)>) -> bool {
    !matches!(why, Some((SkipReason::AlreadyDeleted | SkipReason::ExistsAgain, _)))
}

impl Selection {
    /// Takes `cascade` along. A datamart that `protection` covers keeps its datasource and the rest of the group; so
    /// does one that is known as deleted and exists again, if the run `is_new`.
    ///
    /// # Errors
    /// If the temporary file cannot be read or written.
    pub fn take_along(
        &mut self,
        cascade: Cascade,
        protection: Protection,
        is_new: bool,
    ) -> Result<(), PlanError> {
        let mut along = Along::new(cascade, protection);
        let (mut decided, mut counts) = (TargetFile::new(&self.targets.folder), SelectionCounts::default());
        let (mut excerpt, mut due_here, shard) = (Excerpt::default(), 0, self.targets.shard);
        let mut groups = HashMap::new();
        let file = std::mem::replace(&mut self.targets.file, TargetFile::new(&self.targets.folder));
        for target in file.into_targets().map_err(PlanError::temporary_file)? {
            let mut target = target.map_err(PlanError::temporary_file)?;
            let name = target.name.as_str();
            if target.skip.is_none()
                && let Some(kept) = along.keep(&self.rules, name, is_new)
            {
                target.skip = Some(kept);
            }
            let is_here = shard.is_none_or(|shard| shard.takes(&target.name));
            let group = along.cascade.groups.remove(name).unwrap_or_default();
            let size = group.len() as u64;
            match &target.skip {
                None => {
                    counts.due += 1;
                    counts.datamarts += size;
                    excerpt.add(&target.name);
                    due_here += u64::from(is_here);
                }
                Some((SkipReason::Protected, _)) => counts.protected += 1,
                Some((SkipReason::OnHold, _)) => counts.on_hold += 1,
                Some((SkipReason::DependantsChanged | SkipReason::DependantsRemain, _)) => counts.kept += 1,
                Some((SkipReason::AlreadyDeleted | SkipReason::ExistsAgain, _)) => {
                    counts.already_deleted += 1;
                }
            }
            counts.staying += if target.skip.is_some() { size } else { 0 };
            along.due_here += if is_here && target.skip.is_none() { size } else { 0 };
            along.here += if is_here && keeps_targets(target.skip.as_ref()) { size } else { 0 };
            groups.insert(name.to_owned(), group);
            decided.push(&target).map_err(PlanError::temporary_file)?;
        }
        along.cascade.groups = groups;
        (self.targets.file, self.targets.excerpt, self.counts) = (decided, excerpt, counts);
        self.share = shard.map(|shard| (shard, due_here));
        self.along = Some(along);
        Ok(())
    }

    /// Hands each datasource to `take`, in order, with those of its datamarts that are targets.
    ///
    /// # Errors
    /// If the temporary file cannot be read.
    pub fn each_group(
        &mut self,
        mut take: impl FnMut(NewTarget, &[PlannedDatamart]),
    ) -> Result<(), PlanError> {
        let along = self.along.take();
        let each = self.each(|target| {
            let along = along.as_ref().filter(|_| keeps_targets(target.skip.as_ref()));
            let name = target.name.clone();
            take(target, along.map_or(&[], |along| along.cascade.group(name.as_str())));
        });
        self.along = along;
        each
    }

    /// Why datamarts that are to go cannot.
    ///
    /// # Errors
    /// If the temporary file cannot be read.
    pub fn obstacle(&mut self) -> Result<Option<Refusal>, PlanError> {
        let Some(along) = self.along.take() else { return Ok(None) };
        let mut due = HashSet::new();
        let each = self.each(|target| {
            if target.skip.is_none() {
                due.insert(target.name.to_string());
            }
        });
        let obstacles = along.cascade.obstacles(|datasource| due.contains(datasource));
        let (count, first) = (obstacles.len(), obstacles.first().map(|first| (*first).clone()));
        self.along = Some(along);
        each?;
        Ok(first.map(|first| Refusal::Dependants { count, first }))
    }

    /// How many datamarts are due among what this process takes.
    #[must_use]
    pub fn datamarts_here(&self) -> u64 {
        self.along.as_ref().map_or(0, Along::due_here)
    }

    /// The datamarts that are taken along; `None` if none are to be.
    #[must_use]
    pub fn cascade(&self) -> Option<&Cascade> {
        self.along.as_ref().map(|along| &along.cascade)
    }
}
