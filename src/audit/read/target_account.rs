//! Targets with all that the log holds about them: of one name over all runs, or one by one.

use rusqlite::{Row, params};

use super::AuditReader;
use super::results::{COLUMNS, result};
use crate::audit::AuditError;
use crate::audit::record::{Hash, request_from_detail};
use crate::domain::{
    AttemptAccount, AttemptReply, ListingLook, RecordOfTarget, ResourceKind, RunOfTarget, TargetAccount,
    Timestamp, hex,
};

/// The targets of the name ?1: of the kind ?2, or of both.
const OF_NAME: &str = "SELECT t.seq, t.run FROM record t
    WHERE t.kind = 'target' AND t.name = ?1
      AND (?2 IS NULL OR coalesce(t.detail ->> '$.kind', 'datasource') = ?2) ORDER BY t.seq";

/// The datamarts that the run ?2 took along for the datasource ?1.
const DATAMARTS: &str = "SELECT t.seq, t.run FROM record t
    WHERE t.kind = 'target' AND t.run = ?2 AND t.detail ->> '$.dependant_of' = ?1 ORDER BY t.seq";

/// A record about a target, and when the listing was read after its outcome.
const RECORDS: &str = "
    SELECT seq, kind, at_us, hash, number, verdict, http_status, evidence, outcome FROM record
     WHERE seq = ?1 OR target = ?1
    UNION ALL
    SELECT c.seq, c.kind, c.at_us, c.hash, c.number, c.verdict, c.http_status, c.evidence, c.outcome
      FROM record o JOIN record c ON c.run = o.run AND c.kind = 'check' AND c.target IS NULL AND c.seq > o.seq
     WHERE o.target = ?1 AND o.outcome IN ('deleted', 'deleted_unconfirmed')
     ORDER BY seq";

impl AuditReader {
    /// What each run did with the resources of this name, of one kind or of both, and with the datamarts that it took
    /// along for a datasource of this name, the oldest first.
    pub fn accounts_of(
        &self,
        kind: Option<ResourceKind>,
        name: &str,
    ) -> Result<Vec<TargetAccount>, AuditError> {
        let mut found = self.places(OF_NAME, params![name, kind.map(ResourceKind::as_str)])?;
        if kind != Some(ResourceKind::Datamart) {
            let mut runs: Vec<_> = found.iter().map(|(_, run)| *run).collect();
            runs.dedup();
            for run in runs {
                found.extend(self.places(DATAMARTS, params![name, run])?);
            }
        }
        // A datamart may have the name of its datasource.
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|(target, run)| self.account_at(target, run)).collect()
    }

    /// The target with this number of the run.
    pub fn target_account(&self, run_id: &str, number: u64) -> Result<TargetAccount, AuditError> {
        let query = "SELECT t.seq, t.run FROM record r JOIN record t ON t.run = r.seq
                      WHERE r.kind = 'run' AND r.name = ?1 AND t.kind = 'target' AND t.number = ?2";
        let place = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let found = self.connection.query_row(query, params![run_id, number], place);
        let (target, run) = found.map_err(|e| self.failed(e))?;
        self.account_at(target, run)
    }

    fn places(&self, query: &str, values: impl rusqlite::Params) -> Result<Vec<(i64, i64)>, AuditError> {
        let mut statement = self.connection.prepare_cached(query).map_err(|e| self.failed(e))?;
        let rows = statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)));
        rows.and_then(Iterator::collect).map_err(|e| self.failed(e))
    }

    /// The target at the place `target`, of the run at the place `run`.
    fn account_at(&self, target: i64, run: i64) -> Result<TargetAccount, AuditError> {
        let (log_id, shift) = self.log_of(run)?;
        let query =
            "SELECT r.hash, t.number, t.detail FROM record r, record t WHERE r.seq = ?1 AND t.seq = ?2";
        let (hash, number, detail): (Hash, u64, Option<String>) = self
            .connection
            .prepare_cached(query)
            .and_then(|mut statement| {
                statement.query_row([run, target], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            })
            .map_err(|e| self.failed(e))?;
        let of_run = self.run_at(run)?;
        let first = marked((run - shift, "run".to_owned(), of_run.started_at, hash));
        let query = format!("SELECT {COLUMNS} FROM results v WHERE v.run_id = ?1 AND v.target = ?2");
        let result = self
            .connection
            .prepare_cached(&query)
            .and_then(|mut statement| statement.query_row(params![of_run.run_id, number], result))
            .map_err(|e| self.failed(e))?;
        let mut account = TargetAccount {
            log_id,
            result,
            request: request_from_detail(detail.as_deref()),
            attempts: Vec::new(),
            looks: Vec::new(),
            records: vec![first],
            run: of_run,
        };
        let mut statement = self.connection.prepare_cached(RECORDS).map_err(|e| self.failed(e))?;
        let mut rows = statement.query([target]).map_err(|e| self.failed(e))?;
        while let Some(row) = rows.next().map_err(|e| self.failed(e))? {
            add(&mut account, row, shift).map_err(|e| self.failed(e))?;
        }
        Ok(account)
    }
}

/// Adds what one record says.
fn add(account: &mut TargetAccount, row: &Row<'_>, shift: i64) -> rusqlite::Result<()> {
    let (kind, at): (String, _) = (row.get(1)?, Timestamp::from_micros(row.get(2)?));
    match kind.as_str() {
        "send" => {
            let number = row.get(4)?;
            let request_id = format!("{}-{}-{number}", account.run.run_id, account.result.target);
            account.attempts.push(AttemptAccount { number, request_id, sent_at: at, reply: None });
        }
        "answer" => {
            let number: u32 = row.get(4)?;
            let reply = AttemptReply { at, verdict: row.get(5)?, http_status: row.get(6)? };
            if let Some(attempt) = account.attempts.iter_mut().find(|attempt| attempt.number == number) {
                attempt.reply = Some(reply);
            }
        }
        "check" => {
            let evidence: Option<String> = row.get(7)?;
            let still_listed = evidence.as_deref() == Some("still_listed");
            // A reading that shows one target names it in a record of its own, and stands for all others.
            if !account.looks.iter().any(|look| look.at == at) {
                account.looks.push(ListingLook { at, still_listed });
            }
        }
        _ => {}
    }
    account.records.push(marked((row.get::<_, i64>(0)? - shift, kind, at, row.get(3)?)));
    Ok(())
}

fn marked((seq, kind, at, hash): (i64, String, Timestamp, Hash)) -> RecordOfTarget {
    RecordOfTarget { seq: seq.unsigned_abs(), kind, at, hash: hex(hash) }
}

/// A run, from its name, time, reason, ticket, detail and status.
pub(super) fn run_of_target(row: &Row<'_>) -> rusqlite::Result<RunOfTarget> {
    let detail: String = row.get(4)?;
    let detail: serde_json::Value = serde_json::from_str(&detail).unwrap_or_default();
    let origin = &detail["settings"]["origin"];
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    Ok(RunOfTarget {
        run_id: row.get(0)?,
        started_at: Timestamp::from_micros(row.get(1)?),
        status: row.get(5)?,
        base_url: text(&detail["base_url"]).unwrap_or_default(),
        operator: text(&detail["operator"]),
        reason: row.get(2)?,
        ticket: row.get(3)?,
        plan_digest: text(&origin["plan_digest"]),
        approved_by: text(&origin["approved_by"]),
        retry_of: text(&origin["retry_of"]),
        rehearsal: origin["command"] == "rehearse",
    })
}
