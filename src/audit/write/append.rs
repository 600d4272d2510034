//! Appends one record to a log that is not served by a writer: the first of a new log, or the last of a closed one.

use rusqlite::{Connection, TransactionBehavior};

use crate::audit::record::{APPEND, Head, Record};

/// Appends `record` after `head` in a transaction of its own, and moves `head` to it.
pub(in crate::audit) fn append_one(
    connection: &mut Connection,
    head: &mut Head,
    record: &Record<'_>,
    at_us: i64,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    record.append(&mut *transaction.prepare_cached(APPEND)?, head, at_us, &mut Vec::new())?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use rusqlite::ErrorCode;

    use super::*;
    use crate::audit::record::{BEFORE_THE_FIRST, COLUMNS, Hash, Kind, rehash};
    use crate::audit::write::open::migrate;

    fn log() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection
    }

    fn append_all(connection: &mut Connection, records: &[Record<'_>]) -> rusqlite::Result<()> {
        let mut head = Head::empty();
        records.iter().try_for_each(|record| append_one(connection, &mut head, record, 7))
    }

    fn settles(target: i64) -> Record<'static> {
        Record { target: Some(target), outcome: Some("deleted"), ..Record::of(Kind::Answer) }
    }

    #[test]
    fn records_form_one_chain() {
        let mut connection = log();
        let records: Vec<_> = (0..20).map(settles).collect();
        append_all(&mut connection, &records).unwrap();
        let mut statement = connection.prepare("SELECT * FROM record ORDER BY seq").unwrap();
        let (mut rows, mut previous, mut found) = (statement.query([]).unwrap(), BEFORE_THE_FIRST, 0);
        while let Some(row) = rows.next().unwrap() {
            let hash: Hash = row.get(COLUMNS - 1).unwrap();
            assert_eq!(rehash(&previous, row).unwrap(), hash, "record {found}");
            (previous, found) = (hash, found + 1);
        }
        assert_eq!(found, records.len());
    }

    #[test]
    fn triggers_refuse_a_second_outcome_and_any_place_but_the_next() {
        let mut connection = log();
        append_all(&mut connection, &[settles(1), settles(2)]).unwrap();
        for (head, record, why) in [
            (Head { seq: 2, ..Head::empty() }, settles(1), "exactly one outcome"),
            (Head { seq: 1, ..Head::empty() }, settles(3), "append-only"),
            (Head { seq: 7, ..Head::empty() }, settles(3), "append-only"),
        ] {
            let error = append_one(&mut connection, &mut head.clone(), &record, 7).unwrap_err();
            assert_eq!(error.sqlite_error_code(), Some(ErrorCode::ConstraintViolation), "{error}");
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn triggers_refuse_every_change_of_a_record() {
        let mut connection = log();
        append_all(&mut connection, &[Record::of(Kind::Send), Record::of(Kind::Send)]).unwrap();
        for statement in [
            "UPDATE record SET target = 3 WHERE seq = 1",
            "DELETE FROM record WHERE seq = 2",
            "INSERT OR REPLACE INTO record SELECT * FROM record WHERE seq = 2",
        ] {
            let error = connection.execute(statement, []).unwrap_err();
            assert!(error.to_string().contains("append-only"), "{statement}: {error}");
        }
    }
}
