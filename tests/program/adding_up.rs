//! Whatever the list, whatever goes wrong: every name ends in exactly one way, the counts add up, and
//! the log and the API agree on what is gone.

use std::collections::{BTreeMap, BTreeSet};

use decom::domain::{Outcome, skeleton};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::support::{Estate, column};

/// Few, so that lists repeat them.
const NAMES: &[&str] = &[
    "a", "b", "c", "A", " a", "prod-1", "prod-2", "x,y", "\"q\"", "é", "e\u{301}", "100%", "=1", "日本",
    "a+b", "a b",
];

const GLOBS: &[&str] = &["prod-*", "?", "*", "é", "[ab]*", "none-such"];

/// One run: what it is given, and what it meets.
#[derive(Debug, Clone)]
struct Case {
    rows: Vec<&'static str>,
    existing: Vec<&'static str>,
    protect: Vec<&'static str>,
    faults: String,
    concurrency: u32,
    max_attempts: u32,
    breaker: Option<u32>,
    listing_check: bool,
}

fn faults() -> impl Strategy<Value = String> {
    // Of those that befall a request, at most 6 × 16 %; names are in use, and half of the time missing.
    let of_requests = vec(0..=16_u32, 6);
    (of_requests, vec(0..=40_u32, 1..=2)).prop_map(|(requests, names)| {
        let kinds =
            ["http500", "http500-after", "http502-html", "drop", "truncate", "http503", "in-use", "missing"];
        let rates = requests.iter().chain(&names);
        let pieces: Vec<_> = kinds.iter().zip(rates).map(|(kind, rate)| format!("{kind}={rate}%")).collect();
        pieces.join(",")
    })
}

fn case() -> impl Strategy<Value = Case> {
    let lists = (vec(select(NAMES), 1..60), subsequence(NAMES, 0..=NAMES.len()), vec(select(GLOBS), 0..3));
    let settings = (faults(), 1..9_u32, 1..4_u32, proptest::option::weighted(0.3, 1..4_u32), any::<bool>());
    (lists, settings).prop_map(|((rows, existing, protect), settings)| {
        let (faults, concurrency, max_attempts, breaker, listing_check) = settings;
        Case { rows, existing, protect, faults, concurrency, max_attempts, breaker, listing_check }
    })
}

/// Runs the case, and returns the outcome of each name together with the exit code.
fn outcomes(case: &Case, estate: &Estate) -> (i32, BTreeMap<String, Outcome>) {
    let mut list = csv::Writer::from_writer(Vec::new());
    list.write_record(["name"]).unwrap();
    for name in &case.rows {
        list.write_record([name]).unwrap();
    }
    estate.sandbox.file("names.csv", list.into_inner().unwrap());
    let mut command = estate.decom(&["run", "names.csv", "--yes", "--max-share", "100", "--output", "json"]);
    for glob in &case.protect {
        command.args(["--protect", glob]);
    }
    let breaker = case.breaker.unwrap_or(1000).to_string();
    command
        .env("DECOM_CONCURRENCY", case.concurrency.to_string())
        .env("DECOM_MAX_ATTEMPTS", case.max_attempts.to_string())
        .env("DECOM_SAFETY_BREAKER_FAILURES", breaker)
        .env("DECOM_SAFETY_BREAKER_WINDOW", "1000")
        .env("DECOM_SAFETY_LISTING_CHECK", case.listing_check.to_string())
        .env("DECOM_RETRY_FIRST_BACKOFF", "1ms");
    let said = command.run();
    let log = estate.sandbox.log();

    // What is printed, what the view of runs says and what the view of results says is the same.
    let end: serde_json::Value = serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{said:?}"));
    let mut counts = BTreeMap::new();
    for outcome in Outcome::ALL {
        let of_runs = column(&log, &format!("SELECT {outcome} FROM runs"));
        let of_results = column(&log, &format!("SELECT count(*) FROM results WHERE outcome = '{outcome}'"));
        assert_eq!(of_runs, of_results, "{outcome}");
        assert_eq!(of_runs, [end["run"][outcome.as_str()].to_string()], "{outcome}");
        counts.insert(outcome, of_runs[0].parse::<u64>().unwrap());
    }
    let planned: u64 = counts.values().sum();
    assert_eq!(column(&log, "SELECT planned FROM runs"), [planned.to_string()], "the counts add up");
    assert_eq!(end["run"]["planned"], planned);
    assert_eq!(column(&log, "SELECT exit_code FROM runs"), [said.code.to_string()]);

    let names = column(&log, "SELECT datasource FROM results ORDER BY target");
    let ended = column(&log, "SELECT outcome FROM results ORDER BY target");
    let by_name: BTreeMap<_, _> =
        names.iter().cloned().zip(ended.iter().map(|word| word.parse().unwrap())).collect();
    assert_eq!(by_name.len(), names.len(), "each name has one outcome");
    assert_eq!(by_name.len() as u64, planned);
    (said.code, by_name)
}

fn holds(case: &Case) {
    let existing = case.existing.iter().map(|name| (*name).to_owned()).collect();
    let estate = Estate::with(existing, case.faults.parse().unwrap());
    let (code, outcomes) = outcomes(case, &estate);
    let of = |wanted: &[Outcome]| -> BTreeSet<&str> {
        outcomes.iter().filter(|(_, o)| wanted.contains(o)).map(|(name, _)| name.as_str()).collect()
    };

    let distinct: BTreeSet<_> = case.rows.iter().copied().collect();
    assert_eq!(of(&Outcome::ALL), distinct, "every name of the list, and no other");

    let requests = estate.deletes();
    let sent: BTreeSet<_> = requests.iter().map(|(name, _)| name.as_str()).collect();
    assert!(sent.is_disjoint(&of(&[Outcome::Skipped])), "what is skipped is never sent");
    let gone: BTreeSet<_> =
        requests.iter().filter(|(_, gone)| *gone).map(|(name, _)| name.as_str()).collect();
    let deleted = of(&[Outcome::Deleted, Outcome::DeletedUnconfirmed]);
    assert!(of(&[Outcome::Deleted]).is_subset(&gone), "what the API confirmed was deleted: {outcomes:?}");
    // Without a clear answer, that a name is not there may also mean that it never was.
    let there: BTreeSet<_> = case.existing.iter().copied().collect();
    let left: BTreeSet<_> = there.difference(&gone).copied().collect();
    if !case.faults.contains("missing") {
        assert!(of(&[Outcome::DeletedUnconfirmed]).is_disjoint(&left), "{outcomes:?}");
    }
    // A refusal ends a target whatever came before; that it is in doubt stays known to the next run.
    let rejected_in_doubt =
        "SELECT DISTINCT datasource FROM attempts JOIN results USING (run_id, target, datasource)
        WHERE outcome = 'rejected' AND verdict IN ('server_error', 'no_answer')";
    let rejected_in_doubt: BTreeSet<_> =
        column(&estate.sandbox.log(), rejected_in_doubt).into_iter().collect();
    let gone: BTreeSet<_> = gone.into_iter().filter(|name| !rejected_in_doubt.contains(*name)).collect();
    let may_be_gone = of(&[Outcome::Failed, Outcome::Unknown, Outcome::Pending]);
    assert!(gone.iter().all(|name| deleted.contains(name) || may_be_gone.contains(name)), "{outcomes:?}");

    let finished = of(&[Outcome::Pending]).is_empty();
    let all_gone = finished && deleted.len() == distinct.len();
    match code {
        0 => assert!(all_gone, "{outcomes:?}"),
        1 => assert!(finished && !all_gone, "{outcomes:?}"),
        4 => assert!(case.breaker.is_some(), "{outcomes:?}"),
        other => panic!("exit code {other}"),
    }
    if finished && case.listing_check && code != 4 {
        // The listing has settled what was in doubt, unless it may hold it in another spelling.
        let unknown = of(&[Outcome::Unknown]);
        let looks_alike =
            |name: &str| there.iter().any(|other| *other != name && skeleton(other) == skeleton(name));
        assert!(gone.iter().all(|name| deleted.contains(name) || unknown.contains(name)), "{outcomes:?}");
        assert!(unknown.iter().all(|name| looks_alike(name)), "{outcomes:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_name_ends_in_one_way_and_the_counts_add_up(case in case()) {
        holds(&case);
    }
}
