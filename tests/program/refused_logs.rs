//! A log that cannot be written, is not ours, or is held by somebody, is refused before anything is
//! sent, and what lies there is left as it is.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use decom::commands::{self, InputRequest, Interrupts, Options, RunInput, RunRequest, World};
use decom::config::{ApiFlags, Environment, Flags, LogFlags, RunFlags};
use decom::domain::{Clock, ExitStatus};
use decom::input::{CsvOptions, Input};
use rusqlite::Connection;

use crate::support::process::SEQUENTIAL;
use crate::support::{Fault, Output, Reply, Sandbox, Server, TOKEN, column};

/// Somebody without rights, where the tests are run by root, whom no permission stops.
const NOBODY: u32 = 65534;

fn prepared() -> (Sandbox, Server) {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.names("names.csv", &["a", "b", "c"]);
    (sandbox, server)
}

fn refused(finished: &Output, server: &Server, words: &[&str]) {
    assert_eq!(finished.code, 5, "{}\n{}", finished.stderr, finished.stdout);
    for words in words {
        assert!(finished.stderr.contains(words), "`{words}` is not in: {}", finished.stderr);
    }
    assert!(server.names_sent().is_empty());
}

#[test]
fn what_is_no_log_of_ours_is_refused_and_left_as_it_is() {
    let make = |path: &Path, what: &str| match what {
        "text" => std::fs::write(path, "datasource_name\nproduction\n").unwrap(),
        "database" => Connection::open(path)
            .unwrap()
            .execute_batch(
                "PRAGMA application_id = 7; CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1);",
            )
            .unwrap(),
        "newer" => Connection::open(path).unwrap().pragma_update(None, "user_version", 1000).unwrap(),
        _ => std::fs::create_dir(path).unwrap(),
    };
    let cases = [
        ("text", "it is no SQLite database", "name another file with --audit-db"),
        (
            "database",
            "another program's database, with application id 7",
            "name another file with --audit-db",
        ),
        ("folder", "it is a folder", "name another file with --audit-db"),
        ("newer", "has schema version 1000", "use a newer decom"),
    ];
    for (what, found, advice) in cases {
        let (sandbox, server) = prepared();
        if what == "newer" {
            assert_eq!(sandbox.run(&server, &["run", "names.csv"]).code, 0);
        }
        let (sandbox, server) = if what == "newer" { (sandbox, prepared().1) } else { (sandbox, server) };
        make(&sandbox.log(), what);
        let before = std::fs::read(sandbox.log()).ok();
        for command in [&["run", "names.csv"][..], &["resume"]] {
            refused(&sandbox.run(&server, command), &server, &[found, advice]);
        }
        assert!(std::fs::read(sandbox.log()).ok() == before, "{what}: it was written to");
    }
}

#[test]
fn a_log_whose_maker_was_killed_before_it_began_is_begun() {
    for what in ["nothing", "a database without content"] {
        let (sandbox, server) = prepared();
        std::fs::write(sandbox.log(), "").unwrap();
        if what != "nothing" {
            // As SQLite leaves it between its first page and our schema.
            let begun = Connection::open(sandbox.log()).unwrap();
            begun.pragma_update(None, "journal_mode", "wal").unwrap();
        }
        let finished = sandbox.run(&server, &["resume"]);
        assert_eq!(finished.code, 2, "{what}: there is no log yet: {}", finished.stderr);
        let finished = sandbox.run(&server, &["run", "names.csv"]);
        assert_eq!(finished.code, 0, "{what}: {}", finished.stderr);
        assert_eq!(server.names_sent(), ["a", "b", "c"]);
    }
}

#[test]
fn a_log_whose_writer_was_killed_in_the_middle_of_a_transaction_is_mended() {
    let (sandbox, server) = prepared();
    assert_eq!(sandbox.run(&server, &["run", "names.csv"]).code, 0);
    // Pages of a transaction that never ends, on disk beside the journal that takes them back.
    let connection = Connection::open(sandbox.log()).unwrap();
    connection
        .execute_batch(
            "PRAGMA cache_size = 2; BEGIN; CREATE TABLE half (a);
             INSERT INTO half WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000)
             SELECT randomblob(500) FROM n;",
        )
        .unwrap();
    let killed = Sandbox::new();
    killed.names("more.csv", &["d"]);
    for suffix in ["", "-journal"] {
        let name = format!("decom-audit.db{suffix}");
        std::fs::copy(sandbox.path(&name), killed.path(&name)).unwrap();
    }
    drop(connection);

    let finished = killed.run(&server, &["run", "more.csv"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_eq!(column(&killed.log(), "SELECT planned FROM runs ORDER BY started_at"), ["3", "1"]);
    assert_eq!(column(&killed.log(), "SELECT name FROM sqlite_schema WHERE name = 'half'"), [""; 0]);
}

/// Runs `decom run names.csv` as somebody whom permissions stop.
fn as_nobody(sandbox: &Sandbox, server: &Server) -> Output {
    let mut program = PathBuf::from(env!("CARGO_BIN_EXE_decom"));
    let is_root = rustix::process::getuid().is_root();
    if is_root {
        // The build folder may be closed to other users.
        std::fs::copy(&program, sandbox.path("decom")).unwrap();
        program = sandbox.path("decom");
        chown(sandbox.path(""), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let mut decom = sandbox.program(program);
    if is_root {
        decom.command().uid(NOBODY).gid(NOBODY);
    }
    let arguments = ["run", "names.csv", "--yes", "--audit-db", "folder/audit.db"];
    decom.args(arguments).sequential(&server.url()).run()
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_is_refused() {
    let (sandbox, server) = prepared();
    std::fs::create_dir(sandbox.path("folder")).unwrap();
    set_mode(&sandbox.path("folder"), 0o555);
    let finished = as_nobody(&sandbox, &server);
    refused(&finished, &server, &["Permission denied", "check the path, its owner and the free space"]);
}

#[test]
fn a_file_that_cannot_be_written_is_refused() {
    let (sandbox, server) = prepared();
    std::fs::create_dir(sandbox.path("folder")).unwrap();
    let elsewhere = Server::deleting();
    let earlier = ["run", "names.csv", "--audit-db", "folder/audit.db"];
    assert_eq!(sandbox.run(&elsewhere, &earlier).code, 0);
    set_mode(&sandbox.path("folder/audit.db"), 0o444);
    // The folder itself can be written, so that only the file stands in the way.
    set_mode(&sandbox.path("folder"), 0o777);
    set_mode(&sandbox.path("folder/audit.db.lock"), 0o666);
    let finished = as_nobody(&sandbox, &server);
    refused(&finished, &server, &["check that the file and its folder can be written"]);
}

#[test]
fn a_second_decom_is_refused_at_once_and_told_who_holds_the_log() {
    let (sandbox, server) = prepared();
    sandbox.names("others.csv", &["x", "y"]);
    symlink(sandbox.log(), sandbox.path("link.db")).unwrap();
    server.answer(|request| if request.name == "a" { Fault::NeverAnswer.into() } else { Reply::deleted() });
    let mut first = sandbox.start(&server, &["run", "names.csv"]);
    first.wait_until("its first request", || !server.names_sent().is_empty());

    let holder = std::fs::read_to_string(sandbox.path("decom-audit.db.lock")).unwrap();
    assert!(holder.contains(&format!("process {}", first.id())), "{holder}");
    let attempts: [&[&str]; 4] = [
        &["run", "others.csv"],
        &["run", "names.csv"],
        &["resume"],
        // By another name it is the same log.
        &["run", "others.csv", "--audit-db", "link.db"],
    ];
    for arguments in attempts {
        let finished = sandbox.run(&server, arguments);
        assert_eq!(finished.code, 4, "{arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(&holder), "{arguments:?}: {}", finished.stderr);
    }
    // Nor does it help to remove what tells so.
    std::fs::remove_file(sandbox.path("decom-audit.db.lock")).unwrap();
    let finished = sandbox.run(&server, &["run", "others.csv"]);
    assert_eq!(finished.code, 4, "{}", finished.stderr);
    assert!(finished.stderr.contains("under another name of the same file"), "{}", finished.stderr);
    assert_eq!(server.names_sent(), ["a"]);
    drop(first);
}

#[test]
fn a_log_without_its_triggers_is_refused() {
    let (sandbox, server) = prepared();
    assert_eq!(sandbox.run(&server, &["run", "names.csv"]).code, 0);
    let sent = server.names_sent().len();
    let log = Connection::open(sandbox.log()).unwrap();
    log.execute_batch("DROP TRIGGER record_is_never_deleted").unwrap();
    drop(log);
    sandbox.names("others.csv", &["x", "y"]);
    let finished = sandbox.run(&server, &["run", "others.csv"]);
    assert_eq!(finished.code, 5, "{}", finished.stderr);
    assert!(
        finished.stderr.contains("triggers or views of the audit log were altered"),
        "{}",
        finished.stderr
    );
    assert_eq!(server.names_sent().len(), sent);
}

#[test]
fn a_log_with_two_names_is_read_and_not_written() {
    let (sandbox, server) = prepared();
    assert_eq!(sandbox.run(&server, &["run", "names.csv"]).code, 0);
    std::fs::hard_link(sandbox.log(), sandbox.path("backup.db")).unwrap();
    let sent = server.names_sent().len();
    sandbox.names("others.csv", &["x", "y"]);
    let finished = sandbox.run(&server, &["run", "others.csv", "--audit-db", "backup.db"]);
    assert_eq!(finished.code, 5, "{}", finished.stderr);
    assert!(finished.stderr.contains("has 2 names (hard links)"), "{}", finished.stderr);
    assert_eq!(server.names_sent().len(), sent);
    assert_eq!(column(&sandbox.path("backup.db"), "SELECT deleted FROM runs"), ["3"]);
    let read = sandbox.decom(&["runs", "--audit-db", "backup.db"]).run();
    assert_eq!(read.code, 0, "{read:?}");
}

#[test]
fn a_lock_left_by_a_dead_process_is_no_obstacle() {
    let (sandbox, server) = prepared();
    // Killed, so that the lock file stays, and then one that names a process that may well live.
    server.answer(|request| if request.name == "a" { Fault::NeverAnswer.into() } else { Reply::deleted() });
    let mut first = sandbox.start(&server, &["run", "names.csv"]);
    first.wait_until("its first request", || !server.names_sent().is_empty());
    first.kill();
    let lock = sandbox.path("decom-audit.db.lock");
    assert!(lock.exists());
    std::fs::write(&lock, format!("process {} on here, since then", std::process::id())).unwrap();

    server.answer(|_| Reply::deleted());
    let finished = sandbox.run(&server, &["run", "names.csv"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
}

#[test]
fn a_log_by_way_of_a_link_is_the_log_itself() {
    let (sandbox, server) = prepared();
    std::fs::create_dir(sandbox.path("disk")).unwrap();
    assert_eq!(sandbox.run(&server, &["run", "names.csv", "--audit-db", "disk/audit.db"]).code, 0);
    symlink(sandbox.path("disk/audit.db"), sandbox.path("link.db")).unwrap();
    sandbox.names("more.csv", &["d"]);
    let finished = sandbox.run(&server, &["run", "more.csv", "--audit-db", "link.db"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_eq!(
        column(&sandbox.path("disk/audit.db"), "SELECT planned FROM runs ORDER BY started_at"),
        ["3", "1"]
    );
}

/// A clock that jumps back by ten minutes once the server was asked for `b`.
struct Jumping(Arc<AtomicI64>);

impl Clock for Jumping {
    fn now(&self) -> SystemTime {
        let seconds = self.0.load(Ordering::SeqCst);
        let by = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    }
}

/// Runs `names.csv` in this process, so that its clock is ours.
fn run_with_clock(sandbox: &Sandbox, base_url: &str, offset: &Arc<AtomicI64>) -> ExitStatus {
    let input = Input::File(sandbox.path("names.csv"));
    let request = RunRequest {
        what: RunInput::Names {
            input: InputRequest { input, csv: CsvOptions::default() },
            shards: None,
            shard: None,
        },
        again: false,
    };
    let audit_db = Some(sandbox.log().to_str().unwrap().to_owned());
    let options = Options {
        flags: Flags {
            log: LogFlags { audit_db, ..LogFlags::default() },
            run: RunFlags {
                api: ApiFlags { base_url: Some(base_url.to_owned()), ..ApiFlags::default() },
                ..RunFlags::default()
            },
            ..Flags::default()
        },
        yes: true,
        ..Options::default()
    };
    let variables = [&[("DATABRAIN_TOKEN", TOKEN), ("USER", "tester")], SEQUENTIAL].concat();
    let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
    let world = World {
        environment: Environment::of(variables),
        clock: Arc::new(Jumping(offset.clone())),
        can_ask: false,
        stderr_is_terminal: false,
        interrupts: Interrupts::listen().unwrap(),
    };
    commands::run(&request, &options, &world).unwrap()
}

#[test]
fn a_clock_that_jumps_backwards_stops_the_run() {
    let (sandbox, server) = prepared();
    let offset = Arc::new(AtomicI64::new(0));
    let jumps = offset.clone();
    server.answer(move |request| {
        if request.name == "b" {
            jumps.store(-600, Ordering::SeqCst);
        }
        Reply::deleted()
    });
    assert_eq!(run_with_clock(&sandbox, &server.url(), &offset), ExitStatus::Audit);
    assert_eq!(server.names_sent(), ["a", "b"], "nothing is sent after the jump");
    let outcomes = column(&sandbox.log(), "SELECT outcome FROM results ORDER BY target");
    assert_eq!(outcomes, ["deleted", "deleted", "pending"], "what was in flight is recorded");
    let ordered = "SELECT count(*) FROM record a JOIN record b ON b.seq = a.seq + 1 WHERE b.at_us < a.at_us";
    assert_eq!(column(&sandbox.log(), ordered), ["0"]);

    // Small steps back are levelled: a clock that is being set right slowly is no jump.
    offset.store(0, Ordering::SeqCst);
    let slews = offset.clone();
    server.answer(move |_| {
        slews.fetch_sub(1, Ordering::SeqCst);
        Reply::deleted()
    });
    assert_eq!(run_with_clock(&sandbox, &server.url(), &offset), ExitStatus::Done);
}

#[test]
fn a_log_from_the_future_is_refused_by_the_clock() {
    let (sandbox, server) = prepared();
    let ahead = Arc::new(AtomicI64::new(3600));
    let elsewhere = Server::deleting();
    assert_eq!(run_with_clock(&sandbox, &elsewhere.url(), &ahead), ExitStatus::Done);
    let finished = sandbox.run(&server, &["run", "names.csv"]);
    refused(&finished, &server, &["before the last record", "set the clock right"]);
}
