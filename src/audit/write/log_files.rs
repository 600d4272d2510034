//! Recognises the log's files: whether their names still lead to the files that were opened.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::audit::AuditError;
use crate::audit::record::beside;

const REPLACED: &str = "replaced";

/// The files that were opened. SQLite continues to write to an unlinked one without an error.
#[derive(Debug)]
pub(super) struct LogFiles {
    path: PathBuf,
    /// The log by its name, and by the path to which the name leads.
    log: [Inode; 2],
    /// The two files that SQLite keeps beside it.
    beside: [Inode; 2],
}

/// A path and the file to which it led.
#[derive(Debug)]
struct Inode {
    path: PathBuf,
    device: u64,
    number: u64,
}

impl LogFiles {
    /// Identifies the log by `log`, its name, and by `real`, the path to which that leads, and the two files that
    /// SQLite keeps beside it.
    ///
    /// # Errors
    /// If one of them does not exist.
    pub(super) fn of(log: &Path, real: &Path) -> Result<Self, AuditError> {
        Ok(Self {
            path: log.to_owned(),
            log: [Inode::of(log.to_owned())?, Inode::of(real.to_owned())?],
            beside: [Inode::of(beside(real, "-wal"))?, Inode::of(beside(real, "-shm"))?],
        })
    }

    /// Returns true if another file has taken the place of one of them.
    pub(super) fn is_replaced(&self) -> bool {
        matches!(self.check(), Err(AuditError::Replaced { what: REPLACED, .. }))
    }

    /// Checks that the names still lead to the same files.
    pub(super) fn check(&self) -> Result<(), AuditError> {
        self.check_log()?;
        self.beside.iter().try_for_each(|file| file.check(&self.path))
    }

    /// Checks the log alone, without the files beside it.
    pub(super) fn check_log(&self) -> Result<(), AuditError> {
        self.log.iter().try_for_each(|file| file.check(&self.path))
    }
}

impl Inode {
    fn of(path: PathBuf) -> Result<Self, AuditError> {
        match fs::metadata(&path) {
            Ok(found) => Ok(Self { path, device: found.dev(), number: found.ino() }),
            Err(source) => Err(AuditError::Io { path, action: "find", source }),
        }
    }

    fn check(&self, log: &Path) -> Result<(), AuditError> {
        let what = match fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == (self.device, self.number) => return Ok(()),
            Ok(_) => REPLACED,
            Err(_) => "removed",
        };
        Err(AuditError::Replaced { path: log.to_owned(), what })
    }
}
