//! The targets that were not deleted as requested, each with the reason and its dependants.

use std::io;

use maud::{Markup, html};

use super::page::Page;
use super::wording::{counted, exact_time, name, number, text};
use super::{Certificate, EachTarget, LONGEST_LIST};
use crate::domain::{
    DEPENDANTS_REMAIN, GIVEN_BACK, Outcome, ResourceKind, ResultFilter, SkipReason, TargetResult,
};

/// Targets with something in common.
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
    let assessment = certificate.assessment();
    page.literal("<section id=\"exceptions\">")?;
    page.put(&html! { h2 { span.no { "3" } "Exceptions" } })?;
    if assessment.exceptions + assessment.pending == 0 {
        page.put(&html! { p.nothing { "None." } })?;
    }
    let mut capacity = LONGEST_LIST;
    for group in exceptions(certificate).iter().filter(|group| group.count > 0) {
        list(page, certificate, group, &mut capacity, targets)?;
    }
    // A later version may know more reasons.
    let account = &certificate.account;
    let known =
        [SkipReason::Protected, SkipReason::OnHold, SkipReason::AlreadyDeleted, SkipReason::ExistsAgain]
            .map(SkipReason::as_str);
    let is_known = |reason: &String| {
        known.contains(&reason.as_str()) || [GIVEN_BACK, DEPENDANTS_REMAIN].contains(&reason.as_str())
    };
    let others: u64 = account.skipped.iter().filter(|(reason, _)| !is_known(reason)).map(|(_, n)| n).sum();
    if others > 0 {
        page.put(&html! {
            p.words { (counted(others, "target was", "targets were")) " skipped for another reason; see the schedule." }
        })?;
    }
    let remarks = remarks(certificate);
    if remarks.iter().any(|group| group.count > 0) {
        page.put(&html! { h3.remarks { "Remarks on targets that are not exceptions" } })?;
    }
    for group in remarks.iter().filter(|group| group.count > 0) {
        list(page, certificate, group, &mut capacity, targets)?;
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
    let skipped = |reason: &'static str, title, words| Group {
        filter: ResultFilter::Skipped(reason),
        title,
        words,
        count: account.skipped.get(reason).copied().unwrap_or(0),
    };
    let mut groups = vec![
        Group {
            filter: ResultFilter::StillListed,
            title: "Deleted, and still listed",
            words: "These ended as deleted, and a listing that was read afterwards still holds them: they were \
                    created again, or were not deleted.",
            count: account.still_listed,
        },
        ended(Outcome::Failed, "Failed", "All attempts failed. As far as is known, these exist."),
        ended(
            Outcome::Unknown,
            "Unknown",
            "No attempt got a clear reply, and no listing settled it. These may exist or not.",
        ),
        ended(Outcome::Rejected, "Rejected", "The API refused to delete these, for the reason given."),
        ended(
            Outcome::InUse,
            "In use",
            "Something depends on these, so the API did not delete them. Remove the dependants first.",
        ),
        skipped(
            SkipReason::Protected.as_str(),
            "Protected",
            "A rule protects these names. No request was sent for them.",
        ),
        skipped(
            SkipReason::OnHold.as_str(),
            "On hold",
            "These must not be deleted for now, for the reason given. No request was sent for them.",
        ),
        skipped(
            SkipReason::ExistsAgain.as_str(),
            "Existing again",
            "An earlier run deleted these, and the listing shows them again: they were created again, or were not \
             deleted. No request was sent for them.",
        ),
        skipped(
            GIVEN_BACK,
            "Given back to the queue",
            "The run stopped first, or slept for too long, and the messages that name these went back to the queue for \
             another run. This run sent no request for them.",
        ),
        skipped(
            DEPENDANTS_REMAIN,
            "Datamarts remain",
            "A datamart that was to go before each of these was not deleted. No request was sent for these.",
        ),
        ended(
            Outcome::NotFound,
            "Not found",
            "The API found no datasources of these names. Check the spelling.",
        ),
        ended(
            Outcome::Pending,
            "Pending",
            "The run has not settled these. Those that were sent without a recorded reply may be gone.",
        ),
    ];
    if certificate.assessment().accepts_not_found {
        groups.retain(|group| group.filter != ResultFilter::Outcome(Outcome::NotFound));
    }
    groups
}

fn remarks(certificate: &Certificate) -> Vec<Group> {
    let (counts, assessment) = (&certificate.run.counts, certificate.assessment());
    let mut groups = vec![
        Group {
            filter: ResultFilter::Outcome(Outcome::DeletedUnconfirmed),
            title: "Deleted, without the API’s own confirmation",
            words: "An attempt got no clear reply, and afterwards the datasource did not exist any more. Most likely \
                    that attempt deleted it.",
            count: counts.of(Outcome::DeletedUnconfirmed),
        },
        Group {
            filter: ResultFilter::Skipped(SkipReason::AlreadyDeleted.as_str()),
            title: "Deleted before",
            words: "The audit log holds an earlier deletion of these. They were not sent again.",
            count: assessment.already_deleted,
        },
    ];
    if assessment.accepts_not_found {
        groups.push(Group {
            filter: ResultFilter::Outcome(Outcome::NotFound),
            title: "Not found, accepted beforehand",
            words: "The API found no datasources of these names. The run was started with this counting as success.",
            count: counts.of(Outcome::NotFound),
        });
    }
    groups
}

/// Lists a group, up to the limit of the page.
fn list(
    page: &mut Page<'_>,
    certificate: &Certificate,
    group: &Group,
    capacity: &mut u64,
    targets: EachTarget<'_>,
) -> io::Result<()> {
    page.put(&html! {
        h3 { (group.title) " " span.count { (number(group.count)) } }
        p.words { (group.words) }
    })?;
    let shown = group.count.min(*capacity);
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
        *capacity -= shown;
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
            td { @if let ResourceKind::Datamart = result.kind { "datamart " } (name(&result.name)) (purpose(result)) }
            td { (why(result)) }
            @if result.outcome == Outcome::InUse {
                td.dependants {
                    @match result.dependants() {
                        Some(dependants) if dependants.is_empty() => { span.none { "no datamart" } }
                        Some(dependants) => { ul { @for dependant in &dependants { li { (name(dependant)) } } } }
                        None => { span.none { "could not be read" } }
                    }
                }
            }
            td.n { (result.attempts) }
            td { @if let Some(at) = &result.finished_at { (exact_time(at)) } @else { "–" } }
        }
    }
}

/// The ticket and reason of a target from the input.
pub(super) fn purpose(result: &TargetResult) -> Markup {
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
