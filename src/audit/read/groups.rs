//! A datasource and the datamarts that go before it: a group, as the log has it.

use rusqlite::types::Type;
use rusqlite::{OptionalExtension, params};

use super::due::SETTLED;
use super::{AuditReader, kind_is};
use crate::audit::AuditError;
use crate::domain::{Outcome, Seq, Target, TargetRole, UnknownOutcome};

/// A target of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    pub target: Target,
    /// `None` if it is due.
    pub settled: Option<SettledMember>,
}

/// How a target of a group ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledMember {
    pub outcome: Outcome,
    /// The word for why, if it was skipped.
    pub detail: Option<String>,
    pub message: Option<String>,
}

impl AuditReader {
    /// The group of the target with this number in `run`: the datamarts, and the datasource, which says how many of
    /// those numbered just before it are its datamarts, last.
    ///
    /// # Errors
    /// If the log cannot be read, or the target does not belong to a group that is whole.
    pub fn group_of(&self, run: Seq, number: u64) -> Result<Vec<GroupMember>, AuditError> {
        let broken = || AuditError::BrokenGroup { path: self.path.clone(), number };
        let is_datasource = kind_is("t", "'datasource'");
        let which = format!("t.number >= ?2 AND {is_datasource} ORDER BY t.number LIMIT ?3");
        let datasource = self.targets(run, &which, params![number, 1])?.pop().ok_or_else(broken)?;
        let TargetRole::Group { datamarts } = datasource.role else { return Err(broken()) };
        let first = datasource.number.saturating_sub(datamarts);
        let which = "t.number >= ?2 AND t.number <= ?3 ORDER BY t.number";
        let targets = self.targets(run, which, params![first, datasource.number])?;
        let is_own = |target: &Target| match &target.role {
            TargetRole::Dependant { of, .. } => of == datasource.name.as_str(),
            TargetRole::Group { .. } => target.seq == datasource.seq,
            TargetRole::Datasource => false,
        };
        if number < first || targets.len() as u64 != datamarts + 1 || !targets.iter().all(is_own) {
            return Err(broken());
        }
        let member = |target: Target| Ok(GroupMember { settled: self.settlement_of(target.seq)?, target });
        targets.into_iter().map(member).collect()
    }

    fn settlement_of(&self, target: Seq) -> Result<Option<SettledMember>, AuditError> {
        let query = "SELECT outcome, detail, message FROM record WHERE target = ?1 AND outcome IS NOT NULL";
        self.connection
            .prepare_cached(query)
            .and_then(|mut statement| {
                statement
                    .query_row([target.0], |row| {
                        let outcome: String = row.get(0)?;
                        let outcome = outcome.parse().map_err(|error: UnknownOutcome| {
                            rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
                        })?;
                        Ok(SettledMember { outcome, detail: row.get(1)?, message: row.get(2)? })
                    })
                    .optional()
            })
            .map_err(|e| self.failed(e))
    }

    /// The datasource of `run` with this name, if it is due.
    pub fn due_datasource(&self, run: Seq, name: &str) -> Result<Option<Target>, AuditError> {
        let which = format!("t.name = ?2 AND {} AND NOT {SETTLED} LIMIT ?3", kind_is("t", "'datasource'"));
        Ok(self.targets(run, &which, params![name, 1])?.pop())
    }

    /// The name of the first datasource of `run` that is due and has datamarts that go before it.
    pub fn first_group(&self, run: Seq) -> Result<Option<String>, AuditError> {
        let which = format!("t.detail ->> '$.datamarts' > ?2 AND NOT {SETTLED} ORDER BY t.number LIMIT ?3");
        let found = self.targets(run, &which, params![0, 1])?.pop();
        Ok(found.map(|target| target.name.as_str().to_owned()))
    }
}
