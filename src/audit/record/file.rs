//! A log as a file: what may be one, what it holds, and the names of the files beside it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::super::AuditError;
use super::schema::{APPLICATION_ID, MERGED_ID, SCHEMA_VERSION};

/// How long to wait for another program's lock before giving up.
pub(in crate::audit) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What a file that can be read holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::audit) enum Content {
    /// One log.
    Log,
    /// Several logs that were merged.
    Merged,
}

/// Where `path` leads. Links are resolved once: the lock and the write-ahead log lie beside the file
/// itself, by whatever name it is reached.
pub(in crate::audit) fn real_path(path: &Path) -> Result<PathBuf, AuditError> {
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
pub(in crate::audit) fn refuse_orphans(path: &Path, real: &Path) -> Result<(), AuditError> {
    let wal = beside(real, "-wal");
    if !has_content(real) && has_content(&wal) {
        return Err(AuditError::Orphan { path: path.to_owned(), wal });
    }
    Ok(())
}

/// Returns true if there is a file that is not empty: to SQLite an empty one beside a database is none.
pub(in crate::audit) fn has_content(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.len() > 0)
}

/// Returns true if the header of a database says that it has a write-ahead log. SQLite reads one that lies beside
/// it whatever the header says.
pub(in crate::audit) fn has_wal(file: &File) -> io::Result<bool> {
    let mut versions = [0; 2];
    file.read_exact_at(&mut versions, 18)?;
    Ok(versions == [2, 2])
}

/// The smallest SQLite database, in bytes: one page. SQLite takes a shorter file for an empty one, and
/// would write over it.
const SMALLEST_DATABASE: u64 = 512;

/// What is no database by its kind or size. What it holds is for SQLite to look at: nothing of ours
/// may open the file, as closing it again would drop the locks that SQLite holds on it in this
/// process (<https://sqlite.org/howtocorrupt.html>, "POSIX advisory locks canceled").
pub(in crate::audit) fn refuse_other_things(path: &Path) -> Result<(), AuditError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
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

pub(in crate::audit) const NO_DATABASE: &str = "it is no SQLite database";

/// What a database holds that is not somebody else's.
pub(in crate::audit) enum Schema {
    /// The schema of a log.
    Ours,
    /// That of a merged file.
    Merged,
    /// Nothing at all: its maker was interrupted before the schema was committed.
    NotYet,
}

pub(in crate::audit) fn schema_of(connection: &Connection, path: &Path) -> Result<Schema, AuditError> {
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

/// The path of a file that lies beside the log and is named after it.
pub(in crate::audit) fn beside(log: &Path, suffix: &str) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
