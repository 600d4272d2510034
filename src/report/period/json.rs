//! A period as JSON.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{PeriodReport, gaps, not_covered};
use crate::domain::Outcome;
use crate::report::claims::{Anchoring, Checkpoint, CheckpointSignature};
use crate::report::show::{account_object, missing_object};

pub(super) fn object(out: &mut dyn Write, report: &PeriodReport) -> io::Result<()> {
    let PeriodReport { period, population, counts, logs, sample, .. } = report;
    let outcomes: serde_json::Map<String, Value> = Outcome::ALL
        .into_iter()
        .filter(|outcome| *outcome != Outcome::Pending)
        .map(|outcome| (outcome.to_string(), json!(counts.outcomes.of(outcome))))
        .collect();
    let group = |groups: &std::collections::BTreeMap<Option<String>, super::GroupCount>| -> Value {
        groups
            .iter()
            .map(|(key, group)| json!({ "value": key, "targets": group.targets, "deleted": group.deleted }))
            .collect()
    };
    let logs = logs.iter().map(|log| {
        json!({
            "log_id": log.state.id,
            "records": log.state.head.seq,
            "head": log.state.head.hash,
            "begun_at": log.begun_at.to_string(),
            "last_record_at": log.state.head.at.to_string(),
            "file": log.file,
            "checked_up_to": checked_up_to(&log.anchoring),
        })
    });
    let sample = sample.as_ref().map(|sample| {
        json!({
            "seed": sample.seed,
            "wanted": sample.wanted,
            "targets": sample.accounts.iter().map(account_object).collect::<Vec<_>>(),
        })
    });
    let object = json!({
        "counts": {
            "targets": counts.targets(),
            "deleted": counts.deleted(),
            "still_listed": counts.still_listed,
            "by_outcome": outcomes,
            "by_month": group(&counts.months),
            "by_operator": group(&counts.operators),
            "by_ticket": group(&counts.tickets),
        },
        "gaps": gaps(report),
        "logs": logs.collect::<Vec<_>>(),
        "missing_logs": report.missing.iter().map(missing_object).collect::<Vec<_>>(),
        "not_covered": not_covered(report),
        "period": {
            "from": period.first(),
            "to": period.last(),
            "begins_at": period.from.to_string(),
            "ends_before": period.until.to_string(),
        },
        "population": {
            "sha256": population.sha256,
            "bytes": population.bytes,
            "command": population.command,
        },
        "rehearsal": report.rehearsal,
        "sample": sample,
    });
    writeln!(out, "{object}")
}

/// The number of records that a checkpoint confirms whose signature was checked.
const fn checked_up_to(anchoring: &Anchoring) -> Option<u64> {
    match anchoring {
        Anchoring::Found(Checkpoint { records, signature: CheckpointSignature::Checked { .. }, .. }) => {
            Some(*records)
        }
        _ => None,
    }
}
