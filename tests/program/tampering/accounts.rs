//! A forger who computes every hash anew, and gets the story wrong.

use super::{Case, Held, first, last, rechain, sql, tamper};

/// The columns of a record that is put behind the last one.
const BEHIND: &str = "INSERT INTO record (seq, kind, at_us, run, target, number, outcome, evidence, verdict, latency_us, waited_us, detail, hash)
     SELECT (SELECT max(seq) + 1 FROM record), ";

#[test]
fn hashes_that_fit_do_not_make_a_story_true() {
    let case = Case::new();
    let (log, n) = (case.log(), last(&case.log()));
    let send = first(&log, "kind = 'send'");
    let answer = first(&log, "kind = 'answer'");
    let settled = first(&log, "outcome IS NOT NULL AND kind = 'answer'");
    let end = first(&log, "kind = 'end'");
    assert_eq!(end, n);
    let cut = format!("DELETE FROM record WHERE seq = {n};");
    // The run is not finished yet, and one record more is about its first settled target.
    let about = |kind: &str, rest: &str| {
        format!("{cut} {BEHIND} '{kind}', at_us, run, target, {rest}, zeroblob(32) FROM record WHERE seq = {settled}")
            .replace("at_us, run, target, N", "(SELECT max(at_us) FROM record), run, target, N")
            .replace("at_us, run, target, 9", "(SELECT max(at_us) FROM record), run, target, 9")
    };
    let forgeries = [
        (
            "a second outcome",
            about("settle", "NULL, 'deleted', 'rule', NULL, NULL, NULL, NULL"),
            "settled_twice",
            n,
        ),
        (
            "a request for what has an outcome",
            about("send", "99, NULL, NULL, NULL, NULL, 0, NULL"),
            "sent",
            n,
        ),
        (
            "an answer without a request",
            about("answer", "99, NULL, NULL, 'deleted', 1, NULL, NULL"),
            "answer_without_send",
            n,
        ),
        ("a column too many", about("send", "99, NULL, NULL, 'deleted', NULL, 0, NULL"), "sent", n),
        (
            "a time that goes back",
            format!("UPDATE record SET at_us = at_us - 100000000 WHERE seq = {send}"),
            "time",
            send,
        ),
        ("a word that is none", format!("UPDATE record SET kind = 'note' WHERE seq = {send}"), "word", send),
        ("no verdict", format!("UPDATE record SET verdict = 'zz' WHERE seq = {answer}"), "word", answer),
        ("no evidence", format!("UPDATE record SET evidence = 'zz' WHERE seq = {settled}"), "word", settled),
        ("no object", "UPDATE record SET detail = '{' WHERE seq = 2".to_owned(), "word", 2),
        (
            "a column that is not needed",
            format!("UPDATE record SET ticket = 'x' WHERE seq = {send}"),
            "shape",
            send,
        ),
        (
            "a column that is missing",
            format!("UPDATE record SET latency_us = NULL WHERE seq = {answer}"),
            "shape",
            answer,
        ),
        ("no such run", format!("UPDATE record SET run = 3 WHERE seq = {send}"), "reference", send),
        ("no such target", format!("UPDATE record SET target = 2 WHERE seq = {send}"), "reference", send),
        ("a number twice", "UPDATE record SET number = 1 WHERE seq = 4".to_owned(), "numbering", 4),
        (
            "no outcome",
            format!("UPDATE record SET outcome = NULL, evidence = NULL WHERE seq = {settled}"),
            "unsettled",
            n,
        ),
        (
            "another count",
            format!(
                "UPDATE record SET detail = replace(detail, '\"skipped\":1', '\"skipped\":2') WHERE seq = {n}"
            ),
            "counts",
            n,
        ),
        ("no end", format!("UPDATE record SET detail = 'over' WHERE seq = {n}"), "end", n),
        (
            "a second beginning",
            format!("UPDATE record SET kind = 'log', run = NULL, name = 'x' WHERE seq = {n}"),
            "genesis",
            n,
        ),
        (
            "after the end",
            format!(
                "{BEHIND} 'check', at_us, run, NULL, NULL, NULL, 'still_listed', NULL, NULL, NULL, '{{}}', zeroblob(32) FROM record WHERE seq = {n}"
            ),
            "reference",
            n + 1,
        ),
    ];
    for (what, statements, kind, record) in forgeries {
        let copy = case.copy();
        tamper(&copy, |connection| {
            sql(&statements)(connection);
            rechain(connection, 1);
        });
        let (code, said) = case.verify(&copy, Held::Alone);
        assert_eq!(code, 5, "{what}: {said:#}");
        let findings = said["findings"].as_array().unwrap();
        assert!(
            findings.iter().all(|it| it["kind"] != "hash"),
            "{what}: the forger did not get it right: {said:#}"
        );
        let this = findings.iter().find(|it| it["kind"] == kind);
        assert_eq!(this.map(|it| it["record"].as_i64()), Some(Some(record)), "{what}: {said:#}");
        case.agreed(&copy, Held::Alone, false, what);
    }
}

#[test]
fn an_outcome_that_contradicts_its_attempts_is_found() {
    let case = Case::new();
    let log = case.log();
    let in_use = first(&log, "verdict = 'in_use'");
    let not_found = first(
        &log,
        "outcome = 'not_found' AND NOT EXISTS (SELECT 1 FROM record a WHERE a.target = record.target
           AND a.verdict IN ('server_error', 'no_answer'))",
    );
    let skipped = first(&log, "outcome = 'skipped'");
    let deleted = "SET outcome = 'deleted', evidence = 'acknowledged'";
    let forgeries = [
        ("deleted on \"in use\"", format!("{deleted} WHERE seq = {in_use}"), "outcome", in_use),
        (
            "a verdict on a reply that cannot show it",
            format!("{deleted}, verdict = 'deleted' WHERE seq = {in_use}"),
            "verdict",
            in_use,
        ),
        (
            "deleted on a 200 with an error code",
            format!("{deleted}, verdict = 'deleted', http_status = 200 WHERE seq = {in_use}"),
            "verdict",
            in_use,
        ),
        (
            "a reply that there never was",
            format!("SET http_status = NULL WHERE seq = {in_use}"),
            "verdict",
            in_use,
        ),
        ("deleted without an attempt", format!("{deleted} WHERE seq = {skipped}"), "outcome", skipped),
        (
            "an outcome on the evidence of another",
            format!("SET evidence = 'absent_from_listing' WHERE seq = {in_use}"),
            "outcome",
            in_use,
        ),
        (
            "a doubt that there never was",
            format!(
                "SET outcome = 'deleted_unconfirmed', evidence = 'not_found_after_doubt' WHERE seq = {not_found}"
            ),
            "doubt",
            not_found,
        ),
    ];
    for (what, set, kind, record) in forgeries {
        let copy = case.copy();
        tamper(&copy, |connection| {
            sql(&format!("UPDATE record {set}"))(connection);
            // The end counts as the forger says.
            let counts = "UPDATE record SET detail = json_set(detail, '$.counts', (
                SELECT json_group_object(outcome, n) FROM (
                    SELECT outcome, count(*) AS n FROM record WHERE outcome IS NOT NULL GROUP BY outcome)))
                WHERE kind = 'end'";
            connection.execute_batch(counts).unwrap();
            rechain(connection, 1);
        });
        case.found(&copy, Held::Alone, 5, kind, Some(record), what);
    }
}

#[test]
fn what_an_earlier_version_took_for_a_success_stays_sound() {
    let case = Case::new();
    let copy = case.copy();
    tamper(&copy, |connection| {
        // Any 200 was a deletion. One with an error code is found: it means what the code says.
        let login = "UPDATE record SET datasource_id = NULL, message = '<html>' WHERE verdict = 'deleted'";
        assert!(connection.execute(login, []).unwrap() > 0);
        rechain(connection, 1);
    });
    case.found(&copy, Held::Alone, 1, "not_anchored", None, "a log of an earlier version");
}

#[test]
fn a_log_that_was_written_anew_is_found_by_the_checkpoints_alone() {
    let case = Case::new();
    let copy = case.copy();
    tamper(&copy, |connection| {
        sql("UPDATE record SET name = 'customer-7' WHERE kind = 'target' AND number = 3")(connection);
        rechain(connection, 1);
    });
    case.found(&copy, Held::Alone, 1, "not_anchored", None, "it is a good log as far as it can tell");
    // The first checkpoint is of the first record alone, which is as it was.
    let start = first(&copy, "kind = 'target' AND number = 7") + 1;
    case.found(&copy, Held::Anchored, 5, "checkpoint_differs", Some(start), "was rewritten");
}
