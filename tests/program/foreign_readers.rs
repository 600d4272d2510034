//! Other programs read the audit log while a large run begins: they see the state before or after, never an
//! error and never a part of a run.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, OpenFlags};

use crate::support::{Reply, Sandbox, Server, skipped};

/// So many that it takes a while to write them.
const NAMES: usize = 30_000;

/// What each reader asks: how many targets all runs have.
const QUERY: &str = "SELECT coalesce(sum(planned), 0) FROM runs";

/// By a connection of its own for each query, which waits for no lock.
fn by_connection(log: &Path) -> Result<String, String> {
    let connection = Connection::open_with_flags(log, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let read = connection.and_then(|connection| {
        connection.busy_timeout(std::time::Duration::ZERO)?;
        connection.query_row(QUERY, [], |row| row.get::<_, usize>(0))
    });
    read.map(|planned| planned.to_string()).map_err(|error| error.to_string())
}

/// By the shell, which opens the log for writing as well, and tidies up as it leaves.
fn by_shell(log: &Path) -> Result<String, String> {
    let output = Command::new("sqlite3").arg(log).arg(QUERY).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// Reads until `done`, and returns how many targets were seen each time.
fn reads(read: fn(&Path) -> Result<String, String>, log: &Path, done: &AtomicBool) -> Vec<usize> {
    let mut seen = Vec::new();
    while !done.load(Ordering::SeqCst) {
        seen.push(read(log).unwrap_or_else(|error| panic!("read {}: {error}", seen.len())).parse().unwrap());
    }
    seen
}

/// Ends the readers, however the test ends.
struct Stop<'a>(&'a AtomicBool);

/// Reads a log, and returns what it holds.
type Reader = fn(&Path) -> Result<String, String>;

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn other_programs_read_the_log_while_a_large_run_begins() {
    let readers: [Reader; 2] = [by_connection, by_shell];
    let has_shell = Command::new("sqlite3").arg("-version").output().is_ok();
    if !has_shell {
        skipped("other_programs_read_the_log_while_a_large_run_begins", "there is no sqlite3");
    }
    let sandbox = Sandbox::new();
    let server = Server::start(|_| Reply::unauthorized());
    let names: Vec<_> = (0..NAMES).map(|number| format!("tenant-{number:05}")).collect();
    sandbox.names("names.csv", &names);
    let log = sandbox.log();
    let mut running = sandbox.sequential(&server, &["run", "names.csv", "--no-listing-check"]).start();
    running.wait_until("the log is there", || match by_connection(&log) {
        Ok(_) => true,
        Err(error) => {
            // While the file is made, SQLite locks it for moments.
            let early = ["unable to open", "no such table", "database is locked"];
            let is_early = early.iter().any(|why| error.contains(why));
            assert!(is_early, "{error}");
            false
        }
    });
    // One that looks at the state before for as long as the run takes to begin.
    let before = Connection::open_with_flags(&log, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    before.execute_batch("BEGIN").unwrap();
    let planned = || before.query_row(QUERY, [], |row| row.get::<_, usize>(0)).unwrap();
    assert_eq!(planned(), 0, "the run has begun already");

    let done = AtomicBool::new(false);
    let seen: Vec<_> = std::thread::scope(|scope| {
        let readers = readers.iter().take(1 + usize::from(has_shell));
        let threads: Vec<_> = readers.map(|read| scope.spawn(|| reads(*read, &log, &done))).collect();
        let stop = Stop(&done);
        server.wait_for_deletions(1);
        assert_eq!(planned(), 0, "a reader keeps what it saw first");
        before.execute_batch("COMMIT").unwrap();
        assert_eq!(planned(), NAMES);
        drop(stop);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for seen in seen {
        assert!(seen.iter().all(|planned| [0, NAMES].contains(planned)), "part of a run: {seen:?}");
        assert!(seen.is_sorted() && seen.iter().filter(|planned| **planned == 0).count() > 5, "{seen:?}");
    }
    drop(before);
    running.finish().expect(4);
}
