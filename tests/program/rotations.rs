//! `decom audit rotate`: the log becomes a closed file whose successor names it, at once or not at all.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::forgery::{rewrite, sql, tamper};
use crate::support::history::eventful;
use crate::support::keys::{self, Key};
use crate::support::{
    Estate, Fault, Output, Reply, Sandbox, Server, column, files_in, rows, skipped, strace_is_missing,
};

fn audit(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    sandbox.decom(&[&["audit"], arguments, &["--quiet"]].concat()).run()
}

fn rotated(sandbox: &Sandbox) -> Value {
    let said = audit(sandbox, &["rotate", "--out", "closed.db", "--json"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said:?}");
    serde_json::from_str(&said.stdout).unwrap()
}

/// Deletes `names`; whether all are gone then.
fn delete(sandbox: &Sandbox, server: &Server, names: &[&str]) {
    sandbox.names("names.csv", names);
    let finished = sandbox.run(server, &["run", "names.csv"]);
    assert_eq!(finished.code, 0, "{finished:?}");
}

fn server() -> Server {
    let server = Server::deleting();
    server.list(&["other"]);
    server
}

/// A log with one run.
fn log_of(names: &[&str]) -> (Sandbox, Server) {
    let (sandbox, server) = (Sandbox::new(), server());
    delete(&sandbox, &server, names);
    (sandbox, server)
}

const RECORDS: &str = "SELECT *, hex(hash) FROM record ORDER BY seq";
const LAST: &str = "SELECT kind, name, seq, lower(hex(hash)) FROM record ORDER BY seq DESC LIMIT 1";

/// That `closed` is a closed log, and `log` its successor.
#[track_caller]
fn assert_rotated(closed: &Path, log: &Path) {
    let last = rows(closed, LAST).remove(0);
    let genesis = rows(log, "SELECT kind, name, detail FROM record WHERE seq = 1").remove(0);
    assert_eq!((last[0].as_str(), genesis[0].as_str()), ("close", "log"));
    assert_eq!(last[1], genesis[1], "the closed log names its successor");
    let detail: Value = serde_json::from_str(&genesis[2]).unwrap();
    let place = closed.canonicalize().unwrap();
    let expected = json!({
        "log_id": column(closed, "SELECT name FROM record WHERE seq = 1")[0],
        "records": last[2].parse::<i64>().unwrap(),
        "head": last[3],
        "file": place.to_str().unwrap(),
    });
    assert_eq!(detail["predecessor"], expected);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(closed), mode(log) & !0o222, "the mode of the log, and nobody may write to it");
    // No write-ahead log: such a file can be read from a folder that nobody may write to.
    assert_eq!(std::fs::read(closed).unwrap()[18..20], [1, 1]);
    assert_eq!(column(closed, "PRAGMA integrity_check"), ["ok"]);
    assert_eq!(column(log, "PRAGMA integrity_check"), ["ok"]);
}

#[test]
fn the_log_becomes_a_closed_file_and_a_new_one_names_it() {
    let sandbox = Sandbox::new();
    let server = eventful(&sandbox);
    // The run that the API stopped.
    server.answer(|_| Reply::deleted());
    assert_eq!(sandbox.run(&server, &["resume"]).code, 0);
    std::fs::set_permissions(sandbox.log(), PermissionsExt::from_mode(0o640)).unwrap();
    let (records, runs) = (rows(&sandbox.log(), RECORDS), rows(&sandbox.log(), "SELECT * FROM runs"));

    let told = rotated(&sandbox);
    let (closed, log) = (sandbox.path("closed.db"), sandbox.log());
    assert_rotated(&closed, &log);
    let kept = rows(&closed, RECORDS);
    assert_eq!((&kept[..records.len()], kept.len()), (&records[..], records.len() + 1));
    assert_eq!(rows(&closed, "SELECT * FROM runs"), runs);
    assert_eq!(rows(&log, "SELECT * FROM runs").len(), 0);
    assert_eq!(log.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    let last = rows(&closed, LAST).remove(0);
    assert_eq!(
        told,
        json!({
            "closed": {
                "log_id": records[0][6], "path": "closed.db", "records": kept.len(), "head": last[3],
            },
            "successor": last[1],
            // Nine that the table of `audit_queries.rs` has, and the two of the run that was stopped.
            "gone": 11,
            "unknown": 0,
        })
    );
    let beside: Vec<_> =
        files_in(&sandbox.path("")).into_iter().filter(|name| name.contains(".db")).collect();
    assert_eq!(beside, ["closed.db", "decom-audit.db", "decom-audit.db.lock"]);

    // Reports go on, and a new run goes into the new log.
    let said = sandbox.decom(&["report", "--audit-db", "closed.db"]).run();
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    delete(&sandbox, &server, &["later"]);
    assert_eq!(column(&log, "SELECT datasource FROM results"), ["later"]);
}

#[test]
fn the_closed_file_is_named_after_its_last_record_where_nothing_else_is_said() {
    let (sandbox, _server) = log_of(&["one"]);
    let last = column(
        &sandbox.log(),
        "SELECT strftime('%Y%m%dT%H%M%SZ', max(at_us) / 1000000, 'unixepoch') FROM record",
    );
    let said = audit(&sandbox, &["rotate"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said:?}");
    let name = format!("decom-audit-{}.db", last[0]);
    assert_rotated(&sandbox.path(&name), &sandbox.log());
    assert!(
        said.stdout.starts_with(&format!("Closed decom-audit.db as {name}, for reading only:")),
        "{said:?}"
    );
    assert!(
        said.stdout.contains("1  datasources that are gone: a list that names one sends it again"),
        "{said:?}"
    );
    assert!(
        said.stdout.contains(&format!("decom audit merge {name} decom-audit.db --out ALL.db")),
        "{said:?}"
    );
}

#[test]
fn nothing_is_added_to_a_closed_log() {
    let (sandbox, server) = log_of(&["one"]);
    let told = rotated(&sandbox);
    let successor = told["successor"].as_str().unwrap();
    let before = std::fs::read(sandbox.path("closed.db")).unwrap();
    let asked = server.deletions().len();
    let run = column(&sandbox.path("closed.db"), "SELECT run_id FROM runs").remove(0);
    sandbox.names("names.csv", &["two"]);
    let refusal = format!(
        "closed.db: this audit log was closed, and nothing is added to it any more; its successor is the log {successor}"
    );
    for arguments in
        [&["run", "names.csv"][..], &["retry", &run, "--outcome", "deleted"], &["rehearse", "names.csv"]]
    {
        let finished = sandbox.run(&server, &[arguments, &["--audit-db", "closed.db"]].concat());
        assert_eq!(finished.code, 5, "{finished:?}");
        assert!(finished.stderr.contains(&refusal), "{finished:?}");
    }
    let again = audit(&sandbox, &["rotate", "--audit-db", "closed.db", "--out", "twice.db"]);
    assert_eq!((again.code, again.message().contains(&refusal)), (5, true), "{again:?}");
    assert_eq!(server.deletions().len(), asked, "nothing is sent");
    assert_eq!(std::fs::read(sandbox.path("closed.db")).unwrap(), before);
}

#[test]
fn the_new_log_does_not_know_what_is_gone() {
    let (sandbox, server) = log_of(&["one"]);
    let skipped = sandbox.run(&server, &["run", "names.csv"]);
    assert_eq!((skipped.code, server.names_sent()), (0, vec!["one".to_owned()]), "{skipped:?}");
    rotated(&sandbox);
    let sent = sandbox.run(&server, &["run", "names.csv"]);
    assert_eq!((sent.code, server.names_sent().len()), (0, 2), "{sent:?}");
}

/// That the log is not closed: the exit code, why, and that the log and its folder are what they were.
#[track_caller]
fn refused(sandbox: &Sandbox, code: i32) -> String {
    let (names, records) = (files_in(&sandbox.path("")), rows(&sandbox.log(), RECORDS));
    let said = audit(sandbox, &["rotate", "--out", "closed.db"]);
    assert_eq!((said.code, said.stdout.as_str()), (code, ""), "{said:?}");
    let left: Vec<_> = files_in(&sandbox.path("")).into_iter().filter(|name| !names.contains(name)).collect();
    assert!(left.iter().all(|name| name.ends_with("-shm") || name.ends_with("-wal")), "{left:?}");
    assert_eq!(rows(&sandbox.log(), RECORDS), records);
    said.message().to_owned()
}

#[test]
fn a_log_with_a_run_that_is_not_finished_stays_open() {
    let (sandbox, server) = log_of(&["one"]);
    server.answer(|request| if request.attempt == 1 { Fault::NeverAnswer.into() } else { Reply::deleted() });
    sandbox.names("more.csv", &["two"]);
    let mut running = sandbox.start(&server, &["run", "more.csv"]);
    running.wait_until("its request is under way", || server.deletions().len() > 1);
    let held = refused(&sandbox, 4);
    assert!(held.contains("the audit log is in use by process "), "{held}");
    running.kill();
    let run = column(&sandbox.log(), "SELECT run_id FROM runs ORDER BY started_at DESC").remove(0);
    let why = refused(&sandbox, 3);
    assert!(why.contains(&format!("the run {run} is not finished (unfinished)")), "{why}");
    assert!(why.contains(&format!("`decom resume {run}` first")), "{why}");
    let resumed = sandbox.run(&server, &["resume", &run]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    rotated(&sandbox);
    assert_rotated(&sandbox.path("closed.db"), &sandbox.log());
}

#[test]
fn what_cannot_be_closed_is_said_and_stays_as_it_is() {
    let nothing = Sandbox::new();
    let said = audit(&nothing, &["rotate"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.message().contains("there is no audit log here"), "{said:?}");
    assert_eq!(files_in(&nothing.path("")), [""; 0]);

    let (sandbox, server) = log_of(&["one"]);
    sandbox.file("closed.db", "mine");
    assert!(refused(&sandbox, 2).contains("closed.db: there is a file here already"));
    assert_eq!(std::fs::read(sandbox.path("closed.db")).unwrap(), b"mine");
    std::fs::remove_file(sandbox.path("closed.db")).unwrap();

    // Somebody reads the log, in the midst of a transaction.
    delete(&sandbox, &server, &["two"]);
    let reader = rusqlite::Connection::open(sandbox.log()).unwrap();
    reader.pragma_update(None, "journal_mode", "wal").unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM record;").unwrap();
    let why = refused(&sandbox, 4);
    assert!(why.contains("another program has the audit log open"), "{why}");
    drop(reader);

    tamper(&sandbox.log(), sql("UPDATE record SET name = 'too' WHERE name = 'two'"));
    let seq = column(&sandbox.log(), "SELECT seq FROM record WHERE name = 'too'").remove(0);
    assert!(refused(&sandbox, 5).contains(&format!("record {seq} does not match its hash")));

    let (sandbox, _server) = log_of(&["one"]);
    rotated(&sandbox);
    let again = audit(&sandbox, &["rotate", "--out", "second.db"]);
    assert_eq!(again.code, 2, "{again:?}");
    assert!(again.message().contains("there is no run in this audit log yet"), "{again:?}");
}

#[test]
fn a_merge_knows_the_closed_log_that_a_log_follows() {
    let (sandbox, server) = log_of(&["one"]);
    rotated(&sandbox);
    delete(&sandbox, &server, &["two"]);
    let said = audit_merge(&sandbox, &["closed.db", "decom-audit.db"], "both.db");
    assert!(said.stdout.contains("continues where one of the others was closed"), "{said:?}");
    assert_eq!(column(&sandbox.path("both.db"), "SELECT count(*) FROM runs"), ["2"]);
    let alone = audit_merge(&sandbox, &["decom-audit.db"], "one.db");
    assert!(alone.stdout.contains("which is not among them"), "{alone:?}");

    // Written anew, with hashes that are right: but not those that the successor names.
    std::fs::set_permissions(sandbox.path("closed.db"), PermissionsExt::from_mode(0o644)).unwrap();
    rewrite(&sandbox.path("closed.db"), "UPDATE record SET name = 'eno' WHERE name = 'one'");
    let said = said_of(&sandbox, &["merge", "decom-audit.db", "closed.db", "--out", "all.db"]);
    assert_eq!(said.code, 5, "{said:?}");
    assert!(said.message().contains("and closed.db is not that one"), "{said:?}");
}

fn said_of(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    sandbox.decom(&[&["audit"], arguments].concat()).run()
}

fn audit_merge(sandbox: &Sandbox, logs: &[&str], out: &str) -> Output {
    let said = said_of(sandbox, &[&["merge", "--out", out], logs].concat());
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said:?}");
    said
}

/// The calls that change files, and how many of each are stepped over from one kill to the next: the
/// pages of a file are many, and one is like another.
const CALLS: [(&str, usize); 12] = [
    ("pwrite64", 7),
    ("ftruncate", 1),
    ("fsync", 1),
    ("fdatasync", 1),
    ("chmod", 1),
    ("fchmod", 1),
    ("rename", 1),
    ("renameat2", 1),
    ("link", 1),
    ("linkat", 1),
    ("unlink", 1),
    ("unlinkat", 1),
];

/// `decom audit rotate`, killed as its `nth` call of this kind begins; whether it ended before.
fn killed_at(sandbox: &Sandbox, call: &str, nth: usize) -> bool {
    let mut strace = sandbox.program("strace");
    strace
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:signal=KILL:when={nth}")])
        .arg(env!("CARGO_BIN_EXE_decom"))
        .args(["audit", "rotate", "--out", "closed.db", "--quiet"]);
    strace.run().code == 0
}

/// The closed log that was made and has not got its name.
fn unnamed(sandbox: &Sandbox) -> Option<PathBuf> {
    files_in(&sandbox.path(""))
        .into_iter()
        .find(|name| name.ends_with(".closing"))
        .map(|name| sandbox.path(&name))
}

#[test]
fn killed_anywhere_it_leaves_the_log_or_both_files() {
    if strace_is_missing("killed_anywhere_it_leaves_the_log_or_both_files") {
        return;
    }
    let (first, _server) = log_of(&["one", "two"]);
    let records = rows(&first.log(), RECORDS);
    let (mut undone, mut done) = (0, 0);
    for (call, step) in CALLS {
        for nth in (1..).step_by(step) {
            let sandbox = Sandbox::new();
            std::fs::copy(first.log(), sandbox.log()).unwrap();
            if killed_at(&sandbox, call, nth) {
                break;
            }
            let is_done = after_a_kill(&sandbox, &records, &format!("killed at {call} {nth}"));
            *if is_done { &mut done } else { &mut undone } += 1;
        }
    }
    assert!(undone > 20 && done >= 4, "{undone} before the step that decides, {done} after it");
}

/// Looks at what is left, and goes on from there; whether the log was closed already.
fn after_a_kill(sandbox: &Sandbox, records: &[Vec<String>], when: &str) -> bool {
    let (closed, log) = (sandbox.path("closed.db"), sandbox.log());
    // Read by decom, which plays back what was interrupted.
    let export = said_of(sandbox, &["export"]);
    assert_eq!(export.code, 0, "{when}: {export:?}");
    let is_done = export.stdout.lines().count() != records.len();
    if is_done {
        let complete = unnamed(sandbox).unwrap_or_else(|| closed.clone());
        assert_eq!(rows(&complete, RECORDS)[..records.len()], *records, "{when}");
        // Whoever writes to the new log next gives the closed one its name.
        let nothing_to_do = audit(sandbox, &["rotate", "--out", "second.db"]);
        assert_eq!(nothing_to_do.code, 2, "{when}: {nothing_to_do:?}");
    } else {
        assert_eq!(rows(&log, RECORDS), records, "{when}");
        assert!(!closed.exists(), "{when}: a closed log beside one that goes on");
        rotated(sandbox);
    }
    assert_rotated(&closed, &log);
    let left = files_in(&sandbox.path(""));
    assert!(!left.iter().any(|name| name.contains("closing") || name.contains("next")), "{when}: {left:?}");
    is_done
}

#[test]
fn what_is_added_to_a_closed_log_is_found() {
    let (sandbox, _server) = log_of(&["one"]);
    rotated(&sandbox);
    let closed = sandbox.path("closed.db");
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o644)).unwrap();
    let seq = rows(&closed, LAST)[0][2].parse::<i64>().unwrap() + 1;
    // With the hash that it should have: as somebody could who knows the format.
    rewrite(
        &closed,
        "INSERT INTO record (seq, kind, at_us, run, detail, hash)
           SELECT max(seq) + 1, 'resume', max(at_us), 2, '{}', zeroblob(32) FROM record",
    );
    let verified = audit(&sandbox, &["verify", "--audit-db", "closed.db", "--json"]);
    let found: Value = serde_json::from_str(&verified.stdout).unwrap();
    let kinds = found["findings"].as_array().unwrap();
    let after = kinds.iter().find(|finding| finding["kind"] == "after_close").unwrap();
    assert_eq!((verified.code, &after["record"]), (5, &json!(seq)));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify_audit_log.py");
    match Command::new("python3").arg(script).arg(&closed).output() {
        Err(_) => skipped("what_is_added_to_a_closed_log_is_found", "there is no python3 here"),
        Ok(output) => {
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(
                text.contains(&format!("record {seq}: a log begins once, and nothing follows")),
                "{text}"
            );
        }
    }
}

#[test]
fn a_checkpoint_vouches_for_the_closed_log() {
    if keys::are_missing("a_checkpoint_vouches_for_the_closed_log") {
        return;
    }
    let (sandbox, _server) = log_of(&["one"]);
    let key = Key::new(&sandbox, "key", "ed25519");
    sandbox.file("allowed_signers", format!("auditor@example.com {}\n", key.public));
    std::fs::create_dir(sandbox.path("checkpoints")).unwrap();
    let signed = ["--signing-key", "key", "--checkpoint-dir", "checkpoints"];
    let rotated = audit(&sandbox, &[&["rotate", "--out", "closed.db"], &signed[..]].concat());
    assert_eq!((rotated.code, rotated.stderr.as_str()), (0, ""), "{rotated:?}");
    let records = &rows(&sandbox.path("closed.db"), LAST)[0][2];
    let anchors = ["--checkpoints", "checkpoints", "--allowed-signers", "allowed_signers"];
    let verified =
        audit(&sandbox, &[&["verify", "--audit-db", "closed.db", "--json"], &anchors[..]].concat());
    let found: Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!((verified.code, found["checkpoints"]["up_to_record"].to_string()), (0, records.clone()));

    // A merged file is held against the checkpoints of each of its logs.
    audit_merge(&sandbox, &["decom-audit.db", "closed.db"], "all.db");
    let verified = audit(&sandbox, &[&["verify", "--audit-db", "all.db", "--json"], &anchors[..]].concat());
    let found: Value = serde_json::from_str(&verified.stdout).unwrap();
    let of = |log: usize, what: &str| found["logs"][log][what].clone();
    assert_eq!((of(0, "status"), of(1, "status")), (json!("not_anchored"), json!("anchored")), "{found:#}");
    assert_eq!(verified.code, 1);
}

/// A refusal leaves the single file that was there.
#[test]
fn a_log_that_is_refused_stays_a_single_file() {
    let estate = Estate::of(&["a"]);
    estate.sandbox.file("names.csv", "name\na\n");
    let log = estate.sandbox.log();
    let single = || {
        let header = std::fs::read(&log).unwrap();
        assert_eq!(header[18..20], [1, 1], "its header does not ask for a write-ahead log");
        assert!(!estate.sandbox.path("decom-audit.db-wal").exists());
    };
    let flags = ["--signing-key", "nowhere", "--checkpoint-dir", "nodir"];
    let refused =
        estate.decom(&[&["run", "names.csv", "--yes", "--max-share", "100"][..], &flags].concat()).run();
    assert_ne!(refused.code, 0, "{refused:?}");
    if log.exists() {
        single();
    }
    // A log without a run has nothing to be closed for.
    estate.sandbox.file("none.csv", "name\nb\n");
    let declined = estate.decom(&["run", "none.csv", "--max-share", "100"]).run();
    assert_eq!(declined.code, 3, "{declined:?}");
    single();
    let refused = estate.sandbox.decom(&["audit", "rotate"]).run();
    assert_ne!(refused.code, 0, "{refused:?}");
    single();
}
