//! The schedule of all targets, or its place.

use std::io;

use maud::{Markup, html};

use super::exceptions::purpose;
use super::page::Page;
use super::wording::{code, counted, exact_time, name, text};
use super::{Annex, Certificate, EachTarget};
use crate::domain::{Outcome, ResourceKind, ResultFilter, TargetResult};

pub(super) fn section(
    page: &mut Page<'_>,
    certificate: &Certificate,
    targets: EachTarget<'_>,
) -> io::Result<()> {
    page.literal("<section id=\"schedule\">")?;
    page.put(&html! { h2 { span.no { "5" } "Schedule of all targets" } })?;
    match &certificate.annex {
        Some(annex) => page.put(&pointer(certificate, annex))?,
        None => table(page, targets)?,
    }
    page.literal("</section>")
}

fn pointer(certificate: &Certificate, annex: &Annex) -> Markup {
    html! {
        p {
            "The " (counted(certificate.run.counts.planned(), "target is", "targets are"))
            " listed in an annex: a CSV file with one row for each, with its outcome, times, attempts, API id "
            "and evidence."
        }
        dl.facts.wide.annex {
            div {
                dt { "Annex" }
                dd {
                    @match &annex.file {
                        Some(file) => { (name(file)) small { "beside this page" } }
                        None => {
                            "not written, because this page went to standard output"
                            small { "the command below writes it" }
                        }
                    }
                }
            }
            div { dt { "SHA-256" } dd { (code(&annex.sha256)) } }
            div {
                dt { "Size" }
                dd {
                    (counted(annex.rows, "row", "rows")) " after the one of the columns"
                    small { (counted(annex.bytes, "byte", "bytes")) }
                }
            }
            div { dt { "Command" } dd { pre { (annex.command) } } }
        }
    }
}

fn table(page: &mut Page<'_>, targets: EachTarget<'_>) -> io::Result<()> {
    page.put(&html! {
        p.words {
            "Times are UTC. The API id is the one in the API’s reply. Evidence is how the outcome is known, as explained "
            "below the table."
        }
    })?;
    page.literal("<table class=\"listed scheduled\">")?;
    page.put(&html! {
        thead { tr {
            th.n.no scope="col" { "No." }
            th.datasource scope="col" { "Datasource" }
            th.outcome scope="col" { "Outcome" }
            th.when scope="col" { "First attempt" }
            th.when scope="col" { "Settled" }
            th.n.attempts scope="col" { "Attempts" }
            th.id scope="col" { "API id" }
            th scope="col" { "Evidence" }
        } }
    })?;
    page.literal("<tbody>")?;
    let mut written = Ok(());
    targets(ResultFilter::All, &mut |target| {
        written = page.put(&row(&target));
        written.is_ok()
    })?;
    written?;
    page.literal("</tbody>\n</table>")?;
    page.put(&evidence())
}

fn row(result: &TargetResult) -> Markup {
    html! {
        tr.other[!result.outcome.is_gone()] {
            td.n { (result.target) }
            td { @if let ResourceKind::Datamart = result.kind { "datamart " } (name(&result.name)) (purpose(result)) }
            td { (outcome(result.outcome)) }
            td { @if let Some(at) = &result.first_attempt_at { (exact_time(at)) } @else { "–" } }
            td { @if let Some(at) = &result.finished_at { (exact_time(at)) } @else { "–" } }
            td.n { (result.attempts) }
            td { @if let Some(id) = &result.datasource_id { code.id { (text(id)) } } @else { "–" } }
            td { @if let Some(evidence) = &result.evidence { (text(&evidence.replace('_', " "))) } @else { "–" } }
        }
    }
}

/// An outcome, with a mark beside its word.
fn outcome(outcome: Outcome) -> Markup {
    let mark = if outcome.is_gone() { "✓" } else { "–" };
    html! {
        span.outcome { span.mark aria-hidden="true" { (mark) } " " (outcome.as_str().replace('_', " ")) }
    }
}

/// The meaning of each evidence.
fn evidence() -> Markup {
    let words = [
        ("acknowledged", "the API replied that it deleted it"),
        ("absent from listing", "a listing that was read after the attempts did not hold the name"),
        ("still listed", "that listing still held the name"),
        ("not found after doubt", "the API did not find it after an attempt without a clear reply"),
        (
            "not found after redelivery",
            "the API did not find it; another worker had received the same message before, and its log shows what it did",
        ),
        ("refused", "the API replied that it did not delete it"),
        ("no clear answer", "no attempt got a clear reply"),
        ("audit log", "the audit log holds an earlier outcome of the same name"),
        ("rule", "a rule kept it from being sent"),
        ("queue", "the message that names it is on its queue again"),
    ];
    html! {
        dl.words {
            @for (word, meaning) in words { div { dt { (word) } dd { (meaning) } } }
        }
    }
}
