//! The result of a verification, for people and for machines.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use crate::audit::verify::{Finding, Verification, Weight};
use crate::domain::{ExitStatus, Timestamp, hex};
use crate::report::{grouped, visible};

/// Shows a verification to people and machines.
pub(super) struct VerificationView<'a> {
    pub(super) path: &'a Path,
    pub(super) verification: &'a Verification,
    pub(super) exit: ExitStatus,
}

/// What each part of the check is about: the kinds of findings that speak against it.
const PAGES: &[&str] = &["corrupt", "index", "wal_foreign"];
const SCHEMA: &[&str] = &["schema_version", "schema_missing", "schema_altered", "schema_added"];
const CHAIN: &[&str] = &["records_missing", "hash", "genesis", "after_close", "merged_logs"];
const VALUES: &[&str] = &["type", "shape", "word", "time"];
const ACCOUNT: &[&str] =
    &["reference", "numbering", "settled_twice", "sent", "answer_without_send", "counts", "end", "unsettled"];
const REPLIES: &[&str] = &["verdict", "outcome", "doubt"];
const ANCHORS: &[&str] = &[
    "checkpoint_unreadable",
    "checkpoint_unsigned",
    "checkpoint_ahead",
    "checkpoint_differs",
    "checkpoint_time",
    "checkpoints_missing",
    "checkpoint_removed",
];

impl VerificationView<'_> {
    fn verdict(&self) -> String {
        let verification = self.verification;
        match verification.findings.weight() {
            Weight::Unsound => match verification.findings.first_bad_record() {
                Some(record) => {
                    format!("NOT SOUND; the first bad record is {}", grouped(record.unsigned_abs()))
                }
                None => "NOT SOUND".to_owned(),
            },
            Weight::Open if verification.findings.count("not_anchored") > 0 => {
                "OK: the log is intact. No checkpoint was given, so nothing shows that its end is complete"
                    .to_owned()
            }
            Weight::Open if verification.findings.count("end_not_anchored") > 0 => format!(
                "OK: the log is intact, and anchored up to record {} of {}; no checkpoint shows that its end is complete",
                grouped(verification.anchors.up_to.unwrap_or(0)),
                grouped(verification.totals.records)
            ),
            Weight::Open => "OK so far: the log is intact, but a run is not finished".to_owned(),
            Weight::Note => {
                let up_to = grouped(verification.anchors.up_to.unwrap_or(0));
                format!("OK: the log is intact, and anchored up to record {up_to}")
            }
        }
    }

    fn status(&self) -> &'static str {
        match self.verification.findings.weight() {
            Weight::Unsound => "not_sound",
            Weight::Open if self.verification.findings.count("not_anchored") > 0 => "not_anchored",
            Weight::Open if self.verification.findings.count("end_not_anchored") > 0 => "end_not_anchored",
            Weight::Open => "not_finished",
            Weight::Note => "anchored",
        }
    }

    /// What the check has shown.
    fn proven(&self) -> Vec<String> {
        let Verification { totals, findings, anchors, .. } = self.verification;
        let mut proven = Vec::new();
        if totals.records == 0 {
            return proven;
        }
        let mut add = |kinds: &[&str], words: String| {
            if kinds.iter().all(|kind| findings.count(kind) == 0) {
                proven.push(words);
            }
        };
        add(
            PAGES,
            "SQLite finds every page and row in order, and every index holds exactly what the records say"
                .to_owned(),
        );
        add(SCHEMA, "tables, indexes, triggers and views are exactly those that decom makes".to_owned());
        add(
            CHAIN,
            format!(
                "{}, from the first on without a gap, each matching its hash",
                counted(totals.records, "record")
            ),
        );
        add(
            VALUES,
            "every value is of its column's type, and no record is earlier than the one before".to_owned(),
        );
        add(
            ACCOUNT,
            format!(
                "{} ({} finished), {} and {} fit together: every target of a finished run has exactly one outcome, and the counts add up",
                counted(totals.runs, "run"),
                grouped(totals.finished),
                counted(totals.targets, "target"),
                counted(totals.attempts, "request"),
            ),
        );
        add(
            REPLIES,
            "every verdict and outcome fits what the API replied, as the records hold it".to_owned(),
        );
        if let Some(up_to) = anchors.up_to {
            let signers: Vec<_> = anchors.signers.iter().map(String::as_str).collect();
            add(
                ANCHORS,
                format!(
                    "{} by {} fit: up to record {}, nothing was altered or cut off since they were signed",
                    counted(anchors.checkpoints, "checkpoint"),
                    signers.join("; "),
                    grouped(up_to)
                ),
            );
        }
        proven
    }

    /// What is not proven.
    fn not_checked(&self) -> Vec<String> {
        let Verification { totals, anchors, .. } = self.verification;
        let mut open = Vec::new();
        match anchors.up_to {
            None => open.push(
                "that no records were cut off at the end, and that the log was not rewritten from the beginning: only checkpoints that are kept elsewhere show that".to_owned(),
            ),
            Some(up_to) => {
                let (from, to) = (up_to.saturating_add(1), totals.records);
                if from < to {
                    open.push(format!(
                        "records {} to {}: no checkpoint covers them; they could have been altered, rewritten or cut off",
                        grouped(from),
                        grouped(to)
                    ));
                } else if from == to {
                    open.push(format!(
                        "record {}: no checkpoint covers it; it could have been altered, rewritten or cut off",
                        grouped(to)
                    ));
                }
                open.push("that no one else has the signing key, and that the newest checkpoints are all here".to_owned());
            }
        }
        open.push(
            "that the API did what it answered, and that the clock of the machine was right".to_owned(),
        );
        open
    }

    pub(super) fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let verification = self.verification;
        writeln!(out, "{}: {}", visible(&self.path.to_string_lossy()), self.verdict())?;
        if let (Some(id), Some(head)) = (&verification.log_id, &verification.head) {
            writeln!(out, "\n  log      {}", visible(id))?;
            writeln!(out, "  records  {}", grouped(verification.totals.records))?;
            writeln!(out, "  head     {}", hex(head))?;
            if let Some(at) = verification.at_us {
                writeln!(out, "  written  {}", Timestamp::from_micros(at))?;
            }
        }
        for (title, weight) in [("Wrong", Weight::Unsound), ("Open", Weight::Open), ("Noted", Weight::Note)] {
            self.section(out, title, weight)?;
        }
        for (title, lines) in [("Proven", self.proven()), ("Not checked", self.not_checked())] {
            if !lines.is_empty() {
                writeln!(out, "\n{title}:")?;
            }
            for line in lines {
                writeln!(out, "  - {}", visible(&line))?;
            }
        }
        Ok(())
    }

    fn section(&self, out: &mut dyn Write, title: &str, weight: Weight) -> io::Result<()> {
        let findings = &self.verification.findings;
        let listed: Vec<&Finding> = findings.list().iter().filter(|it| it.weight() == weight).collect();
        if listed.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n{title}:")?;
        let mut kinds: Vec<&str> = Vec::new();
        for finding in &listed {
            // Names in it come from the file, and may hold what a terminal obeys.
            writeln!(out, "  - {}", visible(&finding.to_string()))?;
            if !kinds.contains(&finding.kind()) {
                kinds.push(finding.kind());
            }
        }
        for kind in kinds {
            let shown = listed.iter().filter(|it| it.kind() == kind).count() as u64;
            let more = findings.count(kind).saturating_sub(shown);
            if more > 0 {
                writeln!(out, "  - and {} more of the kind `{kind}`", grouped(more))?;
            }
        }
        Ok(())
    }

    pub(super) fn json(&self) -> Value {
        let Verification { log_id, head, totals, findings, anchors, .. } = self.verification;
        let listed: Vec<_> = findings
            .list()
            .iter()
            .map(|it| {
                let weight = match it.weight() {
                    Weight::Unsound => "unsound",
                    Weight::Open => "open",
                    Weight::Note => "note",
                };
                json!({
                    "kind": it.kind(),
                    "weight": weight,
                    "record": it.record(),
                    "message": visible(&it.to_string()),
                    "of_this_kind": findings.count(it.kind()),
                })
            })
            .collect();
        json!({
            "log": self.path.display().to_string(),
            "status": self.status(),
            "exit_code": self.exit.code(),
            "log_id": log_id,
            "records": totals.records,
            "head": head.as_ref().map(hex),
            "runs": totals.runs,
            "finished_runs": totals.finished,
            "targets": totals.targets,
            "requests": totals.attempts,
            "first_bad_record": findings.first_bad_record(),
            "findings": listed,
            "checkpoints": {
                "fitting": anchors.checkpoints,
                "of_other_logs": anchors.of_others,
                "up_to_record": anchors.up_to,
                "signers": anchors.signers,
            },
            "proven": self.proven(),
            "not_checked": self.not_checked(),
        })
    }
}

/// `1 record`, `2 records`.
fn counted(n: u64, thing: &str) -> String {
    format!("{} {thing}{}", grouped(n), if n == 1 { "" } else { "s" })
}
