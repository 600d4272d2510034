//! `decom audit merge`: several logs in one file that reads like a log, each chain kept whole, and
//! nothing merged that contradicts something else.

use std::path::Path;

use serde_json::{Value, json};

use crate::audit_queries::{ask, queries};
use crate::support::forgery::{rewrite, sql, tamper};
use crate::support::history::eventful;
use crate::support::{Fault, Output, Sandbox, Server, column, files_in, rows};

fn audit(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    sandbox.decom(&[&["audit"], arguments].concat()).run()
}

fn merged(sandbox: &Sandbox, logs: &[&str]) -> Value {
    let said = audit(sandbox, &[&["merge", "--out", "all.db", "--json"], logs].concat());
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said:?}");
    serde_json::from_str(&said.stdout).unwrap()
}

/// That these logs are not merged: why, and that nothing is left behind.
#[track_caller]
fn refused(sandbox: &Sandbox, logs: &[&str]) -> String {
    let before = files_in(&sandbox.path(""));
    let said = audit(sandbox, &[&["merge", "--out", "all.db"], logs].concat());
    assert_eq!((said.code, said.stdout.as_str()), (5, ""), "{said:?}");
    assert_eq!(files_in(&sandbox.path("")), before);
    said.message().to_owned()
}

/// Deletes `names` with the log `log`.
fn delete(sandbox: &Sandbox, server: &Server, log: &str, names: &[&str]) {
    sandbox.names("names.csv", names);
    let finished = sandbox.run(server, &["run", "names.csv", "--again", "--audit-db", log]);
    assert_eq!(finished.code, 0, "{finished:?}");
}

fn server() -> Server {
    let server = Server::deleting();
    server.list(&["other"]);
    server
}

fn copy(sandbox: &Sandbox, from: &str, to: &str) {
    std::fs::copy(sandbox.path(from), sandbox.path(to)).unwrap();
}

fn log_id(log: &Path) -> String {
    column(log, "SELECT name FROM record WHERE seq = 1").remove(0)
}

#[test]
fn every_record_of_every_log_is_kept_whole() {
    let sandbox = Sandbox::new();
    let _eventful = eventful(&sandbox);
    let server = server();
    delete(&sandbox, &server, "b.db", &["one", "two"]);
    delete(&sandbox, &server, "c.db", &["three"]);
    let logs = ["decom-audit.db", "b.db", "c.db"];
    let told = merged(&sandbox, &logs);
    let all = sandbox.path("all.db");
    for (place, name) in logs.iter().enumerate() {
        let log = sandbox.path(name);
        let records = rows(&log, "SELECT *, hex(hash) FROM record ORDER BY seq");
        let id = log_id(&log);
        let columns = column(&log, "SELECT group_concat(name) FROM pragma_table_info('record')").remove(0);
        let query = format!("SELECT {columns}, hex(hash) FROM chained WHERE log_id = '{id}' ORDER BY seq");
        assert_eq!(rows(&all, &query), records);
        let head = column(&log, "SELECT lower(hex(hash)) FROM record ORDER BY seq DESC LIMIT 1").remove(0);
        let expected = json!({ "log_id": id, "path": name, "records": records.len(), "head": head, "predecessor": null });
        assert_eq!(told["logs"][place], expected);
    }
    assert_eq!((&told["left_out"], &told["overlapping"]), (&json!([]), &json!(0)));
    assert_eq!(files_in(&sandbox.path("")).iter().filter(|name| name.contains("all.db")).count(), 1);
}

#[test]
fn a_merged_file_reads_like_a_log() {
    let sandbox = Sandbox::new();
    let _eventful = eventful(&sandbox);
    let server = server();
    delete(&sandbox, &server, "b.db", &["one", "two"]);
    merged(&sandbox, &["b.db", "decom-audit.db"]);
    let (all, a, b) = (sandbox.path("all.db"), sandbox.log(), sandbox.path("b.db"));

    for view in ["runs", "results", "attempts"] {
        let names = |log| column(log, &format!("SELECT name FROM pragma_table_info('{view}')"));
        let expected = [names(&a), vec!["log_id".to_owned()]].concat();
        assert_eq!(names(&all), expected);
        let of = |log| {
            let id = log_id(log);
            rows(log, &format!("SELECT *, '{id}' FROM {view}"))
        };
        let mut expected = [of(&a), of(&b)].concat();
        let mut found = rows(&all, &format!("SELECT * FROM {view}"));
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{view}");
    }
    for query in queries() {
        let (found, of_a) = (ask(&all, &query.sql, "lost"), ask(&a, &query.sql, "lost"));
        // The newest run is that of `b.db`, in which all went well.
        assert_eq!(found.is_empty(), query.name == "exceptions", "{}", query.name);
        if ["deletions", "gaps", "pace", "slowest"].contains(&query.name.as_str()) {
            assert_eq!(found.len(), of_a.len() + ask(&b, &query.sql, "").len(), "{}", query.name);
        }
    }

    let told = |arguments: &[&str]| {
        let said = sandbox.decom(arguments).run();
        assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{arguments:?}");
        said.stdout
    };
    let runs: Value =
        serde_json::from_str(&told(&["runs", "--audit-db", "all.db", "--format", "json"])).unwrap();
    assert_eq!(runs.as_array().unwrap().len(), 5);
    for (log, path) in [("decom-audit.db", &a), ("b.db", &b)] {
        for run in column(path, "SELECT run_id FROM runs") {
            for format in ["table", "csv", "json", "md"] {
                let report = |log| told(&["report", &run, "--audit-db", log, "--format", format]);
                assert_eq!(report("all.db"), report(log));
            }
            let export = |log| told(&["audit", "export", &run, "--audit-db", log, "--format", "ocsf"]);
            assert_eq!(export("all.db"), export(log));
        }
    }
    // The newest run is the newest of all, wherever it stands.
    let newest = column(&b, "SELECT run_id FROM runs").remove(0);
    assert!(told(&["report", "--audit-db", "all.db"]).contains(&newest));
    // The records as they are in their own logs, with the id of each log behind them.
    let lines = told(&["audit", "export", "--audit-db", "all.db"]);
    let of = |log: &str| {
        let end = format!(",\"log_id\":\"{}\"}}", log_id(&sandbox.path(log)));
        told(&["audit", "export", "--audit-db", log]).replace("}\n", &format!("{end}\n"))
    };
    assert_eq!(lines, of("b.db") + &of("decom-audit.db"));
}

#[test]
fn of_the_same_log_twice_the_longer_one_is_taken() {
    let (sandbox, server) = (Sandbox::new(), server());
    delete(&sandbox, &server, "a.db", &["one"]);
    copy(&sandbox, "a.db", "copy.db");
    copy(&sandbox, "a.db", "older.db");
    delete(&sandbox, &server, "a.db", &["two"]);
    copy(&sandbox, "a.db", "same.db");
    let count = |log: &str| column(&sandbox.path(log), "SELECT count(*) FROM record").remove(0);
    let (short, long): (i64, i64) = (count("older.db").parse().unwrap(), count("a.db").parse().unwrap());
    let told = merged(&sandbox, &["copy.db", "older.db", "a.db", "same.db"]);
    assert_eq!((told["logs"].as_array().unwrap().len(), &told["logs"][0]["path"]), (1, &json!("a.db")));
    assert_eq!(told["logs"][0]["records"], long);
    assert_eq!(
        told["left_out"],
        json!([
            { "path": "older.db", "kept": "copy.db", "records": short, "beyond": 0 },
            { "path": "copy.db", "kept": "a.db", "records": short, "beyond": long - short },
            { "path": "same.db", "kept": "a.db", "records": long, "beyond": 0 },
        ])
    );
    std::fs::remove_file(sandbox.path("all.db")).unwrap();
    let said = audit(&sandbox, &["merge", "a.db", "older.db", "--out", "all.db"]);
    assert!(said.stdout.contains(&format!("older.db  a.db has {} records more", long - short)), "{said:?}");
}

#[test]
fn a_log_that_went_two_ways_is_refused_with_the_first_record_that_differs() {
    let (sandbox, server) = (Sandbox::new(), server());
    delete(&sandbox, &server, "a.db", &["one"]);
    copy(&sandbox, "a.db", "b.db");
    delete(&sandbox, &server, "a.db", &["two"]);
    delete(&sandbox, &server, "b.db", &["three", "four"]);
    let count = "SELECT count(*) + 1 FROM record WHERE run = 2 OR seq <= 2";
    let seq = column(&sandbox.path("a.db"), count).remove(0);
    for logs in [["a.db", "b.db"], ["b.db", "a.db"]] {
        let why = refused(&sandbox, &logs);
        assert!(why.starts_with(&format!("{} and {}: both are the audit log ", logs[0], logs[1])), "{why}");
        assert!(why.contains(&format!("they differ from record {seq} on")), "{why}");
    }
}

#[test]
fn a_log_that_is_not_sound_is_refused() {
    let (sandbox, server) = (Sandbox::new(), server());
    delete(&sandbox, &server, "a.db", &["one"]);
    delete(&sandbox, &server, "b.db", &["two"]);
    tamper(&sandbox.path("b.db"), sql("UPDATE record SET name = 'too' WHERE name = 'two'"));
    let seq = column(&sandbox.path("b.db"), "SELECT seq FROM record WHERE name = 'too'").remove(0);
    let why = refused(&sandbox, &["a.db", "b.db"]);
    assert!(
        why.contains(&format!("b.db: the audit log is not sound: record {seq} does not match its hash")),
        "{why}"
    );
}

#[test]
fn a_run_that_two_logs_claim_is_refused() {
    let (sandbox, server) = (Sandbox::new(), server());
    delete(&sandbox, &server, "a.db", &["one"]);
    copy(&sandbox, "a.db", "b.db");
    rewrite(&sandbox.path("b.db"), "UPDATE record SET name = 'ffff' WHERE seq = 1");
    let run = column(&sandbox.path("a.db"), "SELECT run_id FROM runs").remove(0);
    let why = refused(&sandbox, &["a.db", "b.db"]);
    assert!(why.contains(&format!("a.db and b.db: the run {run} is in both")), "{why}");
}

#[test]
fn what_went_in_more_than_one_log_is_told() {
    let (sandbox, server) = (Sandbox::new(), server());
    delete(&sandbox, &server, "a.db", &["one", "both", "again"]);
    delete(&sandbox, &server, "b.db", &["two", "both"]);
    delete(&sandbox, &server, "c.db", &["again", "both"]);
    let told = merged(&sandbox, &["a.db", "b.db", "c.db"]);
    let id = |log| log_id(&sandbox.path(log));
    assert_eq!(told["overlapping"], 2);
    assert_eq!(
        told["overlaps"],
        json!([
            { "datasource": "again", "logs": [id("a.db"), id("c.db")] },
            { "datasource": "both", "logs": [id("a.db"), id("b.db"), id("c.db")] },
        ])
    );
    // Of another API, it is another datasource.
    let elsewhere = self::server();
    delete(&sandbox, &elsewhere, "d.db", &["two"]);
    std::fs::remove_file(sandbox.path("all.db")).unwrap();
    assert_eq!(merged(&sandbox, &["b.db", "d.db"])["overlapping"], 0);
}

#[test]
fn no_file_is_overwritten() {
    let (sandbox, server) = (Sandbox::new(), server());
    delete(&sandbox, &server, "a.db", &["one"]);
    let before = std::fs::read(sandbox.path("a.db")).unwrap();
    sandbox.file("notes.txt", "mine");
    std::os::unix::fs::symlink("nowhere", sandbox.path("link")).unwrap();
    for out in ["a.db", "notes.txt", "link"] {
        let said = audit(&sandbox, &["merge", "a.db", "--out", out]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.message().contains("there is a file here already"), "{said:?}");
    }
    assert_eq!(std::fs::read(sandbox.path("a.db")).unwrap(), before);
    assert_eq!(std::fs::read(sandbox.path("notes.txt")).unwrap(), b"mine");
}

#[test]
fn no_run_writes_to_a_merged_file() {
    let (sandbox, server) = (Sandbox::new(), server());
    delete(&sandbox, &server, "a.db", &["one"]);
    merged(&sandbox, &["a.db"]);
    let before = std::fs::read(sandbox.path("all.db")).unwrap();
    let asked = server.deletions().len();
    let run = column(&sandbox.path("a.db"), "SELECT run_id FROM runs").remove(0);
    for arguments in [&["run", "names.csv"][..], &["resume"], &["retry", &run], &["rehearse", "names.csv"]] {
        let finished = sandbox.run(&server, &[arguments, &["--audit-db", "all.db"]].concat());
        assert_eq!(finished.code, 5, "{arguments:?}: {finished:?}");
        assert!(
            finished.stderr.contains("all.db: this file was merged from several audit logs"),
            "{finished:?}"
        );
    }
    assert_eq!(server.deletions().len(), asked, "nothing is sent");
    let why = {
        std::fs::rename(sandbox.path("all.db"), sandbox.path("first.db")).unwrap();
        refused(&sandbox, &["a.db", "first.db"])
    };
    assert!(why.contains("first.db: this file was merged from several audit logs"), "{why}");
    assert_eq!(std::fs::read(sandbox.path("first.db")).unwrap(), before);

    let connection = rusqlite::Connection::open(sandbox.path("first.db")).unwrap();
    for statement in [
        "INSERT INTO record SELECT max(seq) + 1, kind, at_us, run, target, number, 'x', verdict, http_status,
           error_code, message, latency_us, waited_us, datasource_id, outcome, evidence, reason, ticket, detail,
           hash FROM record",
        "UPDATE record SET name = 'x'",
        "DELETE FROM record",
        "INSERT INTO log SELECT number + 1, 'x', source, shift, records, head FROM log",
        "UPDATE log SET shift = 1",
        "DELETE FROM log",
    ] {
        assert!(connection.execute_batch(statement).is_err(), "{statement}");
    }
}

#[test]
fn a_log_that_is_being_written_is_merged_as_it_is() {
    let sandbox = Sandbox::new();
    let server = Server::start(|_| Fault::NeverAnswer.into());
    server.list(&["slow"]);
    sandbox.names("names.csv", &["slow"]);
    let mut running = sandbox.start(&server, &["run", "names.csv"]);
    running.wait_until("its request is under way", || !server.deletions().is_empty());
    merged(&sandbox, &["decom-audit.db"]);
    let all = sandbox.path("all.db");
    assert_eq!(column(&all, "SELECT status || ' ' || pending FROM runs"), ["unfinished 1"]);
    assert_eq!(column(&all, "SELECT datasource FROM attempts WHERE verdict IS NULL"), ["slow"]);
    running.kill();
}

/// The logs that `decom audit verify` finds in the merged file, and what it ends with.
fn verified(sandbox: &Sandbox) -> (i32, Vec<Value>) {
    let said = audit(sandbox, &["verify", "--audit-db", "all.db", "--json"]);
    let whole: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(whole["exit_code"], said.code);
    (said.code, whole["logs"].as_array().unwrap().clone())
}

#[test]
fn every_chain_in_a_merged_file_is_verified() {
    let sandbox = Sandbox::new();
    let _eventful = eventful(&sandbox);
    let server = server();
    delete(&sandbox, &server, "b.db", &["one", "two"]);
    delete(&sandbox, &server, "c.db", &["three"]);
    merged(&sandbox, &["b.db", "decom-audit.db", "c.db"]);
    let (code, logs) = verified(&sandbox);
    assert_eq!((code, logs.len()), (1, 3), "sound, and nothing vouches for it: {logs:?}");
    for (log, name) in logs.iter().zip(["b.db", "decom-audit.db", "c.db"]) {
        let said = audit(&sandbox, &["verify", "--audit-db", name, "--json"]);
        let alone: Value = serde_json::from_str(&said.stdout).unwrap();
        for what in [
            "status",
            "log_id",
            "records",
            "head",
            "runs",
            "finished_runs",
            "targets",
            "requests",
            "findings",
        ] {
            assert_eq!(log[what], alone[what], "{name}: {what}");
        }
    }

    let whole = std::fs::read(sandbox.path("all.db")).unwrap();
    let id = |name: &str| log_id(&sandbox.path(name));
    let shift = column(&sandbox.path("all.db"), "SELECT shift FROM log WHERE number = 2").remove(0);
    let of_the_second = format!("seq = {shift} + 5");
    for (what, change, kind, log, record) in [
        ("a column", format!("UPDATE record SET name = 'x' WHERE {of_the_second}"), "hash", 1, json!(5)),
        ("a time", format!("UPDATE record SET at_us = at_us + 1 WHERE {of_the_second}"), "hash", 1, json!(5)),
        ("a row", format!("DELETE FROM record WHERE {of_the_second}"), "records_missing", 1, json!(6)),
        ("the id", "UPDATE log SET log_id = 'x' WHERE number = 2".to_owned(), "merged_logs", 1, json!(null)),
        (
            "the head",
            "UPDATE log SET head = zeroblob(32) WHERE number = 2".to_owned(),
            "merged_logs",
            1,
            json!(null),
        ),
        ("a log", "DELETE FROM log WHERE number = 3".to_owned(), "merged_logs", 0, json!(null)),
        (
            "the block",
            "UPDATE log SET shift = shift - 1 WHERE number = 3".to_owned(),
            "merged_logs",
            0,
            json!(null),
        ),
        (
            "a cut",
            "UPDATE log SET records = records - 1 WHERE number = 3".to_owned(),
            "merged_logs",
            0,
            json!(null),
        ),
        (
            "a view",
            "DROP VIEW attempts; CREATE VIEW attempts AS SELECT 1".to_owned(),
            "schema_altered",
            0,
            json!(null),
        ),
    ] {
        std::fs::write(sandbox.path("all.db"), &whole).unwrap();
        tamper(&sandbox.path("all.db"), sql(&change));
        let (code, logs) = verified(&sandbox);
        assert_eq!(code, 5, "{what}");
        let findings = logs[log]["findings"].as_array().unwrap();
        let found = findings
            .iter()
            .find(|finding| finding["kind"] == kind)
            .unwrap_or_else(|| panic!("{what}: {logs:#?}"));
        assert_eq!(found["record"], record, "{what}");
        if log == 1 && kind != "merged_logs" {
            assert_eq!(logs[1]["log_id"], id("decom-audit.db"));
            assert_eq!(logs[0]["status"], "not_anchored", "{what}: the others are what they were");
        }
    }
    std::fs::write(sandbox.path("all.db"), &whole).unwrap();
    let checkpoint = audit(&sandbox, &["checkpoint", "--audit-db", "all.db", "--out", "x.checkpoint"]);
    assert_eq!(checkpoint.code, 5, "{checkpoint:?}");
    assert!(
        checkpoint.message().contains("all.db: this file was merged from several audit logs"),
        "{checkpoint:?}"
    );
}
