//! Knows the log's files again.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::audit::AuditError;
use crate::audit::record::beside;

const REPLACED: &str = "replaced";

/// The files as they were when they were opened: SQLite goes on writing to an unlinked one without
/// an error.
#[derive(Debug)]
pub(super) struct Identity {
    path: PathBuf,
    /// The log, by its name and by where that leads.
    log: [Inode; 2],
    /// The two files that SQLite keeps beside it.
    beside: [Inode; 2],
}

/// A file, by its name and by what that led to.
#[derive(Debug)]
struct Inode {
    path: PathBuf,
    device: u64,
    number: u64,
}

impl Identity {
    /// Remembers the log, by its name and where that leads, and the two files that SQLite keeps
    /// beside it. All must exist.
    pub(super) fn of(log: &Path, real: &Path) -> Result<Self, AuditError> {
        Ok(Self {
            path: log.to_owned(),
            log: [Inode::of(log.to_owned())?, Inode::of(real.to_owned())?],
            beside: [Inode::of(beside(real, "-wal"))?, Inode::of(beside(real, "-shm"))?],
        })
    }

    /// Whether another file has taken the place of one of them.
    pub(super) fn is_replaced(&self) -> bool {
        matches!(self.check(), Err(AuditError::Replaced { what: REPLACED, .. }))
    }

    /// Checks that the names still lead to the same files.
    pub(super) fn check(&self) -> Result<(), AuditError> {
        self.check_log()?;
        self.beside.iter().try_for_each(|file| file.check(&self.path))
    }

    /// Checks the log alone, where there is nothing beside it.
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
