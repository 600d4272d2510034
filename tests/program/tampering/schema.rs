//! Triggers, views and indexes that are dropped, altered or added.

use super::{Case, Held, tamper};
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
        ("CREATE TABLE notes (text)".to_owned(), "schema_added", "table `notes`"),
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
