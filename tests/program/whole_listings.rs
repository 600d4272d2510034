//! Absence is proven by a whole listing only, and a deletion by a reply that nothing contradicts.

use serde_json::{Value, json};

use crate::support::{Output, Reply, Request, Sandbox, Server, csv, decom};

fn run_listing(sandbox: &Sandbox, server: &Server, names: &[impl AsRef<str>], arguments: &[&str]) -> Output {
    let input = csv(sandbox, names);
    let mut command = decom(sandbox, server, &[&["run", &input, "--max-attempts", "1"], arguments].concat());
    command.env("DECOM_SAFETY_LISTING_CHECK", "true").env("DECOM_API_LISTING_PATIENCE", "0s").run()
}

/// Entries with the numbers from `from` to `to`, of 30 that exist.
fn entries(from: usize, to: usize) -> Vec<Value> {
    (from.min(30)..to.min(30)).map(|number| json!({ "name": format!("n-{number:02}") })).collect()
}

fn data(entries: &[Value]) -> Reply {
    Reply::json(200, &json!({ "data": entries, "error": null }))
}

/// Deletes nothing, says so of nothing, and lists as `listing` says: `settled` is what becomes of the last entry.
fn ends(what: &str, settled: &str, listing: impl Fn(Option<usize>) -> Reply + Send + Sync + 'static) {
    let server = Server::start(|_| Reply::status(500));
    server.answer_listing(move |seen: &Request| listing(seen.page()));
    let sandbox = Sandbox::new();
    let ended = run_listing(&sandbox, &server, &["n-29"], &[]).expect(1);
    assert_eq!(ended.outcome_and_evidence("n-29"), settled, "{what}: {}", ended.stderr);
}

const NO_PROOF: &str = "unknown no_clear_answer";
const FOUND: &str = "failed still_listed";

#[test]
fn a_page_that_is_refused_is_not_the_end_of_the_listing() {
    for status in [400, 403, 404] {
        ends("refused", NO_PROOF, move |page| match page {
            None => data(&entries(0, 10)),
            Some(_) => Reply::error(status, "INVALID_REQUEST_BODY"),
        });
    }
}

#[test]
fn a_complete_listing_of_an_api_without_pages_proves_absence() {
    let server = Server::start(|_| Reply::status(500));
    for count in [0, 10, 11] {
        // Ten at once can be a page, so that pages must be asked; they repeat the listing.
        server.answer_listing(move |seen| match seen.page() {
            Some(_) if count != 10 => Reply::error(400, "INVALID_REQUEST_BODY"),
            _ => data(&entries(0, count)),
        });
        let sandbox = Sandbox::new();
        let ended = run_listing(&sandbox, &server, &["n-29"], &[]).expect(0);
        assert_eq!(ended.outcome_and_evidence("n-29"), "deleted_unconfirmed absent_from_listing", "{count}");
    }
}

#[test]
fn pages_that_lack_what_is_listed_without_pages_prove_nothing() {
    let server = Server::start(|_| Reply::status(500));
    server.answer_listing(|seen| {
        let page = seen.page().unwrap_or(0);
        data(&entries(page * 10, page * 10 + 10))
    });
    let sandbox = Sandbox::new();
    let ended = run_listing(&sandbox, &server, &["n-05"], &[]).expect(1);
    assert_eq!(ended.outcome_and_evidence("n-05"), NO_PROOF);
    assert!(ended.stderr.contains("lack entries"), "{}", ended.stderr);
}

#[test]
fn pages_of_any_size_and_with_repeated_entries_are_read_to_the_end() {
    for size in [5, 10, 20, 25] {
        ends("size", FOUND, move |page| {
            let from = (page.unwrap_or(1) - 1) * size;
            data(&entries(from, from + size))
        });
    }
    ends("repeated", FOUND, |page| match page {
        None => data(&[entries(0, 9), entries(0, 1)].concat()),
        Some(page) => data(&entries((page - 1) * 10, page * 10)),
    });
}

#[test]
fn a_listing_that_says_that_it_is_not_all_proves_nothing() {
    for more in [
        json!({ "hasMore": true }),
        json!({ "next": "abc" }),
        json!({ "total": 30 }),
        json!({ "pagination": { "total": 30 } }),
        json!({ "meta": { "has_next_page": true } }),
    ] {
        ends(&more.to_string(), NO_PROOF, move |_| {
            let mut body = json!({ "data": entries(0, 12) });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            Reply::json(200, &body)
        });
    }
    for (name, value) in [("Link", "</x?page=2>; rel=\"next\""), ("Content-Range", "items 0-11/30")] {
        ends(name, NO_PROOF, move |_| data(&entries(0, 12)).with(name, value));
    }
}

#[test]
fn a_listing_with_an_error_or_of_another_form_proves_nothing() {
    for body in [
        r#"{"data":[],"code":"INTERNAL_SERVER_ERROR","message":"down"}"#,
        r#"{"data":[],"success":false}"#,
        r#"{"data":[],"errors":["down"]}"#,
        r#"{"data":[],"code":"INTERNAL_SERVER_ERROR","code":null}"#,
        r#"{"data":[{"name":"n-00"}],"data":[]}"#,
        "[[],null]",
        r#"[[["n-00"],["zzz"]],null]"#,
        r#"{"data":[["n-00"]]}"#,
    ] {
        ends(body, NO_PROOF, move |_| Reply::status(200).body(body));
    }
}

#[test]
fn a_200_that_something_in_it_contradicts_is_in_doubt() {
    for body in [
        r#"{"id":"x","code":"INTERNAL_SERVER_ERROR"}"#,
        r#"{"id":"x","success":false}"#,
        r#"{"id":"x","errors":[{"message":"no"}]}"#,
        r#"{"id":" "}"#,
        r#"{"id":"x","error":{"code":"DATASOURCE_IN_USE"},"error":null}"#,
        r#"{"id":1,"id":"x"}"#,
    ] {
        let server = Server::start(move |_| Reply::status(200).body(body));
        server.list(&["a"]);
        let sandbox = Sandbox::new();
        let ended = run_listing(&sandbox, &server, &["a"], &[]).expect(1);
        assert_eq!(ended.outcome_and_evidence("a"), FOUND, "{body}");
    }
    let success = r#"{"id":"x","code":null,"error":null,"errors":[],"success":true}"#;
    let server = Server::start(move |_| Reply::status(200).body(success));
    let sandbox = Sandbox::new();
    let ended = run_listing(&sandbox, &server, &["a"], &[]).expect(0);
    assert_eq!(ended.outcome_and_evidence("a"), "deleted absent_from_listing");
}
