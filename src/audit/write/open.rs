//! Opens the log for writing: only a file that is a log, on a disk that keeps what is committed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::audit::AuditError;
use crate::audit::record::{
    BUSY_TIMEOUT, Head, SCHEMA_VERSION, Schema, SchemaDifferences, make_log, refuse_closed, refuse_orphans,
    refuse_other_things, replace_views, schema_of,
};

/// The oldest SQLite that does not lose committed content when connections write and checkpoint at
/// once (<https://sqlite.org/wal.html#the_wal_reset_bug>).
const OLDEST_SQLITE: i32 = 3_051_003;

/// Opens the log for writing, making it if there is none, and finds the end of its chain. `real` is where `path`
/// leads. A log that is refused is left as it is.
pub(in crate::audit) fn open_for_writing(path: &Path, real: &Path) -> Result<(Connection, Head), AuditError> {
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
    let head = match schema_of(&connection, path)? {
        Schema::Merged => return Err(AuditError::Merged { path: path.to_owned() }),
        Schema::NotYet => Head::empty(),
        Schema::Ours => {
            refuse_closed(&connection, path)?;
            // Without its triggers the log would take anything.
            if !SchemaDifferences::of(&connection, false).map_err(failed("read"))?.is_sound() {
                return Err(AuditError::Altered { path: path.to_owned() });
            }
            Head::at_end(&connection, path)?
        }
    };
    prepare(&mut connection, path).inspect_err(|_| fold(&connection))?;
    Ok((connection, head))
}

/// Sets the pragmas on which durability depends, and brings the schema up to date.
fn prepare(connection: &mut Connection, path: &Path) -> Result<(), AuditError> {
    set(connection, path, "journal_mode", "wal", "wal")?;
    set(connection, path, "synchronous", "FULL", "2")?;
    set(connection, path, "recursive_triggers", "ON", "1")?;
    // Pages of an index are written to the log many times while they fill up, and to the database once.
    set(connection, path, "wal_autocheckpoint", "4000", "4000")?;
    let failed = |source| AuditError::Sqlite { path: path.to_owned(), action: "prepare", source };
    migrate(connection).map_err(failed)
}

/// Refuses a log with a second name: SQLite keeps its write-ahead log beside the name by which a file was opened. By
/// another name, the records that a killed decom left there would be missing without an error.
pub(super) fn refuse_second_names(path: &Path) -> Result<(), AuditError> {
    let links = fs::metadata(path).map_or(1, |metadata| metadata.nlink());
    if links > 1 { Err(AuditError::Linked { path: path.to_owned(), links }) } else { Ok(()) }
}

/// Sets a pragma and reads it back: SQLite reports no error if it does not comply.
pub(in crate::audit) fn set(
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

/// Moves the content of the write-ahead log into the file and removes it. Returns false if that is not possible.
pub(in crate::audit) fn leave_wal(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA journal_mode = delete", [], |row| Ok(row.get_ref(0)?.as_str()? == "delete"))
}

/// Folds the write-ahead log in, so that a single file is left, unless another process is reading just now.
pub(in crate::audit) fn fold(connection: &Connection) {
    let folded = connection.busy_timeout(Duration::ZERO).and_then(|()| leave_wal(connection));
    if let Err(error) = folded {
        tracing::debug!(%error, "the write-ahead log stays beside the audit log");
    }
}

/// Brings the schema up to date, all or nothing.
pub(in crate::audit) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match version {
        ..1 => make_log(&transaction)?,
        1..SCHEMA_VERSION => replace_views(&transaction)?,
        // A newer one is refused before.
        _ => {}
    }
    transaction.commit()
}

/// Refuses file systems on which neither SQLite's locks nor its commits can be relied on.
#[cfg(target_os = "linux")]
pub(super) fn refuse_network(path: &Path, real: &Path) -> Result<(), AuditError> {
    let folder = real.parent().unwrap_or(Path::new("/"));
    let io = |source| AuditError::Io { path: folder.to_owned(), action: "open", source };
    let found = rustix::fs::statfs(folder).map_err(|error| io(error.into()))?;
    match network_file_system(i128::from(found.f_type) & 0xffff_ffff) {
        None => Ok(()),
        Some(filesystem) => Err(AuditError::NetworkFilesystem { path: path.to_owned(), filesystem }),
    }
}

/// Returns the name of a network file system, by its number in statfs(2) and the kernel's linux/magic.h.
#[cfg(any(target_os = "linux", test))]
const fn network_file_system(number: i128) -> Option<&'static str> {
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
        // Mostly an object store or another machine.
        0x6573_5546 => "FUSE",
        _ => return None,
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn refuse_network(_path: &Path, _real: &Path) -> Result<(), AuditError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_recognised_and_local_ones_are_not() {
        // linux/magic.h: NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC,
        // V9FS_MAGIC, CEPH_SUPER_MAGIC, AFS_FS_MAGIC, Lustre's own, FUSE_SUPER_MAGIC.
        let network = [
            0x6969,
            0x517b,
            0xff53_4d42,
            0xfe53_4d42,
            0x0102_1997,
            0x00c3_6400,
            0x6b41_4653,
            0x0bd0_0bd0,
            0x6573_5546,
        ];
        for number in network {
            assert!(network_file_system(number).is_some(), "{number:#x}");
        }
        // ext4, XFS, btrfs, tmpfs, overlayfs, ZFS.
        for number in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1] {
            assert_eq!(network_file_system(number), None, "{number:#x}");
        }
    }

    #[test]
    fn a_local_folder_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        refuse_network(&path, &path).unwrap();
        let nowhere = folder.path().join("nowhere/audit.db");
        assert!(matches!(refuse_network(&nowhere, &nowhere), Err(AuditError::Io { .. })));
    }
}
