//! What a plan binds whoever goes on with it to: its token, its time, its reason, and what it skips.

use decom::plan::SavedPlan;

use crate::plan_runs::planned;
use crate::support::{Estate, Output, column};

/// An API in which the first planned name is in use, which stops a canary.
fn estate() -> Estate {
    Estate::with_first_in_use(&["acme", "globex", "zeta", "other-1", "other-2", "other-3"])
}

fn run(estate: &Estate, flags: &[&str]) -> Output {
    estate.decom(&[&["run", "--plan", "plan.json", "--yes"], flags].concat()).run()
}

fn run_id(estate: &Estate) -> String {
    column(&estate.sandbox.log(), "SELECT run_id FROM runs ORDER BY started_at DESC LIMIT 1").remove(0)
}

#[test]
fn nobody_goes_on_with_a_plan_by_another_token() {
    let estate = estate();
    planned(&estate, &[]);
    estate.sandbox.file("same.csv", "name\nacme\nglobex\nzeta\n");
    assert_eq!(run(&estate, &["--canary", "1"]).code, 4);
    let first = run_id(&estate);
    let refuses = |arguments: &[&str], wanted: &str| {
        let (requests, log) =
            (estate.emulator.tally().requests, std::fs::read(estate.sandbox.log()).unwrap());
        for dry in [&[][..], &["--dry-run"]] {
            let mut command = estate.decom(&[arguments, &["--yes"], dry].concat());
            let refused = command.env("DATABRAIN_TOKEN", "dbn_live_another").run();
            assert_eq!((refused.code, refused.stdout.as_str()), (3, ""), "{arguments:?}: {refused:?}");
            assert!(refused.message().contains(wanted), "{arguments:?}: {refused:?}");
        }
        assert_eq!(estate.emulator.tally().requests, requests, "{arguments:?}: something was sent");
        assert_eq!(
            std::fs::read(estate.sandbox.log()).unwrap(),
            log,
            "{arguments:?}: something was recorded"
        );
    };
    let begun = format!("run {first} carries out a plan and began with another service token");
    refuses(&["resume"], &begun);
    refuses(&["resume", &first], &begun);
    refuses(&["run", "same.csv"], &begun);
    refuses(&["retry", &first, "--outcome", "in_use,pending"], &begun);
    refuses(&["run", "--plan", "plan.json"], "the plan was made with another service token");
    // Nor with what came of it.
    let retried = estate.decom(&["retry", &first, "--outcome", "in_use", "--yes"]).run();
    assert_eq!(retried.code, 1, "{retried:?}");
    refuses(&["retry", &run_id(&estate), "--outcome", "in_use"], "began with another service token");

    let resumed = estate.decom(&["resume", &first, "--yes"]).run();
    assert_eq!(resumed.code, 1, "acme is in use: {resumed:?}");
    assert_eq!(estate.deletes().len(), 4, "acme twice, and the other two");
}

/// Where there is no plan, a token may be rotated: then the API is asked what it is worth.
#[test]
fn a_run_without_a_plan_goes_on_with_any_token() {
    let estate = estate();
    estate.sandbox.file("names.csv", "name\nacme\nglobex\n");
    assert_eq!(estate.decom(&["run", "names.csv", "--yes", "--canary", "1"]).run().code, 4);
    for arguments in [&["resume"][..], &["run", "names.csv"], &["retry", "20", "--outcome", "in_use"]] {
        let requests = estate.emulator.tally().requests;
        let mut command = estate.decom(&[arguments, &["--yes"]].concat());
        let asked = command.env("DATABRAIN_TOKEN", "dbn_live_another").run();
        assert_eq!(asked.code, 4, "{asked:?}");
        assert!(estate.emulator.tally().requests > requests, "{arguments:?}");
    }
}

/// Plans for ever longer, until `begin` was quick enough; then waits until that time is over.
fn expired(estate: &Estate, begin: impl Fn() -> bool) {
    for seconds in ["2s", "4s", "8s", "16s", "32s"] {
        let _ = std::fs::remove_file(estate.sandbox.path("plan.json"));
        planned(estate, &["--valid-for", seconds]);
        if begin() {
            loop {
                let shown = estate.sandbox.decom(&["plan", "--show", "plan.json"]).run();
                if shown.stdout.contains("(dry run) EXPIRED at: ") {
                    return;
                }
                assert!(shown.stdout.contains("(dry run) may be run until: "), "{shown:?}");
            }
        }
    }
    panic!("half a minute is not enough to begin");
}

#[test]
fn what_was_begun_in_time_is_gone_on_with_by_its_own_name() {
    let estate = estate();
    expired(&estate, || run(&estate, &["--canary", "1"]).code == 4);
    let (requests, run_id) = (estate.emulator.tally().requests, run_id(&estate));
    let refused = run(&estate, &[]);
    assert_eq!(refused.code, 3, "{refused:?}");
    let wanted = format!("run {run_id} of it began in time, and `decom resume {run_id}` continues it");
    assert!(refused.message().contains(&wanted), "{refused:?}");
    assert_eq!(estate.emulator.tally().requests, requests);
    assert_eq!(estate.decom(&["resume", "--yes"]).run().code, 1);
    assert_eq!(estate.deletes().len(), 3);
    let over = run(&estate, &[]);
    assert!(over.message().contains("the plan expired at "), "{over:?}");
    assert!(!over.message().contains("decom resume"), "there is nothing left of it: {over:?}");
}

#[test]
fn the_reason_and_the_ticket_are_those_of_the_plan() {
    let why = |flags: &[&str]| {
        let estate = estate();
        planned(&estate, &["--reason", "clean up", "--ticket", "T-1"]);
        assert_eq!(run(&estate, flags).code, 1);
        column(&estate.sandbox.log(), "SELECT reason || ' ' || ticket FROM runs").remove(0)
    };
    assert_eq!(why(&[]), "clean up T-1");
    assert_eq!(why(&["--ticket", "T-2"]), "clean up T-2", "given anew");
}

#[test]
fn what_a_plan_skips_is_in_its_run_and_stays_protected() {
    let estate = estate();
    let path = planned(&estate, &["--protect", "ze*"]);
    assert_eq!(SavedPlan::read(&path).unwrap().0.skipped.len(), 1);
    let ran = run(&estate, &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let log = estate.sandbox.log();
    let of_zeta =
        "SELECT outcome || ', ' || detail || ', ' || message FROM results WHERE datasource = 'zeta'";
    assert_eq!(column(&log, of_zeta), ["skipped, protected, matches the protected pattern `ze*`"]);
    assert_eq!(column(&log, "SELECT planned || ' ' || skipped FROM runs"), ["3 1"]);
    // Its protection goes with it, however it is tried again.
    let retried = estate.decom(&["retry", &run_id(&estate), "--outcome", "skipped", "--yes"]).run();
    assert_eq!(retried.code, 1, "{retried:?}");
    assert_eq!(column(&log, of_zeta).len(), 2);
    assert!(estate.deletes().iter().all(|(name, _)| name != "zeta"), "{:?}", estate.deletes());
}

/// Exactly what was reviewed: not even `--again` sends what the plan does not list, in whichever log.
#[test]
fn what_a_plan_skips_as_gone_is_not_sent_again() {
    for flags in [&["--again"][..], &["--audit-db", "another.db"]] {
        let estate = estate();
        estate.sandbox.file("one.csv", "name\nglobex\n");
        assert_eq!(estate.decom(&["run", "one.csv", "--yes"]).run().code, 0);
        planned(&estate, &[]);
        let ran = run(&estate, flags);
        assert_eq!(ran.code, 1, "acme is in use: {ran:?}");
        assert!(ran.stdout.contains("  skipped    globex  already_deleted; deleted by run "), "{ran:?}");
        assert_eq!(estate.deletes().iter().filter(|(name, _)| name == "globex").count(), 1);
    }
}

#[test]
fn a_retry_keeps_the_protection_of_the_earlier_run() {
    let estate = estate();
    estate.sandbox.file("names.csv", "name\nglobex\nzeta\n");
    assert_eq!(estate.decom(&["run", "names.csv", "--yes", "--protect", "z*"]).run().code, 1);
    for _ in 0..2 {
        // A retry of a retry, too.
        let retry = ["retry", &run_id(&estate), "--outcome", "skipped", "--yes"];
        assert_eq!(estate.decom(&retry).run().code, 1);
    }
    assert_eq!(estate.deletes(), [("globex".to_owned(), true)]);
    let skipped = "SELECT count(*) FROM results WHERE datasource = 'zeta' AND detail = 'protected'";
    assert_eq!(column(&estate.sandbox.log(), skipped), ["3"]);
}

/// Truncated, with more behind it, with a key twice, without one, or with one more: it was a plan.
#[test]
fn a_damaged_plan_is_an_altered_one() {
    let estate = estate();
    let good = std::fs::read_to_string(planned(&estate, &[])).unwrap();
    let requests = estate.emulator.tally().requests;
    let cases = [
        ("truncated", good[..good.len() / 2].to_owned(), "EOF while parsing"),
        ("more behind it", format!("{good}x"), "trailing characters"),
        ("twice", format!("{good}{good}"), "trailing characters"),
        (
            "a key twice",
            good.replacen("\"targets\":", "\"targets\": [], \"targets\":", 1),
            "duplicate field `targets`",
        ),
        ("a key more", good.replacen('{', "{\"x\": 1,", 1), "unknown field `x`"),
        (
            "a key less",
            good.replacen("\"reason\": null,", "", 1).replacen("\"guards\"", "\"guard\"", 1),
            "unknown field `guard`",
        ),
        ("a mark", format!("\u{feff}{good}"), "it begins with a byte order mark"),
        ("another format", good.replacen("\"format\": 1,", "\"format\": 2,", 1), "its digest does not match"),
    ];
    for (what, text, wanted) in cases {
        assert_ne!(text, good, "{what}");
        estate.sandbox.file("plan.json", text);
        let shown = estate.sandbox.decom(&["plan", "--show", "plan.json"]).run();
        for refused in [run(&estate, &[]), shown] {
            assert_eq!((refused.code, refused.stdout.as_str()), (3, ""), "{what}: {refused:?}");
            let message = refused.message();
            assert!(message.contains("the plan was altered after it was made: "), "{what}: {message}");
            assert!(message.contains(wanted), "{what}: {message}");
        }
    }
    assert_eq!(estate.emulator.tally().requests, requests);
    // Of another version, which may hold what this one does not know.
    let newer = good.replacen("\"format\": 1,", "\"format\": 3, \"more\": 3,", 1);
    estate.sandbox.file("plan.json", newer);
    let refused = run(&estate, &[]);
    assert!(
        refused.message().contains("its format is 3, and this version of decom reads 1 and 2"),
        "{refused:?}"
    );
    assert_eq!(refused.code, 2);
}

/// Whoever comes second is refused, and nothing is sent twice; also where there is no log yet.
#[test]
fn a_plan_that_several_run_at_once_is_run_once() {
    for empty in [false, true] {
        let estate = Estate::of(&["acme", "globex", "zeta", "other-1", "other-2", "other-3", "other-4"]);
        planned(&estate, &[]);
        if empty {
            estate.sandbox.file("decom-audit.db", "");
        }
        let flags = ["run", "--plan", "plan.json", "--yes", "--rate", "unlimited", "--base-url"];
        let all: Vec<_> =
            (0..4).map(|_| estate.sandbox.decom(&flags).arg(estate.emulator.base_url()).start()).collect();
        let mut codes = vec![];
        for one in all {
            let output = one.finish();
            // Too late, or while another holds the log.
            assert!([0, 3, 4].contains(&output.code), "{output:?}");
            codes.push(output.code);
        }
        assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
        assert_eq!(estate.deletes().len(), 3);
    }
}

#[test]
fn a_saved_plan_shows_all_that_a_reviewer_has_to_know() {
    let estate = estate();
    estate
        .sandbox
        .file("names.csv", "name,reason,ticket\n\" globex\",,\nacme,contract ended,OFF-1\nzeta,,OFF-2\n");
    let flags = ["plan", "names.csv", "--protect", "ze*", "--out", "plan.json"];
    let made = estate.decom(&flags).run();
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.stdout.contains("\n(dry run)       \" globex\"\n"), "{made:?}");
    let shown = estate.sandbox.decom(&["plan", "--show", "plan.json"]).run();
    for line in [
        "(dry run)     \" globex\"",
        "(dry run)     acme  reason: contract ended  ticket: OFF-1",
        "(dry run)     zeta  matches the protected pattern `ze*`  ticket: OFF-2",
    ] {
        assert!(shown.stdout.lines().any(|shown| shown == line), "`{line}` is not in {}", shown.stdout);
    }
    let dash = estate.decom(&["plan", "names.csv", "--out", "-"]).run();
    assert_eq!((dash.code, dash.stdout.as_str()), (2, ""), "{dash:?}");
    assert!(dash.message().contains("a plan is saved to a file"), "{dash:?}");
    assert!(!estate.sandbox.path("-").exists());
}
