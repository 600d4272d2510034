//! What a target is, read from the `detail` of its record.

use rusqlite::types::Type;
use rusqlite::{Row, params};
use serde_json::Value;

use super::AuditReader;
use crate::audit::AuditError;
use crate::audit::record::{request_from_detail, role_from_detail};
use crate::domain::{CustomerRequest, KeptDefinitions, ResourceKind, Seq, TargetRole};

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

/// A datamart of a run, and the entry of the listing that defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedDefinition {
    pub datamart: String,
    /// The datasource that it reads.
    pub datasource: String,
    /// SHA-256 of the entry, in hexadecimal.
    pub sha256: String,
    /// It is due, and no request was recorded for it.
    pub is_unsent: bool,
}

impl AuditReader {
    /// The file of the definitions of the run with this id, as it was written last; `None` if it took no datamarts along.
    pub fn kept_definitions(&self, run_id: &str) -> Result<Option<KeptDefinitions>, AuditError> {
        let query = "SELECT coalesce((SELECT s.detail -> '$.definitions' FROM record s
                               WHERE s.run = r.seq AND s.kind = 'resume' AND s.detail ->> '$.definitions.file' IS NOT NULL
                               ORDER BY s.seq DESC LIMIT 1),
                            r.detail -> '$.settings.definitions'),
                    (SELECT coalesce(sum(s.detail ->> '$.definitions.lost'), 0) FROM record s
                      WHERE s.run = r.seq AND s.kind = 'resume')
               FROM record r WHERE r.kind = 'run' AND r.name = ?1";
        let row = |row: &Row<'_>| Ok((row.get::<_, Option<String>>(0)?, row.get(1)?));
        let (kept, lost) = self.connection.query_row(query, [run_id], row).map_err(|e| self.failed(e))?;
        // An object of ours; a run that recorded none has none.
        let kept = kept.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        Ok(kept.and_then(|kept| {
            let text = |key: &str| kept[key].as_str().map(str::to_owned);
            Some(KeptDefinitions {
                file: text("file")?,
                sha256: text("sha256")?,
                entries: kept["entries"].as_u64()?,
                lost,
            })
        }))
    }

    /// The datamarts among the targets of `run`, with their definitions.
    pub fn definitions_of(&self, run: Seq) -> Result<Vec<RecordedDefinition>, AuditError> {
        let query = "SELECT t.name, t.detail ->> '$.dependant_of', t.detail ->> '$.definition_sha256',
                    NOT EXISTS (SELECT 1 FROM record r WHERE r.target = t.seq
                                 AND (r.kind = 'send' OR r.outcome IS NOT NULL))
               FROM record t
              WHERE t.kind = 'target' AND t.run = ?1 AND t.detail ->> '$.kind' = 'datamart' ORDER BY t.number";
        let definition = |row: &Row<'_>| {
            Ok(RecordedDefinition {
                datamart: row.get(0)?,
                datasource: row.get(1)?,
                sha256: row.get(2)?,
                is_unsent: row.get(3)?,
            })
        };
        let mut statement = self.connection.prepare_cached(query).map_err(|e| self.failed(e))?;
        let rows = statement.query_map([run.0], definition).map_err(|e| self.failed(e))?;
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
