//! Triggers, views and indexes that are dropped, altered or added.

use super::{Case, Held, records, tamper};
use crate::support::column;
use rusqlite::Connection;

#[test]
fn a_schema_that_is_not_decoms_is_found_by_what_was_altered() {
    let case = Case::new();
    let view = column(&case.log(), "SELECT sql FROM sqlite_schema WHERE name = 'results'").remove(0);
    let lying = view.replace("coalesce(o.outcome, 'pending')", "coalesce(o.outcome, 'deleted')");
    assert_ne!(view, lying);
    let trigger = "CREATE TRIGGER record_is_never_deleted BEFORE DELETE ON record BEGIN SELECT 1; END";
    let alterations = [
        (
            "DROP TRIGGER record_is_never_updated".to_owned(),
            "schema_missing",
            "trigger `record_is_never_updated`",
        ),
        (
            format!("DROP TRIGGER record_is_never_deleted; {trigger}"),
            "schema_altered",
            "trigger `record_is_never_deleted`",
        ),
        ("DROP VIEW attempts".to_owned(), "schema_missing", "view `attempts`"),
        (format!("DROP VIEW results; {lying}"), "schema_altered", "view `results`"),
        ("DROP INDEX record_datasource".to_owned(), "schema_missing", "index `record_datasource`"),
        ("CREATE INDEX more ON record (ticket)".to_owned(), "schema_added", "index `more`"),
        ("CREATE VIEW mine AS SELECT * FROM results".to_owned(), "schema_added", "view `mine`"),
        (
            "CREATE TABLE notes (text); CREATE TRIGGER lies AFTER INSERT ON notes BEGIN
             INSERT INTO record (seq, kind, at_us, hash) VALUES (1, '', 0, zeroblob(32)); END"
                .to_owned(),
            "schema_added",
            "trigger `lies`",
        ),
        (
            "CREATE TRIGGER lies AFTER INSERT ON record BEGIN SELECT 1; END".to_owned(),
            "schema_added",
            "trigger `lies`",
        ),
    ];
    for (statements, kind, what) in alterations {
        let copy = case.copy();
        let connection = Connection::open(&copy).unwrap();
        connection.execute_batch(&statements).unwrap();
        connection.close().unwrap();
        case.found(&copy, Held::Anchored, 5, kind, None, &statements);
        let (_, said) = case.verify(&copy, Held::Anchored);
        assert!(said["findings"][0]["message"].as_str().unwrap().contains(what), "{what}: {said:#}");
    }
}

/// Reported of other programs: juanfont/headscale#2826, benbjohnson/litestream#1428, tailscale/squibble#1,
/// cloudflare/workerd#3483.
#[test]
fn tables_of_other_tools_are_noted_and_the_log_is_written_to_all_the_same() {
    let case = Case::new();
    let connection = Connection::open(case.log()).unwrap();
    connection
        .execute_batch(
            "ANALYZE; CREATE TABLE _litestream_lock (id INTEGER);
             CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER);
             CREATE TABLE notes (text UNIQUE); CREATE INDEX notes_by_length ON notes (length(text));
             INSERT INTO notes VALUES ('one'), ('another');",
        )
        .unwrap();
    connection.close().unwrap();
    let notes = || {
        let (code, said) = case.verify(&case.log(), Held::Anchored);
        assert_eq!((code, said["status"].as_str()), (0, Some("anchored")), "{said:#}");
        let findings = said["findings"].as_array().unwrap();
        assert!(findings.iter().all(|it| it["kind"] == "not_covered" && it["weight"] == "note"), "{said:#}");
        let named = |name: &str| findings.iter().any(|it| it["message"].as_str().unwrap().contains(name));
        for name in ["`sqlite_stat1`", "`_litestream_lock`", "`_litestream_seq`", "`notes`"] {
            assert!(named(name), "{name}: {said:#}");
        }
        case.agreed(&case.log(), Held::Anchored, true, "tables of other tools");
    };
    notes();
    case.estate.sandbox.file("more.csv", "name\ncustomer-8\n");
    case.run("more.csv", "checkpoints");
    notes();
    assert_eq!(column(&case.log(), "SELECT text FROM notes ORDER BY text"), ["another", "one"]);
}

#[test]
fn a_table_whose_columns_take_anything_is_found_and_what_they_took() {
    let case = Case::new();
    let copy = case.copy();
    let n = super::last(&copy);
    loosened(&copy, |connection| {
        // A name as bytes: what a program compares with a text, it does not find.
        let bytes = "UPDATE record SET name = CAST(name AS BLOB) WHERE seq = 3";
        connection.execute_batch(bytes).unwrap();
        connection.execute("UPDATE record SET detail = 1.5 WHERE seq = ?1", [n]).unwrap();
    });
    case.found(&copy, Held::Alone, 5, "type", Some(3), "values of other types");

    // In a column that takes it: text that is no UTF-8, with a hash that fits.
    let copy = case.copy();
    tamper(&copy, |connection| {
        connection.execute_batch("UPDATE record SET ticket = CAST(x'ff' AS TEXT) WHERE seq = 3").unwrap();
    });
    case.found(&copy, Held::Alone, 5, "type", Some(3), "a text that is none");
}

#[test]
fn a_log_that_stores_its_text_in_another_encoding_is_found() {
    let case = Case::new();
    let other = case.path("utf-16.db");
    let connection = Connection::open(&other).unwrap();
    connection.execute_batch("PRAGMA encoding = 'UTF-16'").unwrap();
    connection.execute_batch(include_str!("../../../src/audit/record/schema.sql")).unwrap();
    connection.execute_batch(include_str!("../../../src/audit/record/views/version_3.sql")).unwrap();
    connection.execute_batch("PRAGMA application_id = 0x6465636d; PRAGMA user_version = 3").unwrap();
    connection.execute("ATTACH ?1 AS log", [case.log().to_str().unwrap()]).unwrap_err();
    drop(connection);
    // SQLite attaches no database of another encoding: record by record.
    for (_, values) in records(&Connection::open(case.log()).unwrap()) {
        let connection = Connection::open(&other).unwrap();
        let places = vec!["?"; values.len()].join(",");
        connection
            .execute(&format!("INSERT INTO record VALUES ({places})"), rusqlite::params_from_iter(values))
            .unwrap();
    }
    case.found(&other, Held::Alone, 5, "schema_altered", None, "text as UTF-16");
}

#[test]
fn a_row_of_the_schema_that_holds_no_text_is_found() {
    let case = Case::new();
    for (what, row) in [
        ("bytes for a kind", "(x'76696577', 'lies', 'lies', 0, 'CREATE VIEW lies AS SELECT 1')"),
        ("a number for a name", "('view', 7, 'lies', 0, 'CREATE VIEW lies AS SELECT 1')"),
        ("a kind that there is not", "('note', 'lies', 'lies', 0, NULL)"),
    ] {
        let copy = case.copy();
        let connection = Connection::open(&copy).unwrap();
        connection.pragma_update(None, "writable_schema", true).unwrap();
        connection.execute_batch(&format!("INSERT INTO sqlite_schema VALUES {row}")).unwrap();
        connection.close().unwrap();
        let (code, said) = case.verify(&copy, Held::Alone);
        assert_eq!(code, 5, "{what}: {said:#}");
        case.agreed(&copy, Held::Alone, false, what);
    }
}

/// Alters a log as though its table had never been strict.
fn loosened(log: &std::path::Path, alter: impl FnOnce(&Connection)) {
    let turn = |from: &str, to: &str| {
        let connection = Connection::open(log).unwrap();
        connection.pragma_update(None, "writable_schema", true).unwrap();
        let update = "UPDATE sqlite_schema SET sql = replace(sql, ?1, ?2) WHERE name = 'record'";
        assert_eq!(connection.execute(update, [from, to]).unwrap(), 1);
        let version: i64 = connection.query_row("PRAGMA schema_version", [], |row| row.get(0)).unwrap();
        connection.pragma_update(None, "schema_version", version + 1).unwrap();
        connection.close().unwrap();
    };
    turn(") STRICT", ") /*    */");
    tamper(log, alter);
    turn(") /*    */", ") STRICT");
}
