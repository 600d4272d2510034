//! A log in which everything happened that a log can tell of, made by the real program.

use super::{Fault, Output, Reply, Sandbox, Server};

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

fn expect(finished: &Output, code: i32) {
    assert_eq!(finished.code, code, "{finished:?}");
}

/// Four runs: one with every outcome, one of a saved plan, one that was killed and went on, and one
/// that the API stopped.
pub fn eventful(sandbox: &Sandbox) -> Server {
    let server = Server::start(|request| match (request.name.as_str(), request.attempt) {
        ("flaky", 1) | ("erring", _) => Reply::server_error(),
        ("lost", 1) => Fault::CloseBeforeAnswer.into(),
        ("busy", 1) => Reply::status(429).with("Retry-After", 1),
        ("lost" | "missing", _) => Reply::not_found(),
        ("used", _) => Reply::in_use(),
        ("refused", _) => Reply::error(403, "FORBIDDEN"),
        _ => Reply::deleted(),
    });
    server.list(&["stubborn", "erring", "used", "refused", "prod-1", "planned"]);
    sandbox.file("first.csv", FIRST);
    let first = ["run", "first.csv", "--operator", "ann", "--reason", "offboarding", "--protect", "prod-*"];
    expect(&sandbox.run(&server, &first), 1);

    sandbox.names("planned.csv", &["planned"]);
    let plan = ["plan", "planned.csv", "--out", "plan.json"];
    expect(&sandbox.run(&server, &plan), 0);
    let planned = ["run", "--plan", "plan.json", "--ticket", "OFF-9", "--operator", "ben"];
    expect(&sandbox.run(&server, &planned), 1);

    killed_and_resumed(sandbox, &server);

    server.answer(|_| Reply::unauthorized());
    sandbox.names("stopped.csv", &["never", "ever"]);
    expect(&sandbox.run(&server, &["run", "stopped.csv", "--operator", "cem"]), 4);
    server
}

/// A run that is killed while its request is under way, and goes on with `decom resume`.
fn killed_and_resumed(sandbox: &Sandbox, server: &Server) {
    server.answer(|request| match (request.name.as_str(), request.attempt) {
        ("hanging", 1) => Fault::NeverAnswer.into(),
        ("hanging", _) => Reply::not_found(),
        _ => Reply::deleted(),
    });
    sandbox.names("killed.csv", &["hanging", "behind"]);
    let asked = server.deletions().len();
    let mut running = sandbox.start(server, &["run", "killed.csv", "--ticket", "OFF-10"]);
    running.wait_until("its request is under way", || server.deletions().len() > asked);
    running.kill();
    expect(&sandbox.run(server, &["resume"]), 0);
}
