//! `decom work` and `decom enqueue`: what becomes of messages, and of those that no run takes. On Redis; what
//! the brokers differ in is tested for each of them.

use redis::Commands;
use rustix::process::Signal;

use crate::support::gate::Gate;
use crate::support::redis::{PASSWORD, RedisServer};
use crate::support::{
    Fault, Output, Reply, Running, Sandbox, Server, TOKEN, column, csv, decom, rows, wait_until,
};

/// What one test has.
struct Scene {
    sandbox: Sandbox,
    redis: RedisServer,
    server: Server,
}

impl Scene {
    fn new(test: &str, server: Server) -> Option<Self> {
        Some(Self { sandbox: Sandbox::new(), redis: RedisServer::start(test)?, server })
    }

    fn put(&self, bodies: &[&str]) {
        for body in bodies {
            // One that has just started may be reading its files still.
            wait_until("Redis takes it", || {
                self.redis.connection().xadd::<_, _, _, _, String>("decom", "*", &[("body", body)]).is_ok()
            });
        }
    }

    fn left(&self) -> usize {
        self.redis.length("decom")
    }

    fn work(&self, arguments: &[&str]) -> Output {
        let address = self.redis.address();
        let mut all = vec!["work", "--queue", &address];
        if !arguments.contains(&"--idle") {
            all.extend(["--idle", "500ms"]);
        }
        all.extend(arguments);
        decom(&self.sandbox, &self.server, &all).run()
    }

    fn start(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Running {
        let address = self.redis.address();
        let mut all = vec!["work", "--queue", &address];
        all.extend(arguments);
        decom(&self.sandbox, &self.server, &all).envs(settings).start()
    }
}

macro_rules! scene {
    ($server:expr) => {
        match Scene::new(module_path!(), $server) {
            Some(scene) => scene,
            None => return,
        }
    };
}

#[test]
fn what_is_enqueued_is_deleted_with_its_reason_and_ticket() {
    let scene = scene!(Server::deleting());
    let Scene { sandbox, redis, .. } = &scene;
    sandbox.file(
        "in.csv",
        "name,reason,ticket\nkunde-ü,\"left, in may\",T-1\n\"{\"\"a\"\": 1}\",,\nkunde-ü,again,T-2\n",
    );
    let address = redis.address();
    let put = sandbox.decom(&["enqueue", "in.csv", "--queue", &address]).run();
    assert_eq!(put.code, 0);
    assert_eq!(put.stdout, format!("2 messages from in.csv on the queue {address}?queue=decom\n"));
    let ended = scene.work(&[]).expect(0);
    assert_eq!((ended.outcome("kunde-ü"), ended.outcome("{\"a\": 1}")), ("deleted", "deleted"));
    let query =
        "SELECT datasource, target_reason, target_ticket, message_id <> '' FROM results ORDER BY 1 DESC";
    let found = rows(&sandbox.log(), query);
    assert_eq!(found, [["{\"a\": 1}", "", "", "1"], ["kunde-ü", "left, in may", "T-1", "1"]]);
    assert_eq!(scene.left(), 0);
    let input = column(&sandbox.log(), "SELECT input FROM runs");
    assert_eq!(input, [format!("{address}?queue=decom")]);
}

#[test]
fn an_input_with_an_error_puts_nothing_on_the_queue() {
    let scene = scene!(Server::deleting());
    scene.sandbox.file("in.csv", "name\ngood\n\"\"\n");
    let put = ["enqueue", "in.csv", "--queue", &scene.redis.address()];
    assert_eq!(scene.sandbox.decom(&put).run().code, 2);
    scene.sandbox.file("in.csv", "name\ngood\n");
    let dry = ["enqueue", "in.csv", "--dry-run", "--queue", &scene.redis.address()];
    assert_eq!(scene.sandbox.decom(&dry).run().code, 0);
    assert!(!scene.redis.connection().exists::<_, bool>("decom").unwrap());
}

#[test]
fn what_makes_no_sense_goes_aside_once_and_is_told() {
    let scene = scene!(Server::deleting());
    let secret = format!("{{\"token\": \"{TOKEN}\"}}");
    scene.put(&["good", "{\"name\": \"x\"}", "", "tab\there", &secret]);
    let ended = scene.work(&[]).expect(1);
    assert_eq!(ended.outcome("good"), "deleted");
    assert!(ended.stdout.contains("4 malformed messages"), "{}", ended.stdout);
    let refused = rows(&scene.sandbox.log(), "SELECT body, why FROM refused_messages ORDER BY message_id");
    assert_eq!(refused.len(), 4);
    assert!(refused[0][1].contains("unknown field `name`"), "{refused:?}");
    assert_eq!(refused[1][1], "the name is empty");
    assert!(refused[2][1].contains("U+0009"), "{refused:?}");
    assert!(!format!("{refused:?}{}{}", ended.stdout, ended.stderr).contains(TOKEN));
    assert_eq!((scene.left(), scene.redis.length("decom.dead")), (0, 4));
    // They never come back, and are part of what the log vouches for.
    scene.work(&[]).expect(0);
    assert_eq!(column(&scene.sandbox.log(), "SELECT count(*) FROM refused_messages"), ["4"]);
    scene.sandbox.decom(&["audit", "verify"]).run().expect(1);
}

#[test]
fn a_name_that_comes_twice_is_deleted_once() {
    let scene = scene!(Server::deleting());
    scene.put(&["a", "a", "b", "a"]);
    scene.work(&[]).expect(0);
    scene.put(&["a"]);
    let ended = scene.work(&[]).expect(0);
    assert_eq!((ended.outcome("a"), &*ended.result("a").detail), ("skipped", "already_deleted"));
    assert_eq!(scene.server.deletions_of("a"), 1);
    assert_eq!(scene.left(), 0);
}

#[test]
fn protection_holds_and_the_message_is_dealt_with() {
    let scene = scene!(Server::deleting());
    scene.put(&["prod-1", "kunde"]);
    let ended = scene.work(&["--protect", "prod-*"]).expect(1);
    assert_eq!((ended.outcome("prod-1"), ended.outcome("kunde")), ("skipped", "deleted"));
    assert_eq!(&*ended.result("prod-1").evidence, "rule");
    assert_eq!((scene.server.deletions_of("prod-1"), scene.left()), (0, 0));
}

#[test]
fn one_run_deletes_no_more_than_the_guards_let_it() {
    let scene = scene!(Server::deleting());
    scene.put(&["a", "b", "c", "d", "e"]);
    let ended = scene.work(&["--max-deletes", "2"]).expect(4);
    assert_eq!(ended.results().len(), 2, "{ended:#?}");
    assert!(ended.stdout.contains("the limit of 2 deletions in one run"), "{}", ended.stdout);
    assert_eq!(scene.left(), 3);
    assert_eq!(column(&scene.sandbox.log(), "SELECT status || exit_code FROM runs"), ["finished4"]);
    // The rest is another run's.
    scene.server.list(&["c", "d", "e", "f"]);
    let ended = scene.work(&["--max-share", "50"]).expect(4);
    assert_eq!((ended.results().len(), scene.left()), (2, 1));
    // As many as there are is not too many.
    scene.work(&["--max-deletes", "1"]).expect(0);
    assert_eq!((scene.server.deletions().len(), scene.left()), (5, 0));
}

#[test]
fn guards_refuse_before_anything_is_taken() {
    let scene = scene!(Server::deleting());
    scene.put(&["a"]);
    let ended = scene.work(&["--max-share", "50"]).expect(3);
    assert!(ended.stderr.contains("the total is unknown"), "{}", ended.stderr);
    scene.work(&["--max-deletes", "0"]).expect(3);
    scene.sandbox.file("approved.toml", "[safety]\nrequire_approval = true\n");
    let ended = scene.work(&["--config", "approved.toml"]).expect(3);
    assert!(ended.stderr.contains("require_approval"), "{}", ended.stderr);
    let ended = scene.work(&["--dry-run"]).expect(0);
    assert!(ended.stdout.contains("(dry run) nothing was taken from the queue"), "{}", ended.stdout);
    assert_eq!((scene.server.deletions().len(), scene.left()), (0, 1));
    assert!(column(&scene.sandbox.log(), "SELECT run_id FROM runs").is_empty());
}

#[test]
fn a_signal_gives_back_what_was_not_sent() {
    let gate = Gate::default();
    let scene = scene!(gate.server());
    scene.put(&["a", "b", "c"]);
    // One request at a time, and hardly ever another: two wait for their turn.
    let mut running = scene.start(&["--follow", "--rate", "1/1h", "--concurrency", "3"], &[]);
    scene.server.wait_for_deletions(1);
    wait_until("all are taken on", || column(&scene.sandbox.log(), "SELECT 1 FROM results").len() == 3);
    running.signal(Signal::TERM);
    running.wait_for_line("no new request is sent");
    gate.open();
    let ended = running.finish().expect(143);
    let outcomes: Vec<_> = ended.results().values().map(|row| (&*row.outcome, &*row.evidence)).collect();
    let unsent = ("skipped", "queue");
    assert_eq!(outcomes.iter().filter(|it| **it == unsent).count(), 2, "{ended:#?}");
    assert_eq!(outcomes.iter().filter(|it| it.0 == "deleted").count(), 1, "{ended:#?}");
    assert_eq!(scene.left(), 2);
    assert_eq!(column(&scene.sandbox.log(), "SELECT status || exit_code FROM runs"), ["finished143"]);
    // At once, and not only when nobody gives a sign of life any more.
    let ended = scene.work(&[]).expect(0);
    assert_eq!(ended.results().len(), 2);
}

#[test]
fn what_a_killed_worker_left_is_settled_by_the_next_on_its_log() {
    let scene = scene!(Server::start(move |seen| {
        if seen.attempt == 1 && seen.name != "late" {
            return Fault::NeverAnswer.into();
        }
        if seen.attempt == 1 { Reply::deleted() } else { Reply::not_found() }
    }));
    scene.put(&["a"]);
    let running = scene.start(&["--follow"], &[("DECOM_QUEUE_HOLD", "1s")]);
    scene.server.wait_for_deletions(1);
    running.signal(Signal::KILL);
    running.finish();
    scene.put(&["late"]);
    // The message is with the dead worker until its hold is over, and the log knows better.
    let address = scene.redis.address();
    let mut next = decom(&scene.sandbox, &scene.server, &["work", "--queue", &address, "--idle", "3s"]);
    let ended = next.env("DECOM_QUEUE_HOLD", "1s").run().expect(0);
    let all = rows(
        &scene.sandbox.log(),
        "SELECT datasource, outcome, evidence FROM results JOIN runs USING (run_id) ORDER BY started_at, datasource",
    );
    assert_eq!(
        all,
        [
            ["a", "deleted_unconfirmed", "not_found_after_doubt"],
            ["a", "skipped", "audit_log"],
            ["late", "deleted", "acknowledged"]
        ],
        "{ended:#?}"
    );
    assert_eq!(scene.left(), 0);
}

#[test]
fn another_worker_says_how_far_it_knows() {
    let scene = scene!(Server::start(move |seen| {
        if seen.attempt == 1 {
            return Fault::NeverAnswer.into();
        }
        Reply::not_found()
    }));
    scene.put(&["a"]);
    let running = scene.start(&["--follow"], &[("DECOM_QUEUE_HOLD", "1s")]);
    scene.server.wait_for_deletions(1);
    running.signal(Signal::KILL);
    running.finish();
    let other = Sandbox::new();
    let arguments = ["work", "--queue", &scene.redis.address(), "--idle", "3s"];
    let output = decom(&other, &scene.server, &arguments).env("DECOM_QUEUE_HOLD", "1s").run();
    let ended = output.expect(0);
    assert_eq!(ended.outcome("a"), "deleted_unconfirmed");
    assert_eq!(&*ended.result("a").evidence, "not_found_after_redelivery");
    assert_eq!(scene.left(), 0);
}

#[test]
fn a_follower_settles_by_the_listing_and_waits_for_no_end() {
    let scene = scene!(Server::start(|_| Reply::status(500)));
    scene.server.list(&["still-there"]);
    scene.put(&["gone", "still-there"]);
    let check = [("DECOM_SAFETY_LISTING_CHECK", "true")];
    let running = scene.start(&["--follow", "--max-attempts", "2"], &check);
    wait_until("both messages are dealt with", || scene.left() == 0);
    running.signal(Signal::TERM);
    let ended = running.finish().expect(143);
    let gone = (ended.outcome("gone"), &*ended.result("gone").evidence);
    assert_eq!(gone, ("deleted_unconfirmed", "absent_from_listing"));
    let there = (ended.outcome("still-there"), &*ended.result("still-there").evidence);
    assert_eq!(there, ("failed", "still_listed"));
}

#[test]
fn a_broker_that_is_away_is_waited_for_and_told_of() {
    let mut scene = scene!(Server::deleting());
    scene.put(&["a"]);
    scene.redis.kill();
    let outage = [("DECOM_QUEUE_MAX_OUTAGE", "1s")];
    let ended = scene.start(&[], &outage).finish().expect(4);
    assert!(ended.stderr.contains("cannot reach the queue"), "{}", ended.stderr);
    assert!(ended.stderr.contains("nothing was sent"), "{}", ended.stderr);
    scene.redis.restart();
    let mut running = scene.start(&["--follow"], &outage);
    wait_until("the message is dealt with", || scene.left() == 0);
    scene.redis.kill();
    running.wait_for_line("trying again in");
    let ended = running.finish().expect(4);
    assert_eq!(ended.outcome("a"), "deleted");
    assert!(ended.stdout.contains("It stopped early: cannot reach the queue"), "{}", ended.stdout);
    scene.redis.restart();
    let mut running = scene.start(&["--follow"], &[]);
    running.wait_for_line("the run begins");
    scene.redis.kill();
    running.wait_for_line("trying again in");
    scene.redis.restart();
    scene.put(&["b"]);
    wait_until("the message is dealt with", || scene.left() == 0);
    running.signal(Signal::INT);
    assert_eq!(running.finish().expect(130).outcome("b"), "deleted");
}

#[test]
fn the_password_of_the_queue_is_seen_nowhere() {
    let Some(redis) = RedisServer::with_password("the_password_of_the_queue_is_seen_nowhere") else { return };
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let address = redis.address_with(PASSWORD);
    sandbox.file("queue.url", format!("{address}\n"));
    let input = csv(&sandbox, &["a"]);
    sandbox.decom(&["enqueue", &input, "--queue-file", "queue.url"]).run().expect(0);
    let arguments = ["work", "--queue-file", "queue.url", "--idle", "500ms", "--log-format", "text"];
    let trace = decom(&sandbox, &server, &arguments).env("DECOM_LOG_LEVEL", "trace").run();
    let ended = trace.expect(0);
    sandbox.file("queue.url", redis.address_with("wrong-s3cret"));
    let refused = decom(&sandbox, &server, &arguments).run().expect(2);
    let log = std::fs::read(sandbox.log()).unwrap();
    let all = format!("{ended:?}{refused:?}{}", String::from_utf8_lossy(&log));
    assert!(!all.contains(PASSWORD) && !all.contains("wrong-s3cret"));
    let input = column(&sandbox.log(), "SELECT input FROM runs");
    assert!(input[0].starts_with("redis://:***@127.0.0.1:"), "{input:?}");
}

#[test]
fn a_queue_has_to_be_named_and_named_once() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let said = |arguments: &[&str]| {
        let mut all = vec!["work"];
        all.extend(arguments);
        decom(&sandbox, &server, &all).run().expect(2).stderr
    };
    assert!(said(&[]).contains("no queue; name one with --queue URL"));
    assert!(said(&["--queue", "http://x"]).contains("is not a queue address"));
    #[cfg(not(feature = "sqs"))]
    assert!(said(&["--queue", "sqs://x/1"]).contains("--features sqs"));
    sandbox.file("two.toml", "[queue]\nurl = \"redis://x\"\nurl_file = \"y\"\n");
    assert!(said(&["--config", "two.toml"]).contains("the queue is named twice"));
    assert!(said(&["--queue-file", "absent"]).contains("absent: cannot read the queue's URL"));
    assert!(!sandbox.log().exists() || column(&sandbox.log(), "SELECT run_id FROM runs").is_empty());
}

#[test]
fn a_message_is_owed_until_its_outcome_is_durable() {
    let gate = Gate::default();
    let scene = scene!(gate.server());
    scene.put(&["a"]);
    // Longer than the hold: signs of life keep others from it.
    let running = scene.start(&["--follow"], &[("DECOM_QUEUE_HOLD", "1s")]);
    scene.server.wait_for_deletions(1);
    let other = Sandbox::new();
    let arguments = ["work", "--queue", &scene.redis.address(), "--idle", "3s"];
    let output = decom(&other, &scene.server, &arguments).env("DECOM_QUEUE_HOLD", "1s").run();
    assert!(output.expect(0).results().is_empty(), "it is with the first worker");
    assert_eq!(scene.left(), 1);
    gate.open();
    wait_until("the message is acknowledged", || scene.left() == 0);
    assert_eq!(column(&scene.sandbox.log(), "SELECT outcome FROM results"), ["deleted"]);
    running.signal(Signal::TERM);
    running.finish().expect(143);
    assert_eq!(scene.server.deletions().len(), 1, "it was sent once");
}

#[test]
fn says_how_much_is_on_the_queue() {
    let scene = scene!(Server::deleting());
    scene.put(&["a", "b"]);
    let some = scene.work(&[]).expect(0);
    assert!(some.stderr.contains("\n  2 messages wait\n"), "{}", some.stderr);
    let none = scene.work(&[]).expect(0);
    assert!(none.stderr.contains("\n  no message waits; check the name of the queue"), "{}", none.stderr);
}

#[test]
fn a_worker_that_finds_no_message_records_no_run() {
    let scene = scene!(Server::deleting());
    scene.put(&["a"]);
    let worked = scene.work(&[]).expect(0);
    assert_eq!(worked.outcome("a"), "deleted");
    let idle = scene.work(&["--metrics-file", "decom.prom"]).expect(0);
    assert!(idle.stdout.contains("No message came within 500ms"), "{}", idle.stdout);
    assert_eq!(column(&scene.sandbox.log(), "SELECT count(*) FROM runs"), ["1"]);
    let metrics = std::fs::read_to_string(scene.sandbox.path("decom.prom")).unwrap();
    assert!(metrics.contains("decom_last_run_exit_code 0"), "{metrics}");
}
