//! Whether a log is sound, before it is copied for good.

use std::path::Path;

use super::record::{BEFORE_THE_FIRST, Hash, rehash};
use super::verify::{AnchorCheck, Weight, verify_each};
use super::{AuditError, AuditReader};

/// Refuses a log that is not what decom wrote: it is kept as it is, and not passed on in another file.
///
/// The file is opened beside SQLite for that, so that nobody in this process may have it open: closing it
/// drops the locks that SQLite holds.
pub(super) fn refuse_unsound(path: &Path) -> Result<(), AuditError> {
    // What a writer that was killed left has to be played back first.
    drop(AuditReader::open(path)?);
    check(path)
}

/// Refuses a log, or a merged file, that is not what decom wrote: nothing is certified out of it.
///
/// # Errors
/// Where it cannot be read, or is not sound. As above, nobody in this process may have it open.
pub fn refuse_to_certify(path: &Path) -> Result<(), AuditError> {
    drop(AuditReader::open_for_reports(path)?);
    check(path)
}

fn check(path: &Path) -> Result<(), AuditError> {
    let logs = verify_each(path, &AnchorCheck::default())?.logs;
    let mut findings = logs.iter().flat_map(|log| log.findings.list());
    match findings.find(|finding| finding.weight() == Weight::Unsound) {
        Some(first) => Err(AuditError::Unsound { path: path.to_owned(), why: first.to_string() }),
        None => Ok(()),
    }
}

impl AuditReader {
    /// Checks every record against its hash; how many there are, and the last hash.
    ///
    /// # Errors
    /// Where a record does not match, or there is none.
    pub(super) fn walk(&self) -> Result<(i64, Hash), AuditError> {
        let failed = |e| self.failed(e);
        let broken = |seq| AuditError::BrokenChain { path: self.path.clone(), seq };
        let mut statement = self.connection.prepare("SELECT * FROM record ORDER BY seq").map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let (mut last, mut before) = (0, BEFORE_THE_FIRST);
        while let Some(row) = rows.next().map_err(failed)? {
            let (seq, hash): (i64, Hash) = (row.get(0).map_err(failed)?, row.get(19).map_err(failed)?);
            if seq != last + 1 || rehash(&before, row).map_err(failed)? != hash {
                return Err(broken(seq));
            }
            (last, before) = (seq, hash);
        }
        if last == 0 {
            return Err(broken(1));
        }
        Ok((last, before))
    }
}
