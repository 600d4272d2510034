//! RabbitMQ as a queue, against a real one.

use std::net::TcpListener;
use std::time::Duration;

use decom::queue::QueueError;
use lapin::options::{BasicGetOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};

use crate::support::Sandbox;
use crate::support::cuts::Way;
use crate::support::queues::{self, LONG, bodies, is_away, is_stale, next, nothing, once_back, open, opened};
use crate::support::rabbit::RabbitServer;
use crate::support::servers::free_port;

/// What opening the queue is refused with.
async fn refusal(address: &str) -> String {
    match open(address, "one", LONG).await.map(drop).unwrap_err() {
        refused @ QueueError::Refused { .. } => refused.to_string(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn rabbitmq_gives_out_in_order_and_forgets_what_is_acknowledged() {
    let Some(server) = RabbitServer::shared("queue_rabbitmq") else { return };
    queues::put_take_acknowledge(&server.address("order"), true).await;
}

#[tokio::test]
async fn rabbitmq_carries_any_body() {
    let Some(server) = RabbitServer::shared("queue_rabbitmq") else { return };
    queues::unusual_bodies(&server.address("bodies")).await;
}

#[tokio::test]
async fn rabbitmq_gives_what_a_dead_worker_held_to_another() {
    let Some(server) = RabbitServer::shared("queue_rabbitmq") else { return };
    queues::a_worker_dies(&server.address("dies")).await;
}

#[tokio::test]
async fn rabbitmq_hands_on_at_once_what_is_given_back() {
    let Some(server) = RabbitServer::shared("queue_rabbitmq") else { return };
    queues::given_back(&server.address("back")).await;
    queues::goodbye(&server.address("goodbye")).await;
}

#[tokio::test]
async fn rabbitmq_keeps_what_makes_no_sense_on_a_queue_of_its_own() {
    let Some(server) = RabbitServer::shared("queue_rabbitmq") else { return };
    let message = queues::set_aside(&server.address("aside")).await;
    let (_connection, channel) = server.channel().await;
    let dead = channel.basic_get("aside.dead".into(), BasicGetOptions { no_ack: true });
    let letter = dead.await.unwrap().unwrap();
    assert_eq!(letter.data, b"{senseless");
    let headers = letter.properties.headers().clone().unwrap();
    let header = |name: &str| match headers.inner().get(name).unwrap() {
        AMQPValue::LongString(text) => text.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(header("decom-reason"), "the message is no JSON: Straße");
    assert_eq!(header("decom-message-id"), message.id);
    assert_eq!(*letter.properties.delivery_mode(), Some(2), "it survives the broker");
}

#[tokio::test]
async fn rabbitmq_gives_out_again_what_was_held_over_a_cut_connection() {
    let Some(server) = RabbitServer::shared("queue_rabbitmq") else { return };
    let way = Way::to(server.port());
    let one = opened(&format!("amqp://127.0.0.1:{}?queue=cut", way.port()), "one", LONG).await;
    one.put(&bodies(&["a", "b", "c"])).await.unwrap();
    let held = next(&*one).await;
    way.cut();
    let other = opened(&server.address("cut"), "other", LONG).await;
    for (expected, redelivered) in [("a", true), ("b", false), ("c", false)] {
        let message = next(&*other).await;
        assert_eq!((&message.body[..], message.redelivered), (expected.as_bytes(), redelivered));
        other.acknowledge(&message.receipt).await.unwrap();
    }

    // The same worker comes back; what it held is another's.
    once_back(async || one.put(&bodies(&["d"])).await).await;
    is_stale(one.acknowledge(&held.receipt)).await;
    is_stale(one.give_back(&held.receipt)).await;
    is_stale(one.set_aside(&held, "no sense")).await;
    other.close().await;
    let message = once_back(async || one.take(Duration::from_secs(1)).await).await.unwrap();
    assert_eq!((&message.body[..], message.redelivered), (&b"d"[..], false));
    one.acknowledge(&message.receipt).await.unwrap();
    nothing(&*one).await;
}

#[tokio::test]
async fn rabbitmq_goes_on_where_its_broker_comes_back() {
    let Some(mut server) = RabbitServer::start("queue_rabbitmq") else { return };
    let address = server.address("decom");
    let queue = opened(&address, "one", LONG).await;
    queue.put(&bodies(&["a", "b", "c"])).await.unwrap();
    let done = next(&*queue).await;
    queue.acknowledge(&done.receipt).await.unwrap();
    let held = next(&*queue).await;
    server.kill();
    is_away(async {
        // The first may be the one that finds out.
        let _ = queue.take(Duration::from_secs(1)).await;
        queue.take(Duration::from_secs(1)).await
    })
    .await;
    is_stale(queue.acknowledge(&held.receipt)).await;
    is_away(queue.put(&bodies(&["d"]))).await;
    is_away(queue.waiting()).await;
    is_away(async { open(&address, "other", LONG).await.map(drop) }).await;

    server.restart();
    once_back(async || queue.put(&bodies(&["e"])).await).await;
    let mut found = Vec::new();
    while found.len() < 3 {
        let message = next(&*queue).await;
        queue.acknowledge(&message.receipt).await.unwrap();
        // What was acknowledged just before a crash may not have been on the disk, and comes again.
        if message.body != b"a" {
            found.push(message.body);
        }
    }
    assert_eq!(found, bodies(&["b", "c", "e"]), "nothing is lost");

    // A broker that is there and says nothing is waited for as long, and no longer.
    queue.put(&bodies(&["f"])).await.unwrap();
    let held = next(&*queue).await;
    server.process().freeze();
    is_away(queue.acknowledge(&held.receipt)).await;
    is_away(async { open(&address, "other", LONG).await.map(drop) }).await;
    server.process().thaw();
}

#[tokio::test]
async fn rabbitmq_waits_for_no_broker_that_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("amqp://{}", silent.local_addr().unwrap());
    is_away(async { open(&address, "one", LONG).await.map(drop) }).await;
    let address = format!("amqp://127.0.0.1:{}", free_port());
    is_away(async { open(&address, "one", LONG).await.map(drop) }).await;
}

#[tokio::test]
async fn rabbitmq_lets_in_only_who_may() {
    let Some(server) = RabbitServer::shared("queue_rabbitmq") else { return };
    let port = server.port();
    let said = refusal(&format!("amqp://guest:r4bbit-c4n4ry@127.0.0.1:{port}")).await;
    assert!(said.contains("check the user, the password") && !said.contains("c4n4ry"), "{said}");
    let said = refusal(&format!("amqp://guest:guest@127.0.0.1:{port}/nowhere")).await;
    assert!(said.contains("nowhere") && said.contains("names the virtual host"), "{said}");
    let mistyped = open(&format!("amqp://127.0.0.1:{port}?hearbeat=3"), "one", LONG).await;
    assert!(matches!(mistyped.map(drop), Err(QueueError::Address { .. })));
}

#[tokio::test]
async fn rabbitmq_uses_a_queue_as_it_is() {
    let Some(server) = RabbitServer::shared("queue_rabbitmq") else { return };
    let (_connection, channel) = server.channel().await;
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), text("quorum"));
    channel.queue_declare("quorum".into(), durable(), quorum).await.unwrap();
    queues::put_take_acknowledge(&server.address("quorum"), true).await;
    queues::a_worker_dies(&server.address("quorum")).await;
    queues::given_back(&server.address("quorum")).await;
}

#[tokio::test]
async fn rabbitmq_warns_of_a_classic_queue_of_others() {
    let Some(server) = RabbitServer::shared("queue_rabbitmq") else { return };
    let (_connection, channel) = server.channel().await;
    let text = |text: &str| AMQPValue::LongString(text.into());
    let number = AMQPValue::LongInt;
    let cases = [
        ("plain", true, vec![]),
        ("named", true, vec![("x-queue-type", text("classic"))]),
        ("limited", true, vec![("x-message-ttl", number(3_600_000)), ("x-max-length", number(1000))]),
        ("priority", true, vec![("x-max-priority", number(5)), ("x-dead-letter-exchange", text(""))]),
        ("safe", false, vec![("x-queue-type", text("quorum")), ("x-delivery-limit", number(50))]),
    ];
    for (name, is_classic, arguments) in cases {
        let mut table = FieldTable::default();
        for (key, value) in arguments {
            table.insert(key.into(), value);
        }
        channel.queue_declare(name.into(), durable(), table).await.unwrap();
        let queue = opened(&server.address(name), "one", LONG).await;
        let weakness = queue.weakness().await.unwrap();
        assert_eq!(weakness.is_some(), is_classic, "{name}: {weakness:?}");
        // The session is as usable as before.
        queue.put(&bodies(&["a"])).await.unwrap();
        queue.acknowledge(&next(&*queue).await.receipt).await.unwrap();
    }
    channel
        .queue_declare("transient".into(), QueueDeclareOptions::default(), FieldTable::default())
        .await
        .unwrap();
    let queue = opened(&server.address("transient"), "one", LONG).await;
    assert!(queue.weakness().await.unwrap().unwrap().contains("730 to 794"));
    // A person sees it.
    let sandbox = Sandbox::new();
    sandbox.file("in.csv", "name\na\n");
    let put = sandbox.decom(&["enqueue", "in.csv", "--queue", &server.address("plain")]).run().expect(0);
    assert!(put.stderr.contains("plain is a classic queue"), "{put:?}");
    let put = sandbox.decom(&["enqueue", "in.csv", "--queue", &server.address("safe")]).run().expect(0);
    assert!(!put.stderr.contains("WARN"), "{put:?}");
}

#[tokio::test]
async fn rabbitmq_makes_what_is_missing_durable() {
    let Some(server) = RabbitServer::shared("queue_rabbitmq") else { return };
    let (_connection, channel) = server.channel().await;
    let queue = opened(&server.address("made"), "one", LONG).await;
    // Declared in the same words, or refused: so these are what it was made with.
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    channel.queue_declare("made.dead".into(), durable(), arguments.clone()).await.unwrap();
    for (name, value) in [("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "made.dead")] {
        arguments.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    channel.queue_declare("made".into(), durable(), arguments).await.unwrap();
    assert_eq!(queue.weakness().await.unwrap(), None);

    // And what is removed while decom uses it is made anew.
    channel.queue_delete("made".into(), QueueDeleteOptions::default()).await.unwrap();
    once_back(async || queue.put(&bodies(&["a"])).await).await;
    assert_eq!(next(&*queue).await.body, b"a");
}

fn durable() -> QueueDeclareOptions {
    QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() }
}
