//! A datamart is created again from its entry, with the commands of the documentation; and the way from "in use" to
//! deletion with the datamarts, against the emulator.

use std::process::Command;

use decom::emulator::{EmulatorOptions, Faults};
use serde_json::Value;

use crate::support::{Estate, TOKEN, column, files_in, rows, skipped};

const NAMES: &[&str] = &["acme", "globex", "initech", "hooli", "umbrella", "stark", "wayne", "wonka"];

fn estate(faults: &str) -> Estate {
    let names = NAMES.iter().map(|name| (*name).to_owned());
    let faults = faults.parse::<Faults>().unwrap();
    let estate = Estate::of_options(EmulatorOptions {
        datamarts: 3,
        seed: 7,
        faults,
        ..EmulatorOptions::new(TOKEN, names)
    });
    estate.sandbox.names("names.csv", NAMES);
    estate
}

/// All datamarts that the API lists.
fn listed(estate: &Estate) -> Vec<Value> {
    let url = format!("{}/api/v2/data-app/datamarts", estate.emulator.base_url());
    let found =
        Command::new("curl").args(["-s", "-H", &format!("Authorization: Bearer {TOKEN}"), &url]).output();
    let listing: Value = serde_json::from_slice(&found.unwrap().stdout).unwrap();
    listing["data"].as_array().unwrap().clone()
}

fn is_missing(program: &str) -> bool {
    !Command::new(program).arg("--version").output().is_ok_and(|it| it.status.success())
}

#[test]
fn the_documented_commands_create_a_datamart_again() {
    if let Some(program) = ["jq", "curl"].into_iter().find(|program| is_missing(program)) {
        return skipped("the_documented_commands_create_a_datamart_again", &format!("{program} is missing"));
    }
    let estate = estate("none");
    let before = listed(&estate);
    assert!(before.iter().any(|entry| entry["datamartOrganization"].is_null()), "settings are optional");
    // The datasources stay: a workspace holds them all.
    let keep = ["run", "names.csv", "--yes", "--with-datamarts", "--max-share", "100"];
    estate.decom(&keep).run().expect(0);
    assert_eq!(listed(&estate).len(), 0);

    // What exists there again, for those whose datasource was created by hand.
    let again = Estate::of_options(EmulatorOptions::new(TOKEN, NAMES.iter().map(|name| (*name).to_owned())));
    let folder = estate.sandbox.path("decom-audit.db.definitions");
    let file = folder.join(&files_in(&folder)[0]);
    let page = include_str!("../../docs/datamarts.md");
    let recipe = page.split("```sh\n").find(|block| block.starts_with("jq ")).unwrap();
    let recipe = recipe.split("```").next().unwrap();
    let create = |name: &str| {
        let made = Command::new("sh")
            .args(["-e", "-c", recipe])
            .env("URL", again.emulator.base_url())
            .env("TOKEN", TOKEN)
            .env("FILE", &file)
            .env("NAME", name)
            .output()
            .unwrap();
        String::from_utf8(made.stdout).unwrap()
    };
    for entry in &before {
        let name = entry["name"].as_str().unwrap();
        assert_eq!(create(name), format!("{{\"error\":null,\"id\":\"{name}\"}}"), "{entry}");
        assert!(listed(&again).contains(entry), "it is as it was: {entry}");
        assert!(create(name).contains("exists already"));
    }
    // They are datamarts like any other: they keep their datasources, and go with them.
    again.sandbox.names("names.csv", NAMES);
    again.decom(&["run", "names.csv", "--yes", "--max-share", "100"]).run().expect(1);
    again
        .decom(&["retry", "--outcome", "in_use", "--yes", "--with-datamarts", "--max-share", "100"])
        .run()
        .expect(0);
    assert_eq!(listed(&again).len(), 0);
}

#[test]
fn what_is_in_use_is_named_with_the_command_that_takes_its_datamarts_along() {
    let estate = estate("workspace=30%");
    let said = estate.decom(&["run", "names.csv", "--yes", "--max-share", "100"]).run().expect(1);
    let run = column(&estate.sandbox.log(), "SELECT run_id FROM runs")[0].clone();
    let words = format!("decom retry {run} --outcome in_use --with-datamarts");
    assert!(said.stdout.contains(&words), "{said:?}");
    let keep = said.stdout.lines().find(|line| line.ends_with("in use.")).unwrap_or_default();
    assert!(keep.contains(" datamarts keep "), "{said:?}");

    let retry = ["retry", &run, "--outcome", "in_use", "--with-datamarts", "--yes", "--max-share", "100"];
    let flags = ["--max-attempts", "1", "--canary", "1"];
    let said = estate.decom(&[&retry[..], &flags].concat()).run();
    // A datasource that a workspace holds stays, and is said to be held by something that is not listed.
    let kept =
        rows(&estate.sandbox.log(), "SELECT name FROM results WHERE outcome = 'in_use' AND detail = '[]'");
    assert!(!kept.is_empty(), "{said:?}");
    assert!(said.stdout.contains("a workspace or another resource may hold"), "{said:?}");
    let sent = estate.deletes();
    assert!(sent.iter().all(|(name, _)| !name.is_empty()));
}

#[test]
fn a_retry_takes_along_the_datasource_that_waits_for_a_datamart() {
    let (sandbox, server) = (crate::support::Sandbox::new(), crate::support::datamarts::api());
    server.answer(|request| match request.name.as_str() {
        "sales" => crate::support::Reply::server_error(),
        _ => crate::support::datamarts::confirmed(request),
    });
    let run = ["run", "names.csv", "--yes", "--with-datamarts", "--max-share", "100"];
    super::group_plans::decom(&sandbox, &server, &run).run().expect(1);
    assert_eq!(server.deletions_of("acme"), 0);
    let run = column(&sandbox.log(), "SELECT run_id FROM runs")[0].clone();
    crate::support::datamarts::list(&server, &[("sales", "acme"), ("other-a", "other1")]);
    server.answer(crate::support::datamarts::confirmed);
    // What that run took along is taken along again.
    super::group_plans::decom(&sandbox, &server, &["retry", &run, "--yes", "--max-share", "100"]).run();
    let retried = "SELECT kind, name, target_reason FROM results
                    WHERE run_id = (SELECT run_id FROM runs ORDER BY started_at DESC LIMIT 1) ORDER BY target";
    assert_eq!(
        rows(&sandbox.log(), retried),
        [["datamart", "sales", "ended"], ["datasource", "acme", "ended"]]
    );
    assert_eq!(server.deletions_of("acme"), 1);
}
