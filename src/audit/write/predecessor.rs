//! The closed log before this one: gives it its name if `decom audit rotate` was killed before it could.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::audit::AuditError;
use crate::audit::record::{Head, Predecessor, beside};
use crate::domain::hex;

/// Gives the closed log before this one its name, if that is still to be done.
pub(in crate::audit) fn name_predecessor(connection: &Connection, path: &Path) -> Result<(), AuditError> {
    let Some(predecessor) = Predecessor::of(connection).map_err(|e| failed(path, e))? else {
        return Ok(());
    };
    let place = PathBuf::from(&predecessor.file);
    let closing = closing_name(&place, &predecessor.log_id);
    if !closing.exists() {
        return Ok(());
    }
    let found = Connection::open_with_flags(&closing, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|e| failed(&closing, e))?;
    let head = Head::at_end(&found, &closing)?;
    if (head.seq, hex(head.hash)) == (predecessor.records, predecessor.head) {
        give_name(&closing, &place)?;
    }
    Ok(())
}

/// Returns the name of a closed log until it gets its own: with its id, so that no two logs share it.
pub(in crate::audit) fn closing_name(place: &Path, log_id: &str) -> PathBuf {
    beside(place, &format!(".{log_id}.closing"))
}

/// Gives the closed log its name, unless another file has it.
pub(in crate::audit) fn give_name(closing: &Path, out: &Path) -> Result<(), AuditError> {
    let unnamed = |source| AuditError::Unnamed { path: out.to_owned(), closing: closing.to_owned(), source };
    match fs::hard_link(closing, out) {
        Ok(()) => fs::remove_file(closing).map_err(unnamed)?,
        // A file system without links: a file of this name that is made in this instant is lost.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && out.symlink_metadata().is_err() => {
            fs::rename(closing, out).map_err(unnamed)?;
        }
        // decom was killed between the two steps above: both names lead to the same file.
        Err(_) if same_file(closing, out) => fs::remove_file(closing).map_err(unnamed)?,
        Err(error) => return Err(unnamed(error)),
    }
    sync_folder(out)
}

fn same_file(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    place(one).is_some() && place(one) == place(other)
}

/// Makes the names in the folder of `path` durable.
pub(in crate::audit) fn sync_folder(path: &Path) -> Result<(), AuditError> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| io_error(folder, source))
}

fn io_error(path: &Path, source: io::Error) -> AuditError {
    AuditError::Io { path: path.to_owned(), action: "close", source }
}

fn failed(path: &Path, source: rusqlite::Error) -> AuditError {
    AuditError::Sqlite { path: path.to_owned(), action: "close", source }
}
