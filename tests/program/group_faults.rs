//! What becomes of a group for each fault of one of its datamarts. The run is put into the log as decom records one,
//! and the real program continues it.

use serde_json::Value;

use super::datamart_requests::{datamarts_of, outcomes, recorded};
use super::group_order::{deleted, is_sound};
use crate::support::listings::{datamart_entry, listing};
use crate::support::{Fault, Reply, Request, Sandbox, Server};

/// The canary, a group with the fault, and one after it.
const GROUPS: &[(&str, Option<&str>)] = &[
    ("o1", Some("o")),
    ("o", None),
    ("a1", Some("a")),
    ("a2", Some("a")),
    ("a", None),
    ("b1", Some("b")),
    ("b", None),
];

/// The reply to the deletion of `a1`.
type Answer = fn(&Request) -> Reply;

/// What the listing is from the first deletion on: that of these, or none.
enum Then {
    /// What was not deleted.
    Kept,
    /// Without `a1`, which the server has deleted all the same.
    WithoutA1,
}

#[test]
fn each_fault_of_a_datamart_ends_as_the_contract_says() {
    let no_answer: Answer = |_| Fault::CloseBeforeAnswer.into();
    let lost_once: Answer = |request| match request.attempt {
        1 => Fault::CloseBeforeAnswer.into(),
        _ => Reply::error(400, "INVALID_REQUEST_BODY"),
    };
    let not_found_at_first: Answer = |request| match request.attempt {
        1 => Reply::error(400, "INVALID_REQUEST_BODY"),
        _ => Reply::datamart_deleted(&request.name),
    };
    let (stays, goes) = ("datasource a skipped audit_log", "datasource a deleted absent_from_listing");
    for (what, answer, then, requests, datamart, datasource) in [
        ("without an answer, and it stayed", no_answer, Then::Kept, 3, "failed still_listed", stays),
        (
            "without an answer, and it went",
            no_answer,
            Then::WithoutA1,
            3,
            "deleted_unconfirmed absent_from_listing",
            goes,
        ),
        (
            "deleted, and the answer was lost",
            lost_once,
            Then::WithoutA1,
            2,
            "deleted_unconfirmed absent_from_listing",
            goes,
        ),
        (
            "500 indefinitely, and it stayed",
            |_| Reply::server_error(),
            Then::Kept,
            3,
            "failed still_listed",
            stays,
        ),
        ("not found, and it is listed", not_found_at_first, Then::Kept, 1, "failed still_listed", stays),
        (
            "not found, and it is not",
            not_found_at_first,
            Then::WithoutA1,
            1,
            "not_found absent_from_listing",
            goes,
        ),
        ("forbidden", |_| Reply::error(403, "FORBIDDEN"), Then::Kept, 1, "rejected refused", stays),
    ] {
        let (sandbox, server) = (
            Sandbox::new(),
            Server::start(
                move |request| if request.name == "a1" { answer(request) } else { deleted(request) },
            ),
        );
        recorded(&sandbox, &server, GROUPS);
        if matches!(then, Then::WithoutA1) {
            server.list_datamarts_until_sent(&datamarts_of(GROUPS), listing(Vec::new()));
        }
        let code = i32::from(!datamart.starts_with("deleted_unconfirmed"));
        sandbox.sequential(&server, &["resume", "one"]).run().expect(code);
        let found = outcomes(&sandbox);
        assert_eq!(server.deletions_of("a1"), requests, "{what}");
        assert_eq!(found[2], format!("datamart a1 {datamart}"), "{what}");
        assert!(found[3].starts_with("datamart a2 deleted"), "{what}: {found:?}");
        assert_eq!(found[4], datasource, "{what}");
        assert!(found[6].starts_with("datasource b deleted"), "no other group is held up: {what} {found:?}");
        let sent = server.names_sent();
        let place = |name: &str| sent.iter().rposition(|it| it == name);
        assert!(
            place("a").is_none_or(|a| place("a1") < Some(a) && place("a2") < Some(a)),
            "{what}: {sent:?}"
        );
        is_sound(&sandbox);
    }
}

#[test]
fn what_differs_from_the_plan_is_not_sent_and_says_why() {
    let planned = || datamarts_of(GROUPS).into_iter().map(|(name, reads)| datamart_entry(name, reads));
    let changed = |entry: Value| planned().filter(|it| it["name"] != "a1").chain([entry]).collect::<Vec<_>>();
    for (what, listed, why) in [
        (
            "it belongs to two listed datasources",
            planned().chain([datamart_entry("a1", "b")]).collect(),
            "datamart `a1` exists 2 times, and reads `a` and `b`",
        ),
        (
            "it was renamed",
            changed(datamart_entry("a1 (new)", "a")),
            "datamart `a1` does not exist any more; datamart `a1 (new)` reads it, and was not planned",
        ),
        ("it reads another datasource", changed(datamart_entry("a1", "z")), "datamart `a1` reads `z`"),
    ] {
        let (sandbox, server) = (Sandbox::new(), Server::start(deleted));
        recorded(&sandbox, &server, GROUPS);
        server.answer_datamarts(listing(listed));
        let said = sandbox.sequential(&server, &["resume", "one"]).run().expect(1);
        for name in ["a1", "a2", "a"] {
            assert_eq!(server.deletions_of(name), 0, "{what}");
        }
        assert!(said.stdout.contains(&format!("dependants_changed; {why}")), "{what}: {said:?}");
        assert!(said.stdout.contains("After looking at what changed:\n  decom retry one --outcome skipped"));
        assert_eq!(server.deletions_of("o"), 1, "{what}");
    }
}
