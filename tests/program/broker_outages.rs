//! Brokers that go away and come back under a worker without end: it waits, reports that where it is watched, and
//! continues by itself.

use rustix::process::Signal;

use crate::metrics::{address, metrics};
use crate::support::draining::Broker;
use crate::support::fetch::get;
use crate::support::gate::Gate;
use crate::support::nats::NatsServer;
use crate::support::rabbit::RabbitServer;
use crate::support::redis::RedisServer;
use crate::support::{Reply, Running, Sandbox, Server, column, csv, decom, queues, rows, wait_until};

/// The arguments of a worker without end that is watched.
const WATCHED: [&str; 3] = ["--follow", "--metrics-addr", "127.0.0.1:0"];

fn start(sandbox: &Sandbox, server: &Server, queue: &str) -> Running {
    decom(sandbox, server, &[&["work", "--queue", queue], &WATCHED[..]].concat()).start()
}

/// Puts a name on the queue, as soon as the broker takes it.
fn put(queue: &str, name: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let put = async || {
            let open = queues::open(queue, "test", queues::LONG).await?;
            let done = open.put(&queues::bodies(&[name])).await;
            open.close().await;
            done
        };
        queues::once_back(put).await;
    });
}

/// Waits until the readiness probe says `text` and the metric is `reachable`.
fn wait_for_queue(watched: &str, (status, text): (u16, &str), reachable: f64) {
    wait_until(text, || {
        let probed = get(watched, "/readyz").unwrap();
        probed == (status, format!("{text}\n"))
            && metrics(watched).get("decom_queue_reachable") == Some(&reachable)
    });
    assert_eq!(get(watched, "/healthz").unwrap().0, 200, "it is alive all the time");
}

/// A worker of default settings, whose broker is killed and started again `times` times.
fn lives_through(broker: &mut impl Broker, times: usize) {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let queue = broker.address();
    let mut running = start(&sandbox, &server, &queue);
    let watched = address(&mut running);
    for round in 0..times {
        wait_for_queue(&watched, (200, "a run is active"), 1.0);
        broker.kill();
        wait_for_queue(&watched, (503, "the queue cannot be reached"), 0.0);
        broker.restart();
        let name = format!("kunde-{round}");
        put(&queue, &name);
        server.wait_until(|seen| seen.iter().any(|request| request.name == name));
    }
    wait_for_queue(&watched, (200, "a run is active"), 1.0);
    running.signal(Signal::TERM);
    let ended = running.finish().expect(143);
    assert!(ended.stderr.contains("the queue can be reached again"), "{}", ended.stderr);
    // A broker that is killed may lose an acknowledgement; then it delivers the message again, and nothing is sent.
    assert_eq!(server.deletions().len(), times, "{ended:#?}");
    let outcomes = "SELECT outcome, count(DISTINCT datasource) FROM results WHERE detail IS NULL GROUP BY 1";
    assert_eq!(rows(&sandbox.log(), outcomes), [["deleted", &times.to_string()]], "{ended:#?}");
    assert_eq!(column(&sandbox.log(), "SELECT count(*) FROM runs"), ["1"], "the same run all the time");
}

/// The metrics that say how much waits, while a worker is held up by the API.
fn shows_what_waits(queue: &str, shows_age: bool) {
    let gate = Gate::default();
    let (sandbox, server) = (Sandbox::new(), gate.server());
    for name in ["kunde-1", "kunde-2", "kunde-3"] {
        put(queue, name);
    }
    let arguments = [&["work", "--queue", queue, "--concurrency", "1"], &WATCHED[..]].concat();
    let mut worker = decom(&sandbox, &server, &arguments);
    let mut running = worker.env("DECOM_MAX_DELETES_PER_DAY", "7").start();
    let watched = address(&mut running);
    server.wait_for_deletions(1);
    wait_until("the queue is counted", || metrics(&watched).contains_key("decom_queue_messages"));
    let now = metrics(&watched);
    // The first one may be counted before it is taken.
    assert!([2.0, 3.0].contains(&now["decom_queue_messages"]), "{now:#?}");
    let age = now.get("decom_queue_oldest_message_age_seconds");
    assert_eq!(age.is_some(), shows_age, "{now:#?}");
    assert!(age.is_none_or(|age| (0.0..60.0).contains(age)), "{now:#?}");
    assert_eq!((now["decom_max_deletes_per_day"], now["decom_deletions_last_day"]), (7.0, 0.0));
    assert_eq!(now["decom_targets_in_doubt"], 0.0);
    gate.open();
    server.wait_for_deletions(3);
    running.signal(Signal::TERM);
    running.finish().expect(143);
}

#[test]
fn what_waits_on_redis_is_shown() {
    let Some(redis) = RedisServer::start("what_waits_on_redis_is_shown") else { return };
    shows_what_waits(&redis.address(), true);
}

#[test]
fn what_waits_on_rabbitmq_is_shown() {
    let Some(rabbit) = RabbitServer::shared("what_waits_on_rabbitmq_is_shown") else { return };
    shows_what_waits(&rabbit.address("shown"), false);
}

#[test]
fn what_waits_on_jetstream_is_shown() {
    let Some(nats) = NatsServer::start("what_waits_on_jetstream_is_shown") else { return };
    shows_what_waits(&Broker::address(&nats), true);
}

#[test]
fn doubt_is_shown_until_it_is_settled() {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::start(move |seen| match (seen.name.as_str(), seen.attempt) {
        ("kunde-1", 1) => Reply::status(503),
        ("kunde-2", _) => {
            held.pass();
            Reply::deleted()
        }
        _ => Reply::deleted(),
    });
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["kunde-1", "kunde-2"]);
    let arguments =
        ["run", &input, "--concurrency", "1", "--metrics-addr", "127.0.0.1:0", "--metrics-file", "m.prom"];
    let mut running = decom(&sandbox, &server, &arguments).env("DECOM_RETRY_FIRST_BACKOFF", "1s").start();
    let watched = address(&mut running);
    wait_until("one is in doubt", || metrics(&watched)["decom_targets_in_doubt"] == 1.0);
    gate.open();
    running.finish().expect(0);
    let text = std::fs::read_to_string(sandbox.path("m.prom")).unwrap();
    assert!(text.contains("decom_targets_in_doubt 0\n"), "{text}");
}

#[test]
fn a_worker_lives_through_restarts_of_redis() {
    let Some(mut redis) = RedisServer::start("a_worker_lives_through_restarts_of_redis") else { return };
    lives_through(&mut redis, 3);
}

#[test]
fn a_worker_lives_through_restarts_of_rabbitmq() {
    let Some(mut rabbit) = RabbitServer::start("a_worker_lives_through_restarts_of_rabbitmq") else { return };
    lives_through(&mut rabbit, 3);
}

#[test]
fn a_worker_lives_through_restarts_of_jetstream() {
    let Some(mut nats) = NatsServer::start("a_worker_lives_through_restarts_of_jetstream") else { return };
    lives_through(&mut nats, 3);
}

#[test]
fn a_worker_without_end_waits_for_its_broker_before_it_begins() {
    let Some(mut redis) = RedisServer::start("a_worker_without_end_waits_for_its_broker_before_it_begins")
    else {
        return;
    };
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    redis.kill();
    let mut running = start(&sandbox, &server, &redis.address());
    let watched = address(&mut running);
    wait_for_queue(&watched, (503, "the queue cannot be reached"), 0.0);
    // A signal still ends it.
    running.signal(Signal::TERM);
    let ended = running.finish().expect(143);
    assert!(ended.stderr.contains("nothing was sent"), "{ended:?}");

    let mut running = start(&sandbox, &server, &redis.address());
    running.wait_for_line("trying again in");
    redis.restart();
    put(&redis.address(), "kunde");
    server.wait_for_deletions(1);
    running.signal(Signal::TERM);
    assert_eq!(running.finish().expect(143).outcome("kunde"), "deleted");
}

#[test]
fn the_wait_has_a_limit_if_the_worker_has_an_end_or_a_setting_says_so() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let nowhere = format!("redis://127.0.0.1:{}", crate::support::servers::free_port());
    let outage = [("DECOM_QUEUE_MAX_OUTAGE", "1s")];
    for follow in [&["--follow"][..], &["--idle", "1s"]] {
        let arguments = [&["work", "--queue", &nowhere], follow].concat();
        let ended = decom(&sandbox, &server, &arguments).envs(&outage).run().expect(4);
        assert!(ended.stderr.contains("cannot reach the queue"), "{}", ended.stderr);
    }
    let said = sandbox.decom(&["config", "--effective"]).run().expect(0).stdout;
    let line = said.lines().find(|line| line.contains("max_outage")).unwrap();
    assert!(line.contains("\"\""), "not set by default: {line}");
    let wrong = [("DECOM_QUEUE_MAX_OUTAGE", "soon")];
    let refused = decom(&sandbox, &server, &["work", "--queue", &nowhere]).envs(&wrong).run().expect(2);
    assert!(refused.stderr.contains("must be a duration"), "{}", refused.stderr);
}
