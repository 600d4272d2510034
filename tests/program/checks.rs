//! `decom check`: each thing that a run needs, broken in turn.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Decom, Output, Reply, Sandbox, Server, TOKEN};

/// `decom check` against `server`.
fn check(sandbox: &Sandbox, server: &Server) -> Decom {
    let mut command = sandbox.decom(&["check"]);
    command.env("DECOM_BASE_URL", server.url()).env("DECOM_API_LISTING_PATIENCE", "0s");
    command
}

/// The line about `what`, with single spaces.
#[track_caller]
fn line(output: &Output, what: &str) -> String {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines = output.stdout.lines().map(words);
    lines.find(|line| line.split_once(' ').is_some_and(|(_, rest)| rest.starts_with(what))).unwrap()
}

#[test]
fn says_ok_to_what_is_as_it_should_be() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    server.answer_listing(|_| {
        let reply = Reply::json(200, &serde_json::json!({ "data": [{ "name": "a" }, { "name": "b" }] }));
        reply.with("RateLimit-Policy", "500;w=120").with("RateLimit", "limit=500, remaining=498, reset=60")
    });
    server.list_datamarts(&[("mart", "a")]);
    let said = check(&sandbox, &server).run().expect(0);
    assert_eq!(line(&said, "token"), "ok token from DATABRAIN_TOKEN");
    assert_eq!(line(&said, "base URL"), format!("ok base URL {}", server.url()));
    assert_eq!(line(&said, "datasources"), "ok datasources 2 exist; `decom list` shows them");
    assert_eq!(line(&said, "datamarts"), "ok datamarts 1, which read 1 of the datasources");
    assert_eq!(
        line(&said, "rate limit"),
        "ok rate limit 498 of 500 requests in 2m are left, whole again in 1m; a run keeps to 480/2m"
    );
    assert!(line(&said, "audit log").contains("is not there yet; the first run makes it"), "{said:?}");
    assert!(!sandbox.log().exists() && !said.stdout.contains(TOKEN));
    assert_eq!(server.names_sent(), [""; 0]);
    let json = check(&sandbox, &server).arg("--json").run().expect(0);
    let parsed: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&parsed["ok"], &parsed["exit_code"]), (&true.into(), &0.into()));
    assert_eq!(parsed["checks"][1]["check"], "token");
}

#[test]
fn a_token_or_a_base_url_that_is_wrong_ends_with_2() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let none = check(&sandbox, &server).env_remove("DATABRAIN_TOKEN").run().expect(2);
    assert!(line(&none, "token").starts_with("FAILED token no service token; set DATABRAIN_TOKEN"));
    assert!(line(&none, "connection").starts_with("skipped"));
    let prefix = format!("{}/api/v2", server.url());
    let twice = check(&sandbox, &server).args(["--base-url", &prefix]).run().expect(2);
    assert!(line(&twice, "base URL").contains("ends with /api/v2, which decom adds itself"), "{twice:?}");
    let plain = check(&sandbox, &server).args(["--base-url", "http://api.example"]).run().expect(2);
    assert!(line(&plain, "base URL").contains("plain HTTP would show the token"), "{plain:?}");
    let other = Server::receiving(Reply::status(200).body("<html>Databrain</html>"));
    let page = check(&sandbox, &other).run().expect(2);
    assert!(line(&page, "connection").contains("check that --base-url is the API's"), "{page:?}");
}

#[test]
fn an_api_that_does_not_answer_or_refuses_the_token_ends_with_4() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let away = check(&sandbox, &server).args(["--base-url", "http://127.0.0.1:1"]).run().expect(4);
    assert_eq!(
        line(&away, "connection"),
        "FAILED connection cannot reach http://127.0.0.1:1: connection refused; check --base-url and the network"
    );
    server.answer_listing(|_| Reply::unauthorized());
    let refused = check(&sandbox, &server).run().expect(4);
    assert!(line(&refused, "connection").contains("does not accept the token"), "{refused:?}");
}

#[test]
fn an_audit_log_that_cannot_be_written_or_is_not_sound_ends_with_5() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    server.list(&["a"]);
    let nowhere = check(&sandbox, &server).args(["--audit-db", "nowhere/audit.db"]).run().expect(5);
    assert!(line(&nowhere, "audit log").contains("No such file or directory"), "{nowhere:?}");
    sandbox.file("notes.txt", "x".repeat(600));
    let foreign = check(&sandbox, &server).args(["--audit-db", "notes.txt"]).run().expect(5);
    assert!(line(&foreign, "audit log").contains("not an audit log of decom"), "{foreign:?}");

    sandbox.names("names.csv", &["a"]);
    sandbox.run(&server, &["run", "names.csv"]).expect(1);
    let before = std::fs::read(sandbox.log()).unwrap();
    let sound = check(&sandbox, &server).run().expect(0);
    assert!(line(&sound, "audit log").contains("is sound"), "{sound:?}");
    assert_eq!(std::fs::read(sandbox.log()).unwrap(), before, "it only looks");
    let mut altered = before.clone();
    let at = altered.windows(9).rposition(|bytes| bytes == b"exit_code").unwrap();
    altered[at] = b'E';
    std::fs::write(sandbox.log(), altered).unwrap();
    let broken = check(&sandbox, &server).run().expect(5);
    assert!(line(&broken, "audit log").starts_with("FAILED"), "{broken:?}");
    std::fs::write(sandbox.log(), before).unwrap();
    if !rustix::process::geteuid().is_root() {
        std::fs::set_permissions(sandbox.log(), PermissionsExt::from_mode(0o400)).unwrap();
        check(&sandbox, &server).run().expect(5);
    }
}

#[test]
fn a_log_in_use_ends_with_4_and_names_the_process() {
    let sandbox = Sandbox::new();
    let server = Server::start(|_| crate::support::Fault::NeverAnswer.into());
    sandbox.names("names.csv", &["a"]);
    let running = sandbox.start(&server, &["run", "names.csv"]);
    server.wait_for_deletions(1);
    let held = check(&sandbox, &server).run().expect(4);
    assert!(line(&held, "audit log").contains(&format!("process {}", running.id())), "{held:?}");
    running.kill();
}

#[test]
fn a_queue_is_checked_if_one_is_set() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let no_url = check(&sandbox, &server).args(["--queue", "localhost"]).run().expect(2);
    assert!(line(&no_url, "queue").starts_with("FAILED"), "{no_url:?}");
    let away = check(&sandbox, &server).args(["--queue", "redis://127.0.0.1:1"]).run().expect(4);
    assert!(line(&away, "queue").contains("cannot reach the queue"), "{away:?}");
}
