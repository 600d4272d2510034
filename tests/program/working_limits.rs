//! `decom work` where a message, a run or an answer comes to its limits.

use redis::Commands;
use rustix::process::Signal;

use crate::support::draining::Broker;
use crate::support::gate::Gate;
use crate::support::nats::NatsServer;
use crate::support::queues::{LONG, opened};
use crate::support::rabbit::RabbitServer;
use crate::support::redis::RedisServer;
use crate::support::{Output, Reply, Sandbox, Server, column, decom, rows, wait_until};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn put(address: &str, bodies: &[Vec<u8>]) {
    runtime().block_on(async {
        let queue = opened(address, "test", LONG).await;
        queue.put(bodies).await.unwrap();
        queue.close().await;
    });
}

fn work(sandbox: &Sandbox, server: &Server, address: &str, arguments: &[&str]) -> Output {
    let mut all = vec!["work", "--queue", address, "--idle", "1s"];
    all.extend(arguments);
    decom(sandbox, server, &all).run()
}

/// Bodies that make no sense, and are hard to put anywhere else: JSON that tells a long key, and one as long as it
/// may be.
fn unwieldy(longest: usize) -> Vec<Vec<u8>> {
    let key = format!("{{\"{}\": 1}}", "k".repeat(200_000));
    vec![key.into_bytes(), vec![b'\t'; longest], b"good".to_vec()]
}

fn goes_aside_once(broker: &impl Broker, longest: usize) {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    put(&broker.address(), &unwieldy(longest));
    let ended = work(&sandbox, &server, &broker.address(), &[]).expect(1);
    assert_eq!(ended.outcome("good"), "deleted");
    assert!(ended.stdout.contains("2 malformed messages (on the dead-letter queue)"), "{}", ended.stdout);
    assert_eq!(column(&sandbox.log(), "SELECT count(*) FROM refused_messages"), ["2"]);
    assert!(
        column(&sandbox.log(), "SELECT max(length(why)) FROM refused_messages")[0].parse::<usize>().unwrap()
            < 500
    );
    assert_eq!(runtime().block_on(broker.length()), 0);
    let dead = runtime().block_on(broker.dead_letters());
    assert_eq!(dead.len(), 2, "{}", dead.len());
    assert!(dead.iter().any(|body| body.starts_with("{\"kkk")), "as it was");
}

#[test]
fn rabbitmq_takes_what_is_unwieldy_aside() {
    let Some(rabbit) = RabbitServer::start("rabbitmq_takes_what_is_unwieldy_aside") else { return };
    goes_aside_once(&rabbit, 1_048_576);
}

#[test]
fn jetstream_takes_what_is_unwieldy_aside_in_short() {
    let Some(nats) = NatsServer::start("jetstream_takes_what_is_unwieldy_aside_in_short") else { return };
    // About as large as a message may be: with the reason beside it, it is too large.
    const LARGEST: usize = 1_048_576 - 76;
    goes_aside_once(&nats, LARGEST);
    let dead = runtime().block_on(nats.dead_letters());
    let values = dead.iter().filter_map(|body| serde_json::from_str::<serde_json::Value>(body).ok());
    let short = values.into_iter().find(|value| value.get("too_large").is_some()).unwrap();
    assert_eq!(short["too_large"]["bytes"], LARGEST, "{short}");
}

#[test]
fn what_a_limited_run_took_on_it_sends() {
    let Some(redis) = RedisServer::start("what_a_limited_run_took_on_it_sends") else { return };
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let bodies: Vec<_> = (0..20).map(|number| format!("n{number}").into_bytes()).collect();
    put(&redis.address(), &bodies);
    let ended = work(&sandbox, &server, &redis.address(), &["--max-deletes", "6", "--rate", "4/s"]).expect(4);
    assert_eq!(ended.results().len(), 6, "{ended:#?}");
    assert!(ended.all_are("deleted"), "{ended:#?}");
    assert!(ended.stdout.contains("start `decom work` again"), "{}", ended.stdout);
    assert_eq!((redis.length("decom"), server.deletions().len()), (14, 6));
}

#[test]
fn what_exists_again_is_sent_again() {
    let Some(redis) = RedisServer::start("what_exists_again_is_sent_again") else { return };
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    server.list(&["b"]);
    // Without end, so that nothing of it is read at the end.
    let check = [("DECOM_SAFETY_LISTING_CHECK", "true")];
    let address = redis.address();
    let mut running =
        decom(&sandbox, &server, &["work", "--queue", &address, "--follow"]).envs(&check).start();
    let outcomes = || column(&sandbox.log(), "SELECT outcome FROM results ORDER BY target");
    let ask = |number| {
        put(&redis.address(), &[b"a".to_vec()]);
        wait_until("the message is dealt with", || outcomes().len() == number && redis.length("decom") == 0);
    };
    running.wait_for_line("the run begins");
    ask(1);
    // It is not there: asked for again, it is not sent again.
    ask(2);
    assert_eq!((outcomes(), server.deletions_of("a")), (vec!["deleted".to_owned(), "skipped".to_owned()], 1));
    // Somebody made it anew.
    server.list(&["a", "b"]);
    ask(3);
    assert_eq!(server.deletions_of("a"), 2);
    running.signal(Signal::TERM);
    running.finish().expect(143);
    server.list(&["b"]);
    put(&redis.address(), &[b"a".to_vec()]);
    let ended = work(&sandbox, &server, &redis.address(), &["--again"]).expect(0);
    assert_eq!(ended.outcome("a"), "deleted");
    assert_eq!(server.deletions_of("a"), 3);
}

#[test]
fn without_a_listing_the_last_answer_decides_at_once() {
    let Some(redis) = RedisServer::start("without_a_listing_the_last_answer_decides_at_once") else { return };
    let (sandbox, server) = (Sandbox::new(), Server::start(|_| Reply::status(500)));
    put(&redis.address(), &[b"a".to_vec()]);
    let address = redis.address();
    let arguments = ["work", "--queue", &address, "--follow", "--max-attempts", "2", "--no-listing-check"];
    let running = decom(&sandbox, &server, &arguments).start();
    wait_until("the message is dealt with", || redis.length("decom") == 0);
    running.signal(Signal::TERM);
    assert_eq!(running.finish().expect(143).outcome("a"), "unknown");
}

#[test]
fn every_message_has_a_place_in_the_log() {
    let Some(redis) = RedisServer::start("every_message_has_a_place_in_the_log") else { return };
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    for ticket in ["T-1", "T-2", "T-3"] {
        let body = format!("{{\"datasourceName\": \"a\", \"ticket\": \"{ticket}\"}}");
        let _: String = redis.connection().xadd("decom", "*", &[("body", body)]).unwrap();
    }
    work(&sandbox, &server, &redis.address(), &[]).expect(0);
    let found = rows(&sandbox.log(), "SELECT target_ticket, outcome FROM results ORDER BY 1");
    assert_eq!(found, [["T-1", "deleted"], ["T-2", "skipped"], ["T-3", "skipped"]]);
    assert_eq!((redis.length("decom"), server.deletions_of("a")), (0, 1));
}

#[test]
fn what_waited_for_a_name_has_the_outcome_that_the_name_had() {
    let Some(redis) = RedisServer::start("what_waited_for_a_name_has_the_outcome_that_the_name_had") else {
        return;
    };
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::start(move |_| {
        held.pass();
        Reply::in_use()
    });
    let (sandbox, address) = (Sandbox::new(), redis.address());
    put(&address, &[b"a".to_vec(), b"a".to_vec(), b"a".to_vec()]);
    let running = decom(&sandbox, &server, &["work", "--queue", &address, "--idle", "1s"]).start();
    wait_until("all are taken", || {
        let pending: redis::RedisResult<redis::streams::StreamPendingReply> =
            redis.connection().xpending("decom", "decom");
        pending.is_ok_and(|pending| pending.count() == 3)
    });
    gate.open();
    let ended = running.finish().expect(1);
    assert_eq!((server.deletions_of("a"), redis.length("decom")), (1, 0), "{ended:?}");
    let found = rows(&sandbox.log(), "SELECT outcome, evidence, attempts FROM results ORDER BY target");
    assert_eq!(
        found,
        [["in_use", "refused", "1"], ["in_use", "audit_log", "0"], ["in_use", "audit_log", "0"]]
    );
    sandbox.decom(&["audit", "verify"]).run().expect(1);
}

#[test]
fn an_empty_share_is_not_mistaken_for_what_a_queue_left() {
    let Some(redis) = RedisServer::start("an_empty_share_is_not_mistaken_for_what_a_queue_left") else {
        return;
    };
    let (sandbox, server) = (Sandbox::new(), Server::start(|_| Reply::status(401)));
    put(&redis.address(), &[b"of the queue".to_vec()]);
    work(&sandbox, &server, &redis.address(), &[]).expect(4);
    sandbox.file("one.csv", "name\nof the file\n");
    for shard in ["0", "1", "2", "3"] {
        let arguments = ["run", "one.csv", "--shards", "4", "--shard", shard];
        let output = decom(&sandbox, &server, &arguments).run();
        assert!(matches!(output.code, 0 | 4), "{output:?}");
    }
    assert_eq!(server.deletions_of("of the queue"), 1, "by the worker, and nobody else");
}

#[test]
fn what_was_never_sent_is_not_called_deleted() {
    let Some(redis) = RedisServer::start("what_was_never_sent_is_not_called_deleted") else { return };
    let (sandbox, server) = (Sandbox::new(), Server::start(|_| Reply::not_found()));
    put(&redis.address(), &[b"no-such-1".to_vec(), b"no-such-2".to_vec()]);
    // The second is taken, and put back, as one deletion is the limit.
    work(&sandbox, &server, &redis.address(), &["--max-deletes", "1"]).expect(4);
    assert_eq!(redis.length("decom"), 1);
    let other = Sandbox::new();
    let ended = work(&other, &server, &redis.address(), &[]).expect(1);
    assert_eq!(ended.results().values().map(|row| &*row.outcome).collect::<Vec<_>>(), ["not_found"]);
}
