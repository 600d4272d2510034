//! What was requested and the outcome of all of it; the two add up.

use maud::{Markup, html};

use super::Certificate;
use super::wording::{code, counted, name, number, share, text, unbroken};
use crate::domain::Outcome;

pub(super) fn section(certificate: &Certificate) -> Markup {
    html! {
        section #scope {
            h2 { span.no { "2" } "Scope and reconciliation" }
            (requested(certificate))
            (reconciliation(certificate))
        }
    }
}

fn requested(certificate: &Certificate) -> Markup {
    let (run, account) = (&certificate.run, &certificate.account);
    let planned = run.counts.planned();
    html! {
        dl.facts.wide {
            div { dt { "Input" } dd { (name(&run.input)) } }
            @if let Some(digest) = &run.input_sha256 {
                div { dt { "SHA-256 of the input" } dd { (code(digest)) } }
            }
            div {
                dt { (requested_noun(certificate)) }
                dd {
                    strong { (number(planned)) }
                    @if let Some(rows) = account.rows {
                        small {
                            "different names in " (counted(rows, "row", "rows"))
                            @if rows > planned {
                                ", of which " (counted(rows - planned, "repeats a name", "repeat a name"))
                            }
                        }
                    }
                }
            }
            @if let Some(digest) = &account.targets_sha256 {
                div { dt { "SHA-256 of the names" } dd { (code(digest)) } }
            }
            @if let Some(digest) = &run.plan_digest {
                div { dt { "Digest of the plan" } dd { (code(digest)) } }
            }
        }
    }
}

/// What was asked for.
fn requested_noun(certificate: &Certificate) -> &'static str {
    if certificate.run.with_datamarts { "Targets" } else { "Datasources requested" }
}

fn reconciliation(certificate: &Certificate) -> Markup {
    let (counts, account) = (&certificate.run.counts, &certificate.account);
    let planned = counts.planned();
    let skipped = account.skipped.iter().map(|(reason, n)| {
        let reason = reason.replace('_', " ");
        counted(*n, &reason, &reason)
    });
    let skipped = skipped.collect::<Vec<_>>().join(", ");
    html! {
        table.reconciliation {
            caption { "Every requested name has exactly one outcome." }
            thead {
                tr {
                    th scope="col" { "Outcome" }
                    th.n scope="col" { "Targets" }
                    th.n scope="col" { "Share" }
                    th scope="col" { "Meaning" }
                }
            }
            tbody {
                @for (outcome, n) in counts.occurring() {
                    tr {
                        th scope="row" { code { (outcome) } }
                        td.n { (number(n)) }
                        td.n { (share(n, planned)) }
                        td {
                            @if outcome == Outcome::Skipped { "not sent: " (text(&skipped)) }
                            @else { (unbroken(&certificate.facts().run.meaning(outcome))) }
                        }
                    }
                }
            }
            tfoot {
                tr {
                    th scope="row" { "Sum" }
                    td.n { (number(planned)) }
                    td.n { (share(planned, planned)) }
                    td { "equals the number of names requested" }
                }
            }
        }
    }
}
