//! The limit across runs: what the audit log, and those before it, record of the last 24 hours.

use std::collections::HashSet;

use super::CommandError;
use super::context::Context;
use crate::audit::AuditReader;
use crate::domain::{RecentDeletions, ResourceKind, Timestamp};
use crate::plan::{BUDGET_WINDOW, DayBudget, Refusal, Selection};

/// Why what is due of `selection` may not be deleted now, if the settings limit that.
pub(super) fn refusal(
    context: &Context<'_>,
    base_url: &str,
    selection: &mut Selection,
) -> Result<Option<Refusal>, CommandError> {
    let Some(limit) = context.settings.safety.max_deletes_per_day else { return Ok(None) };
    let recent = recent_deletions(context, base_url)?;
    let counts = selection.counts();
    let mut due = counts.due + counts.datamarts;
    if !recent.in_doubt.is_empty() {
        // What is in doubt and due counts once.
        let in_doubt: HashSet<_> =
            recent.in_doubt.iter().map(|(kind, name, _)| (*kind, name.as_str())).collect();
        selection.each_group(|target, group| {
            if target.skip.is_some() {
                return;
            }
            let is_counted = |kind, name: &str| u64::from(in_doubt.contains(&(kind, name)));
            due -= is_counted(ResourceKind::Datasource, target.name.as_str());
            let datamarts = group.iter().map(|it| is_counted(ResourceKind::Datamart, it.name.as_str()));
            due -= datamarts.sum::<u64>();
        })?;
    }
    Ok(DayBudget::new(limit, recent).refusal(due, context.world.clock.timestamp()))
}

/// The budget of a day of `limit` deletions, with what is used of it.
pub(super) fn day_budget(
    context: &Context<'_>,
    base_url: &str,
    limit: u64,
) -> Result<DayBudget, CommandError> {
    Ok(DayBudget::new(limit, recent_deletions(context, base_url)?))
}

/// Shows to the observers how much of the limit of a day is used, if there is one.
pub(super) fn report(context: &Context<'_>, base_url: &str) -> Result<(), CommandError> {
    let (Some(watch), Some(limit)) = (&context.observers.watch, context.settings.safety.max_deletes_per_day)
    else {
        return Ok(());
    };
    let used = day_budget(context, base_url, limit)?.used(context.world.clock.timestamp());
    watch.budget(used, limit);
    Ok(())
}

fn recent_deletions(context: &Context<'_>, base_url: &str) -> Result<RecentDeletions, CommandError> {
    let window = i64::try_from(BUDGET_WINDOW.as_micros()).unwrap_or(i64::MAX);
    let since = Timestamp::from_micros(context.world.clock.timestamp().as_micros().saturating_sub(window));
    match AuditReader::open_if_there(&context.settings.audit.db)? {
        Some(reader) => Ok(reader.deletions_since(base_url, since)?),
        None => Ok(RecentDeletions::default()),
    }
}
