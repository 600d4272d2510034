//! How much may be deleted in any 24 hours, over all runs of an audit log: `--max-deletes-per-day`.

use std::fs;

use rustix::process::Signal;

use crate::support::faketime::Faketime;
use crate::support::gate::Gate;
use crate::support::{Fault, Output, Reply, Sandbox, Server, column, csv, wait_until};

/// `decom run` of these names, of which at most three may go in 24 hours.
fn run(sandbox: &Sandbox, server: &Server, names: &[&str]) -> Output {
    let input = csv(sandbox, names);
    sandbox.run(server, &["run", &input, "--max-deletes-per-day", "3", "--no-listing-check"])
}

/// The same on another day; `None` without libfaketime.
fn run_at(clock: &str, sandbox: &Sandbox, server: &Server, names: &[&str]) -> Option<Output> {
    let input = csv(sandbox, names);
    let arguments = ["run", &input, "--max-deletes-per-day", "3", "--no-listing-check", "--yes"];
    let mut command = Faketime::find(module_path!())?.decom(clock, sandbox, &arguments);
    Some(command.sequential(&server.url()).run())
}

fn runs(sandbox: &Sandbox) -> usize {
    column(&sandbox.log(), "SELECT run_id FROM runs").len()
}

#[test]
fn a_run_above_the_budget_is_refused_before_it_begins_and_says_when_it_would_fit() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    run(&sandbox, &server, &["a"]).expect(0);
    run(&sandbox, &server, &["b"]).expect(0);
    let refused = run(&sandbox, &server, &["c", "d"]).expect(3);
    let first = column(&sandbox.log(), "SELECT finished_at FROM results WHERE name = 'a'").remove(0);
    let next_day = column(
        &sandbox.log(),
        &format!("SELECT strftime('%Y-%m-%dT%H:%M:', '{first}', '+1 day') || substr('{first}', 18)"),
    );
    let wanted = format!(
        "2 deletions are due, 2 of the last 24 hours count, and 24 hours may have 3 (max_deletes_per_day); it fits from {} on; nothing was sent",
        next_day[0]
    );
    assert_eq!(refused.message(), wanted);
    let never = run(&sandbox, &server, &["c", "d", "e", "f"]).expect(3);
    assert!(never.message().contains("it never fits; divide the list"), "{}", never.message());
    assert_eq!((runs(&sandbox), server.deletions().len()), (2, 2));
    // What is skipped needs none of it.
    let input = csv(&sandbox, &["a", "b", "c", "prod"]);
    let flags = ["--max-deletes-per-day", "3", "--no-listing-check", "--protect", "prod"];
    sandbox.run(&server, &[&["run", &input][..], &flags].concat()).expect(1);
    run(&sandbox, &server, &["c"]).expect(0);
    run(&sandbox, &server, &["g"]).expect(3);
    assert_eq!(server.names_sent(), ["a", "b", "c"]);
    let Some(next) = run_at("+25h", &sandbox, &server, &["g", "h", "i"]) else { return };
    next.expect(0);
}

#[test]
fn plans_and_dry_runs_say_it_too() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    server.list(&["a", "b", "c", "other"]);
    let input = csv(&sandbox, &["a", "b", "c"]);
    for (limit, code, shown) in [("2", 3, "REFUSES: 3 deletions are due"), ("3", 0, "passes")] {
        let flags = ["--max-deletes-per-day", limit];
        let command = [&["plan", &input, "--out", "plan.json"][..], &flags].concat();
        let said = sandbox.run(&server, &command).expect(code);
        let line = format!("guard max_deletes_per_day {limit}: {shown}");
        assert!(said.stdout.contains(&line), "{}", said.stdout);
        assert_eq!(sandbox.path("plan.json").exists(), code == 0);
        let dry = sandbox
            .run(&server, &[&["run", &input, "--dry-run", "--json"][..], &flags].concat())
            .expect(code);
        let guards =
            &serde_json::from_str::<serde_json::Value>(dry.stdout.lines().next().unwrap()).unwrap()["guards"];
        let guard =
            guards.as_array().unwrap().iter().find(|guard| guard["name"] == "max_deletes_per_day").unwrap();
        assert_eq!(
            (&guard["holds"], &guard["limit"]),
            (&(code == 0).into(), &limit.parse::<f64>().unwrap().into())
        );
    }
    let rehearsed =
        sandbox.run(&server, &["rehearse", &input, "--max-deletes-per-day", "2", "--fault", "none"]);
    assert!(rehearsed.stdout.contains("The real run would be refused: 3 deletions are due"), "{rehearsed:?}");
    let rehearsed = sandbox.run(&server, &["rehearse", &input, "--max-deletes-per-day", "3", "--dry-run"]);
    assert!(rehearsed.stdout.contains("max_deletes_per_day 3: not checked: only the real audit log knows"));
}

#[test]
fn it_is_a_setting_like_others() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let input = csv(&sandbox, &["a", "b"]);
    sandbox.file("decom.toml", "[safety]\nmax_deletes_per_day = 1\n");
    let by_file = ["run", &input, "--config", "decom.toml", "--no-listing-check"];
    sandbox.run(&server, &by_file).expect(3);
    sandbox.sequential(&server, &["run", &input]).env("DECOM_MAX_DELETES_PER_DAY", "0").run().expect(3);
    for wrong in ["-1", "many", "1.5"] {
        let said = sandbox
            .sequential(&server, &["run", &input])
            .env("DECOM_MAX_DELETES_PER_DAY", wrong)
            .run()
            .expect(2);
        let wanted = "must be a whole number, 0 or more, or an empty text: no limit";
        assert!(said.message().contains(wanted), "{}", said.message());
    }
    let effective = sandbox.decom(&["config", "--effective", "--config", "decom.toml"]).run().expect(0);
    assert!(effective.stdout.contains("max_deletes_per_day = 1"), "{}", effective.stdout);
    sandbox.run(&server, &[&by_file[..], &["--max-deletes-per-day", "2"]].concat()).expect(0);
}

#[test]
fn a_resume_adds_only_what_is_due_and_counts_doubt_once() {
    let (sandbox, gate) = (Sandbox::new(), Gate::default());
    let waits = gate.clone();
    let server = Server::start(move |request| {
        if request.name == "b" && request.attempt == 1 {
            waits.pass();
            return Fault::CloseBeforeAnswer.into();
        }
        Reply::deleted()
    });
    let input = csv(&sandbox, &["a", "b", "c"]);
    let flags = ["--max-deletes-per-day", "3", "--no-listing-check"];
    let running = sandbox.start(&server, &[&["run", &input][..], &flags].concat());
    wait_until("the second request has arrived", || server.deletions_of("b") == 1);
    // Its request is in doubt.
    running.kill();
    gate.open();
    let resumed = sandbox.run(&server, &[&["resume"][..], &flags].concat()).expect(0);
    assert!(resumed.all_are("deleted"), "{resumed:?}");
    run(&sandbox, &server, &["d"]).expect(3);
}

#[test]
fn what_may_have_been_deleted_counts_until_it_is_settled() {
    let (sandbox, server) = (Sandbox::new(), Server::start(|_| Reply::status(500)));
    let ended = run(&sandbox, &server, &["a", "b"]).expect(1);
    assert!(ended.all_are("unknown"), "{ended:?}");
    server.answer(|_| Reply::deleted());
    let refused = run(&sandbox, &server, &["c", "d"]).expect(3);
    assert!(refused.message().contains("2 deletions are due, 2 of the last 24 hours count"), "{refused:?}");
    // To try them again adds nothing: each can have gone only once.
    let flags = ["--max-deletes-per-day", "2", "--no-listing-check"];
    sandbox.run(&server, &[&["retry"][..], &flags].concat()).expect(0);
    run(&sandbox, &server, &["c"]).expect(0);
    run(&sandbox, &server, &["d"]).expect(3);
}

#[test]
fn a_rotation_resets_nothing() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let rotate = |out: &str| sandbox.decom(&["audit", "rotate", "--out", out]).run().expect(0);
    run(&sandbox, &server, &["a"]).expect(0);
    rotate("first.db");
    run(&sandbox, &server, &["b"]).expect(0);
    rotate("second.db");
    let refused = run(&sandbox, &server, &["c", "d"]).expect(3);
    assert!(refused.message().contains("2 deletions are due, 2 of the last 24 hours count"), "{refused:?}");
    run(&sandbox, &server, &["c"]).expect(0);
    // One that is not at hand is missed, as long as it is of the last day.
    fs::create_dir(sandbox.path("elsewhere")).unwrap();
    fs::rename(sandbox.path("first.db"), sandbox.path("elsewhere/first.db")).unwrap();
    let missing = run(&sandbox, &server, &["d"]).expect(3);
    let message = missing.message();
    assert!(message.contains("the audit log that was closed before this one, at 20"), "{message}");
    assert!(message.contains("first.db: there is no such file), so that what was deleted in the last 24 hours cannot be counted"), "{message}");
    // Another log under its name is not it.
    fs::copy(sandbox.path("second.db"), sandbox.path("first.db")).unwrap();
    assert!(run(&sandbox, &server, &["d"]).expect(3).message().contains("the file there is another log"));
    fs::remove_file(sandbox.path("first.db")).unwrap();
    let Some(next) = run_at("+25h", &sandbox, &server, &["d", "e", "f"]) else { return };
    next.expect(0);
}

#[test]
fn closed_logs_that_were_moved_together_are_found_beside_their_successor() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    run(&sandbox, &server, &["a", "b"]).expect(0);
    sandbox.decom(&["audit", "rotate", "--out", "first.db"]).run().expect(0);
    fs::create_dir(sandbox.path("moved")).unwrap();
    for file in ["decom-audit.db", "first.db"] {
        fs::rename(sandbox.path(file), sandbox.path("moved").join(file)).unwrap();
    }
    let input = csv(&sandbox, &["c", "d"]);
    let flags = ["--max-deletes-per-day", "3", "--audit-db", "moved/decom-audit.db", "--no-listing-check"];
    let refused = sandbox.run(&server, &[&["run", &input][..], &flags].concat()).expect(3);
    assert!(refused.message().contains("2 of the last 24 hours count"), "{}", refused.message());
}

#[test]
fn other_hosts_have_budgets_of_their_own() {
    let (sandbox, server, other) = (Sandbox::new(), Server::deleting(), Server::deleting());
    run(&sandbox, &server, &["a", "b", "c"]).expect(0);
    run(&sandbox, &other, &["a", "b", "c"]).expect(0);
    run(&sandbox, &other, &["d"]).expect(3);
}

#[test]
fn an_interrupted_run_that_would_exceed_the_budget_is_resumed_the_next_day() {
    let (sandbox, gate) = (Sandbox::new(), Gate::default());
    let waits = gate.clone();
    let server = Server::start(move |request| {
        if request.name == "c" {
            waits.pass();
        }
        Reply::deleted()
    });
    let input = csv(&sandbox, &["c", "d", "e"]);
    let mut running = sandbox.start(&server, &["run", &input, "--no-listing-check"]);
    wait_until("the first request has arrived", || server.deletions_of("c") == 1);
    running.signal(Signal::TERM);
    running.wait_for_line("stopping: ");
    gate.open();
    running.finish().expect(143);
    let resume = ["resume", "--max-deletes-per-day", "2", "--no-listing-check", "--yes"];
    let refused = sandbox.run(&server, &resume[..4]).expect(3);
    assert!(refused.message().contains("2 deletions are due, 1 of the last 24 hours counts"), "{refused:?}");
    let Some(faketime) = Faketime::find(module_path!()) else { return };
    faketime.decom("+25h", &sandbox, &resume).sequential(&server.url()).run().expect(0);
}
