//! What the log knows to be gone, so that it is not sent again.

use rusqlite::{OptionalExtension, params};

use super::AuditReader;
use crate::audit::AuditError;
use crate::domain::{Seq, Timestamp};

impl AuditReader {
    /// Whether this log knows of any datasource on this host that went behind the record `after`, in
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

    /// The run in which this log last saw the datasource go on this host, behind the record `after`,
    /// and when. `None` where something that came later speaks against it: it was in the listing, or
    /// a run that was asked to send it again met it, or could not tell.
    pub fn known_gone(
        &self,
        name: &str,
        base_url: &str,
        after: Seq,
    ) -> Result<Option<(String, Timestamp)>, AuditError> {
        self.connection
            .prepare_cached(
                "SELECT r.name, o.at_us
                   FROM record t
                   JOIN record r ON r.seq = t.run
                   JOIN record o ON o.target = t.seq AND o.outcome IN ('deleted', 'deleted_unconfirmed')
                  WHERE t.kind = 'target' AND t.name = ?1 AND r.detail ->> '$.base_url' = ?2 AND o.seq > ?3
                    AND NOT EXISTS (
                        SELECT 1 FROM record l
                        JOIN record q ON q.seq = l.run
                        JOIN record x ON x.target = l.seq
                        WHERE l.kind = 'target' AND l.name = ?1 AND x.seq > o.seq
                          AND (x.outcome IN ('in_use', 'rejected', 'failed', 'unknown')
                               OR x.evidence = 'still_listed')
                          AND q.detail ->> '$.base_url' = ?2)
                  ORDER BY o.seq DESC LIMIT 1",
            )
            .and_then(|mut statement| {
                let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, Timestamp::from_micros(row.get(1)?)));
                statement.query_row(params![name, base_url, after.0], row).optional()
            })
            .map_err(|e| self.failed(e))
    }
}
