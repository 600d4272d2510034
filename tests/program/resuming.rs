//! A run that was interrupted goes on, in the same run or in another one, and what was in doubt is
//! settled with what is known of it.

use crate::support::{Fault, Reply, Sandbox, Server, column};

/// Runs `arguments` until the server is asked for `name`, whose answer never comes, and kills it.
fn killed_while_asking_for(sandbox: &Sandbox, server: &Server, name: &'static str, arguments: &[&str]) {
    server.answer(
        move |request| if request.name == name { Fault::NeverAnswer.into() } else { Reply::deleted() },
    );
    let before = server.deletions().len();
    let mut decom = sandbox.start(server, arguments);
    decom.wait_until("the request that hangs", || {
        server.deletions()[before..].iter().any(|deletion| deletion.name == name)
    });
    decom.kill();
}

/// `outcome/evidence` of each result of the newest run, by name.
fn results(sandbox: &Sandbox) -> Vec<String> {
    column(
        &sandbox.log(),
        "SELECT datasource || ' ' || outcome || ' ' || coalesce(evidence, '-') FROM results
          WHERE run_id = (SELECT run_id FROM runs ORDER BY started_at DESC LIMIT 1) ORDER BY target",
    )
}

fn runs(sandbox: &Sandbox) -> usize {
    column(&sandbox.log(), "SELECT run_id FROM runs").len()
}

#[test]
fn the_same_input_continues_by_itself_and_says_so() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.names("names.csv", &["a", "b", "c"]);
    killed_while_asking_for(&sandbox, &server, "b", &["run", "names.csv"]);

    server.answer(|_| Reply::deleted());
    let finished = sandbox.run(&server, &["run", "names.csv"]);

    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(
        finished.stderr.contains("continuing the interrupted run: 1 of 3 targets are settled, 2 are due")
    );
    assert_eq!(runs(&sandbox), 1);
    assert_eq!(server.names_sent(), ["a", "b", "b", "c"], "nothing that is known to be gone is sent again");
    let run = &column(&sandbox.log(), "SELECT run_id FROM runs")[0];
    let ids: Vec<_> = server.deletions().into_iter().map(|deletion| deletion.id().to_owned()).collect();
    assert_eq!(
        ids,
        ["1-1", "2-1", "2-2", "3-1"].map(|end| format!("{run}-{end}")),
        "attempts are counted over both processes"
    );
    let counts = column(&sandbox.log(), "SELECT planned || ' ' || deleted || ' ' || pending FROM runs");
    assert_eq!(counts, ["3 3 0"]);
}

#[test]
fn resume_continues_by_id_and_says_if_there_is_nothing_to_resume() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.names("names.csv", &["a", "b"]);
    killed_while_asking_for(&sandbox, &server, "b", &["run", "names.csv"]);
    let run = column(&sandbox.log(), "SELECT run_id FROM runs").remove(0);

    server.answer(|_| Reply::deleted());
    let finished = sandbox.run(&server, &["resume", &run[..run.len() - 2]]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_eq!(server.names_sent(), ["a", "b", "b"]);

    let finished = sandbox.run(&server, &["resume", &run]);
    assert_eq!(finished.code, 0);
    assert!(finished.stdout.contains("nothing to resume: run "), "{}", finished.stdout);
    let finished = sandbox.run(&server, &["resume"]);
    assert_eq!(finished.code, 0);
    assert_eq!(server.names_sent().len(), 3);
}

#[test]
fn what_is_gone_is_not_sent_again_unless_it_is_asked_for() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.names("names.csv", &["a", "b"]);
    assert_eq!(sandbox.run(&server, &["run", "names.csv"]).code, 0);

    let finished = sandbox.run(&server, &["run", "names.csv"]);
    assert_eq!(finished.code, 0, "what is gone already is no exception: {}", finished.stderr);
    assert_eq!(results(&sandbox), ["a skipped audit_log", "b skipped audit_log"]);
    let reasons = column(&sandbox.log(), "SELECT detail FROM results WHERE outcome = 'skipped'");
    assert_eq!(reasons, ["already_deleted"; 2]);
    assert_eq!(server.names_sent().len(), 2);

    server.answer(|_| Reply::not_found());
    let finished = sandbox.run(&server, &["run", "names.csv", "--again"]);
    assert_eq!(finished.code, 1);
    assert_eq!(server.names_sent().len(), 4);
    assert_eq!(results(&sandbox), ["a not_found refused", "b not_found refused"], "that was no doubt");

    // Not found again is no sign that it exists again.
    let finished = sandbox.run(&server, &["run", "names.csv"]);
    assert_eq!(finished.code, 0);
    assert_eq!(server.names_sent().len(), 4);
}

#[test]
fn what_was_gone_and_was_met_again_is_due_again() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.names("names.csv", &["a", "b"]);
    assert_eq!(sandbox.run(&server, &["run", "names.csv"]).code, 0);
    server.answer(|request| if request.name == "a" { Reply::in_use() } else { Reply::deleted() });
    assert_eq!(sandbox.run(&server, &["run", "names.csv", "--again"]).code, 1);

    server.answer(|_| Reply::deleted());
    let finished = sandbox.run(&server, &["run", "names.csv"]);
    assert_eq!(finished.code, 0);
    assert_eq!(results(&sandbox), ["a deleted absent_from_listing", "b skipped audit_log"]);
}

#[test]
fn a_run_asked_to_send_again_keeps_to_that_when_it_is_resumed() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.names("names.csv", &["a", "b"]);
    assert_eq!(sandbox.run(&server, &["run", "names.csv"]).code, 0);
    killed_while_asking_for(&sandbox, &server, "a", &["run", "names.csv", "--again"]);

    server.answer(|_| Reply::deleted());
    let finished = sandbox.run(&server, &["resume"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_eq!(results(&sandbox), ["a deleted absent_from_listing", "b deleted absent_from_listing"]);
    assert_eq!(server.names_sent(), ["a", "b", "a", "a", "b"]);
}

#[test]
fn rows_added_removed_or_reordered_give_a_new_run_over_what_is_still_due() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.names("names.csv", &["a", "b", "c", "d"]);
    killed_while_asking_for(&sandbox, &server, "b", &["run", "names.csv"]);

    // `d` is removed, `e` is added, and nothing stands where it stood.
    sandbox.names("names.csv", &["e", "c", "b", "a"]);
    server.answer(|request| if request.name == "b" { Reply::not_found() } else { Reply::deleted() });
    let finished = sandbox.run(&server, &["run", "names.csv"]);

    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_eq!(runs(&sandbox), 2);
    assert_eq!(server.names_sent(), ["a", "b", "e", "c", "b"]);
    let expected = [
        "e deleted absent_from_listing",
        "c deleted absent_from_listing",
        "b deleted_unconfirmed absent_from_listing",
        "a skipped audit_log",
    ];
    assert_eq!(results(&sandbox), expected, "b was in doubt since the first run");

    // The first run still has its targets, of which the second has dealt with two.
    let finished = sandbox.run(&server, &["resume"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_eq!(server.names_sent()[5..], ["d"]);
    let all = column(
        &sandbox.log(),
        "SELECT deleted || ' ' || skipped || ' ' || pending FROM runs ORDER BY started_at",
    );
    assert_eq!(all, ["2 2 0", "2 1 0"]);
}

#[test]
fn not_found_after_an_attempt_in_doubt_is_a_deletion_unconfirmed() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.names("names.csv", &["a", "b"]);
    killed_while_asking_for(&sandbox, &server, "a", &["run", "names.csv"]);

    server.answer(|_| Reply::not_found());
    let finished = sandbox.run(&server, &["resume", "--no-listing-check"]);
    assert_eq!(finished.code, 1);
    assert_eq!(results(&sandbox), ["a deleted_unconfirmed not_found_after_doubt", "b not_found refused"]);
}

#[test]
fn a_doubt_holds_for_its_host_alone() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.names("names.csv", &["a"]);
    killed_while_asking_for(&sandbox, &server, "a", &["run", "names.csv"]);

    let elsewhere = Server::start(|_| Reply::not_found());
    let finished = sandbox.run(&elsewhere, &["run", "names.csv"]);
    assert_eq!(finished.code, 1);
    assert_eq!(runs(&sandbox), 2);
    assert_eq!(results(&sandbox), ["a not_found refused"]);
}

#[test]
fn a_doubt_ends_with_an_answer_that_tells_whether_the_datasource_exists() {
    // What a second run is told of `a`, and what "not found" means in a third.
    let cases = [
        (Reply::in_use(), "a not_found refused"),
        (Reply::not_found(), "a not_found refused"),
        (Reply::error(403, "FORBIDDEN"), "a deleted_unconfirmed not_found_after_doubt"),
        (Reply::server_error(), "a deleted_unconfirmed not_found_after_doubt"),
    ];
    for (answer, expected) in cases {
        let (sandbox, server) = (Sandbox::new(), Server::deleting());
        sandbox.names("first.csv", &["a", "x"]);
        sandbox.names("second.csv", &["a", "y"]);
        sandbox.names("third.csv", &["a", "z"]);
        killed_while_asking_for(&sandbox, &server, "a", &["run", "first.csv"]);
        let told = answer.clone();
        server.answer(move |request| if request.name == "a" { told.clone() } else { Reply::deleted() });
        sandbox.run(&server, &["run", "second.csv", "--no-listing-check"]);

        server.answer(|_| Reply::not_found());
        let finished = sandbox.run(&server, &["run", "third.csv", "--again", "--no-listing-check"]);
        assert_eq!(finished.code, 1);
        assert_eq!(results(&sandbox)[0], expected, "after {answer:?}");
    }
}

#[test]
fn a_retry_of_what_stayed_unknown_knows_of_the_doubt() {
    let (sandbox, server) = (Sandbox::new(), Server::start(|_| Fault::CloseBeforeAnswer.into()));
    sandbox.names("names.csv", &["a"]);
    let finished = sandbox.run(&server, &["run", "names.csv", "--no-listing-check"]);
    assert_eq!(finished.code, 1);
    assert_eq!(results(&sandbox), ["a unknown no_clear_answer"]);
    let run = column(&sandbox.log(), "SELECT run_id FROM runs").remove(0);

    server.answer(|_| Reply::not_found());
    let finished = sandbox.run(&server, &["retry", &run]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_eq!(results(&sandbox), ["a deleted_unconfirmed absent_from_listing"]);
}

#[test]
fn what_is_in_doubt_is_settled_first() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.names("names.csv", &["a", "b", "c"]);
    // `a` is turned away and waits, `b` hangs: the first in the list is not in doubt, the second is.
    server.answer(|request| match request.name.as_str() {
        "a" => Reply::status(429).with("Retry-After", 600),
        _ => Fault::NeverAnswer.into(),
    });
    let mut decom = sandbox.start(&server, &["run", "names.csv", "--concurrency", "2"]);
    decom.wait_until("both requests", || server.deletions().len() == 2);
    decom.wait_until("the record of the 429", || {
        column(&sandbox.log(), "SELECT verdict FROM attempts WHERE verdict IS NOT NULL") == ["throttled"]
    });
    decom.kill();

    server.answer(|_| Reply::deleted());
    let finished = sandbox.run(&server, &["resume"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_eq!(server.names_sent()[2..], ["b", "a", "c"]);
}

#[test]
fn what_was_sent_and_is_protected_by_now_is_not_called_skipped() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.names("names.csv", &["a", "b", "c"]);
    killed_while_asking_for(&sandbox, &server, "a", &["run", "names.csv"]);

    server.answer(|_| Reply::deleted());
    let finished = sandbox.run(&server, &["resume", "--protect", "[ab]"]);
    assert_eq!(finished.code, 1);
    assert_eq!(server.names_sent(), ["a", "c"], "protection holds when a run goes on, too");
    let expected =
        ["a deleted_unconfirmed absent_from_listing", "b skipped rule", "c deleted absent_from_listing"];
    assert_eq!(results(&sandbox), expected);
}
