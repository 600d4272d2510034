//! Looks before anything is deleted: what the listings say, what the guards say, shown to the user.

use std::io::{self, Write};

use tokio_util::sync::CancellationToken;

use super::CommandError;
use super::context::Context;
use super::reach::Reach;
use crate::api::{ApiError, Lister};
use crate::domain::{DatasourceName, SkipReason};
use crate::plan::{Extent, Guards, Listings, Preview, Refusal, Selection};
use crate::ratelimit::Rate;
use crate::report::{Held, Listed, Planned, rounded};

/// What was found before anything is deleted.
pub(super) struct Survey {
    pub(super) preview: Option<Preview>,
    pub(super) refusals: Vec<Refusal>,
    guards: Guards,
    /// Why the API was not asked; `None` where it was.
    unasked: Option<&'static str>,
}

impl Survey {
    /// Asks the guards that need no listing: there is none, and `why`.
    pub(super) fn offline(guards: Guards, selection: &Selection, why: &'static str) -> Self {
        let extent = Extent { due: selection.counts().due, listing: None };
        let refusals = Guards { max_share: 100.0, ..guards }.refusals(extent);
        Self { preview: None, refusals, guards, unasked: Some(why) }
    }

    /// Why nobody knows whether the share holds, where a guard asks for that.
    pub(super) fn unchecked(&self) -> Option<&'static str> {
        self.unasked.filter(|_| self.guards.need_listing())
    }

    /// That no guard refuses.
    pub(super) fn check(&self) -> Result<(), CommandError> {
        if self.refusals.is_empty() {
            return Ok(());
        }
        let all: Vec<_> = self.refusals.iter().map(ToString::to_string).collect();
        Err(CommandError::Refused(all.join("; ")))
    }
}

impl Context<'_> {
    /// Reads the listings and asks the guards. A listing that cannot be read is for the guards to
    /// judge.
    pub(super) async fn survey(
        &self,
        selection: &mut Selection,
        reach: &Reach,
        guards: Guards,
    ) -> Result<Survey, CommandError> {
        let (pacer, clock) = (reach.pacer.clone(), self.world.clock.clone());
        let lister = Lister::new(&reach.api, &reach.token, pacer, clock, CancellationToken::new())?;
        let mut failure = None;
        let preview = match lister.datasources().await {
            Ok(datasources) => {
                let dependants = lister.datamarts().await.map_err(|error| {
                    tracing::warn!(%error, "what is in use is not known before the run");
                });
                let listings = Listings { datasources, dependants: dependants.ok() };
                let preview = Preview::new(selection, &listings)?;
                if let Some(first) = preview.back.first() {
                    let count = preview.back.len();
                    tracing::warn!(
                        count,
                        first,
                        "what the audit log knows as deleted exists again, and is skipped; --again sends it"
                    );
                }
                Some(preview)
            }
            // No guard has to be asked: nothing would get through.
            Err(error @ ApiError::Unauthorized) => return Err(CommandError::Unauthorized(error)),
            Err(error) => {
                tracing::warn!(%error, "what exists is not known before the run");
                failure = Some(error.to_string());
                None
            }
        };
        let extent = Extent { due: selection.counts().due, listing: preview.as_ref().map(Preview::extent) };
        let mut refusals = guards.refusals(extent);
        for refusal in &mut refusals {
            if let Refusal::NoListing { why: why @ None, .. } = refusal {
                why.clone_from(&failure);
            }
        }
        Ok(Survey { preview, refusals, guards, unasked: None })
    }

    /// What a run over `selection` would do, for people and machines.
    pub(super) fn planned(
        &self,
        selection: &mut Selection,
        survey: &Survey,
        host: &str,
        rate: Rate,
        whole: bool,
    ) -> Result<Planned, CommandError> {
        let facts = selection.targets().facts().clone();
        let due = selection.counts().due;
        let names = |names: &[DatasourceName]| names.iter().map(ToString::to_string).collect();
        let guards = survey.guards;
        let refusal = |guard: &str| {
            let found = survey.refusals.iter().find(|refusal| refusal.guard() == guard);
            found.map_or(Held::Holds, |refusal| Held::Refuses(refusal.to_string()))
        };
        let mut shown_guards = vec![(format!("max_deletes {}", guards.max_deletes), refusal("max_deletes"))];
        if guards.need_listing() {
            let held = survey.unchecked().map_or_else(|| refusal("max_share"), Held::Unchecked);
            shown_guards.push((format!("max_share {} %", guards.max_share), held));
        }
        let mut planned = Planned {
            host: host.to_owned(),
            count: facts.count,
            repeated: facts.repeated,
            repeated_names: names(&facts.first_repeated),
            due,
            first: names(&selection.ends().first),
            last: names(&selection.ends().last),
            to_delete: None,
            listed: survey.preview.as_ref().map(|preview| Listed {
                all: preview.listed,
                exist: preview.exist,
                missing: preview.missing.clone(),
                in_use: preview.dependants_known.then(|| preview.in_use.clone()),
            }),
            unlisted: match survey.unasked {
                None => Some("the listing could not be read"),
                Some(why) => whole.then_some(why),
            },
            guards: shown_guards,
            time: rate
                .time_for(due)
                .filter(|_| due > 0)
                .map(|time| (rounded(time).to_string(), rate.to_string())),
            dry_run: self.shared.dry_run,
            whole,
            ..Planned::default()
        };
        if whole {
            let all = planned.to_delete.insert(Vec::new());
            selection.each_due(|target| all.push(target.name.to_string()))?;
        }
        selection.each_skipped(|target, reason, why| {
            let list = match reason {
                SkipReason::Protected => &mut planned.protected,
                SkipReason::AlreadyDeleted => &mut planned.already_deleted,
            };
            let is_back = |preview: &Preview| preview.back.contains(target.name.as_str());
            let why = if reason == SkipReason::AlreadyDeleted && survey.preview.as_ref().is_some_and(is_back)
            {
                format!("{why}, AND EXISTS AGAIN; --again sends it")
            } else {
                why
            };
            list.add(target.name.to_string(), why, whole);
        })?;
        Ok(planned)
    }

    /// Shows on stderr what is about to be done.
    pub(super) fn show(&self, planned: &Planned, due: u64) -> Result<(), CommandError> {
        // Nobody is asked to confirm what they were not shown.
        if self.shared.quiet && !self.will_ask(due) {
            return Ok(());
        }
        let mut out = io::stderr().lock();
        planned.print(&mut out)?;
        Ok(out.flush()?)
    }
}
