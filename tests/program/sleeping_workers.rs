//! A worker that slept for longer than its messages stay with it sends nothing for them: another worker may have
//! finished them, and the names may exist again. A run over a list that slept stops, and is checked again.

use rustix::process::Signal;

use crate::support::nats::NatsServer;
use crate::support::rabbit::RabbitServer;
use crate::support::redis::RedisServer;
use crate::support::{Sandbox, Server, column, csv, decom, rows, wait_until};

/// The lease of a message.
const HOLD: &[(&str, &str)] = &[("DECOM_QUEUE_HOLD", "2s")];

/// Stops a worker that has sent one of three names, lets another one finish the queue, and wakes the first.
fn sleep_through_the_lease(queue: &str) {
    let (one, other, server) = (Sandbox::new(), Sandbox::new(), Server::deleting());
    let input = csv(&one, &["a", "b", "c"]);
    one.decom(&["enqueue", &input, "--queue", queue]).envs(HOLD).run().expect(0);
    // The second name waits for three seconds, the third for six.
    let slow = ["work", "--queue", queue, "--idle", "3s", "--rate", "1/3s", "--concurrency", "3"];
    let sleeper = decom(&one, &server, &slow).envs(HOLD).start();
    server.wait_for_deletions(1);
    wait_until("the first worker has all three", || column(&one.log(), "SELECT 1 FROM results").len() == 3);
    sleeper.signal(Signal::STOP);

    let fast = decom(&other, &server, &["work", "--queue", queue, "--idle", "8s"]).envs(HOLD).run().expect(0);
    assert!(["b", "c"].iter().all(|name| fast.outcome(name) == "deleted"), "{fast:#?}");
    // Both may have been created again: from here on no request for them is right.
    sleeper.signal(Signal::CONT);
    let woken = sleeper.finish().expect(1);
    let sent = ["b", "c"].map(|name| server.deletions_of(name));
    assert_eq!(sent, [1, 1], "{woken:#?}");
    let query = "SELECT datasource, outcome, coalesce(detail, ''), attempts FROM results ORDER BY 1";
    let found = rows(&one.log(), query);
    assert_eq!(found[1..], [["b", "skipped", "given_back", "0"], ["c", "skipped", "given_back", "0"]]);
    assert!(woken.stderr.contains("gave no sign of life"), "{}", woken.stderr);
    one.decom(&["audit", "verify"]).run().expect(1);
}

#[test]
fn a_worker_on_redis_that_slept_sends_nothing_for_what_it_held() {
    let Some(redis) = RedisServer::start(module_path!()) else { return };
    sleep_through_the_lease(&redis.address());
    assert_eq!(redis.length("decom"), 0);
}

#[test]
fn a_worker_on_jetstream_that_slept_sends_nothing_for_what_it_held() {
    let Some(nats) = NatsServer::start(module_path!()) else { return };
    sleep_through_the_lease(&nats.address());
}

/// The broker ends the connection of a worker that is silent for longer than a heartbeat or two.
#[test]
fn a_worker_on_rabbitmq_that_slept_sends_nothing_for_what_it_held() {
    let Some(rabbit) = RabbitServer::shared(module_path!()) else { return };
    sleep_through_the_lease(&format!("{}&heartbeat=1", rabbit.address("slept")));
}

#[test]
fn a_run_over_a_list_that_slept_stops_and_is_checked_again() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let input = csv(&sandbox, &["a", "b"]);
    let mut command = decom(&sandbox, &server, &["run", &input, "--rate", "1/4s"]);
    let sleeper = command.env("DECOM_RUN_MAX_SLEEP", "2s").start();
    server.wait_for_deletions(1);
    sleeper.signal(Signal::STOP);
    // Longer than it may sleep, and than the second name has to wait.
    let begun = std::time::Instant::now();
    wait_until("it has slept for long enough", || begun.elapsed() > std::time::Duration::from_secs(5));
    sleeper.signal(Signal::CONT);
    let woken = sleeper.finish().expect(4);
    assert!(woken.stdout.contains("slept for"), "{}", woken.stdout);
    assert_eq!((woken.outcome("a"), woken.outcome("b"), server.deletions_of("b")), ("deleted", "pending", 0));
    // What was deleted elsewhere meanwhile changes the share: the guards look again.
    decom(&sandbox, &server, &["resume", "--max-deletes", "0"]).run().expect(3);
    decom(&sandbox, &server, &["resume"]).run().expect(0);
    assert_eq!(server.deletions_of("b"), 1);
    sandbox.decom(&["audit", "verify"]).run().expect(1);
}
