//! Time stamps of a third party beside the checkpoints, which no run waits for.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::support::keys::{self, Key};
use crate::support::tsa::{self, Authority};
use crate::support::{Decom, Reply, Sandbox, Server, csv, decom, files_in};

/// A run that writes checkpoints to the folder `points`, each to be stamped by `url`.
fn stamped_run(sandbox: &Sandbox, server: &Server, url: &str) -> Decom {
    let input = csv(sandbox, &["a", "b"]);
    std::fs::create_dir_all(sandbox.path("points")).unwrap();
    if !sandbox.path("key").exists() {
        Key::new(sandbox, "key", "ed25519");
    }
    let mut command = decom(sandbox, server, &["run", &input, "--again"]);
    command.args(["--signing-key", "key", "--checkpoint-dir", "points"]);
    command.env("DECOM_AUDIT_TIMESTAMP_URL", url);
    command
}

/// The checkpoints in the folder `points`.
fn checkpoints(sandbox: &Sandbox) -> Vec<PathBuf> {
    let names = files_in(&sandbox.path("points"));
    let names =
        names.into_iter().filter(|name| Path::new(name).extension().is_some_and(|it| it == "checkpoint"));
    names.map(|name| sandbox.path("points").join(name)).collect()
}

fn beside(checkpoint: &Path, suffix: &str) -> PathBuf {
    format!("{}{suffix}", checkpoint.display()).into()
}

fn is_stamped(checkpoint: &Path) -> bool {
    beside(checkpoint, ".tsr").exists()
}

#[test]
fn each_checkpoint_has_a_time_stamp_that_openssl_accepts() {
    let Some(authority) = Authority::new(module_path!()) else { return };
    if keys::are_missing(module_path!()) {
        return;
    }
    let (tsa, certificate) = authority.serve();
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    stamped_run(&sandbox, &server, &tsa.url()).run().expect(0);
    let written = checkpoints(&sandbox);
    assert!(written.len() >= 3, "{written:?}");
    let of_other = beside(&written[0], ".sig");
    for checkpoint in &written {
        let (signature, stamp) = (beside(checkpoint, ".sig"), beside(checkpoint, ".tsr"));
        assert!(tsa::verified(&signature, &stamp, &certificate), "{}", stamp.display());
        assert_eq!(tsa::verified(&of_other, &stamp, &certificate), signature == of_other);
    }
    let mut nonces: Vec<_> = tsa.requests().into_iter().map(|request| request.body).collect();
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), written.len(), "one request for each, and no two are the same");
    // A checkpoint by hand is stamped as well, and so is that of a closed log.
    for words in [&["audit", "checkpoint", "--out", "by-hand.checkpoint"][..], &["audit", "rotate"]] {
        let mut command = sandbox.decom(words);
        command.args(["--signing-key", "key", "--checkpoint-dir", "points"]);
        command.env("DECOM_AUDIT_TIMESTAMP_URL", tsa.url()).run().expect(0);
    }
    let by_hand = sandbox.path("by-hand.checkpoint");
    assert!(tsa::verified(&beside(&by_hand, ".sig"), &beside(&by_hand, ".tsr"), &certificate));
    assert!(checkpoints(&sandbox).iter().all(|checkpoint| is_stamped(checkpoint)));
}

#[test]
fn a_time_stamp_of_something_else_is_not_kept() {
    let Some(authority) = Authority::new(module_path!()) else { return };
    if keys::are_missing(module_path!()) {
        return;
    }
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    // The reply to the first request, whatever is asked then.
    let first: Mutex<Option<Reply>> = Mutex::default();
    let replaying = Server::replying(move |request| {
        first.lock().unwrap().get_or_insert_with(|| authority.stamp(request)).clone()
    });
    let ended = stamped_run(&sandbox, &server, &replaying.url()).run().expect(0);
    let stamped: Vec<_> = checkpoints(&sandbox).iter().map(|checkpoint| is_stamped(checkpoint)).collect();
    assert!(stamped[0] && stamped[1..].iter().all(|is_stamped| !is_stamped), "{stamped:?}");
    assert!(ended.stderr.contains("the imprint differs"), "{}", ended.stderr);
    // By hand, too, the checkpoint is written, and the time stamp is not.
    let mut again =
        sandbox.decom(&["audit", "checkpoint", "--signing-key", "key", "--out", "points/last.checkpoint"]);
    again.env("DECOM_AUDIT_TIMESTAMP_URL", replaying.url());
    let ended = again.run().expect(0);
    assert!(ended.stderr.contains("no time stamp was fetched"), "{}", ended.stderr);
    assert!(!is_stamped(&sandbox.path("points/last.checkpoint")));
}

#[test]
fn an_authority_that_does_not_reply_holds_up_no_run() {
    if keys::are_missing(module_path!()) {
        return;
    }
    // It accepts connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}/tsr", silent.local_addr().unwrap());
    let broken = Server::receiving(Reply::status(500));
    let garbage = Server::receiving(Reply::status(200).body("<html>"));
    for (url, why) in [
        (silent, "the authority did not reply within"),
        (broken.url(), "the authority replied 500"),
        (garbage.url(), "not in the form of RFC 3161"),
    ] {
        let (sandbox, server) = (Sandbox::new(), Server::deleting());
        let ended = stamped_run(&sandbox, &server, &url).run().expect(0);
        assert_eq!((ended.outcome("a"), ended.outcome("b")), ("deleted", "deleted"));
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
        assert!(checkpoints(&sandbox).iter().all(|checkpoint| !is_stamped(checkpoint)));
    }
}

#[test]
fn a_time_stamp_address_that_cannot_be_one_is_refused() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let input = csv(&sandbox, &["a"]);
    for url in ["tsa.example.com", "ftp://tsa.example.com/", "http://user:secret@tsa.example.com/"] {
        let mut command = decom(&sandbox, &server, &["run", &input]);
        let refused = command.env("DECOM_AUDIT_TIMESTAMP_URL", url).run().expect(2);
        assert!(refused.message().contains("timestamp_url") || refused.message().contains("TIMESTAMP_URL"));
        assert!(!refused.stderr.contains("secret"), "{}", refused.stderr);
    }
}
