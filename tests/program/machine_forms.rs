//! What machines read: rehearsals are marked everywhere, lists are lists, a file says how many rows it has, and nothing
//! that a terminal obeys comes out of a view.

use serde_json::Value;

use crate::support::forgery::rewrite;
use crate::support::{Reply, Sandbox, Server, column, rows};

/// The output of a command that succeeds.
#[track_caller]
fn printed(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let said = sandbox.decom(arguments).run();
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{arguments:?}");
    said.stdout
}

#[test]
fn a_rehearsal_is_marked_as_one_in_every_form() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.names("names.csv", &["a", "b"]);
    assert_eq!(sandbox.run(&server, &["run", "names.csv"]).code, 0);
    let rehearse =
        ["rehearse", "names.csv", "--fault", "none", "--latency", "0ms", "--audit-db", "decom-audit.db"];
    assert_eq!(sandbox.decom(&rehearse).run().code, 0);
    let log = sandbox.log();
    for view in ["runs", "results", "attempts"] {
        let query =
            format!("SELECT group_concat(DISTINCT rehearsal) FROM {view} GROUP BY run_id ORDER BY run_id");
        let mut marks = column(&log, &query);
        marks.sort();
        assert_eq!(marks, ["0", "1"], "{view}");
    }
    for (run, mark) in rows(&log, "SELECT run_id, rehearsal FROM runs").into_iter().map(|row| {
        let [run, mark] = <[String; 2]>::try_from(row).unwrap();
        (run, mark)
    }) {
        let is_rehearsal = mark == "1";
        let report: Value =
            serde_json::from_str(&printed(&sandbox, &["report", &run, "--format", "json"])).unwrap();
        assert_eq!(
            (&report["run"]["rehearsal"], &report["results"][0]["rehearsal"]),
            (&is_rehearsal.into(), &is_rehearsal.into())
        );
        for format in ["table", "md"] {
            let text = printed(&sandbox, &["report", &run, "--format", format]);
            assert_eq!(text.contains("REHEARSAL – nothing real was deleted"), is_rehearsal, "{text}");
        }
        let csv = printed(&sandbox, &["report", &run, "--format", "csv"]);
        let mut csv = csv::Reader::from_reader(csv.as_bytes());
        let header = csv.headers().unwrap().clone();
        let place = |name: &str| header.iter().position(|column| column == name).unwrap();
        let (rehearsal, all) = (place("rehearsal"), place("rows"));
        let records: Vec<_> = csv.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), 2);
        for record in records {
            assert_eq!((&record[rehearsal], &record[all]), (mark.as_str(), "2"));
        }
        let events = printed(&sandbox, &["audit", "export", &run, "--format", "ocsf"]);
        for event in events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            assert_eq!(
                event["metadata"]["labels"] == serde_json::json!(["rehearsal"]),
                is_rehearsal,
                "{event:#}"
            );
            assert_eq!(event["unmapped"]["rehearsal"] == true, is_rehearsal, "{event:#}");
            let says = event["message"].as_str().unwrap().starts_with("rehearsal, nothing real: ");
            assert_eq!(says, is_rehearsal, "{event:#}");
        }
    }
}

#[test]
fn a_retry_inherits_reason_and_ticket_unless_others_are_given() {
    let (sandbox, server) = (Sandbox::new(), Server::start(|_| Reply::server_error()));
    server.list(&["a", "other"]);
    sandbox.names("names.csv", &["a"]);
    let first =
        ["run", "names.csv", "--max-attempts", "1", "--reason", "contract ended", "--ticket", "OFF-7"];
    assert_eq!(sandbox.run(&server, &first).code, 1);
    let again = sandbox.run(&server, &["retry", "--max-attempts", "1"]);
    assert_eq!(again.code, 1, "{again:?}");
    assert_eq!(sandbox.run(&server, &["retry", "--max-attempts", "1", "--ticket", "OFF-8"]).code, 1);
    let found = rows(&sandbox.log(), "SELECT reason, ticket FROM runs ORDER BY started_at");
    let found: Vec<_> = found.iter().map(|row| row.join(" ")).collect();
    assert_eq!(found, ["contract ended OFF-7", "contract ended OFF-7", "contract ended OFF-8"]);
}

#[test]
fn dependants_are_a_list_in_json() {
    let (sandbox, server) = (Sandbox::new(), Server::start(|_| Reply::in_use()));
    server.list(&["a"]).list_datamarts(&[("m", "a")]);
    sandbox.names("names.csv", &["a"]);
    assert_eq!(sandbox.run(&server, &["run", "names.csv"]).code, 1);
    let report: Value = serde_json::from_str(&printed(&sandbox, &["report", "--format", "json"])).unwrap();
    assert_eq!(report["results"][0]["detail"], serde_json::json!(["m"]), "{report:#}");
}

#[test]
fn no_control_character_of_a_message_reaches_a_terminal_through_a_view() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.names("names.csv", &["a"]);
    assert_eq!(sandbox.run(&server, &["run", "names.csv"]).code, 0);
    let bodies = ["plain – ü 日本", "\u{1b}[31mred\u{7}", "c1 \u{9b}2J and \u{7f}", "nul \u{0} and \u{1b}"];
    let insert = |body: &str| {
        let detail = serde_json::json!({ "message_id": "1", "body": body }).to_string().replace('\'', "''");
        format!(
            "INSERT INTO record (seq, kind, at_us, run, message, detail, hash)
             SELECT max(seq) + 1, 'refused', max(at_us), 2, 'why', '{detail}', zeroblob(32) FROM record;"
        )
    };
    rewrite(&sandbox.log(), &bodies.map(insert).concat());
    let shown = column(&sandbox.log(), "SELECT body FROM refused_messages");
    assert_eq!(
        shown,
        ["plain – ü 日本", r"\u{1b}[31mred\u{7}", r"c1 \u{9b}2J and \u{7f}", r#""nul \u0000 and \u001b""#]
    );
}
