//! Recognises the log's files: whether their names still lead to the files that were opened.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::audit::AuditError;
use crate::audit::record::beside;

const REPLACED: &str = "replaced";
const SHORTENED: &str = "shortened";

/// The files that were opened. SQLite continues to write to an unlinked one without an error.
#[derive(Debug)]
pub(super) struct LogFiles {
    path: PathBuf,
    /// The log by its name, and by the path to which the name leads.
    log: [Inode; 2],
    /// The two files that SQLite keeps beside it.
    beside: [Inode; 2],
    /// How long the log and its write-ahead log have been at least: while they are written to, none gets shorter.
    lengths: Cell<[u64; 2]>,
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
            lengths: Cell::default(),
        })
    }

    /// Returns true if another file has taken the place of one of them, or a part of one is gone: nothing may be
    /// written there any more.
    pub(super) fn is_replaced(&self) -> bool {
        let checked = self.check().and_then(|()| self.check_lengths());
        matches!(checked, Err(AuditError::Replaced { what: REPLACED | SHORTENED, .. }))
    }

    /// Checks that neither the log nor its write-ahead log was shortened. SQLite would write on behind the end, and
    /// the records before that would be missing.
    pub(super) fn check_lengths(&self) -> Result<(), AuditError> {
        let before = self.lengths.get();
        let [log, wal] = [&self.log[1], &self.beside[0]];
        let now = [(log, before[0]), (wal, before[1])].map(|(file, before)| file.length().unwrap_or(before));
        if now.iter().zip(before).any(|(now, before)| *now < before) {
            return Err(AuditError::Replaced { path: self.path.clone(), what: SHORTENED });
        }
        self.lengths.set(now);
        Ok(())
    }

    /// Accepts that the write-ahead log is shorter now, as another program's checkpoint has emptied it: SQLite knows of
    /// no more than `bytes` in it.
    pub(super) fn accept_emptied(&self, bytes: u64) -> Result<(), AuditError> {
        let [log, wal] = self.lengths.get();
        let now = self.beside[0].length().unwrap_or(wal);
        if now >= bytes {
            self.lengths.set([log, wal.min(now)]);
        }
        self.check_lengths()
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

    /// How long it is; `None` if its name leads elsewhere, which is found by itself.
    fn length(&self) -> Option<u64> {
        let found = fs::metadata(&self.path).ok()?;
        ((found.dev(), found.ino()) == (self.device, self.number)).then_some(found.len())
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
