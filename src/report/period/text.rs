//! A period as text and as Markdown.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{GroupCount, PeriodReport, gaps, not_covered, summary};
use crate::domain::TargetAccount;
use crate::report::ending::explanation;
use crate::report::text::{grouped, markdown, visible};

/// How many tickets are listed; the population has all of them.
const LISTED: usize = 50;

const REHEARSAL: &str = "REHEARSAL: nothing real was deleted.";

pub(super) fn table(out: &mut dyn Write, report: &PeriodReport) -> io::Result<()> {
    if report.rehearsal {
        writeln!(out, "{REHEARSAL}\n")?;
    }
    writeln!(out, "Period {} (UTC, both days included)\n{}\n", report.period, summary(report))?;
    for (outcome, n) in report.counts.outcomes.occurring() {
        writeln!(out, "  {:>9}  {outcome}", grouped(n))?;
    }
    for (heading, groups) in report.counts.groups().into_iter().filter(|(_, groups)| !groups.is_empty()) {
        writeln!(out, "\nBy {heading}:")?;
        for (key, group) in groups.iter().take(LISTED) {
            let key = key.as_deref().map_or_else(|| "(none)".into(), visible);
            writeln!(out, "  {:>9}  {key}  ({} deleted)", grouped(group.targets), grouped(group.deleted))?;
        }
        if let Some(more) = more(groups) {
            writeln!(out, "             {more}")?;
        }
    }
    writeln!(out, "\nPopulation: SHA-256 {}\n  {}", report.population.sha256, report.population.command)?;
    writeln!(out, "\nLogs:")?;
    for log in &report.logs {
        let head = &log.state.head;
        writeln!(
            out,
            "  {}  {} records, {} to {}, last hash {}",
            log.state.id,
            grouped(head.seq),
            log.begun_at,
            head.at,
            head.hash
        )?;
    }
    writeln!(out, "\nGaps:")?;
    let found = gaps(report);
    if found.is_empty() {
        writeln!(out, "  none in these logs")?;
    }
    for gap in &found {
        writeln!(out, "  - {gap}")?;
    }
    writeln!(out, "\nNot covered:")?;
    for line in not_covered(report) {
        writeln!(out, "  - {line}")?;
    }
    if let Some(sample) = &report.sample {
        writeln!(out, "\nSample of {} with seed {}:", grouped(sample.accounts.len() as u64), sample.seed)?;
        for account in &sample.accounts {
            let result = &account.result;
            let at = result.finished_at.as_deref().unwrap_or_default();
            let (run, name) = (visible(&result.run_id), result.label());
            writeln!(
                out,
                "  {run} no. {}  {}  {at}  {}  {}",
                result.target,
                visible(&name),
                result.outcome,
                explanation(result)
            )?;
        }
    }
    Ok(())
}

fn more(groups: &BTreeMap<Option<String>, GroupCount>) -> Option<String> {
    let left = groups.len().checked_sub(LISTED).filter(|left| *left > 0)?;
    Some(format!("and {} more; the population has all of them", grouped(left as u64)))
}

pub(super) fn markdown_page(out: &mut dyn Write, report: &PeriodReport) -> io::Result<()> {
    writeln!(out, "# Period {}\n", report.period)?;
    if report.rehearsal {
        writeln!(out, "**{REHEARSAL}**\n")?;
    }
    writeln!(out, "{}\n\n## Outcomes\n\n| outcome | targets |\n|---|---:|", summary(report))?;
    for (outcome, n) in report.counts.outcomes.occurring() {
        writeln!(out, "| {} | {n} |", markdown(outcome.as_str()))?;
    }
    writeln!(out, "| **all** | **{}** |", report.counts.targets())?;
    for (heading, groups) in report.counts.groups().into_iter().filter(|(_, groups)| !groups.is_empty()) {
        writeln!(out, "\n## By {heading}\n\n| {heading} | targets | deleted |\n|---|---:|---:|")?;
        for (key, group) in groups.iter().take(LISTED) {
            let key = markdown(key.as_deref().unwrap_or("(none)"));
            writeln!(out, "| {key} | {} | {} |", group.targets, group.deleted)?;
        }
        if let Some(more) = more(groups) {
            writeln!(out, "\n{more}")?;
        }
    }
    let population = &report.population;
    writeln!(out, "\n## Population\n\nSHA-256 `{}`, {} bytes:\n", population.sha256, population.bytes)?;
    writeln!(out, "    {}\n", visible(&population.command))?;
    writeln!(out, "## Logs\n\n| log | records | begun | last record | last hash |\n|---|---:|---|---|---|")?;
    for log in &report.logs {
        let head = &log.state.head;
        writeln!(
            out,
            "| {} | {} | {} | {} | `{}` |",
            log.state.id, head.seq, log.begun_at, head.at, head.hash
        )?;
    }
    writeln!(out, "\n## Gaps\n")?;
    let found = gaps(report);
    if found.is_empty() {
        writeln!(out, "None in these logs.")?;
    }
    for gap in &found {
        writeln!(out, "- {}", markdown(gap))?;
    }
    writeln!(out, "\n## Not covered\n")?;
    for line in not_covered(report) {
        writeln!(out, "- {}", markdown(line))?;
    }
    if let Some(sample) = &report.sample {
        writeln!(
            out,
            "\n## Sample\n\n{} with seed {}\n\n| run | target | resource | outcome | finished | operator | ticket | plan | requests | why |\n\
             |---|---:|---|---|---|---|---|---|---|---|",
            sample.accounts.len(),
            sample.seed
        )?;
        for account in &sample.accounts {
            writeln!(out, "| {} |", cells(account).join(" | "))?;
        }
    }
    Ok(())
}

fn cells(account: &TargetAccount) -> [String; 10] {
    let TargetAccount { run, result, attempts, .. } = account;
    let text = |text: Option<&str>| markdown(text.unwrap_or_default());
    let requests: Vec<_> = attempts.iter().map(|attempt| attempt.request_id.as_str()).collect();
    [
        markdown(&result.run_id),
        result.target.to_string(),
        markdown(&result.label()),
        markdown(result.outcome.as_str()),
        text(result.finished_at.as_deref()),
        text(run.operator.as_deref()),
        text(result.target_ticket.as_deref().or(run.ticket.as_deref())),
        text(run.plan_digest.as_deref()),
        markdown(&requests.join(", ")),
        markdown(&explanation(result)),
    ]
}
