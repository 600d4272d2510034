//! What a target is, read from the `detail` of its record.

use rusqlite::types::Type;
use rusqlite::{Row, params};

use super::AuditReader;
use crate::audit::AuditError;
use crate::audit::record::role_from_detail;
use crate::domain::{Outcome, ResourceKind, Seq, TargetRole, UnknownOutcome};

impl AuditReader {
    /// The kinds of the targets that `run` can have: its settings say if it takes datamarts along.
    pub fn kinds_of(&self, run: Seq) -> Result<Vec<ResourceKind>, AuditError> {
        let query = "SELECT coalesce(detail ->> '$.settings.with_datamarts', 0) FROM record WHERE seq = ?1";
        let with_datamarts: bool = self.ask(run, query)?;
        let wanted = |kind: &ResourceKind| with_datamarts || *kind == ResourceKind::Datasource;
        Ok(ResourceKind::ALL.into_iter().filter(wanted).collect())
    }
}

/// A datamart of a group, as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    pub seq: Seq,
    pub name: String,
    /// `None` if it is not settled.
    pub outcome: Option<Outcome>,
}

impl AuditReader {
    /// The datamarts of the datasource with this number in `run`: as many as it says, numbered just before it.
    pub fn group_of(&self, run: Seq, number: u64, datamarts: u64) -> Result<Vec<GroupMember>, AuditError> {
        let query = "SELECT t.seq, t.name, o.outcome FROM record t
               LEFT JOIN record o ON o.target = t.seq AND o.outcome IS NOT NULL
              WHERE t.kind = 'target' AND t.run = ?1 AND t.number >= ?2 AND t.number < ?3 ORDER BY t.number";
        let member = |row: &Row<'_>| {
            let outcome: Option<String> = row.get(2)?;
            let outcome = outcome.map(|word| word.parse()).transpose().map_err(|error: UnknownOutcome| {
                rusqlite::Error::FromSqlConversionFailure(2, Type::Text, Box::new(error))
            })?;
            Ok(GroupMember { seq: Seq(row.get(0)?), name: row.get(1)?, outcome })
        };
        let first = number.saturating_sub(datamarts);
        let mut statement = self.connection.prepare_cached(query).map_err(|e| self.failed(e))?;
        let rows = statement.query_map(params![run.0, first, number], member).map_err(|e| self.failed(e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.failed(e))
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
