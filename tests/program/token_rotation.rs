//! A token that is rotated during a run: its file is read again once, when the API does not accept the old one.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};

use serde_json::json;

use crate::support::{Decom, Reply, Sandbox, Server, column, csv, decom};

const OLD: &str = "dbn_live_old-t0ken-0123456789";
const NEW: &str = "dbn_live_new-t0ken-9876543210";

/// Accepts the new token alone. `rotate` is called when the old one comes.
fn server(rotate: impl Fn() + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        if request.header("authorization") == format!("Bearer {NEW}") {
            return Reply::deleted();
        }
        rotate();
        Reply::status(401)
    })
}

fn with_token_file(sandbox: &Sandbox, server: &Server, arguments: &[&str]) -> Decom {
    let mut command = decom(sandbox, server, arguments);
    command.args(["--token-file", "token"]).env_remove("DATABRAIN_TOKEN");
    command
}

/// Replaces the file as Kubernetes does: a reader finds the old or the new token.
fn replace(file: &PathBuf, token: &str) {
    let beside = file.with_extension("new");
    std::fs::write(&beside, token).unwrap();
    std::fs::rename(beside, file).unwrap();
}

#[test]
fn a_run_goes_on_with_the_token_that_its_file_holds_by_then() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("token", OLD);
    // Once, whichever request comes first; the others wait until it is done.
    let rotation = Once::new();
    let server = server(move || rotation.call_once(|| replace(&file, NEW)));
    let names: Vec<_> = (0..20).map(|number| format!("tenant-{number}")).collect();
    let input = csv(&sandbox, &names);
    let ended = with_token_file(&sandbox, &server, &["run", &input]).run().expect(0);
    assert!(ended.all_are("deleted") && ended.results().len() == 20, "{ended:#?}");
    assert!(ended.stderr.contains("its file holds another one"), "{}", ended.stderr);
    let verdicts =
        column(&sandbox.log(), "SELECT verdict FROM attempts WHERE attempt = 1 AND verdict <> 'deleted'");
    assert!(!verdicts.is_empty() && verdicts.iter().all(|verdict| verdict == "unauthorized"), "{verdicts:?}");
    let log = String::from_utf8_lossy(&std::fs::read(sandbox.log()).unwrap()).into_owned();
    assert!(![OLD, NEW].iter().any(|token| format!("{ended:?}{log}").contains(token)));
    sandbox.decom(&["audit", "verify"]).run().expect(1);
}

#[test]
fn a_token_that_was_accepted_can_be_rotated_as_often_as_needed() {
    let sandbox = Sandbox::new();
    let token = |number: usize| format!("dbn_live_t0ken-number-{number}");
    let file = sandbox.file("token", token(0));
    // Each token is accepted five times; the one after it is in the file by the time that it is refused.
    let accepted = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        let valid = token(accepted.load(Ordering::SeqCst) / 5);
        if request.header("authorization") == format!("Bearer {valid}") {
            accepted.fetch_add(1, Ordering::SeqCst);
            return Reply::deleted();
        }
        replace(&file, &valid);
        Reply::status(401)
    });
    let names: Vec<_> = (0..20).map(|number| format!("tenant-{number}")).collect();
    let input = csv(&sandbox, &names);
    let ended = with_token_file(&sandbox, &server, &["run", &input, "--concurrency", "1"]).run().expect(0);
    assert!(ended.all_are("deleted"), "{ended:#?}");
    assert_eq!(ended.stderr.matches("its file holds another one").count(), 3, "{}", ended.stderr);
}

#[test]
fn a_listing_goes_on_with_it_as_well() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("token", OLD);
    let server = Server::deleting();
    server.answer_listing(move |request| {
        if request.header("authorization") == format!("Bearer {NEW}") {
            return Reply::json(200, &json!({ "data": [{ "name": "a" }, { "name": "b" }, { "name": "c" }] }));
        }
        replace(&file, NEW);
        Reply::status(401)
    });
    let input = csv(&sandbox, &["a"]);
    with_token_file(&sandbox, &server, &["run", &input, "--max-share", "50"]).run().expect(0);
}

#[test]
fn without_another_token_the_run_stops() {
    let sandbox = Sandbox::new();
    sandbox.file("token", OLD);
    let server = server(|| {});
    let input = csv(&sandbox, &["a", "b", "c"]);
    let ended = with_token_file(&sandbox, &server, &["run", &input, "--concurrency", "1"]).run().expect(4);
    assert!(ended.all_are("pending"), "{ended:#?}");
    assert!(ended.stdout.contains("does not accept the token"), "{}", ended.stdout);
    assert_eq!(server.deletions().len(), 1);
    // The rotation comes later: the run continues.
    replace(&sandbox.path("token"), NEW);
    with_token_file(&sandbox, &server, &["resume"]).run().expect(0);
}

#[test]
fn the_file_is_read_again_only_once() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("token", OLD);
    let count = Arc::new(AtomicUsize::new(0));
    let server = server(move || {
        let number = count.fetch_add(1, Ordering::SeqCst);
        replace(&file, &format!("dbn_live_wr0ng-token-{number}"));
    });
    let input = csv(&sandbox, &["a", "b"]);
    with_token_file(&sandbox, &server, &["run", &input, "--concurrency", "1"]).run().expect(4);
    assert_eq!(server.deletions().len(), 2);
}
