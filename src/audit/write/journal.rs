//! The ways in which records get into the log's file.
//!
//! While a run goes on they go into a file ahead of it, SQLite's write-ahead log: a commit is one write behind the
//! last one, and who reads and who writes are in nobody's way. At rest the log is a single file.
//!
//! The first run of a new log goes straight into its file, with all its targets: each page is written once, where
//! it would be written ahead, read again and moved. Nobody can read the log meanwhile; there is no run in it.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::open::set;
use crate::audit::AuditError;

/// Has all that follows written straight into the file. Whether it is: not where another connection has the
/// log open.
///
/// # Errors
/// Where that is not why it cannot be. What state the file is in then only SQLite knows: nothing may be written.
pub(super) fn write_straight(connection: &Connection, path: &Path) -> Result<bool, AuditError> {
    match leave_ahead(connection) {
        Ok(left) => Ok(left),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(false),
        Err(source) => Err(AuditError::Sqlite { path: path.to_owned(), action: "prepare", source }),
    }
}

/// Moves what was written ahead into the file, and leaves nothing beside it. Whether it does.
pub(in crate::audit) fn leave_ahead(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA journal_mode = delete", [], |row| Ok(row.get_ref(0)?.as_str()? == "delete"))
}

/// Has all that follows written ahead of the file.
///
/// # Errors
/// Where that cannot be, as on a network volume, or somebody does not stop reading.
pub(super) fn write_ahead(connection: &Connection, path: &Path) -> Result<(), AuditError> {
    set(connection, path, "journal_mode", "wal", "wal")?;
    // The files beside the log are made when it is read next.
    connection.query_row("SELECT max(seq) FROM record", [], |_| Ok(())).map_err(|source| AuditError::Sqlite {
        path: path.to_owned(),
        action: "read",
        source,
    })
}

/// Folds the write-ahead log in, so that a single file is left, unless somebody is reading just now.
pub(in crate::audit) fn fold(connection: &Connection) {
    let folded = connection.busy_timeout(Duration::ZERO).and_then(|()| leave_ahead(connection));
    if let Err(error) = folded {
        tracing::debug!(%error, "the write-ahead log stays beside the audit log");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::WriteResult;
    use super::super::samples::{open, opening, target};
    use super::*;
    use crate::audit::record::beside;

    const TARGETS: usize = 10_000;

    /// Begins a run in the log at `path`, and calls `halfway` when half of its targets are on their way. What came
    /// of it, and how large the write-ahead log is then.
    async fn begin(path: &Path, halfway: impl Fn() + Send + 'static) -> (WriteResult, Option<u64>) {
        let log = open(path);
        let targets = (0..TARGETS).map(move |number| {
            if number == TARGETS / 2 {
                halfway();
            }
            Ok(target(&format!("tenant-{number}-postgres")))
        });
        let begun = log.recorder().begin_run(opening("20251124T160000Z-0badcafe"), Box::new(targets)).await;
        let ahead = fs::metadata(beside(path, "-wal")).ok().map(|found| found.len());
        log.close();
        (begun, ahead)
    }

    fn records(path: &Path) -> usize {
        let log = Connection::open(path).unwrap();
        log.query_row("SELECT count(*) FROM record", [], |row| row.get(0)).unwrap()
    }

    #[tokio::test]
    async fn the_first_run_of_a_new_log_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        let (begun, ahead) = begin(&path, || ()).await;
        begun.unwrap();
        // There is one again for what follows.
        assert!(ahead.unwrap() < 100_000, "{ahead:?}");
        assert_eq!(records(&path), TARGETS + 2);
        assert!(fs::metadata(&path).unwrap().len() > 1_000_000);
    }

    #[tokio::test]
    async fn whoever_reads_the_log_goes_on_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        open(&path).close();
        let log = open(&path);
        let reader = Connection::open(&path).unwrap();
        let count =
            || reader.query_row("SELECT count(*) FROM record", [], |row| row.get::<_, i64>(0)).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        assert_eq!(count(), 1);
        let targets = (0..TARGETS).map(|number| Ok(target(&format!("tenant-{number}"))));
        log.recorder().begin_run(opening("20251124T160000Z-0badcafe"), Box::new(targets)).await.unwrap();
        assert_eq!(count(), 1, "as it was when it began to read");
        assert!(fs::metadata(beside(&path, "-wal")).unwrap().len() > 1_000_000);
        reader.execute_batch("COMMIT").unwrap();
        log.close();
        assert_eq!(records(&path), TARGETS + 2);
    }

    #[tokio::test]
    async fn nobody_begins_to_read_while_it_is_written_and_holds_the_rest_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        let (shown, found) = std::sync::mpsc::channel();
        let log = path.clone();
        let (begun, _) = begin(&path, move || {
            let reader = Connection::open(&log).unwrap();
            reader.busy_timeout(Duration::ZERO).unwrap();
            let count = reader.query_row("SELECT count(*) FROM record", [], |row| row.get::<_, i64>(0));
            shown.send(count.unwrap_err().sqlite_error_code()).unwrap();
        })
        .await;
        begun.unwrap();
        assert_eq!(found.recv().unwrap(), Some(ErrorCode::DatabaseBusy));
    }

    #[tokio::test]
    async fn nothing_is_taken_away_from_another_log_that_has_the_name_by_now() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        let log = open(&path);
        let files = ["", "-wal", "-shm"].map(|suffix| beside(&path, suffix));
        for file in &files {
            fs::rename(file, beside(file, ".moved")).unwrap();
            fs::write(file, "another one's").unwrap();
        }
        let targets = (0..TARGETS).map(|number| Ok(target(&format!("tenant-{number}"))));
        let begun = log.recorder().begin_run(opening("20251124T160000Z-0badcafe"), Box::new(targets)).await;
        let error = begun.unwrap_err();
        assert!(matches!(*error, AuditError::Replaced { what: "replaced", .. }), "{error}");
        log.close();
        for file in &files {
            assert_eq!(fs::read(file).unwrap(), b"another one's");
        }
    }

    #[tokio::test]
    async fn a_log_that_is_taken_away_while_it_is_written_gets_nothing_beside_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("audit.db"), folder.path().join("moved.db"));
        let (from, to) = (path.clone(), moved.clone());
        let (begun, ahead) = begin(&path, move || fs::rename(&from, &to).unwrap()).await;
        let error = begun.unwrap_err();
        assert!(matches!(*error, AuditError::Replaced { what: "removed", .. }), "{error}");
        assert_eq!(ahead, None);
        assert!([1, TARGETS + 2].contains(&records(&moved)), "all or nothing of it");
    }
}
