//! Nothing is believed that was not proven: replies that only look like a success, listings that shift, what exists
//! again, what is protected by now and in doubt. Many of them come from public bug reports of other clients.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::json;

use crate::support::{Fault, Output, Reply, Request, Sandbox, Server, column, csv, decom, run, run_with};

/// Runs with the listing read at the end.
fn run_listing(sandbox: &Sandbox, server: &Server, names: &[impl AsRef<str>], arguments: &[&str]) -> Output {
    let input = csv(sandbox, names);
    let mut command = decom(sandbox, server, &[&["run", &input], arguments].concat());
    command.env("DECOM_SAFETY_LISTING_CHECK", "true").env("DECOM_API_LISTING_PATIENCE", "0s").run()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("n-{number:02}")).collect()
}

#[test]
fn every_way_of_refusing_the_token_stops_the_run_at_any_status() {
    for (status, code) in [
        (400, "EXPIRED_SERVICE_TOKEN"),
        (401, "INVALID_SERVICE_TOKEN"),
        (400, "INVALID_DATA_APP_API_KEY"),
        (400, "AUTHENTICATION_ERROR"),
        (403, "AUTHENTICATION_ERR"),
        (200, "EXPIRED_SERVICE_TOKEN"),
        (401, "SOMETHING_ELSE"),
    ] {
        let server = Server::start(move |_| Reply::error(status, code));
        let sandbox = Sandbox::new();
        let ended = run_with(&sandbox, &server, &numbered(80), &["--concurrency", "4"]).expect(4);
        let sent = server.deletions().len();
        assert!(sent <= 8, "{status} {code}: {sent} requests, of which 4 were under way");
        assert!(ended.stdout.contains("does not accept the token"), "{status} {code}: {}", ended.stdout);
        assert_eq!(column(&sandbox.log(), "SELECT pending FROM runs"), ["80"], "{status} {code}");
    }
}

/// A public report of a wrapper that took 204 for a failure (mailchimp-api).
///
/// Reported of other clients: drewm/mailchimp-api#109, eu-sovereign-cloud/spec#246.
#[test]
fn forty_deletions_that_are_answered_with_204_are_deleted_unconfirmed() {
    let server = Server::start(|_| Reply::status(204));
    server.list(&["another"]);
    let sandbox = Sandbox::new();
    let arguments = ["--max-attempts", "1", "--concurrency", "4"];
    let input = csv(&sandbox, &numbered(40));
    let mut command = decom(&sandbox, &server, &[&["run", &input], &arguments[..]].concat());
    command.env("DECOM_SAFETY_BREAKER_FAILURES", "20").env("DECOM_SAFETY_BREAKER_WINDOW", "50");
    let ended = command.env("DECOM_SAFETY_LISTING_CHECK", "true").run().expect(0);
    assert!(ended.all_are("deleted_unconfirmed"), "{ended:?}");
    assert_eq!(ended.results().len(), 40);
}

#[test]
fn the_listing_is_read_before_the_breaker_judges_what_is_unclear() {
    // Half of them are carried out, and no reply is clear.
    let server = Server::start(|_| Reply::status(502));
    let names = numbered(60);
    let exist: Vec<_> = names.iter().skip(1).step_by(2).map(String::as_str).collect();
    server.list(&exist);
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &names);
    let mut command = decom(&sandbox, &server, &["run", &input, "--max-attempts", "1", "--concurrency", "1"]);
    command.env("DECOM_SAFETY_BREAKER_FAILURES", "20").env("DECOM_SAFETY_BREAKER_WINDOW", "50");
    let ended = command.env("DECOM_SAFETY_LISTING_CHECK", "true").run().expect(4);
    let counts =
        column(&sandbox.log(), "SELECT failed >= 20 AND deleted_unconfirmed >= 19 AND unknown = 0 FROM runs");
    assert_eq!(counts, ["1"], "{}", ended.stdout);
}

#[test]
fn a_canary_that_is_held_for_the_listing_is_still_a_canary() {
    let server = Server::start(|seen| match seen.name.as_str() {
        "n-03" => Reply::in_use(),
        _ => Reply::status(204),
    });
    // All are there before the run, and gone when it looks again.
    let readings = AtomicUsize::new(0);
    server.answer_listing(move |_| match readings.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::json(
            200,
            &json!({ "data": numbered(10).iter().map(|name| json!({ "name": name })).collect::<Vec<_>>() }),
        ),
        _ => Reply::json(200, &json!({ "data": [{ "name": "another" }] })),
    });
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &numbered(10));
    let arguments = ["run", &input, "--canary", "5", "--max-attempts", "1", "--concurrency", "1"];
    let mut command = decom(&sandbox, &server, &arguments);
    command.env("DECOM_SAFETY_BREAKER_FAILURES", "2").env("DECOM_SAFETY_LISTING_CHECK", "true");
    let stopped = command.run().expect(4);
    assert!(stopped.stdout.contains("It stopped early: canary `n-03`"), "{}", stopped.stdout);
    assert!(server.deletions().len() <= 5, "what comes after the canary was not sent");
    assert_eq!((stopped.outcome("n-01"), stopped.outcome("n-05")), ("deleted_unconfirmed", "pending"));
}

#[test]
fn a_doubt_lasts_into_a_later_run_until_something_settles_it() {
    let sandbox = Sandbox::new();
    let server = Server::start(|_| Reply::server_error());
    let ended = run(&sandbox, &server, &["a"]).expect(1);
    assert_eq!(ended.outcome("a"), "unknown");
    server.answer(|_| Reply::not_found());
    run(&sandbox, &server, &["a"]).expect(0);
    let found = column(
        &sandbox.log(),
        "SELECT outcome || ' ' || evidence FROM results JOIN runs USING (run_id) ORDER BY started_at DESC",
    );
    assert_eq!(found[0], "deleted_unconfirmed not_found_after_doubt");
}

#[test]
fn a_400_that_was_cut_short_leaves_no_doubt() {
    let sandbox = Sandbox::new();
    let cut = Fault::CutBody { status: 400, sent: br#"{"error":"#.to_vec() };
    let server = Server::start(move |_| cut.clone().into());
    assert_eq!(run(&sandbox, &server, &["a"]).expect(1).outcome("a"), "rejected");
    server.answer(|_| Reply::not_found());
    run(&sandbox, &server, &["a"]).expect(1);
    assert_eq!(
        column(
            &sandbox.log(),
            "SELECT outcome FROM results JOIN runs USING (run_id) ORDER BY started_at DESC"
        )[0],
        "not_found"
    );
}

#[test]
fn an_endless_429_for_one_name_fails_after_ten_free_turns() {
    let server = Server::start(|seen| match seen.name.as_str() {
        "n-03" => Reply::status(429).with("Retry-After", 0),
        _ => Reply::deleted(),
    });
    server.list(&["n-03"]);
    let sandbox = Sandbox::new();
    let mut command = {
        let input = csv(&sandbox, &numbered(6));
        decom(&sandbox, &server, &["run", &input, "--max-attempts", "2", "--concurrency", "2"])
    };
    let ended = command.env("DECOM_SAFETY_LISTING_CHECK", "true").run().expect(1);
    assert_eq!((ended.outcome("n-03"), server.deletions_of("n-03")), ("failed", 12));
    assert_eq!(column(&sandbox.log(), "SELECT deleted FROM runs"), ["5"]);
}

fn compressed(encoding: &str, status: u16, body: &str) -> Reply {
    let length = u8::try_from(body.len()).unwrap();
    let bytes = match encoding {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(body.as_bytes()).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(body.as_bytes()).unwrap();
            encoder.finish().unwrap()
        }
        // One block that is stored as it is (RFC 7932, section 9), and an empty one.
        "br" => {
            let header = (u32::from(length) - 1) << 4 | 1 << 20;
            [&header.to_le_bytes()[..3], body.as_bytes(), &[0x03]].concat()
        }
        // One frame with one block that is stored as it is (RFC 8878, section 3).
        "zstd" => {
            let block = u32::from(length) << 3 | 1;
            let magic = [0x28, 0xb5, 0x2f, 0xfd, 0x20, length];
            [&magic[..], &block.to_le_bytes()[..3], body.as_bytes()].concat()
        }
        other => panic!("{other}"),
    };
    Reply::status(status).body(bytes).with("Content-Encoding", encoding)
}

/// A public report of a client that read noise where the server had compressed unasked (rss-parser).
///
/// Reported of other clients: rbren/rss-parser#280, mnutt/davros#94.
#[test]
fn a_compressed_reply_that_was_not_asked_for_is_understood() {
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let server = Server::start(move |seen| match seen.name.as_str() {
            "a" => compressed(encoding, 200, r#"{"id":"77"}"#),
            "b" => compressed(encoding, 400, r#"{"error":{"code":"DATASOURCE_IN_USE"}}"#),
            _ => compressed(encoding, 400, r#"{"error":{"code":"DATASOURCE_NAME_ERROR"}}"#),
        });
        server.answer_listing(move |_| compressed(encoding, 200, r#"{"data":[{"name":"b"}]}"#));
        let sandbox = Sandbox::new();
        let ended = run_listing(&sandbox, &server, &["a", "b", "c"], &[]).expect(1);
        let found = ["a", "b", "c"].map(|name| ended.outcome(name));
        assert_eq!(found, ["deleted", "in_use", "not_found"], "{encoding}");
        assert_eq!(ended.result("a").evidence, "absent_from_listing", "{encoding}");
        assert!(server.requests().iter().all(|seen| seen.header("accept-encoding") == "identity"));
    }
}

/// Answers a listing that exists in pages only, as `names` says for each pass over them.
fn paged(server: &Server, names: impl Fn(usize) -> Vec<&'static str> + Send + Sync + 'static) {
    let passes = AtomicUsize::new(0);
    server.answer_listing(move |seen: &Request| {
        let Some(page) = seen.page() else { return Reply::status(400) };
        if page == 1 {
            passes.fetch_add(1, Ordering::SeqCst);
        }
        let all = names(passes.load(Ordering::SeqCst));
        let page = all.chunks(10).nth(page - 1).unwrap_or_default();
        let data: Vec<_> = page.iter().map(|name| json!({ "name": name })).collect();
        Reply::json(200, &json!({ "data": data }))
    });
}

#[test]
fn one_pass_over_pages_proves_no_absence() {
    // The first pass misses the name, as pages shift while others delete; the next two show it.
    let server = Server::start(|_| Reply::status(503));
    paged(&server, |pass| if pass == 1 { vec!["b"] } else { vec!["a", "b"] });
    let sandbox = Sandbox::new();
    let ended = run_listing(&sandbox, &server, &["a"], &[]).expect(1);
    assert_eq!(ended.outcome_and_evidence("a"), "failed still_listed");

    // It never comes to rest: then nothing is proven.
    paged(&server, |pass| if pass % 2 == 0 { vec!["a", "b"] } else { vec!["b"] });
    let sandbox = Sandbox::new();
    let ended = run_listing(&sandbox, &server, &["a"], &[]).expect(1);
    assert_eq!(ended.outcome_and_evidence("a"), "unknown no_clear_answer");
    assert!(ended.stderr.contains("its pages changed"), "{}", ended.stderr);

    // Two equal passes do prove it.
    paged(&server, |_| vec!["b"]);
    let sandbox = Sandbox::new();
    let ended = run_listing(&sandbox, &server, &["a"], &[]).expect(0);
    assert_eq!(ended.outcome_and_evidence("a"), "deleted_unconfirmed absent_from_listing");
}

#[test]
fn what_was_deleted_and_is_listed_again_is_skipped_as_such_and_not_gone() {
    let server = Server::deleting();
    let sandbox = Sandbox::new();
    run(&sandbox, &server, &["a", "b"]).expect(0);
    server.list(&["a", "c", "d", "e"]);
    let input = csv(&sandbox, &["a", "b"]);
    decom(&sandbox, &server, &["run", &input, "--max-share", "99"]).run().expect(1);
    let found = column(
        &sandbox.log(),
        "SELECT datasource || ' ' || outcome || ' ' || detail FROM results JOIN runs USING (run_id) ORDER BY started_at DESC, target LIMIT 2",
    );
    assert_eq!(found, ["a skipped exists_again", "b skipped already_deleted"]);
    assert_eq!(server.deletions_of("a"), 1, "it is not sent without --again");
    decom(&sandbox, &server, &["run", &input, "--max-share", "99", "--again"]).run();
    assert_eq!(server.deletions_of("a"), 2);
}

#[test]
fn what_is_protected_by_now_and_in_doubt_is_settled_by_the_listing_and_not_sent() {
    for (listed, settled) in
        [(false, "deleted_unconfirmed absent_from_listing"), (true, "failed still_listed")]
    {
        let server = Server::start(|_| Fault::CloseBeforeAnswer.into());
        let sandbox = Sandbox::new();
        run(&sandbox, &server, &["a", "b"]).expect(1);
        server.answer(|_| Reply::deleted());
        server.list(if listed { &["a", "c"] } else { &["c"] });
        let before = server.deletions_of("a");
        let code = i32::from(listed);
        run_listing(&sandbox, &server, &["a", "b"], &["--protect", "a"]).expect(code);
        let found = column(
            &sandbox.log(),
            "SELECT outcome || ' ' || evidence FROM results JOIN runs USING (run_id) WHERE datasource = 'a' ORDER BY started_at DESC LIMIT 1",
        );
        assert_eq!(found, [settled]);
        assert_eq!(server.deletions_of("a"), before, "what is protected is not sent");
    }
}

#[test]
fn an_api_that_cannot_be_reached_is_a_passing_reason() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sandbox = Sandbox::new();
    let server = Server::deleting();
    let input = csv(&sandbox, &["a"]);
    let mut command = decom(&sandbox, &server, &["run", &input, "--max-share", "50"]);
    command.env("DECOM_BASE_URL", format!("http://{address}")).env("DECOM_API_LISTING_PATIENCE", "0s");
    let ended = command.run().expect(4);
    for words in ["cannot reach http://127.0.0.1", "connection refused", "--base-url", "nothing was sent"] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("--max-share 100"), "{}", ended.stderr);
}

#[test]
fn a_listing_is_tried_again_without_a_terminal() {
    let server = Server::deleting();
    let tries = AtomicUsize::new(0);
    server.answer_listing(move |_| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::status(503),
        1 => Reply::status(429).with("Retry-After", 0),
        _ => Reply::json(200, &json!({ "data": [{ "name": "a" }, { "name": "b" }, { "name": "c" }] })),
    });
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["a"]);
    let mut command = decom(&sandbox, &server, &["run", &input, "--max-share", "50"]);
    command.env("DECOM_API_LISTING_PATIENCE", "1m").run().expect(0);
}

#[test]
fn a_listing_that_is_too_long_is_refused_and_not_held_in_memory() {
    let server = Server::deleting();
    server.answer_listing(|_| {
        Fault::HugeBody { status: 200, start: br#"{"data":["#.to_vec(), bytes: 80 << 20 }.into()
    });
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["a"]);
    let ended = decom(&sandbox, &server, &["run", &input, "--max-share", "50"]).run().expect(3);
    assert!(ended.stderr.contains("longer than 64 MiB"), "{}", ended.stderr);
}

#[test]
fn a_canary_begins_with_what_exists_and_is_not_in_use() {
    let server = Server::start(|seen| match seen.name.as_str() {
        "missing" => Reply::not_found(),
        "used" => Reply::in_use(),
        _ => Reply::deleted(),
    });
    server.list(&["used", "first", "second", "another", "one-more", "last"]);
    server.list_datamarts(&[("mart", "used")]);
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["missing", "used", "protected", "first", "second", "another"]);
    let arguments = ["run", &input, "--canary", "2", "--protect", "prot*", "--max-share", "90"];
    decom(&sandbox, &server, &arguments).env("DECOM_CONCURRENCY", "1").run().expect(1);
    assert_eq!(server.names_sent(), ["first", "second", "missing", "used", "another"]);
}
