//! Holds a clock against the last record, as the writer will.

use std::time::Duration;

use rusqlite::OptionalExtension;

use super::AuditReader;
use crate::audit::AuditError;
use crate::audit::record::not_before;
use crate::domain::Timestamp;

impl AuditReader {
    /// The time of the last record, if a record at `at` may follow it.
    ///
    /// # Errors
    /// If `at` is before it by more than `tolerance`: nothing can be written until then.
    pub fn check_clock(&self, at: Timestamp, tolerance: Duration) -> Result<Option<Timestamp>, AuditError> {
        let query = "SELECT at_us FROM record ORDER BY seq DESC LIMIT 1";
        let last = self.connection.query_row(query, [], |row| row.get::<_, i64>(0)).optional();
        let Some(last_us) = last.map_err(|e| self.failed(e))? else { return Ok(None) };
        not_before(at, last_us, tolerance)?;
        Ok(Some(Timestamp::from_micros(last_us)))
    }
}
