//! What the log knows to be gone, so that it is not sent again.

use rusqlite::{OptionalExtension, params};

use super::{AuditReader, kind_is};
use crate::audit::AuditError;
use crate::domain::{Outcome, ResourceKind, Seq, Timestamp};

/// The target of run ?2 with the name ?1 and the kind ?3, if it should not exist any more, and its outcome. Asked for each
/// name that is listed, so that it must not walk through the whole run: the plus keeps SQLite from choosing that way.
fn should_be_gone() -> String {
    format!(
        "SELECT t.seq, o.outcome FROM record t JOIN record o ON o.target = t.seq
          WHERE t.kind = 'target' AND t.name = ?1 AND +t.run = ?2 AND {}
            AND (o.outcome IN ('deleted', 'deleted_unconfirmed', 'not_found')
                 OR o.outcome = 'skipped' AND o.detail = 'already_deleted')",
        kind_is("t", "?3")
    )
}

impl AuditReader {
    /// Returns the target of `run` of this kind and name, and its outcome, if it should not exist any more: the run deleted
    /// it or did not find it, or skipped it because an earlier run deleted it.
    pub fn should_be_gone(
        &self,
        run: Seq,
        kind: ResourceKind,
        name: &str,
    ) -> Result<Option<(Seq, Outcome)>, AuditError> {
        let found: Option<(i64, String)> = self
            .connection
            .prepare_cached(&should_be_gone())
            .and_then(|mut statement| {
                let values = params![name, run.0, kind.as_str()];
                statement.query_row(values, |row| Ok((row.get(0)?, row.get(1)?))).optional()
            })
            .map_err(|e| self.failed(e))?;
        Ok(found.and_then(|(target, outcome)| Some((Seq(target), outcome.parse().ok()?))))
    }

    /// Whether this log knows of any resource on this host that went behind the record `after`, in
    /// another run than `but`.
    pub fn knows_any_gone(&self, base_url: &str, after: Seq, but: Option<Seq>) -> Result<bool, AuditError> {
        self.connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM record r JOIN record o ON o.run = r.seq
                  WHERE r.kind = 'run' AND r.detail ->> '$.base_url' = ?1 AND r.seq IS NOT ?3
                    AND o.outcome IN ('deleted', 'deleted_unconfirmed') AND o.seq > ?2)",
                params![base_url, after.0, but.map(|but| but.0)],
                |row| row.get(0),
            )
            .map_err(|e| self.failed(e))
    }

    /// The run in which this log last saw the resource of this kind and name go on this host, behind the record `after`,
    /// and when. `None` where something that came later speaks against it: it was in the listing, or
    /// a run that was asked to send it again met it, or could not tell.
    pub fn known_gone(
        &self,
        kind: ResourceKind,
        name: &str,
        base_url: &str,
        after: Seq,
    ) -> Result<Option<(String, Timestamp)>, AuditError> {
        let (gone, later) = (kind_is("t", "?4"), kind_is("l", "?4"));
        self.connection
            .prepare_cached(&format!(
                "SELECT r.name, o.at_us
                   FROM record t
                   JOIN record r ON r.seq = t.run
                   JOIN record o ON o.target = t.seq AND o.outcome IN ('deleted', 'deleted_unconfirmed')
                  WHERE t.kind = 'target' AND t.name = ?1 AND {gone} AND r.detail ->> '$.base_url' = ?2
                    AND o.seq > ?3
                    AND NOT EXISTS (
                        SELECT 1 FROM record l
                        JOIN record q ON q.seq = l.run
                        JOIN record x ON x.target = l.seq
                        WHERE l.kind = 'target' AND l.name = ?1 AND {later} AND x.seq > o.seq
                          AND (x.outcome IN ('in_use', 'rejected', 'failed', 'unknown')
                               OR x.evidence = 'still_listed')
                          AND q.detail ->> '$.base_url' = ?2)
                  ORDER BY o.seq DESC LIMIT 1",
            ))
            .and_then(|mut statement| {
                let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, Timestamp::from_micros(row.get(1)?)));
                statement.query_row(params![name, base_url, after.0, kind.as_str()], row).optional()
            })
            .map_err(|e| self.failed(e))
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn one_name_is_looked_up_by_its_index() {
        let connection = Connection::open_in_memory().unwrap();
        crate::audit::record::make_log(&connection).unwrap();
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", should_be_gone())).unwrap();
        let steps =
            statement.query_map(params!["a", 2, "datasource"], |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<_> = steps.map(Result::unwrap).collect();
        assert!(steps[0].contains("record_datasource"), "{steps:?}");
    }
}
