//! A run begins with all its targets or not at all, wherever it is killed while they are written.

use crate::support::{Reply, Sandbox, Server, column, strace_is_missing};

/// So many that they take more than one write.
const NAMES: usize = 10_000;

/// The calls by which the log gets to the disk, and how far apart they are tried.
const CALLS: [(&str, usize); 5] =
    [("pwrite64", 120), ("fsync", 1), ("fdatasync", 1), ("unlink", 1), ("ftruncate", 1)];

/// `decom run`, killed as its `nth` call of this kind begins; whether it ended before. The server accepts no token,
/// so that it ends with its first request.
fn killed_at(sandbox: &Sandbox, server: &Server, call: &str, nth: usize) -> bool {
    let mut strace = sandbox.program("strace");
    let finished = strace
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:signal=KILL:when={nth}")])
        .arg(env!("CARGO_BIN_EXE_decom"))
        .args(["run", "names.csv", "--yes", "--max-deletes", "20000", "--max-share", "100"])
        .args(["--no-listing-check", "--base-url", &server.url()])
        .run();
    // Of what it looks on at, strace ends as that did.
    assert!(matches!(finished.code, -9 | 4), "{call} {nth}: {finished:?}");
    finished.code == 4
}

/// How many targets each run of the log has; none where there is no log yet.
fn planned(sandbox: &Sandbox) -> Vec<String> {
    // Read by decom first, which plays back what was interrupted.
    let report = sandbox.decom(&["report"]).run();
    if report.code != 0 {
        let said = report.stderr;
        assert!(said.contains("there is no audit log") || said.contains("there is no run in"), "{said}");
        return Vec::new();
    }
    let verified = sandbox.decom(&["audit", "verify"]).run();
    let said = verified.stdout;
    assert!(said.contains(": OK: the log is intact."), "{said}");
    column(&sandbox.log(), "SELECT planned FROM runs")
}

#[test]
fn killed_anywhere_a_run_has_begun_with_all_its_targets_or_not_at_all() {
    if strace_is_missing("killed_anywhere_a_run_has_begun_with_all_its_targets_or_not_at_all") {
        return;
    }
    let names: Vec<_> = (0..NAMES).map(|number| format!("tenant-{number:05}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let server = Server::start(|_| Reply::error(401, "AUTHENTICATION_ERROR"));
    let (mut without, mut with) = (0, 0);
    for (call, step) in CALLS {
        for nth in (1..).step_by(step) {
            let sandbox = Sandbox::new();
            sandbox.names("names.csv", &names);
            if killed_at(&sandbox, &server, call, nth) {
                break;
            }
            match planned(&sandbox).iter().map(String::as_str).collect::<Vec<_>>()[..] {
                [] => without += 1,
                ["10000"] => with += 1,
                ref other => panic!("killed at {call} {nth}: {other:?}"),
            }
        }
    }
    assert!(without > 10 && with > 3, "{without} times before it had begun, {with} after it");
}
