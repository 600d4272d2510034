//! Whole files: older copies, copies without their write-ahead log, copies that went their own way,
//! and files that are no log.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Case, Held, last, python};
use crate::support::{Fault, Reply, Sandbox, Server, files_in};

/// The bytes of every file in a folder, but for the index that readers and writers share.
fn bytes_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = files_in(folder).into_iter().filter(|name| folder.join(name).is_file());
    let kept = files.filter(|name| !name.ends_with("-shm"));
    kept.map(|name| (name.clone(), std::fs::read(folder.join(name)).unwrap())).collect()
}

#[test]
fn an_older_copy_in_the_place_of_the_log_is_found_by_the_checkpoints() {
    let case = Case::new();
    let older = case.copy();
    let n = last(&older);
    case.estate.sandbox.file("more.csv", "name\ncustomer-8\n");
    case.run("more.csv", "checkpoints");
    case.found(&older, Held::Alone, 1, "not_anchored", None, "an older copy is a good log");
    case.found(&older, Held::Anchored, 5, "checkpoint_ahead", Some(n + 1), "an older copy");
    assert_eq!(case.verify(&case.log(), Held::Anchored).0, 0, "the log itself");
}

#[test]
fn a_run_behind_the_newest_checkpoint_is_not_vouched_for() {
    let case = Case::new();
    let n = last(&case.log());
    case.estate.sandbox.file("more.csv", "name\ncustomer-8\n");
    // This one writes no checkpoints: nothing in the log says that there should be any of it.
    let run = case.estate.decom(&["run", "more.csv", "--yes", "--max-share", "100"]).run();
    assert!(run.code <= 1, "{run:?}");
    let end = last(&case.log());
    case.found(&case.log(), Held::Anchored, 1, "end_not_anchored", Some(end), "a run without checkpoints");
    let (_, said) = case.verify(&case.log(), Held::Anchored);
    assert_eq!(said["status"], "end_not_anchored", "{said:#}");
    let behind = format!(
        "records {} to {end}: no checkpoint covers them; they could have been altered, rewritten or cut off",
        n + 1
    );
    assert_eq!(said["not_checked"][0], behind, "{said:#}");
    // A checkpoint by hand makes up for it.
    let by_hand = ["audit", "checkpoint", "--out", "checkpoints/x.checkpoint", "--signing-key", "key"];
    assert_eq!(case.estate.sandbox.decom(&by_hand).run().code, 0);
    assert_eq!(case.verify(&case.log(), Held::Anchored).0, 0);
}

#[test]
fn two_copies_that_were_continued_separately_are_found_by_the_checkpoints_of_both() {
    let case = Case::new();
    let other = case.copy();
    let n = last(&other);
    std::fs::create_dir(case.path("others")).unwrap();
    case.estate.sandbox.file("more.csv", "name\ncustomer-8\n");
    case.estate.sandbox.file("others.csv", "name\ncustomer-9\ncustomer-10\n");
    case.run("more.csv", "checkpoints");
    case.run_in("others.csv", "others", "copy.db");
    assert_eq!(case.verify(&case.log(), Held::Anchored).0, 0, "each fits its own");
    // Both folders in one: what the auditor has.
    for name in
        files_in(&case.path("others")).iter().filter(|name| !case.path("checkpoints").join(name).exists())
    {
        std::fs::copy(case.path("others").join(name), case.path("checkpoints").join(name)).unwrap();
    }
    let forked = |log: &Path| case.verify(log, Held::Anchored);
    for log in [case.log(), other.clone()] {
        let (code, said) = forked(&log);
        assert_eq!(code, 5, "{said:#}");
        let kinds: Vec<_> =
            said["findings"].as_array().unwrap().iter().map(|it| it["kind"].clone()).collect();
        // One of as many records is in both folders, and only one of the two could be copied.
        let expected = ["checkpoint_differs", "checkpoint_ahead", "checkpoint_removed"];
        assert!(kinds.iter().all(|kind| expected.iter().any(|it| kind == it)), "{said:#}");
        assert!(said["first_bad_record"].as_i64().unwrap() > n, "{said:#}");
        case.agreed(&log, Held::Anchored, false, "two copies");
    }
    assert!(forked(&other).1["findings"].to_string().contains("checkpoint_differs"));
}

/// A log whose writer was killed in the middle, with what lies beside it.
pub(super) fn killed() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.names("names.csv", &["a", "b", "c", "d"]);
    let server =
        Server::start(
            |request| if request.name == "c" { Fault::NeverAnswer.into() } else { Reply::deleted() },
        );
    let mut running = sandbox.start(&server, &["run", "names.csv"]);
    running.wait_until("its third request", || server.names_sent().len() == 3);
    running.kill();
    sandbox
}

fn verify(sandbox: &Sandbox, log: &str) -> (i32, serde_json::Value) {
    let said = sandbox.decom(&["audit", "verify", "--json", "--audit-db", log]).run();
    (said.code, serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{said:?}")))
}

fn kinds(said: &serde_json::Value) -> Vec<&str> {
    said["findings"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect()
}

#[test]
fn a_log_is_verified_as_it_lies_there_and_nothing_is_written() {
    let sandbox = killed();
    let log = sandbox.log();
    let records = last(&log);

    // As it was left, with -wal and -shm: also while decom writes to it.
    let before = bytes_in(&sandbox.path(""));
    let (code, said) = verify(&sandbox, "decom-audit.db");
    assert_eq!(code, 1, "{said:#}");
    assert_eq!(said["records"], records, "{said:#}");
    assert_eq!(kinds(&said), ["unfinished", "attempt_open", "not_anchored"], "{said:#}");
    assert!(before == bytes_in(&sandbox.path("")), "something was written");

    // Copied together with its -wal, and without the index.
    let folder = sandbox.path("copied");
    std::fs::create_dir(&folder).unwrap();
    for suffix in ["", "-wal"] {
        let name = format!("decom-audit.db{suffix}");
        std::fs::copy(sandbox.path(&name), folder.join(&name)).unwrap();
    }
    let before = bytes_in(&folder);
    let (code, said) = verify(&sandbox, "copied/decom-audit.db");
    assert_eq!((code, said["records"].as_i64()), (1, Some(records)), "{said:#}");
    assert!(before == bytes_in(&folder) && files_in(&folder).len() == 2, "{:?}", files_in(&folder));

    // Copied without it: what was not yet folded in is missing, and nothing is made beside the file.
    std::fs::remove_file(folder.join("decom-audit.db-wal")).unwrap();
    let (code, said) = verify(&sandbox, "copied/decom-audit.db");
    let why = said["why"].as_str().unwrap_or_default();
    assert!(code == 6 && !said.to_string().contains("sound"), "{said:#}");
    assert!(why.contains("nothing was verified"), "{said:#}");
    assert_eq!(files_in(&folder), ["decom-audit.db"]);
}

#[test]
fn a_log_is_verified_while_decom_writes_to_it() {
    let sandbox = std::sync::Arc::new(Sandbox::new());
    sandbox.names("names.csv", &["a", "b", "c", "d"]);
    let (seen, here) = (std::sync::Arc::new(std::sync::Mutex::new(Vec::new())), sandbox.clone());
    let found = seen.clone();
    let server = Server::start(move |_| {
        found.lock().unwrap().push(verify(&here, "decom-audit.db"));
        Reply::deleted()
    });
    let finished = sandbox.run(&server, &["run", "names.csv"]);
    assert_eq!(finished.code, 0, "the run was disturbed: {}", finished.stderr);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 4);
    for (code, said) in seen.iter() {
        assert_eq!(*code, 1, "{said:#}");
        assert_eq!(kinds(said), ["unfinished", "attempt_open", "not_anchored"], "{said:#}");
    }
    assert_eq!(kinds(&verify(&sandbox, "decom-audit.db").1), ["not_anchored"]);
}

#[test]
fn a_log_whose_write_ahead_log_is_missing_is_said_to_lack_it() {
    let case = Case::new();
    let (n, copy) = (last(&case.log()), case.copy());
    // A second run is interrupted so that its records are in the -wal alone.
    let connection = rusqlite::Connection::open(&copy).unwrap();
    let mode: String = connection.query_row("PRAGMA journal_mode = wal", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    connection.execute_batch(&format!(
        "INSERT INTO record SELECT {n} + 1, 'run', at_us, NULL, NULL, NULL, 'later', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{{}}', hash FROM record WHERE seq = {n}"
    )).unwrap();
    let alone = case.path("alone.db");
    std::fs::copy(&copy, &alone).unwrap();
    drop(connection);
    case.found(&alone, Held::Alone, 1, "wal_missing", None, "without its -wal");
    // What is left is as good as a copy made before that run: it ends with the end of one, and the checkpoints
    // go up to there.
    case.found(&alone, Held::Anchored, 0, "wal_missing", None, "without its -wal");
    assert!(!case.path("alone.db-wal").exists() && !case.path("alone.db-shm").exists());

    // Something else in its place does not make up for it.
    let mark = [&[0x37, 0x7f, 0x06, 0x82][..], &3_007_000_u32.to_be_bytes(), &[7; 60]].concat();
    for other in [Vec::new(), b"not a write-ahead log".repeat(9), mark[..32].to_vec()] {
        for suffixes in [&["-wal"][..], &["-wal", "-shm"]] {
            for suffix in suffixes {
                std::fs::write(case.path(&format!("alone.db{suffix}")), &other).unwrap();
            }
            let (code, said) = case.verify(&alone, Held::Anchored);
            assert_eq!((code, kinds(&said)), (0, vec!["wal_missing"]), "{other:?} {suffixes:?}: {said:#}");
        }
        std::fs::remove_file(case.path("alone.db-shm")).unwrap();
    }
}

#[test]
fn a_finished_log_is_a_single_file_and_stays_one() {
    let case = Case::new();
    let folder = case.path("archive");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(case.log(), folder.join("log.db")).unwrap();
    let before = bytes_in(&folder);
    assert_eq!(case.verify(&folder.join("log.db"), Held::Anchored).0, 0);
    assert!(before == bytes_in(&folder) && files_in(&folder) == ["log.db"]);
}

#[test]
fn what_is_no_log_is_never_called_sound() {
    let case = Case::new();
    let sandbox = &case.estate.sandbox;
    let other = rusqlite::Connection::open(case.path("other.db")).unwrap();
    other.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
    other.close().unwrap();
    sandbox.file("empty.db", "");
    sandbox.file("text.db", "not a database at all, but long enough to be looked at".repeat(20));
    sandbox.file("begun.db", &std::fs::read(case.log()).unwrap()[..50]);
    let newer = case.copy();
    rusqlite::Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    for name in ["missing.db", "empty.db", "other.db", "text.db", "begun.db", "copy.db", "checkpoints"] {
        let (code, said) = case.verify(&case.path(name), Held::Anchored);
        assert_eq!(code, 6, "{name}: {said:#}");
        assert!(!said.to_string().contains("sound"), "{name}: {said:#}");
        if let Some((code, said)) = python(&case.path(name), None).filter(|_| name != "copy.db") {
            assert_eq!(code, 2, "{name}: {said}");
        }
    }
    let text = sandbox.decom(&["audit", "verify", "--audit-db", "empty.db"]).run();
    assert_eq!((text.code, text.stdout.as_str()), (6, ""), "{text:?}");
    assert!(!text.stderr.contains("sound"), "{text:?}");
}

#[test]
fn a_write_that_has_to_be_undone_first_is_left_alone() {
    let case = Case::new();
    let copy = case.copy();
    std::fs::write(case.path("copy.db-journal"), "what undoes a write").unwrap();
    let (code, said) = case.verify(&copy, Held::Alone);
    assert_eq!(code, 5, "{said:#}");
    assert!(said["why"].as_str().unwrap().contains("has to be undone"), "{said:#}");
    assert!(case.path("copy.db-journal").exists());
}
