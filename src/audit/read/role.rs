//! What a target is, read from the `detail` of its record.

use rusqlite::Row;
use rusqlite::types::Type;

use crate::audit::record::role_from_detail;
use crate::domain::TargetRole;

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
