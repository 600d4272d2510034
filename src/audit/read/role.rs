//! What a target is, read from the `detail` of its record.

use rusqlite::types::Type;
use rusqlite::{Row, params};

use super::AuditReader;
use crate::audit::AuditError;
use crate::audit::record::{request_from_detail, role_from_detail};
use crate::domain::{CustomerRequest, ResourceKind, Seq, TargetRole};

impl AuditReader {
    /// The kinds of the targets that `run` can have: its settings say if it takes datamarts along.
    pub fn kinds_of(&self, run: Seq) -> Result<Vec<ResourceKind>, AuditError> {
        let query = "SELECT coalesce(detail ->> '$.settings.with_datamarts', 0) FROM record WHERE seq = ?1";
        let with_datamarts: bool = self.ask(run, query)?;
        let wanted = |kind: &ResourceKind| with_datamarts || *kind == ResourceKind::Datasource;
        Ok(ResourceKind::ALL.into_iter().filter(wanted).collect())
    }

    /// Which customer asked for the target with this number of the run, and when.
    pub fn customer_request(&self, run_id: &str, target: u64) -> Result<CustomerRequest, AuditError> {
        let query = "SELECT t.detail FROM record r JOIN record t ON t.run = r.seq
                      WHERE r.kind = 'run' AND r.name = ?1 AND t.kind = 'target' AND t.number = ?2";
        let detail: Option<String> = self
            .connection
            .prepare_cached(query)
            .and_then(|mut statement| statement.query_row(params![run_id, target], |row| row.get(0)))
            .map_err(|e| self.failed(e))?;
        Ok(request_from_detail(detail.as_deref()))
    }
}

/// The condition that the target record `alias` is of the kind that `parameter` names.
pub(super) fn kind_is(alias: &str, parameter: &str) -> String {
    format!("coalesce({alias}.detail ->> '$.kind', 'datasource') = {parameter}")
}

/// The role of the target whose `detail` is in this column.
pub(super) fn role_of(row: &Row<'_>, column: usize) -> rusqlite::Result<TargetRole> {
    let detail: Option<String> = row.get(column)?;
    role_from_detail(detail.as_deref())
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
