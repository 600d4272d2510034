//! The targets of a run that are due, and those that are in doubt.

use rusqlite::{Row, params};

use super::doubt::{is_unclear, is_unsettled};
use super::{AuditReader, name_of, role_of};
use crate::audit::AuditError;
use crate::domain::{DatasourceName, ResourceKind, Seq, Target, TargetRole};

/// True if an attempt of target `t` itself got no clear answer: sent without an answer in the log, or answered unclearly.
const DOUBTED_HERE: &str = concat!(
    "EXISTS (
    SELECT 1 FROM record s
    LEFT JOIN record a ON a.target = s.target AND a.number = s.number AND a.kind = 'answer'
    WHERE s.target = t.seq AND s.kind = 'send' AND ",
    is_unclear!(),
    ")"
);

/// True if it is unknown whether the resource of target `t` was deleted: an attempt for its kind and name on this host
/// (?4), of any run, got no clear answer, and nothing later showed whether it exists.
const DOUBTED: &str = concat!(
    "EXISTS (
    SELECT 1 FROM record e
    JOIN record r ON r.seq = e.run
    JOIN record s ON s.target = e.seq AND s.kind = 'send'
    LEFT JOIN record a ON a.target = s.target AND a.number = s.number AND a.kind = 'answer'
    WHERE e.kind = 'target' AND e.name = t.name
      AND coalesce(e.detail ->> '$.kind', 'datasource') = coalesce(t.detail ->> '$.kind', 'datasource')
      AND (e.run = t.run OR r.detail ->> '$.base_url' = ?4)
      AND ",
    is_unclear!(),
    " AND ",
    is_unsettled!("?4"),
    ")"
);

pub(super) const SETTLED: &str =
    "EXISTS (SELECT 1 FROM record o WHERE o.target = t.seq AND o.outcome IS NOT NULL)";

/// The last target of run ?1 that there is a record about, or one of an earlier run: nothing needs to be looked up about
/// those after it.
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
    /// The targets of `run` that are due, those of `part`, after number `after`, at most
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

    /// The targets of `run` of which `which` holds; ?2 and ?3 are `values`.
    pub(super) fn targets(
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

    /// Hands the targets of `run` that are due to `take`, in order, by name and role; with `sent`, those only for which
    /// something was sent.
    pub fn each_due_name(
        &self,
        run: Seq,
        sent: bool,
        mut take: impl FnMut(DatasourceName, TargetRole),
    ) -> Result<(), AuditError> {
        let sent = if sent {
            "AND EXISTS (SELECT 1 FROM record s WHERE s.target = t.seq AND s.kind = 'send')"
        } else {
            ""
        };
        let query = format!(
            "SELECT t.name, t.detail FROM record t
              WHERE t.kind = 'target' AND t.run = ?1 AND (+t.seq > {LAST_TOUCHED} OR NOT {SETTLED}) {sent}
              ORDER BY t.number"
        );
        let mut statement = self.connection.prepare(&query).map_err(|e| self.failed(e))?;
        let due = |row: &Row<'_>| Ok((name_of(row, 0)?, role_of(row, 1)?));
        let rows = statement.query_map([run.0], due).map_err(|e| self.failed(e))?;
        for row in rows {
            let (name, role) = row.map_err(|e| self.failed(e))?;
            take(name, role);
        }
        Ok(())
    }

    /// Whether `run` was interrupted before, so that attempts of it may be in doubt.
    pub fn was_resumed(&self, run: Seq) -> Result<bool, AuditError> {
        self.ask(run, "SELECT EXISTS (SELECT 1 FROM record WHERE run = ?1 AND kind IN ('resume', 'end'))")
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
}
