//! Whatever happens to an answer, each target ends with the outcome that is true, and the evidence
//! says how that is known; too much that fails stops the run, which can be resumed.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::support::{Fault, Reply, Sandbox, Server, column};

/// `name outcome evidence attempts` of each result.
fn results(sandbox: &Sandbox) -> Vec<String> {
    column(
        &sandbox.log(),
        "SELECT datasource || ' ' || outcome || ' ' || coalesce(evidence, '-') || ' ' || attempts
           FROM results ORDER BY run_id, target",
    )
}

/// `verdict status error_code` of each attempt.
fn attempts(sandbox: &Sandbox) -> Vec<String> {
    column(
        &sandbox.log(),
        "SELECT coalesce(verdict, '-') || ' ' || coalesce(http_status, '-') || ' ' || coalesce(error_code, '-')
           FROM attempts ORDER BY started_at",
    )
}

#[test]
fn where_retries_run_out_the_listing_settles_it() {
    let server = Server::start(|request| match request.name.as_str() {
        "cut" => Fault::CloseBeforeAnswer.into(),
        _ => Reply::server_error(),
    });
    server.list(&["stays", "other"]);
    let sandbox = Sandbox::new();
    sandbox.names("names.csv", &["cut", "went", "stays"]);
    let finished = sandbox.run(&server, &["run", "names.csv"]);
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    let expected = [
        "cut deleted_unconfirmed absent_from_listing 3",
        "went deleted_unconfirmed absent_from_listing 3",
        "stays failed still_listed 3",
    ];
    assert_eq!(results(&sandbox), expected);
    assert_eq!(server.listings_read(), 1, "one reading is enough for all of them");
}

#[test]
fn where_nothing_can_tell_the_outcome_says_so() {
    for (listing, flags) in
        [("fails", &["run", "names.csv"][..]), ("unread", &["run", "names.csv", "--no-listing-check"])]
    {
        let server = Server::start(|request| match request.name.as_str() {
            "cut" => Fault::CloseBeforeAnswer.into(),
            "garbled" => Reply::status(400).body(r#"{"error":{"code":"DATASOURCE_NA"#),
            _ => Reply::server_error(),
        });
        server.answer_listing(|_| Reply::status(404));
        let sandbox = Sandbox::new();
        sandbox.names("names.csv", &["cut", "garbled", "erring"]);
        let finished = sandbox.run(&server, flags);
        assert_eq!(finished.code, 1, "{}", finished.stderr);
        let expected = [
            "cut unknown no_clear_answer 3",
            "garbled rejected refused 3",
            "erring unknown no_clear_answer 3",
        ];
        assert_eq!(results(&sandbox), expected, "with a listing that {listing}");
    }
}

#[test]
fn what_the_listing_bears_out_is_evidence() {
    let server = Server::deleting();
    server.list(&["other"]);
    let sandbox = Sandbox::new();
    sandbox.names("names.csv", &["a"]);
    let finished = sandbox.run(&server, &["run", "names.csv"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_eq!(results(&sandbox), ["a deleted absent_from_listing 1"]);
}

#[test]
fn what_is_deleted_and_still_listed_is_loud_and_is_due_again() {
    let server = Server::deleting();
    server.list(&["b", "other"]);
    let sandbox = Sandbox::new();
    sandbox.names("names.csv", &["a", "b"]);
    let finished = sandbox.run(&server, &["run", "names.csv"]);
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert!(finished.stderr.contains("still in the listing"), "{}", finished.stderr);
    assert!(finished.stdout.contains("STILL LISTED (1)"), "{}", finished.stdout);
    assert_eq!(results(&sandbox), ["a deleted absent_from_listing 1", "b deleted still_listed 1"]);

    // It is not known to be gone: the same input must not end as if all were well.
    server.list(&[]);
    let finished = sandbox.run(&server, &["run", "names.csv"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_eq!(server.names_sent(), ["a", "b", "b"]);
}

#[test]
fn without_the_listing_check_nobody_reads_the_listing() {
    let server = Server::deleting();
    server.list(&["a"]);
    let sandbox = Sandbox::new();
    sandbox.names("names.csv", &["a"]);
    let finished = sandbox.run(&server, &["run", "names.csv", "--no-listing-check"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_eq!(results(&sandbox), ["a deleted acknowledged 1"]);
    assert_eq!(server.listings_read(), 0);
}

#[test]
fn a_listing_that_fails_is_a_warning_and_changes_no_outcome() {
    let server = Server::deleting();
    server.answer_listing(|_| Reply::status(403));
    let sandbox = Sandbox::new();
    sandbox.names("names.csv", &["a"]);
    let finished = sandbox.run(&server, &["run", "names.csv"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(finished.stderr.contains("not checked against the listing"), "{}", finished.stderr);
    assert_eq!(results(&sandbox), ["a deleted acknowledged 1"]);
}

/// Sixty names, of which the first two digits tell the number.
fn sixty() -> Vec<String> {
    (0..60).map(|number| format!("db-{number:02}")).collect()
}

#[test]
fn the_breaker_stops_a_run_in_which_too_much_fails_and_the_run_can_be_resumed() {
    let names = sixty();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    for (answer, outcome) in [
        (Reply::error(403, "FORBIDDEN"), "rejected"),
        (Reply::server_error(), "unknown"),
        (Fault::CloseBeforeAnswer.into(), "unknown"),
    ] {
        let refusal = answer.clone();
        // Ten deletions first, which stay within the window.
        let server = Server::start(
            move |request| if *request.name < *"db-10" { Reply::deleted() } else { refusal.clone() },
        );
        let sandbox = Sandbox::new();
        sandbox.names("names.csv", &names);
        let run = ["run", "names.csv", "--max-attempts", "1", "--no-listing-check"];
        let finished = sandbox.run(&server, &run);
        assert_eq!(finished.code, 4, "{answer:?}: {}", finished.stderr);
        // One worker, which may have begun its next target before the last one is seen to be settled.
        let stopped = ["20 of the last 30 targets failed", "20 of the last 31 targets failed"];
        assert!(stopped.iter().any(|why| finished.stdout.contains(why)), "{}", finished.stdout);
        assert!(finished.stdout.contains("decom resume"), "{}", finished.stdout);
        let sent = server.names_sent().len();
        assert!((30..=31).contains(&sent), "{answer:?}: {sent}");
        let counts =
            format!("SELECT status || ' ' || deleted || ' ' || {outcome} || ' ' || pending FROM runs");
        assert_eq!(column(&sandbox.log(), &counts), [format!("stopped 10 {} {}", sent - 10, 60 - sent)]);

        server.answer(|_| Reply::deleted());
        let finished = sandbox.run(&server, &["resume", "--no-listing-check"]);
        assert_eq!(finished.code, 1, "what failed did not go: {}", finished.stderr);
        assert_eq!(column(&sandbox.log(), &counts), [format!("finished {} {} 0", 70 - sent, sent - 10)]);
    }
}

#[test]
fn what_was_in_doubt_when_the_breaker_stopped_the_run_is_looked_up_in_the_listing() {
    let names = sixty();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    // Every answer is lost; half of the deletions were carried out.
    let server = Server::start(|_| Fault::CloseBeforeAnswer.into());
    server.list(&names[10..]);
    let sandbox = Sandbox::new();
    sandbox.names("names.csv", &names);
    let finished = sandbox.run(&server, &["run", "names.csv", "--max-attempts", "1"]);
    assert_eq!(finished.code, 4, "{}", finished.stderr);
    let sent = server.names_sent().len();
    let counts = "SELECT status || ' ' || deleted_unconfirmed || ' ' || failed || ' ' || pending FROM runs";
    assert_eq!(column(&sandbox.log(), counts), [format!("stopped 10 {} {}", sent - 10, 60 - sent)]);
}

#[test]
fn the_breaker_is_configurable_and_in_use_and_not_found_are_no_failures() {
    let names = sixty();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let server =
        Server::start(|request| if *request.name < *"db-30" { Reply::in_use() } else { Reply::not_found() });
    let sandbox = Sandbox::new();
    sandbox.names("names.csv", &names);
    let finished = sandbox.run(&server, &["run", "names.csv"]);
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert_eq!(server.names_sent().len(), 60);

    let server = Server::start(|_| Reply::error(403, "FORBIDDEN"));
    let sandbox = Sandbox::new();
    sandbox.names("names.csv", &names);
    let breaker = [("DECOM_SAFETY_BREAKER_FAILURES", "3"), ("DECOM_SAFETY_BREAKER_WINDOW", "5")];
    let finished = sandbox.sequential(&server, &["run", "names.csv"]).envs(&breaker).run();
    assert_eq!(finished.code, 4, "{}", finished.stderr);
    assert!((3..=4).contains(&server.names_sent().len()), "{:?}", server.names_sent());
}

#[test]
fn a_token_that_is_not_accepted_stops_the_run_and_leaves_no_doubt() {
    let server = Server::start(|request| match request.name.as_str() {
        "a" => Reply::deleted(),
        _ => Reply::error(401, "AUTHENTICATION_ERROR"),
    });
    let sandbox = Sandbox::new();
    sandbox.names("names.csv", &["a", "b", "c"]);
    let finished = sandbox.run(&server, &["run", "names.csv"]);
    assert_eq!(finished.code, 4, "{}", finished.stderr);
    assert_eq!(server.names_sent(), ["a", "b"], "no other name would fare better");
    assert!(finished.stdout.contains("does not accept the token"), "{}", finished.stdout);
    assert_eq!(
        column(&sandbox.log(), "SELECT status || ' ' || pending || ' ' || exit_code FROM runs"),
        ["stopped 2 4"]
    );

    server.answer(|_| Reply::not_found());
    let finished = sandbox.run(&server, &["resume"]);
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert_eq!(results(&sandbox)[1..], ["b not_found refused 2", "c not_found refused 1"]);
}

/// Settings with timeouts that a test can wait for, each different from the others.
fn timeouts<'a>(response: &'a str, attempt: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("DECOM_API_CONNECT_TIMEOUT", "400ms"),
        ("DECOM_API_RESPONSE_TIMEOUT", response),
        ("DECOM_API_ATTEMPT_TIMEOUT", attempt),
    ]
}

#[test]
fn an_answer_that_does_not_begin_in_time_leaves_a_doubt() {
    let server =
        Server::start(
            |request| if request.attempt == 1 { Fault::NeverAnswer.into() } else { Reply::not_found() },
        );
    let sandbox = Sandbox::new();
    sandbox.names("names.csv", &["a"]);
    let begun = Instant::now();
    let finished = sandbox.sequential(&server, &["run", "names.csv"]).envs(&timeouts("300ms", "20s")).run();
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(begun.elapsed() < Duration::from_secs(15), "the longer timeout was waited for");
    assert_eq!(attempts(&sandbox), ["no_answer - response_timeout", "not_found 400 DATASOURCE_NAME_ERROR"]);
    assert_eq!(results(&sandbox), ["a deleted_unconfirmed absent_from_listing 2"]);
}

#[test]
fn a_reply_that_does_not_end_in_time_leaves_a_doubt_unless_it_is_a_400() {
    let server = Server::start(|request| match (request.name.as_str(), request.attempt) {
        ("a", 1) => {
            Fault::StallInBody { status: 400, sent: r#"{"error":{"code":"DATASOURCE_IN_"#.into() }.into()
        }
        ("b", 1) => Fault::StallInBody { status: 200, sent: r#"{"id":"4b2f","mess"#.into() }.into(),
        _ => Reply::not_found(),
    });
    let sandbox = Sandbox::new();
    sandbox.names("names.csv", &["a", "b"]);
    let begun = Instant::now();
    let finished = sandbox.sequential(&server, &["run", "names.csv"]).envs(&timeouts("20s", "300ms")).run();
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert!(begun.elapsed() < Duration::from_secs(15), "the longer timeout was waited for");
    assert_eq!(
        attempts(&sandbox),
        [
            "rejected 400 -",
            "not_found 400 DATASOURCE_NAME_ERROR",
            "no_answer 200 -",
            "not_found 400 DATASOURCE_NAME_ERROR"
        ]
    );
    let expected = ["a not_found refused 2", "b deleted_unconfirmed absent_from_listing 2"];
    assert_eq!(results(&sandbox), expected);
}

#[test]
fn a_connection_that_is_not_made_in_time_leaves_no_doubt() {
    // A listener that accepts nobody: once its queue is full, the kernel answers no more.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    loop {
        match TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            Ok(stream) => queue.push(stream),
            Err(error) if error.kind() == ErrorKind::TimedOut => break,
            Err(error) => panic!("{error}"),
        }
    }
    let base_url = format!("http://{address}");
    let sandbox = Sandbox::new();
    sandbox.names("names.csv", &["a"]);
    let begun = Instant::now();
    let mut run = sandbox.decom(&["run", "names.csv", "--yes", "--no-listing-check"]);
    let finished = run.sequential(&base_url).envs(&timeouts("20s", "20s")).arg("--max-attempts=2").run();
    assert_eq!(finished.code, 4, "{}", finished.stderr);
    assert!(begun.elapsed() < Duration::from_secs(15), "the longer timeout was waited for");
    assert_eq!(attempts(&sandbox), ["not_sent - connect_timeout"; 2]);
    assert_eq!(results(&sandbox), ["a failed no_clear_answer 2"]);
}

#[test]
fn a_refused_connection_leaves_no_doubt_for_the_next_run() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sandbox = Sandbox::new();
    sandbox.names("names.csv", &["a"]);
    let base_url = format!("http://{address}");
    let mut run = sandbox.decom(&["run", "names.csv", "--yes", "--no-listing-check"]);
    let finished = run.sequential(&base_url).run();
    assert_eq!(finished.code, 4, "{}", finished.stderr);
    assert!(finished.stdout.contains("the API cannot be reached"), "{}", finished.stdout);
    assert_eq!(attempts(&sandbox), ["not_sent - connect_failed"; 3]);
    assert_eq!(results(&sandbox), ["a failed no_clear_answer 3"]);
    let doubts = column(
        &sandbox.log(),
        "SELECT count(*) FROM attempts WHERE verdict IS NULL OR verdict IN ('server_error', 'no_answer')",
    );
    assert_eq!(doubts, ["0"]);
}
