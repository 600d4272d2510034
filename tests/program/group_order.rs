//! The order within a group: a datasource is sent once its datamarts are gone, in this process or an earlier one, and
//! not at all if one of them is not. The run is put into the log as decom records one, and the real program continues
//! it.

use std::sync::{Condvar, Mutex};

use super::datamart_requests::{datamarts_of, outcomes, recorded};
use crate::support::listings::listing;
use crate::support::{Fault, PATIENCE, Reply, Request, Sandbox, Server, rows};

/// Three groups: of two datamarts, of one, and of none.
pub(super) const GROUPS: &[(&str, Option<&str>)] =
    &[("a1", Some("a")), ("a2", Some("a")), ("a", None), ("b1", Some("b")), ("b", None), ("c", None)];

/// The same after another group, which is the canary.
const AFTER_CANARY: &[(&str, Option<&str>)] = &[
    ("o1", Some("o")),
    ("o", None),
    ("a1", Some("a")),
    ("a2", Some("a")),
    ("a", None),
    ("b1", Some("b")),
    ("b", None),
    ("c", None),
];

/// What became of the targets after the canary.
fn after_canary(sandbox: &Sandbox) -> Vec<String> {
    let mut all = outcomes(sandbox);
    let canary: Vec<_> = all.drain(..2).collect();
    assert!(canary.iter().all(|row| row.contains(" deleted ")), "{canary:?}");
    all
}

pub(super) fn deleted(request: &Request) -> Reply {
    if request.is_of_datamart() { Reply::datamart_deleted(&request.name) } else { Reply::deleted() }
}

/// Fails if a datasource was sent before a datamart of it.
#[track_caller]
fn is_in_order(server: &Server) {
    let sent = server.names_sent();
    for (datasource, datamarts) in [("a", &["a1", "a2"][..]), ("b", &["b1"])] {
        let Some(at) = sent.iter().position(|name| name == datasource) else { continue };
        for datamart in datamarts {
            let last = sent.iter().rposition(|name| name == datamart);
            assert!(last.is_none_or(|last| last < at), "{sent:?}");
        }
    }
}

pub(super) fn is_sound(sandbox: &Sandbox) {
    sandbox.decom(&["audit", "verify"]).run().expect(1);
}

#[test]
fn a_datasource_follows_its_own_datamarts_and_waits_for_no_other_group() {
    static B_IS_GONE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());
    let (sandbox, server) = (
        Sandbox::new(),
        Server::start(|request| {
            match request.name.as_str() {
                "b" => {
                    *B_IS_GONE.0.lock().unwrap() = true;
                    B_IS_GONE.1.notify_all();
                }
                // Answered only once the other group is through, for which the second worker has to wait for `b1`.
                "a1" => {
                    let gone = B_IS_GONE.0.lock().unwrap();
                    let (_gone, result) =
                        B_IS_GONE.1.wait_timeout_while(gone, PATIENCE, |gone| !*gone).unwrap();
                    assert!(!result.timed_out());
                }
                _ => {}
            }
            deleted(request)
        }),
    );
    recorded(&sandbox, &server, AFTER_CANARY);
    let mut command = sandbox.decom(&["resume", "one", "--yes", "--concurrency", "2"]);
    command.sequential(&server.url()).env_remove("DECOM_CONCURRENCY").run().expect(0);
    is_in_order(&server);
    assert_eq!(server.deletions().len(), 8);
    assert!(outcomes(&sandbox).iter().all(|row| row.ends_with("deleted absent_from_listing")));
    is_sound(&sandbox);
}

#[test]
fn a_datasource_stays_if_a_datamart_does() {
    for (reply, outcome) in [
        (Reply::server_error(), "failed"),
        (Reply::error(403, "FORBIDDEN"), "rejected"),
        (Reply::error(400, "INVALID_REQUEST_BODY"), "failed"),
    ] {
        let sandbox = Sandbox::new();
        let server =
            Server::start(move |request| if request.name == "a1" { reply.clone() } else { deleted(request) });
        recorded(&sandbox, &server, AFTER_CANARY);
        sandbox.sequential(&server, &["resume", "one"]).run().expect(1);
        assert_eq!(server.deletions_of("a"), 0, "{outcome}");
        let found = after_canary(&sandbox);
        assert!(found[0].starts_with(&format!("datamart a1 {outcome}")), "{found:?}");
        assert_eq!(found[2], "datasource a skipped audit_log");
        assert!(found[1..].iter().filter(|row| row.contains(" deleted ")).count() == 4, "{found:?}");
        let why = rows(&sandbox.log(), "SELECT detail, message FROM results WHERE datasource = 'a'");
        let page = sandbox.decom(&["report", "--format", "html"]).run().expect(0).stdout;
        assert!(page.contains("Datamarts remain"), "the certificate lists it");
        assert_eq!(why, [["dependants_remain".to_owned(), format!("its datamart `a1` ended {outcome}")]]);
        is_sound(&sandbox);
    }
}

#[test]
fn one_reading_of_the_listing_settles_the_datamarts_of_all_groups() {
    let sandbox = Sandbox::new();
    let server = Server::start(|request| {
        let is_refused = request.is_of_datamart() && request.name != "o1";
        if is_refused { Reply::error(400, "INVALID_REQUEST_BODY") } else { deleted(request) }
    });
    recorded(&sandbox, &server, AFTER_CANARY);
    server.list_datamarts_until_sent(&datamarts_of(AFTER_CANARY), listing(Vec::new()));
    let mut command = sandbox.decom(&["resume", "one", "--yes", "--concurrency", "4"]);
    command.sequential(&server.url()).env_remove("DECOM_CONCURRENCY").run().expect(1);
    let found = after_canary(&sandbox);
    assert_eq!(found[1], "datamart a2 not_found absent_from_listing");
    assert_eq!(found[2], "datasource a deleted absent_from_listing");
    is_in_order(&server);
    let readings = server.requests().iter().filter(|it| it.path.ends_with("/datamarts")).count();
    assert_eq!(readings, 4, "when it is resumed, before all, once for all that is open, and at the end");
}

#[test]
fn what_no_listing_can_settle_keeps_its_datasource() {
    let sandbox = Sandbox::new();
    let server = Server::start(|request| {
        if request.name == "a1" { Reply::error(400, "INVALID_REQUEST_BODY") } else { deleted(request) }
    });
    recorded(&sandbox, &server, AFTER_CANARY);
    server.list_datamarts_until_sent(&datamarts_of(AFTER_CANARY), |_| Reply::status(403));
    sandbox.sequential(&server, &["resume", "one"]).run().expect(1);
    let found = after_canary(&sandbox);
    assert_eq!(found[0], "datamart a1 failed no_clear_answer");
    assert_eq!(found[2], "datasource a skipped audit_log");
    assert_eq!(server.deletions_of("a"), 0);
    is_sound(&sandbox);
}

#[test]
fn the_order_survives_a_kill_at_any_request() {
    for killed_at in ["a1", "a2", "a", "b1", "b", "c"] {
        let sandbox = Sandbox::new();
        let server = Server::start(move |request| {
            if request.name == killed_at { Fault::NeverAnswer.into() } else { deleted(request) }
        });
        recorded(&sandbox, &server, GROUPS);
        let running = sandbox.start(&server, &["resume", "one"]);
        server.wait_until(|requests| requests.iter().any(|it| it.is_deletion() && it.name == killed_at));
        running.kill();
        let before = server.names_sent();
        server.answer(deleted);
        sandbox.sequential(&server, &["resume", "one"]).run().expect(0);
        is_in_order(&server);
        let mut after = server.names_sent().split_off(before.len());
        after.sort();
        let mut left: Vec<_> = GROUPS.iter().map(|(name, _)| (*name).to_owned()).collect();
        left.retain(|name| name == killed_at || !before.contains(name));
        left.sort();
        assert_eq!(after, left, "killed at {killed_at}, after {before:?}");
        is_sound(&sandbox);
    }
}

#[test]
fn a_group_that_was_stuck_is_stuck_after_a_resume() {
    let sandbox = Sandbox::new();
    let server = Server::start(|request| match request.name.as_str() {
        "a1" => Reply::error(403, "FORBIDDEN"),
        "a2" => Reply::unauthorized(),
        _ => deleted(request),
    });
    recorded(&sandbox, &server, GROUPS);
    sandbox.sequential(&server, &["resume", "one"]).run().expect(4);
    server.answer(deleted);
    sandbox.sequential(&server, &["resume", "one"]).run().expect(1);
    assert_eq!((server.deletions_of("a1"), server.deletions_of("a")), (1, 0));
    assert_eq!(outcomes(&sandbox)[2], "datasource a skipped audit_log");
}

#[test]
fn the_canary_is_the_first_whole_group() {
    for refused in ["a1", "a"] {
        let sandbox = Sandbox::new();
        let server = Server::start(move |request| {
            if request.name == refused { Reply::error(403, "FORBIDDEN") } else { deleted(request) }
        });
        recorded(&sandbox, &server, &[&[("n", None)], GROUPS].concat());
        let said = sandbox.sequential(&server, &["resume", "one"]).run().expect(4);
        assert!(said.stdout.contains(&format!("canary `{refused}` ended rejected")), "{said:?}");
        let sent: &[_] = if refused == "a" { &["a1", "a2", "a"] } else { &["a1", "a2"] };
        assert_eq!(server.names_sent(), sent, "one without datamarts would show little");
        is_in_order(&server);
    }
}

#[test]
fn in_use_after_its_own_datamarts_are_gone_is_tried_again() {
    let sandbox = Sandbox::new();
    // The API is slow to notice for one group, and a workspace holds the other one.
    let server = Server::start(|request| match (request.name.as_str(), request.attempt) {
        ("a", 1) | ("b" | "c", _) => Reply::in_use(),
        _ => deleted(request),
    });
    recorded(&sandbox, &server, GROUPS);
    server.list(&["b", "c"]);
    let said = sandbox.sequential(&server, &["resume", "one"]).run().expect(1);
    let found = outcomes(&sandbox);
    assert_eq!(
        [&found[2], &found[4], &found[5]],
        [
            "datasource a deleted absent_from_listing",
            "datasource b in_use refused",
            "datasource c in_use refused"
        ]
    );
    // Without datamarts of its own, nothing is to be waited for.
    assert_eq!(["a", "b", "c"].map(|name| server.deletions_of(name)), [2, 3, 1]);
    assert!(said.stdout.contains("2 datasources are in use, and no datamart was listed that reads them"));
    is_sound(&sandbox);
}

#[test]
fn datasources_that_stay_in_use_stop_the_run_before_more_datamarts_go() {
    let sandbox = Sandbox::new();
    let server = Server::start(|request| {
        if request.is_of_datamart() || request.name == "d0" { deleted(request) } else { Reply::in_use() }
    });
    let names: Vec<_> = (0..20).map(|number| (format!("m{number}"), format!("d{number}"))).collect();
    let groups: Vec<_> = names
        .iter()
        .flat_map(|(datamart, datasource)| {
            [(datamart.as_str(), Some(datasource.as_str())), (datasource, None)]
        })
        .collect();
    recorded(&sandbox, &server, &groups);
    let mut command = sandbox.sequential(&server, &["resume", "one"]);
    let said = command.env("DECOM_SAFETY_BREAKER_FAILURES", "3").run().expect(4);
    assert!(said.stdout.contains("3 of the last"), "{said:?}");
    // The canary's and three others. While the last is being settled, another group may begin.
    let datamarts = server.deletions().iter().filter(|request| request.is_of_datamart()).count();
    assert!((4..=5).contains(&datamarts), "{datamarts}");
}
