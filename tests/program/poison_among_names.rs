//! One of each poison among 2,000 names: every name is deleted once, and every poison ends on the dead-letter queue,
//! once.

use std::collections::BTreeMap;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions};
use lapin::types::FieldTable;

use crate::support::draining::Broker;
use crate::support::nats::NatsServer;
use crate::support::queues::{LONG, opened};
use crate::support::rabbit::RabbitServer;
use crate::support::raw_amqp::Properties;
use crate::support::redis::RedisServer;
use crate::support::{Sandbox, Server, column, decom, raw_amqp, raw_nats};

const NAMES: usize = 2_000;

/// Bodies that are malformed on every broker, and are text.
fn malformed_texts() -> Vec<String> {
    let long = "x".repeat(100_000);
    [
        "\"name\"",
        "[\"name\"]",
        "null",
        "5",
        "[{\"datasourceName\": \"name\"}]",
        "{\"datasourceName\": \"name\"",
        "{\"datasourceName\": [\"name\"]}",
        "{\"datasourceName\": \"name\", \"force\": true}",
        "{\"datasourceName\": \"one\", \"datasourceName\": \"two\"}",
        "{\"name\": \"name\"}",
        "   ",
        "two\nlines",
        &long,
    ]
    .map(ToOwned::to_owned)
    .to_vec()
}

/// Bodies that a broker for any bytes carries besides.
fn malformed_bytes() -> Vec<Vec<u8>> {
    vec![b"\xff\xfe".to_vec(), b"nul\0".to_vec(), Vec::new()]
}

fn texts_and_bytes() -> Vec<Vec<u8>> {
    malformed_texts().into_iter().map(String::into_bytes).chain(malformed_bytes()).collect()
}

/// Puts names on the queue with the poison in their middle, takes them all, and checks where each message is. `put_own`
/// puts poison of this broker's own on the queue, and returns its bodies.
fn drain(
    broker: &impl Broker,
    names: usize,
    poison: &[Vec<u8>],
    put_own: impl AsyncFnOnce() -> Vec<Vec<u8>>,
) {
    let (sandbox, server, queue) = (Sandbox::new(), Server::deleting(), broker.address());
    let names: Vec<_> = (0..names).map(|number| format!("tenant-{number}")).collect();
    let (first, last) = names.split_at(names.len() / 2);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let enqueue = |file: &str, names: &[String]| {
        sandbox.names(file, names);
        sandbox.decom(&["enqueue", file, "--queue", &queue]).envs(HOLD).run().expect(0);
    };
    enqueue("first.csv", first);
    let own = runtime.block_on(async {
        let queue = opened(&queue, "test", LONG).await;
        queue.put(poison).await.unwrap();
        queue.close().await;
        put_own().await
    });
    enqueue("last.csv", last);

    let work = ["work", "--queue", &queue, "--idle", "3s", "--concurrency", "16"];
    let ended = decom(&sandbox, &server, &work).envs(HOLD).run().expect(1);
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    for name in server.names_sent() {
        *sent.entry(name).or_default() += 1;
    }
    assert!(sent.values().all(|times| *times == 1), "{sent:?}");
    assert!(
        sent.keys().eq(names.iter().collect::<std::collections::BTreeSet<_>>()),
        "{} of them",
        sent.len()
    );
    let mut expected: Vec<_> =
        poison.iter().chain(&own).map(|body| String::from_utf8_lossy(body).into_owned()).collect();
    let (mut dead, left) = runtime.block_on(async { (broker.dead_letters().await, broker.length().await) });
    expected.sort();
    dead.sort();
    assert_eq!((dead, left), (expected.clone(), 0), "{}", ended.stdout);
    let recorded = column(&sandbox.log(), "SELECT count(*) FROM refused_messages");
    assert_eq!(recorded, [expected.len().to_string()], "each is recorded once");
    let wrong = "SELECT count(*) FROM results WHERE outcome NOT IN ('deleted', 'skipped')";
    assert_eq!(column(&sandbox.log(), wrong), ["0"]);
    let said = format!("{} malformed messages", expected.len());
    assert!(ended.stdout.contains(&said), "{}", ended.stdout);
}

/// The lease of a message: short, as what a broker delivers and its client drops comes back after it.
const HOLD: &[(&str, &str)] = &[("DECOM_QUEUE_HOLD", "10s")];

#[test]
fn redis_sets_each_poison_aside_once() {
    let Some(redis) = RedisServer::start(module_path!()) else { return };
    drain(&redis, NAMES, &texts_and_bytes(), async || {
        let connection = &mut redis.connection();
        let entries: [&[(&str, &str)]; 2] = [&[("name", "x")], &[("", "y"), ("Body", "z")]];
        for entry in entries {
            let put: redis::RedisResult<String> = redis::Commands::xadd(connection, "decom", "*", entry);
            put.unwrap();
        }
        vec![Vec::new(); entries.len()]
    });
}

#[test]
fn rabbitmq_sets_each_poison_aside_once() {
    // One of its own, as the queue has to be the usual one.
    let Some(rabbit) = RabbitServer::start(module_path!()) else { return };
    drain(&rabbit, NAMES, &texts_and_bytes(), async || {
        let (_connection, channel) = rabbit.channel().await;
        let (exchange, all) = ("to-all", lapin::ExchangeKind::Fanout);
        let declare = ExchangeDeclareOptions::default();
        channel.exchange_declare(exchange.into(), all, declare, FieldTable::default()).await.unwrap();
        let bind = QueueBindOptions::default();
        channel
            .queue_bind("decom".into(), exchange.into(), "".into(), bind, FieldTable::default())
            .await
            .unwrap();
        let put = |to: &str, key: &[u8], properties: &Properties, body: &str| {
            raw_amqp::publish(rabbit.port(), to, key, properties, body.as_bytes());
            body.as_bytes().to_vec()
        };
        vec![
            put("", b"decom", &Properties::message_id(b"\xff\xfe"), "an id"),
            put("", b"decom", &Properties::content_type(b"text/\xff"), "a type"),
            put("", b"decom", &Properties::header(b"\xc3"), "a header"),
            put(exchange, b"key-\xff", &Properties::none(), "a routing key"),
        ]
    });
}

#[test]
fn jetstream_sets_each_poison_aside_once() {
    let Some(nats) = NatsServer::start(module_path!()) else { return };
    drain(&nats, NAMES, &texts_and_bytes(), async || {
        let headers: [&[u8]; 5] = [
            b"NATS/1.0\r\nA: \xff\r\n\r\n",
            b"NATS/9.9\r\nA: b\r\n\r\n",
            b"NATS/1.0\r\nno colon\r\n\r\n",
            b"NATS/1.0 404\r\n\r\n",
            b"NATS/1.0 503 No Responders\r\n\r\n",
        ];
        let put = |(number, headers): (usize, &&[u8])| {
            let body = format!("headers {number}").into_bytes();
            raw_nats::publish(nats.port(), "decom", headers, &body);
            body
        };
        headers.iter().enumerate().map(put).collect()
    });
}

/// moto is slow, and refuses control characters as Amazon does.
#[cfg(feature = "sqs")]
#[test]
fn sqs_sets_each_poison_aside_once() {
    use crate::support::moto::MotoServer;
    let Some(moto) = MotoServer::start(module_path!()) else { return };
    let poison: Vec<_> = malformed_texts().into_iter().map(String::into_bytes).collect();
    drain(&moto, NAMES / 20, &poison, async || Vec::new());
}
