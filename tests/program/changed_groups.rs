//! A datasource and its datamarts are sent only as they were planned: a listing is held against the log before, and
//! what differs is not sent. The run is put into the log as decom records one, and the real program continues it.

use serde_json::{Value, json};

use super::datamart_requests::{datamarts_of, outcomes, recorded};
use super::group_order::{GROUPS, deleted, is_sound};
use crate::support::listings::{datamart_entry, listing};
use crate::support::{Fault, Output, Reply, Request, Sandbox, Server, rows};

/// The datamarts of [`GROUPS`].
fn planned() -> Vec<Value> {
    datamarts_of(GROUPS).iter().map(|(name, reads)| datamart_entry(name, reads)).collect()
}

fn resume(sandbox: &Sandbox, server: &Server) -> Output {
    sandbox.sequential(server, &["resume", "one"]).run()
}

/// What became of the targets of group `a`, each with why.
fn of_group_a(sandbox: &Sandbox) -> Vec<Vec<String>> {
    let query =
        "SELECT name, outcome, detail, message FROM results WHERE name IN ('a', 'a1', 'a2') ORDER BY target";
    rows(&sandbox.log(), query)
}

#[test]
fn nothing_of_a_group_is_sent_if_the_listing_shows_another_one() {
    let mut another = planned();
    another[1]["datamartTables"] = json!([{ "tableName": "orders" }]);
    let with = |more: &[Value]| [&planned()[..], more].concat();
    for (listed, why) in [
        (with(&[datamart_entry("a3", "a")]), "datamart `a3` reads it, and was not planned"),
        (planned()[1..].to_vec(), "datamart `a1` does not exist any more"),
        ([&[datamart_entry("a1", "z")], &planned()[1..]].concat(), "datamart `a1` reads `z`"),
        (with(&[datamart_entry("a1", "z")]), "datamart `a1` exists 2 times, and reads `a` and `z`"),
        (another, "the definition of datamart `a2` changed since it was kept"),
        (
            [&[datamart_entry("x", "a"), datamart_entry("y", "a")], &planned()[2..]].concat(),
            "datamart `a1` does not exist any more; datamart `a2` does not exist any more; \
             datamart `x` reads it, and was not planned; datamart `y` reads it, and was not planned",
        ),
    ] {
        let (sandbox, server) = (Sandbox::new(), Server::start(deleted));
        recorded(&sandbox, &server, GROUPS);
        server.answer_datamarts(listing(listed));
        resume(&sandbox, &server).expect(1);
        assert_eq!(server.names_sent(), ["b1", "b", "c"], "{why}");
        let skipped = |name: &str| [name, "skipped", "dependants_changed", why].map(str::to_owned).to_vec();
        assert_eq!(of_group_a(&sandbox), [skipped("a1"), skipped("a2"), skipped("a")]);
        let page = sandbox.decom(&["report", "--format", "html"]).run().expect(0).stdout;
        assert!(page.contains("Datamarts changed"), "the certificate lists it");
        is_sound(&sandbox);
    }
}

#[test]
fn a_datasource_without_datamarts_that_has_one_now_is_not_sent() {
    let (sandbox, server) = (Sandbox::new(), Server::start(deleted));
    recorded(&sandbox, &server, GROUPS);
    server.answer_datamarts(listing([&planned()[..], &[datamart_entry("c1", "c")]].concat()));
    resume(&sandbox, &server).expect(1);
    assert_eq!(server.deletions_of("c"), 0);
    assert_eq!(outcomes(&sandbox)[5], "datasource c skipped rule");
}

#[test]
fn one_reading_serves_all_groups() {
    let (sandbox, server) = (Sandbox::new(), Server::start(deleted));
    recorded(&sandbox, &server, GROUPS);
    resume(&sandbox, &server).expect(0);
    let requests = server.requests();
    let lists = |it: &&Request| it.path.ends_with("/datamarts");
    let last = requests.iter().rposition(Request::is_deletion).unwrap();
    assert_eq!(requests[..last].iter().filter(lists).count(), 2, "one when it is resumed, and one");
    assert!(requests[0].path.ends_with("/datamarts") || !requests[0].is_deletion());
}

#[test]
fn nothing_is_sent_if_the_listing_cannot_be_read() {
    for (reply, code) in [
        (Reply::status(403), 3),
        (Reply::unauthorized(), 4),
        (Reply::json(200, &json!({ "data": [{ "name": "a1" }], "error": null })), 3),
    ] {
        let (sandbox, server) = (Sandbox::new(), Server::start(deleted));
        recorded(&sandbox, &server, GROUPS);
        server.answer_datamarts(move |_| reply.clone());
        let said = resume(&sandbox, &server).expect(code);
        assert_eq!(server.deletions().len(), 0, "{said:?}");
        assert!(outcomes(&sandbox).iter().all(|row| row.ends_with("pending")));
        server.keep_datamarts(&datamarts_of(GROUPS));
        resume(&sandbox, &server).expect(0);
        is_sound(&sandbox);
    }
}

/// Deletes `a1`, and is stopped at `a2`.
fn stopped_within_a_group() -> (Sandbox, Server) {
    let (sandbox, server) = (
        Sandbox::new(),
        Server::start(|request| if request.name == "a2" { Reply::unauthorized() } else { deleted(request) }),
    );
    recorded(&sandbox, &server, GROUPS);
    resume(&sandbox, &server).expect(4);
    assert_eq!(server.names_sent(), ["a1", "a2"]);
    server.answer(deleted);
    (sandbox, server)
}

#[test]
fn nothing_more_of_a_group_is_sent_if_it_changed_before_a_resume() {
    for (more, why) in [
        (datamart_entry("a3", "a"), "datamart `a3` reads it, and was not planned"),
        (datamart_entry("a1", "a"), "datamart `a1` was deleted, and exists again"),
    ] {
        let (sandbox, server) = stopped_within_a_group();
        server.answer_datamarts(listing([&planned()[1..], &[more]].concat()));
        resume(&sandbox, &server).expect(1);
        assert_eq!(server.names_sent(), ["a1", "a2", "b1", "b", "c"]);
        let found = of_group_a(&sandbox);
        assert_eq!(found[0][1], "deleted");
        for row in &found[1..] {
            assert_eq!(row[1..], ["skipped", "dependants_changed", why]);
        }
        is_sound(&sandbox);
    }
}

#[test]
fn a_datamart_that_was_created_again_elsewhere_keeps_nothing_and_is_not_sent() {
    let (sandbox, server) = stopped_within_a_group();
    server.answer_datamarts(listing([&planned()[1..], &[datamart_entry("a1", "z")]].concat()));
    // It is listed, and was deleted: that is reported, as always.
    resume(&sandbox, &server).expect(1);
    assert_eq!((server.deletions_of("a1"), server.deletions_of("a")), (1, 1));
}

#[test]
fn what_is_in_doubt_is_settled_by_the_listing_if_its_group_changed() {
    for (listed, outcome) in [
        (vec![datamart_entry("a1", "z"), datamart_entry("a2", "a")], "failed still_listed"),
        (vec![datamart_entry("a2", "z")], "deleted_unconfirmed absent_from_listing"),
    ] {
        let (sandbox, server) = (Sandbox::new(), Server::start(|_| Fault::NeverAnswer.into()));
        recorded(&sandbox, &server, GROUPS);
        let running = sandbox.start(&server, &["resume", "one"]);
        server.wait_for_deletions(1);
        running.kill();
        server.answer(deleted).answer_datamarts(listing([&listed[..], &planned()[2..]].concat()));
        resume(&sandbox, &server).expect(1);
        let found = outcomes(&sandbox);
        assert_eq!(found[0], format!("datamart a1 {outcome}"));
        assert_eq!(found[1..3], ["datamart a2 skipped rule", "datasource a skipped rule"]);
        assert_eq!((server.deletions_of("a1"), server.deletions_of("a2")), (1, 0));
        is_sound(&sandbox);
    }
}

#[test]
fn what_is_in_doubt_may_be_absent() {
    let (sandbox, server) = (Sandbox::new(), Server::start(|_| Fault::NeverAnswer.into()));
    recorded(&sandbox, &server, GROUPS);
    let running = sandbox.start(&server, &["resume", "one"]);
    server.wait_for_deletions(1);
    running.kill();
    // It was deleted then.
    server.answer(|request| {
        if request.name == "a1" { Reply::error(400, "INVALID_REQUEST_BODY") } else { deleted(request) }
    });
    server.answer_datamarts(listing(planned()[1..].to_vec()));
    resume(&sandbox, &server).expect(1);
    let found = outcomes(&sandbox);
    assert_eq!(found[0], "datamart a1 deleted_unconfirmed absent_from_listing");
    assert!(found[2].starts_with("datasource a deleted"), "{found:?}");
}

#[test]
fn a_canary_that_is_not_sent_is_followed_by_another_one() {
    let (sandbox, server) = (
        Sandbox::new(),
        Server::start(|request| if request.name == "b" { Reply::in_use() } else { deleted(request) }),
    );
    recorded(&sandbox, &server, GROUPS);
    server.answer_datamarts(listing([&planned()[..], &[datamart_entry("a3", "a")]].concat()));
    let mut command = sandbox.sequential(&server, &["resume", "one"]);
    let said = command.env("DECOM_MAX_ATTEMPTS", "2").run().expect(4);
    assert!(said.stdout.contains("canary `b` ended in_use"), "{said:?}");
    assert_eq!(server.names_sent(), ["b1", "b", "b"]);
}
