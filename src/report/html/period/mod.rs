//! The report of a period as a page: the population and its digest, counts, what is missing, and a sample with details.

mod sample;

use std::collections::BTreeMap;
use std::io::{self, Write};

use maud::{Markup, html};
use sha2::{Digest, Sha256};

use super::page::{Frame, Page};
use super::signature::signature;
use super::wording::{self, code, counted, exact_time, name, number, share, text};
use crate::domain::hex;
use crate::report::claims::{Anchoring, Checkpoint, CheckpointSignature};
use crate::report::period::{GroupCount, PeriodLog, PeriodReport, gaps, not_covered, summary};

const STYLE: &str = include_str!("period.css");

/// How many operators or tickets are listed, those with the most targets; the population has all of them.
const LISTED: usize = 24;

impl PeriodReport {
    /// The id of the page: the first 16 hexadecimal digits of SHA-256 over the first day, the last day and the digest of the
    /// population, each followed by a line feed.
    #[must_use]
    pub fn id(&self) -> String {
        let (first, last) = (self.period.first(), self.period.last());
        let digest = Sha256::digest(format!("{first}\n{last}\n{}\n", self.population.sha256));
        hex(&digest[..8])
    }
}

/// Writes the report as one HTML page.
pub fn write_period_page(out: &mut dyn Write, report: &PeriodReport) -> io::Result<()> {
    let title = if report.rehearsal { "Rehearsal of deletions" } else { "Deletions in a period" };
    let id = report.id();
    let frame =
        Frame { title, id: &id, rehearsal: report.rehearsal, issued_by: &report.issued_by, style: STYLE };
    let mut page = Page::begin(out, &frame)?;
    page.put(&masthead(report, &frame))?;
    page.put(&population(report))?;
    page.put(&counts(report))?;
    page.put(&completeness(report))?;
    sample::section(&mut page, report)?;
    page.end(&html! {
        footer {
            p {
                (title) " " (code(&id)) ", issued " (wording::time(&report.issued_at.to_string())) " UTC by decom "
                (text(&report.issued_by)) " from the audit logs."
            }
        }
    })
}

fn masthead(report: &PeriodReport, frame: &Frame<'_>) -> Markup {
    let missing = gaps(report).len() as u64;
    html! {
        header.masthead {
            div.title {
                @if let Some(organisation) = &report.organisation {
                    p.organisation { bdi { (text(organisation)) } }
                }
                h1 { (frame.title) }
                dl.identity {
                    div { dt { "Period (UTC)" } dd { (report.period) } }
                    div { dt { "Id" } dd { (code(frame.id)) } }
                    div { dt { "Issued" } dd { (wording::time(&report.issued_at.to_string())) " UTC" } }
                }
            }
            div class=(format!("status {}", if missing == 0 { "complete" } else { "exceptions" })) {
                p {
                    span.label { "Gaps in these logs" }
                    strong { @if missing == 0 { "None found" } @else { (counted(missing, "gap", "gaps")) } }
                }
            }
            p.sentence { (summary(report)) }
        }
    }
}

fn population(report: &PeriodReport) -> Markup {
    let population = &report.population;
    html! {
        section #population {
            h2 { span.no { "1" } "Population" }
            p.words {
                "Every target of a run that got its outcome in the period, whatever the outcome: a CSV file with one row for "
                "each. The period begins on " (report.period.first()) " at 00:00 UTC and ends with the end of "
                (report.period.last()) "."
            }
            dl.facts.wide {
                div { dt { "Targets" } dd { (number(report.counts.targets())) ", of which " (number(report.counts.deleted())) " were deleted" } }
                div { dt { "SHA-256 of the file" } dd { (code(&population.sha256)) } }
                div {
                    dt { "File" }
                    dd {
                        @match &population.file {
                            Some(file) => { (name(file)) ", " (counted(population.bytes, "byte", "bytes")) small { "beside this page" } }
                            None => { (counted(population.bytes, "byte", "bytes")) small { "not written; the command below writes it" } }
                        }
                    }
                }
                div { dt { "Command" } dd { pre { (text(&population.command)) } } }
                @if let Some(fingerprint) = &report.signed_with {
                    div { dt { "Signature" } dd { (signature(Some(fingerprint))) } }
                }
            }
        }
    }
}

fn counts(report: &PeriodReport) -> Markup {
    let counts = &report.counts;
    let all = counts.targets();
    html! {
        section #counts {
            h2 { span.no { "2" } "Counts" }
            table.reconciliation {
                thead { tr {
                    th scope="col" { "Outcome" }
                    th.n scope="col" { "Targets" }
                    th.n scope="col" { "Share" }
                } }
                tbody {
                    @for (outcome, n) in counts.outcomes.occurring() {
                        tr {
                            th scope="row" { code { (outcome) } }
                            td.n { (number(n)) }
                            td.n { (share(n, all)) }
                        }
                    }
                }
                tfoot { tr {
                    th scope="row" { "Sum" }
                    td.n { (number(all)) }
                    td.n { (share(all, all)) }
                } }
            }
            div.groups { @for (heading, groups) in counts.groups() { (group(heading, groups)) } }
        }
    }
}

fn group(heading: &str, groups: &BTreeMap<Option<String>, GroupCount>) -> Markup {
    let mut listed: Vec<_> = groups.iter().collect();
    if listed.len() > LISTED {
        listed.sort_by_key(|(_, group)| std::cmp::Reverse(group.targets));
        listed.truncate(LISTED);
    }
    html! {
        div {
            h3 { "By " (heading) }
            table {
                thead { tr {
                    th scope="col" { (heading) }
                    th.n scope="col" { "Targets" }
                    th.n scope="col" { "Deleted" }
                } }
                tbody {
                    @for (key, group) in &listed {
                        tr {
                            td { @match key { Some(key) => { bdi { (text(key)) } } None => { span.none { "not recorded" } } } }
                            td.n { (number(group.targets)) }
                            td.n { (number(group.deleted)) }
                        }
                    }
                }
            }
            @if groups.len() > LISTED {
                p.cut { (counted((groups.len() - LISTED) as u64, "more is", "more are")) " in the population." }
            }
        }
    }
}

/// The newest checkpoint of the log, if its signature was checked.
fn confirmed(log: &PeriodLog) -> Markup {
    html! {
        @if let Anchoring::Found(Checkpoint { records, signature: CheckpointSignature::Checked { signers }, .. }) = &log.anchoring {
            small {
                "its first " (counted(*records, "record is", "records are")) " confirmed by a checkpoint signed by "
                (text(signers))
            }
        }
    }
}

fn completeness(report: &PeriodReport) -> Markup {
    let found = gaps(report);
    html! {
        section #completeness {
            h2 { span.no { "3" } "Completeness" }
            p.words {
                "The population was read from these audit logs. Before that, each was checked: every record matches its "
                "hash, their numbers have no gap, and the counts of each finished run add up. Each log names the one that it "
                "follows."
            }
            table.logs {
                thead { tr {
                    th scope="col" { "Log" }
                    th.n scope="col" { "Records" }
                    th scope="col" { "Begun (UTC)" }
                    th scope="col" { "Last record (UTC)" }
                } }
                tbody {
                    @for log in &report.logs {
                        tr {
                            td {
                                (code(&log.state.id))
                                small { "last hash " (code(&log.state.head.hash)) }
                                small { (name(&log.file)) }
                                (confirmed(log))
                            }
                            td.n { (number(log.state.head.seq)) }
                            td { (exact_time(&log.begun_at.to_string())) }
                            td { (exact_time(&log.state.head.at.to_string())) }
                        }
                    }
                }
            }
            h3 { "Gaps" }
            @if found.is_empty() {
                p.nothing { "None in these logs." }
            } @else {
                ul.limits { @for gap in &found { li { (text(gap)) } } }
            }
            h3 { "Not covered" }
            ul.limits { @for line in not_covered(report) { li { (line) } } }
        }
    }
}
