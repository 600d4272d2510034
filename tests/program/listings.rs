//! Listings are read whole or not at all: by pages where the API gives them so, and never with an
//! error beside them.

use serde_json::json;

use crate::support::gate::Gate;
use crate::support::{Fault, Output, Reply, Sandbox, Server, column, csv};

/// `names` as a page, where one is asked for, and all of them or `unpaged` of them elsewhere.
fn paged(server: &Server, names: Vec<String>, unpaged: Option<usize>, refuses_unpaged: bool) {
    server.answer_listing(move |request| {
        let shown = match request.page() {
            Some(page) => names.iter().skip((page - 1) * 10).take(10).collect::<Vec<_>>(),
            None if refuses_unpaged => return Reply::error(400, "INVALID_REQUEST_BODY"),
            None => names.iter().take(unpaged.unwrap_or(usize::MAX)).collect(),
        };
        let data: Vec<_> = shown.iter().map(|name| json!({ "name": name })).collect();
        Reply::json(200, &json!({ "data": data, "error": null }))
    });
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("db-{number:03}")).collect()
}

/// A run of the last ten of `exist` names under the default guards.
fn run(server: &Server, exist: usize) -> (Sandbox, Output) {
    let sandbox = Sandbox::new();
    let names = names(exist);
    let last: Vec<_> = names.iter().rev().take(10).map(String::as_str).collect();
    sandbox.names("names.csv", &last);
    let finished = sandbox.run(server, &["run", "names.csv", "--max-share", "50"]);
    (sandbox, finished)
}

#[test]
fn pages_are_read_to_their_end() {
    for (unpaged, refuses_unpaged) in [(None, false), (Some(10), false), (Some(0), true)] {
        // Ten of nineteen are more than half, and of a hundred they are not.
        for (exist, code) in [(19, 3), (100, 1)] {
            let server = Server::deleting();
            paged(&server, names(exist), unpaged, refuses_unpaged);
            let (sandbox, finished) = run(&server, exist);
            // All of them are still listed afterwards, which is loud.
            assert_eq!(finished.code, code, "{unpaged:?} {exist}: {}", finished.stderr);
            let (sent, listed) = (server.names_sent().len(), finished.stderr.clone());
            assert_eq!(sent, if code == 3 { 0 } else { 10 }, "{unpaged:?} {exist}: {listed}");
            assert!(listed.contains(&format!("10 of them exist, of {exist} datasources in all")), "{listed}");
            let still =
                column(&sandbox.log(), "SELECT count(*) FROM results WHERE evidence = 'still_listed'");
            assert_eq!(still, [sent.to_string()], "{unpaged:?} {exist}");
        }
    }
}

#[test]
fn an_error_beside_the_data_or_an_empty_listing_is_no_listing() {
    for (body, why) in [
        (
            r#"{"data":[],"error":{"code":"INTERNAL_SERVER_ERROR"}}"#,
            "the reply holds an error beside its data",
        ),
        (r#"{"data":[{"name":"other"}],"error":{"code":"X"}}"#, "the reply holds an error beside its data"),
        (r#"{"data":[]}"#, "the API lists none at all"),
    ] {
        let server = Server::deleting();
        server.answer_listing(move |_| Reply::status(200).body(body.to_owned()));
        let (_, finished) = run(&server, 20);
        assert_eq!(finished.code, 3, "{body}: {}", finished.stderr);
        assert!(finished.stderr.contains(why), "{body}: {}", finished.stderr);
        assert_eq!(server.names_sent(), [""; 0]);
    }
}

#[test]
fn an_error_beside_the_data_settles_nothing_after_a_run() {
    let server = Server::start(|_| Fault::CloseBeforeAnswer.into());
    server.answer_listing(|_| Reply::status(200).body(r#"{"data":[],"error":{"code":"X"}}"#));
    let sandbox = Sandbox::new();
    sandbox.names("names.csv", &["a"]);
    let finished = sandbox.run(&server, &["run", "names.csv"]);
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert_eq!(
        column(&sandbox.log(), "SELECT outcome || ' ' || evidence FROM results"),
        ["unknown no_clear_answer"]
    );
}

#[test]
fn pages_that_only_repeat_are_no_listing() {
    let server = Server::deleting();
    server.answer_listing(|request| match request.page() {
        None => Reply::error(400, "INVALID_REQUEST_BODY"),
        Some(_) => Reply::json(200, &json!({ "data": [{ "name": "always" }] })),
    });
    let (_, finished) = run(&server, 20);
    assert_eq!(finished.code, 3, "{}", finished.stderr);
    assert!(finished.stderr.contains("page 2 only repeats the pages before it"), "{}", finished.stderr);
    assert_eq!(server.names_sent(), [""; 0]);
}

#[test]
fn a_listing_that_takes_long_is_said_to_be_waited_for() {
    let server = Server::deleting();
    let gate = Gate::default();
    let held = gate.clone();
    server.answer_listing(move |_| {
        held.pass();
        Reply::json(200, &serde_json::json!({ "data": [{ "name": "a" }, { "name": "b" }, { "name": "c" }] }))
    });
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["a"]);
    let mut plan = sandbox.decom(&["plan", &input]);
    let mut planning = plan.fast(&server.url()).start();
    let line = planning.wait_for_line("still waiting for the list of datasources");
    assert!(line.contains("5 s so far"), "{line}");
    gate.open();
    planning.finish().expect(0);
}
