//! `decom list`: what exists, as input for the other commands.

use serde_json::json;

use crate::support::{Decom, Estate, Reply, Sandbox, Server};

/// `decom list ARGUMENTS` against `server`.
fn list(sandbox: &Sandbox, server: &Server, arguments: &[&str]) -> Decom {
    let mut command = sandbox.decom(&[&["list"], arguments].concat());
    command.args(["--base-url", &server.url(), "--rate", "unlimited"]);
    command.env("DECOM_API_LISTING_PATIENCE", "0s");
    command
}

#[test]
fn names_are_listed_in_order_and_selected_by_globs() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    server.list(&["beta", "acme-2", "acme-1"]).list_datamarts(&[("mart", "acme-1")]);
    let all = list(&sandbox, &server, &[]).run().expect(0);
    assert_eq!(all.stdout, "datasource_name\nacme-1\nacme-2\nbeta\n");
    let some = list(&sandbox, &server, &["--match", "acme-*"]).run().expect(0);
    assert_eq!(some.stdout, "datasource_name\nacme-1\nacme-2\n");
    let free = list(&sandbox, &server, &["--without-datamarts", "--match", "acme-*"]).run().expect(0);
    assert_eq!(free.stdout, "datasource_name\nacme-2\n");
    let json = list(&sandbox, &server, &["--match", "*1", "--json"]).run().expect(0);
    let parsed: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(parsed, json!([{ "name": "acme-1", "datamarts": ["mart"] }]));
    let none = list(&sandbox, &server, &["--match", "x*"]).run().expect(0);
    assert_eq!(none.stdout, "datasource_name\n");
    assert!(none.stderr.contains("none of the 3 datasources that exist is asked for"), "{}", none.stderr);
    assert_eq!(server.names_sent(), [""; 0]);
    assert!(!sandbox.log().exists(), "it looks, and records nothing");
}

#[test]
fn the_list_is_valid_input_whatever_the_names_are() {
    let names = [
        "datasource_name",
        "acme, inc",
        "say \"hi\"",
        " outer ",
        "=A1",
        "#REF!",
        "(2 rows affected)",
        "# old",
        "----",
        "2 rows",
        "[text]",
        "a;b",
        "Köln",
        "日本",
        "🎉",
        "a\tb",
        "'-legacy",
    ];
    let estate = Estate::of(&names);
    let listed = estate.decom(&["list"]).run().expect(0);
    assert!(listed.stderr.contains("a\\\\u{9}b"), "a name that decom refuses is named: {}", listed.stderr);
    estate.sandbox.file("all.csv", &listed.stdout);
    let planned = estate.decom(&["plan", "all.csv", "--max-share", "100", "--json"]).run().expect(0);
    let plan: serde_json::Value = serde_json::from_str(&planned.stdout).unwrap();
    assert_eq!(plan["listing"]["exist"], names.len() as u64 - 1, "{plan}");
    assert_eq!(plan["listing"]["missing"], json!([]));
}

#[test]
fn a_listing_that_cannot_be_read_is_an_error() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    for (reply, code, why) in [
        (Reply::unauthorized(), 4, "the API does not accept the token (HTTP 401)"),
        (Reply::status(503), 4, "cannot read the list of datasources at present"),
        (Reply::status(404), 2, "cannot read the list of datasources"),
        (Reply::status(200).body("<html>log in</html>"), 2, "the reply is not a listing"),
    ] {
        server.answer_listing(move |_| reply.clone());
        let said = list(&sandbox, &server, &[]).run().expect(code);
        assert!(said.message().contains(why), "{}", said.message());
        assert_eq!(said.stdout, "");
    }
    let refused = list(&sandbox, &server, &["--match", "{a"]).run().expect(2);
    assert!(refused.message().starts_with("`{a` is not a glob: a `{` without its `}`"), "{refused:?}");
}

#[test]
fn without_the_datamarts_nothing_is_said_to_have_none() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    server.list(&["a"]).answer_datamarts(|_| Reply::status(404));
    list(&sandbox, &server, &["--without-datamarts"]).run().expect(2);
    let json = list(&sandbox, &server, &["--json"]).run().expect(0);
    assert_eq!(json.stdout, "[{\"datamarts\":null,\"name\":\"a\"}]\n");
    assert!(json.stderr.contains("could not read the list of datamarts"), "{}", json.stderr);
}
