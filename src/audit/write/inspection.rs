//! Looks if a run could write to a log, and changes nothing.

use std::io;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Access, access};

use super::WriterLock;
use super::open::{refuse_network, refuse_second_names};
use crate::audit::AuditError;
use crate::audit::record::{
    BUSY_TIMEOUT, Head, Schema, SchemaDifferences, has_content, real_path, refuse_closed, refuse_orphans,
    refuse_other_things, schema_of,
};

/// What was found at the place of a log that can be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogInspection {
    /// How many records there are; `None` if the first run makes the log.
    pub records: Option<u64>,
    /// Why its content may not outlive the machine or the container.
    pub short_lived: Option<&'static str>,
}

/// Looks at the place of the log: the file system, the rights to write there, if another process writes to it, its
/// schema, and the hash of its last record.
///
/// # Errors
/// If a run could not write to it.
pub fn inspect(path: &Path) -> Result<LogInspection, AuditError> {
    let real = real_path(path)?;
    refuse_other_things(path)?;
    refuse_second_names(path)?;
    refuse_network(path, &real)?;
    refuse_orphans(path, &real)?;
    if let Some(holder) = WriterLock::holder(&real) {
        return Err(AuditError::Held { path: path.to_owned(), holder });
    }
    let folder = real.parent().unwrap_or(Path::new("/"));
    need_access(folder, Access::WRITE_OK | Access::EXEC_OK)?;
    let short_lived = short_lived(folder);
    if !has_content(&real) {
        return Ok(LogInspection { records: None, short_lived });
    }
    need_access(&real, Access::READ_OK | Access::WRITE_OK)?;
    let failed = |source| AuditError::Sqlite { path: path.to_owned(), action: "read", source };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&real, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    match schema_of(&connection, path)? {
        Schema::Merged => return Err(AuditError::Merged { path: path.to_owned() }),
        Schema::NotYet => return Ok(LogInspection { records: None, short_lived }),
        Schema::Ours => {}
    }
    refuse_closed(&connection, path)?;
    if !SchemaDifferences::of(&connection, false).map_err(failed)?.is_sound() {
        return Err(AuditError::Altered { path: path.to_owned() });
    }
    let head = Head::at_end(&connection, path)?;
    Ok(LogInspection { records: Some(u64::try_from(head.seq).unwrap_or(0)), short_lived })
}

fn need_access(path: &Path, wanted: Access) -> Result<(), AuditError> {
    access(path, wanted).map_err(|error| AuditError::Io {
        path: path.to_owned(),
        action: "write",
        source: io::Error::from(error),
    })
}

/// Why what is written in `folder` may be lost, by the kind of its file system (statfs(2), linux/magic.h).
#[cfg(target_os = "linux")]
fn short_lived(folder: &Path) -> Option<&'static str> {
    let found = rustix::fs::statfs(folder).ok()?;
    match i128::from(found.f_type) & 0xffff_ffff {
        0x0102_1994 | 0x8584_58f6 => Some("it lies in memory (tmpfs) and is lost at the next start"),
        0x794c_7630 => Some("it lies in the file system of a container (overlay) and is lost with it"),
        _ => None,
    }
}

#[cfg(not(target_os = "linux"))]
fn short_lived(_folder: &Path) -> Option<&'static str> {
    None
}
