//! Records that are edited, removed, added, swapped and renumbered.

use super::{Case, Held, first, last, sql, tamper};

#[test]
fn records_that_are_altered_are_found_by_their_numbers() {
    let case = Case::new();
    let (log, n) = (case.log(), last(&case.log()));
    let refused = first(&log, "outcome IN ('in_use', 'not_found', 'failed')");
    let send = first(&log, "kind = 'send'");
    let end = format!("(SELECT max(seq) FROM record WHERE seq < {n})");
    let make_room = format!(
        "CREATE TEMP TABLE moved AS SELECT * FROM record WHERE seq >= {send};
         DELETE FROM record WHERE seq >= {send}; UPDATE moved SET seq = seq + 1;"
    );
    let swap = format!(
        "UPDATE record SET seq = -1 WHERE seq = {send}; UPDATE record SET seq = {send} WHERE seq = {send} + 1;
         UPDATE record SET seq = {send} + 1 WHERE seq = -1"
    );
    let alterations = [
        (
            "an outcome is edited",
            format!("UPDATE record SET outcome = 'deleted' WHERE seq = {refused}"),
            "hash",
            refused,
        ),
        (
            "a name is edited",
            "UPDATE record SET name = 'other' WHERE kind = 'target' AND number = 2".to_owned(),
            "hash",
            4,
        ),
        ("the time is edited", format!("UPDATE record SET at_us = at_us + 1 WHERE seq = {n}"), "hash", n),
        (
            "the id of the log is edited",
            "UPDATE record SET name = 'ff' || substr(name, 3) WHERE seq = 1".to_owned(),
            "hash",
            1,
        ),
        (
            "a hash is edited",
            format!("UPDATE record SET hash = zeroblob(32) WHERE seq = {send}"),
            "hash",
            send,
        ),
        (
            "a record is removed",
            format!("DELETE FROM record WHERE seq = {send}"),
            "records_missing",
            send + 1,
        ),
        ("the first record is removed", "DELETE FROM record WHERE seq = 1".to_owned(), "records_missing", 2),
        (
            "a record is put in between",
            format!(
                "{make_room} INSERT INTO record SELECT * FROM moved; INSERT INTO record SELECT {send}, kind, at_us, run, target, number, name, verdict, http_status, error_code, message, latency_us, waited_us, datasource_id, outcome, evidence, reason, ticket, detail, hash FROM record WHERE seq = {send} - 1"
            ),
            "hash",
            send,
        ),
        (
            "a record is put behind",
            format!(
                "INSERT INTO record SELECT {n} + 1, 'check', at_us, run, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'still_listed', NULL, NULL, '{{}}', hash FROM record WHERE seq = {n}"
            ),
            "hash",
            n + 1,
        ),
        ("two records are swapped", swap, "hash", send),
        (
            "a record is renumbered",
            format!("UPDATE record SET seq = {n} + 5 WHERE seq = {n}"),
            "records_missing",
            n + 5,
        ),
        (
            "a record is given a number far off",
            format!("UPDATE record SET seq = 9000000000000000000 WHERE seq = {n}"),
            "records_missing",
            9_000_000_000_000_000_000,
        ),
        (
            "all are renumbered",
            "UPDATE record SET seq = -seq; UPDATE record SET seq = 1 - seq".to_owned(),
            "records_missing",
            2,
        ),
        (
            "a record is put before the first",
            "UPDATE record SET seq = 0 WHERE seq = 1".to_owned(),
            "records_missing",
            0,
        ),
        ("the last answer is removed", format!("DELETE FROM record WHERE seq = {end}"), "records_missing", n),
    ];
    for (what, statements, kind, record) in alterations {
        let copy = case.copy();
        tamper(&copy, sql(&statements));
        for held in [Held::Alone, Held::Anchored] {
            case.found(&copy, held, 5, kind, Some(record), what);
        }
    }
}

#[test]
fn an_end_that_was_cut_off_is_found_by_the_checkpoints_alone() {
    let case = Case::new();
    let n = last(&case.log());
    let copy = case.copy();
    tamper(&copy, sql(&format!("DELETE FROM record WHERE seq > {n} - 3")));
    case.found(&copy, Held::Alone, 1, "unfinished", Some(2), "what is left is a run that goes on");
    case.found(&copy, Held::Anchored, 5, "checkpoint_ahead", Some(n - 2), "cut off");
}

#[test]
fn a_log_without_records_is_none() {
    let case = Case::new();
    let copy = case.copy();
    tamper(&copy, sql("DELETE FROM record"));
    let (code, said) = case.verify(&copy, Held::Anchored);
    assert_eq!(code, 6, "{said:#}");
    assert!(!said.to_string().contains("sound"), "{said:#}");
    case.agreed(&copy, Held::Anchored, false, "no records");
}
