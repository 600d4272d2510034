//! Whether anybody has altered the log.

use super::record::{BEFORE_THE_FIRST, Hash, rehash};
use super::{AuditError, AuditReader};

impl AuditReader {
    /// Checks every record against its hash, in one pass.
    ///
    /// # Errors
    /// Where the log cannot be read, or the chain is broken.
    pub fn verify_chain(&self) -> Result<(), AuditError> {
        let failed = |source| self.failed(source);
        let mut statement = self.connection.prepare("SELECT * FROM record ORDER BY seq").map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let (mut previous, mut expected): (Hash, i64) = (BEFORE_THE_FIRST, 1);
        while let Some(row) = rows.next().map_err(failed)? {
            let seq: i64 = row.get(0).map_err(failed)?;
            let hash: Hash = row.get(19).map_err(failed)?;
            if seq != expected || rehash(&previous, row).map_err(failed)? != hash {
                return Err(AuditError::BrokenChain { path: self.path.clone(), seq });
            }
            (previous, expected) = (hash, seq + 1);
        }
        Ok(())
    }
}
