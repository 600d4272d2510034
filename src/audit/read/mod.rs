//! Reading the log, at any time, also while it is being written: what a run needs to know of it while it
//! goes on, and what reports tell of it.

mod account;
mod clock;
mod gone;
mod open;
mod origin;
mod results;
mod role;
mod runs;

use std::path::{Path, PathBuf};

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, params};

pub use account::{Moment, Voucher};
pub use origin::RunOrigin;

use crate::audit::AuditError;
use crate::audit::record::Content;
use crate::domain::{Counts, DatasourceName, Outcome, ResourceKind, Seq, Target};
use role::{kind_is, role_of};

/// Asks the log questions. Never writes, and never blocks the writer.
#[derive(Debug)]
pub struct AuditReader {
    pub(in crate::audit) connection: Connection,
    pub(in crate::audit) path: PathBuf,
    pub(in crate::audit) content: Content,
}

/// A run that is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRun {
    /// Its place.
    pub seq: Seq,
    /// Its id.
    pub run_id: String,
    /// When it began (RFC 3339, UTC).
    pub started_at: String,
    /// Where the API was.
    pub base_url: String,
    /// Who approved its plan.
    pub approved_by: Option<String>,
}

/// Whether an attempt of target `t` itself got no clear answer: sent without an answer in the log,
/// or answered unclearly.
const DOUBTED_HERE: &str = "EXISTS (
    SELECT 1 FROM record s
    LEFT JOIN record a ON a.target = s.target AND a.number = s.number AND a.kind = 'answer'
    WHERE s.target = t.seq AND s.kind = 'send'
      AND (a.verdict IS NULL OR a.verdict IN ('server_error', 'no_answer')))";

/// Whether nobody knows if the resource of target `t` was deleted: some attempt for its kind and name on
/// this host (?4), of whichever run, got no clear answer, and nothing that came later told whether
/// it exists. A refusal for another reason (403) tells nothing of the kind.
const DOUBTED: &str = "EXISTS (
    SELECT 1 FROM record e
    JOIN record r ON r.seq = e.run
    JOIN record s ON s.target = e.seq AND s.kind = 'send'
    LEFT JOIN record a ON a.target = s.target AND a.number = s.number AND a.kind = 'answer'
    WHERE e.kind = 'target' AND e.name = t.name
      AND coalesce(e.detail ->> '$.kind', 'datasource') = coalesce(t.detail ->> '$.kind', 'datasource')
      AND (e.run = t.run OR r.detail ->> '$.base_url' = ?4)
      AND (a.verdict IS NULL OR a.verdict IN ('server_error', 'no_answer'))
      AND NOT EXISTS (
        SELECT 1 FROM record l
        JOIN record q ON q.seq = l.run
        JOIN record o ON o.target = l.seq
        WHERE l.kind = 'target' AND l.name = t.name AND o.seq > s.seq
          AND coalesce(l.detail ->> '$.kind', 'datasource') = coalesce(t.detail ->> '$.kind', 'datasource')
          AND (o.outcome IN ('deleted', 'deleted_unconfirmed', 'not_found', 'in_use')
               OR o.evidence = 'still_listed')
          AND q.detail ->> '$.base_url' = ?4))";

/// The target of run ?2 with the name ?1 and the kind ?3, where it ended as gone. Asked for each name that is listed, so
/// that it must not walk through the whole run: the plus keeps SQLite from choosing that way.
const GONE_TARGET: &str = "SELECT t.seq FROM record t JOIN record o ON o.target = t.seq
    WHERE t.kind = 'target' AND t.name = ?1 AND +t.run = ?2
      AND coalesce(t.detail ->> '$.kind', 'datasource') = ?3
      AND o.outcome IN ('deleted', 'deleted_unconfirmed')";

const SETTLED: &str = "EXISTS (SELECT 1 FROM record o WHERE o.target = t.seq AND o.outcome IS NOT NULL)";

/// The last target of run ?1 that there is a record about, or one of an earlier run: targets are taken in
/// their order, so that of an interrupted run nothing needs to be looked up about those behind it.
const LAST_TOUCHED: &str = "(SELECT coalesce(max(s.target), 0) FROM record s
    WHERE s.target <= (SELECT l.seq FROM record l
      WHERE l.kind = 'target' AND l.run = ?1 ORDER BY l.number DESC LIMIT 1))";

/// Which of the targets that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuePart {
    /// All of them.
    All,
    /// Those of which the run made an attempt that got no clear answer.
    InDoubt,
    /// The others.
    Others,
}

impl AuditReader {
    /// Opens the log at `path` for reading.
    ///
    /// # Errors
    /// Where there is no log, or the file is not ours.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let reader = Self::open_for_reports(path)?;
        match reader.content {
            Content::Log => Ok(reader),
            Content::Merged => Err(AuditError::Merged { path: path.to_owned() }),
        }
    }

    /// Opens the log at `path`, or a file that logs were merged into, for what is only told.
    ///
    /// # Errors
    /// Where there is none, or the file is not ours.
    pub fn open_for_reports(path: &Path) -> Result<Self, AuditError> {
        let (connection, content) = open::open_for_reading(path)?;
        Ok(Self { connection, path: path.to_owned(), content })
    }

    /// Opens the log at `path` for reading, where there is one.
    ///
    /// # Errors
    /// Where the file is not ours.
    pub fn open_if_there(path: &Path) -> Result<Option<Self>, AuditError> {
        match Self::open(path) {
            Ok(reader) => Ok(Some(reader)),
            Err(AuditError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The log's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The targets of `run` that are due, those of `part`, from behind number `after`, at most
    /// `limit` of them.
    pub fn due(&self, run: Seq, part: DuePart, after: u64, limit: u32) -> Result<Vec<Target>, AuditError> {
        let open = format!("AND NOT {SETTLED}");
        let part = match part {
            DuePart::All => open,
            DuePart::InDoubt => format!("{open} AND +t.seq <= {LAST_TOUCHED} AND {DOUBTED_HERE}"),
            DuePart::Others => format!("{open} AND NOT {DOUBTED_HERE}"),
        };
        self.targets(run, &format!("t.number > ?2 {part} ORDER BY t.number LIMIT ?3"), params![after, limit])
    }

    /// The target of `run` of this name, if it is due.
    pub fn due_target(&self, run: Seq, name: &str) -> Result<Option<Target>, AuditError> {
        let which = format!("t.name = ?2 AND NOT {SETTLED} LIMIT ?3");
        Ok(self.targets(run, &which, params![name, 1])?.pop())
    }

    /// The targets of `run` of which `which` holds; ?2 and ?3 are `values`.
    fn targets(
        &self,
        run: Seq,
        which: &str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<Target>, AuditError> {
        let attempts = "coalesce((SELECT max(a.number) FROM record a WHERE a.target = t.seq), 0)";
        let query = format!(
            "SELECT t.seq, t.number, t.name, {attempts}, {DOUBTED}, coalesce(t.detail ->> '$.redelivered', 0),
                    t.detail
               FROM record t
              WHERE t.kind = 'target' AND t.run = ?1 AND {which}"
        );
        let base_url: String = self.ask(run, "SELECT detail ->> '$.base_url' FROM record WHERE seq = ?1")?;
        let mut statement = self.connection.prepare_cached(&query).map_err(|e| self.failed(e))?;
        let rows = statement
            .query_map(params![run.0, values[0], values[1], base_url], |row| {
                Ok(Target {
                    seq: Seq(row.get(0)?),
                    number: row.get(1)?,
                    name: name_of(row, 2)?,
                    role: role_of(row, 6)?,
                    attempts: row.get(3)?,
                    doubted: row.get(4)?,
                    redelivered: row.get(5)?,
                })
            })
            .map_err(|e| self.failed(e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.failed(e))
    }

    /// Hands the names of the targets of `run` that are due to `take`, in order; with `sent`, of those only for
    /// which something was sent.
    pub fn each_due_name(
        &self,
        run: Seq,
        sent: bool,
        mut take: impl FnMut(DatasourceName),
    ) -> Result<(), AuditError> {
        let sent = if sent {
            "AND EXISTS (SELECT 1 FROM record s WHERE s.target = t.seq AND s.kind = 'send')"
        } else {
            ""
        };
        let query = format!(
            "SELECT t.name FROM record t
              WHERE t.kind = 'target' AND t.run = ?1 AND (+t.seq > {LAST_TOUCHED} OR NOT {SETTLED}) {sent}
              ORDER BY t.number"
        );
        let mut statement = self.connection.prepare(&query).map_err(|e| self.failed(e))?;
        let rows = statement.query_map([run.0], |row| name_of(row, 0)).map_err(|e| self.failed(e))?;
        for name in rows {
            take(name.map_err(|e| self.failed(e))?);
        }
        Ok(())
    }

    /// Whether `run` was interrupted before, so that attempts of it may be in doubt.
    pub fn was_resumed(&self, run: Seq) -> Result<bool, AuditError> {
        self.ask(run, "SELECT EXISTS (SELECT 1 FROM record WHERE run = ?1 AND kind IN ('resume', 'end'))")
    }

    /// How many targets of `run` ended how.
    pub fn counts(&self, run: Seq) -> Result<Counts, AuditError> {
        let mut counts = Counts::default();
        let planned: u64 = self.ask(run, "SELECT count(*) FROM record WHERE kind = 'target' AND run = ?1")?;
        let mut statement = self
            .connection
            .prepare("SELECT outcome, count(*) FROM record WHERE run = ?1 AND outcome IS NOT NULL GROUP BY outcome")
            .map_err(|e| self.failed(e))?;
        let rows = statement
            .query_map([run.0], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?)))
            .map_err(|e| self.failed(e))?;
        for row in rows {
            let (outcome, n) = row.map_err(|e| self.failed(e))?;
            if let Ok(outcome) = outcome.parse() {
                counts.add(outcome, n);
            }
        }
        counts.add(Outcome::Pending, planned.saturating_sub(counts.planned()));
        Ok(counts)
    }

    /// How many targets of `run` were skipped that may exist still: protected, or given back to their queue.
    pub fn kept_back(&self, run: Seq) -> Result<u64, AuditError> {
        self.ask(
            run,
            "SELECT count(*) FROM record WHERE run = ?1 AND outcome = 'skipped' AND detail <> 'already_deleted'",
        )
    }

    /// The one value that `query` finds for ?1, which is `run`.
    fn ask<T: FromSql>(&self, run: Seq, query: &str) -> Result<T, AuditError> {
        self.connection.query_row(query, [run.0], |row| row.get(0)).map_err(|e| self.failed(e))
    }

    /// The target of `run` of this kind and name, where it ended as gone.
    pub fn gone_target(&self, run: Seq, kind: ResourceKind, name: &str) -> Result<Option<Seq>, AuditError> {
        self.connection
            .prepare_cached(GONE_TARGET)
            .and_then(|mut statement| {
                let found = params![name, run.0, kind.as_str()];
                statement.query_row(found, |row| Ok(Seq(row.get(0)?))).optional()
            })
            .map_err(|e| self.failed(e))
    }

    /// The newest run over these targets on this host that is not finished.
    pub fn open_run_of(&self, targets_sha256: &str, base_url: &str) -> Result<Option<OpenRun>, AuditError> {
        self.open_run(
            "r.detail ->> '$.targets_sha256' = ?1 AND r.detail ->> '$.base_url' = ?2",
            params![targets_sha256, base_url],
        )
    }

    /// The newest run that took its targets from a queue, on this host, and is not finished.
    pub fn open_run_of_queue(&self, base_url: &str) -> Result<Option<OpenRun>, AuditError> {
        self.open_run(
            "r.detail ->> '$.settings.origin.command' = 'work' AND r.detail ->> '$.base_url' = ?1",
            params![base_url],
        )
    }

    /// The run that carried out the saved plan with this digest, and whether it is finished.
    pub fn run_of_plan(&self, digest: &str) -> Result<Option<(OpenRun, bool)>, AuditError> {
        let which = "v.plan_digest = ?1";
        if let Some(open) = self.open_run(which, params![digest])? {
            return Ok(Some((open, false)));
        }
        Ok(self.any_run(which, params![digest])?.map(|run| (run, true)))
    }

    /// The run `run_id`, or the newest one that is not finished; `None` where it is finished.
    pub fn open_run_named(&self, run_id: Option<&str>) -> Result<Option<OpenRun>, AuditError> {
        match run_id {
            Some(run_id) => self.open_run("r.name = ?1", params![run_id]),
            None => self.open_run("1", params![]),
        }
    }

    fn open_run(&self, which: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Option<OpenRun>, AuditError> {
        self.any_run(&format!("v.status <> 'finished' AND {which}"), values)
    }

    /// The newest run of which `which` holds; it is made of our own words alone.
    fn any_run(&self, which: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Option<OpenRun>, AuditError> {
        // The plus keeps SQLite from walking through all records in the order of `seq`.
        let query = format!(
            "SELECT r.seq, r.name, v.started_at, v.base_url, v.approved_by
               FROM record r JOIN runs v ON v.run_id = r.name
              WHERE r.kind = 'run' AND {which} ORDER BY +r.seq DESC LIMIT 1"
        );
        self.connection
            .query_row(&query, values, |row| {
                Ok(OpenRun {
                    seq: Seq(row.get(0)?),
                    run_id: row.get(1)?,
                    started_at: row.get(2)?,
                    base_url: row.get(3)?,
                    approved_by: row.get(4)?,
                })
            })
            .optional()
            .map_err(|e| self.failed(e))
    }

    /// Whether an attempt for the resource of this kind and name on this host, of whichever run, got no clear
    /// answer, and nothing that came later told whether it exists.
    pub fn in_doubt(
        &self,
        run: Seq,
        kind: ResourceKind,
        name: &str,
        base_url: &str,
    ) -> Result<bool, AuditError> {
        let query = format!(
            "WITH t (run, name, detail) AS (VALUES (?1, ?2, json_object('kind', ?3))) SELECT {DOUBTED} FROM t WHERE ?4 <> ''"
        );
        self.connection
            .prepare_cached(&query)
            .and_then(|mut statement| {
                statement.query_row(params![run.0, name, kind.as_str(), base_url], |row| row.get(0))
            })
            .map_err(|e| self.failed(e))
    }

    /// The outcome of a target, where it has one.
    pub fn outcome_of(&self, target: Seq) -> Result<Option<Outcome>, AuditError> {
        let found: Option<String> = self
            .connection
            .prepare_cached("SELECT outcome FROM record WHERE target = ?1 AND outcome IS NOT NULL")
            .and_then(|mut statement| statement.query_row([target.0], |row| row.get(0)).optional())
            .map_err(|e| self.failed(e))?;
        Ok(found.and_then(|outcome| outcome.parse().ok()))
    }

    /// How many attempts the log holds for a target.
    pub fn attempts_of(&self, target: Seq) -> Result<u32, AuditError> {
        self.connection
            .prepare_cached("SELECT count(*) FROM record WHERE target = ?1 AND kind = 'send'")
            .and_then(|mut statement| statement.query_row([target.0], |row| row.get(0)))
            .map_err(|e| self.failed(e))
    }

    /// How many messages the run has refused.
    pub fn refused_messages(&self, run: Seq) -> Result<u64, AuditError> {
        self.connection
            .query_row("SELECT count(*) FROM record WHERE run = ?1 AND kind = 'refused'", [run.0], |row| {
                row.get(0)
            })
            .map_err(|e| self.failed(e))
    }

    pub(in crate::audit) fn failed(&self, source: rusqlite::Error) -> AuditError {
        AuditError::Sqlite { path: self.path.clone(), action: "read", source }
    }
}

fn name_of(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<DatasourceName> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error)
    };
    let text = row.get_ref(column)?.as_str().map_err(|error| failed(error.into()))?;
    DatasourceName::new(text).map_err(|error| failed(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_looked_up_by_its_index() {
        let connection = Connection::open_in_memory().unwrap();
        crate::audit::record::make_log(&connection).unwrap();
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {GONE_TARGET}")).unwrap();
        let steps =
            statement.query_map(params!["a", 2, "datasource"], |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<_> = steps.map(Result::unwrap).collect();
        assert!(steps[0].contains("record_datasource"), "{steps:?}");
    }
}
