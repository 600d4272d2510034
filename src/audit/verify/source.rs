//! The log's file as the verifier reads it: as it is, also while it is written to, and without
//! leaving a trace.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use super::{Finding, Findings};
use crate::audit::AuditError;
use crate::audit::record::{
    BUSY_TIMEOUT, beside, has_content, has_wal, real_path, refuse_orphans, refuse_other_things,
};

/// What may stand in a path as it is.
const IN_A_PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How the file can be read.
#[derive(Debug)]
enum Way {
    /// Through SQLite's locks.
    Locked,
    /// As a file that nobody writes to: opening it otherwise would make files beside it.
    Still {
        /// As it was when it was opened.
        was: (u64, u64, i64, i64),
    },
    /// A copy in a folder of its own, with its write-ahead log: that cannot be read without
    /// making a file beside it.
    Copied(TempDir),
}

/// A log that is being verified.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    way: Way,
    /// The file itself. It stays open for as long as SQLite reads it: closing it drops the locks that SQLite
    /// holds.
    file: File,
    /// Whether a write-ahead log should lie beside the file and does not.
    pub(super) lacks_wal: bool,
}

impl Source {
    /// Looks at the file at `path` without touching it.
    pub(super) fn find(path: &Path) -> Result<Self, AuditError> {
        let missing = || AuditError::Missing { path: path.to_owned() };
        refuse_other_things(path)?;
        let Ok(found) = fs::metadata(path) else { return Err(missing()) };
        let real = real_path(path)?;
        refuse_orphans(path, &real)?;
        if found.len() == 0 {
            return Err(AuditError::Empty { path: path.to_owned() });
        }
        if is_hot(&beside(&real, "-journal")) {
            return Err(AuditError::Unplayed { path: path.to_owned() });
        }
        let io = |source| AuditError::Io { path: path.to_owned(), action: "read", source };
        let file = File::open(&real).map_err(io)?;
        let says_wal = has_wal(&file).map_err(io)?;
        let [wal, shm] = ["-wal", "-shm"].map(|suffix| beside(&real, suffix));
        let way = match (has_content(&wal), shm.exists()) {
            (true, false) => Way::Copied(copied(&real, path)?),
            // No writer of ours has it open: it would have made both.
            (false, _) if says_wal => Way::Still { was: state(&real, path)? },
            _ => Way::Locked,
        };
        // Something else in the place of a write-ahead log holds no records either.
        let lacks_wal = says_wal && !is_begun(&wal);
        Ok(Self { file, path: real, way, lacks_wal })
    }

    /// Opens the file for reading, and holds on to what is in it now.
    pub(super) fn connect(&self) -> rusqlite::Result<Connection> {
        let (path, query) = match &self.way {
            Way::Locked => (self.path.clone(), "mode=ro"),
            Way::Still { .. } => (self.path.clone(), "mode=ro&immutable=1"),
            // Only here may SQLite make the file that it needs.
            Way::Copied(folder) => (folder.path().join("log.db"), "mode=rw"),
        };
        let uri = format!("file:{}?{query}", percent_encode(path.as_os_str().as_bytes(), IN_A_PATH));
        let access = match &self.way {
            Way::Copied(_) => OpenFlags::SQLITE_OPEN_READ_WRITE,
            _ => OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
        let flags = access | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(uri, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // What stands in the file is a stranger's word: none of it is carried out.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA cell_size_check = ON; BEGIN")?;
        Ok(connection)
    }

    /// Looks for a write-ahead log that SQLite reads although the file's header says that there is none. `connection`
    /// has begun to read, so that no writer can come or go.
    pub(super) fn check_wal(&self, connection: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
        let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        if mode == "wal" && matches!(has_wal(&self.file), Ok(false)) {
            findings.add(Finding::WalForeign);
        }
        Ok(())
    }

    /// Checks that the disk gives out every byte of the file and of its write-ahead log.
    pub(super) fn check_readable(&self, path: &Path) -> Result<(), AuditError> {
        let wal = File::open(beside(&self.path, "-wal")).ok();
        [Some(&self.file), wal.as_ref()]
            .into_iter()
            .flatten()
            .try_for_each(read_through)
            .map_err(|error| AuditError::Unreadable { path: path.to_owned(), why: error.to_string() })
    }

    /// Checks that nobody has written to a file that was taken for one that nobody writes to.
    pub(super) fn check_unchanged(&self, path: &Path) -> Result<(), AuditError> {
        let Way::Still { was } = &self.way else { return Ok(()) };
        let begun = has_content(&beside(&self.path, "-wal"));
        if begun || state(&self.path, path)? != *was {
            return Err(AuditError::Disturbed { path: path.to_owned() });
        }
        Ok(())
    }
}

/// Reads a file to its end, wherever its cursor is.
fn read_through(file: &File) -> io::Result<()> {
    let (mut piece, mut at) = (vec![0; 256 * 1024], 0);
    loop {
        match file.read_at(&mut piece, at)? {
            0 => return Ok(()),
            count => at += count as u64,
        }
    }
}

/// Whether a rollback journal has anything in it to be undone. SQLite writes its first byte when the rest
/// is on the disk, and only then touches the file itself.
fn is_hot(journal: &Path) -> bool {
    let mut first = [0];
    File::open(journal).and_then(|mut file| file.read_exact(&mut first)).is_ok() && first != [0]
}

/// Whether this file begins as a write-ahead log of SQLite: its mark and its format, and a first frame that
/// has the salts of the file.
fn is_begun(wal: &Path) -> bool {
    let mut bytes = [0; 56];
    let read = File::open(wal).and_then(|mut file| file.read_exact(&mut bytes)).is_ok();
    let is_marked =
        bytes.starts_with(&[0x37, 0x7f, 0x06, 0x82]) || bytes.starts_with(&[0x37, 0x7f, 0x06, 0x83]);
    // The salts of the file are its bytes 16 to 24; the first frame begins at 32 and has them at 8 to 16.
    read && is_marked && bytes[4..8] == 3_007_000_u32.to_be_bytes() && bytes[16..24] == bytes[40..48]
}

fn state(real: &Path, path: &Path) -> Result<(u64, u64, i64, i64), AuditError> {
    let io = |source| AuditError::Io { path: path.to_owned(), action: "read", source };
    let found = fs::metadata(real).map_err(io)?;
    Ok((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}

fn copied(real: &Path, path: &Path) -> Result<TempDir, AuditError> {
    let io = |source| AuditError::Io { path: path.to_owned(), action: "copy", source };
    let folder = tempfile::Builder::new().prefix("decom-verify-").tempdir().map_err(io)?;
    fs::copy(real, folder.path().join("log.db")).map_err(io)?;
    fs::copy(beside(real, "-wal"), folder.path().join("log.db-wal")).map_err(io)?;
    let mut writable = fs::metadata(folder.path().join("log.db")).map_err(io)?.permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut writable, 0o600);
    for name in ["log.db", "log.db-wal"] {
        fs::set_permissions(folder.path().join(name), writable.clone()).map_err(io)?;
    }
    Ok(folder)
}
