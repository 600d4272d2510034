//! Reads the log, at any time, also while it is written: for a run that needs to know what happened, and for reports.

mod account;
mod checkpoints;
mod clock;
mod doubt;
mod due;
mod gone;
mod groups;
mod mention;
mod near_names;
mod open;
mod open_runs;
mod origin;
mod population;
mod recent_deletions;
mod results;
mod role;
mod runs;
mod series;
mod target_account;

use std::path::{Path, PathBuf};

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension};

pub use account::Moment;
pub(super) use account::session_facts;
pub use due::DuePart;
pub use groups::{GroupMember, SettledMember};
pub use open_runs::OpenRun;
pub use origin::RunOrigin;
pub use role::RecordedDefinition;
pub use series::LogSeries;

use crate::audit::AuditError;
use crate::audit::record::Content;
use crate::domain::{Counts, DatasourceName, Outcome, Seq, SkipReason};
use role::{kind_is, role_of};

/// Reads the log. Never writes, and never blocks the writer.
#[derive(Debug)]
pub struct AuditReader {
    pub(in crate::audit) connection: Connection,
    pub(in crate::audit) path: PathBuf,
    pub(in crate::audit) content: Content,
}

impl AuditReader {
    /// Opens the log at `path` for reading.
    ///
    /// # Errors
    /// If there is no log, or the file is not ours.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let reader = Self::open_for_reports(path)?;
        match reader.content {
            Content::Log => Ok(reader),
            Content::Merged => Err(AuditError::Merged { path: path.to_owned() }),
        }
    }

    /// Opens the log at `path`, or a file that logs were merged into, for reports only.
    ///
    /// # Errors
    /// If there is none, or the file is not ours.
    pub fn open_for_reports(path: &Path) -> Result<Self, AuditError> {
        let (connection, content) = open::open_for_reading(path)?;
        Ok(Self { connection, path: path.to_owned(), content })
    }

    /// Opens the log at `path` for reading, if there is one.
    ///
    /// # Errors
    /// If the file is not ours.
    pub fn open_if_there(path: &Path) -> Result<Option<Self>, AuditError> {
        match Self::open(path) {
            Ok(reader) => Ok(Some(reader)),
            Err(AuditError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The log's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many targets of `run` ended how.
    pub fn counts(&self, run: Seq) -> Result<Counts, AuditError> {
        let planned: u64 = self.ask(run, "SELECT count(*) FROM record WHERE kind = 'target' AND run = ?1")?;
        let mut counts = self.counts_by(
            run,
            "SELECT outcome, count(*) FROM record WHERE run = ?1 AND outcome IS NOT NULL GROUP BY outcome",
        )?;
        counts.add(Outcome::Pending, planned.saturating_sub(counts.planned()));
        Ok(counts)
    }

    /// The counts that `query` finds for `run` (?1): rows of an outcome and a number.
    fn counts_by(&self, run: Seq, query: &str) -> Result<Counts, AuditError> {
        let mut counts = Counts::default();
        let mut statement = self.connection.prepare_cached(query).map_err(|e| self.failed(e))?;
        let rows = statement
            .query_map([run.0], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?)))
            .map_err(|e| self.failed(e))?;
        for row in rows {
            let (outcome, n) = row.map_err(|e| self.failed(e))?;
            if let Ok(outcome) = outcome.parse() {
                counts.add(outcome, n);
            }
        }
        Ok(counts)
    }

    /// How many targets of `run` were skipped that may exist still: protected, or given back to their queue.
    pub fn kept_back(&self, run: Seq) -> Result<u64, AuditError> {
        self.ask(
            run,
            "SELECT count(*) FROM record WHERE run = ?1 AND outcome = 'skipped' AND detail <> 'already_deleted'",
        )
    }

    /// How many targets of `run` were skipped for this reason.
    pub fn skipped_for(&self, run: Seq, reason: SkipReason) -> Result<u64, AuditError> {
        let query = "SELECT count(*) FROM record WHERE run = ?1 AND outcome = 'skipped' AND detail = ?2";
        self.connection
            .query_row(query, (run.0, reason.as_str()), |row| row.get(0))
            .map_err(|e| self.failed(e))
    }

    /// The one value that `query` finds for ?1, which is `run`.
    fn ask<T: FromSql>(&self, run: Seq, query: &str) -> Result<T, AuditError> {
        self.connection.query_row(query, [run.0], |row| row.get(0)).map_err(|e| self.failed(e))
    }

    /// The outcome of a target, if it has one.
    pub fn outcome_of(&self, target: Seq) -> Result<Option<Outcome>, AuditError> {
        let found: Option<String> = self
            .connection
            .prepare_cached("SELECT outcome FROM record WHERE target = ?1 AND outcome IS NOT NULL")
            .and_then(|mut statement| statement.query_row([target.0], |row| row.get(0)).optional())
            .map_err(|e| self.failed(e))?;
        Ok(found.and_then(|outcome| outcome.parse().ok()))
    }

    /// How many attempts the log holds for a target.
    pub fn attempts_of(&self, target: Seq) -> Result<u32, AuditError> {
        self.connection
            .prepare_cached("SELECT count(*) FROM record WHERE target = ?1 AND kind = 'send'")
            .and_then(|mut statement| statement.query_row([target.0], |row| row.get(0)))
            .map_err(|e| self.failed(e))
    }

    /// How many messages the run has refused.
    pub fn refused_messages(&self, run: Seq) -> Result<u64, AuditError> {
        self.connection
            .query_row("SELECT count(*) FROM record WHERE run = ?1 AND kind = 'refused'", [run.0], |row| {
                row.get(0)
            })
            .map_err(|e| self.failed(e))
    }

    pub(in crate::audit) fn failed(&self, source: rusqlite::Error) -> AuditError {
        AuditError::Sqlite { path: self.path.clone(), action: "read", source }
    }
}

fn name_of(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<DatasourceName> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error)
    };
    let text = row.get_ref(column)?.as_str().map_err(|error| failed(error.into()))?;
    DatasourceName::new(text).map_err(|error| failed(error.into()))
}
