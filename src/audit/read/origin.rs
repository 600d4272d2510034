//! Where a run came from: what binds a run that continues it or retries what failed in it.

use rusqlite::params;

use super::AuditReader;
use crate::audit::AuditError;

/// Where a run came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOrigin {
    /// The digest of the saved plan that it carries out, or of which it tries again what failed.
    pub plan: Option<String>,
    /// Everybody who has the key that the plan was approved with.
    pub approvers: Vec<String>,
    /// The fingerprint of the token that it was begun with, keyed with the log's id.
    pub token_fingerprint: String,
    /// The protection that it was begun with.
    pub protect: Vec<String>,
    /// The shared datasources that it was allowed to delete when it was begun.
    pub allow_shared: Vec<String>,
    /// It takes along the datamarts that read its datasources.
    pub with_datamarts: bool,
    /// The protection of datamarts that it was begun with.
    pub protect_datamart: Vec<String>,
    /// Whether it took its targets from a queue.
    pub is_of_queue: bool,
}

impl AuditReader {
    /// Where the run `run_id` came from.
    pub fn origin_of(&self, run_id: &str) -> Result<RunOrigin, AuditError> {
        let list = |row: &rusqlite::Row<'_>, index| {
            let text: Option<String> = row.get(index)?;
            // A list of ours; of a run that recorded none, there is none.
            Ok::<_, rusqlite::Error>(
                text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
            )
        };
        self.connection
            .query_row(
                "SELECT coalesce(detail ->> '$.settings.origin.plan_digest',
                                 detail ->> '$.settings.origin.retry_of_plan'),
                        coalesce(detail -> '$.settings.origin.approver_names', '[]'),
                        coalesce(detail ->> '$.token_fingerprint', ''),
                        coalesce(detail -> '$.settings.protect', '[]'),
                        coalesce(detail ->> '$.settings.origin.command', '') = 'work',
                        coalesce(detail -> '$.settings.allow_shared', '[]'),
                        coalesce(detail ->> '$.settings.with_datamarts', 0),
                        coalesce(detail -> '$.settings.protect_datamart', '[]')
                   FROM record WHERE kind = 'run' AND name = ?1",
                params![run_id],
                |row| {
                    Ok(RunOrigin {
                        plan: row.get(0)?,
                        approvers: list(row, 1)?,
                        token_fingerprint: row.get(2)?,
                        protect: list(row, 3)?,
                        is_of_queue: row.get(4)?,
                        allow_shared: list(row, 5)?,
                        with_datamarts: row.get(6)?,
                        protect_datamart: list(row, 7)?,
                    })
                },
            )
            .map_err(|e| self.failed(e))
    }

    /// The log's random id.
    pub fn log_id(&self) -> Result<String, AuditError> {
        self.connection
            .query_row("SELECT name FROM record WHERE seq = 1", [], |row| row.get(0))
            .map_err(|e| self.failed(e))
    }
}
