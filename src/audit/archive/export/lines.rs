//! Every record as one line of JSON, with all that its hash goes over.

use std::fmt::Write;

use rusqlite::Row;
use rusqlite::types::ValueRef;

use crate::audit::record::Content;
use crate::audit::{AuditError, AuditReader};
use crate::domain::hex;

impl AuditReader {
    /// Hands each record, as a line of JSON without its end, to `take`, in their order, until that
    /// returns `false`. With `run_id`, only the records of that run. One record is held at a time.
    ///
    /// # Errors
    /// Where the log cannot be read, or holds what no record can hold.
    pub fn each_line(
        &self,
        run_id: Option<&str>,
        mut take: impl FnMut(&str) -> bool,
    ) -> Result<(), AuditError> {
        let query = query(self.content, run_id.is_some());
        let mut statement = self.connection.prepare(&query).map_err(|e| self.failed(e))?;
        let names: Vec<_> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query(rusqlite::params_from_iter(run_id)).map_err(|e| self.failed(e))?;
        let mut text = String::new();
        while let Some(row) = rows.next().map_err(|e| self.failed(e))? {
            text.clear();
            line(row, &names, &mut text).map_err(|e| self.failed(e))?;
            if !take(&text) {
                break;
            }
        }
        Ok(())
    }
}

/// All records, or those of the run `?1`. Those of a merged file as they are in their own logs, each
/// with the id of its log behind all that the hash goes over.
fn query(content: Content, of_a_run: bool) -> String {
    // Two walks along an index each, put in order: the log may hold many other runs.
    let which = if of_a_run {
        "(SELECT * FROM record WHERE kind = 'run' AND name = ?1
          UNION ALL
          SELECT * FROM record WHERE run = (SELECT seq FROM record WHERE kind = 'run' AND name = ?1))"
    } else {
        "record"
    };
    match content {
        Content::Log => format!("SELECT * FROM {which} ORDER BY seq"),
        Content::Merged => format!(
            "SELECT r.seq - l.shift AS seq, r.kind, r.at_us, r.run - l.shift AS run, r.target - l.shift AS target,
                    r.number, r.name, r.verdict, r.http_status, r.error_code, r.message, r.latency_us,
                    r.waited_us, r.datasource_id, r.outcome, r.evidence, r.reason, r.ticket, r.detail, r.hash,
                    l.log_id
               FROM log l CROSS JOIN {which} r ON r.seq > l.shift AND r.seq <= l.shift + l.records
              ORDER BY l.number, r.seq"
        ),
    }
}

/// The object with the columns in the table's order, NULL included: a reader needs no list of what
/// may be absent. Bytes, of which there is the hash alone, are in hexadecimal.
fn line(row: &Row<'_>, names: &[String], text: &mut String) -> rusqlite::Result<()> {
    for (index, name) in names.iter().enumerate() {
        text.push_str(if index == 0 { "{\"" } else { ",\"" });
        text.push_str(name);
        text.push_str("\":");
        match row.get_ref(index)? {
            ValueRef::Null => text.push_str("null"),
            // Writing to a string cannot fail.
            ValueRef::Integer(value) => drop(write!(text, "{value}")),
            ValueRef::Blob(bytes) => text.push_str(&quoted_hex(bytes)),
            other => {
                let content = other.as_str().map_err(|error| {
                    let kind = other.data_type();
                    rusqlite::Error::FromSqlConversionFailure(index, kind, Box::new(error))
                })?;
                text.push_str(&serde_json::Value::from(content).to_string());
            }
        }
    }
    text.push('}');
    Ok(())
}

fn quoted_hex(bytes: &[u8]) -> String {
    format!("\"{}\"", hex(bytes))
}
