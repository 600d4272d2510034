//! What a report of a period says in sentences: what it holds, what is missing in it, and what it cannot know. Each
//! follows from what was read.

use super::{PeriodLog, PeriodReport};
use crate::domain::MissingLog;
use crate::report::claims::{Anchoring, Checkpoint, CheckpointSignature};
use crate::report::text::{grouped, visible};

/// What the report holds, in one sentence.
pub(in crate::report) fn summary(report: &PeriodReport) -> String {
    let (targets, deleted) = (report.counts.targets(), report.counts.deleted());
    let emulated = if report.rehearsal { " of a rehearsal" } else { "" };
    let ended = if targets == 1 { "target got its outcome" } else { "targets got their outcomes" };
    let were = if deleted == 1 { "was" } else { "were" };
    let still = match report.counts.still_listed {
        0 => String::new(),
        n => format!(
            ", and {} of these {} still listed afterwards",
            grouped(n),
            if n == 1 { "was" } else { "were" }
        ),
    };
    format!(
        "{} {ended}{emulated} in this period; {} {were} deleted{still}.",
        grouped(targets),
        grouped(deleted)
    )
}

/// What is missing, or may be: nothing if all logs of the period were read.
pub(in crate::report) fn gaps(report: &PeriodReport) -> Vec<String> {
    let mut gaps: Vec<_> = report.missing.iter().map(missing_log).collect();
    let oldest = report.logs.iter().map(|log| log.begun_at).min();
    match oldest {
        // That there were others before is said by those that name them.
        Some(oldest) if oldest > report.period.from && report.missing.is_empty() => gaps.push(format!(
            "The oldest log begins at {oldest}, which is in the period, and names none before it. Nothing is known of the \
             time before."
        )),
        _ => {}
    }
    if report.issued_at < report.period.until {
        gaps.push(format!(
            "The period was not over when this was issued, at {}: what came later is not in it.",
            report.issued_at
        ));
    }
    gaps.extend(report.logs.iter().filter_map(unconfirmed));
    for run in &report.unsettled {
        gaps.push(format!(
            "Run {} is {}, and {} of its targets {} no outcome: {} not in the population.",
            visible(&run.run_id),
            run.status,
            grouped(run.pending),
            if run.pending == 1 { "has" } else { "have" },
            if run.pending == 1 { "it is" } else { "they are" },
        ));
    }
    if report.rehearsed > 0 {
        gaps.push(format!(
            "{} of rehearsals {} left out: nothing real was deleted.",
            if report.rehearsed == 1 {
                "1 target".to_owned()
            } else {
                format!("{} targets", grouped(report.rehearsed))
            },
            if report.rehearsed == 1 { "is" } else { "are" },
        ));
    }
    gaps
}

/// That a log is not at hand.
pub(in crate::report) fn missing_log(missing: &MissingLog) -> String {
    format!(
        "The log {} ({} records, put into {}) was not read: {}. What it holds is not in this report.",
        missing.log_id,
        grouped(missing.records),
        visible(&missing.file),
        missing.why
    )
}

/// What no checkpoint confirms of a log, if checkpoints were looked for.
fn unconfirmed(log: &PeriodLog) -> Option<String> {
    let (id, last) = (&log.state.id, log.state.head.seq);
    match &log.anchoring {
        Anchoring::NotLooked => None,
        Anchoring::NotFound => Some(format!(
            "No checkpoint of the log {id} was found, so nothing shows that its end was not cut off, or that it was not written \
             again as a whole."
        )),
        Anchoring::Found(Checkpoint { records, signature, .. }) => match signature {
            CheckpointSignature::Checked { .. } if *records >= last => None,
            CheckpointSignature::Checked { .. } => Some(format!(
                "The newest checkpoint of the log {id} confirms its first {} records; those after it, up to {}, are confirmed by \
                 none.",
                grouped(*records),
                grouped(last)
            )),
            CheckpointSignature::NotChecked => Some(format!(
                "The signatures of the checkpoints of the log {id} were not checked (--allowed-signers FILE checks them)."
            )),
            CheckpointSignature::Refused { .. } | CheckpointSignature::Missing => Some(format!(
                "No checkpoint of the log {id} has a signature that counts, so they prove nothing."
            )),
        },
    }
}

/// What no log of decom can show, and what was not looked at.
pub(in crate::report) fn not_covered(report: &PeriodReport) -> Vec<&'static str> {
    let mut lines = vec![
        "It knows of decom's deletions only, and only of those in these logs: what was deleted by hand, by another program, \
         or by a decom with another log is not in it.",
        "It covers the configuration in Databrain: not the databases that the datasources pointed to, backups, or the \
         vendor's logs.",
        "Operators, reasons, tickets and customers are as they were stated.",
    ];
    if report.logs.iter().any(|log| log.anchoring == Anchoring::NotLooked) {
        lines.push(
            "No checkpoints were looked at. The hashes show that nothing within a log was changed; that its end was not cut \
             off, and that it was not written again as a whole, only checkpoints kept elsewhere show (--checkpoint-dir DIR).",
        );
    }
    lines
}
