//! `decom plan`: what a run would do, shown and saved; nothing but listings is ever asked for.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use decom::emulator::Faults;
use decom::plan::SavedPlan;
use insta::assert_snapshot;
use serde_json::Value;

use crate::support::{Estate, Output, Reply, Sandbox, Server, files_in};

/// The datasources that exist; those of `in-use=30%` are so by the emulator's first seed.
const THERE: &[&str] = &[
    "acme-prod",
    "globex",
    "initech",
    "umbrella",
    "stark",
    "wayne",
    "tyrell",
    "cyberdyne",
    "soylent",
    "vehement",
    "hooli",
    "oscorp",
];

/// Planned: there, not there, nearly there, protected, and one of them three times.
const NAMES: &str = "name\nglobex\nAcme-prod\nnowhere\ninitech\numbrella\nstark\nglobex\nwayne\nglobex\n";

fn estate() -> Estate {
    let names = THERE.iter().map(|name| (*name).to_owned()).collect();
    let estate = Estate::with(names, "in-use=30%".parse::<Faults>().unwrap());
    estate.sandbox.file("names.csv", NAMES);
    estate
}

/// Puts words in the place of what differs from run to run.
fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "[time]");
    settings.add_filter(r"\d{8}T\d{6}Z-[0-9a-f]{8}", "[run]");
    settings.add_filter(r"127\.0\.0\.1:\d+", "[host]");
    settings.add_filter(r"\b[0-9a-f]{64}\b", "[sha256]");
    settings.add_filter(r"\b[0-9a-f]{32}\b", "[id]");
    settings
}

/// What every file of a folder holds.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = files_in(folder).into_iter().filter(|name| folder.join(name).is_file());
    files.map(|name| (name.clone(), std::fs::read(folder.join(name)).unwrap())).collect()
}

/// `decom plan` with `arguments`, of which nothing but what it says is left behind: no request but
/// listings, and not a byte of any file changed but for `new`.
fn plan(estate: &Estate, arguments: &[&str], new: &[&str]) -> Output {
    let (before, deletes) = (contents(&estate.sandbox.path("")), estate.deletes());
    let requests = estate.emulator.tally().requests;
    let mut command = estate.sandbox.decom(&[&["plan"], arguments].concat());
    let said = command.args(["--base-url", estate.emulator.base_url()]).run();
    let mut after = contents(&estate.sandbox.path(""));
    for name in new {
        assert!(after.remove(*name).is_some(), "{name} is not there: {said:?}");
    }
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "{arguments:?}: files");
    assert!(after == before, "{arguments:?}: a file was changed");
    assert_eq!(estate.deletes(), deletes, "{arguments:?}: something was sent");
    assert!(
        estate.emulator.tally().requests <= requests + 4,
        "two listings, and what lies behind their ends"
    );
    for line in said.stdout.lines().filter(|line| !line.starts_with('{')) {
        assert!(line.starts_with("(dry run) "), "{line}");
    }
    for line in said.stderr.lines() {
        let marked = ["(dry run) ", r#"{"dry_run":true,"#, "decom: "];
        assert!(marked.iter().any(|mark| line.starts_with(mark)), "{line}");
    }
    said
}

#[test]
fn everything_that_a_plan_shows() {
    let estate = estate();
    // One of them went in an earlier run.
    estate.sandbox.file("one.csv", "name\numbrella\n");
    assert_eq!(estate.decom(&["run", "one.csv", "--yes"]).run().code, 0);

    let flags = ["names.csv", "--protect", "st*", "--out", "plan.json"];
    let planned = plan(&estate, &flags, &["plan.json"]);
    settings().bind(|| {
        assert_snapshot!(planned.stdout, @r#"
        (dry run) 7 datasources on [host]
        (dry run)   2 will be deleted, 2 do not exist, 1 is in use, 1 is protected, 1 is already deleted
        (dry run)   2 rows repeat a name
        (dry run)       globex
        (dry run)   5 to delete
        (dry run)       globex
        (dry run)       Acme-prod
        (dry run)       nowhere
        (dry run)       initech
        (dry run)       wayne
        (dry run)   3 of them exist, of 11 datasources in all
        (dry run)   1 does not exist
        (dry run)       nowhere
        (dry run)   1 does not exist, but a similar name does:
        (dry run)       `Acme-prod` does not exist; `acme-prod` does, and differs in case
        (dry run)   1 in use, which the API refuses
        (dry run)       wayne  used by billing-insights-1 (tenancy DATABASE), marketing-overview-2 (tenancy DATABASE), billing-monthly-3 (tenancy DATABASE)
        (dry run)   1 protected and skipped
        (dry run)       stark  matches the protected pattern `st*`
        (dry run)   1 already deleted according to the audit log and skipped
        (dry run)       umbrella  deleted by run [run] at [time]
        (dry run)   about 1s at 480/2m
        (dry run)   guard max_deletes 500: passes
        (dry run)   guard max_share 50 %: passes
        (dry run) saved as plan.json, to be run until [time]
        (dry run) digest [sha256]
        "#);
        let shown = plan(&estate, &["--show", "plan.json"], &[]);
        assert_eq!(shown.code, 0, "{shown:?}");
        assert_snapshot!(shown.stdout, @r#"
        (dry run) plan: [id]
        (dry run) digest: [sha256] (it fits)
        (dry run) made: [time] by tester (logged in as tester)
        (dry run) may be run until: [time]
        (dry run) API: http://[host]
        (dry run) seal of the token: [sha256]
        (dry run) input: names.csv
        (dry run) input SHA-256: [sha256]
        (dry run) reason: none
        (dry run) ticket: none
        (dry run) guards: max_deletes 500, max_share 50 %, protected: st*
        (dry run) 5 to delete:
        (dry run)     Acme-prod
        (dry run)     globex
        (dry run)     initech
        (dry run)     nowhere
        (dry run)     wayne
        (dry run) 2 skipped:
        (dry run)     stark  matches the protected pattern `st*`
        (dry run)     umbrella  deleted by run [run] at [time]
        "#);
    });
    assert_eq!(planned.code, 0, "{planned:?}");
}

#[test]
fn a_guard_that_refuses_is_shown_with_the_plan() {
    let estate = estate();
    let refused =
        plan(&estate, &["names.csv", "--max-deletes", "3", "--max-share", "10", "--out", "plan.json"], &[]);
    assert_eq!(refused.code, 3, "{refused:?}");
    settings().bind(|| {
        let guards: Vec<_> = refused.stdout.lines().filter(|line| line.contains("guard")).collect();
        assert_snapshot!(guards.join("\n"), @r#"
        (dry run)   guard max_deletes 3: REFUSES: 7 datasources are to be deleted, and one run may delete 3; if all are meant, pass --max-deletes 7
        (dry run)   guard max_share 10 %: REFUSES: 5 of the 12 datasources that exist would be deleted (41.7 %), and one run may delete 10 %; if all are meant, raise --max-share
        "#);
        assert_snapshot!(refused.message(), @"7 datasources are to be deleted, and one run may delete 3; if all are meant, pass --max-deletes 7; 5 of the 12 datasources that exist would be deleted (41.7 %), and one run may delete 10 %; if all are meant, raise --max-share; nothing was sent");
    });
    assert!(refused.stdout.contains("Acme-prod"), "the plan is shown all the same");
}

#[test]
fn a_plan_as_json() {
    let estate = estate();
    let flags = ["names.csv", "--protect", "st*", "--output", "json"];
    let said = plan(&estate, &flags, &[]);
    assert_eq!(said.code, 0, "{said:?}");
    let planned: Value = serde_json::from_str(&said.stdout).unwrap();
    settings().bind(|| {
        assert_snapshot!(serde_json::to_string_pretty(&planned).unwrap(), @r#"
        {
          "already_deleted": [],
          "approved_by": null,
          "datamarts": null,
          "dry_run": true,
          "due": 6,
          "exists_again": [],
          "guards": [
            {
              "guard": "max_deletes 500",
              "holds": true,
              "limit": 500.0,
              "name": "max_deletes",
              "why": null
            },
            {
              "guard": "max_share 50 %",
              "holds": true,
              "limit": 50.0,
              "name": "max_share",
              "why": null
            }
          ],
          "host": "[host]",
          "kept": [],
          "listing": {
            "all": 12,
            "exist": 4,
            "in_use": [
              {
                "name": "wayne",
                "tenancy": [
                  "DATABASE",
                  "DATABASE",
                  "DATABASE"
                ],
                "used_by": [
                  "billing-insights-1",
                  "marketing-overview-2",
                  "billing-monthly-3"
                ]
              }
            ],
            "missing": [
              {
                "name": "Acme-prod",
                "near": [
                  "acme-prod"
                ]
              },
              {
                "name": "nowhere",
                "near": []
              }
            ],
            "shared": []
          },
          "on_hold": [],
          "plan_digest": null,
          "protected": [
            {
              "name": "stark",
              "why": "matches the protected pattern `st*`"
            }
          ],
          "rate": "480/2m",
          "repeated_names": [
            "globex"
          ],
          "repeated_rows": 2,
          "seconds": 1.0,
          "share": null,
          "targets": 7,
          "time": "1s",
          "to_delete": [
            "globex",
            "Acme-prod",
            "nowhere",
            "initech",
            "umbrella",
            "wayne"
          ],
          "unusual": [],
          "would_start": true
        }
        "#)
    });

    let refused = plan(&estate, &["names.csv", "--output", "json", "--max-deletes", "3"], &[]);
    assert_eq!(refused.code, 3);
    let planned: Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!((&planned["would_start"], &planned["guards"][0]["holds"]), (&false.into(), &false.into()));
}

#[test]
fn offline_needs_neither_token_nor_api() {
    let estate = estate();
    let mut command = estate.decom(&["plan", "names.csv", "--offline", "--protect", "st*"]);
    let offline = command.env_remove("DATABRAIN_TOKEN").run();
    assert_eq!((offline.code, estate.emulator.tally().requests), (0, 0), "{offline:?}");
    settings().bind(|| {
        assert_snapshot!(offline.stdout, @r#"
        (dry run) 7 datasources on [host]
        (dry run)   2 rows repeat a name
        (dry run)       globex
        (dry run)   6 to delete
        (dry run)       globex
        (dry run)       Acme-prod
        (dry run)       nowhere
        (dry run)       initech
        (dry run)       umbrella
        (dry run)       wayne
        (dry run)   existence was not checked: the API was not asked
        (dry run)   1 protected and skipped
        (dry run)       stark  matches the protected pattern `st*`
        (dry run)   guard max_deletes 500: passes
        (dry run)   guard max_share 50 %: not checked: the API was not asked
        "#)
    });

    let mut command = estate.decom(&["plan", "names.csv"]);
    let online = command.env_remove("DATABRAIN_TOKEN").run();
    assert_eq!((online.code, estate.emulator.tally().requests), (2, 0), "{online:?}");
    assert!(online.message().contains("--offline"), "{online:?}");

    // What no listing is needed for is decided all the same.
    let refused = plan(&estate, &["names.csv", "--offline", "--max-deletes", "3"], &[]);
    assert_eq!(refused.code, 3, "{refused:?}");
}

/// Without a listing there is no run, unless the guard that needs it is off.
#[test]
fn an_api_that_tells_nothing() {
    let server = Server::deleting();
    server.answer_listing(|_| Reply::status(404));
    let sandbox = Sandbox::new();
    sandbox.file("names.csv", "name\nacme\n");
    let asked = |flags: &[&str]| {
        sandbox.decom(&[&["plan", "names.csv", "--base-url", &server.url()], flags].concat()).run()
    };
    let refused = asked(&[]);
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(
        refused.message().contains("the total is unknown (cannot read the list of datasources"),
        "{refused:?}"
    );
    let listing = "(dry run)   existence was not checked: the listing could not be read";
    assert!(refused.stdout.lines().any(|line| line == listing), "{refused:?}");
    let shown = asked(&["--max-share", "100"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    // With a token that is not accepted no run would start, whatever the guards say.
    server.answer_listing(|_| Reply::status(401));
    for flags in [&[][..], &["--max-share", "100"]] {
        let refused = asked(flags);
        assert_eq!(refused.code, 4, "{refused:?}");
    }
    assert_eq!(server.deletions().len(), 0);
}

/// Whatever is there already stays: a plan under review, a link, the audit log.
#[test]
fn a_plan_overwrites_nothing() {
    let estate = estate();
    let sandbox = &estate.sandbox;
    plan(&estate, &["names.csv", "--out", "plan.json"], &["plan.json"]);
    sandbox.file("decom-audit.db.bak", "precious");
    std::os::unix::fs::symlink("nowhere", sandbox.path("dangling")).unwrap();
    std::os::unix::fs::symlink("decom-audit.db.bak", sandbox.path("link")).unwrap();
    for out in ["plan.json", "decom-audit.db.bak", "link", "dangling", "no/plan.json", "."] {
        let refused = estate.decom(&["plan", "names.csv", "--out", out]).run();
        assert_eq!(refused.code, 2, "{out}: {refused:?}");
        assert!(refused.message().contains(&format!("{out}: cannot save the plan")), "{out}: {refused:?}");
    }
    assert!(!sandbox.path("nowhere").exists());
    assert_eq!(std::fs::read(sandbox.path("decom-audit.db.bak")).unwrap(), b"precious");
    let saved = SavedPlan::read(&sandbox.path("plan.json")).unwrap().0;
    assert_eq!(saved.targets.len(), 7);
}

/// The log in the form of text, too, and every command that has a dry run.
#[test]
fn every_line_of_a_dry_run_says_so() {
    let estate = estate();
    let sandbox = &estate.sandbox;
    std::fs::create_dir(sandbox.path("logs")).unwrap();
    // Something for each of them: to go on with, and to try again.
    sandbox.file("odd.csv", "name\nnowhere\nglobex\n\" spaced\"\n\" spaced\"\n");
    let mut command = estate.decom(&["run", "odd.csv", "--yes", "--max-share", "100", "--concurrency", "1"]);
    let stopped = command.env("DATABRAIN_TOKEN", "dbn_live_another").run();
    assert_eq!(stopped.code, 4, "{stopped:?}");
    let log = contents(&sandbox.path(""))["decom-audit.db"].clone();
    let run_id = crate::support::column(&sandbox.log(), "SELECT run_id FROM runs").remove(0);
    sandbox.file("log.toml", "[log]\nformat = \"text\"\nlevel = \"debug\"\ndir = \"logs\"\n");
    for arguments in [
        &["plan", "odd.csv"][..],
        &["plan", "odd.csv", "--max-deletes", "1"],
        &["plan", "nowhere.csv"],
        &["run", "names.csv", "--dry-run"],
        &["run", "names.csv", "--dry-run", "--max-deletes", "1"],
        &["resume", "--dry-run"],
        &["resume", "--dry-run", "--max-deletes", "1"],
        &["retry", &run_id, "--dry-run"],
        &["rehearse", "names.csv", "--dry-run"],
    ] {
        for format in ["text", "json"] {
            let flags = [arguments, &["--config", "log.toml", "--log-format", format]].concat();
            let shown = estate.decom(&flags).run();
            assert!([0, 2, 3].contains(&shown.code), "{shown:?}");
            for line in shown.stdout.lines() {
                assert!(line.starts_with("(dry run) "), "{flags:?}: {line}");
            }
            assert!(shown.code != 0 || !shown.stdout.is_empty(), "{flags:?} shows nothing");
            let mark = if format == "text" { "(dry run) " } else { r#"{"dry_run":true,"# };
            for line in shown.stderr.lines() {
                assert!(line.starts_with(mark) || line.starts_with("decom: "), "{flags:?}: {line}");
                assert!(
                    format == "text"
                        || line.starts_with("decom: ")
                        || serde_json::from_str::<Value>(line).is_ok()
                );
            }
        }
    }
    for file in files_in(&sandbox.path("logs")) {
        for line in std::fs::read_to_string(sandbox.path("logs").join(file)).unwrap().lines() {
            assert_eq!(serde_json::from_str::<Value>(line).unwrap()["dry_run"], true, "{line}");
        }
    }
    assert_eq!(estate.deletes(), [("nowhere".to_owned(), false)], "of the run that was no dry one");
    assert_eq!(std::fs::read(sandbox.log()).unwrap(), log, "and nothing was recorded");
}

#[test]
fn a_large_plan_takes_seconds() {
    let names: Vec<_> = (0..20_000).map(|number| format!("tenant-{number:06}")).collect();
    let estate = Estate::with(names.clone(), Faults::none());
    let sandbox = &estate.sandbox;
    // A log in which much is known to be gone.
    sandbox.file("first.csv", format!("name\n{}\n", names[..500].join("\n")));
    let flags = ["run", "first.csv", "--yes", "--quiet", "--no-listing-check", "--concurrency", "64"];
    assert_eq!(estate.decom(&flags).run().code, 0);
    sandbox.file("names.csv", format!("name\n{}\n", names.join("\n")));
    let begun = Instant::now();
    let guards = ["--max-deletes", "20000", "--max-share", "100"];
    let flags = [&["names.csv", "--out", "plan.json", "--output", "json"], &guards[..]].concat();
    let planned = plan(&estate, &flags, &["plan.json"]);
    let took = begun.elapsed();
    assert_eq!(planned.code, 0);
    let planned: Value = serde_json::from_str(&planned.stdout).unwrap();
    assert_eq!((&planned["due"], &planned["listing"]["exist"]), (&19_500.into(), &19_500.into()));
    assert_eq!(planned["already_deleted"].as_array().unwrap().len(), 500);
    let (plan, _) = SavedPlan::read(&sandbox.path("plan.json")).unwrap();
    assert_eq!((plan.targets.len(), plan.skipped.len()), (19_500, 500));
    // Far more than it takes, and far less than one look through the log for every name.
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn there_is_something_to_plan() {
    for arguments in [
        &["plan"][..],
        &["plan", "names.csv", "--show", "plan.json"],
        &["plan", "--show", "plan.json", "--column", "name"],
        &["plan", "--show", "plan.json", "--no-header"],
        &["plan", "--show", "plan.json", "--delimiter", ";"],
        &["plan", "--show", "plan.json", "--offline"],
        &["plan", "names.csv", "--offline", "--out", "plan.json"],
        &["run", "--plan", "plan.json", "--column", "name"],
        &["run", "--plan", "plan.json", "--no-header"],
        &["run", "--plan", "plan.json", "--delimiter", ";"],
        // Who names an approval does not mean a run without one.
        &["run", "names.csv", "--yes", "--approval", "plan.json.sig"],
        &["run", "names.csv", "--yes", "--allowed-signers", "allowed_signers"],
        &["run", "names.csv", "--yes", "--revoked-signers", "revoked"],
    ] {
        let refused = Sandbox::new().decom(arguments).run();
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{arguments:?}: {refused:?}");
        assert!(refused.stderr.contains("Usage:"), "{arguments:?}: {refused:?}");
    }
}
