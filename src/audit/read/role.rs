//! What a target is, read from the `detail` of its record.

use rusqlite::Row;
use rusqlite::types::Type;

use super::AuditReader;
use crate::audit::AuditError;
use crate::audit::record::role_from_detail;
use crate::domain::{ResourceKind, Seq, TargetRole};

impl AuditReader {
    /// The kinds of the targets that `run` can have: its settings say if it takes datamarts along.
    pub fn kinds_of(&self, run: Seq) -> Result<Vec<ResourceKind>, AuditError> {
        let query = "SELECT coalesce(detail ->> '$.settings.with_datamarts', 0) FROM record WHERE seq = ?1";
        let with_datamarts: bool = self.ask(run, query)?;
        let wanted = |kind: &ResourceKind| with_datamarts || *kind == ResourceKind::Datasource;
        Ok(ResourceKind::ALL.into_iter().filter(wanted).collect())
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
