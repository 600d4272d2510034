//! Whether a log is sound, before it is copied for good.

use std::path::Path;

use super::{AnchorCheck, Verification, Weight, verify_each};
use crate::audit::{AuditError, AuditReader};

/// Refuses a log that is not what decom wrote: it is kept as it is, and not passed on in another file.
///
/// The file is opened beside SQLite for that, so that nobody in this process may have it open: closing it
/// drops the locks that SQLite holds.
pub(in crate::audit) fn refuse_unsound(path: &Path) -> Result<(), AuditError> {
    // What a writer that was killed left has to be played back first.
    drop(AuditReader::open(path)?);
    let logs = verify_each(path, &AnchorCheck::default())?.logs;
    let mut findings = logs.iter().flat_map(|log| log.findings.list());
    match findings.find(|finding| finding.weight() == Weight::Unsound) {
        Some(first) => Err(AuditError::Unsound { path: path.to_owned(), why: first.to_string() }),
        None => Ok(()),
    }
}

/// Refuses a log, or a merged file, that is not what decom wrote, or that a checkpoint of `anchors` contradicts: nothing is
/// certified out of it. Returns what is known of each log in it.
///
/// # Errors
/// Where it cannot be read, or is not sound. As above, nobody in this process may have it open.
pub fn refuse_to_certify(path: &Path, anchors: &AnchorCheck<'_>) -> Result<Vec<Verification>, AuditError> {
    drop(AuditReader::open_for_reports(path)?);
    let logs = verify_each(path, anchors)?.logs;
    let mut findings = logs.iter().flat_map(|log| log.findings.list());
    match findings.find(|finding| finding.speaks_against_log()) {
        Some(first) => Err(AuditError::Unsound { path: path.to_owned(), why: first.to_string() }),
        None => Ok(logs),
    }
}
