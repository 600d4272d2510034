//! Logs that the version before made (`tests/fixtures/logs`): a finished run with most outcomes, and one that was
//! killed with two requests on their way. They are read and verified as they are, and can be written to.

use std::path::{Path, PathBuf};
use std::process::Command;

use decom::audit::verify::{AnchorCheck, Weight, verify_each};
use serde_json::Value;

use crate::support::forgery::rewrite;
use crate::support::{Reply, Sandbox, Server, column, rows, skipped};

/// The run of the fixture that was killed.
const KILLED: &str = "20261130T223705Z-d791a5de";

fn fixture(sandbox: &Sandbox, name: &str) -> PathBuf {
    let bytes =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/logs").join(name)).unwrap();
    sandbox.file("decom-audit.db", bytes)
}

/// Fails if the log is not sound, for decom or for the script in Python.
#[track_caller]
fn is_sound(log: &Path) {
    for found in verify_each(log, &AnchorCheck::default()).unwrap().logs {
        assert!(found.findings.weight() < Weight::Unsound, "{found:#?}");
    }
    let mut python = Command::new("python3");
    python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/verify_audit_log.py")).arg(log);
    let Ok(output) = python.output() else {
        return skipped("the script in Python", "python3 cannot be run");
    };
    let is_log = column(log, "PRAGMA application_id") == [0x6465_636d.to_string()];
    assert_eq!(output.status.code(), Some(if is_log { 0 } else { 2 }), "{output:?}");
}

#[test]
fn reads_and_verifies_logs_of_the_version_before_without_changing_them() {
    for name in ["version-1.db", "version-1-merged.db"] {
        let sandbox = Sandbox::new();
        let log = fixture(&sandbox, name);
        let before = std::fs::read(&log).unwrap();
        is_sound(&log);
        let report = sandbox.decom(&["report", "20261130T223704Z-6511e7ed", "--format", "json"]).run();
        let report: Value = serde_json::from_str(&report.expect(0).stdout).unwrap();
        let first = &report["results"][0];
        assert_eq!(
            (&first["name"], &first["kind"], &first["datasource"], &first["dependant_of"]),
            (&"acme-eu".into(), &"datasource".into(), &"acme-eu".into(), &Value::Null),
            "{name}"
        );
        let history = sandbox.decom(&["report", "--datasource", "globex", "--format", "csv"]).run().expect(0);
        assert!(history.stdout.contains("deleted_unconfirmed"), "{history:?}");
        sandbox.decom(&["runs"]).run().expect(0);
        sandbox.decom(&["audit", "export"]).run().expect(0);
        assert_eq!(std::fs::read(&log).unwrap(), before, "{name}");
        assert_eq!(column(&log, "PRAGMA user_version"), ["1"], "{name}");
    }
}

#[test]
fn writing_to_a_log_of_the_version_before_replaces_its_views_and_no_record() {
    let sandbox = Sandbox::new();
    let log = fixture(&sandbox, "version-1.db");
    // Nothing listens where the fixture was made.
    let server = Server::start(|request| match request.name.as_str() {
        "slow-1" => Reply::not_found(),
        _ => Reply::deleted(),
    });
    server.list(&["slow-2", "later"]);
    let moved = format!(
        "UPDATE record SET detail = replace(detail, 'http://127.0.0.1:18177', '{}') WHERE kind = 'run'",
        server.url()
    );
    rewrite(&log, &moved);
    let records = "SELECT *, hex(hash) FROM record WHERE seq <= 35 ORDER BY seq";
    let before = rows(&log, records);
    assert_eq!(before.len(), 35);

    sandbox.decom(&["resume", KILLED, "--yes"]).fast(&server.url()).run().expect(0);

    assert_eq!(rows(&log, records), before);
    assert_eq!(column(&log, "PRAGMA user_version"), ["3"]);
    let found = rows(
        &log,
        &format!("SELECT name, kind, outcome FROM results WHERE run_id = '{KILLED}' ORDER BY target"),
    );
    let found: Vec<_> = found.iter().map(|row| row.join(" ")).collect();
    assert_eq!(
        found,
        [
            "umbrella datasource deleted",
            "slow-1 datasource deleted_unconfirmed",
            "slow-2 datasource deleted",
            "later datasource deleted"
        ]
    );
    let names = "SELECT DISTINCT name = datasource AND kind = 'datasource' FROM attempts";
    assert_eq!(column(&log, names), ["1"]);
    is_sound(&log);
}

#[test]
fn refuses_to_write_to_a_log_of_the_version_before_that_was_altered() {
    let sandbox = Sandbox::new();
    let log = fixture(&sandbox, "version-1.db");
    rusqlite::Connection::open(&log).unwrap().execute_batch("DROP VIEW runs").unwrap();
    let server = Server::deleting();
    sandbox.names("names.csv", &["later"]);
    sandbox.decom(&["run", "names.csv", "--yes"]).fast(&server.url()).run().expect(5);
    assert_eq!(server.deletions().len(), 0);
    assert_eq!(column(&log, "PRAGMA user_version"), ["1"]);
}
