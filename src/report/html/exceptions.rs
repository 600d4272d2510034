//! What did not go as it was asked for, before anything else is listed: each target with why, and with
//! what depends on it.

use std::io;

use maud::{Markup, html};

use super::page::Page;
use super::wording::{counted, exact_time, name, number, text};
use super::{Certificate, EachTarget, LONGEST_LIST};
use crate::domain::{GIVEN_BACK, Outcome, ResultFilter, SkipReason, TargetResult};

/// Targets that have one thing in common.
struct Group {
    filter: ResultFilter<'static>,
    title: &'static str,
    words: &'static str,
    count: u64,
}

pub(super) fn section(
    page: &mut Page<'_>,
    certificate: &Certificate,
    targets: EachTarget<'_>,
) -> io::Result<()> {
    let standing = certificate.standing();
    page.literal("<section id=\"exceptions\">")?;
    page.put(&html! { h2 { span.no { "3" } "Exceptions" } })?;
    if standing.exceptions + standing.pending == 0 {
        page.put(&html! { p.nothing { "None: every datasource that was asked for is gone." } })?;
    }
    let mut room = LONGEST_LIST;
    for group in exceptions(certificate).iter().filter(|group| group.count > 0) {
        list(page, certificate, group, &mut room, targets)?;
    }
    let remarks = remarks(certificate);
    if remarks.iter().any(|group| group.count > 0) {
        page.put(&html! { h3.remarks { "Remarks: no exceptions, and worth a look" } })?;
    }
    for group in remarks.iter().filter(|group| group.count > 0) {
        list(page, certificate, group, &mut room, targets)?;
    }
    page.literal("</section>")
}

fn exceptions(certificate: &Certificate) -> Vec<Group> {
    let (counts, account) = (&certificate.run.counts, &certificate.account);
    let ended = |outcome: Outcome, title, words| Group {
        filter: ResultFilter::Outcome(outcome),
        title,
        words,
        count: counts.of(outcome),
    };
    let mut groups = vec![
        Group {
            filter: ResultFilter::StillListed,
            title: "Deleted, and still listed",
            words: "The API said that it deleted these, and its listing still showed them afterwards: \
                    somebody made them anew, or they were not deleted.",
            count: account.still_listed,
        },
        ended(
            Outcome::Failed,
            "Failed",
            "Attempts were used up, and the server failed or still lists these. As far as is known, they exist.",
        ),
        ended(
            Outcome::Unknown,
            "Unknown",
            "No attempt got a clear answer, and the listing could not settle it. These may exist or not.",
        ),
        ended(Outcome::Rejected, "Rejected", "The API refused to delete these, for the reason given."),
        ended(
            Outcome::InUse,
            "In use",
            "Something depends on these; a person has to remove the dependants first. These still exist.",
        ),
        Group {
            filter: ResultFilter::Skipped(SkipReason::Protected.as_str()),
            title: "Protected",
            words: "A rule of the configuration protects these names. They were never sent.",
            count: account.protected,
        },
        Group {
            filter: ResultFilter::Skipped(GIVEN_BACK),
            title: "Given back to the queue",
            words: "The run stopped before these were sent, and their messages went back to the queue, where \
                    another run takes them. This run never sent them.",
            count: account.given_back,
        },
        ended(
            Outcome::NotFound,
            "Not found",
            "The API knew no datasource of these names when they were to be deleted. Are they spelled as they were created?",
        ),
        ended(
            Outcome::Pending,
            "Pending",
            "The run has not settled these. Those that were sent without a recorded answer may be gone.",
        ),
    ];
    if certificate.standing().accepts_not_found {
        groups.retain(|group| group.filter != ResultFilter::Outcome(Outcome::NotFound));
    }
    groups
}

fn remarks(certificate: &Certificate) -> Vec<Group> {
    let counts = &certificate.run.counts;
    let already = counts
        .of(Outcome::Skipped)
        .saturating_sub(certificate.account.protected + certificate.account.given_back);
    let mut groups = vec![
        Group {
            filter: ResultFilter::Outcome(Outcome::DeletedUnconfirmed),
            title: "Deleted, without the API’s own confirmation",
            words: "An attempt got no clear answer; afterwards the API did not find the datasource any more. \
                    Most likely that attempt deleted it.",
            count: counts.of(Outcome::DeletedUnconfirmed),
        },
        Group {
            filter: ResultFilter::Skipped(SkipReason::AlreadyDeleted.as_str()),
            title: "Deleted already",
            words: "The audit log holds an earlier deletion of these. They were not sent again.",
            count: already,
        },
    ];
    if certificate.standing().accepts_not_found {
        groups.push(Group {
            filter: ResultFilter::Outcome(Outcome::NotFound),
            title: "Not found, which was accepted beforehand",
            words: "The API knew no datasource of these names. The run was started with that counting as success.",
            count: counts.of(Outcome::NotFound),
        });
    }
    groups
}

/// Lists a group, as far as there is room on the page.
fn list(
    page: &mut Page<'_>,
    certificate: &Certificate,
    group: &Group,
    room: &mut u64,
    targets: EachTarget<'_>,
) -> io::Result<()> {
    page.put(&html! {
        h3 { (group.title) " " span.count { (number(group.count)) } }
        p.words { (group.words) }
    })?;
    let shown = group.count.min(*room);
    let in_use = group.filter == ResultFilter::Outcome(Outcome::InUse);
    if shown > 0 {
        page.literal("<table class=\"listed exceptional\">")?;
        page.put(&html! {
            thead { tr {
                th.n.no scope="col" { "No." }
                th.datasource scope="col" { "Datasource" }
                th scope="col" { "Why" }
                @if in_use { th.dependants scope="col" { "Dependants" } }
                th.n.attempts scope="col" { "Attempts" }
                th.when scope="col" { "Settled (UTC)" }
            } }
        })?;
        page.literal("<tbody>")?;
        let (mut left, mut written) = (shown, Ok(()));
        targets(group.filter, &mut |target| {
            written = page.put(&row(&target));
            left -= 1;
            written.is_ok() && left > 0
        })?;
        written?;
        page.literal("</tbody>\n</table>")?;
        *room -= shown;
    }
    if shown < group.count {
        let file = certificate.annex.as_ref().and_then(|annex| annex.file.as_deref());
        page.put(&html! {
            p.cut {
                (counted(group.count - shown, "more is", "more are")) " not listed here; the annex has "
                "all of them" @if let Some(file) = file { " (" (name(file)) ")" } "."
            }
        })?;
    }
    Ok(())
}

fn row(result: &TargetResult) -> Markup {
    html! {
        tr {
            td.n { (result.target) }
            td { (name(&result.datasource)) (asked_by(result)) }
            td { (why(result)) }
            @if result.outcome == Outcome::InUse {
                td.dependants {
                    @match dependants(result) {
                        Some(dependants) => { ul { @for dependant in &dependants { li { (name(dependant)) } } } }
                        None => { span.none { "could not be found out" } }
                    }
                }
            }
            td.n { (result.attempts) }
            td { @if let Some(at) = &result.finished_at { (exact_time(at)) } @else { "–" } }
        }
    }
}

/// Who or what asked for a target, as the input says.
pub(super) fn asked_by(result: &TargetResult) -> Markup {
    html! {
        @if result.target_ticket.is_some() || result.target_reason.is_some() {
            small {
                @if let Some(ticket) = &result.target_ticket { bdi { (text(ticket)) } }
                @if result.target_ticket.is_some() && result.target_reason.is_some() { ": " }
                @if let Some(reason) = &result.target_reason { bdi { (text(reason)) } }
            }
        }
    }
}

fn why(result: &TargetResult) -> Markup {
    let attempted = counted(result.attempts.into(), "attempt", "attempts");
    html! {
        @match (&result.message, result.outcome) {
            (Some(message), _) => { bdi { (text(message)) } }
            (None, Outcome::Pending) if result.attempts > 0 => { "not settled by " (attempted) }
            (None, Outcome::Pending) => { "never sent" }
            (None, _) => {}
        }
        @if result.error_code.is_some() || result.http_status.is_some() {
            small {
                @if let Some(code) = &result.error_code { code { (text(code)) } }
                @if let Some(status) = result.http_status { " HTTP\u{a0}" (status) }
            }
        }
        @if result.evidence.as_deref() == Some("still_listed") { small { "still in the listing" } }
    }
}

fn dependants(result: &TargetResult) -> Option<Vec<String>> {
    if result.outcome != Outcome::InUse {
        return None;
    }
    serde_json::from_str(result.detail.as_deref()?).ok()
}
