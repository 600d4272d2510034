//! Closing a log for good: it becomes a single file that nobody writes to, and a new log that names it
//! takes its place.
//!
//! Two files are made beside their places first: the closed log (a copy of the log with one record
//! more, which says that it is closed and names its successor), and the successor (a log whose first
//! record names the closed one and its last hash). Both are on the disk, with their names, before the
//! one step that decides: the successor is renamed over the log. Killed before that step, the log is
//! what it was, and the two files beside it are thrown away by the next attempt. Killed after it, both
//! files are complete; only the closed one may still lie under the name that it was made by, and the
//! next one who opens the successor for writing gives it its own. At no time is there a closed log
//! under its own name while the log that it was made of can still be written to: that would be a fork.

mod pieces;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use crate::audit::record::{Head, Predecessor, Statement, beside, hex, real_path};
use crate::audit::verify::refuse_unsound;
use crate::audit::write::{
    Writer, WriterLock, closing_name, fold, give_name, leave_ahead, open_for_writing, settle, sync_folder,
};
use crate::audit::{AuditError, AuditReader, LogOptions};
use crate::domain::Timestamp;
use pieces::{failed, io_error};

/// How long a reader may take to be done.
const PATIENCE: Duration = Duration::from_secs(1);

/// Beside the log, until that may have its place.
const NEXT: &str = ".next";

/// What came of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The log that was closed.
    pub closed: Closed,
    /// The id of its successor.
    pub successor: String,
    /// How many datasources the closed log knows to be gone. The successor does not.
    pub gone: u64,
    /// How many targets ended without anybody knowing whether they are gone.
    pub unknown: u64,
}

/// A log that was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Its id.
    pub log_id: String,
    /// Its file.
    pub path: PathBuf,
    /// How many records it has, the one that closes it among them.
    pub records: i64,
    /// The hash of the last one, in hexadecimal.
    pub head: String,
}

/// Closes the log at `path` into the file `out`, or one that is named after its last record, and
/// begins its successor at `path`.
///
/// # Errors
/// Where the log is in use, not finished or not sound, or a file cannot be written. The log is what it
/// was then; but for [`AuditError::Unnamed`], where it is closed already.
pub fn rotate(path: &Path, out: Option<&Path>, options: &LogOptions) -> Result<Rotated, AuditError> {
    // Nothing is made where there is no log.
    drop(AuditReader::open(path)?);
    let real = real_path(path)?;
    let mut lock = WriterLock::take(&real, &options.holder)?;
    lock.hold_file(&real)?;
    // A log that is not sound is kept as it is, and not passed on as a closed one.
    refuse_unsound(path)?;
    let connection = open_for_writing(path, &real)?;
    let looked = look(&connection, path, &real);
    if looked.is_err() {
        fold(&connection);
    }
    let (was, gone, unknown) = looked?;
    let head = Writer::find_head(&connection, path)?;
    let out = match out {
        Some(out) => out.to_owned(),
        None => default_name(path, Timestamp::from_micros(head.at_us)),
    };
    if out.symlink_metadata().is_ok() {
        return Err(AuditError::Exists { path: out });
    }
    // The lock that this leaves keeps everybody out until the log has its successor.
    single_file(&connection, path, &real)?;

    let log_id = pieces::log_id(&connection).map_err(|e| failed(path, e))?;
    let place = real_path(&out)?;
    let (closing, next) = (closing_name(&place, &log_id), beside(&real, NEXT));
    let made = make(&connection, &head, (&closing, &next), (log_id, &place), options, &was.2);
    let predecessor =
        made.and_then(|made| check_alone(path, &real, &was).map(|()| made)).inspect_err(|_| {
            // Whatever cannot be removed, the next attempt removes.
            let _ = pieces::remove_left_over(&closing).and_then(|()| pieces::remove_left_over(&next));
        })?;
    // This decides.
    fs::rename(&next, &real).map_err(|source| io_error(path, source))?;
    sync_folder(&real)?;
    drop(connection);
    give_name(&closing, &out)?;
    let Predecessor { log_id, records, head, .. } = predecessor;
    tracing::info!(log_id, records, head, "the audit log was closed");
    vouch(&log_id, records, &head, options);
    Ok(Rotated {
        closed: Closed { log_id, path: out, records, head },
        successor: options.new_log_id.clone(),
        gone,
        unknown,
    })
}

/// Writes a checkpoint of the closed log, where checkpoints are written. Its successor names its end, too.
fn vouch(log_id: &str, records: i64, head: &str, options: &LogOptions) {
    let Some(checkpoints) = &options.checkpoints else { return };
    let statement = Statement {
        log_id: log_id.to_owned(),
        records: records.unsigned_abs(),
        head: head.to_owned(),
        time: options.at,
    };
    let path = checkpoints.dir.join(statement.file_name());
    if let Err(error) = statement.write(&path, Some(&checkpoints.key)) {
        tracing::error!(%error, "the checkpoint of the closed audit log cannot be written; `decom audit checkpoint` does that");
    }
}

/// Makes the closed log and its successor beside their places, both with their names on the disk. What
/// the successor says of the closed one.
fn make(
    log: &Connection,
    head: &Head,
    (closing, next): (&Path, &Path),
    (log_id, place): (String, &Path),
    options: &LogOptions,
    permissions: &fs::Permissions,
) -> Result<Predecessor, AuditError> {
    for left_over in [closing, next] {
        pieces::remove_left_over(left_over)?;
    }
    let closed = pieces::close(log, closing, head, options)?;
    let predecessor = Predecessor {
        log_id,
        records: closed.seq,
        head: hex(&closed.hash),
        file: place.to_string_lossy().into_owned(),
    };
    pieces::succeed(next, &predecessor, closed.at_us, options, permissions)?;
    for file in [closing, next] {
        sync_folder(file)?;
    }
    Ok(predecessor)
}

/// Checks that the log is the file that it was, and a single one: what lies beside it would be taken
/// for a part of its successor.
fn check_alone(path: &Path, real: &Path, was: &Identity) -> Result<(), AuditError> {
    let now = identity(real, path)?;
    if (now.0, now.1) != (was.0, was.1) {
        return Err(AuditError::Replaced { path: path.to_owned(), what: "replaced" });
    }
    if beside(real, "-wal").exists() || beside(real, "-journal").exists() {
        return Err(AuditError::InUse { path: path.to_owned() });
    }
    Ok(())
}

/// Whether the log can be closed: the file that it is, and how much its successor will not know.
fn look(connection: &Connection, path: &Path, real: &Path) -> Result<(Identity, u64, u64), AuditError> {
    settle(connection, path)?;
    let was = identity(real, path)?;
    let reader = AuditReader::open(path)?;
    refuse_unfinished(&reader)?;
    let (gone, unknown) = known(&reader)?;
    Ok((was, gone, unknown))
}

fn refuse_unfinished(reader: &AuditReader) -> Result<(), AuditError> {
    let runs = reader.runs()?;
    if runs.is_empty() {
        return Err(AuditError::NoRuns { path: reader.path.clone() });
    }
    match runs.into_iter().rev().find(|run| run.status != "finished") {
        Some(run) => {
            Err(AuditError::Unfinished { path: reader.path.clone(), run_id: run.run_id, status: run.status })
        }
        None => Ok(()),
    }
}

/// How many datasources are gone, and of how many targets nobody knows.
fn known(reader: &AuditReader) -> Result<(u64, u64), AuditError> {
    let query = "SELECT (SELECT count(*) FROM (
                            SELECT DISTINCT t.name, r.detail ->> '$.base_url'
                              FROM record o
                              JOIN record t ON t.seq = o.target
                              JOIN record r ON r.seq = t.run
                             WHERE o.outcome IN ('deleted', 'deleted_unconfirmed'))),
                        (SELECT count(*) FROM record WHERE outcome = 'unknown')";
    reader.connection.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(|e| reader.failed(e))
}

/// `decom-audit.db` becomes `decom-audit-20260301T093000Z.db`, by the time of the last record.
fn default_name(path: &Path, last: Timestamp) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{}", last.compact()));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Folds the write-ahead log in, and keeps everybody else out from here on: what SQLite finds beside
/// the successor it would take for a part of it.
fn single_file(connection: &Connection, path: &Path, real: &Path) -> Result<(), AuditError> {
    let in_use = || AuditError::InUse { path: path.to_owned() };
    let busy = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => in_use(),
        _ => failed(path, error),
    };
    connection.busy_timeout(PATIENCE).map_err(busy)?;
    let left = leave_ahead(connection).map_err(busy)?;
    if !left || beside(real, "-wal").exists() {
        return Err(in_use());
    }
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;").map_err(busy)
}

/// Which file it is, and who may do what with it.
type Identity = (u64, u64, fs::Permissions);

fn identity(real: &Path, path: &Path) -> Result<Identity, AuditError> {
    let found = fs::metadata(real).map_err(|source| io_error(path, source))?;
    Ok((found.dev(), found.ino(), found.permissions()))
}
