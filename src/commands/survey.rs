//! Looks before anything is deleted: what the listings say, what the guards say, shown to the user.

use std::io::{self, Write};

use tokio_util::sync::CancellationToken;

use super::CommandError;
use super::context::Context;
use super::reach::Reach;
use crate::api::{ApiError, Lister};
use crate::domain::DatasourceName;
use crate::plan::{Extent, Guards, ListingPreview, Listings, Preview, Refusal, Selection};
use crate::ratelimit::Rate;
use crate::report::{Held, Listed, Names, Planned, rounded};

/// What was found before anything is deleted.
pub(super) struct Survey {
    preview: Preview,
    pub(super) refusals: Vec<Refusal>,
    guards: Guards,
    /// Why the API was not asked; `None` where it was.
    unasked: Option<&'static str>,
}

impl Survey {
    /// Asks the guards that need no listing: there is none, and `why`. All names are shown if `whole`.
    pub(super) fn offline(
        guards: Guards,
        selection: &mut Selection,
        why: &'static str,
        whole: bool,
    ) -> Result<Self, CommandError> {
        let extent = Extent { due: selection.counts().due, listing: None };
        let refusals = Guards { max_share: 100.0, ..guards }.refusals(extent);
        let preview = Preview::new(selection, None, whole)?;
        Ok(Self { preview, refusals, guards, unasked: Some(why) })
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
    /// judge. All names are shown if `whole`.
    pub(super) async fn survey(
        &self,
        selection: &mut Selection,
        reach: &Reach,
        guards: Guards,
        whole: bool,
    ) -> Result<Survey, CommandError> {
        let (pacer, clock) = (reach.pacer.clone(), self.world.clock.clone());
        let lister = Lister::new(&reach.api, &reach.token, pacer, clock, CancellationToken::new())?;
        let mut failure = None;
        let listings = match lister.datasources().await {
            Ok(datasources) => {
                let dependants = lister.datamarts().await.map_err(|error| {
                    tracing::warn!(%error, "what is in use is not known before the run");
                });
                Some(Listings { datasources, dependants: dependants.ok() })
            }
            // No guard has to be asked: nothing would get through.
            Err(error @ ApiError::Unauthorized) => return Err(CommandError::Unauthorized(error)),
            Err(error) => {
                tracing::warn!(%error, "what exists is not known before the run");
                failure = Some(error.to_string());
                None
            }
        };
        let preview = Preview::new(selection, listings.as_ref(), whole)?;
        if let Some(ListingPreview { again, first_again: Some(first), .. }) = &preview.listing {
            tracing::warn!(
                count = again,
                first,
                "what the audit log knows as deleted exists again, and is skipped; --again sends it"
            );
        }
        let listing = preview.listing.as_ref().map(ListingPreview::extent);
        let extent = Extent { due: selection.counts().due, listing };
        let mut refusals = guards.refusals(extent);
        for refusal in &mut refusals {
            if let Refusal::NoListing { why: why @ None, .. } = refusal {
                why.clone_from(&failure);
            }
        }
        Ok(Survey { preview, refusals, guards, unasked: None })
    }

    /// What a run over `selection` would do, for people and machines. Takes the names out of `survey`.
    pub(super) fn planned(
        &self,
        selection: &Selection,
        survey: &mut Survey,
        host: &str,
        rate: Rate,
    ) -> Planned {
        let (facts, counts) = (selection.facts(), selection.counts());
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
        let Preview { listing, due: to_delete, protected, already_deleted } =
            std::mem::take(&mut survey.preview);
        let whole = to_delete.is_some();
        Planned {
            host: host.to_owned(),
            count: facts.count,
            repeated: facts.repeated,
            repeated_names: names(&facts.first_repeated),
            due: counts.due,
            first: names(&selection.excerpt().first),
            last: names(&selection.excerpt().last),
            to_delete,
            protected: Names::new(counts.protected, protected),
            already_deleted: Names::new(counts.already_deleted, already_deleted),
            listed: listing.map(|listing| Listed {
                all: listing.listed,
                exist: listing.exist,
                missing: listing.missing,
                in_use: listing.in_use,
            }),
            unlisted: match survey.unasked {
                None => Some("the listing could not be read"),
                Some(why) => whole.then_some(why),
            },
            guards: shown_guards,
            time: rate
                .time_for(counts.due)
                .filter(|_| counts.due > 0)
                .map(|time| (rounded(time).to_string(), rate.to_string())),
            dry_run: self.options.dry_run,
            whole,
            ..Planned::default()
        }
    }

    /// Shows on stderr what is about to be done.
    pub(super) fn show(&self, planned: &Planned, due: u64) -> Result<(), CommandError> {
        // Nobody is asked to confirm what they were not shown.
        if self.options.quiet && !self.will_ask(due) {
            return Ok(());
        }
        let mut out = io::stderr().lock();
        planned.print(&mut out)?;
        Ok(out.flush()?)
    }
}
