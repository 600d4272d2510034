//! Many names without a rate limit, with faults: memory stays flat, the counts are right, the log is sound.
//!
//! A short round runs with every `cargo test`. The long one takes minutes:
//! `DECOM_SOAK_NAMES=1000000 cargo test --release --test soak`. `DECOM_PROGRAM` names another executable than the one
//! that was built with the test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test"
)]

#[path = "crash/chain.rs"]
mod chain;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use decom::emulator::{Emulator, EmulatorOptions};
use rusqlite::Connection;
use tempfile::TempDir;

const TOKEN: &str = "dbn_live_soak0123456789";

/// Five in a hundred requests go wrong; two in a hundred names cannot be deleted at all.
const FAULTS: &str = "http500=2%,http500-after=0.5%,http502-html=0.5%,http503=0.3%,drop=1%,truncate=0.5%,slow=0.2%,\
                      in-use=1%,missing=1%";

const CONFIG: &str = r#"
[api]
response_timeout = "150ms"
[pace]
rate = "unlimited"
concurrency = 64
[retry]
first_backoff = "5ms"
longest_backoff = "50ms"
[safety]
max_deletes = 100000000
max_share = 100.0
"#;

/// How much more memory the last tenth of the run may take than its third tenth, in KiB: what an
/// allocator does not give back at once, and far less than a few bytes a name.
const SLACK: u64 = 8 * 1024;

/// How many names a short round has: a few seconds of them.
const NAMES: u64 = 10_000;

#[test]
fn memory_stays_flat_the_counts_right_and_the_log_sound() {
    let count: u64 = std::env::var("DECOM_SOAK_NAMES").map_or(NAMES, |text| text.parse().unwrap());
    let name = |number| format!("offboarding/tenant-{number:07}");
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut input = BufWriter::new(File::create(path("names.csv")).unwrap());
    writeln!(input, "name").unwrap();
    (0..count).for_each(|number| writeln!(input, "{}", name(number)).unwrap());
    drop(input);
    std::fs::write(path("config.toml"), CONFIG).unwrap();
    let emulator = Emulator::start(EmulatorOptions {
        faults: FAULTS.parse().unwrap(),
        seed: 7,
        ..EmulatorOptions::new(TOKEN, (0..count).map(name))
    })
    .unwrap();

    let begun = Instant::now();
    let output = |name| Stdio::from(File::create(path(name)).unwrap());
    let program = std::env::var_os("DECOM_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_decom").into());
    let mut child = Command::new(program)
        .current_dir(folder.path())
        .env_clear()
        .env("DATABRAIN_TOKEN", TOKEN)
        .args(["run", "names.csv", "--config", "config.toml", "--yes", "--quiet", "--audit-db", "audit.db"])
        .args(["--base-url", emulator.base_url()])
        .stdin(Stdio::null())
        .stdout(output("stdout"))
        .stderr(output("stderr"))
        .spawn()
        .unwrap();
    // (deletions at the server, resident KiB)
    let mut samples: Vec<(u64, u64)> = Vec::new();
    let (mut peak, mut first_request) = (0, None);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let (resident, highest) = memory(child.id()).unwrap_or_default();
        let done = emulator.tally().deletions;
        if done > 0 {
            first_request.get_or_insert_with(Instant::now);
            samples.push((done, resident));
        }
        peak = peak.max(highest);
        std::thread::sleep(Duration::from_millis(10));
    };
    let took = begun.elapsed();
    let stderr = std::fs::read_to_string(path("stderr")).unwrap();
    assert_eq!(status.code(), Some(1), "{}", &stderr[stderr.len().saturating_sub(2000)..]);

    let total = emulator.tally().deletions;
    let during = |from: u64, to: u64| {
        let within = |done: &u64| (total * from / 100..total * to / 100).contains(done);
        samples.iter().filter(|(done, _)| within(done)).map(|(_, resident)| *resident).max().unwrap_or(0)
    };
    let (early, late) = (during(20, 30), during(90, 100));

    let log = Connection::open(path("audit.db")).unwrap();
    let number = |query: &str| log.query_row(query, [], |row| row.get::<_, u64>(0)).unwrap();
    let outcomes: Vec<(String, u64)> = log
        .prepare("SELECT outcome, count(*) FROM results GROUP BY outcome ORDER BY 2 DESC")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let attempts = number("SELECT count(*) FROM record WHERE kind = 'send'");
    let hashes = chain::check(&log).unwrap();
    let size = std::fs::metadata(path("audit.db")).unwrap().len();
    writeln!(
        std::io::stderr(),
        "\nsoak: {count} names in {took:.1?} (first request after {:.1?}), {attempts} attempts, {} a second; \
         resident {early} KiB at 20 to 30 %, {late} KiB at 90 to 100 %, peak {peak} KiB; \
         log {size} bytes, {} records, {} bytes each; outcomes {outcomes:?}; {:?}",
        first_request.unwrap() - begun,
        attempts / took.as_secs().max(1),
        hashes.len(),
        size / hashes.len() as u64,
        emulator.tally(),
    )
    .unwrap();

    assert!(early > 0 && late > 0, "too short to tell: take more names");
    assert!(late <= early + SLACK, "memory grew from {early} to {late} KiB");
    assert_eq!(outcomes.iter().map(|(_, n)| n).sum::<u64>(), count);
    let of = |wanted: &str| outcomes.iter().find(|(outcome, _)| outcome == wanted).map_or(0, |(_, n)| *n);
    assert_eq!(of("pending") + of("rejected") + of("unknown") + of("skipped"), 0, "{outcomes:?}");
    let exists = number("SELECT count(*) FROM results WHERE outcome IN ('in_use', 'failed')");
    let never = number("SELECT count(*) FROM results v WHERE outcome = 'not_found' AND evidence = 'refused'");
    // A missing name whose first answers were unclear is deleted_unconfirmed: it cannot be told apart.
    let gone = of("deleted") + of("deleted_unconfirmed");
    assert_eq!(gone + exists + never, count);
    assert!(total <= gone && total >= of("deleted"), "{total} deletions at the server");
    assert_eq!(number("SELECT count(*) FROM runs WHERE status = 'finished' AND exit_code = 1"), 1);
    let sound: String = log.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

/// What a process takes now, and the most that it took, in KiB.
fn memory(process: u32) -> Option<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Some((field("VmRSS:")?, field("VmHWM:")?))
}
