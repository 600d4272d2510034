//! `decom rehearse`: the whole of a run, from a clean folder, without a token, and without a trace
//! in the real audit log.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;

use crate::support::{Output, Sandbox, column, files_in, skipped};

/// The log that a rehearsal writes where no other is named.
const LOG: &str = "decom-audit-rehearsal.db";

/// As fast as it goes: the pace is not what these tests are about.
const FAST: &[&str] = &["--rate", "unlimited", "--latency", "0ms", "--concurrency", "32"];

/// `decom rehearse` with `arguments`, in a folder that holds a list of `names`, without a token.
fn rehearsed(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let mut command = sandbox.decom(&[&["rehearse"], arguments].concat());
    command.env_remove("DATABRAIN_TOKEN").env("DECOM_RETRY_FIRST_BACKOFF", "1ms").run()
}

/// A folder with a list of 60 names.
fn sixty() -> Sandbox {
    let sandbox = Sandbox::new();
    let names: Vec<_> = (1..=60).map(|number| format!("customer-{number}\n")).collect();
    sandbox.file("names.csv", format!("name\n{}", names.concat()));
    sandbox
}

/// How many targets ended how, according to the log.
fn outcomes(log: &Path) -> BTreeMap<String, u64> {
    let rows = column(log, "SELECT outcome || ' ' || count(*) FROM results GROUP BY outcome");
    rows.iter()
        .map(|row| row.split_once(' ').unwrap())
        .map(|(outcome, count)| (outcome.to_owned(), count.parse().unwrap()))
        .collect()
}

/// The counts as they are printed: `outcome  1 234  words`.
fn printed_counts(stdout: &str) -> BTreeMap<String, u64> {
    let after = stdout.split_once("finished.\n").expect("the run finished").1;
    let lines = after.lines().map(str::trim).skip_while(|line| line.is_empty());
    lines
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with('─'))
        .map(|line| {
            let (word, rest) = line.split_once(' ').unwrap();
            let digits = rest.split("   ").find(|part| part.trim().starts_with(|c: char| c.is_ascii_digit()));
            (word.to_owned(), digits.unwrap().replace(' ', "").parse().unwrap())
        })
        .collect()
}

#[test]
fn the_example_shows_what_a_newcomer_should_see() {
    let sandbox = Sandbox::new();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/examples/offboarding.csv");
    let said = rehearsed(&sandbox, &[&[example], FAST].concat());
    assert_eq!(said.code, 1, "some were in use: {said:?}");

    let log = sandbox.path(LOG);
    let outcomes = outcomes(&log);
    for outcome in ["deleted", "deleted_unconfirmed", "not_found", "in_use"] {
        assert!(outcomes[outcome] > 0, "{outcomes:?}");
    }
    let distinct = column(&log, "SELECT count(DISTINCT datasource) FROM results");
    let mut printed = printed_counts(&said.stdout);
    let planned = printed.remove("planned").unwrap();
    assert!(planned >= 1000 && distinct == [planned.to_string()], "{planned} {distinct:?}");
    assert_eq!(printed, outcomes);
    assert_eq!(printed.values().sum::<u64>(), planned, "all outcomes add up");
    let retried = column(&log, "SELECT count(*) FROM attempts WHERE attempt > 1");
    assert_ne!(retried, ["0"], "something was retried");
    assert!(said.stdout.contains("This was a rehearsal: nothing real was deleted."), "{}", said.stdout);
    assert_eq!(files_in(&sandbox.path("")), [LOG, &format!("{LOG}.lock")], "nothing else is left behind");
}

#[test]
fn names_in_use_are_shown_with_what_depends_on_them() {
    let sandbox = sixty();
    let said = rehearsed(&sandbox, &[&["names.csv", "--fault", "in-use=100%"], FAST].concat());
    assert_eq!(said.code, 1);
    assert_eq!(outcomes(&sandbox.path(LOG)), BTreeMap::from([("in_use".to_owned(), 60)]));
    let dependants = column(
        &sandbox.path(LOG),
        "SELECT group_concat(value, ', ') FROM results, json_each(detail) GROUP BY target ORDER BY target",
    );
    assert_eq!(dependants.len(), 60, "each has dependants");
    for (number, dependants) in dependants.iter().enumerate() {
        let line = format!("  in_use     customer-{}  ", number + 1);
        let line = said.stdout.lines().find(|printed| printed.starts_with(&line)).unwrap();
        assert!(line.ends_with(&format!("used by {dependants}")), "{line}");
    }
}

/// The commands that a rehearsal prints, to be tried.
fn queries(stdout: &str) -> Vec<&str> {
    stdout
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| line.starts_with("sqlite3 "))
        .collect()
}

#[test]
fn the_queries_that_are_printed_work() {
    let sandbox = sixty();
    // A folder whose name a shell would take apart.
    std::fs::create_dir(sandbox.path("it's a folder")).unwrap();
    let flags = ["names.csv", "--audit-db", "it's a folder/my log.db", "--fault", "http500=30%,missing=20%"];
    let said = rehearsed(&sandbox, &[&flags[..], FAST].concat());
    let queries = queries(&said.stdout);
    assert_eq!(queries.len(), 2, "{}", said.stdout);

    let shell = Command::new("sqlite3").arg("--version").output();
    if shell.is_err() {
        skipped("the printed queries in the sqlite3 shell", "there is no sqlite3");
    }
    for query in queries {
        let words = shlex::split(query).unwrap();
        let log = sandbox.path(&words[2]);
        assert!(!column(&log, &words[3]).is_empty(), "{query} finds nothing");
        if shell.as_ref().is_ok_and(|output| output.status.success()) {
            // As somebody would who copies the line into a terminal.
            let output =
                Command::new("sh").args(["-c", query]).current_dir(sandbox.path("")).output().unwrap();
            let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), output.stderr);
            assert!(output.status.success() && stderr.is_empty(), "{query}: {stderr:?}");
            assert!(stdout.contains("deleted") || stdout.contains("customer-"), "{stdout}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_outcomes() {
    let outcomes = |seed: &str| {
        let sandbox = sixty();
        let faults = ["--fault", "http500=20%,drop=10%,in-use=20%,missing=20%", "--seed", seed];
        rehearsed(&sandbox, &[&["names.csv"], &faults[..], FAST].concat());
        column(&sandbox.path(LOG), "SELECT datasource || ' ' || outcome FROM results ORDER BY datasource")
    };
    let first = outcomes("7");
    assert_eq!(first.len(), 60);
    assert_eq!(outcomes("7"), first);
    assert_ne!(outcomes("8"), first);
}

#[test]
fn without_faults_everything_is_gone() {
    let sandbox = sixty();
    let said = rehearsed(&sandbox, &[&["names.csv", "--fault", "none"], FAST].concat());
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(outcomes(&sandbox.path(LOG)), BTreeMap::from([("deleted".to_owned(), 60)]));
    assert!(!said.stdout.contains("Not deleted"), "{}", said.stdout);
}

#[test]
fn faults_that_do_not_exist() {
    let sandbox = sixty();
    let refused = |fault: &str| {
        let said = rehearsed(&sandbox, &["names.csv", "--fault", fault]);
        assert_eq!((said.code, said.stdout.as_str()), (2, ""));
        said.stderr.lines().next().unwrap().to_owned()
    };
    assert_snapshot!(refused("http600=5%"), @"error: invalid value 'http600=5%' for '--fault <FAULTS>': `http600=5%`: there is no fault `http600` (did you mean `http500`?); known are http500, http500-after, http502-html, http503, http503-retry, drop, drop-before, drop-after, truncate, slow, throttle, login-page, empty, http200-error, http204, gzip, in-use, missing, workspace, shared, new-datamart, moved-datamart, changed-datamart, shifting-pages");
    assert_snapshot!(refused("http500"), @"error: invalid value 'http500' for '--fault <FAULTS>': `http500` is not of the form KIND=PERCENT%, such as http500=5%");
    assert_snapshot!(refused("http500=5"), @"error: invalid value 'http500=5' for '--fault <FAULTS>': `http500=5`: `5` is not a percentage from 0% to 100% with at most 6 decimals");
    assert_snapshot!(refused("http500=60%,drop=60%"), @"error: invalid value 'http500=60%,drop=60%' for '--fault <FAULTS>': with `drop=60%` the faults of requests add up to 120%, which is more than 100%");
    assert_eq!(rehearsed(&sandbox, &["names.csv", "--seed", "-1"]).code, 2);
    assert_eq!(rehearsed(&sandbox, &["names.csv", "--latency", "soon"]).code, 2);
    assert_eq!(files_in(&sandbox.path("")), ["names.csv"]);
}

#[test]
fn guards_are_reported_and_do_not_stop_it() {
    let sandbox = sixty();
    let flags = ["names.csv", "--fault", "none", "--max-deletes", "59", "--protect", "customer-6?"];
    let said = rehearsed(&sandbox, &[&flags[..], FAST].concat());
    assert_eq!(said.code, 1, "one is protected, and that is an exception: {said:?}");
    let counts = BTreeMap::from([("deleted".to_owned(), 59), ("skipped".to_owned(), 1)]);
    assert_eq!(outcomes(&sandbox.path(LOG)), counts);
    assert!(!said.stdout.contains("would be refused"), "59 are within the guard: {}", said.stdout);

    let flags = ["names.csv", "--fault", "none", "--max-deletes", "58", "--protect", "customer-6?"];
    let said = rehearsed(&sandbox, &[&flags[..], FAST].concat());
    assert_eq!(said.code, 1);
    let refusals: Vec<_> = said.stdout.lines().filter(|line| line.contains("refused")).collect();
    assert_eq!(
        refusals,
        ["The real run would be refused: 59 datasources are to be deleted, and one run may delete 58; \
            if all are meant, pass --max-deletes 59"]
    );
}

#[test]
fn the_real_log_is_left_alone() {
    let sandbox = sixty();
    sandbox.file("decom-audit.db", "not even looked at");
    sandbox.file("team.db", "nor this");
    let flags = [&["names.csv", "--fault", "none"], FAST].concat();
    assert_eq!(rehearsed(&sandbox, &flags).code, 0);
    assert_eq!(std::fs::read_to_string(sandbox.log()).unwrap(), "not even looked at");
    assert_eq!(column(&sandbox.path(LOG), "SELECT input FROM runs"), ["names.csv (rehearsal)"]);

    // Nor the one that the configuration names.
    let mut command = sandbox.decom(&[&["rehearse"], &flags[..]].concat());
    assert_eq!(command.env("DECOM_AUDIT_DB", "team.db").run().code, 0);
    assert_eq!(std::fs::read_to_string(sandbox.path("team.db")).unwrap(), "nor this");
    assert_eq!(column(&sandbox.path("team-rehearsal.db"), "SELECT planned FROM runs"), ["60"]);
}

#[test]
fn what_was_rehearsed_is_not_taken_for_done() {
    let sandbox = sixty();
    let flags = [&["names.csv", "--fault", "none"], FAST].concat();
    for _ in 0..2 {
        assert_eq!(rehearsed(&sandbox, &flags).code, 0);
    }
    let counts = column(&sandbox.path(LOG), "SELECT deleted || ' ' || skipped FROM runs");
    assert_eq!(counts, ["60 0", "60 0"], "each rehearsal begins anew");
}

#[test]
fn the_end_as_json_adds_up() {
    let sandbox = sixty();
    let faults = ["names.csv", "--output", "json", "--fault", "in-use=30%,missing=20%"];
    let said = rehearsed(&sandbox, &[&faults[..], FAST].concat());
    assert_eq!(said.code, 1);
    let end: serde_json::Value = serde_json::from_str(&said.stdout).expect("stdout is one JSON value");
    let count = |outcome: &str| end["run"][outcome].as_u64().unwrap();
    let outcomes = decom::domain::Outcome::ALL.map(|outcome| count(outcome.as_str()));
    assert_eq!(outcomes.iter().sum::<u64>(), 60);
    assert_eq!(count("planned"), 60);
    let listed = end["not_deleted"].as_array().unwrap();
    assert_eq!(listed.len() as u64, 60 - count("deleted"));
    assert!(listed.iter().all(|result| result["outcome"] != "deleted"));
    assert_eq!(end["run"]["exit_code"], 1);
}

#[test]
fn a_quiet_rehearsal_says_only_how_it_ended() {
    let sandbox = sixty();
    let said = rehearsed(&sandbox, &[&["names.csv", "--quiet", "--fault", "http500=20%"], FAST].concat());
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    assert!(said.stdout.contains("planned"), "{}", said.stdout);
}

#[test]
fn a_dry_rehearsal_leaves_nothing_behind() {
    let sandbox = sixty();
    let dry = rehearsed(&sandbox, &["names.csv", "--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    assert!(dry.stdout.contains("(dry run)   60 to delete"), "{dry:?}");
    assert!(dry.stdout.ends_with("(dry run) nothing was sent; the real run would start\n"), "{dry:?}");
    let refused = rehearsed(&sandbox, &["names.csv", "--dry-run", "--max-deletes", "59"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    assert_eq!(files_in(&sandbox.path("")), ["names.csv"]);
}

#[test]
fn it_keeps_to_a_limit_and_says_how_long_the_real_run_takes() {
    let sandbox = sixty();
    let flags = ["names.csv", "--fault", "none", "--rate", "60/1m", "--latency", "0ms"];
    let began = std::time::Instant::now();
    let said = rehearsed(&sandbox, &flags);
    assert_eq!(said.code, 0);
    // 60 times faster than one a second, all but a burst of one wait their turn.
    assert!(began.elapsed() >= std::time::Duration::from_secs(1) * 59 / 60, "{:?}", began.elapsed());
    let estimate = said.stdout.lines().find(|line| line.starts_with("The real run would take")).unwrap();
    assert_eq!(estimate, "The real run would take about 59s: 60 requests at 60/1m.");
    let settings =
        column(&sandbox.path(LOG), "SELECT detail ->> '$.settings.rate' FROM record WHERE kind = 'run'");
    assert_eq!(settings, ["60/1s"]);
}

#[test]
fn what_the_real_run_would_be_refused_for_is_found() {
    let sandbox = sixty();
    let bad = |flags: &[&str]| {
        let said = rehearsed(&sandbox, &[&["names.csv"], flags].concat());
        assert_eq!(said.code, 2, "{said:?}");
        said.message().to_owned()
    };
    assert!(bad(&["--base-url", "http://api.example.com"]).contains("--allow-http"));
    assert!(bad(&["--protect", "["]).starts_with("protection pattern"));
    assert!(bad(&["--concurrency", "0"]).starts_with("--concurrency"));
    assert_eq!(files_in(&sandbox.path("")), ["names.csv"]);
}
