//! How a run begins: it and all its targets become durable in one transaction, or none of it does.

use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior};

use super::fact::RunOpening;
use super::writer::{Writer, not_before};
use super::{NewTargets, WriteResult};
use crate::audit::AuditError;
use crate::audit::record::{APPEND, Head, Kind, Record};
use crate::domain::{Outcome, Seq};

impl Writer {
    /// Appends a run and all its targets, all or nothing.
    pub(super) fn begin(&mut self, opening: &RunOpening, targets: NewTargets) -> WriteResult {
        if self.failure.is_some() {
            return Err(self.refusal());
        }
        // If the log was taken away meanwhile, that says more than what SQLite makes of it.
        let begun = self
            .append_run(opening, targets)
            .and_then(|run| self.identity.check().map(|()| run))
            .map_err(|error| self.identity.check_log().err().unwrap_or(error));
        match begun {
            Ok(run) => {
                self.keep(true);
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
        let run = append_all(&transaction, &mut head, at_us, opening, targets, failed)?;
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
        let record = Record {
            run: Some(run),
            number: Some(number),
            name: Some(target.name.as_str()),
            reason: target.reason.as_deref(),
            ticket: target.ticket.as_deref(),
            ..Record::of(Kind::Target)
        };
        write(head, &record)?;
        if let Some((reason, message)) = &target.skip {
            let record = Record {
                run: Some(run),
                target: Some(head.seq),
                outcome: Some(Outcome::Skipped.as_str()),
                evidence: Some(reason.evidence().as_str()),
                message: Some(message),
                detail: Some(reason.as_str()),
                ..Record::of(Kind::Settle)
            };
            write(head, &record)?;
        }
    }
    Ok(run)
}
