//! Questions to an audit log, through SQLite alone.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

/// A row of the view `results`; what is NULL is empty.
#[derive(Debug, Clone)]
pub struct ResultRow {
    pub outcome: String,
    pub attempts: usize,
    pub http_status: String,
    pub error_code: String,
    pub message: String,
    pub datasource_id: String,
    pub evidence: String,
    pub detail: String,
}

/// The results of the newest run, by name; none if there is no log.
pub fn results(log: &Path) -> BTreeMap<String, ResultRow> {
    if !log.exists() {
        return BTreeMap::new();
    }
    let query = "SELECT datasource, outcome, attempts, http_status, error_code, message, datasource_id,
                        evidence, detail FROM results
                 WHERE run_id = (SELECT run_id FROM runs ORDER BY started_at DESC LIMIT 1)";
    let row = |row: Vec<String>| {
        let [name, outcome, attempts, http_status, error_code, message, datasource_id, evidence, detail] =
            <[String; 9]>::try_from(row).unwrap();
        let attempts = attempts.parse().unwrap();
        let row = ResultRow {
            outcome,
            attempts,
            http_status,
            error_code,
            message,
            datasource_id,
            evidence,
            detail,
        };
        (name, row)
    };
    rows(log, query).into_iter().map(row).collect()
}

/// The rows that a query finds, as text; NULL is empty.
#[track_caller]
pub fn rows(log: &Path, query: &str) -> Vec<Vec<String>> {
    let connection = Connection::open_with_flags(log, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut statement = connection.prepare(query).unwrap();
    let width = statement.column_count();
    let text = |value: ValueRef<'_>| match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => value.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    };
    let found = statement
        .query_map([], |row| (0..width).map(|index| row.get_ref(index).map(text)).collect())
        .unwrap();
    found.collect::<Result<_, _>>().unwrap()
}

/// The first column of the rows that a query finds, as text.
#[track_caller]
pub fn column(log: &Path, query: &str) -> Vec<String> {
    rows(log, query).into_iter().map(|mut row| row.swap_remove(0)).collect()
}
