//! The threads that share the work of HTTP where nothing but the audit log holds the rate back.

use std::collections::{BTreeMap, BTreeSet};

use rustix::thread::{CpuSet, sched_getaffinity};

use crate::support::Sandbox;
use crate::support::gate::Gate;
use crate::support::live::{Running, start};
use crate::support::session::csv;

/// The numbers of the processors in a set.
fn numbers(set: &CpuSet) -> BTreeSet<usize> {
    (0..CpuSet::MAX_CPU).filter(|number| set.is_set(*number)).collect()
}

/// The processors that each thread may run on which requests leave from, or which writes the log.
fn threads(running: &Running) -> BTreeMap<String, BTreeSet<usize>> {
    let threads = running.threads().into_iter().map(|(name, set)| (name, numbers(&set)));
    threads.filter(|(name, _)| name == "decom" || name == "audit" || name.starts_with("lane ")).collect()
}

/// What this test may run on, as `decom` may, too.
fn all() -> BTreeSet<usize> {
    numbers(&sched_getaffinity(None).unwrap())
}

/// Looks at the threads of a run while `concurrency` requests are under way.
fn while_under_way(concurrency: usize, rate: &str) -> BTreeMap<String, BTreeSet<usize>> {
    let gate = Gate::default();
    let server = gate.server();
    let sandbox = Sandbox::new();
    let names: Vec<_> = (0..3 * concurrency).map(|number| format!("n-{number}")).collect();
    let input = csv(&sandbox, &names);
    let concurrency_flag = concurrency.to_string();
    let arguments = ["run", &input, "--rate", rate, "--concurrency", &concurrency_flag];
    let running = start(&sandbox, &server, &arguments, &[("DECOM_API_RESPONSE_TIMEOUT", "1h")]);
    server.wait_until(|seen| seen.len() >= concurrency);
    let threads = threads(&running);
    gate.open();
    let ended = running.ended(&sandbox).expect(0);
    assert!(ended.results.values().all(|row| row.outcome == "deleted"), "{ended:#?}");
    assert_eq!(server.deletions().len(), 3 * concurrency);
    threads
}

#[test]
fn at_full_speed_no_lane_is_in_the_way_of_another() {
    let mut lanes = while_under_way(64, "unlimited");
    let log = lanes.remove("audit").unwrap();
    let expected = std::thread::available_parallelism().unwrap().get().min(4);
    assert_eq!(lanes.len(), expected, "{lanes:?}");
    if lanes.len() > 1 {
        let together: usize = lanes.values().map(BTreeSet::len).sum();
        let shared_out: BTreeSet<_> = lanes.values().flatten().copied().collect();
        assert_eq!((together, shared_out), (all().len(), all()), "each processor is of one of {lanes:?}");
        assert_eq!(log, lanes[&format!("lane {}", expected - 1)]);
    }
}

#[test]
fn a_rate_needs_one_lane_and_no_processor_of_its_own() {
    for (concurrency, rate) in [(64, "100000/1s"), (8, "unlimited")] {
        let anywhere = ["audit", "decom"].map(|thread| (thread.to_owned(), all()));
        assert_eq!(while_under_way(concurrency, rate), BTreeMap::from(anywhere));
    }
}
