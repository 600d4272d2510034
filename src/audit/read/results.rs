//! The results of a run: rows of the view `results`.

use std::str::FromStr;

use rusqlite::Row;
use rusqlite::types::Type;

use super::AuditReader;
use crate::audit::AuditError;
use crate::domain::{Outcome, ResultFilter, TargetResult};

/// The columns of the view that [`result`] reads, in that order.
pub(super) const COLUMNS: &str = "v.run_id, v.target, v.datasource, v.outcome, v.attempts, v.http_status, v.error_code, v.message,
    v.datasource_id, v.evidence, v.detail, v.first_attempt_at, v.finished_at, v.target_reason, v.target_ticket,
    v.message_id, v.name, v.kind, v.dependant_of, v.rehearsal";

impl AuditReader {
    /// Hands each result of the run that passes `filter` to `take`, in the order of the targets, until that
    /// returns `false`.
    pub fn each_result(
        &self,
        run_id: &str,
        filter: ResultFilter<'_>,
        mut take: impl FnMut(TargetResult) -> bool,
    ) -> Result<(), AuditError> {
        let query = format!(
            "SELECT {COLUMNS} FROM results v WHERE v.run_id = ?1 {} ORDER BY v.target",
            condition(filter)
        );
        let mut each = || {
            let mut statement = self.connection.prepare(&query)?;
            let mut rows = statement.query([run_id])?;
            while let Some(row) = rows.next()? {
                if !take(result(row)?) {
                    break;
                }
            }
            Ok(())
        };
        each().map_err(|e| self.failed(e))
    }
}

/// What holds of the rows that pass: made of our own words alone.
fn condition(filter: ResultFilter<'_>) -> String {
    let any_of = |outcomes: &[Outcome]| {
        let words: Vec<_> = outcomes.iter().map(|outcome| format!("'{outcome}'")).collect();
        format!("AND v.outcome IN ({})", words.join(", "))
    };
    match filter {
        ResultFilter::All => String::new(),
        ResultFilter::Outcome(outcome) => any_of(&[outcome]),
        ResultFilter::AnyOutcome(outcomes) => any_of(outcomes),
        ResultFilter::Skipped(reason) => format!("AND v.outcome = 'skipped' AND v.detail = '{reason}'"),
        ResultFilter::StillListed => {
            "AND v.outcome IN ('deleted', 'deleted_unconfirmed') AND v.evidence = 'still_listed'".to_owned()
        }
    }
}

pub(super) fn result(row: &Row<'_>) -> rusqlite::Result<TargetResult> {
    let (outcome, kind) = (parsed(row, 3)?, parsed(row, 17)?);
    Ok(TargetResult {
        run_id: row.get(0)?,
        target: row.get(1)?,
        name: row.get(16)?,
        kind,
        dependant_of: row.get(18)?,
        outcome,
        attempts: row.get(4)?,
        http_status: row.get(5)?,
        error_code: row.get(6)?,
        message: row.get(7)?,
        datasource_id: row.get(8)?,
        evidence: row.get(9)?,
        detail: row.get(10)?,
        first_attempt_at: row.get(11)?,
        finished_at: row.get(12)?,
        target_reason: row.get(13)?,
        target_ticket: row.get(14)?,
        message_id: row.get(15)?,
        rehearsal: row.get(19)?,
    })
}

/// The word in this column.
fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.get_ref(column)?
        .as_str()?
        .parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::audit::record::Content;

    /// Two runs with a target for each way to end, and a record of each kind about it.
    const RECORDS: &str = "
        (2, 'run', 10, NULL, NULL, NULL, 'r', NULL, NULL, NULL),
        (3, 'target', 10, 2, NULL, 1, 'a', NULL, NULL, NULL),
        (4, 'target', 10, 2, NULL, 2, 'b', NULL, NULL, NULL),
        (5, 'target', 10, 2, NULL, 3, 'c', NULL, NULL, NULL),
        (6, 'target', 10, 2, NULL, 4, 'd', NULL, NULL, NULL),
        (7, 'target', 10, 2, NULL, 5, 'e', NULL, NULL, NULL),
        (8, 'settle', 10, 2, 7, NULL, NULL, 'skipped', 'rule', 'protected'),
        (9, 'send', 1000000, 2, 3, 1, NULL, NULL, NULL, NULL),
        (10, 'answer', 2999999, 2, 3, 1, NULL, 'deleted', 'acknowledged', NULL),
        (11, 'send', 3000000, 2, 4, 1, NULL, NULL, NULL, NULL),
        (12, 'answer', 4000001, 2, 4, 1, NULL, 'deleted_unconfirmed', 'not_found_after_doubt', NULL),
        (13, 'send', 1767225600123456, 2, 5, 1, NULL, NULL, NULL, NULL),
        (14, 'check', 1767225600123456, 2, 4, NULL, NULL, NULL, 'still_listed', NULL),
        (15, 'run', 1767225600123456, NULL, NULL, NULL, 's', NULL, NULL, NULL),
        (16, 'target', 1767225600123456, 15, NULL, 1, 'a', NULL, NULL, NULL)";

    fn reader() -> AuditReader {
        let connection = Connection::open_in_memory().unwrap();
        crate::audit::record::make_log(&connection).unwrap();
        let columns = "seq, kind, at_us, run, target, number, name, outcome, evidence, detail";
        connection
            .execute_batch(&format!(
                "INSERT INTO record (seq, kind, at_us, hash) VALUES (1, 'log', 10, zeroblob(32));
                 INSERT INTO record ({columns}, hash) SELECT *, zeroblob(32) FROM (VALUES {RECORDS})"
            ))
            .unwrap();
        AuditReader { connection, path: "audit.db".into(), content: Content::Log }
    }

    fn names(filter: ResultFilter<'_>) -> String {
        let mut names = String::new();
        reader()
            .each_result("r", filter, |result| {
                names.push_str(&result.name);
                true
            })
            .unwrap();
        names
    }

    #[test]
    fn each_filter_passes_what_it_names_in_the_order_of_the_targets() {
        assert_eq!(names(ResultFilter::All), "abcde");
        assert_eq!(names(ResultFilter::Outcome(Outcome::Pending)), "cd");
        assert_eq!(names(ResultFilter::AnyOutcome(&[Outcome::Skipped, Outcome::Deleted])), "ae");
        assert_eq!(names(ResultFilter::AnyOutcome(&[])), "");
        assert_eq!(names(ResultFilter::Skipped("protected")), "e");
        assert_eq!(names(ResultFilter::Skipped("given_back")), "");
        assert_eq!(names(ResultFilter::StillListed), "b");
    }

    #[test]
    fn each_column_of_the_view_is_read_into_its_own_field() {
        let reader = reader();
        let view: Vec<_> = {
            let statement = reader.connection.prepare("SELECT * FROM results").unwrap();
            statement.column_names().map(|name| format!("v.{name}")).collect()
        };
        let read: Vec<_> = COLUMNS.split(',').map(|column| column.trim().to_owned()).collect();
        assert_eq!(read, view);
        let mut results = Vec::new();
        reader
            .each_result("r", ResultFilter::All, |result| {
                results.push(result);
                true
            })
            .unwrap();
        assert_eq!(results[0].first_attempt_at.as_deref(), Some("1970-01-01T00:00:01.000000Z"));
        assert_eq!(results[0].finished_at.as_deref(), Some("1970-01-01T00:00:02.999999Z"));
    }

    #[test]
    fn reading_stops_when_no_more_is_wanted() {
        let mut found = 0;
        reader()
            .each_result("r", ResultFilter::All, |_| {
                found += 1;
                found < 2
            })
            .unwrap();
        assert_eq!(found, 2);
    }
}
