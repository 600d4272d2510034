//! What a webhook is told at the end of a run, however that ends; and that a webhook changes nothing
//! and is seen nowhere.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Decom, Fault, Output, Reply, Sandbox, Server, column, csv, decom};

/// Only how a run ended: `notice_events` has the rest.
pub const ENDINGS: (&str, &str) = ("DECOM_WATCH_NOTIFY_ON", "run_stopped,run_ended");

/// The part of a webhook's address that is a secret.
const SECRET: &str = "T0000-B0000-h00kXXXXXXXX";

/// A folder with a file that holds the address of `postbox`.
pub fn told(postbox: &Server) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("webhook", format!("{}/services/{SECRET}\n", postbox.url()));
    sandbox
}

/// `decom ARGUMENTS` that tells who is named in the file of [`told`].
fn telling(sandbox: &Sandbox, server: &Server, arguments: &[&str]) -> Decom {
    let mut command = decom(sandbox, server, arguments);
    command.env("DECOM_WATCH_NOTIFY_URL_FILE", "webhook").envs(&[ENDINGS]);
    command
}

fn ended(mut command: Decom) -> Output {
    let ended = command.run();
    assert!(!format!("{ended:?}").contains("h00k"), "{ended:#?}");
    ended
}

/// The one letter that came, as JSON.
fn only(postbox: &Server) -> Value {
    let letters = postbox.requests();
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert_eq!(
        (letters[0].method.as_str(), letters[0].path.as_str()),
        ("POST", &*format!("/services/{SECRET}"))
    );
    assert!(letters[0].header("content-type").contains("application/json"), "{letters:?}");
    letters[0].json()
}

fn one(sandbox: &Sandbox, query: &str) -> String {
    column(&sandbox.log(), query).into_iter().next().unwrap_or_default()
}

#[test]
fn the_webhook_is_told_what_the_log_says() {
    let postbox = Server::receiving(Reply::status(200));
    let sandbox = told(&postbox);
    let server = Server::start(|seen| match seen.name.as_str() {
        "used" => Reply::in_use(),
        _ => Reply::deleted(),
    });
    server.list_datamarts(&[]);
    let input = csv(&sandbox, &["a", "b", "used"]);
    let arguments = ["run", &input, "--reason", "moved away", "--ticket", "OPS-7", "--operator", "kim"];
    let ended = ended(telling(&sandbox, &server, &arguments)).expect(1);
    assert!(!ended.stderr.contains("WARN"), "{}", ended.stderr);

    let mut notice = only(&postbox);
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let (run_id, log) = (one(&sandbox, "SELECT run_id FROM runs"), sandbox.log().canonicalize().unwrap());
    let command = notice["report"]["command"].take();
    assert_eq!(
        notice,
        json!({
            "event": "run_ended",
            "run_id": run_id,
            "status": "finished",
            "exit_code": 1,
            "stopped": null,
            "rehearsal": false,
            "planned": 3,
            "counts": {
                "deleted": 2, "deleted_unconfirmed": 0, "not_found": 0, "in_use": 1, "rejected": 0,
                "failed": 0, "unknown": 0, "skipped": 0, "pending": 0,
            },
            "started_at": one(&sandbox, "SELECT started_at FROM runs"),
            "finished_at": one(&sandbox, "SELECT finished_at FROM runs"),
            "operator": "kim",
            "reason": "moved away",
            "ticket": "OPS-7",
            "api_host": server.url().strip_prefix("http://").unwrap(),
            "host": host,
            "tool_version": env!("CARGO_PKG_VERSION"),
            "report": { "audit_db": log.to_str().unwrap(), "command": null },
            "exceptions": null,
            "audit_log": {
                "id": one(&sandbox, "SELECT name FROM record WHERE kind = 'log'"),
                "records": one(&sandbox, "SELECT count(*) FROM record").parse::<u64>().unwrap(),
                "head": one(&sandbox, "SELECT lower(hex(hash)) FROM record ORDER BY seq DESC LIMIT 1"),
            },
        })
    );
    // The command works, from wherever it is given.
    let words = shlex::split(command.as_str().unwrap()).unwrap();
    let words: Vec<_> = words.iter().skip(1).map(String::as_str).collect();
    let elsewhere = Sandbox::new();
    assert!(elsewhere.decom(&words).run().stdout.contains(&run_id));
}

#[test]
fn slack_gets_a_message_of_its_own_form() {
    let postbox = Server::receiving(Reply::status(200));
    let sandbox = told(&postbox);
    let server = Server::start(|seen| match seen.name.as_str() {
        "used" => Reply::in_use(),
        _ => Reply::deleted(),
    });
    let input = csv(&sandbox, &["a", "used"]);
    sandbox.file("decom.toml", "[watch]\nnotify_form = \"slack\"\n");
    let arguments = ["run", &input, "--config", "decom.toml", "--ticket", "OPS-7"];
    ended(telling(&sandbox, &server, &arguments)).expect(1);
    let message = only(&postbox);
    let title = format!(
        "decom finished: 1 of 2 datasources on {} deleted, exit code 1",
        server.url().strip_prefix("http://").unwrap()
    );
    assert_eq!(message["text"], title);
    let blocks = message["blocks"].as_array().unwrap();
    assert!(blocks.iter().all(|block| block["type"] == "section" && block["text"]["type"] == "plain_text"));
    let texts: Vec<_> = blocks.iter().map(|block| block["text"]["text"].as_str().unwrap()).collect();
    assert_eq!(texts[..2], [title.as_str(), "deleted: 1\nin_use: 1\nplanned: 2"]);
    let head = one(&sandbox, "SELECT lower(hex(hash)) FROM record ORDER BY seq DESC LIMIT 1");
    for part in ["by tester", "ticket OPS-7", &head, "decom report "] {
        assert!(texts[2].contains(part), "{part}: {}", texts[2]);
    }
}

#[test]
fn a_run_that_ends_early_is_told_as_well() {
    let postbox = Server::receiving(Reply::status(200));
    let sandbox = told(&postbox);
    let server = Server::start(|_| Reply::status(401));
    let input = csv(&sandbox, &["a", "b"]);
    ended(telling(&sandbox, &server, &["run", &input])).expect(4);
    let notice = only(&postbox);
    assert_eq!((&notice["status"], &notice["exit_code"]), (&json!("stopped"), &json!(4)));
    assert!(notice["stopped"].as_str().unwrap().contains("does not accept the token"), "{notice}");
    assert_eq!(notice["counts"]["pending"], 2);

    // A signal.
    let postbox = Server::receiving(Reply::status(200));
    let sandbox = told(&postbox);
    let server = Server::start(|_| Fault::NeverAnswer.into());
    let input = csv(&sandbox, &["a", "b"]);
    let settings = [("DECOM_WATCH_NOTIFY_URL_FILE", "webhook"), ("DECOM_GRACE", "1ms"), ENDINGS];
    let running = decom(&sandbox, &server, &["run", &input]).envs(&settings).start();
    server.wait_until(|seen| !seen.is_empty());
    running.signal(Signal::TERM);
    running.finish().expect(143);
    let notice = only(&postbox);
    assert_eq!((&notice["status"], &notice["exit_code"]), (&json!("interrupted"), &json!(143)));

    // The log is unlinked underneath: what can be told is told.
    let postbox = Server::receiving(Reply::status(200));
    let sandbox = told(&postbox);
    let log = sandbox.log();
    let server = Server::start(move |_| {
        let _ = std::fs::remove_file(&log);
        Reply::deleted()
    });
    let input = csv(&sandbox, &["a", "b", "c"]);
    ended(telling(&sandbox, &server, &["run", &input, "--concurrency", "1"])).expect(5);
    let notice = only(&postbox);
    assert_eq!((&notice["status"], &notice["exit_code"]), (&json!("stopped"), &json!(5)));
    assert_eq!((&notice["audit_log"], &notice["planned"]), (&Value::Null, &json!(3)));
}

#[test]
fn a_webhook_that_fails_changes_nothing() {
    let errs = Server::receiving(Reply::status(500));
    let refuses = Server::receiving(Reply::status(404));
    let hangs = Server::receiving(Fault::NeverAnswer);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let path = format!("/services/{SECRET}");
    let cases = [
        (format!("http://{free}{path}"), None, "Connection refused"),
        (format!("{}{path}", errs.url()), Some((&errs, 2)), "500"),
        (format!("{}{path}", refuses.url()), Some((&refuses, 1)), "404"),
        (format!("{}{path}", hangs.url()), Some((&hangs, 2)), "timed out"),
    ];
    for (url, seen, said) in cases {
        let server = Server::deleting();
        let sandbox = Sandbox::new();
        let input = csv(&sandbox, &["a", "b"]);
        let mut command = decom(&sandbox, &server, &["run", &input]);
        // Also where everything is logged.
        command.env("DECOM_WATCH_NOTIFY_URL", url).env("DECOM_LOG_LEVEL", "trace").envs(&[ENDINGS]);
        let begun = Instant::now();
        let ended = ended(command).expect(0);
        assert!(begun.elapsed() < Duration::from_secs(15), "bounded");
        assert!(ended.stderr.contains("could not be sent to the webhook"), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
        assert!(ended.all_are("deleted"));
        assert_eq!(one(&sandbox, "SELECT status || ' ' || exit_code FROM runs"), "finished 0");
        if let Some((postbox, tries)) = seen {
            assert_eq!(postbox.requests().len(), tries);
        }
    }
}

#[test]
fn a_signal_cuts_a_webhook_short_that_hangs_and_the_exit_code_is_the_runs() {
    let postbox = Server::receiving(Fault::NeverAnswer);
    let sandbox = told(&postbox);
    let server = Server::start(|_| Reply::in_use());
    let input = csv(&sandbox, &["a"]);
    let settings = [("DECOM_WATCH_NOTIFY_URL_FILE", "webhook"), ENDINGS];
    let running = decom(&sandbox, &server, &["run", &input]).envs(&settings).start();
    postbox.wait_until(|requests| !requests.is_empty());
    running.signal(Signal::TERM);
    let ended = running.finish().expect(1);
    assert!(ended.stderr.contains("interrupted while the end was being reported"), "{}", ended.stderr);
    assert_eq!(postbox.requests().len(), 1, "not tried again");
}

#[test]
fn the_address_is_seen_nowhere() {
    let postbox = Server::receiving(Reply::status(200));
    let sandbox = told(&postbox);
    let server = Server::start(|_| Fault::NeverAnswer.into());
    let input = csv(&sandbox, &["a"]);
    let settings = [("DECOM_WATCH_NOTIFY_URL_FILE", "webhook"), ("DECOM_GRACE", "1ms"), ENDINGS];
    let all = [&settings[..], &[("DECOM_LOG_LEVEL", "trace")]].concat();
    let running = decom(&sandbox, &server, &["run", &input]).envs(&all).start();
    server.wait_until(|seen| !seen.is_empty());
    for file in ["cmdline", "environ"] {
        assert!(!String::from_utf8_lossy(&running.proc(file)).contains("h00k"), "{file}");
    }
    running.signal(Signal::INT);
    let ended = running.finish().expect(130);
    assert!(!format!("{ended:?}").contains("h00k"), "{ended:#?}");
    assert_eq!(only(&postbox)["event"], "run_stopped");
    let log = std::fs::read(sandbox.log()).unwrap();
    assert!(!String::from_utf8_lossy(&log).contains("h00k"), "it is in the audit log");
}

#[test]
fn an_address_that_cannot_be_one_is_refused_and_not_shown() {
    let server = Server::deleting();
    let postbox = Server::receiving(Reply::status(200));
    let far = format!("http://hooks.example.com/{SECRET}");
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[("DECOM_WATCH_NOTIFY_URL", SECRET)], "DECOM_WATCH_NOTIFY_URL: watch.notify_url: "),
        (&[("DECOM_WATCH_NOTIFY_URL", &far)], "plain HTTP would show it to the network"),
        (
            &[("DECOM_WATCH_NOTIFY_URL_FILE", "not-there")],
            "not-there: cannot read the address of the webhook",
        ),
        (&[("DECOM_WATCH_NOTIFY_URL_FILE", "bad")], "bad: this is not the address of a webhook"),
        (
            &[
                ("DECOM_WATCH_NOTIFY_URL", &far),
                ("DECOM_WATCH_NOTIFY_URL_FILE", "webhook"),
                ("DECOM_ALLOW_HTTP", "true"),
            ],
            "are both set",
        ),
        (
            &[("DECOM_WATCH_NOTIFY_FORM", "teams")],
            "watch.notify_form must be one of json, slack, not \"teams\"",
        ),
    ];
    for (settings, said) in cases {
        let sandbox = told(&postbox);
        sandbox.file("bad", format!("{SECRET}\n"));
        let input = csv(&sandbox, &["a"]);
        let mut command = decom(&sandbox, &server, &["run", &input]);
        command.envs(settings);
        let ended = ended(command).expect(2);
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
        assert!(!sandbox.log().exists(), "no run was begun");
    }
    // There is no flag for it: it would stand in the process list.
    let sandbox = told(&postbox);
    let input = csv(&sandbox, &["a"]);
    let output = decom(&sandbox, &server, &["run", &input, "--notify-url", "x"]).run();
    assert_eq!(output.code, 2);
    assert_eq!((server.connections(), postbox.requests().len()), (0, 0));
}

#[test]
fn a_dry_run_is_not_told_and_a_rehearsal_says_that_it_is_one() {
    let postbox = Server::receiving(Reply::status(200));
    let sandbox = told(&postbox);
    let server = Server::deleting();
    let input = csv(&sandbox, &["a", "b"]);
    ended(telling(&sandbox, &server, &["run", &input, "--dry-run"])).expect(0);
    assert!(postbox.requests().is_empty());

    let mut command = sandbox.decom(&["rehearse", &input, "--fault", "none"]);
    command.env("DECOM_WATCH_NOTIFY_URL_FILE", "webhook").envs(&[ENDINGS]);
    command.run().expect(0);
    let notice = only(&postbox);
    assert_eq!((&notice["rehearsal"], &notice["counts"]["deleted"]), (&json!(true), &json!(2)));
    let log = notice["report"]["audit_db"].as_str().unwrap();
    assert!(log.ends_with("decom-audit-rehearsal.db"), "{log}");
}
