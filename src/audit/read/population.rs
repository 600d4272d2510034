//! All targets that got their outcome in a period, and what is not settled.

use std::rc::Rc;

use rusqlite::{Row, params};

use super::AuditReader;
use super::results::{COLUMNS, result};
use super::target_account::run_of_target;
use crate::audit::AuditError;
use crate::audit::record::{Content, request_from_detail};
use crate::domain::{LogState, Period, RecordMark, RunOfTarget, SettledTarget, Timestamp, UnsettledRun};

impl AuditReader {
    /// Hands each target that got its outcome in the period to `take`, in the order of the records, until that returns
    /// `false`. One is held at a time.
    pub fn each_settled(
        &self,
        period: &Period,
        take: &mut dyn FnMut(&SettledTarget) -> bool,
    ) -> Result<(), AuditError> {
        let query = format!(
            "SELECT {COLUMNS}, r.seq AS run_seq, t.detail AS target_detail
               FROM record o CROSS JOIN record t CROSS JOIN record r CROSS JOIN results v
              WHERE o.outcome IS NOT NULL AND o.at_us >= ?1 AND o.at_us < ?2
                AND t.seq = o.target AND r.seq = t.run AND v.run_id = r.name AND v.target = t.number
              ORDER BY o.seq"
        );
        let failed = |e| self.failed(e);
        let mut statement = self.connection.prepare(&query).map_err(failed)?;
        let bounds = params![period.from.as_micros(), period.until.as_micros()];
        let mut rows = statement.query(bounds).map_err(failed)?;
        // One writer, one run at a time.
        let mut current: Option<(i64, Rc<RunOfTarget>, Rc<str>)> = None;
        while let Some(row) = rows.next().map_err(failed)? {
            let run: i64 = row.get("run_seq").map_err(failed)?;
            if current.as_ref().is_none_or(|(known, ..)| *known != run) {
                let log_id = self.log_of(run)?.0;
                current = Some((run, Rc::new(self.run_at(run)?), log_id.into()));
            }
            let Some((_, run, log_id)) = &current else { continue };
            let detail: Option<String> = row.get("target_detail").map_err(failed)?;
            let settled = SettledTarget {
                log_id: log_id.clone(),
                run: run.clone(),
                result: result(row).map_err(failed)?,
                request: request_from_detail(detail.as_deref()),
            };
            if !take(&settled) {
                break;
            }
        }
        Ok(())
    }

    /// How many targets got their outcome in the period: of real runs, and of rehearsals.
    pub fn settled_counts(&self, period: &Period) -> Result<(u64, u64), AuditError> {
        let query = "SELECT count(*) FILTER (WHERE NOT rehearsal), count(*) FILTER (WHERE rehearsal)
                       FROM (SELECT (SELECT coalesce(r.detail ->> '$.settings.origin.command', '') = 'rehearse'
                                       FROM record r WHERE r.seq = o.run) AS rehearsal
                               FROM record o
                              WHERE o.outcome IS NOT NULL AND o.at_us >= ?1 AND o.at_us < ?2)";
        let bounds = params![period.from.as_micros(), period.until.as_micros()];
        self.connection
            .query_row(query, bounds, |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(|e| self.failed(e))
    }

    /// Returns true if the file holds the run.
    pub fn has_run(&self, run_id: &str) -> Result<bool, AuditError> {
        let query = "SELECT EXISTS (SELECT 1 FROM record WHERE kind = 'run' AND name = ?1)";
        self.connection.query_row(query, [run_id], |row| row.get(0)).map_err(|e| self.failed(e))
    }

    /// The run whose record is at the place `run`.
    pub(super) fn run_at(&self, run: i64) -> Result<RunOfTarget, AuditError> {
        let query = "SELECT r.name, r.at_us, r.reason, r.ticket, r.detail,
                            (SELECT status FROM runs WHERE run_id = r.name) FROM record r WHERE r.seq = ?1";
        self.connection
            .prepare_cached(query)
            .and_then(|mut statement| statement.query_row([run], run_of_target))
            .map_err(|e| self.failed(e))
    }

    /// The runs that began before the end of the period, and have targets without an outcome.
    pub fn unsettled_runs(&self, period: &Period) -> Result<Vec<UnsettledRun>, AuditError> {
        let query = "SELECT run_id, status, pending FROM runs WHERE pending > 0 AND started_at < ?1 ORDER BY started_at";
        let run = |row: &Row<'_>| {
            Ok(UnsettledRun { run_id: row.get(0)?, status: row.get(1)?, pending: row.get(2)? })
        };
        let mut statement = self.connection.prepare(query).map_err(|e| self.failed(e))?;
        let rows = statement.query_map([period.until.to_string()], run).map_err(|e| self.failed(e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.failed(e))
    }

    /// The logs in the file, each as it is now, and when it began.
    pub fn logs_now(&self) -> Result<Vec<(LogState, Timestamp)>, AuditError> {
        let mut logs = Vec::new();
        let query = "SELECT seq, at_us FROM record WHERE kind = 'log' AND name = ?1";
        for id in self.log_ids()? {
            let (first, begun): (i64, i64) = self
                .connection
                .query_row(query, [&id], |row| Ok((row.get(0)?, row.get(1)?)))
                .map_err(|e| self.failed(e))?;
            let head: RecordMark = self.head_of_log_at(first)?;
            logs.push((
                LogState { id, is_merged: self.content == Content::Merged, head },
                Timestamp::from_micros(begun),
            ));
        }
        Ok(logs)
    }
}
