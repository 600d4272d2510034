//! What was done: each run that names the resource, and each request.

use maud::{Markup, html};

use super::statement::known_by;
use crate::domain::{AttemptAccount, ResourceHistory, TargetAccount};
use crate::report::html::wording::{code, exact_time, name};

pub(super) fn section(resources: &[ResourceHistory<'_>]) -> Markup {
    // Without a column for it if there is only one.
    let named = resources.len() > 1;
    html! {
        section #work {
            h2 { span.no { "2" } "What was done" }
            p.words { "Every run that names it, and every request that was sent. Times are UTC." }
            table.sent {
                thead { tr {
                    th.at scope="col" { "Time" }
                    @if named { th scope="col" { "Of" } }
                    th scope="col" { "What it shows" }
                    th.request scope="col" { "Request or run" }
                } }
                tbody {
                    @for resource in resources {
                        @for account in &resource.accounts { (rows(resource, account, named)) }
                    }
                }
            }
        }
    }
}

fn rows(resource: &ResourceHistory<'_>, account: &TargetAccount, named: bool) -> Markup {
    let of = html! { @if named { td { (resource.kind) " " (name(resource.name)) } } };
    html! {
        @for attempt in &account.attempts {
            tr {
                td { (exact_time(&attempt.sent_at.to_string())) }
                (of)
                td { "request sent: " (showed(attempt)) }
                td.request { (code(&attempt.request_id)) }
            }
        }
        tr {
            td {
                @match &account.result.finished_at {
                    Some(at) => { (exact_time(at)) }
                    None => { span.none { "not settled" } }
                }
            }
            (of)
            td {
                strong { (account.result.outcome.as_str().replace('_', " ")) } ": " (known_by(account))
            }
            td.request { (code(&account.run.run_id)) }
        }
        @for look in &account.looks {
            tr {
                td { (exact_time(&look.at.to_string())) }
                (of)
                td {
                    "listing read: it "
                    @if look.still_listed { strong.alarm { "still held the name" } } @else { "did not hold the name" }
                }
                td.request { (code(&account.run.run_id)) }
            }
        }
    }
}

/// What one request showed, without the API's own words, which may name others.
fn showed(attempt: &AttemptAccount) -> Markup {
    html! {
        @match &attempt.reply {
            None => { "no reply is recorded" }
            Some(reply) => {
                (verdict(&reply.verdict))
                @if let Some(status) = reply.http_status { " (HTTP\u{a0}" (status) ")" }
            }
        }
    }
}

fn verdict(word: &str) -> &'static str {
    match word {
        "deleted" => "the API confirmed the deletion",
        "not_found" => "the API replied that there is none of this name",
        "not_found_or_invalid" => {
            "the API replied that there is none of this name, or that the request was invalid"
        }
        "in_use" => "the API replied that something depends on it",
        "rejected" => "the API refused it",
        "unauthorized" => "the API did not accept the token",
        "throttled" => "the API asked to wait",
        "server_error" => "an error of the server",
        "not_sent" => "no connection, so nothing left",
        _ => "no clear reply",
    }
}
