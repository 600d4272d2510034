//! A log in which everything happened that a log can tell of, made by the real program.

use super::Sandbox;
use super::process::Finished;
use super::scripted::{Reply, Scripted};

/// The input of the first run, with tickets for some.
const FIRST: &str = "\
datasource_name,reason,ticket
acme,contract ended,OFF-1
bare,,
flaky,contract ended,OFF-2
lost,,OFF-3
used,,OFF-4
missing,,OFF-5
refused,,
busy,,OFF-6
stubborn,,OFF-7
erring,,OFF-8
prod-1,,
";

fn expect(finished: &Finished, code: i32) {
    assert_eq!(finished.code, Some(code), "{finished:?}");
}

/// Four runs: one with every outcome, one of a saved plan, one that was killed and went on, and one
/// that the API stopped.
pub fn eventful(sandbox: &Sandbox) -> Scripted {
    let server = Scripted::start(|name, before| match (name, before) {
        ("flaky", 0) | ("erring", _) => Reply::server_error(),
        ("lost", 0) => Reply::Cuts,
        ("busy", 0) => Reply::SaysWith(429, "Retry-After: 1\r\n", "Too many requests".to_owned()),
        ("lost" | "missing", _) => Reply::not_found(),
        ("used", _) => Reply::in_use(),
        ("refused", _) => Reply::error(403, "FORBIDDEN"),
        _ => Reply::deleted(),
    });
    server.lists(&["stubborn", "erring", "used", "refused", "prod-1", "planned"]);
    sandbox.file("first.csv", FIRST);
    let first = ["run", "first.csv", "--operator", "ann", "--reason", "offboarding", "--protect", "prod-*"];
    expect(&sandbox.quick(server.base_url(), &first), 1);

    sandbox.names("planned.csv", &["planned"]);
    let plan = ["plan", "planned.csv", "--out", "plan.json"];
    expect(&sandbox.quick(server.base_url(), &plan), 0);
    let planned = ["run", "--plan", "plan.json", "--ticket", "OFF-9", "--operator", "ben"];
    expect(&sandbox.quick(server.base_url(), &planned), 1);

    killed_and_resumed(sandbox, &server);

    server.now(|_, _| Reply::error(401, "AUTHENTICATION_ERROR"));
    sandbox.names("stopped.csv", &["never", "ever"]);
    expect(&sandbox.quick(server.base_url(), &["run", "stopped.csv", "--operator", "cem"]), 4);
    server
}

/// A run that is killed while its request is under way, and goes on with `decom resume`.
fn killed_and_resumed(sandbox: &Sandbox, server: &Scripted) {
    server.now(|name, before| match (name, before) {
        ("hanging", 0) => Reply::Hangs,
        ("hanging", _) => Reply::not_found(),
        _ => Reply::deleted(),
    });
    sandbox.names("killed.csv", &["hanging", "behind"]);
    let asked = server.deletions().len();
    let mut running = sandbox.start_quick(server.base_url(), &["run", "killed.csv", "--ticket", "OFF-10"]);
    running.until("its request is under way", |_| server.deletions().len() > asked);
    running.kill();
    expect(&sandbox.quick(server.base_url(), &["resume"]), 0);
}
