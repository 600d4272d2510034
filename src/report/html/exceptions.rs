//! The targets that were not deleted as requested, each with the reason and its dependants.

use std::io;

use maud::{Markup, html};

use super::page::Page;
use super::wording::{counted, exact_time, name, number, text};
use super::{Certificate, EachTarget, LONGEST_LIST};
use crate::domain::{Outcome, ResourceKind, ResultFilter, TargetResult};
use crate::report::claims::Group;

pub(super) fn section(
    page: &mut Page<'_>,
    certificate: &Certificate,
    targets: EachTarget<'_>,
) -> io::Result<()> {
    let facts = certificate.facts();
    page.literal("<section id=\"exceptions\">")?;
    page.put(&html! { h2 { span.no { "3" } "Exceptions" } })?;
    if facts.run.exceptions() + facts.run.pending() == 0 {
        page.put(&html! { p.nothing { "None." } })?;
    }
    let mut capacity = LONGEST_LIST;
    for group in facts.exceptions().iter().filter(|group| group.count > 0) {
        list(page, certificate, group, &mut capacity, targets)?;
    }
    // A later version may know more reasons.
    let others = facts.skipped_otherwise();
    if others > 0 {
        page.put(&html! {
            p.words { (counted(others, "target was", "targets were")) " skipped for another reason; see the schedule." }
        })?;
    }
    let remarks = facts.remarks();
    if remarks.iter().any(|group| group.count > 0) {
        page.put(&html! { h3.remarks { "Remarks on targets that are not exceptions" } })?;
    }
    for group in remarks.iter().filter(|group| group.count > 0) {
        list(page, certificate, group, &mut capacity, targets)?;
    }
    page.literal("</section>")
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
