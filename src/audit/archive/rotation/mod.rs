//! Closes a log: it becomes a single file that nothing is written to, and a new log that names it takes its place.
//!
//! Two files are made beside their places first: the closed log (a copy of the log with one record more,
//! which says that it is closed and names its successor), and the successor (a log whose first record
//! names the closed one and its last hash). Both are on the disk, with their names, before the one step
//! that decides: the successor is renamed over the log. If decom is killed before that step, the log is what it
//! was, and the next attempt removes the two files. If it is killed after it, both files are complete;
//! only the closed one may still have the name that it was made by, and the next writer that opens the
//! successor renames it. At no time is there a closed log under its own name while the log that it was
//! made of can still be written to: that would be a fork.

mod pieces;

use std::fs::{self, Permissions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use crate::audit::record::{Head, Link, Predecessor, Statement, beside, hold_against_folder, real_path};
use crate::audit::verify::refuse_unsound;
use crate::audit::write::{
    WriterLock, closing_name, fold, give_name, leave_wal, name_predecessor, open_for_writing, sync_folder,
};
use crate::audit::{AuditError, AuditReader, LogOptions};
use crate::domain::{Timestamp, hex};
use pieces::{failed, io_error};

/// How long another reader may take to finish.
const PATIENCE: Duration = Duration::from_secs(1);

/// The suffix of the successor until it takes its place.
const NEXT: &str = ".next";

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The log that was closed.
    pub closed: Closed,
    /// The id of its successor.
    pub successor: String,
    /// How many datasources the closed log knows to be gone. The successor does not.
    pub gone: u64,
    /// How many targets ended in doubt about whether they are gone.
    pub unknown: u64,
}

/// A log that was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub log_id: String,
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
/// If the log is in use, not finished or not sound, or a file cannot be written: the log is then what it
/// was. After [`AuditError::Unnamed`] it is closed already.
pub fn rotate(path: &Path, out: Option<&Path>, options: &LogOptions) -> Result<Rotated, AuditError> {
    // Nothing is made if there is no log.
    drop(AuditReader::open(path)?);
    let real = real_path(path)?;
    let mut lock = WriterLock::take(&real, &options.holder)?;
    lock.hold_file(&real)?;
    // A log that is not sound is kept as it is, and not passed on as a closed one.
    refuse_unsound(path)?;
    let (connection, head) = open_for_writing(path, &real)?;
    let previous = match &options.checkpoints {
        Some(checkpoints) => {
            hold_against_folder(&connection, path, &checkpoints.dir).inspect_err(|_| fold(&connection))?
        }
        None => Link::First,
    };
    let out = out.map_or_else(|| default_name(path, Timestamp::from_micros(head.at_us)), Path::to_owned);
    let log = prepare(&connection, path, &real, &out).inspect_err(|_| fold(&connection))?;

    let place = real_path(&out)?;
    let (closing, next) = (closing_name(&place, &log.id), beside(&real, NEXT));
    let predecessor = make(&connection, &head, (&closing, &next), &place, options, &log)
        .and_then(|made| check_alone(path, &real, &log).map(|()| made))
        .inspect_err(|_| {
            // The next attempt removes what cannot be removed now.
            let _ = pieces::remove_left_over(&closing).and_then(|()| pieces::remove_left_over(&next));
        })?;
    // This decides.
    fs::rename(&next, &real).map_err(|source| io_error(path, source))?;
    sync_folder(&real)?;
    drop(connection);
    give_name(&closing, &out)?;
    let Predecessor { log_id, records, head, .. } = predecessor;
    tracing::info!(log_id, records, head, "the audit log was closed");
    write_checkpoint(&log_id, records, &head, previous, options);
    Ok(Rotated {
        closed: Closed { log_id, path: out, records, head },
        successor: options.new_log_id.clone(),
        gone: log.gone,
        unknown: log.unknown,
    })
}

/// The log that is to be closed.
struct Log {
    id: String,
    device: u64,
    inode: u64,
    permissions: Permissions,
    gone: u64,
    unknown: u64,
}

/// Checks that the log can be closed into the file `out`, and makes it a single file that no other process opens
/// until it has its successor.
fn prepare(connection: &Connection, path: &Path, real: &Path, out: &Path) -> Result<Log, AuditError> {
    name_predecessor(connection, path)?;
    let reader = AuditReader::open(path)?;
    refuse_unfinished(&reader)?;
    let (gone, unknown) = known(&reader)?;
    let id = reader.log_id()?;
    drop(reader);
    if out.symlink_metadata().is_ok() {
        return Err(AuditError::Exists { path: out.to_owned() });
    }
    let found = fs::metadata(real).map_err(|source| io_error(path, source))?;
    let (device, inode, permissions) = (found.dev(), found.ino(), found.permissions());
    single_file(connection, path, real)?;
    Ok(Log { id, device, inode, permissions, gone, unknown })
}

/// Writes a checkpoint of the closed log, if checkpoints are written. Its successor names its end, too.
fn write_checkpoint(log_id: &str, records: i64, head: &str, previous: Link, options: &LogOptions) {
    let Some(checkpoints) = &options.checkpoints else { return };
    let statement = Statement {
        log_id: log_id.to_owned(),
        records: records.unsigned_abs(),
        head: head.to_owned(),
        time: options.at,
        previous,
    };
    if let Err(error) = checkpoints.write(&statement) {
        tracing::error!(%error, "the checkpoint of the closed audit log cannot be written; `decom audit checkpoint` does that");
    }
}

/// Makes the closed log and its successor beside their places, both with their names on the disk. Returns what
/// the successor says of the closed one.
fn make(
    connection: &Connection,
    head: &Head,
    (closing, next): (&Path, &Path),
    place: &Path,
    options: &LogOptions,
    log: &Log,
) -> Result<Predecessor, AuditError> {
    for left_over in [closing, next] {
        pieces::remove_left_over(left_over)?;
    }
    let closed = pieces::close(connection, closing, head, options, &log.permissions)?;
    let predecessor = Predecessor {
        log_id: log.id.clone(),
        records: closed.seq,
        head: hex(closed.hash),
        file: place.to_string_lossy().into_owned(),
    };
    pieces::succeed(next, &predecessor, closed.at_us, options, &log.permissions)?;
    for file in [closing, next] {
        sync_folder(file)?;
    }
    Ok(predecessor)
}

/// Checks that the log is the file that it was, and a single one: SQLite would take what lies beside it
/// for a part of its successor.
fn check_alone(path: &Path, real: &Path, log: &Log) -> Result<(), AuditError> {
    let found = fs::metadata(real).map_err(|source| io_error(path, source))?;
    if (found.dev(), found.ino()) != (log.device, log.inode) {
        return Err(AuditError::Replaced { path: path.to_owned(), what: "replaced" });
    }
    if beside(real, "-wal").exists() || beside(real, "-journal").exists() {
        return Err(AuditError::InUse { path: path.to_owned() });
    }
    Ok(())
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

/// How many datasources are gone, and how many targets are in doubt.
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

/// `decom-audit.db` becomes `decom-audit-20260301T093000Z.db`, by the time of the last record; the next one of the same
/// second `decom-audit-20260301T093000Z-2.db`.
fn default_name(path: &Path, last: Timestamp) -> PathBuf {
    let named = |number: u32| {
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        name.push(format!("-{}", last.compact()));
        if number > 1 {
            name.push(format!("-{number}"));
        }
        if let Some(extension) = path.extension() {
            name.push(".");
            name.push(extension);
        }
        path.with_file_name(name)
    };
    let is_free = |path: &PathBuf| path.symlink_metadata().is_err();
    (1..100).map(named).find(is_free).unwrap_or_else(|| named(1))
}

/// Folds the write-ahead log in, and keeps every other process out from here on: SQLite would take what lies
/// beside the successor for a part of it.
fn single_file(connection: &Connection, path: &Path, real: &Path) -> Result<(), AuditError> {
    let in_use = || AuditError::InUse { path: path.to_owned() };
    let busy = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => in_use(),
        _ => failed(path, error),
    };
    connection.busy_timeout(PATIENCE).map_err(busy)?;
    let left = leave_wal(connection).map_err(busy)?;
    if !left || beside(real, "-wal").exists() {
        return Err(in_use());
    }
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;").map_err(busy)
}
