//! A walk along the chain, before a log is copied for good.

use super::record::{BEFORE_THE_FIRST, Hash, rehash};
use super::{AuditError, AuditReader};

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
