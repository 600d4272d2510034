//! Clocks that are wrong: what a run says of them, and how a log gets on that was written with one.

use crate::support::faketime::Faketime;
use crate::support::{Decom, Sandbox, Server, column, csv};

/// `decom` under a clock that is wrong by this, as faketime(1) writes it; `None` if there is no faketime.
fn at(clock: &str, sandbox: &Sandbox, server: &Server, arguments: &[&str]) -> Option<Decom> {
    let mut command = Faketime::find(module_path!())?.decom(clock, sandbox, arguments);
    command.fast(&server.url());
    Some(command)
}

#[test]
fn a_log_from_the_future_is_closed_by_a_rotation() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let input = csv(&sandbox, &["a"]);
    let run = ["run", &input, "--yes"];
    let Some(mut ahead) = at("+3650d", &sandbox, &server, &run) else { return };
    ahead.run().expect(0);

    let second = csv(&sandbox, &["b"]);
    let now = |arguments: &[&str]| sandbox.decom(arguments).fast(&server.url()).run();
    let refused = now(&["run", &second, "--yes"]).expect(5);
    assert!(refused.message().contains("decom audit rotate"), "{}", refused.message());
    // What would happen is what a dry run and a plan say.
    assert_eq!(now(&["run", &second, "--dry-run"]).expect(5).message(), refused.message());
    now(&["plan", &second]).expect(5);
    assert_eq!(server.deletions().len(), 1);
    let closed = now(&["audit", "rotate", "--out", "closed.db"]).expect(0);
    assert!(closed.stderr.contains("ahead of the clock"), "{}", closed.stderr);
    now(&["run", &second, "--yes"]).expect(0);
    let log = "closed.db";
    for log in ["decom-audit.db", log] {
        now(&["audit", "verify", "--audit-db", log]).expect(1);
    }
    let detail =
        column(&sandbox.path(log), "SELECT detail ->> '$.closed_at' FROM record WHERE kind = 'close'");
    assert_eq!(detail[0].len(), "2026-03-01T09:30:00.000000Z".len(), "{detail:?}");
}

#[test]
fn a_clock_long_after_the_last_record_is_warned_about() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let input = csv(&sandbox, &["a"]);
    sandbox.decom(&["run", &input, "--yes"]).fast(&server.url()).run().expect(0);
    let second = csv(&sandbox, &["b"]);
    let Some(mut ahead) = at("+3650d", &sandbox, &server, &["run", &second, "--dry-run"]) else { return };
    let warned = ahead.run().expect(0).stderr;
    assert!(warned.contains("days after the last record"), "{warned}");
    let Some(mut soon) = at("+30d", &sandbox, &server, &["run", &second, "--dry-run"]) else { return };
    assert!(!soon.run().expect(0).stderr.contains("days after"));
}

#[test]
fn a_plan_from_the_future_is_refused() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let input = csv(&sandbox, &["a"]);
    let plan = ["plan", &input, "--out", "plan.json"];
    let Some(mut ahead) = at("+1d", &sandbox, &server, &plan) else { return };
    ahead.run().expect(0);
    let refused = sandbox.decom(&["run", "--plan", "plan.json", "--yes"]).fast(&server.url()).run().expect(3);
    assert!(refused.message().contains("in the future"), "{}", refused.message());
    assert!(server.deletions().is_empty());
}

#[test]
fn a_year_that_no_record_can_have_is_refused() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let input = csv(&sandbox, &["a"]);
    let Some(mut far) = at("+3000000d", &sandbox, &server, &["run", &input, "--yes"]) else { return };
    let refused = far.run().expect(2);
    assert!(refused.message().contains("1970 to 9999"), "{}", refused.message());
    assert!(server.deletions().is_empty() && !sandbox.log().exists());
}

#[test]
fn two_rotations_within_a_second() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    for name in ["a", "b", "c"] {
        let input = csv(&sandbox, &[name]);
        let Some(mut run) = at("2027-03-01 09:30:00", &sandbox, &server, &["run", &input, "--yes"]) else {
            return;
        };
        run.run().expect(0);
        let rotate = ["audit", "rotate"];
        let Some(mut rotate) = at("2027-03-01 09:30:00", &sandbox, &server, &rotate) else { return };
        rotate.run().expect(0);
    }
    for number in ["", "-2", "-3"] {
        let closed = sandbox.path(&format!("decom-audit-20270301T093000Z{number}.db"));
        assert_eq!(column(&closed, "SELECT deleted FROM runs"), ["1"]);
    }
}
