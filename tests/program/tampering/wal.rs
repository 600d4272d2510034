//! A write-ahead log put beside a log: SQLite reads it, whatever the log says of itself, so that every reader
//! is shown something else than decom wrote.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::copies::killed;
use super::{Case, Held};
use crate::support::column;

/// Shows each target as deleted, in SQLite's own words and with all triggers back in place.
const LIE: &str =
    "UPDATE record SET outcome = 'deleted', evidence = 'acknowledged' WHERE outcome IS NOT NULL";

const OUTCOMES: &str = "SELECT datasource || outcome FROM results ORDER BY 1";

fn beside(log: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", log.display()))
}

/// Puts a write-ahead log beside `log` in which its outcomes are other ones, and the shared index if that is
/// asked for. The log itself is not touched.
fn craft(log: &Path, with_index: bool) {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("log.db");
    fs::copy(log, &other).unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
    if beside(log, "-wal").exists() {
        fs::copy(beside(log, "-wal"), beside(&other, "-wal")).unwrap();
    }
    let forger = Connection::open(&other).unwrap();
    let mode: String = forger.query_row("PRAGMA journal_mode = wal", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    forger.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    let triggers = column(&other, "SELECT sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid");
    for name in column(&other, "SELECT name FROM sqlite_schema WHERE type = 'trigger'") {
        forger.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    forger.execute_batch(&format!("{LIE}; {};", triggers.join(";\n"))).unwrap();
    let suffixes: &[&str] = if with_index { &["-wal", "-shm"] } else { &["-wal"] };
    for suffix in suffixes {
        fs::copy(beside(&other, suffix), beside(log, suffix)).unwrap();
    }
}

/// Fails unless the write-ahead log is found, by decom and by the script in Python.
#[track_caller]
fn found(case: &Case, log: &Path) {
    let (code, said) = case.verify(log, Held::Anchored);
    assert_eq!(code, 5, "{said:#}");
    let findings = said["findings"].as_array().unwrap();
    assert_eq!(findings[0]["kind"], "wal_foreign", "{said:#}");
    case.agreed(log, Held::Anchored, false, "a crafted -wal");
}

/// Takes away what [`craft`] and its readers left.
fn clear(log: &Path) {
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(beside(log, suffix));
    }
}

#[test]
fn a_wal_beside_a_finished_log_is_found_with_and_without_its_index() {
    let case = Case::new();
    let (log, truth) = (case.copy(), column(&case.log(), OUTCOMES));
    let bytes = fs::read(&log).unwrap();
    for with_index in [true, false] {
        craft(&log, with_index);
        found(&case, &log);
        assert_ne!(column(&log, OUTCOMES), truth, "SQLite shows the lie");
        clear(&log);
        assert_eq!(fs::read(&log).unwrap(), bytes, "the log itself is as it was");
        assert_eq!(case.verify(&log, Held::Anchored).0, 0, "and sound without it");
    }
    fs::write(beside(&log, "-wal"), "").unwrap();
    assert_eq!(case.verify(&log, Held::Anchored).0, 0, "to SQLite an empty file is none");
}

#[test]
fn a_wal_beside_a_closed_log_is_found() {
    let case = Case::new();
    let closed = case.path("closed.db");
    let rotated = ["audit", "rotate", "--out", "closed.db", "--signing-key", "key"];
    let mut command = case.estate.sandbox.decom(&rotated);
    let rotated = command.args(["--checkpoint-dir", "checkpoints"]).run();
    assert_eq!(rotated.code, 0, "{rotated:?}");
    assert_eq!(fs::metadata(&closed).unwrap().permissions().mode() & 0o777, 0o444);
    assert_eq!(case.verify(&closed, Held::Anchored).0, 0);
    let truth = column(&closed, OUTCOMES);
    craft(&closed, true);
    found(&case, &closed);
    assert_ne!(column(&closed, OUTCOMES), truth, "SQLite shows the lie");
}

#[test]
fn a_wal_of_a_live_log_that_was_replaced_is_found_by_the_hashes() {
    let sandbox = killed();
    let log = sandbox.log();
    let verify = || {
        let said = sandbox.decom(&["audit", "verify", "--json"]).run();
        (said.code, serde_json::from_str::<serde_json::Value>(&said.stdout).unwrap())
    };
    assert_eq!(verify().0, 1, "sound, and not finished");
    let truth = column(&log, "SELECT outcome || evidence FROM record WHERE outcome IS NOT NULL");
    assert!(!truth.is_empty());
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("decom-audit.db");
    for suffix in ["", "-wal"] {
        fs::copy(beside(&log, suffix), beside(&copy, suffix)).unwrap();
    }
    // Outcomes that are the truth already would be no lie.
    let forger = Connection::open(&copy).unwrap();
    let triggers = column(&copy, "SELECT sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid");
    for name in column(&copy, "SELECT name FROM sqlite_schema WHERE type = 'trigger'") {
        forger.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    let lie = "UPDATE record SET outcome = 'in_use' WHERE outcome IS NOT NULL";
    forger.execute_batch(&format!("{lie}; {};", triggers.join(";\n"))).unwrap();
    for suffix in ["-wal", "-shm"] {
        fs::copy(beside(&copy, suffix), beside(&log, suffix)).unwrap();
    }
    let (code, found) = verify();
    assert_eq!(code, 5, "{found:#}");
    assert!(found["findings"].to_string().contains("\"hash\""), "{found:#}");
}

#[test]
fn nothing_is_written_to_a_log_beside_which_a_wal_was_put() {
    let case = Case::new();
    craft(&case.log(), true);
    let sandbox = &case.estate.sandbox;
    sandbox.file("more.csv", "name\ncustomer-8\n");
    let run = case.estate.decom(&["run", "more.csv", "--yes", "--max-share", "100"]).run();
    assert_eq!(run.code, 5, "{run:?}");
    assert!(run.stderr.contains("says that it has none"), "{run:?}");
    let rotated = sandbox.decom(&["audit", "rotate"]).run();
    assert_eq!(rotated.code, 5, "{rotated:?}");
    let html = ["report", "--format", "html", "--out", "certificate.html"];
    let certificate = sandbox.decom(&html).run();
    assert_eq!(certificate.code, 5, "{certificate:?}");
    assert!(!sandbox.path("certificate.html").exists());
}
