//! A look before anything is deleted: what the listings say, and what the guards say to it.

use std::collections::HashSet;

use super::CommandError;
use super::access::ApiAccess;
use super::along::{TakeAlong, Which};
use super::budget;
use super::context::Context;
use super::listings::{self, ReadListings};
use super::runtime::block_on;
use crate::domain::{DatasourceName, RecentDeletions};
use crate::plan::{
    AllowShared, Cascade, DayBudget, Dependant, Extent, GroupsPreview, Guards, ListingPreview, Listings,
    PlannedDatamart, Preview, Refusal, Selection, SelectionCounts,
};
use crate::ratelimit::Rate;
use crate::report::{
    DatamartSummary, Forecast, GroupSummary, GroupsSummary, GuardLine, GuardResult, InUse, ListingSummary,
    NameList,
};

/// Why it is unknown how large a share of all datasources a rehearsal would delete.
pub(super) const ONLY_THE_API: &str = "only the API knows how many datasources exist";

pub(super) struct Survey {
    preview: Preview,
    pub(super) refusals: Vec<Refusal>,
    guards: Guards,
    /// Due targets that probably serve several customers, each with the datamart that shows it.
    pub(super) shared: Vec<(String, String)>,
    /// Why the API was not asked; `None` if it was.
    unasked: Option<&'static str>,
    /// Why it is unknown what was deleted in the last 24 hours; `None` if it is known, or no guard asks for it.
    uncounted: Option<&'static str>,
}

impl Survey {
    /// Reads the listings and asks the guards, or only the guards if nothing depends on the listings: nothing is to
    /// be deleted, or no guard, no canary and no question needs them. A listing that cannot be read is for the guards to judge.
    pub(super) fn new(
        context: &Context<'_>,
        selection: &mut Selection,
        access: &ApiAccess,
        guards: Guards,
        allowed: &AllowShared,
        along: Option<TakeAlong>,
    ) -> Result<Self, CommandError> {
        let counts = selection.counts();
        // What the log knows to be gone may exist again, which only the listing shows.
        let may_exist_again = counts.already_deleted > 0;
        let is_checked = may_exist_again && context.settings.safety.listing_check;
        let needs_listing = context.guards().need_listing() || context.settings.safety.canary > 0;
        let matters = counts.due > 0 || may_exist_again;
        let reads =
            is_checked || along.is_some() || matters && (needs_listing || context.will_ask(counts.due));
        let survey = if reads {
            Self::online(context, selection, access, guards, allowed, along, false)
        } else {
            Self::offline(guards, selection, "nothing is to be deleted", false)
        };
        survey?.with_budget(context, access.base_url(), selection)
    }

    /// Reads the listings for a plan that is run with another token than it was made with: they have to show each of its
    /// targets that is due, but for those in `except`.
    pub(super) fn with_other_token(
        context: &Context<'_>,
        selection: &mut Selection,
        access: &ApiAccess,
        guards: Guards,
        allowed: &AllowShared,
        along: Option<TakeAlong>,
        except: &HashSet<String>,
    ) -> Result<Self, CommandError> {
        let mut survey = Self::online(context, selection, access, guards, allowed, along, false)?;
        let unlisted = survey.preview.listing.as_ref().map(|listing| {
            let mut missing = listing.missing.iter().filter(|(name, _)| !except.contains(name));
            match missing.next() {
                Some((first, _)) => (1 + missing.count(), first.clone()),
                None => (0, String::new()),
            }
        });
        if unlisted.as_ref().is_none_or(|(count, _)| *count > 0) {
            survey.refusals.push(Refusal::OtherToken { unlisted });
        }
        survey.with_budget(context, access.base_url(), selection)
    }

    /// Asks the limit across runs as well.
    pub(super) fn with_budget(
        mut self,
        context: &Context<'_>,
        base_url: &str,
        selection: &mut Selection,
    ) -> Result<Self, CommandError> {
        self.refusals.extend(budget::refusal(context, base_url, selection)?);
        Ok(self)
    }

    /// Asks the guards that need no listing: there is none, and `why`. All names are shown if `whole`.
    pub(super) fn offline(
        guards: Guards,
        selection: &mut Selection,
        why: &'static str,
        whole: bool,
    ) -> Result<Self, CommandError> {
        let extent =
            Extent { due: selection.counts().due, datamarts: 0, listing: None, datamarts_exist: None };
        let refusals = Guards { max_share: 100.0, ..guards }.refusals(extent);
        let preview = Preview::new(selection, None, whole, 0)?;
        Ok(Self { preview, refusals, guards, shared: Vec::new(), unasked: Some(why), uncounted: None })
    }

    /// Asks the limit across runs as if nothing had been deleted before, as `why` says.
    pub(super) fn with_whole_budget(
        mut self,
        context: &Context<'_>,
        selection: &Selection,
        why: &'static str,
    ) -> Self {
        let limit = context.settings.safety.max_deletes_per_day;
        let budget = limit.map(|limit| DayBudget::new(limit, RecentDeletions::default()));
        let now = context.world.clock.timestamp();
        self.refusals.extend(budget.and_then(|mut budget| budget.refusal(selection.counts().due, now)));
        self.uncounted = Some(why);
        self
    }

    /// Reads the listings and asks the guards. All names are shown if `whole`.
    pub(super) fn online(
        context: &Context<'_>,
        selection: &mut Selection,
        access: &ApiAccess,
        guards: Guards,
        allowed: &AllowShared,
        along: Option<TakeAlong>,
        whole: bool,
    ) -> Result<Self, CommandError> {
        let takes_along = along.is_some();
        let read = block_on(listings::read(context, access, guards, takes_along))??;
        let ReadListings { datasources, datamarts, failure } = read;
        let mut refusals = Vec::new();
        let dependants = datamarts.as_ref().ok().map(|all| listings::by_datasource(all));
        let listings = datasources.map(|datasources| Listings { datasources, dependants });
        let mut datamarts_exist = None;
        if let Some(TakeAlong { which, protection }) = along {
            let found = match datamarts {
                Ok(datamarts) => {
                    datamarts_exist = Some(datamarts.len() as u64);
                    listings::check_token(&datamarts, access)?;
                    Cascade::of_listing(datamarts)
                }
                Err(why) => {
                    refusals.push(Refusal::NoDatamarts { why });
                    Cascade::default()
                }
            };
            let is_new = !matches!(which, Which::Recorded(_));
            let cascade = match which {
                Which::Listed => found,
                // What changed is not known without the listing, and the run is refused then.
                Which::Planned(planned) if datamarts_exist.is_none() => planned,
                Which::Planned(planned) => planned.held_against(found),
                Which::Recorded(recorded) => recorded.with_entries_of(found),
            };
            selection.take_along(cascade, protection, is_new)?;
            // What a run has recorded was checked when it began, and its definitions are kept.
            refusals.extend(if is_new { selection.obstacle()? } else { None });
        }
        let canary = usize::try_from(context.settings.safety.canary).unwrap_or(usize::MAX);
        let preview = Preview::new(selection, listings.as_ref(), whole, canary)?;
        if let Some(ListingPreview { again, first_again: Some(first), .. }) = &preview.listing {
            tracing::warn!(
                count = again,
                first,
                "what the audit log knows as deleted exists again, and is skipped; --again sends it"
            );
        }
        let listing = preview.listing.as_ref().map(ListingPreview::extent);
        let counts = selection.counts();
        let extent = Extent { due: counts.due, datamarts: counts.datamarts, listing, datamarts_exist };
        refusals.extend(guards.refusals(extent));
        for refusal in &mut refusals {
            if let Refusal::NoListing { why: why @ None, .. } = refusal {
                why.clone_from(&failure);
            }
        }
        let shared = preview.listing.as_ref().map(|listing| listing.shared.clone()).unwrap_or_default();
        let not_allowed: Vec<_> = shared.iter().filter(|(name, _)| !allowed.allows(name)).collect();
        if let Some((name, datamart)) = not_allowed.first() {
            let (name, datamart) = (name.clone(), datamart.clone());
            refusals.push(Refusal::Shared { count: not_allowed.len(), name, datamart });
        }
        Ok(Self { preview, refusals, guards, shared, unasked: None, uncounted: None })
    }

    /// Reads the listings of the emulator, which say nothing of how much exists.
    pub(super) fn rehearsed(
        context: &Context<'_>,
        selection: &mut Selection,
        access: &ApiAccess,
        allowed: &AllowShared,
        along: Option<TakeAlong>,
    ) -> Result<Self, CommandError> {
        let guards = Guards { max_share: 100.0, ..context.guards() };
        let mut survey = Self::online(context, selection, access, guards, allowed, along, false)?;
        // Its datamarts count for nothing: how many the real run takes along, only the API knows.
        survey.refusals.retain(|refusal| !matches!(refusal, Refusal::TooMany { .. }));
        let extent =
            Extent { due: selection.counts().due, datamarts: 0, listing: None, datamarts_exist: None };
        survey.refusals.extend(guards.refusals(extent));
        Ok(Self { guards: context.guards(), unasked: Some(ONLY_THE_API), ..survey })
    }

    /// The names of the canary, which is smaller than the settings ask for if fewer can be deleted; `None` if it is
    /// unknown what exists.
    pub(super) fn canary(&self) -> Option<Vec<String>> {
        self.preview.listing.as_ref().map(|listing| listing.canary.clone())
    }

    /// Why it is unknown if the share holds, if a guard asks for that.
    pub(super) fn unchecked(&self) -> Option<&'static str> {
        self.unasked.filter(|_| self.guards.need_listing())
    }

    /// Passes if no guard refuses.
    pub(super) fn check(&self) -> Result<(), CommandError> {
        if self.refusals.is_empty() {
            return Ok(());
        }
        let all: Vec<_> = self.refusals.iter().map(ToString::to_string).collect();
        Err(CommandError::Refused(all.join("; ")))
    }

    /// What a run over `selection` would do, for people and machines. Takes the names out of the preview.
    pub(super) fn planned(
        &mut self,
        context: &Context<'_>,
        selection: &Selection,
        host: String,
        rate: Rate,
    ) -> Forecast {
        let (facts, counts, share) = (selection.facts(), selection.counts(), selection.share());
        let names = |names: &[DatasourceName]| names.iter().map(ToString::to_string).collect();
        let guards = self.guards;
        let refusal = |guard: &str| {
            let found = self.refusals.iter().filter(|refusal| refusal.guard() == guard);
            let why: Vec<_> = found.map(ToString::to_string).collect();
            if why.is_empty() { GuardResult::Passes } else { GuardResult::Refuses(why.join("; ")) }
        };
        let line = |name, limit, unit, result| GuardLine { name, limit, unit, result };
        #[expect(clippy::cast_precision_loss, reason = "a limit is far below 2^52, or none")]
        let max_deletes = guards.max_deletes as f64;
        let mut shown_guards = vec![line("max_deletes", max_deletes, "", refusal("max_deletes"))];
        #[expect(clippy::cast_precision_loss, reason = "a limit is far below 2^52, or none")]
        if let Some(limit) = context.settings.safety.max_deletes_per_day {
            let result = match (refusal("max_deletes_per_day"), self.uncounted) {
                (GuardResult::Passes, Some(why)) => GuardResult::Unchecked(why),
                (result, _) => result,
            };
            shown_guards.push(line("max_deletes_per_day", limit as f64, "", result));
        }
        if guards.need_listing() {
            let result = self.unchecked().map_or_else(|| refusal("max_share"), GuardResult::Unchecked);
            shown_guards.push(line("max_share", guards.max_share, " %", result));
        }
        if !self.shared.is_empty() {
            #[expect(clippy::cast_precision_loss, reason = "a number of names is far below 2^52")]
            let shared = self.shared.len() as f64;
            shown_guards.push(line("allow_shared", shared, "", refusal("allow_shared")));
        }
        if self.preview.groups.is_some() {
            #[expect(clippy::cast_precision_loss, reason = "a number of datamarts is far below 2^52")]
            let datamarts = counts.datamarts as f64;
            shown_guards.push(line("with_datamarts", datamarts, "", refusal("with_datamarts")));
        }
        let Preview {
            listing,
            due: to_delete,
            protected,
            on_hold,
            already_deleted,
            exists_again,
            kept,
            groups,
            warnings,
        } = std::mem::take(&mut self.preview);
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let whole = to_delete.is_some();
        let again = listing.as_ref().map_or(0, |listing| listing.again);
        // How long it takes is about what this process sends.
        let sent = share.map_or(counts.due, |(_, due)| due) + selection.datamarts_here();
        Forecast {
            host,
            count: facts.count,
            repeated: facts.repeated,
            repeated_names: names(&facts.first_repeated),
            due: counts.due,
            first: names(&selection.excerpt().first),
            last: names(&selection.excerpt().last),
            to_delete,
            protected: NameList::new(counts.protected, protected),
            on_hold: NameList::new(counts.on_hold, on_hold),
            already_deleted: NameList::new(counts.already_deleted - again, already_deleted),
            exists_again: NameList::new(again, exists_again),
            kept: NameList::new(counts.kept, kept),
            datamarts: groups.map(|groups| groups_summary(groups, counts, selection.cascade())),
            listing: listing.map(|listing| ListingSummary {
                all: listing.listed,
                exist: listing.exist,
                missing: listing
                    .missing
                    .into_iter()
                    .map(|(name, near)| {
                        (name, near.into_iter().map(|near| (near.name, near.differs_in)).collect())
                    })
                    .collect(),
                in_use: listing.in_use.map(|in_use| in_use.into_iter().map(with_tenancy).collect()),
                shared: listing.shared,
            }),
            no_listing: match self.unasked {
                None => Some("the listing could not be read"),
                Some(why) => whole.then_some(why),
            },
            guards: shown_guards,
            share: share.map(|(shard, due)| (shard.to_string(), due)),
            time: rate.time_for(sent).filter(|_| sent > 0).map(|time| (time, rate.to_string())),
            dry_run: context.options.dry_run,
            whole,
            ..Forecast::default()
        }
    }
}

/// The datamarts that go along and those that stay, for people and machines.
fn groups_summary(
    groups: GroupsPreview,
    counts: SelectionCounts,
    cascade: Option<&Cascade>,
) -> GroupsSummary {
    let group = |(datasource, datamarts): (String, Vec<PlannedDatamart>)| GroupSummary {
        datasource,
        datamarts: datamarts
            .into_iter()
            .map(|PlannedDatamart { name, tenancy, tables, columns, .. }| DatamartSummary {
                name: name.to_string(),
                tenancy,
                tables,
                columns,
            })
            .collect(),
    };
    GroupsSummary {
        exist: cascade.and_then(Cascade::listed),
        due: counts.datamarts,
        groups: groups.count,
        tables: groups.tables,
        columns: groups.columns,
        staying: counts.staying,
        going: groups.going.into_iter().map(group).collect(),
        stay: groups.staying.into_iter().map(group).collect(),
    }
}

/// A datasource that is in use, and each of its datamarts with the tenancy level.
fn with_tenancy((name, used_by): (String, Vec<Dependant>)) -> InUse {
    InUse { name, used_by: used_by.into_iter().map(|it| (it.name, it.tenancy)).collect() }
}
