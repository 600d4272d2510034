//! What became of a resource, as a sentence: each says what the records hold, and no more.

use maud::{Markup, html};

use crate::domain::{Outcome, ResourceHistory, SkipReason, Standing, TargetAccount};
use crate::report::html::wording::{code, name, time};

/// The class in the style sheet, and the word.
pub(super) const fn status(standing: Standing) -> (&'static str, &'static str) {
    match standing {
        Standing::Deleted => ("complete", "Deleted"),
        Standing::DeletedUnconfirmed => ("complete", "Gone"),
        Standing::NotFound => ("exceptions", "Not found"),
        Standing::ExistsAgain => ("incomplete", "Seen again"),
        Standing::NotDeleted => ("incomplete", "Not deleted"),
        Standing::Unclear => ("incomplete", "Not known"),
    }
}

/// A sign that differs in its shape, not only in its colour.
pub(super) fn sign(class: &str) -> Markup {
    html! {
        svg.sign viewBox="0 0 24 24" aria-hidden="true" {
            @match class {
                "complete" => { path d="M4.5 12.5l5 5 10-11" {} }
                "exceptions" => { path d="M12 4v10.5M12 19.2v.3" {} }
                _ => { path d="M5.2 12h.1M12 12h.1M18.7 12h.1" {} }
            }
        }
    }
}

/// What became of the resource, and how that is known.
pub(super) fn statement(resource: &ResourceHistory<'_>) -> Markup {
    let deciding = resource.deciding;
    html! {
        "The " (resource.kind) " " (name(resource.name)) " on " (code(resource.base_url)) " "
        @match resource.standing {
            Standing::Deleted => {
                "was deleted on " (settled(deciding)) ". The API confirmed the deletion."
                (listing(deciding))
            }
            Standing::DeletedUnconfirmed => {
                "was found to be gone on " (settled(deciding)) ": a request to delete it got no clear reply, and "
                "afterwards " (absence(deciding)) "."
            }
            Standing::NotFound => {
                "was not found on " (settled(deciding)) ": " (absence(deciding))
                ". No request in this log deleted it."
            }
            Standing::ExistsAgain => {
                @match last_deletion(resource) {
                    Some(deletion) => { "was deleted on " (settled(deletion)) ", and was seen again afterwards: " }
                    None => { "was deleted by an earlier run, and was seen again afterwards: " }
                }
                "it was created again, or was not deleted."
            }
            Standing::NotDeleted => { "was not deleted: " (why_not(deciding)) "." }
            Standing::Unclear => { "may exist or not: " (why_unclear(deciding)) "." }
        }
    }
}

/// How the outcome is known, for a table.
pub(super) fn known_by(account: &TargetAccount) -> Markup {
    html! {
        @match account.result.outcome {
            Outcome::Deleted => { "the API confirmed the deletion" }
            Outcome::DeletedUnconfirmed => { "after a request without a clear reply, " (absence(account)) }
            Outcome::NotFound => { (absence(account)) }
            Outcome::Unknown => { (why_unclear(account)) }
            Outcome::Pending if account.result.attempts > 0 => { (why_unclear(account)) }
            _ => { (why_not(account)) }
        }
    }
}

fn settled(account: &TargetAccount) -> Markup {
    html! {
        @match &account.result.finished_at {
            Some(at) => { (time(at)) " UTC" }
            None => { "an unknown date" }
        }
    }
}

fn last_deletion<'a>(resource: &ResourceHistory<'a>) -> Option<&'a TargetAccount> {
    resource.accounts.iter().rev().copied().find(|account| account.is_deletion())
}

/// What the listing showed after a confirmed deletion.
fn listing(account: &TargetAccount) -> Markup {
    html! {
        @match account.looks.iter().rev().find(|look| !look.still_listed) {
            Some(look) => {
                " The API’s listing, read on " (time(&look.at.to_string())) " UTC, did not hold the name."
            }
            None => { " No reading of the API’s listing afterwards is recorded." }
        }
    }
}

/// How it was seen not to be there.
const fn words_of_absence(evidence: &str) -> &'static str {
    match evidence.as_bytes() {
        b"absent_from_listing" => "the API’s listing did not hold the name",
        b"not_found_after_redelivery" => {
            "the API replied that there is none of this name; another process had taken the same order before, and its \
             log shows what it did"
        }
        _ => "the API replied that there is none of this name",
    }
}

fn absence(account: &TargetAccount) -> &'static str {
    words_of_absence(account.result.evidence.as_deref().unwrap_or_default())
}

fn why_not(account: &TargetAccount) -> &'static str {
    match account.result.outcome {
        Outcome::InUse => "the API replied that something depends on it",
        Outcome::Rejected => "the API refused the request",
        Outcome::Failed => "every request failed",
        Outcome::Pending => "no request was sent so far",
        Outcome::Skipped => match account.result.detail.as_deref() {
            Some(why) if why == SkipReason::Protected.as_str() => {
                "a rule protects the name, and no request was sent"
            }
            Some(why) if why == SkipReason::AlreadyDeleted.as_str() => {
                "an earlier run had deleted it, and no request was sent"
            }
            Some(why) if why == SkipReason::ExistsAgain.as_str() => {
                "an earlier run had deleted it, it was listed again, and no request was sent"
            }
            Some("on_hold") => "the name is on hold, and no request was sent",
            Some("dependants_remain") => "one of its datamarts remains, and no request was sent for it",
            Some("dependants_changed") => {
                "its datamarts were not those of the plan, and no request was sent for it"
            }
            _ => "no request was sent",
        },
        _ => "see the requests below",
    }
}

fn why_unclear(account: &TargetAccount) -> &'static str {
    match account.result.outcome {
        Outcome::Skipped => "an earlier log holds its deletion, and that log was not at hand",
        Outcome::Rejected | Outcome::Failed => {
            "an earlier run had deleted it, and a later request failed without showing if it exists"
        }
        _ => "a request was sent that got no clear reply",
    }
}
