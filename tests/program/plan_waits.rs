//! Plans that wait for objections: what is held or protected since, from when on they may be run, and the token that is
//! another one by then.

use rustix::process::Signal;

use crate::support::faketime::Faketime;
use crate::support::gate::Gate;
use crate::support::keys::{self, Key, NAMESPACE};
use crate::support::{Decom, Output, Reply, Sandbox, Server, column, csv, wait_until};

const ANOTHER_TOKEN: &str = "dbn_live_rotated0123456789abcdef";

/// A plan to delete `a`, `b` and `c`.
fn planned(sandbox: &Sandbox, server: &Server, flags: &[&str]) -> Output {
    let input = csv(sandbox, &["a", "b", "c"]);
    sandbox.run(server, &[&["plan", &input, "--out", "plan.json"], flags].concat())
}

fn listing_all() -> Server {
    let server = Server::deleting();
    server.list(&["a", "b", "c", "other"]);
    server
}

/// The time on which a clock that is `hours` ahead will be, in RFC 3339.
fn in_hours(hours: u64) -> String {
    let at = std::time::SystemTime::now() + std::time::Duration::from_secs(hours * 3600);
    decom::domain::Timestamp::from(at).to_string()
}

#[test]
fn a_plan_may_be_run_from_its_time_on_and_its_validity_counts_from_there() {
    let (sandbox, server) = (Sandbox::new(), listing_all());
    let from = in_hours(48);
    let said = planned(&sandbox, &server, &["--not-before", &from, "--valid-for", "2h"]).expect(0);
    let until = in_hours(50);
    assert!(
        said.stdout.contains(&format!("to be run from {from} until {}", &until[..15])),
        "{}",
        said.stdout
    );
    let shown = sandbox.decom(&["plan", "--show", "plan.json"]).run().expect(0).stdout;
    assert!(shown.contains(&format!("(dry run) may be run from: {from}")), "{shown}");
    let requests = server.requests().len();
    for flags in [&[][..], &["--dry-run"], &["--again"]] {
        let refused = sandbox.run(&server, &[&["run", "--plan", "plan.json"], flags].concat()).expect(3);
        let wanted = format!("the plan may be run from {from} on, and not before");
        assert!(refused.message().starts_with(&wanted), "{}", refused.message());
    }
    assert_eq!(server.requests().len(), requests, "something was sent");
    let Some(faketime) = Faketime::find(module_path!()) else { return };
    let arguments = ["run", "--plan", "plan.json", "--yes", "--no-listing-check"];
    let run_at = |clock: &str| faketime.decom(clock, &sandbox, &arguments).sequential(&server.url()).run();
    assert!(run_at("+47h").expect(3).message().contains("and not before"));
    assert!(run_at("+51h").expect(3).message().contains("the plan expired at "));
    assert!(run_at("+49h").expect(0).all_are("deleted"));
}

#[test]
fn the_time_is_a_part_of_the_plan() {
    let (sandbox, server) = (Sandbox::new(), listing_all());
    planned(&sandbox, &server, &["--not-before", &in_hours(48)]).expect(0);
    let text = std::fs::read_to_string(sandbox.path("plan.json")).unwrap();
    let line = text.lines().find(|line| line.contains("not_before")).unwrap();
    sandbox.file("plan.json", text.replace(&format!("{line}\n"), ""));
    let refused = sandbox.run(&server, &["run", "--plan", "plan.json"]).expect(3);
    assert!(refused.message().contains("the plan was altered after it was made"), "{}", refused.message());
    let wrong = planned(&sandbox, &server, &["--force", "--not-before", "tomorrow"]).expect(2);
    assert!(wrong.stderr.contains("`tomorrow` is not a point in time"), "{}", wrong.stderr);
    let input = csv(&sandbox, &["a"]);
    sandbox.run(&server, &["plan", &input, "--not-before", &in_hours(1)]).expect(2);
    assert_eq!(server.deletions().len(), 0);
}

#[test]
fn what_is_protected_or_held_since_is_skipped_and_does_not_refuse_the_plan() {
    let (sandbox, server) = (Sandbox::new(), listing_all());
    planned(&sandbox, &server, &[]).expect(0);
    sandbox.file("holds.csv", "name,reason,until\nb,an owner objects,\n");
    let arguments =
        ["run", "--plan", "plan.json", "--protect", "a", "--holds", "holds.csv", "--no-listing-check"];
    let ended = sandbox.run(&server, &arguments).expect(1);
    assert!(ended.stderr.contains("a  matches the protected pattern `a`"), "{}", ended.stderr);
    assert!(ended.stderr.contains("b  held: an owner objects"), "{}", ended.stderr);
    assert_eq!(
        (ended.outcome("a"), ended.outcome("b"), ended.outcome("c")),
        ("skipped", "skipped", "deleted")
    );
    assert_eq!(server.names_sent(), ["c"]);
    let again = sandbox.run(&server, &["run", "--plan", "plan.json"]).expect(3);
    assert!(again.message().contains("has carried out the plan already; make a new one"), "{again:?}");
}

/// A plan that bob approved, and how it is run with another token.
fn approved(sandbox: &Sandbox, server: &Server) -> impl Fn(&Sandbox, &[&str]) -> Decom {
    planned(sandbox, server, &[]).expect(0);
    let key = Key::new(sandbox, "key", "ed25519");
    let signature = key.sign(&sandbox.path("plan.json"), NAMESPACE).to_str().unwrap().to_owned();
    sandbox.file("allowed_signers", format!("bob {}\n", key.public));
    let url = server.url();
    move |sandbox, flags| {
        let approval = ["--approval", &signature, "--allowed-signers", "allowed_signers", "--yes"];
        let arguments = [&["run", "--plan", "plan.json"][..], &approval, flags].concat();
        let mut command = sandbox.decom(&arguments);
        command.sequential(&url).env("DATABRAIN_TOKEN", ANOTHER_TOKEN);
        command
    }
}

#[test]
fn an_approved_plan_may_be_run_with_another_token_if_the_listing_shows_its_targets() {
    if keys::are_missing("an_approved_plan_may_be_run_with_another_token_if_the_listing_shows_its_targets") {
        return;
    }
    let (sandbox, server) = (Sandbox::new(), listing_all());
    let run = approved(&sandbox, &server);
    let unapproved = sandbox
        .sequential(&server, &["run", "--plan", "plan.json"])
        .env("DATABRAIN_TOKEN", ANOTHER_TOKEN)
        .run();
    let message = unapproved.expect(3).message().to_owned();
    assert!(message.contains("the plan was made with another service token"), "{message}");
    server.list(&["a", "other"]);
    let refused = run(&sandbox, &[]).run().expect(3);
    let wanted = "the plan was made with another service token, and 2 of its targets are not listed with this one, such as `b`";
    assert!(refused.message().contains(wanted), "{}", refused.message());
    server.answer_listing(|_| Reply::status(404));
    for flags in [&[][..], &["--dry-run"], &["--no-listing-check"]] {
        let refused = run(&sandbox, flags).run().expect(3);
        assert!(
            refused
                .message()
                .contains("the listing, which has to show its targets with this one, was not read")
        );
    }
    assert_eq!((server.deletions().len(), column(&sandbox.log(), "SELECT run_id FROM runs").len()), (0, 0));
    server.list(&["a", "b", "c", "other"]);
    run(&sandbox, &["--dry-run"]).run().expect(0);
    let ended = run(&sandbox, &["--no-listing-check"]).run().expect(0);
    assert!(ended.all_are("deleted"), "{ended:?}");
    assert!(server.deletions().iter().all(|seen| seen.header("authorization").contains(ANOTHER_TOKEN)));
}

#[test]
fn a_run_of_an_approved_plan_is_resumed_with_another_token_under_the_same_condition() {
    if keys::are_missing("a_run_of_an_approved_plan_is_resumed_with_another_token_under_the_same_condition") {
        return;
    }
    let (sandbox, gate) = (Sandbox::new(), Gate::default());
    let server = gate.server();
    server.list(&["a", "b", "c", "other"]);
    let run = approved(&sandbox, &server);
    let mut running =
        run(&sandbox, &["--no-listing-check"]).env("DATABRAIN_TOKEN", crate::support::TOKEN).start();
    wait_until("the first request has arrived", || server.deletions().len() == 1);
    running.signal(Signal::TERM);
    running.wait_for_line("stopping: ");
    gate.open();
    running.finish().expect(143);
    let resume = |listed: &[&str]| {
        server.list(listed);
        sandbox
            .sequential(&server, &["resume", "--no-listing-check"])
            .env("DATABRAIN_TOKEN", ANOTHER_TOKEN)
            .run()
    };
    let refused = resume(&["b", "other"]).expect(3);
    assert!(
        refused.message().contains("its target `c` is not listed with this one"),
        "{}",
        refused.message()
    );
    resume(&["b", "c", "other"]).expect(0);
    assert_eq!(server.names_sent(), ["a", "b", "c"]);
}
