//! Indexes that do not hold what the records say: every query that looks something up by them is lied to.

use std::path::Path;

use decom::audit::verify::{AnchorCheck, verify};
use rusqlite::Connection;

use super::{Case, Held, last, rechain, sql, tamper};
use crate::support::column;

/// Alters what the schema says of `name`, without anything else.
fn reworded(log: &Path, name: &str, from: &str, to: &str) {
    let connection = Connection::open(log).unwrap();
    connection.pragma_update(None, "writable_schema", true).unwrap();
    let update = "UPDATE sqlite_schema SET sql = replace(sql, ?2, ?3) WHERE name = ?1 AND instr(sql, ?2) > 0";
    assert_eq!(connection.execute(update, [name, from, to]).unwrap(), 1, "{name}: {from}");
    let version: i64 = connection.query_row("PRAGMA schema_version", [], |row| row.get(0)).unwrap();
    connection.pragma_update(None, "schema_version", version + 1).unwrap();
    connection.close().unwrap();
}

/// Fills the index `name` as though it were another, and makes it look as it did.
fn refilled(log: &Path, name: &str, from: &str, to: &str) {
    reworded(log, name, from, to);
    sql(&format!("REINDEX {name}"))(&Connection::open(log).unwrap());
    reworded(log, name, to, from);
}

/// Fails unless this index, and no other, is said not to hold what the records say.
#[track_caller]
fn differs(log: &Path, name: &str, what: &str) {
    let verified = verify(log, &AnchorCheck::default()).unwrap();
    let said: Vec<_> = verified.findings.list().iter().filter(|it| it.kind() == "index").collect();
    assert_eq!(said.len(), 1, "{what}: {:?}", verified.findings.list());
    assert!(said[0].to_string().contains(&format!("`{name}`")), "{what}: {}", said[0]);
}

/// What SQLite's own check says.
fn by_sqlite(log: &Path) -> Vec<String> {
    column(log, "PRAGMA integrity_check")
}

#[test]
fn an_entry_too_many_is_found_although_sqlite_finds_nothing() {
    let case = Case::new();
    let copy = case.copy();
    let deleted = "SELECT deleted FROM runs";
    let before = column(&copy, deleted);
    refilled(
        &copy,
        "record_outcome",
        "(run, outcome) WHERE outcome IS NOT NULL",
        "(run, coalesce(outcome, 'deleted')) WHERE outcome IS NOT NULL OR kind = 'send'",
    );
    assert_ne!(column(&copy, deleted), before, "what the view says of the run is a lie now");
    assert_eq!(by_sqlite(&copy), ["ok"]);
    case.found(&copy, Held::Anchored, 5, "index", None, "entries too many");
    differs(&copy, "record_outcome", "entries too many");
    let (_, said) = case.verify(&copy, Held::Alone);
    let proven = said["proven"].to_string();
    assert!(!proven.contains("every index"), "{said:#}");

    // No query ever meets these; they are no entries of the records all the same.
    let copy = case.copy();
    refilled(&copy, "record_about_target", "target IS NOT NULL", "target IS NOT NULL OR kind = 'end'");
    differs(&copy, "record_about_target", "entries that are about nothing");
}

#[test]
fn entries_that_are_missing_altered_or_out_of_order_are_found_and_their_records_named() {
    let case = Case::new();
    let damage = [
        ("record_outcome", "outcome IS NOT NULL", "outcome IS NOT NULL AND outcome <> 'skipped'"),
        ("record_outcome", "(run, outcome)", "(run, replace(outcome, 'skipped', 'deleted'))"),
        ("record_target_of_run", "(run, number)", "(run, number + 1)"),
        ("record_about_target", "(target, number)", "(target DESC, number)"),
        ("record_datasource", "(name)", "(name DESC)"),
        ("record_run_state", "(run)", "(run, at_us)"),
        ("record_run", "(name)", "(name || 'x')"),
    ];
    for (name, from, to) in damage {
        let copy = case.copy();
        refilled(&copy, name, from, to);
        let what = format!("{name} {to}");
        assert_ne!(by_sqlite(&copy), ["ok"], "{what}");
        case.found(&copy, Held::Anchored, 5, "corrupt", None, &what);
        let (_, said) = case.verify(&copy, Held::Anchored);
        let message = said["findings"][0]["message"].as_str().unwrap();
        assert!(message.contains("row ") && message.contains(name), "{what}: {said:#}");
    }
}

#[test]
fn two_runs_of_one_name_are_found_in_the_index_that_has_each_name_once() {
    let case = Case::new();
    case.run("names.csv", "checkpoints");
    let copy = case.copy();
    reworded(&copy, "record_run", "UNIQUE INDEX", "INDEX");
    tamper(&copy, |connection| {
        let same =
            "UPDATE record SET name = (SELECT min(name) FROM record WHERE kind = 'run') WHERE kind = 'run'";
        connection.execute_batch(same).unwrap();
        rechain(connection, 1);
    });
    reworded(&copy, "record_run", "INDEX", "UNIQUE INDEX");
    case.found(&copy, Held::Alone, 5, "corrupt", None, "one name twice");
}

#[test]
fn an_index_that_still_has_what_was_cut_off_is_found() {
    let case = Case::new();
    let copy = case.copy();
    let n = last(&copy);
    // Out of sight while the records are removed, the index keeps their entries.
    let root = column(&copy, "SELECT rootpage FROM sqlite_schema WHERE name = 'record_run_state'").remove(0);
    let made = column(&copy, "SELECT sql FROM sqlite_schema WHERE name = 'record_run_state'").remove(0);
    let alter = |statement: &str| {
        let connection = Connection::open(&copy).unwrap();
        connection.pragma_update(None, "writable_schema", true).unwrap();
        connection.execute_batch(statement).unwrap();
        let version: i64 = connection.query_row("PRAGMA schema_version", [], |row| row.get(0)).unwrap();
        connection.pragma_update(None, "schema_version", version + 1).unwrap();
        connection.close().unwrap();
    };
    alter("DELETE FROM sqlite_schema WHERE name = 'record_run_state'");
    tamper(&copy, sql(&format!("DELETE FROM record WHERE seq = {n}")));
    let made = made.replace('\'', "''");
    alter(&format!(
        "INSERT INTO sqlite_schema VALUES ('index', 'record_run_state', 'record', {root}, '{made}')"
    ));
    assert_eq!(by_sqlite(&copy), ["ok"]);
    case.found(&copy, Held::Alone, 5, "index", None, "an entry of a record that is gone");
    differs(&copy, "record_run_state", "an entry of a record that is gone");
}
