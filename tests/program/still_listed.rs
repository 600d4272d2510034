//! Nothing counts as gone that a listing still shows, whoever said that it is gone.

use crate::support::{Output, Reply, Sandbox, Server, csv, decom};

fn run_listing(sandbox: &Sandbox, server: &Server, names: &[impl AsRef<str>], arguments: &[&str]) -> Output {
    let input = csv(sandbox, names);
    let mut command = decom(sandbox, server, &[&["run", &input, "--max-attempts", "1"], arguments].concat());
    command.env("DECOM_SAFETY_LISTING_CHECK", "true").env("DECOM_API_LISTING_PATIENCE", "0s").run()
}

#[test]
fn what_is_accepted_as_not_found_and_listed_is_shown_and_not_clean() {
    let server = Server::start(|_| Reply::not_found());
    server.list(&["a", "c"]);
    let sandbox = Sandbox::new();
    let ended = run_listing(&sandbox, &server, &["a", "b"], &["--ignore-not-found"]).expect(1);
    assert!(ended.stdout.contains("STILL LISTED (1)"), "{}", ended.stdout);
    assert_eq!(ended.outcome_and_evidence("a"), "not_found refused", "acceptance changes no outcome");

    server.list(&["c"]);
    let sandbox = Sandbox::new();
    run_listing(&sandbox, &server, &["a", "b"], &["--ignore-not-found"]).expect(0);

    // What is in use is listed, and was accepted as that.
    let server = Server::start(|_| Reply::in_use());
    server.list(&["a"]);
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["a"]);
    let mut command = decom(&sandbox, &server, &["run", &input]);
    command.env("DECOM_SAFETY_LISTING_CHECK", "true").env("DECOM_RUN_ACCEPT", "in_use").run().expect(0);
}

#[test]
fn what_was_deleted_before_is_gone_only_if_a_listing_shows_it() {
    let server = Server::deleting();
    let sandbox = Sandbox::new();
    run_listing(&sandbox, &server, &["a", "b"], &[]).expect(0);
    run_listing(&sandbox, &server, &["a", "b"], &[]).expect(0);
    server.list(&["a"]);
    let ended = run_listing(&sandbox, &server, &["a", "b"], &[]).expect(1);
    assert!(ended.stdout.contains("exists_again"), "{}", ended.stdout);
    server.answer_listing(|_| Reply::status(403));
    let ended = run_listing(&sandbox, &server, &["a", "b"], &[]).expect(1);
    assert!(ended.stderr.contains("no listing shows if they exist again"), "{}", ended.stderr);
    let input = csv(&sandbox, &["a", "b"]);
    decom(&sandbox, &server, &["run", &input, "--no-listing-check"]).run().expect(0);
    assert_eq!(server.deletions().len(), 2);
}

#[test]
fn a_name_that_is_listed_in_another_spelling_is_not_absent() {
    for (listed, input, settled) in [
        ("Caf\u{e9}", "Cafe\u{301}", "unknown no_clear_answer"),
        ("acme\u{a0}eu", "acme eu", "unknown no_clear_answer"),
        ("acme", "Acme", "deleted_unconfirmed absent_from_listing"),
    ] {
        let server = Server::start(|_| Reply::status(500));
        server.list(&[listed]);
        let sandbox = Sandbox::new();
        let code = i32::from(settled == "unknown no_clear_answer");
        let ended = run_listing(&sandbox, &server, &[input], &[]).expect(code);
        assert_eq!(ended.outcome_and_evidence(input), settled, "{listed}");
    }
}
