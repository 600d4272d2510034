//! What reports need to know of the log: its public views, read as they are.

use rusqlite::{OptionalExtension, Row};

use super::AuditReader;
use crate::audit::AuditError;
use crate::domain::{Counts, Outcome, ResourceKind, RunSummary, Seq};

/// The runs whose id is, or begins with, ?1: the view, but for its counts, of which each walks through all of a run.
const RUN: &str = "
    SELECT (SELECT seq FROM record WHERE kind = 'run' AND name = run_id) AS seq, run_id, started_at, finished_at,
           status, input, input_sha256, operator, reason, ticket, base_url, tool_version, host, exit_code,
           plan_digest, approved_by, retry_of, rate, rehearsal
      FROM runs WHERE run_id = ?1 OR substr(run_id, 1, length(?1)) = ?1 ORDER BY run_id";

impl AuditReader {
    /// All runs, the newest first.
    pub fn runs(&self) -> Result<Vec<RunSummary>, AuditError> {
        let mut statement = self
            .connection
            .prepare(
                "SELECT (SELECT seq FROM record WHERE kind = 'run' AND name = run_id) AS seq, *
                   FROM runs ORDER BY started_at DESC, run_id DESC",
            )
            .map_err(|e| self.failed(e))?;
        let rows = statement
            .query_map([], |row| Ok((Seq(row.get("seq")?), summary(row, counts(row)?)?)))
            .map_err(|e| self.failed(e))?;
        let mut runs = Vec::new();
        for row in rows {
            let (seq, mut run) = row.map_err(|e| self.failed(e))?;
            self.complete(seq, &mut run)?;
            runs.push(run);
        }
        Ok(runs)
    }

    /// How many targets of `run` were skipped because an earlier run had deleted them.
    fn already_deleted(&self, run: Seq) -> Result<u64, AuditError> {
        self.ask(
            run,
            "SELECT count(*) FROM record WHERE run = ?1 AND outcome = 'skipped' AND detail = 'already_deleted'",
        )
    }

    /// Adds what the view does not have.
    fn complete(&self, seq: Seq, run: &mut RunSummary) -> Result<(), AuditError> {
        if run.counts.of(Outcome::Skipped) > 0 {
            run.already_deleted = self.already_deleted(seq)?;
        }
        run.still_listed = self.still_listed(seq)?;
        run.with_datamarts = self.kinds_of(seq)?.contains(&ResourceKind::Datamart);
        Ok(())
    }

    /// How many targets of `run` ended as gone and were still listed, by outcome. A run that was interrupted may have
    /// looked twice.
    fn still_listed(&self, run: Seq) -> Result<Counts, AuditError> {
        let query = "SELECT o.outcome, count(DISTINCT c.target) FROM record c
                       JOIN record o ON o.target = c.target AND o.outcome IN ('deleted', 'deleted_unconfirmed')
                      WHERE c.kind = 'check' AND c.run = ?1 AND c.evidence = 'still_listed' GROUP BY o.outcome";
        self.counts_by(run, query)
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
        let counted = |(seq, mut run): (Seq, RunSummary)| {
            run.counts = self.counts(seq)?;
            self.complete(seq, &mut run)?;
            Ok(run)
        };
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
                // A worker that found its queue empty did nothing that is worth a report.
                "SELECT name FROM record r WHERE kind = 'run'
                  ORDER BY EXISTS (SELECT 1 FROM record t WHERE t.kind = 'target' AND t.run = r.seq) DESC,
                           at_us DESC, +seq DESC LIMIT 1",
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
        already_deleted: 0,
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
        rehearsal: row.get("rehearsal")?,
        with_datamarts: false,
        still_listed: Counts::default(),
    })
}
