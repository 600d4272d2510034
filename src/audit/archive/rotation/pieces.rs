//! The two files that a rotation makes: the closed log and its successor, each whole and on the disk
//! before it is returned.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rusqlite::Connection;
use serde_json::json;

use crate::audit::record::{Head, Kind, Predecessor, Record, beside, not_before};
use crate::audit::write::{append_one, migrate};
use crate::audit::{AuditError, LogOptions};
use crate::domain::Timestamp;

/// Removes what an attempt left that was killed before it decided.
pub(super) fn remove_left_over(path: &Path) -> Result<(), AuditError> {
    for part in [path.to_owned(), beside(path, "-journal")] {
        match fs::remove_file(&part) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(io_error(&part, source)),
            _ => {}
        }
    }
    Ok(())
}

/// Copies the log into a new file at `path`, and adds the record that closes it. Returns its end. The file has the
/// permissions of the log without those to write.
pub(super) fn close(
    log: &Connection,
    path: &Path,
    head: &Head,
    options: &LogOptions,
    permissions: &Permissions,
) -> Result<Head, AuditError> {
    create(path, permissions)?;
    log.execute("VACUUM INTO ?1", [path.to_string_lossy()]).map_err(|e| failed(path, e))?;
    let mut copy = Connection::open(path).map_err(|e| failed(path, e))?;
    let mut end = Head::at_end(&copy, path)?;
    if (end.seq, end.hash) != (head.seq, head.hash) {
        return Err(AuditError::BrokenChain { path: path.to_owned(), seq: end.seq });
    }
    // A log that is ahead of the time can be closed, and nothing else: its last record says when it was.
    let behind = is_ahead(end.at_us, options);
    if behind {
        let last = Timestamp::from_micros(end.at_us);
        tracing::warn!(%last, "the last record of this log is ahead of the clock; its successor begins with the time of the clock");
    }
    let at_us = options.at.as_micros().max(end.at_us);
    let closed_at = behind.then(|| options.at.to_string());
    let mut detail = json!({ "tool_version": options.tool_version });
    if let Some(closed_at) = closed_at {
        detail["closed_at"] = closed_at.into();
    }
    let detail = detail.to_string();
    let record = Record { name: Some(&options.new_log_id), detail: Some(&detail), ..Record::of(Kind::Close) };
    append_one(&mut copy, &mut end, &record, at_us).map_err(|e| failed(path, e))?;
    durable(copy, path, Permissions::from_mode(permissions.mode() & !0o222))?;
    Ok(end)
}

/// Returns true if a record at `at_us` is ahead of the clock by more than is levelled.
fn is_ahead(at_us: i64, options: &LogOptions) -> bool {
    not_before(options.at, at_us, options.clock_tolerance).is_err()
}

/// Makes the log that follows the closed one at `path`.
pub(super) fn succeed(
    path: &Path,
    predecessor: &Predecessor,
    closed_at_us: i64,
    options: &LogOptions,
    permissions: &Permissions,
) -> Result<(), AuditError> {
    create(path, permissions)?;
    let mut successor = Connection::open(path).map_err(|e| failed(path, e))?;
    migrate(&mut successor).map_err(|e| failed(path, e))?;
    let detail = json!({
        "format": 1,
        "tool_version": options.tool_version,
        "sqlite_version": rusqlite::version(),
        "predecessor": predecessor,
    })
    .to_string();
    let record = Record { name: Some(&options.new_log_id), detail: Some(&detail), ..Record::of(Kind::Log) };
    let at_us = if is_ahead(closed_at_us, options) { options.at.as_micros() } else { closed_at_us };
    append_one(&mut successor, &mut Head::empty(), &record, at_us).map_err(|e| failed(path, e))?;
    durable(successor, path, permissions.clone())
}

/// Makes an empty file, which those who may not read the log may not read either.
fn create(path: &Path, permissions: &Permissions) -> Result<(), AuditError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(permissions.mode() & 0o777);
    options.open(path).map(drop).map_err(|source| io_error(path, source))
}

/// Closes the file, and returns once all of it is on the disk.
fn durable(connection: Connection, path: &Path, permissions: Permissions) -> Result<(), AuditError> {
    connection.close().map_err(|(_, e)| failed(path, e))?;
    fs::set_permissions(path, permissions)
        .and_then(|()| File::open(path))
        .and_then(|file| file.sync_all())
        .map_err(|source| io_error(path, source))
}

pub(super) fn io_error(path: &Path, source: io::Error) -> AuditError {
    AuditError::Io { path: path.to_owned(), action: "close", source }
}

pub(super) fn failed(path: &Path, source: rusqlite::Error) -> AuditError {
    AuditError::Sqlite { path: path.to_owned(), action: "close", source }
}
