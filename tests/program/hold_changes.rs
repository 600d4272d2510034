//! Holds that come, go and cannot be read while a run is under way.

use std::fs;
use std::sync::Arc;

use rustix::process::Signal;

use crate::support::gate::Gate;
use crate::support::queues::{LONG, opened};
use crate::support::redis::RedisServer;
use crate::support::{Reply, Sandbox, Server, column, csv, decom, wait_until};

const HEADER: &str = "name,reason,until\n";

/// `a`, `b` and `c`, one after the other, with an empty file of holds.
fn arguments(sandbox: &Sandbox) -> [String; 4] {
    sandbox.file("holds.csv", HEADER);
    ["run".to_owned(), csv(sandbox, &["a", "b", "c"]), "--holds".to_owned(), "holds.csv".to_owned()]
}

/// A server that lets the first deletion wait for the gate.
fn gated(gate: &Gate) -> Server {
    let gate = gate.clone();
    Server::start(move |request| {
        if request.name == "a" {
            gate.pass();
        }
        Reply::deleted()
    })
}

#[test]
fn a_hold_that_comes_during_a_run_keeps_what_was_not_sent_yet() {
    let (sandbox, gate) = (Sandbox::new(), Gate::default());
    let server = gated(&gate);
    let running = sandbox.start(&server, &arguments(&sandbox).each_ref().map(String::as_str));
    wait_until("the first request has arrived", || server.deletions_of("a") == 1);
    sandbox.file("holds.csv", format!("{HEADER}b,court,\n"));
    gate.open();
    let ended = running.finish().expect(1);
    assert_eq!(server.names_sent(), ["a", "c"]);
    assert_eq!(ended.outcome_and_evidence("b"), "skipped rule");
    assert_eq!(ended.result("b").detail, "on_hold");
    let verified = sandbox.decom(&["audit", "verify"]).run();
    assert!(verified.stdout.contains("OK: the log is intact"), "{verified:?}");
}

#[test]
fn a_hold_that_comes_between_two_attempts_keeps_the_second_one() {
    let sandbox = Sandbox::new();
    let holds = sandbox.file("holds.csv", HEADER);
    let server = Server::start(move |request| {
        fs::write(&holds, format!("{HEADER}{},court,\n", request.name)).unwrap();
        match request.name.as_str() {
            "clear" => Reply::status(429),
            _ => Reply::status(500),
        }
    });
    server.list(&["doubt listed"]);
    for (name, outcome) in [
        ("clear", "skipped rule"),
        ("doubt", "deleted_unconfirmed absent_from_listing"),
        ("doubt listed", "failed still_listed"),
    ] {
        sandbox.file("holds.csv", HEADER);
        let input = csv(&sandbox, &[name]);
        let ended = sandbox.run(&server, &["run", &input, "--holds", "holds.csv"]);
        assert_eq!(server.deletions_of(name), 1, "{ended:?}");
        assert_eq!(ended.outcome_and_evidence(name), outcome, "{ended:?}");
        // The newest run is read anew for the next name.
        fs::remove_file(sandbox.log()).unwrap();
    }
}

#[test]
fn while_the_holds_cannot_be_read_the_run_pauses() {
    let (sandbox, gate) = (Sandbox::new(), Gate::default());
    let server = gated(&gate);
    let mut running = sandbox.start(&server, &arguments(&sandbox).each_ref().map(String::as_str));
    wait_until("the first request has arrived", || server.deletions_of("a") == 1);
    // Emptied by mistake.
    sandbox.file("holds.csv", "");
    gate.open();
    running.wait_for_line("the run pauses until the holds can be read: holds.csv: a file of holds begins");
    assert_eq!(server.names_sent(), ["a"]);
    sandbox.file("holds.csv", format!("{HEADER}c,court,\n"));
    running.wait_for_line("the holds can be read again; the run continues");
    let ended = running.finish().expect(1);
    assert_eq!(server.names_sent(), ["a", "b"]);
    assert_eq!(ended.result("c").detail, "on_hold");
}

#[test]
fn a_run_that_pauses_for_its_holds_can_be_interrupted_and_resumed() {
    let (sandbox, gate) = (Sandbox::new(), Gate::default());
    let server = gated(&gate);
    let mut running = sandbox.start(&server, &arguments(&sandbox).each_ref().map(String::as_str));
    wait_until("the first request has arrived", || server.deletions_of("a") == 1);
    fs::remove_file(sandbox.path("holds.csv")).unwrap();
    gate.open();
    running.wait_for_line("the run pauses until the holds can be read");
    running.signal(Signal::TERM);
    running.finish().expect(143);
    let resume = ["resume", "--holds", "holds.csv"];
    sandbox.run(&server, &resume).expect(2);
    sandbox.file("holds.csv", format!("{HEADER}b,court,\n"));
    let ended = sandbox.run(&server, &resume).expect(1);
    assert_eq!(server.names_sent(), ["a", "c"]);
    assert_eq!(ended.result("b").detail, "on_hold");
}

#[test]
fn a_canary_that_comes_on_hold_is_replaced() {
    let sandbox = Sandbox::new();
    let holds = Arc::new(sandbox.file("holds.csv", HEADER));
    let (server, written) = (Server::deleting(), holds.clone());
    server.list(&["a", "b", "c", "d"]);
    // Between the listing that chose the canary, and its first request.
    server.answer_datamarts(move |_| {
        fs::write(&*written, format!("{HEADER}a,court,\n")).unwrap();
        Reply::status(200).body(r#"{"data":[]}"#)
    });
    server.answer(|request| if request.name == "b" { Reply::in_use() } else { Reply::deleted() });
    let input = csv(&sandbox, &["a", "b", "c"]);
    let ended = sandbox.run(&server, &["run", &input, "--holds", "holds.csv", "--canary", "1"]).expect(4);
    assert_eq!(server.names_sent(), ["b"], "{ended:?}");
    assert_eq!((ended.outcome("a"), ended.outcome("c")), ("skipped", "pending"));
}

#[test]
fn a_worker_skips_what_is_held_and_reads_the_holds_again() {
    let Some(redis) = RedisServer::start("a_worker_skips_what_is_held_and_reads_the_holds_again") else {
        return;
    };
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.file("holds.csv", format!("{HEADER}a,court,\n"));
    let put = |name: &str| {
        let bodies = [name.as_bytes().to_vec()];
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let queue = opened(&redis.address(), "test", LONG).await;
            queue.put(&bodies).await.unwrap();
            queue.close().await;
        });
    };
    let address = redis.address();
    let mut running =
        decom(&sandbox, &server, &["work", "--queue", &address, "--follow", "--holds", "holds.csv"]).start();
    let results = || {
        let query =
            "SELECT name || ' ' || outcome || coalesce(' ' || detail, '') FROM results ORDER BY target";
        column(&sandbox.log(), query)
    };
    running.wait_for_line("the run begins");
    put("a");
    wait_until("the message is dealt with", || results().len() == 1 && redis.length("decom") == 0);
    sandbox.file("holds.csv", "");
    put("b");
    running.wait_for_line("the run pauses until the holds can be read");
    sandbox.file("holds.csv", HEADER);
    wait_until("the message is dealt with", || results().len() == 2 && redis.length("decom") == 0);
    put("a");
    wait_until("the message is dealt with", || results().len() == 3 && redis.length("decom") == 0);
    running.signal(Signal::TERM);
    running.finish().expect(143);
    assert_eq!(results(), ["a skipped on_hold", "b deleted", "a deleted"]);
}
