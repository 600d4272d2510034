//! What reports need to know of the log: its public views, read as they are.

use rusqlite::{OptionalExtension, Row};

use super::AuditReader;
use crate::audit::AuditError;
use crate::domain::{Counts, HistoryEntry, Outcome, RunSummary, Seq, TargetResult};

/// The runs whose id is, or begins with, ?1: the view, but for its counts, of which each walks through all of a run.
const RUN: &str = "
    SELECT (SELECT seq FROM record WHERE kind = 'run' AND name = run_id) AS seq, run_id, started_at, finished_at,
           status, input, input_sha256, operator, reason, ticket, base_url, tool_version, host, exit_code,
           plan_digest, approved_by, retry_of, rate
      FROM runs WHERE run_id = ?1 OR substr(run_id, 1, length(?1)) = ?1 ORDER BY run_id";

impl AuditReader {
    /// All runs, the newest first.
    pub fn runs(&self) -> Result<Vec<RunSummary>, AuditError> {
        let mut statement = self
            .connection
            .prepare("SELECT * FROM runs ORDER BY started_at DESC, run_id DESC")
            .map_err(|e| self.failed(e))?;
        let rows = statement.query_map([], |row| summary(row, counts(row)?)).map_err(|e| self.failed(e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.failed(e))
    }

    /// The run whose id is, or begins with, `wanted`; the newest one where nothing is wanted.
    ///
    /// # Errors
    /// Where there is none, or more than one.
    pub fn run(&self, wanted: Option<&str>) -> Result<RunSummary, AuditError> {
        let Some(wanted) = wanted else {
            return self.newest()?.ok_or_else(|| AuditError::NoRuns { path: self.path.clone() });
        };
        // Of one moment, together with its counts.
        let _moment = if self.connection.is_autocommit() { Some(self.hold_still()?) } else { None };
        let mut statement = self.connection.prepare(RUN).map_err(|e| self.failed(e))?;
        let rows = statement
            .query_map([wanted], |row| Ok((Seq(row.get("seq")?), summary(row, Counts::default())?)))
            .map_err(|e| self.failed(e))?;
        let mut found = rows.collect::<Result<Vec<_>, _>>().map_err(|e| self.failed(e))?;
        let counted = |(seq, run)| Ok(RunSummary { counts: self.counts(seq)?, ..run });
        if let Some(exact) = found.iter().position(|(_, run)| run.run_id == wanted) {
            return counted(found.swap_remove(exact));
        }
        if found.len() > 1 {
            let candidates = found.iter().take(3).map(|(_, run)| run.run_id.as_str()).collect::<Vec<_>>();
            return Err(AuditError::AmbiguousRun {
                path: self.path.clone(),
                wanted: wanted.to_owned(),
                candidates: candidates.join(", "),
            });
        }
        found.pop().filter(|_| !wanted.is_empty()).ok_or_else(|| self.no_such_run(wanted)).and_then(counted)
    }

    fn newest(&self) -> Result<Option<RunSummary>, AuditError> {
        let id: Option<String> = self
            .connection
            .query_row(
                "SELECT name FROM record WHERE kind = 'run' ORDER BY at_us DESC, +seq DESC LIMIT 1",
                [],
                |row| row.get(0),
            )
            .optional()
            .map_err(|e| self.failed(e))?;
        id.map(|id| self.run(Some(&id))).transpose()
    }

    fn no_such_run(&self, wanted: &str) -> AuditError {
        AuditError::NoSuchRun { path: self.path.clone(), wanted: wanted.to_owned() }
    }

    /// What became of the datasource of this name, over all runs, the oldest first.
    pub fn history_of(&self, datasource: &str) -> Result<Vec<HistoryEntry>, AuditError> {
        let mut statement = self
            .connection
            .prepare(
                "SELECT r.started_at, r.retry_of, r.plan_digest, r.approved_by, t.*
                   FROM results t JOIN runs r ON r.run_id = t.run_id
                  WHERE t.datasource = ?1 ORDER BY r.started_at, r.run_id, t.target",
            )
            .map_err(|e| self.failed(e))?;
        let entry = |row: &Row<'_>| {
            Ok(HistoryEntry {
                started_at: row.get("started_at")?,
                retry_of: row.get("retry_of")?,
                plan_digest: row.get("plan_digest")?,
                approved_by: row.get("approved_by")?,
                result: result(row)?,
            })
        };
        let rows = statement.query_map([datasource], entry).map_err(|e| self.failed(e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.failed(e))
    }

    /// How many attempts the run made.
    pub fn attempts(&self, run_id: &str) -> Result<u64, AuditError> {
        self.connection
            .query_row(
                "SELECT count(*) FROM record s JOIN record t ON t.seq = s.target JOIN record r ON r.seq = t.run
                  WHERE s.kind = 'send' AND t.kind = 'target' AND r.kind = 'run' AND r.name = ?1",
                [run_id],
                |row| row.get(0),
            )
            .map_err(|e| self.failed(e))
    }

    /// Hands name, reason and ticket of each target of the run that ended in one of `outcomes` to
    /// `take`, in the order of the targets, until that returns `false`.
    pub fn each_input(
        &self,
        run_id: &str,
        outcomes: &[Outcome],
        mut take: impl FnMut(String, Option<String>, Option<String>) -> bool,
    ) -> Result<(), AuditError> {
        let mut statement = self
            .connection
            .prepare(
                "SELECT t.name, t.reason, t.ticket, coalesce(o.outcome, 'pending')
                   FROM record r
                   JOIN record t ON t.run = r.seq AND t.kind = 'target'
                   LEFT JOIN record o ON o.target = t.seq AND o.outcome IS NOT NULL
                  WHERE r.kind = 'run' AND r.name = ?1 ORDER BY t.number",
            )
            .map_err(|e| self.failed(e))?;
        let mut rows = statement.query([run_id]).map_err(|e| self.failed(e))?;
        while let Some(row) = rows.next().map_err(|e| self.failed(e))? {
            let read = |row: &Row<'_>| {
                Ok::<_, rusqlite::Error>((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            };
            let (name, reason, ticket, outcome): (_, _, _, String) = read(row).map_err(|e| self.failed(e))?;
            let wanted = outcomes.iter().any(|wanted| wanted.as_str() == outcome);
            if wanted && !take(name, reason, ticket) {
                break;
            }
        }
        Ok(())
    }
}

/// The counts of a row of the view `runs`.
fn counts(row: &Row<'_>) -> rusqlite::Result<Counts> {
    let mut counts = Counts::default();
    for outcome in Outcome::ALL {
        counts.add(outcome, row.get(outcome.as_str())?);
    }
    Ok(counts)
}

fn summary(row: &Row<'_>, counts: Counts) -> rusqlite::Result<RunSummary> {
    Ok(RunSummary {
        run_id: row.get("run_id")?,
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
        status: row.get("status")?,
        input: row.get("input")?,
        input_sha256: row.get("input_sha256")?,
        counts,
        operator: row.get("operator")?,
        reason: row.get("reason")?,
        ticket: row.get("ticket")?,
        base_url: row.get("base_url")?,
        tool_version: row.get("tool_version")?,
        host: row.get("host")?,
        exit_code: row.get("exit_code")?,
        plan_digest: row.get("plan_digest")?,
        approved_by: row.get("approved_by")?,
        retry_of: row.get("retry_of")?,
        rate: row.get("rate")?,
    })
}

pub(super) fn result(row: &Row<'_>) -> rusqlite::Result<TargetResult> {
    let outcome: String = row.get("outcome")?;
    let outcome = outcome.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(TargetResult {
        run_id: row.get("run_id")?,
        target: row.get("target")?,
        datasource: row.get("datasource")?,
        outcome,
        attempts: row.get("attempts")?,
        http_status: row.get("http_status")?,
        error_code: row.get("error_code")?,
        message: row.get("message")?,
        datasource_id: row.get("datasource_id")?,
        evidence: row.get("evidence")?,
        detail: row.get("detail")?,
        first_attempt_at: row.get("first_attempt_at")?,
        finished_at: row.get("finished_at")?,
        target_reason: row.get("target_reason")?,
        target_ticket: row.get("target_ticket")?,
        message_id: row.get("message_id")?,
    })
}
