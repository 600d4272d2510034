//! The sample: each target with all that the log holds about it.

use std::io;

use maud::{Markup, html};

use crate::domain::TargetAccount;
use crate::report::ending::explanation;
use crate::report::html::page::Page;
use crate::report::html::wording::{code, exact_time, maybe, name, number, text, time};
use crate::report::period::PeriodReport;
use crate::report::show::{days, days_in_words};

pub(super) fn section(page: &mut Page<'_>, report: &PeriodReport) -> io::Result<()> {
    let Some(sample) = &report.sample else { return Ok(()) };
    page.literal("<section id=\"sample\">")?;
    page.put(&html! {
        h2 { span.no { "4" } "Sample" }
        p.words {
            (number(sample.accounts.len() as u64)) " of " (number(report.counts.targets()))
            " targets: those with the lowest SHA-256 over the seed " (code(&sample.seed.to_string()))
            ", the SHA-256 of the population, the run and the number of the target, each followed by a line feed. Whoever has "
            "the population can draw it again."
        }
    })?;
    for (place, account) in (1..).zip(&sample.accounts) {
        page.put(&drawn(place, account))?;
    }
    page.literal("</section>")
}

fn drawn(place: u64, account: &TargetAccount) -> Markup {
    let TargetAccount { run, result, request, .. } = account;
    html! {
        div.drawn {
            h3 { (number(place)) ". " (result.kind) " " (name(&result.name)) ": " (result.outcome.as_str().replace('_', " ")) }
            div.columns {
                dl.facts {
                    div { dt { "Settled (UTC)" } dd { @match &result.finished_at { Some(at) => { (exact_time(at)) } None => { "–" } } } }
                    div {
                        dt { "Known by" }
                        dd { (maybe(result.evidence.as_deref().map(|word| word.replace('_', " ")).as_deref())) small { (text(&explanation(result))) } }
                    }
                    @if let Some(id) = &result.datasource_id { div { dt { "API id" } dd { (code(id)) } } }
                    @if let Some(of) = &result.dependant_of { div { dt { "Datamart of" } dd { (name(of)) } } }
                    div { dt { "Customer" } dd { (maybe(request.customer.as_deref())) } }
                    div {
                        dt { "Requested" }
                        dd {
                            (maybe(request.requested_at.as_deref()))
                            @if let Some(days) = days(account) { small { "deleted " (days_in_words(days)) } }
                        }
                    }
                }
                dl.facts {
                    div {
                        dt { "Run" }
                        dd {
                            (code(&run.run_id)) ", no. " (number(result.target))
                            small { "begun " (time(&run.started_at.to_string())) " UTC on " (text(&run.base_url)) }
                        }
                    }
                    div { dt { "Operator" } dd { (maybe(run.operator.as_deref())) small { "as stated" } } }
                    div { dt { "Ticket" } dd { (maybe(result.target_ticket.as_deref().or(run.ticket.as_deref()))) } }
                    div { dt { "Reason" } dd { (maybe(result.target_reason.as_deref().or(run.reason.as_deref()))) } }
                    div {
                        dt { "Approved by" }
                        dd {
                            @match &run.approved_by { Some(by) => { bdi { (text(by)) } } None => { span.none { "no approval is recorded" } } }
                            @if let Some(digest) = &run.plan_digest { small { "plan " (code(digest)) } }
                        }
                    }
                }
            }
            (requests(account))
            (records(account))
        }
    }
}

fn requests(account: &TargetAccount) -> Markup {
    html! {
        @if !account.attempts.is_empty() {
            table.sent {
                thead { tr {
                    th scope="col" { "Sent (UTC)" }
                    th scope="col" { "Reply (UTC)" }
                    th scope="col" { "Verdict" }
                    th scope="col" { "X-Request-Id" }
                } }
                tbody {
                    @for attempt in &account.attempts {
                        tr {
                            td { (exact_time(&attempt.sent_at.to_string())) }
                            td { @if let Some(reply) = &attempt.reply { (exact_time(&reply.at.to_string())) } @else { "–" } }
                            td {
                                @if let Some(reply) = &attempt.reply {
                                    (text(&reply.verdict.replace('_', " ")))
                                    @if let Some(status) = reply.http_status { " (HTTP\u{a0}" (status) ")" }
                                } @else { "no reply is recorded" }
                            }
                            td { (code(&attempt.request_id)) }
                        }
                    }
                }
            }
        }
        @for look in &account.looks {
            p.words {
                "The listing of " (exact_time(&look.at.to_string())) " UTC "
                @if look.still_listed { strong.alarm { "still held it" } } @else { "did not hold it" } "."
            }
        }
    }
}

fn records(account: &TargetAccount) -> Markup {
    html! {
        table.records {
            thead { tr {
                th.n scope="col" { "Record" }
                th scope="col" { "Kind" }
                th scope="col" { "Time (UTC)" }
                th scope="col" { "SHA-256" }
            } }
            tbody {
                @for record in &account.records {
                    tr {
                        td.n { (number(record.seq)) }
                        td { (record.kind) }
                        td { (exact_time(&record.at.to_string())) }
                        td { code.hash { (record.hash) } }
                    }
                }
            }
        }
        p.words { "Records of the log " (code(&account.log_id)) "." }
    }
}
