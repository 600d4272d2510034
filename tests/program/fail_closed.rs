//! The audit log fails while a run goes on: nothing more is sent, what is in flight is recorded
//! wherever it can be, exit 5, and a message that says what to do. The faults are real ones.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use crate::support::{Output, Reply, Sandbox, Server, column};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("db-{number:04}")).collect()
}

/// A sandbox with this many names in `names.csv`.
fn with_names(count: usize) -> Sandbox {
    let (sandbox, names) = (Sandbox::new(), names(count));
    sandbox.names("names.csv", &names.iter().map(String::as_str).collect::<Vec<_>>());
    sandbox
}

/// A server that strikes when it is asked for the sixth name, before it answers.
fn striking(strike: impl Fn() + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        if request.name == "db-0005" {
            strike();
        }
        Reply::deleted()
    })
}

fn stopped(finished: &Output, advice: &str) {
    assert_eq!(finished.code, 5, "{}\n{}", finished.stderr, finished.stdout);
    assert!(finished.stderr.contains(advice), "`{advice}` is not in: {}", finished.stderr);
}

/// Every request that the server saw has a record.
fn all_recorded(server: &Server, log: &Path) {
    let recorded = column(log, "SELECT request_id FROM attempts");
    for deletion in server.deletions() {
        assert!(recorded.contains(&deletion.id().to_owned()), "{deletion:?} has no record");
    }
}

/// The run goes on without the fault, to a true end.
fn resumes(sandbox: &Sandbox, server: &Server, log: &str, count: usize) {
    let sent = server.names_sent().len();
    server.answer(|_| Reply::deleted());
    let finished = sandbox.run(server, &["resume", "--audit-db", log]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let log = sandbox.path(log);
    all_recorded(server, &log);
    let counts = column(&log, "SELECT planned || ' ' || deleted || ' ' || pending FROM runs");
    assert_eq!(counts, [format!("{count} {count} 0")]);
    assert!(server.names_sent().len() <= count + sent.min(8), "what was settled was sent again");
}

#[test]
fn a_log_that_is_moved_away_stops_the_run_and_holds_everything_once_it_is_back() {
    let sandbox = with_names(40);
    let (log, moved) = (sandbox.log(), sandbox.path("moved.db"));
    let server = striking(move || std::fs::rename(&log, &moved).unwrap());
    let finished = sandbox.run(&server, &["run", "names.csv"]);
    stopped(&finished, "was removed while decom was writing to it");
    assert!(finished.stderr.contains("Put it back"), "{}", finished.stderr);
    assert_eq!(server.names_sent(), &names(40)[..6], "nothing is sent after that");

    // A new log would be begun over what is left of this one.
    let finished = sandbox.run(&server, &["run", "names.csv"]);
    stopped(&finished, "put the log back");
    assert_eq!(server.names_sent().len(), 6);

    std::fs::rename(sandbox.path("moved.db"), sandbox.log()).unwrap();
    all_recorded(&server, &sandbox.log());
    let last = column(&sandbox.log(), "SELECT verdict FROM attempts WHERE datasource = 'db-0005'");
    assert_eq!(last, ["deleted"], "the request in flight was finished and recorded");
    resumes(&sandbox, &server, "decom-audit.db", 40);
    assert_eq!(server.names_sent().len(), 40, "and was not sent again");
}

#[test]
fn a_log_that_is_unlinked_stops_the_run() {
    let sandbox = with_names(40);
    let log = sandbox.log();
    let server = striking(move || std::fs::remove_file(&log).unwrap());
    let finished = sandbox.run(&server, &["run", "names.csv"]);
    stopped(&finished, "was removed while decom was writing to it");
    assert_eq!(server.names_sent(), &names(40)[..6]);
}

#[test]
fn a_log_that_is_replaced_stops_the_run_and_nothing_is_written_to_the_other_file() {
    let sandbox = with_names(40);
    let other = with_names(1);
    let elsewhere = Server::deleting();
    assert_eq!(other.run(&elsewhere, &["run", "names.csv"]).code, 0);
    let substitute = std::fs::read(other.log()).unwrap();
    let (log, kept, content) = (sandbox.log(), sandbox.path("kept.db"), substitute.clone());
    let server = striking(move || {
        std::fs::rename(&log, &kept).unwrap();
        std::fs::write(&log, &content).unwrap();
    });
    let finished = sandbox.run(&server, &["run", "names.csv"]);
    stopped(&finished, "was replaced while decom was writing to it");
    assert_eq!(server.names_sent(), &names(40)[..6]);
    assert!(std::fs::read(sandbox.log()).unwrap() == substitute, "the other file was written to");

    std::fs::rename(sandbox.path("kept.db"), sandbox.log()).unwrap();
    resumes(&sandbox, &server, "decom-audit.db", 40);
}

#[test]
fn a_write_ahead_log_or_index_that_is_unlinked_stops_the_run_and_loses_no_record() {
    for suffix in ["-wal", "-shm"] {
        let sandbox = with_names(40);
        let beside = sandbox.path(&format!("decom-audit.db{suffix}"));
        let server = striking(move || std::fs::remove_file(&beside).unwrap());
        let finished = sandbox.run(&server, &["run", "names.csv"]);
        stopped(&finished, "was removed while decom was writing to it");
        assert_eq!(server.names_sent(), &names(40)[..6], "{suffix}");
        all_recorded(&server, &sandbox.log());
        resumes(&sandbox, &server, "decom-audit.db", 40);
        assert_eq!(server.names_sent().len(), 40, "{suffix}: the request in flight was recorded");
    }
}

/// Takes the write lock of the log, from outside, when the server is asked for the sixth name.
fn locking(sandbox: &Sandbox) -> (Server, Arc<Mutex<Option<Connection>>>) {
    let (log, lock) = (sandbox.log(), Arc::new(Mutex::new(None)));
    let holder = lock.clone();
    let server = striking(move || {
        let connection = Connection::open(&log).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        *holder.lock().unwrap() = Some(connection);
    });
    (server, lock)
}

#[test]
fn another_programs_lock_stops_the_run_and_what_was_in_flight_is_recorded_when_it_goes() {
    let sandbox = with_names(40);
    let (server, lock) = locking(&sandbox);
    let mut decom = sandbox.start(&server, &["run", "names.csv"]);
    decom.wait_for_line("nothing more is sent");
    drop(lock.lock().unwrap().take());
    let finished = decom.finish();
    stopped(&finished, "another program holds a lock on it: close that, then `decom resume`");
    assert_eq!(server.names_sent(), &names(40)[..6]);
    let last = column(&sandbox.log(), "SELECT verdict FROM attempts WHERE datasource = 'db-0005'");
    assert_eq!(last, ["deleted"]);
    resumes(&sandbox, &server, "decom-audit.db", 40);
}

#[test]
fn a_lock_that_is_held_for_good_stops_the_run_too() {
    let sandbox = with_names(40);
    let (server, lock) = locking(&sandbox);
    let begun = std::time::Instant::now();
    let finished = sandbox.run(&server, &["run", "names.csv", "--concurrency", "8"]);
    stopped(&finished, "another program holds a lock on it");
    // SQLite's wait, and as long again to record what was in flight, all of it together.
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(finished.stderr.contains("this answer could not be recorded"), "{}", finished.stderr);
    assert!(finished.stderr.contains(r#""datasource":"db-0005""#), "{}", finished.stderr);
    // Eight were under way, and each may have begun its next.
    assert!(server.names_sent().len() <= 6 + 16, "{:?}", server.names_sent());
    drop(lock.lock().unwrap().take());
    all_recorded(&server, &sandbox.log());
    resumes(&sandbox, &server, "decom-audit.db", 40);
}

#[test]
fn a_limit_on_the_size_of_files_stops_the_run_like_a_full_disk() {
    let sandbox = with_names(400);
    let server = Server::deleting();
    // The signal that comes with the limit is ignored, so that writing fails as on a full disk.
    let script = format!(
        "trap '' XFSZ; ulimit -f 1000; exec '{}' run names.csv --concurrency 8 --yes",
        env!("CARGO_BIN_EXE_decom"),
    );
    let finished = sandbox.program("sh").args(["-c", &script]).sequential(&server.url()).run();
    stopped(&finished, "check the disk");
    let sent = server.names_sent().len();
    assert!((1..400).contains(&sent), "the limit did not strike in the middle: {sent}");
    all_recorded(&server, &sandbox.log());
    resumes(&sandbox, &server, "decom-audit.db", 400);
}

#[test]
fn a_full_disk_stops_the_run() {
    let Some(namespace) = mounting() else {
        super::support::skipped("a_full_disk_stops_the_run", "no file system can be mounted here");
        return;
    };
    let sandbox = with_names(400);
    for folder in ["disk", "saved"] {
        std::fs::create_dir(sandbox.path(folder)).unwrap();
    }
    let server = Server::deleting();
    let script = format!(
        "mount -t tmpfs -o size=600k decom-test disk || exit 99
         '{}' run names.csv --audit-db disk/audit.db --concurrency 8 --yes
         code=$?; cp disk/audit.db* saved/; exit $code",
        env!("CARGO_BIN_EXE_decom"),
    );
    let mut unshare = sandbox.program("unshare");
    let finished = unshare.args(namespace).args(["sh", "-c", &script]).sequential(&server.url()).run();
    stopped(&finished, "free some space, then `decom resume`");
    let sent = server.names_sent().len();
    assert!((1..400).contains(&sent), "the disk was not full in the middle: {sent}");
    let log: PathBuf = sandbox.path("saved/audit.db");
    all_recorded(&server, &log);
    resumes(&sandbox, &server, "saved/audit.db", 400);
}

/// What `unshare` needs to get a namespace in which something can be mounted.
fn mounting() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    ways.into_iter().find(|way| {
        let tried =
            Command::new("unshare").args(*way).args(["sh", "-c", "mount -t tmpfs decom-test /mnt"]).output();
        tried.is_ok_and(|output| output.status.success())
    })
}

/// A tool that could write takes itself for the last one to close the log, folds the write-ahead log in
/// and removes it, unless it meets decom's own locks.
#[test]
fn other_programs_may_read_the_log_during_a_run() {
    let ask = |log: &Path| {
        let mut shell = Command::new("sqlite3");
        shell.arg(log).arg("SELECT count(*) > 0 FROM attempts").output()
    };
    if let Err(error) = ask(Path::new("")) {
        super::support::skipped("other_programs_may_read_the_log_during_a_run", &format!("sqlite3: {error}"));
        return;
    }
    let sandbox = with_names(6);
    let log = sandbox.log();
    let server = Server::start(move |_| {
        assert_eq!(ask(&log).unwrap().stdout, b"1\n");
        Reply::deleted()
    });
    let finished = sandbox.run(&server, &["run", "names.csv"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    all_recorded(&server, &sandbox.log());
}
