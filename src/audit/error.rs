//! Why the audit log cannot be opened, written or read.

use std::io;
use std::path::PathBuf;

use crate::domain::Timestamp;

/// Why the audit log cannot be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// There is no such file.
    #[error("{}: there is no audit log here; name one with --audit-db", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file has several names.
    #[error("{}: the audit log has {links} names (hard links), and what SQLite keeps beside it would lie beside only one of them; leave it one name", path.display())]
    Linked {
        /// The file.
        path: PathBuf,
        /// How many names it has.
        links: u64,
    },
    /// The file or its folder cannot be used.
    #[error("{}: cannot {action} the audit log: {source}; check the path, its owner and the free space", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The definitions of datamarts are not safe.
    #[error("{}: cannot {action} the definitions of the datamarts: {source}; check the folder, its owner and the free space; nothing was sent", path.display())]
    Definitions {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{}: this is not an audit log of decom ({found}); name another file with --audit-db", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: String,
    },
    /// The log was written by a newer decom.
    #[error("{}: this audit log has schema version {found}, and this decom knows {known}; use a newer decom", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest one known here.
        known: i64,
    },
    /// The log lies where SQLite cannot keep its promises.
    #[error("{}: the audit log lies on a network file system ({filesystem}), where a commit is no promise; put it on a local disk", path.display())]
    NetworkFilesystem {
        /// The file.
        path: PathBuf,
        /// What kind of file system.
        filesystem: &'static str,
    },
    /// SQLite is too old: 3.7.0 to 3.51.2 can lose committed content of the write-ahead log.
    #[error("SQLite {found} can lose committed records; decom needs {needed} or later")]
    SqliteTooOld {
        /// The version that is linked.
        found: &'static str,
        /// The oldest one that will do.
        needed: &'static str,
    },
    /// SQLite did not take a setting that durability rests on.
    #[error("{}: SQLite answered `{found}` to `PRAGMA {pragma}`, and `{wanted}` is needed to keep records durable; is the disk read-only or a network volume?", path.display())]
    Pragma {
        /// The file.
        path: PathBuf,
        /// The setting.
        pragma: &'static str,
        /// What was asked for.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// Another decom writes to this log.
    #[error("{}: the audit log is in use by {}; wait for it to end", path.display(), if holder.is_empty() { "another decom" } else { holder })]
    Held {
        /// The file.
        path: PathBuf,
        /// Who, as it said itself.
        holder: String,
    },
    /// Something else is in the place of the lock file.
    #[error("{}: here decom locks the audit log, and this is {found}; it is neither followed nor overwritten: move it away", path.display())]
    ForeignLock {
        /// The lock file.
        path: PathBuf,
        /// What it is instead.
        found: &'static str,
    },
    /// Tables, triggers or views are not those that decom makes.
    #[error("{}: tables, triggers or views of the audit log were altered, so its records are no longer protected from changes; `decom audit verify` shows what was altered. Keep the file as it is and start a new log with --audit-db", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
    },
    /// The last record does not follow from the one before it.
    #[error("{}: record {seq} does not match its hash: the audit log was altered; keep the file as it is and start a new log with --audit-db", path.display())]
    BrokenChain {
        /// The file.
        path: PathBuf,
        /// The record.
        seq: i64,
    },
    /// A datamart without the datasource that it goes with, or a datasource without all of its datamarts.
    #[error("{}: target {number} does not belong to a whole group of a datasource and its datamarts, so that the order in which to delete them is unknown; nothing more is sent. `decom audit verify` checks the log", path.display())]
    BrokenGroup {
        /// The file.
        path: PathBuf,
        /// The number of the target in its run.
        number: u64,
    },
    /// The file was moved, removed or replaced while it was open.
    #[error("{}: the audit log was {what} while decom was writing to it; nothing more is sent. Put it back, or find out who did it, then `decom resume`", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
        /// `removed` or `replaced`.
        what: &'static str,
    },
    /// The log is gone, and what SQLite keeps beside it is not.
    #[error(
        "{}: there is no audit log here, but {} still holds records of one; put the log back to where it was, or move that file away to begin a new log",
        path.display(), wal.display()
    )]
    Orphan {
        /// Where the log should be.
        path: PathBuf,
        /// The write-ahead log.
        wal: PathBuf,
    },
    /// A write-ahead log lies beside a log that says that it has none.
    #[error(
        "{}: {} lies beside this audit log, which says that it has none: it is not decom's, and SQLite would read it; move it away, keep it, and find out who put it there",
        path.display(), wal.display()
    )]
    ForeignWal {
        /// The log.
        path: PathBuf,
        /// The write-ahead log.
        wal: PathBuf,
    },
    /// The file is empty: no log yet.
    #[error("{}: there is nothing in this file; name an audit log with --audit-db", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// There is no record in the log, not even the first.
    #[error("{}: there is no record in this file, not even the first that every audit log has", path.display())]
    NoRecords {
        /// The file.
        path: PathBuf,
    },
    /// A write was interrupted, and what undoes it lies beside the log.
    #[error("{}: a write was interrupted, and has to be undone before the log can be verified: `decom runs` does that", path.display())]
    Unplayed {
        /// The file.
        path: PathBuf,
    },
    /// Somebody began to write while the log was read as a file that nobody writes to.
    #[error("{}: the file was written to while it was verified; verify it again", path.display())]
    Disturbed {
        /// The file.
        path: PathBuf,
    },
    /// A checkpoint cannot be written.
    #[error("{}: cannot write this checkpoint: {source}; check audit.checkpoint_dir, its owner and the free space", path.display())]
    CheckpointUnwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is another checkpoint of as many records.
    #[error("{}: there is something else here: if it is a checkpoint of as many records, the log and it have diverged since (`decom audit verify` shows how)", path.display())]
    CheckpointTaken {
        /// The file.
        path: PathBuf,
    },
    /// A checkpoint was made of more records than there are.
    #[error(
        "{}: this checkpoint is of {records} records of the audit log {}, which has {found}: an older copy of the log was put in its place, or its end was cut off; put the newest copy back, or, if there is none, keep both files for an audit and begin another log with --audit-db",
        file.display(), path.display()
    )]
    CheckpointAhead {
        /// The log.
        path: PathBuf,
        /// The checkpoint.
        file: PathBuf,
        /// Of how many records it is.
        records: u64,
        /// How many there are.
        found: u64,
    },
    /// A checkpoint names another hash than the log has.
    #[error(
        "{}: this checkpoint contradicts the audit log {}: record {records} has another hash there, so one of them was altered, or the log is a copy that was continued by itself; keep both files for an audit, and put the log back that the checkpoints are of (`decom audit verify` checks one)",
        file.display(), path.display()
    )]
    CheckpointContradicts {
        /// The log.
        path: PathBuf,
        /// The checkpoint.
        file: PathBuf,
        /// The record.
        records: u64,
    },
    /// A checkpoint cannot be signed.
    #[error("cannot sign a checkpoint of the audit log: {0}")]
    Signing(#[from] crate::sshsig::SignatureError),
    /// The clock went backwards.
    #[error(
        "the clock is {by_seconds} s before the last record of the audit log ({last}); set the clock right, then `decom resume`, or, if the clock was wrong when that was written, close the log with `decom audit rotate`"
    )]
    ClockWentBack {
        /// By how much, in whole seconds.
        by_seconds: i64,
        /// When the last record was written.
        last: Timestamp,
    },
    /// SQLite failed.
    #[error("{}: cannot {action} the audit log: {source}{}", path.display(), advice(source))]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The list of targets could not be read back while a run began.
    #[error("cannot read back the list of targets: {source}; nothing was sent")]
    Targets {
        /// What the system said.
        source: io::Error,
    },
    /// The writer is gone, after an error that it reported before.
    #[error("the audit log is closed: an earlier write to it failed")]
    Closed,
    /// There is no run at all.
    #[error("{}: there is no run in this audit log yet", path.display())]
    NoRuns {
        /// The file.
        path: PathBuf,
    },
    /// No run has this id.
    #[error("{}: no run `{wanted}` in this audit log; `decom runs` lists them", path.display())]
    NoSuchRun {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        wanted: String,
    },
    /// Several runs begin with this.
    #[error("{}: `{wanted}` begins the ids of several runs ({candidates}); write more of it", path.display())]
    AmbiguousRun {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        wanted: String,
        /// Some of them.
        candidates: String,
    },
    /// The log is not what decom wrote.
    #[error("{}: the audit log is not sound: {why}; `decom audit verify --audit-db {}` tells all that is wrong", path.display(), path.display())]
    Unsound {
        /// The file.
        path: PathBuf,
        /// The first thing that is wrong.
        why: String,
    },
    /// The log cannot be read now, and so not verified.
    #[error("{}: the audit log cannot be read now: {why}; that says nothing of its records: check the disk, its free space and the rights, and verify it again", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What SQLite or the system said.
        why: String,
    },
    /// The log was closed for good.
    #[error("{}: this audit log was closed, and nothing is added to it any more; its successor is the log {successor}: name that one with --audit-db", path.display())]
    ClosedForGood {
        /// The file.
        path: PathBuf,
        /// The id of its successor.
        successor: String,
    },
    /// A run of the log is not finished, so that the log cannot be closed.
    #[error("{}: the run {run_id} is not finished ({status}), and only this log can continue it; `decom resume {run_id}` first", path.display())]
    Unfinished {
        /// The file.
        path: PathBuf,
        /// The run.
        run_id: String,
        /// Its status.
        status: String,
    },
    /// Another program reads the log, so that it cannot become a single file.
    #[error("{}: another program has the audit log open, so that it cannot be closed; end that one, and try again", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The log is closed and has its successor, and the closed file lies under another name.
    #[error("{}: the audit log was closed, and its successor begun, but the closed file could not get its name: {source}; all of it is in {}, rename that", path.display(), closing.display())]
    Unnamed {
        /// The name that it should have.
        path: PathBuf,
        /// Where it is.
        closing: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Several logs were merged into the file, and it is asked for as one log.
    #[error("{}: this file was merged from several audit logs, for reports; nothing is written to it, and a run needs a log: name one with --audit-db", path.display())]
    Merged {
        /// The file.
        path: PathBuf,
    },
    /// A new file would take the place of another.
    #[error("{}: there is a file here already, and none is overwritten; name another with --out", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Two logs with one id that went different ways.
    #[error("{} and {}: both are the audit log {log_id}, and they differ from record {seq} on: one was continued as a copy, or altered; neither is merged", one.display(), other.display())]
    Fork {
        /// One file.
        one: PathBuf,
        /// The other.
        other: PathBuf,
        /// The id.
        log_id: String,
        /// The first record that differs.
        seq: i64,
    },
    /// One run in two logs.
    #[error("{} and {}: the run {run_id} is in both, and they are different audit logs: a run belongs to one; neither is merged", one.display(), other.display())]
    RunTwice {
        /// One file.
        one: PathBuf,
        /// The other.
        other: PathBuf,
        /// The run.
        run_id: String,
    },
    /// A log that was closed a short time ago is not at hand.
    #[error(
        "{}: the audit log that was closed before this one, at {closed_at}, is not at hand ({}: {why}), so that what was deleted in the last 24 hours cannot be counted (safety.max_deletes_per_day); put it back there, or beside this log",
        path.display(), file.display()
    )]
    NoPredecessor {
        /// The log.
        path: PathBuf,
        /// Where the log before it was put.
        file: PathBuf,
        closed_at: Timestamp,
        /// What is there instead.
        why: &'static str,
    },
    /// A log names another one as the one before it, and that is not what it says.
    #[error("{}: this audit log begins where one of {records} records ended, and {} is not that one: it was altered, or written to after it was closed; neither is merged", path.display(), predecessor.display())]
    NotItsPredecessor {
        /// The log.
        path: PathBuf,
        /// The log before it.
        predecessor: PathBuf,
        /// How many records that had.
        records: i64,
    },
}

fn advice(error: &rusqlite::Error) -> &'static str {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "; free some space, then `decom resume`",
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "; check that the file and its folder can be written"
        }
        Some(ErrorCode::SystemIoFailure) => {
            "; check the disk, and any limit on the size of files, then `decom resume`"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "; another program holds a lock on it: close that, then `decom resume`"
        }
        Some(ErrorCode::ConstraintViolation) => {
            "; another program has written to it: only decom may, and only one at a time"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "; keep the file as it is and start a new log with --audit-db"
        }
        _ => "",
    }
}
