//! SIGHUP, SIGINT and SIGTERM: what is under way is finished and recorded, nothing new begins, and whatever
//! is only waiting stops waiting at once.
//!
//! Where a test says "at once", all that could end the wait otherwise takes hours.

use std::process::Command;

use rustix::process::Signal;

use crate::support::gate::Gate;
use crate::support::{Decom, Fault, Output, Reply, Request, Sandbox, Server, TOKEN, column, csv, decom};

/// What the program logs once it has taken a signal.
const STOPPING: &str = "stopping: no new request";

/// Nothing times out by itself.
const ENDLESS: &[(&str, &str)] =
    &[("DECOM_API_RESPONSE_TIMEOUT", "20h"), ("DECOM_API_ATTEMPT_TIMEOUT", "20h"), ("DECOM_GRACE", "20h")];

const SIGNALS: [(Signal, i32, &str); 3] = [
    (Signal::HUP, 129, "interrupted by SIGHUP"),
    (Signal::INT, 130, "interrupted by SIGINT"),
    (Signal::TERM, 143, "interrupted by SIGTERM"),
];

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("n-{number}")).collect()
}

fn arrived(count: usize) -> impl Fn(&[Request]) -> bool {
    move |seen| seen.len() >= count
}

fn resume(sandbox: &Sandbox, server: &Server) -> Output {
    decom(sandbox, server, &["resume"]).run()
}

/// Reported of other tools, of SIGHUP: samsarahq/taskrunner#69, jwvhewitt/gearhead-1#77, irontec/sngrep#458.
#[test]
fn what_is_under_way_is_finished_and_recorded_and_nothing_else_begins() {
    for (signal, code, status) in SIGNALS {
        let gate = Gate::default();
        let held = gate.clone();
        let server = Server::start(move |seen| {
            held.pass();
            match (seen.name.as_str(), seen.attempt) {
                // Would be tried again.
                ("n-1", 1) => Reply::status(503),
                ("n-2", _) => Reply::in_use(),
                _ => Reply::deleted(),
            }
        });
        let sandbox = Sandbox::new();
        let input = csv(&sandbox, &names(20));
        let mut running =
            decom(&sandbox, &server, &["run", &input, "--concurrency", "4"]).envs(ENDLESS).start();
        server.wait_until(arrived(4));
        running.signal(signal);
        running.wait_for_line(STOPPING);
        gate.open();
        let ended = running.finish().expect(code);

        assert_eq!(server.deletions().len(), 4, "no new attempt");
        let told = |name: &str| (ended.outcome(name).to_owned(), ended.result(name).attempts);
        assert_eq!(told("n-0"), ("deleted".to_owned(), 1));
        assert_eq!(told("n-1"), ("pending".to_owned(), 1));
        assert_eq!(told("n-2"), ("in_use".to_owned(), 1));
        assert_eq!(told("n-3"), ("deleted".to_owned(), 1));
        assert_eq!(told("n-4"), ("pending".to_owned(), 0));
        let open = column(&sandbox.log(), "SELECT count(*) FROM attempts WHERE finished_at IS NULL");
        assert_eq!(open, ["0"], "all four are recorded");
        let run = "SELECT status || ' ' || exit_code || ' ' || pending FROM runs";
        assert_eq!(column(&sandbox.log(), run), [format!("interrupted {code} 17")]);
        for told in [status, "decom resume"] {
            assert!(ended.stdout.contains(told), "{told} is not told: {}", ended.stdout);
        }

        let resumed = resume(&sandbox, &server).expect(1);
        for (name, row) in resumed.results() {
            let expected = if name == "n-2" { "in_use" } else { "deleted" };
            assert_eq!(row.outcome, expected, "{name}");
            assert_eq!(server.deletions_of(name), if name == "n-1" { 2 } else { 1 }, "{name}");
        }
        assert_eq!(column(&sandbox.log(), "SELECT planned || ' ' || deleted FROM runs"), ["20 19"]);
    }
}

#[test]
fn a_second_signal_stops_at_once_and_what_was_under_way_is_in_doubt() {
    let server = Server::start(|seen| match (seen.name.as_str(), seen.attempt) {
        ("n-0" | "n-1", 1) => Fault::NeverAnswer.into(),
        _ => Reply::not_found(),
    });
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &names(5));
    let mut running = decom(&sandbox, &server, &["run", &input, "--concurrency", "2"]).envs(ENDLESS).start();
    server.wait_until(arrived(2));
    running.signal(Signal::TERM);
    let stopping = running.wait_for_line(STOPPING);
    assert!(
        stopping.contains("a second signal stops at once, and what is in flight is in doubt then"),
        "{stopping}"
    );
    running.signal(Signal::TERM);
    let ended = running.finish().expect(143);
    assert!(ended.stdout.contains("2 pending targets are in doubt: their requests left"), "{}", ended.stdout);
    assert!(ended.all_are("pending"), "{ended:#?}");
    let open = column(&sandbox.log(), "SELECT datasource FROM attempts WHERE finished_at IS NULL");
    assert_eq!(open, ["n-0", "n-1"]);

    // "Not found" is most likely our own doing, for those two.
    let resumed = resume(&sandbox, &server).expect(1);
    for (name, row) in resumed.results() {
        let doubted = ["n-0", "n-1"].contains(&name.as_str());
        let expected = if doubted { ("deleted_unconfirmed", 2) } else { ("not_found", 1) };
        assert_eq!((row.outcome.as_str(), row.attempts), expected, "{name}");
    }
}

#[test]
fn what_is_under_way_gets_no_longer_than_the_grace() {
    let server = Server::start(|_| Fault::NeverAnswer.into());
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &names(3));
    let arguments = ["run", &input, "--concurrency", "1", "--grace", "100ms"];
    let running = decom(&sandbox, &server, &arguments).envs(&ENDLESS[..2]).start();
    server.wait_until(arrived(1));
    running.signal(Signal::INT);
    let ended = running.finish().expect(130);
    assert_eq!(ended.outcome("n-0"), "pending");
    assert!(ended.stderr.contains("in doubt"), "{}", ended.stderr);
}

#[test]
fn a_pause_of_the_server_is_interrupted_at_once() {
    let server = Server::start(|seen| match seen.attempt {
        1 => Reply::status(429).with("Retry-After", 3600),
        _ => Reply::deleted(),
    });
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &names(3));
    let settings = [ENDLESS, &[("DECOM_PACE_MAX_PAUSE", "20h")]].concat();
    let mut running =
        decom(&sandbox, &server, &["run", &input, "--concurrency", "1"]).envs(&settings).start();
    running.wait_for_line("paused by the server");
    running.signal(Signal::TERM);
    let ended = running.finish().expect(143);
    assert_eq!(server.deletions().len(), 1);
    assert!(ended.all_are("pending"), "{ended:#?}");
}

#[test]
fn waiting_for_the_limiter_is_interrupted_at_once() {
    let server = Server::deleting();
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &names(5));
    let running = decom(&sandbox, &server, &["run", &input, "--rate", "1/1h"]).envs(ENDLESS).start();
    // One leaves, and all others wait for an hour and more.
    server.wait_until(arrived(1));
    running.signal(Signal::INT);
    let ended = running.finish().expect(130);
    assert_eq!(server.deletions().len(), 1);
    let pending = ended.results().values().filter(|row| row.outcome == "pending").count();
    assert_eq!(pending, 4);
    resume(&sandbox, &server).expect(0);
    assert_eq!(server.deletions().len(), 5);
}

#[test]
fn a_backoff_is_interrupted_at_once_and_the_attempt_before_it_still_counts() {
    let server = Server::start(|seen| match seen.attempt {
        1 => Reply::status(500),
        _ => Reply::not_found(),
    });
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["a"]);
    let hours = [("DECOM_RETRY_FIRST_BACKOFF", "20h"), ("DECOM_RETRY_LONGEST_BACKOFF", "20h")];
    let settings = [ENDLESS, &hours, &[("DECOM_LOG_LEVEL", "decom=debug")]].concat();
    let mut running = decom(&sandbox, &server, &["run", &input]).envs(&settings).start();
    running.wait_for_line("trying again");
    running.signal(Signal::TERM);
    let ended = running.finish().expect(143);
    assert_eq!((ended.outcome("a"), ended.result("a").attempts), ("pending", 1));
    let resumed = resume(&sandbox, &server).expect(0);
    assert_eq!((resumed.outcome("a"), resumed.result("a").attempts), ("deleted_unconfirmed", 2));
}

#[test]
fn reading_the_listing_at_the_end_is_interrupted_at_once() {
    let server = Server::deleting();
    server.answer_listing(|_| Fault::NeverAnswer.into());
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &names(2));
    let settings = [ENDLESS, &[("DECOM_SAFETY_LISTING_CHECK", "true")]].concat();
    let running = decom(&sandbox, &server, &["run", &input]).envs(&settings).start();
    server.wait_until(|seen| seen.iter().any(|seen| seen.method == "GET"));
    running.signal(Signal::TERM);
    let ended = running.finish().expect(143);
    assert!(ended.all_are("deleted"), "{ended:#?}");
}

/// In a container decom is process 1, which a signal that nobody listens for does not end.
#[test]
fn before_the_run_begins_a_signal_ends_it_at_once() {
    for (signal, code, told) in SIGNALS {
        let server = Server::deleting();
        server.answer_listing(|_| Fault::NeverAnswer.into());
        let sandbox = Sandbox::new();
        let input = csv(&sandbox, &names(3));
        let settings = [ENDLESS, &[("DECOM_MAX_SHARE", "50")]].concat();
        let running = decom(&sandbox, &server, &["run", &input]).envs(&settings).start();
        server.wait_until(arrived(1));
        running.signal(signal);
        let ended = running.finish().expect(code);
        assert!(ended.stderr.contains(&format!("{told}; nothing was sent")), "{}", ended.stderr);
        assert_eq!(server.deletions().len(), 0);
        assert_eq!(column(&sandbox.log(), "SELECT count(*) FROM runs"), ["0"]);
    }
}

/// <https://github.com/irontec/sngrep/issues/458> and others: a session that ends must not end what nohup protects.
///
/// Reported of another tool: science-learner/ScienceFlow#2.
#[test]
fn a_run_under_nohup_continues_after_a_hangup() {
    let gate = Gate::default();
    let server = gate.server();
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &names(3));
    let mut nohup = Command::new("nohup");
    nohup.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("USER", "tester");
    let program = env!("CARGO_BIN_EXE_decom");
    nohup.env("DATABRAIN_TOKEN", TOKEN).args([program, "run", &input, "--yes", "--concurrency", "1"]);
    let running = Decom::of(nohup, &sandbox.path("")).fast(&server.url()).start();
    server.wait_until(arrived(1));
    running.signal(Signal::HUP);
    gate.open();
    running.finish().expect(0);
    assert_eq!(server.deletions().len(), 3);
}
