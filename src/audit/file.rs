//! The log as a file: opened only where it is ours, and held by one writer.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::AuditError;
use super::appender;
use super::lineage::refuse_closed;
use super::schema::{APPLICATION_ID, MERGED_ID, SCHEMA, SCHEMA_VERSION, is_ours};

/// The oldest SQLite that does not lose committed content when connections write and checkpoint at
/// once (<https://sqlite.org/wal.html#the_wal_reset_bug>).
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long to wait for another program's lock before giving up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the log for writing, making it where there is none. `real` is where `path` leads.
pub(super) fn open_for_writing(path: &Path, real: &Path) -> Result<Connection, AuditError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(AuditError::SqliteTooOld { found: rusqlite::version(), needed: "3.51.3" });
    }
    refuse_other_things(path)?;
    refuse_second_names(path)?;
    refuse_network(path, real)?;
    refuse_orphans(path, real)?;
    let failed = |action| move |source| AuditError::Sqlite { path: path.to_owned(), action, source };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(real, flags).map_err(failed("open"))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed("open"))?;
    if let Schema::Merged = schema_of(&connection, path)? {
        return Err(AuditError::Merged { path: path.to_owned() });
    }
    refuse_closed(&connection, path)?;
    set(&connection, path, "journal_mode", "wal", "wal")?;
    set(&connection, path, "synchronous", "FULL", "2")?;
    set(&connection, path, "recursive_triggers", "ON", "1")?;
    // Pages of an index are written to the log many times while they fill up, and to the database once.
    set(&connection, path, "wal_autocheckpoint", "4000", "4000")?;
    migrate(&mut connection).map_err(failed("prepare"))?;
    // Without its triggers the log would take anything.
    if !is_ours(&connection).map_err(failed("read"))? {
        return Err(AuditError::Altered { path: path.to_owned() });
    }
    appender::prepare(&connection).map_err(failed("prepare"))?;
    Ok(connection)
}

/// What a file that can be read holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// One log.
    Log,
    /// Several logs that were merged.
    Merged,
}

/// Opens an existing file for reading only. A log that was killed before it began is not there yet.
pub(super) fn open_for_reading(path: &Path) -> Result<(Connection, Content), AuditError> {
    if !path.exists() {
        return Err(AuditError::Missing { path: path.to_owned() });
    }
    refuse_other_things(path)?;
    let open = |access| {
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = |source| AuditError::Sqlite { path: path.to_owned(), action: "open", source };
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        let schema = schema_of(&connection, path)?;
        Ok((connection, schema))
    };
    let (connection, schema) = match open(OpenFlags::SQLITE_OPEN_READ_ONLY) {
        // A decom that was killed while it began or folded the log left a rollback journal, which
        // must be played back before anything can be read.
        Err(AuditError::Sqlite { source, .. }) if source.sqlite_error_code() == Some(ErrorCode::ReadOnly) => {
            drop(open(OpenFlags::SQLITE_OPEN_READ_WRITE)?);
            open(OpenFlags::SQLITE_OPEN_READ_ONLY)?
        }
        other => other?,
    };
    match schema {
        Schema::Ours => Ok((connection, Content::Log)),
        Schema::Merged => Ok((connection, Content::Merged)),
        Schema::NotYet => Err(AuditError::Missing { path: path.to_owned() }),
    }
}

/// Where `path` leads. Links are resolved once: the lock and the write-ahead log lie beside the file
/// itself, by whatever name it is reached.
pub(super) fn real_path(path: &Path) -> Result<PathBuf, AuditError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let io = |path: &Path, source| AuditError::Io { path: path.to_owned(), action: "open", source };
    if path.exists() {
        return path.canonicalize().map_err(|source| io(path, source));
    }
    let parent = parent.canonicalize().map_err(|source| io(parent, source))?;
    Ok(parent.join(path.file_name().unwrap_or_default()))
}

/// A write-ahead log without its database is what is left where somebody removed or moved the log
/// under a running decom. SQLite would delete it together with the records that it holds.
pub(super) fn refuse_orphans(path: &Path, real: &Path) -> Result<(), AuditError> {
    let size = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
    let wal = beside(real, "-wal");
    if size(real) == 0 && size(&wal) > 0 {
        return Err(AuditError::Orphan { path: path.to_owned(), wal });
    }
    Ok(())
}

/// SQLite keeps its write-ahead log beside the name by which a file was opened: by another name, what
/// a killed decom left there would be missing, and nobody would know.
fn refuse_second_names(path: &Path) -> Result<(), AuditError> {
    let links = fs::metadata(path).map_or(1, |metadata| metadata.nlink());
    if links > 1 { Err(AuditError::Linked { path: path.to_owned(), links }) } else { Ok(()) }
}

/// The smallest SQLite database, in bytes: one page. SQLite takes a shorter file for an empty one, and
/// would write over it.
const SMALLEST_DATABASE: u64 = 512;

/// What is no database by its kind or size. What it holds is for SQLite to look at: nothing of ours
/// may open the file, as closing it again would drop the locks that SQLite holds on it in this
/// process (<https://sqlite.org/howtocorrupt.html>, "POSIX advisory locks canceled").
pub(super) fn refuse_other_things(path: &Path) -> Result<(), AuditError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(AuditError::Io { path: path.to_owned(), action: "open", source }),
    };
    let foreign = |found: &str| AuditError::Foreign { path: path.to_owned(), found: found.to_owned() };
    if metadata.is_dir() {
        return Err(foreign("it is a folder"));
    }
    if !metadata.is_file() {
        return Err(foreign("it is no regular file"));
    }
    if (1..SMALLEST_DATABASE).contains(&metadata.len()) {
        return Err(foreign(NO_DATABASE));
    }
    Ok(())
}

pub(super) const NO_DATABASE: &str = "it is no SQLite database";

/// What a database holds that is not somebody else's.
enum Schema {
    /// The schema of a log.
    Ours,
    /// That of a merged file.
    Merged,
    /// Nothing at all: its maker was interrupted before the schema was committed.
    NotYet,
}

fn schema_of(connection: &Connection, path: &Path) -> Result<Schema, AuditError> {
    let read = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    let failed = |source: rusqlite::Error| match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            AuditError::Foreign { path: path.to_owned(), found: NO_DATABASE.to_owned() }
        }
        _ => AuditError::Sqlite { path: path.to_owned(), action: "read", source },
    };
    let application_id = read("PRAGMA application_id").map_err(failed)?;
    let version = read("PRAGMA user_version").map_err(failed)?;
    let tables = read("SELECT count(*) FROM sqlite_schema").map_err(failed)?;
    if (application_id, version, tables) == (0, 0, 0) {
        return Ok(Schema::NotYet);
    }
    if ![APPLICATION_ID, MERGED_ID].contains(&application_id) {
        let found = format!("it is another program's database, with application id {application_id}");
        return Err(AuditError::Foreign { path: path.to_owned(), found });
    }
    if version > SCHEMA_VERSION {
        return Err(AuditError::Newer { path: path.to_owned(), found: version, known: SCHEMA_VERSION });
    }
    Ok(if application_id == MERGED_ID { Schema::Merged } else { Schema::Ours })
}

/// Sets a pragma and reads it back: SQLite keeps silent where it cannot comply.
pub(super) fn set(
    connection: &Connection,
    path: &Path,
    pragma: &'static str,
    value: &'static str,
    wanted: &'static str,
) -> Result<(), AuditError> {
    let failed = |source| AuditError::Sqlite { path: path.to_owned(), action: "prepare", source };
    connection.pragma_update(None, pragma, value).map_err(failed)?;
    let found = connection
        .pragma_query_value(None, pragma, |row| {
            Ok(match row.get_ref(0)? {
                rusqlite::types::ValueRef::Integer(value) => value.to_string(),
                other => other.as_str()?.to_owned(),
            })
        })
        .map_err(failed)?;
    if found == wanted {
        Ok(())
    } else {
        Err(AuditError::Pragma { path: path.to_owned(), pragma, wanted, found })
    }
}

/// Brings the schema up to [`SCHEMA_VERSION`], one step a version, all or nothing.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version < 1 {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

/// Refuses file systems on which neither SQLite's locks nor its commits can be relied on.
#[cfg(target_os = "linux")]
fn refuse_network(path: &Path, real: &Path) -> Result<(), AuditError> {
    let folder = real.parent().unwrap_or(Path::new("/"));
    let io = |source| AuditError::Io { path: folder.to_owned(), action: "open", source };
    let found = rustix::fs::statfs(folder).map_err(|error| io(error.into()))?;
    match networkfilesystem(i128::from(found.f_type) & 0xffff_ffff) {
        None => Ok(()),
        Some(filesystem) => Err(AuditError::NetworkFilesystem { path: path.to_owned(), filesystem }),
    }
}

/// The name of a network file system, by its number in statfs(2) and the kernel's linux/magic.h.
#[cfg(any(target_os = "linux", test))]
const fn networkfilesystem(number: i128) -> Option<&'static str> {
    Some(match number {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x0102_1997 => "9P",
        0x00c3_6400 => "Ceph",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x0bd0_0bd0 => "Lustre",
        0x0116_1970 => "GFS2",
        0x7461_636f => "OCFS2",
        0x7375_7245 => "Coda",
        _ => return None,
    })
}

#[cfg(not(target_os = "linux"))]
fn refuse_network(_path: &Path, _real: &Path) -> Result<(), AuditError> {
    Ok(())
}

/// The right to be the one writer of a log, held until it is dropped or the process dies.
#[derive(Debug)]
pub(super) struct WriterLock {
    /// The file beside the log that tells who holds it, and the log itself: that file may be removed, and
    /// a mounted file has another folder. Must outlive SQLite's connection, whose locks go when the log
    /// is closed.
    files: Vec<File>,
}

impl WriterLock {
    /// Takes the lock; `holder` says who we are, for the one who finds it taken.
    pub(super) fn take(log: &Path, holder: &str) -> Result<Self, AuditError> {
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
                // Who holds it is a courtesy: that somebody does is enough to refuse.
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

    /// Takes hold of the log's file itself, once there is one. Only Linux keeps this lock apart from
    /// SQLite's own.
    pub(super) fn hold_file(&mut self, log: &Path) -> Result<(), AuditError> {
        if !cfg!(target_os = "linux") || self.files.len() > 1 || !log.is_file() {
            return Ok(());
        }
        let io = |source| AuditError::Io { path: log.to_owned(), action: "lock", source };
        let file = File::open(log).map_err(io)?;
        match file.try_lock() {
            Ok(()) => self.files.push(file),
            Err(TryLockError::WouldBlock) => {
                let holder = "under another name of the same file".to_owned();
                return Err(AuditError::Held { path: log.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        Ok(())
    }
}

/// The path of a file that lies beside the log and is named after it.
pub(super) fn beside(log: &Path, suffix: &str) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_their_numbers_and_local_ones_pass() {
        // linux/magic.h: NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC,
        // V9FS_MAGIC, CEPH_SUPER_MAGIC, AFS_FS_MAGIC, and Lustre's own.
        let network =
            [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x00c3_6400, 0x6b41_4653, 0x0bd0_0bd0];
        for number in network {
            assert!(networkfilesystem(number).is_some(), "{number:#x}");
        }
        // ext4, XFS, btrfs, tmpfs, overlayfs, ZFS.
        for number in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1] {
            assert_eq!(networkfilesystem(number), None, "{number:#x}");
        }
    }

    #[test]
    fn the_file_system_of_a_real_folder_is_looked_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        refuse_network(&path, &path).unwrap();
        let nowhere = folder.path().join("nowhere/audit.db");
        assert!(matches!(refuse_network(&nowhere, &nowhere), Err(AuditError::Io { .. })));
    }
}
