//! Kills the real program with SIGKILL at random instants over a server on a bad day, lets it
//! continue until it is finished, and then holds the server's own account against the audit log.
//!
//! A short round runs with every `cargo test`. The long one:
//! `DECOM_CRASH_KILLS=1000 cargo test --release --test crash`. Everything random comes from one
//! seed, which is printed; `DECOM_CRASH_SEED=<seed>` gives the same lists, faults and instants again.
//! `DECOM_PROGRAM` names another executable than the one that was built with the test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod account;
mod chain;
mod checks;
mod groups;
mod log;
mod round;

use std::io::Write;
use std::time::Instant;

use rand::{RngExt, SeedableRng};

/// How many kills a short round has: a few seconds of them.
const KILLS: u64 = 30;

/// What all rounds together showed.
#[derive(Debug, Default)]
pub struct Report {
    pub rounds: u64,
    pub targets: u64,
    pub processes: u64,
    pub kills: u64,
    pub requests: u64,
    pub deletions: u64,
    pub in_doubt: u64,
    pub most_in_doubt: u64,
    pub outcomes: std::collections::BTreeMap<String, u64>,
    pub violations: Vec<String>,
}

/// What is tested.
fn program() -> std::path::PathBuf {
    std::env::var_os("DECOM_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_decom").into(), Into::into)
}

#[test]
fn kill_dash_nine_at_any_instant_loses_nothing() {
    rounds("crash rounds", false);
}

/// The same over datasources with datamarts: none is sent before its own are gone, and nothing that was not planned.
#[test]
fn kill_dash_nine_at_any_instant_keeps_the_order_within_groups() {
    rounds("crash rounds with datamarts", true);
}

fn rounds(title: &str, with_datamarts: bool) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let wanted = number("DECOM_CRASH_KILLS").unwrap_or(KILLS);
    let seed = number("DECOM_CRASH_SEED").unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let begun = Instant::now();
    let mut report = Report::default();
    while report.kills < wanted {
        let before = report.violations.len();
        round::play(&mut random, &mut report, with_datamarts);
        for violation in &mut report.violations[before..] {
            *violation = format!("seed {seed}, round {}: {violation}", report.rounds);
        }
    }
    // Straight to the file, so that the test harness does not keep it to itself.
    let mut out = std::io::stderr();
    writeln!(
        out,
        "\n{title}, seed {seed}: {} rounds, {} processes, {} kills, {} targets, {} requests, \
         {} deletions, {} attempts in doubt after kills (at most {} after one), {} violations, {:.0?}\n\
         outcomes: {:?}",
        report.rounds,
        report.processes,
        report.kills,
        report.targets,
        report.requests,
        report.deletions,
        report.in_doubt,
        report.most_in_doubt,
        report.violations.len(),
        begun.elapsed(),
        report.outcomes,
    )
    .unwrap();
    // A harness that never met an attempt in doubt, or never killed, would prove nothing.
    assert!(report.in_doubt > 0 && report.deletions > 0, "the rounds were too tame: {report:?}");
    assert!(report.violations.is_empty(), "{}", report.violations.join("\n"));
}
