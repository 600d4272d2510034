//! Lets only one process write to a log.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::audit::AuditError;
use crate::audit::record::{beside, has_content, has_wal};

/// The right to be the one writer of a log, held until it is dropped or the process dies.
#[derive(Debug)]
pub(in crate::audit) struct WriterLock {
    /// The file beside the log that names the holder, and the log itself, as that file may be removed and a mounted log
    /// has another folder. Must outlive SQLite's connection, whose locks end when any handle of the log is closed.
    files: Vec<File>,
}

impl WriterLock {
    /// Takes the lock. `holder` describes this process to another that finds the lock taken.
    pub(in crate::audit) fn take(log: &Path, holder: &str) -> Result<Self, AuditError> {
        let path = beside(log, ".lock");
        let io = |action| {
            let path = path.clone();
            move |source| AuditError::Io { path, action, source }
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io("lock"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut found = String::new();
                // The name of the holder is a courtesy: the lock alone is enough to refuse.
                let _ = file.take(500).read_to_string(&mut found);
                return Err(AuditError::Held { path: log.to_owned(), holder: found.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
        }
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(holder.as_bytes()))
            .map_err(io("lock"))?;
        Ok(Self { files: vec![file] })
    }

    /// Locks the log's file itself, once there is one. Only Linux keeps this lock apart from SQLite's own.
    ///
    /// # Errors
    /// If another process holds it, or a write-ahead log lies beside it that is not its own.
    pub(in crate::audit) fn hold_file(&mut self, log: &Path) -> Result<(), AuditError> {
        if !cfg!(target_os = "linux") || self.files.len() > 1 || !log.is_file() {
            return Ok(());
        }
        let io = |source| AuditError::Io { path: log.to_owned(), action: "lock", source };
        let file = File::open(log).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {
                let wal = beside(log, "-wal");
                if matches!(has_wal(&file), Ok(false)) && has_content(&wal) {
                    return Err(AuditError::ForeignWal { path: log.to_owned(), wal });
                }
                self.files.push(file);
            }
            Err(TryLockError::WouldBlock) => {
                let holder = "under another name of the same file".to_owned();
                return Err(AuditError::Held { path: log.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        Ok(())
    }
}
