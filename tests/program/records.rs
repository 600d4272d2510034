//! The audit log as others see it: every request stands in it before it is answered, and nothing in
//! it can be changed.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use crate::support::{Fault, Reply, Request, Sandbox, Server, TOKEN, column, rows, run, run_with};

/// Answers in every way in turn, so that names need between one and three attempts.
fn mixed(seen: &Request) -> Reply {
    match (seen.name.len() % 5, seen.attempt) {
        (1, 1) => Fault::CloseBeforeAnswer.into(),
        (2, 1) => Reply::status(503),
        (2, _) => Reply::not_found(),
        (3, _) => Fault::CutBody { status: 400, sent: Vec::new() }.into(),
        (4, 1) => Fault::ResetBeforeAnswer.into(),
        (4, _) => Reply::in_use(),
        _ => Reply::deleted(),
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{}-{number}", "n".repeat(number % 7))).collect()
}

#[test]
fn the_record_of_an_attempt_is_durable_before_the_server_answers() {
    let sandbox = Sandbox::new();
    let log = sandbox.log();
    let found = Arc::new(Mutex::new(Vec::new()));
    let record = found.clone();
    let server = Server::start(move |seen| {
        let query = "SELECT datasource, attempt, started_at IS NOT NULL, finished_at IS NULL, verdict
                     FROM attempts WHERE request_id = ";
        let rows = rows(&log, &format!("{query}'{}'", seen.header("x-request-id")));
        record.lock().unwrap().push((seen.clone(), rows));
        mixed(seen)
    });
    let names = names(40);
    run(&sandbox, &server, &names).expect(1);
    let found = found.lock().unwrap();
    assert_eq!(found.len(), server.deletions().len(), "every request was looked for");
    assert!(found.len() > names.len(), "some were tried again");
    for (seen, rows) in found.iter() {
        let (attempt, yes, nothing) = (seen.attempt.to_string(), "1".to_owned(), String::new());
        let begun = [seen.name.clone(), attempt, yes.clone(), yes, nothing];
        assert_eq!(*rows, [begun], "exactly one record, begun and not ended");
    }
}

#[test]
fn a_target_is_recorded_as_settled_before_the_next_one_is_begun() {
    let sandbox = Sandbox::new();
    let log = sandbox.log();
    let settled: Arc<Mutex<Vec<usize>>> = Arc::default();
    let record = settled.clone();
    let server = Server::start(move |_| {
        let gone = column(&log, "SELECT count(*) FROM results WHERE outcome = 'deleted'");
        record.lock().unwrap().push(gone[0].parse().unwrap());
        Reply::deleted()
    });
    run_with(&sandbox, &server, &names(12), &["--concurrency", "1"]).expect(0);
    // The end of one target and the start of the next may share a commit, and a request follows it.
    assert_eq!(*settled.lock().unwrap(), (0..12).collect::<Vec<_>>());
}

#[test]
fn the_requests_of_the_server_and_the_records_of_the_log_are_the_same() {
    let sandbox = Sandbox::new();
    let server = Server::start(mixed);
    run(&sandbox, &server, &names(60)).expect(1);
    let deletions = server.deletions();
    let sent: Vec<_> = deletions.iter().map(|seen| seen.header("x-request-id").to_owned()).collect();
    let recorded = column(&sandbox.log(), "SELECT request_id FROM attempts");
    let distinct: BTreeSet<_> = sent.iter().cloned().collect();
    assert_eq!(distinct.len(), sent.len(), "no id twice");
    assert_eq!(distinct, recorded.iter().cloned().collect());
    assert_eq!(recorded.len(), sent.len());
    for seen in &deletions {
        let query =
            format!("SELECT datasource FROM attempts WHERE request_id = '{}'", seen.header("x-request-id"));
        assert_eq!(column(&sandbox.log(), &query), [&*seen.name]);
    }
    let open = column(&sandbox.log(), "SELECT request_id FROM attempts WHERE finished_at IS NULL");
    assert_eq!(open, [""; 0], "all are ended");
}

#[test]
fn requests_say_who_asks_and_for_what() {
    let sandbox = Sandbox::new();
    let server = Server::start(|_| Reply::in_use());
    server.list(&["a"]).list_datamarts(&[]);
    let ended = run_with(&sandbox, &server, &["a"], &["--max-share", "99"]);
    assert_eq!(ended.code, 3, "deleting all that exists is more than 99 %");
    run(&sandbox, &server, &["a"]).expect(1);
    let seen = server.requests();
    let asked: Vec<_> = seen.iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect();
    assert_eq!(
        asked,
        [
            "GET /api/v2/datasource",
            "GET /api/v2/data-app/datamarts",
            "DELETE /api/v2/datasource",
            "GET /api/v2/data-app/datamarts",
        ]
    );
    for seen in seen {
        assert_eq!(seen.header("user-agent"), concat!("decom/", env!("CARGO_PKG_VERSION")));
        assert_eq!(seen.header("authorization"), format!("Bearer {TOKEN}"));
        assert_eq!(seen.header("host"), server.url().replace("http://", ""));
        if seen.is_deletion() {
            assert_eq!(seen.header("accept"), "application/json");
        }
    }
}

#[test]
fn a_path_prefix_of_the_base_url_is_kept() {
    let sandbox = Sandbox::new();
    let server = Server::deleting();
    let url = format!("{}/databrain/v7/", server.url());
    run_with(&sandbox, &server, &["a"], &["--base-url", &url]).expect(0);
    assert_eq!(server.requests()[0].path, "/databrain/v7/api/v2/datasource");
}

#[test]
fn names_arrive_as_they_were_written() {
    let encoded = [
        ("plain-Name_1.0~x", "plain-Name_1.0~x"),
        ("two words", "two%20words"),
        (" outer ", "%20outer%20"),
        ("a+b", "a%2Bb"),
        ("a&datasourceName=b", "a%26datasourceName%3Db"),
        ("100%", "100%25"),
        ("%41", "%2541"),
        ("a#b", "a%23b"),
        ("a/b/../c", "a%2Fb%2F..%2Fc"),
        ("..", ".."),
        ("what?", "what%3F"),
        ("a=b;c,d", "a%3Db%3Bc%2Cd"),
        ("\"quoted\"", "%22quoted%22"),
        ("it's (a) *star*!", "it%27s%20%28a%29%20%2Astar%2A%21"),
        ("[x]|{y}\\z^`<>@:$", "%5Bx%5D%7C%7By%7D%5Cz%5E%60%3C%3E%40%3A%24"),
        ("caf\u{e9}", "caf%C3%A9"),
        ("cafe\u{301}", "cafe%CC%81"),
        ("🦀", "%F0%9F%A6%80"),
        ("\u{202e}rtl", "%E2%80%AErtl"),
        ("Case", "Case"),
        ("case", "case"),
    ];
    let sandbox = Sandbox::new();
    let server = Server::deleting();
    let names = encoded.map(|(name, _)| name);
    let ended = run(&sandbox, &server, &names).expect(0);
    let deletions = server.deletions();
    assert_eq!(deletions.len(), encoded.len());
    for (name, query) in encoded {
        let query = format!("datasourceName={query}");
        let seen = deletions.iter().find(|seen| seen.query == query);
        let seen = seen.unwrap_or_else(|| panic!("{query} did not arrive: {deletions:#?}"));
        assert_eq!(seen.name, name);
        assert_eq!(ended.outcome(name), "deleted");
    }
}

#[test]
fn nothing_in_the_log_can_be_changed() {
    let sandbox = Sandbox::new();
    let server = Server::start(mixed);
    run(&sandbox, &server, &names(10)).expect(1);
    let before = everything(&sandbox.log());
    // A plain connection, as any tool opens it, with nothing switched on.
    let connection = Connection::open(sandbox.log()).unwrap();
    let all = "SELECT seq, kind, at_us, run, target, number, name, verdict, http_status, error_code, message,
               latency_us, waited_us, datasource_id, 'deleted', evidence, reason, ticket, detail, hash";
    for statement in [
        "UPDATE record SET outcome = 'deleted'".to_owned(),
        "UPDATE record SET message = message WHERE seq = 1".to_owned(),
        "UPDATE OR REPLACE record SET seq = seq + 1".to_owned(),
        "UPDATE OR IGNORE record SET seq = 1 WHERE seq = 2".to_owned(),
        "DELETE FROM record".to_owned(),
        "DELETE FROM record WHERE seq = (SELECT max(seq) FROM record)".to_owned(),
        format!("INSERT OR REPLACE INTO record {all} FROM record WHERE seq = 3"),
        format!("REPLACE INTO record {all} FROM record"),
        format!("INSERT INTO record {all} FROM record WHERE seq = 3 ON CONFLICT DO UPDATE SET verdict = 'x'"),
        format!("INSERT OR IGNORE INTO record {all} FROM record WHERE seq = 3"),
    ] {
        let refused = connection.execute(&statement, []).unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{statement}: {refused}");
    }
    drop(connection);
    assert_eq!(everything(&sandbox.log()), before);
}

fn everything(log: &Path) -> Vec<Vec<String>> {
    rows(log, "SELECT *, hex(hash) FROM record ORDER BY seq")
}

#[test]
fn the_file_says_what_it_is() {
    let sandbox = Sandbox::new();
    let server = Server::deleting();
    run(&sandbox, &server, &["a"]).expect(0);
    let one = |query: &str| column(&sandbox.log(), query).concat();
    assert_eq!(one("PRAGMA application_id"), 0x6465_636d.to_string());
    assert_eq!(one("PRAGMA user_version"), "3");
    assert_eq!(one("SELECT strict FROM pragma_table_list WHERE name = 'record'"), "1");
    assert_eq!(one("PRAGMA integrity_check"), "ok");
    // One file that can be copied, once the run is over.
    assert_eq!(one("PRAGMA journal_mode"), "delete");
    assert!(!sandbox.path("decom-audit.db-wal").exists());
}

#[test]
fn while_it_is_written_the_log_is_in_wal_mode() {
    let sandbox = Sandbox::new();
    let log = sandbox.log();
    let modes: Arc<Mutex<Vec<String>>> = Arc::default();
    let record = modes.clone();
    let server = Server::start(move |_| {
        record.lock().unwrap().extend(column(&log, "PRAGMA journal_mode"));
        Reply::deleted()
    });
    run(&sandbox, &server, &["a"]).expect(0);
    assert_eq!(*modes.lock().unwrap(), ["wal"]);
}

#[test]
fn the_public_views_have_the_columns_of_the_contract() {
    let sandbox = Sandbox::new();
    let server = Server::deleting();
    run(&sandbox, &server, &["a"]).expect(0);
    for (view, columns) in [
        (
            "runs",
            "run_id, started_at, finished_at, status, input, input_sha256, planned, deleted, \
             deleted_unconfirmed, not_found, in_use, rejected, failed, unknown, skipped, pending, operator, \
             reason, ticket, base_url, tool_version, host, exit_code, plan_digest, approved_by, retry_of, \
             rate, rehearsal",
        ),
        (
            "results",
            "run_id, target, datasource, outcome, attempts, http_status, error_code, message, \
             datasource_id, evidence, detail, first_attempt_at, finished_at, target_reason, target_ticket, \
             message_id, name, kind, dependant_of, rehearsal",
        ),
        ("refused_messages", "run_id, refused_at, message_id, body, why"),
        (
            "attempts",
            "run_id, target, datasource, attempt, started_at, finished_at, verdict, http_status, \
             error_code, message, latency_ms, waited_ms, request_id, name, kind, rehearsal",
        ),
    ] {
        let found = column(&sandbox.log(), &format!("SELECT name FROM pragma_table_info('{view}')"));
        assert_eq!(found.join(", "), columns, "{view}");
    }
}

#[test]
fn times_are_text_of_one_width_in_order() {
    let sandbox = Sandbox::new();
    let server = Server::start(mixed);
    run(&sandbox, &server, &names(30)).expect(1);
    let all = "SELECT started_at FROM runs UNION ALL SELECT finished_at FROM runs
               UNION ALL SELECT first_attempt_at FROM results UNION ALL SELECT finished_at FROM results
               UNION ALL SELECT started_at FROM attempts UNION ALL SELECT finished_at FROM attempts";
    let times = column(&sandbox.log(), all);
    assert!(times.len() > 100);
    for time in &times {
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00T00:00:00.000000Z", "{time}");
    }
    let wrong = "SELECT request_id FROM attempts JOIN runs USING (run_id)
                 WHERE NOT (runs.started_at <= attempts.started_at
                            AND attempts.started_at <= attempts.finished_at
                            AND attempts.finished_at <= runs.finished_at)";
    assert_eq!(column(&sandbox.log(), wrong), [""; 0]);
    // The order in which records stand is the order of their times.
    let by_seq = column(&sandbox.log(), "SELECT at_us FROM record ORDER BY seq");
    assert!(by_seq.is_sorted(), "{by_seq:?}");
    let between = column(
        &sandbox.log(),
        "SELECT strftime('%s', started_at) BETWEEN strftime('%s', 'now', '-1 hour') AND strftime('%s', 'now')
         FROM runs",
    );
    assert_eq!(between, ["1"], "it is UTC");
}

#[test]
fn the_counts_of_a_run_add_up_and_say_who_and_why() {
    let sandbox = Sandbox::new();
    let server = Server::start(|seen| match seen.name.as_bytes()[0] {
        b'i' => Reply::in_use(),
        b'r' => Reply::status(403),
        b'f' => Reply::status(500),
        b'u' => Fault::CloseBeforeAnswer.into(),
        b'd' if seen.attempt == 1 => Reply::status(502),
        b'd' | b'm' => Reply::not_found(),
        _ => Reply::deleted(),
    });
    let names = ["a1", "a2", "a3", "m1", "m2", "i1", "r1", "f1", "u1", "d1", "p1", "a1"];
    let arguments = ["--protect", "p*", "--operator", "Ada", "--reason", "they left", "--ticket", "OPS-7"];
    run_with(&sandbox, &server, &names, &arguments).expect(1);
    let counts = "SELECT planned, deleted, deleted_unconfirmed, not_found, in_use, rejected, failed, unknown,
                         skipped, pending, exit_code FROM runs";
    assert_eq!(rows(&sandbox.log(), counts)[0].join(" "), "11 3 1 2 1 1 0 2 1 0 1");
    let about = "SELECT status, operator, reason, ticket, base_url, tool_version, input FROM runs";
    let url = server.url();
    let expected = ["finished", "Ada", "they left", "OPS-7", &url, env!("CARGO_PKG_VERSION"), "names.csv"];
    assert_eq!(rows(&sandbox.log(), about)[0], expected);
    assert_eq!(column(&sandbox.log(), "SELECT detail FROM results WHERE datasource = 'p1'"), ["protected"]);
    let per_outcome = "SELECT count(*) FROM results GROUP BY run_id";
    assert_eq!(column(&sandbox.log(), per_outcome), ["11"]);
}
