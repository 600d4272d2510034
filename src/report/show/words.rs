//! How what became of a resource is said.

use crate::domain::{ResourceHistory, Standing, TargetAccount};

/// What became of it, in a few words.
pub(in crate::report) const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Deleted => "deleted, as the API confirmed",
        Standing::DeletedUnconfirmed => "gone, after a request that got no clear reply",
        Standing::NotFound => "not found; no request that is known can have deleted it",
        Standing::ExistsAgain => "deleted, and seen again afterwards",
        Standing::NotDeleted => "not deleted",
        Standing::Unclear => "not known: it may exist or not",
    }
}

/// The resource, for a heading: `datasource acme on https://api.example.com`.
pub(in crate::report) fn resource(history: &ResourceHistory<'_>) -> String {
    let rehearsal = if history.rehearsal { "REHEARSAL: " } else { "" };
    format!("{rehearsal}{} {} on {}", history.kind, history.name, history.base_url)
}

/// How long it took from the request to the deletion, if both are known.
pub(in crate::report) fn days(account: &TargetAccount) -> Option<i64> {
    account.is_deletion().then(|| account.request.days_until(account.settled_at()?)).flatten()
}

/// `3 days after the request`.
pub(in crate::report) fn days_in_words(days: i64) -> String {
    match days {
        0 => "on the day of the request".to_owned(),
        1 => "1 day after the request".to_owned(),
        ..0 => format!("{} before the date of the request; check that date", counted(-days)),
        _ => format!("{} after the request", counted(days)),
    }
}

fn counted(days: i64) -> String {
    format!("{days} day{}", if days == 1 { "" } else { "s" })
}
