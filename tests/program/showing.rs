//! `decom show NAME`: all that the logs hold of one name, over all runs and closed logs.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Decom, Output, Reply, Sandbox, Server, column, rows};

fn show(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    sandbox.decom(&[&["show"], arguments].concat()).run()
}

fn shown(sandbox: &Sandbox, name: &str) -> Value {
    serde_json::from_str(&show(sandbox, &[name, "--json"]).expect(0).stdout).unwrap()
}

/// Runs this CSV.
fn run(sandbox: &Sandbox, server: &Server, csv: &str, flags: &[&str]) -> Output {
    sandbox.file("names.csv", csv);
    sandbox.run(server, &[&["run", "names.csv"], flags].concat())
}

fn standings(shown: &Value) -> Vec<&str> {
    shown["resources"].as_array().unwrap().iter().map(|it| it["standing"].as_str().unwrap()).collect()
}

#[test]
fn a_name_that_is_not_there_leads_to_those_that_are_like_it() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    run(&sandbox, &server, "name\ncust-0100\nother\n", &[]).expect(0);
    for (name, said) in [
        ("CUST-0100", "no run in this log mentions \"CUST-0100\"; \"cust-0100\" is there (case matters)"),
        (
            "cust-0100 ",
            "no run in this log mentions \"cust-0100 \"; \"cust-0100\" is there (white space matters)",
        ),
        ("cust-0101", "no run in this log mentions \"cust-0101\"; \"cust-0100\" is there (it is similar)"),
        ("nothing-like-it", "no run in this log mentions \"nothing-like-it\""),
    ] {
        assert_eq!(show(&sandbox, &[name]).expect(2).message(), said);
        let alias = sandbox.decom(&["report", "--datasource", name]).run().expect(2);
        assert_eq!(alias.message().replace("the datasource ", ""), said);
        let error: Value = serde_json::from_str(&show(&sandbox, &[name, "--json"]).expect(2).stdout).unwrap();
        assert_eq!(error["error"]["exit_code"], 2);
    }
    let said = show(&sandbox, &["cust-0100", "--kind", "datamart"]).expect(2);
    assert_eq!(said.message(), "no run in this log mentions the datamart \"cust-0100\"");
}

#[test]
fn every_run_and_request_of_a_name_is_shown() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let csv = "name,reason,ticket,customer,requested_at\nacme,contract ended,OFF-7,\"Acme, Ltd\",2026-11-01\nglobex,,,,\n";
    server.answer(|request| if request.attempt == 1 { Reply::server_error() } else { Reply::deleted() });
    run(&sandbox, &server, csv, &["--ticket", "OFF-ALL", "--operator", "ann"]).expect(0);
    server.answer(|_| Reply::not_found());
    run(&sandbox, &server, "name\nacme\n", &["--again"]).expect(1);

    let found = shown(&sandbox, "acme");
    assert_eq!(standings(&found), ["deleted"]);
    let results = found["results"].as_array().unwrap();
    let outcomes: Vec<_> = results.iter().map(|it| it["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["deleted", "not_found"]);
    let first = &results[0];
    for (key, value) in [
        ("customer", json!("Acme, Ltd")),
        ("requested_at", json!("2026-11-01")),
        ("target_ticket", json!("OFF-7")),
        ("ticket", json!("OFF-ALL")),
        ("operator", json!("ann")),
        ("base_url", json!(server.url())),
        ("rehearsal", json!(false)),
    ] {
        assert_eq!(first[key], value, "{key}");
    }
    let verdicts: Vec<_> =
        first["requests"].as_array().unwrap().iter().map(|it| it["verdict"].clone()).collect();
    assert_eq!(verdicts, ["server_error", "deleted"]);
    // The records are those of the log: by place, kind and hash.
    for record in first["records"].as_array().unwrap() {
        let query = format!("SELECT kind, lower(hex(hash)) FROM record WHERE seq = {}", record["seq"]);
        assert_eq!(
            rows(&sandbox.log(), &query),
            [[record["kind"].as_str().unwrap(), record["hash"].as_str().unwrap()]]
        );
    }
    let text = show(&sandbox, &["acme"]).expect(0).stdout;
    assert!(
        text.starts_with(&format!("datasource acme on {}: deleted, as the API confirmed\n", server.url())),
        "{text}"
    );
    assert!(text.contains("    customer Acme, Ltd\n") && text.contains("OFF-7"), "{text}");
    for format in ["csv", "md"] {
        let report = show(&sandbox, &["acme", "--format", format]).expect(0).stdout;
        assert!(report.contains("Acme, Ltd") && report.contains("2026-11-01"), "{report}");
        assert!(!report.contains("globex"), "{report}");
    }
    // What `report --datasource` printed before there was this command: the results alone.
    let alias = sandbox.decom(&["report", "--datasource", "acme", "--json"]).run().expect(0).stdout;
    assert_eq!(serde_json::from_str::<Value>(&alias).unwrap(), found["results"]);
}

#[test]
fn closed_logs_are_followed_and_one_that_is_missing_is_named() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let rotate = |out: &str| {
        sandbox.decom(&["audit", "rotate", "--quiet", "--out", out]).run().expect(0);
    };
    for (name, closed) in [("acme", "first.db"), ("globex", "second.db")] {
        run(&sandbox, &server, &format!("name\n{name}\n"), &[]).expect(0);
        rotate(closed);
    }
    run(&sandbox, &server, "name\nlater\n", &[]).expect(0);
    let ids: Vec<_> = ["first.db", "second.db", "decom-audit.db"]
        .map(|log| column(&sandbox.path(log), "SELECT name FROM record WHERE seq = 1").remove(0))
        .to_vec();

    let found = shown(&sandbox, "acme");
    assert_eq!((&found["logs"], &found["missing_logs"]), (&json!(ids), &json!([])));
    assert_eq!(standings(&found), ["deleted"]);
    assert_eq!(found["results"][0]["log_id"], ids[0]);

    // Moved together: found beside the log that names it.
    let folder = sandbox.path("archive");
    fs::create_dir(&folder).unwrap();
    for log in ["first.db", "second.db", "decom-audit.db"] {
        fs::rename(sandbox.path(log), folder.join(log)).unwrap();
    }
    let moved =
        |name: &str| sandbox.decom(&["show", name, "--audit-db", "archive/decom-audit.db", "--json"]).run();
    let found: Value = serde_json::from_str(&moved("acme").expect(0).stdout).unwrap();
    assert_eq!(found["logs"], json!(ids));

    // Another file in its place is not taken for it.
    fs::remove_file(folder.join("first.db")).unwrap();
    fs::copy(folder.join("second.db"), folder.join("first.db")).unwrap();
    let said = moved("acme").expect(2).message().to_owned();
    assert!(
        said.contains(&format!("the log {} before it was not read: the file there is another log", ids[0])),
        "{said}"
    );
    fs::remove_file(folder.join("first.db")).unwrap();
    let found: Value = serde_json::from_str(&moved("globex").expect(0).stdout).unwrap();
    let missing = &found["missing_logs"][0];
    assert_eq!((&missing["log_id"], &missing["why"]), (&json!(ids[0]), &json!("there is no such file")));
    let text =
        sandbox.decom(&["show", "globex", "--audit-db", "archive/decom-audit.db"]).run().expect(0).stdout;
    assert!(text.contains(&format!("NOT READ: The log {}", ids[0])), "{text}");
    let page =
        sandbox.decom(&["show", "globex", "--audit-db", "archive/decom-audit.db", "--format", "html"]).run();
    let page = page.expect(0).stdout;
    assert!(page.contains(&ids[0]) && page.contains("was not at hand"), "{page}");
}

#[test]
fn hosts_are_apart() {
    let (sandbox, one, two) = (Sandbox::new(), Server::deleting(), Server::deleting());
    run(&sandbox, &one, "name\nacme\n", &[]).expect(0);
    two.answer(|_| Reply::in_use());
    run(&sandbox, &two, "name\nacme\n", &[]).expect(1);
    let found = shown(&sandbox, "acme");
    assert_eq!(standings(&found), ["deleted", "not_deleted"]);
    assert_eq!(found["resources"][1]["base_url"], two.url());
}

#[test]
fn the_customer_and_the_time_of_the_request_stay_with_their_target() {
    let (sandbox, server) = (Sandbox::new(), Server::start(|_| Reply::error(400, "INVALID_REQUEST_BODY")));
    let csv = "name,customer,requested_at\nacme,Acme Ltd,2026-11-01T10:00:00Z\nglobex,,\n";
    run(&sandbox, &server, csv, &[]).expect(1);
    let details = "SELECT coalesce(detail, 'none') FROM record WHERE kind = 'target' ORDER BY seq";
    let recorded = r#"{"customer":"Acme Ltd","requested_at":"2026-11-01T10:00:00Z"}"#;
    assert_eq!(column(&sandbox.log(), details), [recorded, "none"]);
    // A new run of what failed.
    sandbox.run(&server, &["retry", "--outcome", "rejected"]).expect(1);
    assert_eq!(column(&sandbox.log(), details)[2..], [recorded, "none"]);
    // A saved plan.
    let planning = |arguments: &[&str]| -> Decom {
        let mut command = sandbox.decom(arguments);
        command.sequential(&server.url());
        command
    };
    server.list(&["acme", "globex", "other"]);
    planning(&["plan", "names.csv", "--out", "plan.json"]).run().expect(0);
    let shown = sandbox.decom(&["plan", "--show", "plan.json"]).run().expect(0).stdout;
    assert!(shown.contains("acme  customer: Acme Ltd  requested at: 2026-11-01T10:00:00Z"), "{shown}");
    sandbox.run(&server, &["run", "--plan", "plan.json"]).expect(1);
    assert_eq!(column(&sandbox.log(), details)[4..], [recorded, "none"]);

    let refused = run(&sandbox, &server, "name,requested_at\nacme,31.12.2026\n", &[]).expect(2);
    assert_eq!(
        refused.message(),
        "names.csv, line 2, column 2 (\"requested_at\"): `31.12.2026` is not a date or a time; write it like 2026-03-01 \
         or 2026-03-01T09:30:00Z, or give the column another name if it holds something else"
    );
    sandbox.decom(&["audit", "verify", "--quiet"]).run().expect(1);
}
