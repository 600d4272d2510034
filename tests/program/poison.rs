//! Messages that cannot be handled, and dead-letter queues that do not take them: each ends somewhere, once.

use async_nats::jetstream::consumer::pull;
use futures_util::StreamExt;
use lapin::options::{BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};

use crate::support::nats::NatsServer;
use crate::support::rabbit::RabbitServer;
use crate::support::redis::RedisServer;
use crate::support::{Sandbox, Server, column, csv, decom};

async fn put(channel: &Channel, queue: &str, body: &[u8]) {
    let options = BasicPublishOptions::default();
    let sent =
        channel.basic_publish("".into(), queue.into(), options, body, BasicProperties::default()).await;
    sent.unwrap().await.unwrap();
}

async fn count(channel: &Channel, queue: &str) -> u32 {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap().message_count()
}

#[tokio::test]
async fn a_dead_letter_queue_that_is_full_is_waited_for_and_the_message_recorded_once() {
    let Some(rabbit) = RabbitServer::shared(module_path!()) else { return };
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let (_connection, channel) = rabbit.channel().await;
    let mut full = FieldTable::default();
    full.insert("x-max-length".into(), AMQPValue::LongInt(0));
    full.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("refusing.dead".into(), durable, full).await.unwrap();
    channel.queue_declare("refusing".into(), durable, FieldTable::default()).await.unwrap();
    put(&channel, "refusing", b"{\"poison\": 1}").await;
    put(&channel, "refusing", b"good").await;
    let queue = rabbit.address("refusing");
    let mut work = decom(&sandbox, &server, &["work", "--queue", &queue, "--follow"]);
    let ended = work.env("DECOM_QUEUE_MAX_OUTAGE", "2s").run().expect(4);
    assert_eq!(ended.outcome("good"), "deleted");
    assert!(ended.stdout.contains("refusing.dead"), "{}", ended.stdout);
    assert_eq!(column(&sandbox.log(), "SELECT count(*) FROM refused_messages"), ["1"]);
    assert_eq!(count(&channel, "refusing").await, 1, "the message is not lost");
}

#[test]
fn json_that_is_not_the_documented_object_is_set_aside() {
    let Some(redis) = RedisServer::start(module_path!()) else { return };
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let bodies = ["\"name\"", "[\"name\"]", "null", "5", "[{\"datasourceName\": \"name\"}]"];
    for body in bodies {
        let put: redis::RedisResult<String> =
            redis::Commands::xadd(&mut redis.connection(), "decom", "*", &[("body", body)]);
        put.unwrap();
    }
    decom(&sandbox, &server, &["work", "--queue", &redis.address(), "--idle", "500ms"]).run().expect(1);
    assert!(server.deletions().is_empty());
    assert_eq!((redis.length("decom"), redis.length("decom.dead")), (0, bodies.len()));
}

#[test]
fn a_ca_file_without_a_certificate_is_refused() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.file("empty.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    for address in [
        "amqps://127.0.0.1:1?ca_file=empty.pem",
        "tls://127.0.0.1:1?ca_file=empty.pem",
        "rediss://127.0.0.1:1?ca_file=empty.pem",
    ] {
        let ended = decom(&sandbox, &server, &["work", "--queue", address]).run().expect(2);
        assert!(ended.message().contains("holds no PEM certificate"), "{}", ended.message());
    }
}

/// The consumer gives out one message at a time, and another client keeps that.
#[tokio::test]
async fn messages_that_are_left_at_the_end_are_counted_and_not_success() {
    let Some(nats) = NatsServer::start(module_path!()) else { return };
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let input = csv(&sandbox, &["a", "b", "c"]);
    let queue = nats.address();
    sandbox.decom(&["enqueue", &input, "--queue", &queue]).run().expect(0);
    let stream = nats.jetstream().await.get_stream("decom").await.unwrap();
    stream.delete_consumer("decom").await.unwrap();
    let durable_name = Some("decom".to_owned());
    let config = pull::Config { durable_name, max_ack_pending: 1, ..pull::Config::default() };
    let consumer = stream.create_consumer(config).await.unwrap();
    let mut batch = consumer.fetch().max_messages(1).messages().await.unwrap();
    let _kept = batch.next().await.unwrap().unwrap();
    let ended = decom(&sandbox, &server, &["work", "--queue", &queue, "--idle", "1s"]).run().expect(1);
    assert!(ended.stdout.contains("2 messages still wait in the queue"), "{}", ended.stdout);
    assert!(server.deletions().is_empty());
}
