//! Which datamarts go along, and the definitions of those of a run that is resumed.

use serde_json::{Value, json};

use super::CommandError;
use super::execution::recorded;
use crate::audit::{AuditLog, AuditReader, Definitions, OpenRun};
use crate::plan::{Cascade, Protection, Selection};

/// The datamarts that are to go along.
pub(super) struct TakeAlong {
    pub(super) which: Which,
    /// Those that keep their datasource.
    pub(super) protection: Protection,
}

/// Which datamarts go along.
pub(super) enum Which {
    /// All that are listed with the datasources.
    Listed,
    /// Those of a plan. A group that the listing shows otherwise is not sent.
    Planned(Cascade),
    /// Those that a run has recorded, and are due.
    Recorded(Cascade),
}

impl TakeAlong {
    /// `which` of the datamarts go along, if any do. Those of these patterns keep their datasource.
    ///
    /// # Errors
    /// If one of the patterns is not a glob, also if no datamarts go along.
    pub(super) fn new(which: Option<Which>, protect: &[String]) -> Result<Option<Self>, CommandError> {
        let protection = Protection::new(protect)?;
        Ok(which.map(|which| Self { which, protection }))
    }
}

/// Keeps again what is lost of the definitions of a run: of the datamarts that were not sent yet, and are still listed.
/// Returns what the log is to say of that; `None` if nothing is lost.
///
/// # Errors
/// If they cannot be written: nothing may be sent then.
pub(super) fn recover_definitions(
    log: &AuditLog,
    reader: &AuditReader,
    open: &OpenRun,
    selection: &Selection,
) -> Result<Option<Value>, CommandError> {
    let definitions = Definitions::of_run(log.path(), &open.run_id)?;
    let there = definitions.digests()?;
    let is_there = |sha256: &String| there.as_ref().is_some_and(|there| there.contains(sha256));
    let recorded_before = reader.definitions_of(open.seq)?;
    let mut lost: Vec<_> =
        recorded_before.iter().filter(|definition| !is_there(&definition.sha256)).collect();
    if lost.is_empty() {
        return Ok(None);
    }
    let all = lost.len();
    lost.retain(|definition| definition.is_unsent);
    let cascade = selection.cascade();
    let found = lost.iter().filter_map(|definition| {
        let group = cascade?.group(&definition.datasource);
        group.iter().find(|datamart| datamart.name.as_str() == definition.datamart)
    });
    let new = found.filter(|datamart| !is_there(&datamart.definition_sha256));
    let entries: Vec<_> = new.filter_map(|datamart| datamart.definition.clone()).collect();
    let kept = definitions.add(&entries)?;
    tracing::error!(
        lost = all,
        read_again = entries.len(),
        "{}: definitions of datamarts are lost; those of what was not sent yet were read again, as far as it is listed",
        definitions.path().display()
    );
    let mut detail = recorded(&kept);
    (detail["lost"], detail["read_again"]) = (json!(all), json!(entries.len()));
    Ok(Some(detail))
}
