//! Names that must not be deleted for now: what a file of holds says, in every command that deletes.

use insta::assert_snapshot;

use crate::support::{Estate, Fault, Output, Sandbox, Server, column, decom};

const HEADER: &str = "name,reason,until\n";

fn hold(estate: &Estate, rows: &str) {
    estate.sandbox.file("holds.csv", format!("{HEADER}{rows}"));
}

/// `decom ARGUMENTS --yes` with the holds of `holds.csv`, and without a limit of the share.
fn held(estate: &Estate, arguments: &[&str]) -> Output {
    let flags = ["--holds", "holds.csv", "--yes", "--max-share", "100"];
    estate.decom(&[arguments, &flags].concat()).run()
}

fn list(estate: &Estate, names: &[&str]) {
    estate.sandbox.names("names.csv", names);
}

/// Every result of every run, in order.
fn results(estate: &Estate) -> Vec<String> {
    let query = "SELECT r.name || ' ' || r.outcome || coalesce(' ' || r.detail || ' ' || r.message, '')
                   FROM results r JOIN runs u USING (run_id) ORDER BY u.started_at, r.target";
    column(&estate.sandbox.log(), query)
}

#[test]
fn a_held_name_is_skipped_until_the_hold_is_lifted_and_the_next_run_takes_it() {
    let estate = Estate::of(&["acme", "globex", "initech"]);
    list(&estate, &["acme", "globex", "initech"]);
    hold(&estate, "acme,\"court, 4 O 12/26\",2999-12-31\ngl*,audit,\n");
    let said = held(&estate, &["run", "names.csv"]).expect(1);
    assert_snapshot!(said.stdout.lines().take(4).collect::<Vec<_>>().join("\n"), @r"
    Not deleted (2):
      skipped    acme  on_hold; held until 2999-12-31: court, 4 O 12/26
      skipped    globex  on_hold; held by `gl*`: audit
    ");
    assert!(said.stderr.contains("2 on hold and skipped"), "{}", said.stderr);
    hold(&estate, "acme,\"court, 4 O 12/26\",2020-01-31\n");
    held(&estate, &["run", "names.csv"]).expect(0);
    let first = [
        "acme skipped on_hold held until 2999-12-31: court, 4 O 12/26",
        "globex skipped on_hold held by `gl*`: audit",
        "initech deleted",
    ];
    let all = results(&estate);
    assert_eq!(all[..3], first);
    assert_eq!(all[3..5], ["acme deleted", "globex deleted"]);
    assert!(all[5].starts_with("initech skipped already_deleted"), "{all:?}");
    let verified = estate.sandbox.decom(&["audit", "verify"]).run();
    assert!(verified.stdout.contains("OK: the log is intact"), "{verified:?}");
}

#[test]
fn every_command_that_would_delete_shows_a_held_name() {
    let estate = Estate::of(&["acme", "globex", "other"]);
    list(&estate, &["acme", "globex"]);
    hold(&estate, "acme,court,\n");
    for arguments in [
        &["plan", "names.csv"][..],
        &["plan", "names.csv", "--offline"],
        &["run", "names.csv", "--dry-run"],
        &["rehearse", "names.csv", "--dry-run"],
    ] {
        let said = held(&estate, arguments).expect(0);
        assert!(said.stdout.contains("acme  held: court"), "{arguments:?}: {said:?}");
        assert!(said.stdout.contains("1 to delete"), "{arguments:?}: {said:?}");
    }
    let json = held(&estate, &["plan", "names.csv", "--json"]).expect(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["on_hold"], serde_json::json!([{ "name": "acme", "why": "held: court" }]));
    let rehearsed = held(&estate, &["rehearse", "names.csv", "--fault", "none"]).expect(1);
    assert!(rehearsed.stdout.contains("acme  on_hold; held: court"), "{}", rehearsed.stdout);
    assert_eq!(estate.deletes(), []);
    // By the environment, and by the configuration.
    let variable = estate.decom(&["plan", "names.csv"]).env("DECOM_HOLDS", "holds.csv").run().expect(0);
    assert!(variable.stdout.contains("acme  held: court"), "{}", variable.stdout);
    estate.sandbox.file("decom.toml", "[safety]\nholds = \"holds.csv\"\n");
    let file = estate.decom(&["plan", "names.csv", "--config", "decom.toml"]).run().expect(0);
    assert!(file.stdout.contains("acme  held: court"), "{}", file.stdout);
    let effective =
        estate.sandbox.decom(&["config", "--effective", "--config", "decom.toml"]).run().expect(0);
    assert!(effective.stdout.contains("holds = \"holds.csv\""), "{}", effective.stdout);
}

#[test]
fn holds_that_cannot_be_read_refuse_every_command() {
    let estate = Estate::of(&["acme", "other"]);
    list(&estate, &["acme"]);
    held(&estate, &["run", "names.csv"]).expect(2);
    for (content, message) in [
        ("", "holds.csv: a file of holds begins with the header `name,reason,until`, and this one is empty"),
        ("acme,court,\n", "holds.csv, line 1: a file of holds begins with the header `name,reason,until`"),
        ("name,reason,until\nacme,court,31.12.2026\n", "holds.csv, line 2: `31.12.2026` is not a date"),
        ("name,reason,until\n\nacme[,court,\n", "holds.csv, line 3: `acme[`: a `[` without its `]`"),
        ("name,reason,until\nacme,court, or so,\n", "holds.csv, line 2: 4 fields instead of the 3"),
    ] {
        estate.sandbox.file("holds.csv", content);
        for command in ["plan", "run", "rehearse"] {
            let said = held(&estate, &[command, "names.csv"]).expect(2);
            assert!(said.message().starts_with(message), "{command}: {}", said.message());
        }
    }
    assert_eq!(estate.deletes(), []);
    // Nothing is on hold, and somebody said so.
    estate.sandbox.file("holds.csv", HEADER);
    held(&estate, &["run", "names.csv"]).expect(0);
}

#[test]
fn a_token_in_the_holds_is_refused() {
    let estate = Estate::of(&["acme", "other"]);
    list(&estate, &["acme"]);
    hold(&estate, &format!("acme,{},\n", crate::support::TOKEN));
    let said = held(&estate, &["run", "names.csv"]).expect(2);
    assert!(said.message().contains("it holds the service token"), "{}", said.message());
    assert!(!said.stderr.contains(crate::support::TOKEN));
}

#[test]
fn spelling_takes_no_name_out_of_a_hold() {
    let estate = Estate::of(&["pr\u{43e}d-eu", "prod eu", "Prod-us", "other"]);
    list(&estate, &["pr\u{43e}d-eu", "prod eu", "Prod-us"]);
    hold(&estate, "prod-*,court,\n\"prod\u{A0}eu\",court,\nzzz,x,\nyyy,x,\n");
    let said = held(&estate, &["plan", "names.csv"]).expect(0);
    assert!(said.stdout.contains("2 on hold and skipped"), "{}", said.stdout);
    for warning in [
        "2 names are held only because they look like a match of a hold: `pr\u{43e}d-eu`, hold `prod-*`",
        "1 name that a hold matches but for case is not held: `Prod-us`, hold `prod-*`",
        "the hold `zzz` and 1 other match nothing, neither in the input nor among the datasources that exist",
    ] {
        assert!(said.stderr.contains(warning), "{}", said.stderr);
    }
}

#[test]
fn a_plan_that_was_approved_before_skips_what_is_held_now_and_what_was_held_needs_a_new_plan() {
    let estate = Estate::of(&["acme", "globex", "initech", "other"]);
    list(&estate, &["acme", "globex", "initech"]);
    hold(&estate, "globex,audit,\n");
    held(&estate, &["plan", "names.csv", "--out", "plan.json"]).expect(0);
    // One comes on hold, and another hold is over.
    hold(&estate, "acme,court,\n");
    let said = held(&estate, &["run", "--plan", "plan.json"]).expect(1);
    assert!(said.stdout.contains("acme  on_hold; held: court"), "{}", said.stdout);
    assert!(said.stdout.contains("globex  on_hold; held: audit"), "{}", said.stdout);
    assert_eq!(estate.deletes(), [("initech".to_owned(), true)]);
    hold(&estate, "");
    let again = held(&estate, &["run", "--plan", "plan.json"]).expect(3);
    assert!(again.message().contains("has carried out the plan already; make a new one"), "{again:?}");
    held(&estate, &["plan", "names.csv", "--out", "second.json"]).expect(0);
    held(&estate, &["run", "--plan", "second.json"]).expect(0);
}

#[test]
fn what_was_accepted_fails_no_night_and_changes_no_report() {
    let estate = Estate::of(&["acme", "globex", "prod", "needed"]);
    list(&estate, &["acme", "globex", "prod", "nowhere"]);
    hold(&estate, "acme,court,\n");
    let night = |accept: &str| {
        let arguments =
            ["run", "names.csv", "--holds", "holds.csv", "--protect", "prod", "--max-share", "100", "--yes"];
        estate.decom(&arguments).env("DECOM_RUN_ACCEPT", accept).run()
    };
    let strict = night("").expect(1);
    for (accept, code) in [
        ("not_found,protected,on_hold", 0),
        ("protected,on_hold", 1),
        ("not_found,on_hold", 1),
        ("not_found,protected", 1),
        ("not_found,skipped", 0),
        ("on_hold,on_hold,on_hold", 1),
        ("given_back", 2),
    ] {
        let said = night(accept);
        assert_eq!(said.code, code, "{accept}: {said:?}");
        if code < 2 {
            for line in strict.stdout.lines().filter(|line| line.contains("; ")) {
                assert!(said.stdout.contains(line), "{accept}: {line}: {}", said.stdout);
            }
            assert!(said.stdout.contains("Not deleted (3):"), "{}", said.stdout);
        }
    }
    let message = night("already_deleted").expect(2);
    assert!(message.message().contains("unknown, skipped, protected, on_hold"), "{message:?}");
    // What is accepted as not found must not be there, and what is held may.
    estate.sandbox.file("decom.toml", "[run]\naccept = [\"protected\", \"on_hold\"]\n");
    let arguments = ["run", "names.csv", "--config", "decom.toml", "--ignore-not-found"];
    let flags = ["--holds", "holds.csv", "--protect", "prod", "--max-share", "100", "--yes"];
    estate.decom(&[&arguments[..], &flags].concat()).run().expect(0);
    let page = estate.sandbox.decom(&["report", "--format", "html"]).run().expect(0).stdout;
    assert!(
        page.contains("Complete with exceptions") && page.contains("On hold"),
        "acceptance changes no report"
    );
}

/// A server that answers nothing clearly at first, and its one target in doubt.
fn in_doubt(sandbox: &Sandbox) -> Server {
    let server = Server::start(|_| Fault::CloseBeforeAnswer.into());
    let ended = crate::support::run(sandbox, &server, &["a"]).expect(1);
    assert_eq!(ended.outcome("a"), "unknown");
    sandbox.file("holds.csv", format!("{HEADER}a,court,\n"));
    server
}

#[test]
fn what_was_attempted_in_doubt_and_is_held_now_is_settled_by_the_listing() {
    for (listed, outcome) in
        [(&["a"][..], "failed still_listed"), (&[], "deleted_unconfirmed absent_from_listing")]
    {
        for command in [&["retry"][..], &["run", "names.csv"]] {
            let sandbox = Sandbox::new();
            let server = in_doubt(&sandbox);
            let sent = server.deletions().len();
            server.list(listed);
            let mut run = decom(&sandbox, &server, &[command, &["--holds", "holds.csv"]].concat());
            let ended = run.env("DECOM_SAFETY_LISTING_CHECK", "true").run();
            assert_eq!(ended.outcome_and_evidence("a"), outcome, "{command:?}: {ended:?}");
            assert_eq!(server.deletions().len(), sent, "it was sent again");
            let verified = sandbox.decom(&["audit", "verify"]).run();
            assert!(verified.stdout.contains("OK: the log is intact"), "{verified:?}");
        }
    }
}
