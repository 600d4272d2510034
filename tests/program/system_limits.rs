//! Limits of the system, and disks that fail or betray: nothing is sent that is not in the log, and a log that cannot
//! be read now is not called damaged.

use std::fs::File;

use crate::support::{Decom, Reply, Sandbox, Server, column, csv, decom, rows, run, strace_is_missing};

/// `decom ARGUMENTS --yes` against `server`, after a shell has set its limits.
fn limited(sandbox: &Sandbox, server: &Server, limits: &str, arguments: &[&str]) -> Decom {
    let mut command = sandbox.program("sh");
    let script = format!("{limits}; exec \"$@\"");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_decom")]).args(arguments);
    command.fast(&server.url()).arg("--yes");
    command
}

#[test]
fn a_limit_on_the_size_of_files_ends_a_run_as_a_full_disk_does() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let many: Vec<_> = (0..8_000).map(|number| format!("tenant-{number}")).collect();
    let input = csv(&sandbox, &many);
    // In blocks of 512 bytes or of 1024, by the shell.
    let ended = limited(&sandbox, &server, "ulimit -f 1000", &["run", &input]).run().expect(5);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("any limit on the size of files"), "{said}");
    assert!(server.deletions().is_empty(), "the run was not in the log");
}

#[test]
fn as_many_files_as_the_requests_need_may_be_open_or_nothing_is_sent() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let input = csv(&sandbox, &(0..200).map(|number| format!("tenant-{number}")).collect::<Vec<_>>());
    let words = ["run", &input, "--concurrency", "100"];
    for dry in [&[][..], &["--dry-run"]] {
        let refused =
            limited(&sandbox, &server, "ulimit -n 120", &[&words[..], dry].concat()).run().expect(2);
        let why = "100 requests at once need up to 148 open files, and this process may have 120";
        assert!(refused.message().contains(why), "{}", refused.message());
    }
    assert!(server.requests().is_empty());
    // The soft limit is raised.
    limited(&sandbox, &server, "ulimit -Sn 64", &words).run().expect(0);
    assert_eq!(server.deletions().len(), 200);
}

#[test]
fn a_write_ahead_log_that_is_shortened_is_noticed_before_the_next_request() {
    let sandbox = Sandbox::new();
    let wal = sandbox.path("decom-audit.db-wal");
    let server = Server::start(move |_| {
        File::options().write(true).open(&wal).unwrap().set_len(0).unwrap();
        Reply::deleted()
    });
    let input = csv(&sandbox, &["a", "b", "c"]);
    let ended = decom(&sandbox, &server, &["run", &input, "--concurrency", "1"]).run().expect(5);
    assert!(ended.stderr.contains("was shortened while decom was writing to it"), "{}", ended.stderr);
    assert_eq!(server.names_sent(), ["a"]);
}

#[test]
fn a_checkpoint_by_another_program_is_not_taken_for_that() {
    let sandbox = Sandbox::new();
    let log = sandbox.log();
    let server = Server::start(move |_| {
        let other = rusqlite::Connection::open(&log).unwrap();
        other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        Reply::deleted()
    });
    let input = csv(&sandbox, &["a", "b", "c"]);
    decom(&sandbox, &server, &["run", &input, "--concurrency", "1"]).run().expect(0);
    sandbox.decom(&["audit", "verify"]).run().expect(1);
}

#[test]
fn a_log_that_cannot_be_read_now_is_not_called_damaged() {
    if strace_is_missing(module_path!()) {
        return;
    }
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    run(&sandbox, &server, &["a", "b"]).expect(0);
    let log = sandbox.log();
    let count = column(&log, "SELECT count(*) FROM record");
    for (times, words) in [("1+", &[][..]), ("4+", &[]), ("6+", &["--json"])] {
        let mut command = sandbox.program("strace");
        command.args(["-f", "-o", "trace", "-P"]).arg(&log).args(["-e", "trace=read,pread64"]);
        command.arg("-e").arg(format!("inject=read,pread64:error=EIO:when={times}"));
        command.arg(env!("CARGO_BIN_EXE_decom")).args(["audit", "verify"]).args(words);
        let ended = command.run().expect(5);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(
            said.contains("cannot be read now") || said.contains("cannot read the audit log"),
            "{times}: {said}"
        );
        assert!(!said.contains("corrupt") && !said.contains("NOT SOUND"), "{times}: {said}");
        if words == ["--json"] {
            assert!(said.contains("\"status\":\"nothing_verified\""), "{said}");
        }
    }
    // It is as it was.
    assert_eq!(column(&log, "SELECT count(*) FROM record"), count);
    sandbox.decom(&["audit", "verify"]).run().expect(1);
    assert_eq!(rows(&log, "SELECT outcome, count(*) FROM results GROUP BY 1"), [["deleted", "2"]]);
}
