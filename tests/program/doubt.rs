//! Attempts that may have been carried out although nothing says so, and what becomes of their
//! targets; and the exit codes that tell whether everything is gone.

use crate::support::{Fault, Output, Reply, Sandbox, Server, csv, decom, run, run_with};

/// Every way of giving no clear answer.
fn unclear() -> Vec<(&'static str, Reply)> {
    let cut = |status| Fault::CutBody { status, sent: br#"{"error":"#.to_vec() };
    vec![
        ("closed before the answer", Fault::CloseBeforeAnswer.into()),
        ("reset before the answer", Fault::ResetBeforeAnswer.into()),
        ("cut in the head", Fault::CutHead.into()),
        ("garbage", Fault::Garbage.into()),
        ("never answered", Fault::NeverAnswer.into()),
        ("cut in a 500's body", cut(500).into()),
        ("200 with a login page", Reply::status(200).body("<html>Sign in</html>")),
        ("200 without a body", Reply::status(200)),
        ("200 with other JSON", Reply::status(200).body(r#"{"ok":true}"#)),
        ("200 with an error", Reply::status(200).body(r#"{"id":"77","error":{"code":"HALF_DONE"}}"#)),
        ("200 cut short", Fault::CutBody { status: 200, sent: br#"{"id":"77""#.to_vec() }.into()),
        ("202", Reply::status(202).body(r#"{"id":"77"}"#)),
        ("204", Reply::status(204)),
        ("408", Reply::status(408)),
        ("500", Reply::status(500)),
        ("502", Reply::status(502).body("<html>Bad Gateway</html>")),
        ("503", Reply::status(503)),
        ("504", Reply::status(504)),
    ]
}

/// Deletes one name for each of [`unclear`], with `then` from the second attempt on.
fn after_an_unclear_answer(sandbox: &Sandbox, then: &Reply) -> Output {
    let then = then.clone();
    let server = Server::start(move |seen| match seen.attempt {
        1 => unclear().into_iter().find(|(name, _)| *name == seen.name).unwrap().1,
        _ => then.clone(),
    });
    let names: Vec<_> = unclear().into_iter().map(|(name, _)| name).collect();
    let input = csv(sandbox, &names);
    let mut command = decom(sandbox, &server, &["run", &input]);
    let output = command.env("DECOM_API_RESPONSE_TIMEOUT", "300ms").run();
    let ended = output;
    for name in names {
        assert_eq!(ended.result(name).attempts, 2, "{name}: {ended:#?}");
        assert_eq!(server.deletions_of(name), 2, "{name}");
    }
    ended
}

#[test]
fn not_found_after_an_unclear_answer_is_deleted_unconfirmed() {
    let ended = after_an_unclear_answer(&Sandbox::new(), &Reply::not_found()).expect(0);
    for (name, row) in ended.results() {
        assert_eq!(row.outcome, "deleted_unconfirmed", "{name}");
        assert_eq!(row.evidence, "not_found_after_doubt", "{name}");
        assert_eq!(row.error_code, "DATASOURCE_NAME_ERROR", "{name}");
    }
}

#[test]
fn a_clear_answer_after_an_unclear_one_counts() {
    let ended = after_an_unclear_answer(&Sandbox::new(), &Reply::deleted()).expect(0);
    assert!(ended.all_are("deleted"), "{ended:#?}");
    let ended = after_an_unclear_answer(&Sandbox::new(), &Reply::in_use()).expect(1);
    assert!(ended.all_are("in_use"), "{ended:#?}");
}

#[test]
fn a_429_leaves_no_doubt() {
    let server = Server::start(|seen| match seen.attempt {
        1 => Reply::status(429),
        _ => Reply::not_found(),
    });
    let sandbox = Sandbox::new();
    let ended = run(&sandbox, &server, &["a"]).expect(1);
    assert_eq!(ended.outcome("a"), "not_found");
}

#[test]
fn without_a_clear_answer_and_a_listing_the_outcome_is_unknown() {
    let server = Server::start(|seen| match (seen.name.as_str(), seen.attempt) {
        ("server last", 3) | ("cut last", 1 | 2) => Reply::status(503),
        _ => Fault::CloseBeforeAnswer.into(),
    });
    let names = ["server last", "cut last"];
    let sandbox = Sandbox::new();
    let ended = run(&sandbox, &server, &names).expect(1);
    assert_eq!(ended.outcome("server last"), "unknown");
    assert_eq!(ended.outcome("cut last"), "unknown");
    assert_eq!(ended.result("cut last").error_code, "connection_lost");
}

#[test]
fn the_listing_settles_what_no_answer_did() {
    let server = Server::start(|seen| match seen.name.as_str() {
        "deleted" => Reply::deleted(),
        "listed, cut" | "absent, cut" => Fault::CloseBeforeAnswer.into(),
        _ => Reply::status(500),
    });
    server.list(&["listed, cut", "listed, 500", "somebody else's"]);
    let names = ["deleted", "listed, cut", "absent, cut", "listed, 500", "absent, 500"];
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &names);
    let mut command = decom(&sandbox, &server, &["run", &input]);
    let output = command.env("DECOM_SAFETY_LISTING_CHECK", "true").run();
    let ended = output.expect(1);
    let told = |name: &str| ended.outcome_and_evidence(name);
    assert_eq!(told("deleted"), "deleted absent_from_listing");
    assert_eq!(told("listed, cut"), "failed still_listed");
    assert_eq!(told("listed, 500"), "failed still_listed");
    assert_eq!(told("absent, cut"), "deleted_unconfirmed absent_from_listing");
    assert_eq!(told("absent, 500"), "deleted_unconfirmed absent_from_listing");
}

#[test]
fn a_name_that_is_still_listed_after_its_deletion_is_told_and_exits_1() {
    let server = Server::deleting();
    server.list(&["zombie"]);
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["zombie", "gone"]);
    let mut command = decom(&sandbox, &server, &["run", &input]);
    let output = command.env("DECOM_SAFETY_LISTING_CHECK", "true").run();
    let ended = output.expect(1);
    assert_eq!((ended.outcome("zombie"), ended.outcome("gone")), ("deleted", "deleted"));
    assert_eq!(ended.result("zombie").evidence, "still_listed");
    assert_eq!(ended.result("gone").evidence, "absent_from_listing");
    assert!(ended.stdout.contains("STILL LISTED (1)"), "{}", ended.stdout);
}

#[test]
fn a_listing_that_fails_changes_no_outcome() {
    let listings: Vec<Reply> = vec![
        Reply::status(404),
        Reply::status(401),
        Reply::status(200).body("<html>"),
        Reply::status(200).body(r#"{"data":[{"nome":"a"}]}"#),
        Fault::CutBody { status: 200, sent: br#"{"data":[]}"#.to_vec() }.into(),
    ];
    for listing in listings {
        let server = Server::deleting();
        let reply = listing.clone();
        server.answer_listing(move |_| reply.clone());
        let sandbox = Sandbox::new();
        let input = csv(&sandbox, &["a"]);
        let mut command = decom(&sandbox, &server, &["run", &input]);
        let output = command.env("DECOM_SAFETY_LISTING_CHECK", "true").run();
        let ended = output.expect(0);
        assert_eq!(ended.outcome("a"), "deleted");
        assert_eq!(ended.result("a").evidence, "acknowledged", "{listing:?}");
        assert!(ended.stderr.contains("not checked against the listing"), "{}", ended.stderr);
    }
}

#[test]
fn the_exit_code_tells_whether_everything_is_gone() {
    let with = |names: &[&str], arguments: &[&str], accepted: &str| {
        let server = Server::start(|seen| match (seen.name.as_str(), seen.attempt) {
            ("missing", _) | ("unconfirmed", 2) => Reply::not_found(),
            ("needed", _) => Reply::in_use(),
            ("odd", _) => Reply::status(403),
            ("broken", _) => Reply::status(500),
            ("unconfirmed", _) => Fault::CloseBeforeAnswer.into(),
            _ => Reply::deleted(),
        });
        let sandbox = Sandbox::new();
        let input = csv(&sandbox, names);
        let mut command = decom(&sandbox, &server, &["run", &input]);
        command.args(arguments).env("DECOM_RUN_ACCEPT", accepted).run().code
    };
    let code = |names: &[&str], arguments: &[&str]| with(names, arguments, "");
    assert_eq!(code(&["a", "b", "unconfirmed"], &[]), 0);
    for exception in ["missing", "needed", "odd", "broken"] {
        assert_eq!(code(&["a", exception], &[]), 1, "{exception}");
    }
    assert_eq!(code(&["a", "missing"], &["--ignore-not-found"]), 0);
    assert_eq!(code(&["missing", "needed"], &["--ignore-not-found"]), 1);
    assert_eq!(code(&["a", "b"], &["--protect", "b"]), 1, "a protected name is not gone");
    assert_eq!(with(&["missing", "needed"], &["--ignore-not-found"], "in_use"), 0);
    assert_eq!(with(&["missing", "needed", "odd"], &[], "in_use,not_found"), 1);
    assert_eq!(with(&["a", "b"], &["--protect", "b"], "skipped"), 0);
    assert_eq!(with(&["a", "broken"], &[], "failed,unknown"), 0);
    assert_eq!(with(&["a"], &[], "pending"), 2, "that is not an end");
}

#[test]
fn what_is_known_to_be_gone_counts_as_gone_and_is_not_sent_again() {
    let server = Server::deleting();
    let sandbox = Sandbox::new();
    run(&sandbox, &server, &["a", "b"]).expect(0);
    let ended = run(&sandbox, &server, &["a", "b", "c"]).expect(0);
    assert_eq!(ended.outcome("a"), "skipped");
    assert_eq!(ended.outcome("c"), "deleted");
    assert_eq!((server.deletions_of("a"), server.deletions_of("c")), (1, 1));
    run_with(&sandbox, &server, &["a"], &["--again"]).expect(0);
    assert_eq!(server.deletions_of("a"), 2);
}
