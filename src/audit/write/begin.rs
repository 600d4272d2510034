//! How a run begins: it and all its targets become durable in one transaction, or none of it does.

use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior};

use super::fact::RunOpening;
use super::writer::Writer;
use super::{NewTargets, WriteResult};
use crate::audit::AuditError;
use crate::audit::record::{APPEND, Head, Kind, Record, detail_of_target, not_before};
use crate::domain::{NewTarget, Outcome, Seq};

/// The index by name. Names come in any order, and with each one another page of it would be written: 14 s of
/// processor time for a million names, and 3 s if it is built when all of them are there.
const BY_NAME: &str = "record_datasource";

/// Fewer targets than this never let the index be built again, which reads the whole log.
const MANY: usize = 10_000;

/// It is built again if the log has no more than so many records for each new target.
const OLD_FOR_EACH_NEW: usize = 8;

impl Writer {
    /// Appends a run and all its targets, all or nothing.
    pub(super) fn begin(&mut self, opening: &RunOpening, targets: NewTargets) -> WriteResult {
        if self.failure.is_some() {
            return Err(self.refusal());
        }
        // If the log was taken away meanwhile, that says more than what SQLite makes of it.
        let begun = self
            .append_run(opening, targets)
            .and_then(|run| self.files.check().map(|()| run))
            .map_err(|error| self.files.check_log().err().unwrap_or(error));
        match begun {
            Ok(run) => {
                self.publish_head(true);
                Ok(Seq(run))
            }
            Err(error) => {
                let error = Arc::new(error);
                self.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Returns the run's place, once all of it is durable.
    fn append_run(&mut self, opening: &RunOpening, targets: NewTargets) -> Result<i64, AuditError> {
        let failed = |source| AuditError::Sqlite { path: self.path.clone(), action: "write to", source };
        let at_us = not_before(opening.at, self.head.at_us, self.clock_tolerance)?;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let mut head = self.head.clone();
        let (old, new) =
            (usize::try_from(head.seq).unwrap_or(usize::MAX), targets.size_hint().1.unwrap_or(0));
        let index = if new >= MANY && old / OLD_FOR_EACH_NEW <= new {
            Some(drop_index(&transaction).map_err(failed)?)
        } else {
            None
        };
        let run = append_all(&transaction, &mut head, at_us, opening, targets, failed)?;
        if let Some(sql) = index {
            build_index(&transaction, &sql).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        self.head = head;
        Ok(run)
    }
}

fn append_all(
    connection: &Connection,
    head: &mut Head,
    at_us: i64,
    opening: &RunOpening,
    targets: NewTargets,
    failed: impl Fn(rusqlite::Error) -> AuditError,
) -> Result<i64, AuditError> {
    let mut append = connection.prepare_cached(APPEND).map_err(&failed)?;
    let mut buffer = Vec::with_capacity(512);
    let mut write = |head: &mut Head, record: &Record<'_>| {
        record.append(&mut append, head, at_us, &mut buffer).map_err(&failed)
    };
    opening.with_record(|record| write(head, record))?;
    let run = head.seq;
    for (number, target) in (1..).zip(targets) {
        let target = target.map_err(|source| AuditError::Targets { source })?;
        let detail = detail_of_target(&target.role, &target.request);
        write(head, &taken_on(run, number, &target, detail.as_deref()))?;
        if let Some((reason, message)) = &target.skip {
            let skipped = Record {
                run: Some(run),
                target: Some(head.seq),
                outcome: Some(Outcome::Skipped.as_str()),
                evidence: Some(reason.evidence().as_str()),
                message: Some(message),
                detail: Some(reason.as_str()),
                ..Record::of(Kind::Settle)
            };
            write(head, &skipped)?;
        }
    }
    Ok(run)
}

fn taken_on<'a>(run: i64, number: i64, target: &'a NewTarget, detail: Option<&'a str>) -> Record<'a> {
    Record {
        run: Some(run),
        number: Some(number),
        name: Some(target.name.as_str()),
        reason: target.reason.as_deref(),
        ticket: target.ticket.as_deref(),
        detail,
        ..Record::of(Kind::Target)
    }
}

/// Takes the index by name out, within the transaction, and returns what makes it.
fn drop_index(transaction: &Connection) -> rusqlite::Result<String> {
    let query = "SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?1";
    let sql = transaction.query_row(query, [BY_NAME], |row| row.get(0))?;
    transaction.execute_batch(&format!("DROP INDEX {BY_NAME}"))?;
    Ok(sql)
}

/// Builds the index again: sorted, and written once from its beginning to its end. It is sorted in a temporary file, or
/// in memory if there cannot be one.
fn build_index(transaction: &Connection, sql: &str) -> rusqlite::Result<()> {
    let built = transaction.execute_batch(sql);
    if built.is_ok() || transaction.is_autocommit() {
        return built;
    }
    transaction.pragma_update(None, "temp_store", "MEMORY")?;
    transaction.execute_batch(sql)?;
    transaction.pragma_update(None, "temp_store", "DEFAULT")
}
