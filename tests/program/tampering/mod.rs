//! Tampering with an audit log: whatever is done to it is found, by name and by the first bad record,
//! by `decom audit verify` and by the script in Python alike.

mod accounts;
mod anchoring;
mod bits;
mod checkpoints;
mod columns;
mod copies;
mod indexes;
mod rows;
mod schema;
mod screen;
mod vectors;
mod wal;

use std::path::{Path, PathBuf};
use std::process::Command;

use decom::emulator::Faults;
use serde_json::Value;

use crate::support::forgery::{rechain, records, sql, tamper};
use crate::support::keys::Key;
use crate::support::{Estate, column, skipped};

/// A log with every kind of record, of which checkpoints were written.
struct Case {
    estate: Estate,
    /// What signs the checkpoints.
    key: Key,
}

/// Whether the log is held against the checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Alone,
    Anchored,
}

impl Case {
    fn new() -> Self {
        let names: Vec<_> = (1..=6).map(|n| format!("customer-{n}")).collect();
        let faults: Faults = "http500=25%,in-use=20%,missing=20%".parse().unwrap();
        let estate = Estate::with(names.clone(), faults);
        let sandbox = &estate.sandbox;
        std::fs::create_dir(sandbox.path("checkpoints")).unwrap();
        let key = Key::new(sandbox, "key", "ed25519");
        sandbox.file("allowed_signers", format!("auditor@example.com {}\n", key.public));
        sandbox
            .file("names.csv", format!("name,reason\n{}\nprod-1,never\n", names.join(",over\n") + ",over"));
        let case = Self { estate, key };
        assert_eq!(case.run("names.csv", "checkpoints"), 1);
        case
    }

    /// One run, which writes checkpoints, to its end.
    fn run(&self, input: &str, checkpoints: &str) -> i32 {
        self.run_in(input, checkpoints, "decom-audit.db")
    }

    fn run_in(&self, input: &str, checkpoints: &str, log: &str) -> i32 {
        let arguments = ["run", input, "--yes", "--max-share", "100", "--protect", "prod-*"];
        let mut command = self.estate.decom(&arguments);
        command.args(["--signing-key", "key", "--checkpoint-dir", checkpoints, "--audit-db", log]);
        command.env("DECOM_RETRY_FIRST_BACKOFF", "1ms").env("DECOM_MAX_ATTEMPTS", "2");
        let said = command.run();
        assert!(said.code == 0 || said.code == 1, "{said:?}");
        said.code
    }

    fn path(&self, name: &str) -> PathBuf {
        self.estate.sandbox.path(name)
    }

    fn log(&self) -> PathBuf {
        self.estate.sandbox.log()
    }

    /// A copy of the log that can be tampered with.
    fn copy(&self) -> PathBuf {
        let copy = self.path("copy.db");
        std::fs::copy(self.log(), &copy).unwrap();
        copy
    }

    /// What `decom audit verify` says of a log.
    fn verify(&self, log: &Path, held: Held) -> (i32, Value) {
        let mut command = self.estate.sandbox.decom(&["audit", "verify", "--json", "--audit-db"]);
        command.arg(log);
        if held == Held::Anchored {
            command.args(["--checkpoints", "checkpoints", "--allowed-signers", "allowed_signers"]);
        }
        let said = command.run();
        let value = serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("no JSON: {said:?}"));
        (said.code, value)
    }

    /// Fails where decom does not find just this, or the script in Python does not agree.
    #[track_caller]
    fn found(&self, log: &Path, held: Held, code: i32, kind: &str, record: Option<i64>, what: &str) {
        let (found, said) = self.verify(log, held);
        assert_eq!(found, code, "{what}: {said:#}");
        let findings = said["findings"].as_array().unwrap();
        let this = findings.iter().find(|it| it["kind"] == kind);
        let this = this.unwrap_or_else(|| panic!("{what}: no finding `{kind}`: {said:#}"));
        assert_eq!(this["record"].as_i64(), record, "{what}: {said:#}");
        let first = said["first_bad_record"].as_i64();
        match held {
            Held::Alone => assert_eq!(first, record.filter(|_| code == 5), "{what}: {said:#}"),
            // A checkpoint may miss one before it.
            Held::Anchored => assert!(first <= record, "{what}: {said:#}"),
        }
        // Sound as far as the log can tell, and only not finished or not vouched for: as the script.
        self.agreed(log, held, code <= 1, what);
    }

    /// Fails where the script in Python says otherwise.
    #[track_caller]
    fn agreed(&self, log: &Path, held: Held, sound: bool, what: &str) {
        let folder = (held == Held::Anchored).then(|| self.path("checkpoints"));
        let Some((code, said)) = python(log, folder.as_deref()) else {
            return skipped("the script in Python", "python3 cannot be run");
        };
        assert_eq!(code == 0, sound, "{what}: the script in Python ends with {code}: {said}");
    }
}

/// What the script of the documentation says of a log, and what it ends with.
fn python(log: &Path, checkpoints: Option<&Path>) -> Option<(i32, String)> {
    let mut command = Command::new("python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/verify_audit_log.py")).arg(log).args(checkpoints);
    let output = command.output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned()))
}

/// The place of the first record of which this holds.
fn first(log: &Path, condition: &str) -> i64 {
    column(log, &format!("SELECT min(seq) FROM record WHERE {condition}"))[0].parse().unwrap()
}

fn last(log: &Path) -> i64 {
    column(log, "SELECT max(seq) FROM record")[0].parse().unwrap()
}

#[test]
fn a_log_that_nobody_touched_is_sound_and_anchored() {
    let case = Case::new();
    let kinds = column(&case.log(), "SELECT DISTINCT kind FROM record ORDER BY kind");
    let all = ["answer", "check", "end", "log", "run", "send", "settle", "target"];
    assert_eq!(kinds, all, "the log that is tampered with holds nearly every kind of record");
    let (code, said) = case.verify(&case.log(), Held::Anchored);
    assert_eq!((code, said["status"].as_str()), (0, Some("anchored")), "{said:#}");
    assert_eq!(said["findings"], serde_json::json!([]), "{said:#}");
    assert_eq!(said["checkpoints"]["up_to_record"], last(&case.log()), "{said:#}");
    assert_eq!(said["checkpoints"]["fitting"], 3, "before, at the start, and at the end: {said:#}");
    case.agreed(&case.log(), Held::Anchored, true, "untouched");
    case.found(&case.log(), Held::Alone, 1, "not_anchored", None, "without checkpoints");
}
