//! Holds the log against the checkpoints in a folder, as a run does before it sends anything.

use std::path::Path;

use super::AuditReader;
use crate::audit::AuditError;
use crate::audit::record::{Link, hold_against_folder};

impl AuditReader {
    /// Returns what the next checkpoint in `folder` says of the one before it, if all that are there and of this log fit
    /// it.
    ///
    /// # Errors
    /// If one of them is of more records than there are, or contradicts a record.
    pub fn hold_against_checkpoints(&self, folder: &Path) -> Result<Link, AuditError> {
        hold_against_folder(&self.connection, &self.path, folder)
    }
}
