//! The audit log is one file after every command that ends in good order, whatever that refused; anyone may read
//! it, and it is verified as before.

use std::os::unix::fs::PermissionsExt;

use rexpect::reader::Options;
use rusqlite::Connection;
use serde_json::Value;

use crate::support::{Estate, column, files_in, keys::Key};

/// An API, and a finished log of which a name of each list is known to be gone.
fn estate() -> Estate {
    let names: Vec<_> = (1..=12).map(|n| format!("t-{n:02}")).collect();
    let estate = Estate::of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    estate.sandbox.file("first.csv", "name\nt-01\nt-02\n");
    estate.sandbox.file("names.csv", "name\nt-01\nt-03\nt-04\n");
    let first = estate.decom(&["run", "first.csv", "--yes"]).run();
    assert_eq!(first.code, 0, "{first:?}");
    estate
}

/// What a verification says of the log.
fn verified(estate: &Estate) -> Value {
    let said = estate.sandbox.decom(&["audit", "verify", "--json"]).run();
    assert_eq!(said.code, 1, "no checkpoint confirms it: {said:?}");
    serde_json::from_str(&said.stdout).unwrap()
}

/// The files of the log that are there.
fn files(estate: &Estate) -> Vec<String> {
    let names = files_in(&estate.sandbox.path("")).into_iter();
    names.filter(|name| name.starts_with("decom-audit") && name.strip_suffix(".lock").is_none()).collect()
}

/// Fails unless the log is one file that is as it was, before and after another program has read it.
#[track_caller]
fn assert_one_file(estate: &Estate, before: &Value, what: &str) {
    assert_eq!(files(estate), ["decom-audit.db"], "{what}");
    let header = std::fs::read(estate.sandbox.log()).unwrap();
    assert_eq!(header[18..20], [1, 1], "{what}: the file says that it has a write-ahead log");
    assert_eq!(verified(estate), *before, "{what}");
    let reader = Connection::open(estate.sandbox.log()).unwrap();
    let count: i64 = reader.query_row("SELECT count(*) FROM results", [], |row| row.get(0)).unwrap();
    assert!(count > 0);
    reader.close().unwrap();
    assert_eq!(files(estate), ["decom-audit.db"], "{what}, and after a reader");
    assert_eq!(verified(estate), *before, "{what}, and after a reader");
}

#[test]
fn a_refused_run_of_every_kind_leaves_the_log_as_it_was() {
    let estate = estate();
    let sandbox = &estate.sandbox;
    let plan = estate.decom(&["plan", "names.csv", "--max-deletes", "10", "--out", "plan.json"]).run();
    assert_eq!(plan.code, 0, "{plan:?}");
    let altered = std::fs::read_to_string(sandbox.path("plan.json")).unwrap().replace("t-03", "t-05");
    sandbox.file("altered.json", altered);
    sandbox.file("empty.csv", "name\n");
    sandbox.file("token", "another-token-0123456789");
    std::fs::set_permissions(sandbox.path("token"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let _ = Key::new(sandbox, "key", "ed25519");
    let before = verified(&estate);
    let run = &column(&sandbox.log(), "SELECT run_id FROM runs")[0];
    let kinds: [(&str, &[&str], i32); 13] = [
        ("nobody to confirm", &["run", "names.csv"], 3),
        ("too many", &["run", "names.csv", "--yes", "--max-deletes", "1"], 3),
        ("too large a share", &["run", "names.csv", "--yes", "--max-share", "1"], 3),
        ("a wrong token", &["run", "names.csv", "--yes", "--token-file", "token"], 4),
        ("an altered plan", &["run", "--plan", "altered.json", "--yes"], 3),
        ("a plan that nobody confirms", &["run", "--plan", "plan.json"], 3),
        ("a dry run", &["run", "names.csv", "--dry-run"], 0),
        ("a dry run that a guard refuses", &["run", "names.csv", "--dry-run", "--max-deletes", "1"], 3),
        ("nothing to resume", &["resume"], 0),
        ("nothing to retry", &["retry", run], 2),
        ("no names", &["run", "empty.csv", "--yes"], 2),
        (
            "no checkpoint can be written",
            &["run", "names.csv", "--yes", "--checkpoint-dir", "nowhere", "--signing-key", "key"],
            5,
        ),
        ("a queue that cannot be opened", &["work", "--queue", "redis://127.0.0.1:1/x", "--yes"], 2),
    ];
    let mut unexpected = Vec::new();
    for (what, arguments, code) in kinds {
        let mut command = estate.decom(arguments);
        if what == "a wrong token" {
            command.env_remove("DATABRAIN_TOKEN");
        }
        let said = command.run();
        if said.code != code {
            unexpected.push(format!("{what}: {said:?}"));
        }
        assert_one_file(&estate, &before, what);
    }
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    for arguments in [
        &["audit", "rotate", "--out", "names.csv"][..],
        &["audit", "verify"],
        &["audit", "export", "--out", "export.jsonl"],
        &["audit", "checkpoint", "--out", "a.checkpoint"],
        &["report"],
        &["runs"],
    ] {
        sandbox.decom(arguments).run();
        assert_one_file(&estate, &before, &arguments.join(" "));
    }
}

#[test]
fn a_run_that_is_not_confirmed_on_the_terminal_leaves_the_log_as_it_was() {
    let estate = estate();
    let before = verified(&estate);
    for answer in ["no", "delete everything"] {
        let mut decom = estate.decom(&["run", "names.csv"]);
        decom.env("TERM", "xterm");
        let mut terminal = decom.on_terminal(Options::new().strip_ansi_escape_codes(true));
        for _ in 0..3 {
            terminal.exp_string("type `").unwrap();
            terminal.exp_string("`: ").unwrap();
            terminal.send_line(answer).unwrap();
        }
        terminal.exp_eof().unwrap();
        assert!(format!("{:?}", terminal.process().wait().unwrap()).contains('3'));
        assert_one_file(&estate, &before, answer);
    }
}

#[test]
fn a_log_that_is_refused_for_what_it_holds_is_left_as_it_was() {
    let estate = estate();
    let log = estate.sandbox.log();
    let connection = Connection::open(&log).unwrap();
    let trigger = "SELECT sql FROM sqlite_schema WHERE name = 'record_is_never_updated'";
    let trigger: String = connection.query_row(trigger, [], |row| row.get(0)).unwrap();
    connection.execute_batch("DROP TRIGGER record_is_never_updated").unwrap();
    connection
        .execute_batch("UPDATE record SET hash = zeroblob(32) WHERE seq = (SELECT max(seq) FROM record)")
        .unwrap();
    connection.execute_batch(&trigger).unwrap();
    connection.close().unwrap();
    let refused = |what: &str| {
        let before = std::fs::read(&log).unwrap();
        let run = estate.decom(&["run", "names.csv", "--yes"]);
        for mut command in [run, estate.sandbox.decom(&["audit", "rotate"])] {
            let said = command.run();
            assert_eq!(said.code, 5, "{what}: {said:?}");
            assert_eq!(files(&estate), ["decom-audit.db"], "{what}: {said:?}");
            assert!(std::fs::read(&log).unwrap() == before, "{what}: the file was written to: {said:?}");
        }
    };
    refused("a broken chain");
    let connection = Connection::open(&log).unwrap();
    connection.execute_batch("DROP TRIGGER record_is_never_updated").unwrap();
    connection.close().unwrap();
    refused("a trigger that is gone");
}
