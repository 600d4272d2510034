//! Every guard: on by default, all or nothing, before the first request; and the canary.

use std::collections::{BTreeSet, HashSet};

use decom::emulator::{EmulatorOptions, Faults};

use crate::support::{Estate, Output, TOKEN, column};

const THERE: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

fn estate(rows: &[&str]) -> Estate {
    let estate = Estate::of(THERE);
    estate.sandbox.file("names.csv", format!("name\n{}\n", rows.join("\n")));
    estate
}

fn sent(estate: &Estate) -> Vec<String> {
    estate.deletes().into_iter().map(|(name, _)| name).collect()
}

fn run(estate: &Estate, flags: &[&str]) -> Output {
    estate.decom(&[&["run", "names.csv", "--yes"], flags].concat()).run()
}

#[test]
fn every_refusal_sends_nothing() {
    let five_hundred_and_one: Vec<_> = (0..501).map(|number| format!("x{number}")).collect();
    let many: Vec<_> = five_hundred_and_one.iter().map(String::as_str).collect();
    let cases: &[(&[&str], &[&str], &str)] = &[
        (
            &many,
            &[],
            "501 datasources are to be deleted, and one run may delete 500; if all are meant, pass --max-deletes 501",
        ),
        (
            &["a", "b", "c"],
            &["--max-deletes", "2"],
            "3 datasources are to be deleted, and one run may delete 2; if all are meant, pass --max-deletes 3",
        ),
        (&["a"], &["--max-deletes", "0"], "if that is meant, pass --max-deletes 1"),
        (
            &["a", "b", "c", "d", "e", "f"],
            &[],
            "6 of the 10 datasources that exist would be deleted (60.0 %), and one run may delete 50 %; if all are meant, raise --max-share",
        ),
        (
            &["a"],
            &["--max-share", "9.9"],
            "1 of the 10 datasources that exist would be deleted (10.0 %), and one run may delete 9.9 %",
        ),
        (
            &["a", "b"],
            &["--max-deletes", "1", "--max-share", "1"],
            "if all are meant, pass --max-deletes 2; 2 of the 10 datasources",
        ),
    ];
    for (rows, flags, wanted) in cases {
        let estate = estate(rows);
        for more in [&[][..], &["--again"], &["--canary", "1"], &["--dry-run"]] {
            let refused = run(&estate, &[flags, more].concat());
            assert_eq!(refused.code, 3, "{wanted}: {refused:?}");
            assert!(refused.message().contains(wanted), "{wanted}: {refused:?}");
            assert!(refused.message().ends_with("nothing was sent"), "{refused:?}");
            assert_eq!((sent(&estate), estate.emulator.tally().deletions), (vec![], 0), "{wanted}");
        }
        assert_eq!(column(&estate.sandbox.log(), "SELECT run_id FROM runs"), [""; 0], "{wanted}");
    }
}

/// At a limit a run starts; a share counts what exists, and nothing else does.
#[test]
fn what_is_just_allowed() {
    for (rows, flags, code) in [
        (&["a", "b", "c", "d", "e"][..], &[][..], 0),
        (&["a", "b", "c", "d", "e"], &["--max-deletes", "5"], 0),
        (&["a", "a", "a", "b"], &["--max-deletes", "2"], 0),
        (&["a", "x", "y", "z"], &["--max-share", "10"], 1),
        (THERE, &["--max-share", "100"], 0),
    ] {
        let estate = estate(rows);
        let ran = run(&estate, flags);
        assert_eq!(ran.code, code, "{rows:?} {flags:?}: {ran:?}");
        let distinct: BTreeSet<_> = rows.iter().collect();
        assert_eq!(sent(&estate).len(), distinct.len(), "{rows:?}");
    }
}

/// With a token that is not accepted there is no listing and no run; at 100 % no listing is needed,
/// and none is asked for before the run.
#[test]
fn a_foreign_token() {
    let estate = estate(&["a"]);
    let foreign = |flags: &[&str]| {
        let mut command = estate.decom(&[&["run", "names.csv", "--yes"], flags].concat());
        command.env("DATABRAIN_TOKEN", "dbn_live_another").run()
    };
    let refused = foreign(&[]);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.message().contains("does not accept the token (HTTP 401)"), "{refused:?}");
    assert_eq!((sent(&estate), estate.emulator.tally().requests), (vec![], 1), "the listing alone");
    assert_eq!(foreign(&["--dry-run"]).code, 4, "a run would not start");
    // The first request is the deletion itself.
    let sent_at_once = foreign(&["--max-share", "100"]);
    assert_eq!(sent_at_once.code, 4, "{sent_at_once:?}");
    assert_eq!((sent(&estate), estate.emulator.tally().requests), (vec!["a".to_owned()], 3));
}

/// Protection always wins: over the input, `--again`, and every place that could take it away.
#[test]
fn what_is_protected_is_never_sent() {
    let estate = estate(&["a", "prod-1", "b", "prod-2"]);
    estate.sandbox.file("decom.toml", "[safety]\nprotect = [\"prod-1\"]\n");
    let flags = ["--config", "decom.toml", "--protect", "*-2", "--again", "--max-share", "100"];
    let ran = run(&estate, &flags);
    assert_eq!(ran.code, 1, "what is protected is not gone: {ran:?}");
    let mut names = sent(&estate);
    names.sort();
    assert_eq!(names, ["a", "b"]);
    let skipped =
        "SELECT datasource || ': ' || detail || ', ' || message FROM results WHERE outcome = 'skipped'";
    assert_eq!(
        column(&estate.sandbox.log(), skipped),
        [
            "prod-1: protected, matches the protected pattern `prod-1`",
            "prod-2: protected, matches the protected pattern `*-2`"
        ]
    );
    for name in ["prod-1", "prod-2"] {
        assert!(ran.stdout.contains(name), "it is listed at the end: {ran:?}");
    }
    // Protected names are not among what a guard counts.
    let estate = self::estate(&["a", "prod-1", "prod-2"]);
    assert_eq!(run(&estate, &["--protect", "prod-*", "--max-deletes", "1"]).code, 1);
}

#[test]
fn a_canary_that_ends_well_lets_the_rest_go() {
    for canary in ["1", "2", "4", "9"] {
        let estate = estate(&["a", "b", "c", "d"]);
        // One more in flight than there are: only the canary holds the others back.
        let ran = run(&estate, &["--canary", canary, "--concurrency", "8"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let first: usize = canary.parse().unwrap();
        let mut names = sent(&estate);
        let (canaries, rest) = names.split_at_mut(first.min(4));
        canaries.sort();
        rest.sort();
        assert_eq!([canaries, rest].concat(), ["a", "b", "c", "d"], "the first {canary} came first");
    }
}

#[test]
fn a_canary_that_does_not_end_well_stops_the_run_before_the_rest() {
    // In use by what no listing shows, failing and without an answer: anything but success.
    for (fault, outcome) in [("none", "in_use"), ("http500=100%", "failed"), ("drop-before=100%", "failed")] {
        let options = EmulatorOptions::new(TOKEN, THERE.iter().map(|name| (*name).to_owned()));
        let in_workspaces = match fault {
            "none" => THERE.iter().map(|name| (*name).to_owned()).collect(),
            _ => HashSet::new(),
        };
        let faults = fault.parse::<Faults>().unwrap();
        let estate = Estate::of_options(EmulatorOptions { faults, in_workspaces, ..options });
        estate.sandbox.file("names.csv", "name\na\nb\nc\nd\n");
        let stopped = run(&estate, &["--canary", "2", "--max-attempts", "1", "--max-share", "100"]);
        assert_eq!(stopped.code, 4, "{fault}: {stopped:?}");
        assert!(stopped.stdout.contains("It stopped early: canary `"), "{fault}: {stopped:?}");
        assert!(stopped.stdout.contains("decom resume "), "{fault}: {stopped:?}");
        assert!(sent(&estate).iter().all(|name| ["a", "b"].contains(&name.as_str())), "{fault}");
        let log = estate.sandbox.log();
        assert_eq!(column(&log, "SELECT status FROM runs"), ["stopped"], "{fault}");
        let ended = format!("SELECT count(*) > 0 FROM results WHERE outcome = '{outcome}'");
        assert_eq!(column(&log, &ended), ["1"], "{fault}");
        let waiting = "SELECT group_concat(datasource) FROM results WHERE target > 2 AND outcome = 'pending'";
        assert_eq!(column(&log, waiting), ["c,d"], "{fault}");

        // What is left is gone on with, all of it.
        let resumed = estate.decom(&["resume", "--yes", "--max-attempts", "1"]).run();
        assert_eq!(resumed.code, 1, "{fault}: {resumed:?}");
        assert_eq!(column(&log, "SELECT pending FROM runs"), ["0"], "{fault}");
        let names: BTreeSet<_> = sent(&estate).into_iter().collect();
        assert_eq!(names.len(), 4, "{fault}");
    }
}

/// What does not exist would prove nothing: it comes after the canary, wherever it stands in the list.
#[test]
fn a_canary_is_a_datasource_that_exists() {
    let estate = estate(&["absent", "a"]);
    let ran = run(&estate, &["--canary", "1", "--ignore-not-found"]);
    assert_eq!((ran.code, sent(&estate)), (0, vec!["a".to_owned(), "absent".to_owned()]), "{ran:?}");
}
