//! Workers at the limit of 24 hours: they wait, and continue when it has room again.

use rustix::process::Signal;

use crate::support::draining::Broker;
use crate::support::faketime::Faketime;
use crate::support::nats::NatsServer;
use crate::support::queues::{LONG, opened};
use crate::support::rabbit::RabbitServer;
use crate::support::redis::RedisServer;
use crate::support::{Reply, Sandbox, Server, column, decom, wait_until};

fn put(address: &str, names: &[&str]) {
    let bodies: Vec<_> = names.iter().map(|name| name.as_bytes().to_vec()).collect();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let queue = opened(address, "test", LONG).await;
        queue.put(&bodies).await.unwrap();
        queue.close().await;
    });
}

fn waits_and_goes_on(broker: &impl Broker, flags: &[&str]) {
    let Some(faketime) = Faketime::find(module_path!()) else { return };
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let address = broker.address();
    put(&address, &["a", "b", "c", "d"]);
    let clock = sandbox.file("clock", "+0");
    let arguments = [&["work", "--queue", &address, "--yes"], flags].concat();
    let mut running = faketime.decom_by(&clock, &sandbox, &arguments).fast(&server.url()).start();
    running.wait_for_line("no message is taken until ");
    assert_eq!(server.deletions().len(), 2);
    // A day later.
    sandbox.file("clock", "+25h");
    running.wait_for_line("the limit of 24 hours has room again; the run continues");
    wait_until("the rest is deleted", || server.deletions().len() == 4);
    running.signal(Signal::TERM);
    running.finish();
    let mut outcomes = column(&sandbox.log(), "SELECT name || ' ' || outcome FROM results");
    outcomes.sort();
    assert_eq!(outcomes, ["a deleted", "b deleted", "c deleted", "d deleted"]);
}

#[test]
fn a_worker_on_redis_waits_for_the_next_day() {
    let Some(redis) = RedisServer::start("a_worker_on_redis_waits_for_the_next_day") else { return };
    waits_and_goes_on(&redis, &["--follow", "--max-deletes-per-day", "2"]);
}

#[test]
fn a_worker_on_rabbitmq_waits_for_the_next_day() {
    let Some(rabbit) = RabbitServer::start("a_worker_on_rabbitmq_waits_for_the_next_day") else { return };
    waits_and_goes_on(&rabbit, &["--idle", "30s", "--max-deletes-per-day", "2"]);
}

#[test]
fn a_worker_without_end_takes_its_limits_of_a_run_for_those_of_a_day() {
    let Some(nats) = NatsServer::start("a_worker_without_end_takes_its_limits_of_a_run_for_those_of_a_day")
    else {
        return;
    };
    waits_and_goes_on(&nats, &["--follow", "--max-deletes", "2", "--max-deletes-per-day", "9"]);
}

#[test]
fn the_day_does_not_begin_again_with_the_process() {
    let Some(redis) = RedisServer::start("the_day_does_not_begin_again_with_the_process") else { return };
    // One fails in doubt, and one is refused, which costs nothing.
    let (sandbox, server) = (
        Sandbox::new(),
        Server::start(|request| match request.name.as_str() {
            "in use" => Reply::in_use(),
            "doubt" => Reply::status(500),
            _ => Reply::deleted(),
        }),
    );
    let address = redis.address();
    put(&address, &["in use", "doubt", "a", "b"]);
    let arguments =
        ["work", "--queue", &address, "--follow", "--max-deletes-per-day", "2", "--concurrency", "1"];
    for process in 1..=2 {
        let mut running = decom(&sandbox, &server, &arguments).start();
        running.wait_for_line("no message is taken until ");
        running.signal(Signal::TERM);
        running.finish().expect(143);
        assert_eq!((server.deletions_of("a"), server.deletions_of("b")), (1, 0), "process {process}");
        assert_eq!(redis.length("decom"), 1);
    }
}

#[test]
fn an_empty_queue_ends_a_run_that_does_not_follow_it() {
    let Some(redis) = RedisServer::start("an_empty_queue_ends_a_run_that_does_not_follow_it") else { return };
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    put(&redis.address(), &["a"]);
    let address = redis.address();
    let arguments = ["work", "--queue", &address, "--idle", "1s", "--max-deletes-per-day", "1"];
    decom(&sandbox, &server, &arguments).run().expect(0);
    decom(&sandbox, &server, &arguments).run().expect(0);
    assert_eq!(server.names_sent(), ["a"]);
}
