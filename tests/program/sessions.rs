//! Who ran a run, where and through what: recorded with it and with each resumption, and shown where it matters.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::certificates::certificate;
use crate::support::tls::Authority;
use crate::support::{Fault, Reply, Sandbox, Server, column};

/// What the records of this kind hold of their sessions.
fn recorded(sandbox: &Sandbox, kind: &str) -> Vec<Value> {
    let query = format!("SELECT detail -> '$.session' FROM record WHERE kind = '{kind}' ORDER BY seq");
    column(&sandbox.log(), &query).iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    decom::domain::hex(Sha256::digest(bytes))
}

#[test]
fn a_run_records_who_ran_it_where_and_through_what() {
    let authority = Authority::new();
    let server = Server::start_tls(&authority, "127.0.0.1", |_| Reply::deleted());
    server.list(&["a", "other"]);
    let sandbox = Sandbox::new();
    sandbox.file("ca.pem", authority.pem());
    sandbox.names("names.csv", &["a"]);
    let arguments = ["run", "names.csv", "--yes", "--ca-file", "ca.pem", "--operator", "Ann"];
    let mut command = sandbox.decom(&arguments);
    let said = command.fast(&server.url()).env("USER", "mallory").env("DECOM_MAX_SHARE", "60").run();
    assert_eq!(said.code, 0, "{said:?}");
    let note = format!(
        "  NOTE: certificate authorities of a file are trusted beside the public ones (SHA-256 {})",
        hex(authority.pem().as_bytes())
    );
    assert!(said.stderr.contains(&note), "before the question: {said:?}");

    let session = recorded(&sandbox, "run").remove(0);
    let uid = rustix::process::getuid().as_raw();
    let login = std::process::Command::new("id").args(["-un"]).output().unwrap();
    assert_eq!(session["operator"], "Ann");
    assert_eq!(session["login"], String::from_utf8(login.stdout).unwrap().trim(), "and not $USER");
    assert_eq!(session["uid"], uid);
    assert_eq!(session["host"], rustix::system::uname().nodename().to_str().unwrap());
    assert_eq!(session["tool_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(session["ca_sha256"], hex(authority.pem().as_bytes()));
    assert_eq!(session["proxy"], false);
    assert_eq!(session["config_sha256"].as_str().unwrap().len(), 64);
    assert_eq!(session["server_certificate_sha256"].as_str().map(str::len), Some(64), "{session:#}");

    let page = certificate(&sandbox, &[]);
    let head = page.lines("", "1Run").join("\n").replace('\u{a0}', " ");
    assert!(head.contains("Certificate authorities of a file were trusted"), "on the first page: {head}");
    let run = page.lines("1Run", "2Scope and reconciliation").join("\n");
    let login = session["login"].as_str().unwrap();
    assert!(run.contains(&format!("Ann (operator as stated, login {login}, uid {uid}, on ")), "{run}");
    assert!(run.contains(session["server_certificate_sha256"].as_str().unwrap()), "{run}");
}

#[test]
fn the_digest_of_the_configuration_is_of_all_values_and_can_be_computed_again() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.names("names.csv", &["a"]);
    for tickets in ["OFF-1", "OFF-1", "OFF-2"] {
        let arguments = ["run", "names.csv", "--again", "--ticket", tickets];
        assert_eq!(sandbox.run(&server, &arguments).code, 0);
    }
    let sessions = recorded(&sandbox, "run");
    assert_eq!(sessions[0]["config_sha256"], sessions[1]["config_sha256"]);
    assert_ne!(sessions[0]["config_sha256"], sessions[2]["config_sha256"]);
}

#[test]
fn each_stretch_of_a_run_is_attributed_to_who_ran_it() {
    let sandbox = Sandbox::new();
    let server = Server::start(|request| match request.name.as_str() {
        "b" => Fault::NeverAnswer.into(),
        _ => Reply::deleted(),
    });
    server.list(&["other"]);
    sandbox.names("names.csv", &["a", "b"]);
    let mut running = sandbox.start(&server, &["run", "names.csv", "--operator", "Ann"]);
    running.wait_until("the request that hangs", || server.deletions().len() == 2);
    running.kill();
    server.answer(|_| Reply::deleted());
    assert_eq!(sandbox.run(&server, &["resume", "--operator", "Ben"]).code, 0);
    assert_eq!(recorded(&sandbox, "run")[0]["operator"], "Ann");
    assert_eq!(recorded(&sandbox, "resume")[0]["operator"], "Ben");

    let lines = certificate(&sandbox, &[]).lines("1Run", "2Scope and reconciliation");
    let stretch =
        |name: &str| lines.iter().find(|line| line.contains(&format!("{name} (operator as stated"))).unwrap();
    assert!(stretch("Ann").contains("its end is not recorded"), "{lines:?}");
    assert!(!stretch("Ben").contains("its end is not recorded"), "{lines:?}");

    let events = sandbox.decom(&["audit", "export", "--format", "ocsf"]).run().expect(0).stdout;
    let actors: Vec<_> = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|event| {
            let user = &event["actor"]["user"];
            assert_eq!(user["uid"], rustix::process::getuid().as_raw().to_string());
            (
                event["resources"][0]["name"].as_str().unwrap().to_owned(),
                user["name"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let expected = [("a", "Ann"), ("b", "Ann"), ("b", "Ben")];
    assert_eq!(actors, expected.map(|(name, actor)| (name.to_owned(), actor.to_owned())));
}

#[test]
fn a_clock_that_is_far_off_and_a_proxy_are_shown_before_anything_is_sent() {
    let (sandbox, proxy) = (Sandbox::new(), Server::deleting());
    let listing = r#"{"data":[{"name":"a"},{"name":"b"},{"name":"c"}]}"#;
    proxy.answer_listing(move |_| {
        Reply::status(200).body(listing.as_bytes().to_vec()).with("Date", "Sun, 01 Nov 2026 00:00:00 GMT")
    });
    sandbox.names("names.csv", &["a"]);
    let arguments =
        ["run", "names.csv", "--dry-run", "--allow-http", "--base-url", "http://api.example.test"];
    let mut command = sandbox.decom(&arguments);
    let said = command
        .fast("http://api.example.test")
        .env("HTTP_PROXY", proxy.url())
        .env("DECOM_MAX_SHARE", "50")
        .run();
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stdout.contains("NOTE: the requests go through a proxy"), "{said:?}");
    assert!(said.stdout.contains("NOTE: this machine's clock is "), "{said:?}");
    assert!(said.stdout.contains(" ahead of the server's"), "{said:?}");
}
