//! Lets only one process write to a log.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::audit::AuditError;
use crate::audit::record::{beside, has_content, has_wal};

/// How the content of a lock file begins, which is its holder.
const BEGINNING: &str = "process ";

/// A lock file is never longer than this, in bytes.
const LONGEST: u64 = 1000;

/// The right to be the one writer of a log, held until it is dropped or the process dies.
#[derive(Debug)]
pub(in crate::audit) struct WriterLock {
    /// The file beside the log that names the holder, and the log itself, as that file may be removed and a mounted log
    /// has another folder. Must outlive SQLite's connection, whose locks end when any handle of the log is closed.
    files: Vec<File>,
}

impl WriterLock {
    /// Takes the lock. `holder` describes this process to another that finds the lock taken; it begins with
    /// `process `.
    ///
    /// # Errors
    /// If another process holds it, or something else is in the place of the lock file: no link is followed, and
    /// nothing is overwritten that is not a lock file.
    pub(in crate::audit) fn take(log: &Path, holder: &str) -> Result<Self, AuditError> {
        let path = beside(log, ".lock");
        let io = |source| AuditError::Io { path: path.clone(), action: "lock", source };
        let foreign = |found| AuditError::ForeignLock { path: path.clone(), found };
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(flags)
            .open(&path);
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                return Err(foreign("a link"));
            }
            Err(error) => return Err(io(error)),
        };
        if !file.metadata().map_err(io)?.is_file() {
            return Err(foreign("not a regular file"));
        }
        let locked = file.try_lock();
        let mut content = Vec::new();
        (&file).take(LONGEST + 1).read_to_end(&mut content).map_err(io)?;
        let content = String::from_utf8(content).ok().filter(|content| is_ours(content));
        match (locked, content) {
            (Ok(()), Some(_)) => {}
            (Ok(()), None) => return Err(foreign("another program's file")),
            (Err(TryLockError::WouldBlock), content) => {
                let holder = content.unwrap_or_default().trim().to_owned();
                return Err(AuditError::Held { path: log.to_owned(), holder });
            }
            (Err(TryLockError::Error(source)), _) => return Err(io(source)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(holder.as_bytes()))
            .map_err(io)?;
        Ok(Self { files: vec![file] })
    }

    /// Returns who holds the lock, as it described itself, without taking it; `None` if it is free.
    pub(in crate::audit) fn holder(log: &Path) -> Option<String> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(beside(log, ".lock")).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {}
            _ => return None,
        }
        let mut content = String::new();
        let read = file.take(LONGEST).read_to_string(&mut content);
        Some(read.map_or_else(|_| String::new(), |_| content.trim().to_owned()))
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
                let holder = "another decom, under another name of the same file".to_owned();
                return Err(AuditError::Held { path: log.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        Ok(())
    }
}

/// Returns true if a lock file has this content; one whose holder was killed before it wrote anything is empty.
fn is_ours(content: &str) -> bool {
    let is_one_line = content.trim_end_matches('\n').lines().count() <= 1;
    content.is_empty() || (is_one_line && content.starts_with(BEGINNING) && content.len() as u64 <= LONGEST)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn take(log: &Path) -> Result<WriterLock, AuditError> {
        WriterLock::take(log, "process 7 on a machine, since then")
    }

    #[test]
    fn one_at_a_time_holds_the_lock_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit.db");
        let lock = take(&log).unwrap();
        let Err(AuditError::Held { holder, .. }) = take(&log) else { panic!("it is held") };
        assert_eq!(holder, "process 7 on a machine, since then");
        drop(lock);
        take(&log).unwrap();
        for earlier in ["", "process 12 on host, since 2026-03-01T09:30:00.123456Z"] {
            fs::write(beside(&log, ".lock"), earlier).unwrap();
            take(&log).unwrap();
        }
    }

    #[test]
    fn nothing_is_followed_or_overwritten_that_is_not_a_lock_file() {
        let folder = tempfile::tempdir().unwrap();
        let (log, precious) = (folder.path().join("audit.db"), folder.path().join("precious"));
        let lock = beside(&log, ".lock");
        fs::write(&precious, "process 12 on host, since then").unwrap();
        for target in [&precious, &folder.path().join("nowhere")] {
            symlink(target, &lock).unwrap();
            assert!(matches!(take(&log), Err(AuditError::ForeignLock { found: "a link", .. })));
            fs::remove_file(&lock).unwrap();
        }
        assert_eq!(fs::read_to_string(&precious).unwrap(), "process 12 on host, since then");
        assert!(!folder.path().join("nowhere").exists());
        let huge = format!("process {}", "1".repeat(2000));
        for theirs in ["theirs", "process 1\nprocess 2\n", "\u{0}", &huge] {
            fs::write(&lock, theirs).unwrap();
            assert!(matches!(take(&log), Err(AuditError::ForeignLock { .. })), "{theirs:?}");
            assert_eq!(fs::read_to_string(&lock).unwrap(), theirs);
        }
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
        assert!(matches!(take(&log), Err(AuditError::Io { .. })));
    }
}
