//! Finds runs that are not finished.

use rusqlite::{OptionalExtension, params};

use super::AuditReader;
use crate::audit::AuditError;
use crate::domain::Seq;

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

impl AuditReader {
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
}
