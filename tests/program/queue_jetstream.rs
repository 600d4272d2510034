//! NATS JetStream as a queue, against a real NATS server.

use std::net::TcpListener;
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::stream::{Config, RetentionPolicy};
use decom::queue::QueueError;

use crate::support::cuts::Way;
use crate::support::nats::{NatsServer, PASSWORD};
use crate::support::queues::{
    self, LONG, SHORT, bodies, is_away, is_stale, next, nothing, once_back, open, opened,
};
use crate::support::servers::free_port;

/// What opening the queue is refused with.
async fn refusal(address: &str) -> String {
    match open(address, "one", LONG).await.map(drop).unwrap_err() {
        refused @ QueueError::Refused { .. } => refused.to_string(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn jetstream_gives_out_in_order_and_forgets_what_is_acknowledged() {
    let Some(server) = NatsServer::start("queue_jetstream") else { return };
    queues::put_take_acknowledge(&server.address(), true).await;
    assert_eq!(server.length("decom").await, 0, "the stream is empty at the end");
}

#[tokio::test]
async fn jetstream_carries_any_body() {
    let Some(server) = NatsServer::start("queue_jetstream") else { return };
    queues::unusual_bodies(&server.address()).await;
}

#[tokio::test]
async fn jetstream_drops_nothing_that_is_put_twice() {
    let Some(server) = NatsServer::start("queue_jetstream") else { return };
    let queue = opened(&server.address(), "one", LONG).await;
    queue.put(&bodies(&["a", "a"])).await.unwrap();
    queue.put(&bodies(&["a"])).await.unwrap();
    assert_eq!(queue.waiting().await.unwrap(), 3);
}

#[tokio::test]
async fn jetstream_gives_what_a_dead_worker_held_to_another() {
    let Some(server) = NatsServer::start("queue_jetstream") else { return };
    queues::a_worker_dies(&server.address()).await;
}

#[tokio::test]
async fn jetstream_leaves_a_worker_that_shows_signs_of_life_what_it_has() {
    let Some(server) = NatsServer::start("queue_jetstream") else { return };
    queues::signs_of_life(&server.address()).await;
}

#[tokio::test]
async fn jetstream_hands_on_at_once_what_is_given_back() {
    let Some(server) = NatsServer::start("queue_jetstream") else { return };
    queues::given_back(&server.address()).await;
    queues::goodbye(&server.address()).await;
}

#[tokio::test]
async fn jetstream_keeps_what_makes_no_sense_on_a_stream_of_its_own() {
    let Some(server) = NatsServer::start("queue_jetstream") else { return };
    let message = queues::set_aside(&server.address()).await;
    let dead = server.jetstream().await.get_stream("decom-dead").await.unwrap();
    assert_eq!(dead.cached_info().state.messages, 1);
    let letter = dead.get_raw_message(1).await.unwrap();
    assert_eq!(&letter.payload[..], b"{senseless");
    let header = |name: &str| letter.headers.get(name).unwrap().as_str().to_owned();
    assert_eq!(header("Decom-Reason"), "the message is no JSON: Straße");
    assert_eq!(header("Decom-Message-Id"), message.id);
    assert_eq!(server.length("decom").await, 0);
}

#[tokio::test]
async fn jetstream_goes_on_where_its_server_comes_back() {
    let Some(mut server) = NatsServer::start("queue_jetstream") else { return };
    let queue = opened(&server.address(), "one", LONG).await;
    queue.put(&bodies(&["a", "b", "c"])).await.unwrap();
    let held = next(&*queue).await;
    server.kill();
    is_away(async {
        // The first may be the one that finds out.
        let _ = queue.take(Duration::from_secs(1)).await;
        queue.take(Duration::from_secs(1)).await
    })
    .await;
    is_away(queue.acknowledge(&held.receipt)).await;
    is_away(queue.put(&bodies(&["d"]))).await;
    is_away(queue.waiting()).await;
    is_away(async { open(&server.address(), "other", LONG).await.map(drop) }).await;

    server.restart();
    once_back(async || queue.acknowledge(&held.receipt).await).await;
    once_back(async || queue.put(&bodies(&["e"])).await).await;
    for expected in ["b", "c", "e"] {
        let message = next(&*queue).await;
        assert_eq!((&message.body[..], message.redelivered), (expected.as_bytes(), false));
        queue.acknowledge(&message.receipt).await.unwrap();
    }
    nothing(&*queue).await;
    assert_eq!(server.length("decom").await, 0);
}

#[tokio::test]
async fn jetstream_keeps_its_claims_when_the_connection_is_cut() {
    let Some(server) = NatsServer::start("queue_jetstream") else { return };
    let way = Way::to(server.port());
    let queue = opened(&format!("nats://127.0.0.1:{}", way.port()), "one", LONG).await;
    queue.put(&bodies(&["a", "b"])).await.unwrap();
    let held = next(&*queue).await;
    way.cut();
    let message = once_back(async || queue.take(Duration::from_secs(1)).await).await.unwrap();
    assert_eq!(message.body, b"b");
    queue.acknowledge(&held.receipt).await.unwrap();
    queue.acknowledge(&message.receipt).await.unwrap();
    is_stale(queue.acknowledge(&held.receipt)).await;
    assert_eq!(server.length("decom").await, 0);
}

#[tokio::test]
async fn jetstream_waits_for_no_server_that_says_nothing() {
    let Some(server) = NatsServer::start("queue_jetstream") else { return };
    let queue = opened(&server.address(), "one", SHORT).await;
    queue.put(&bodies(&["a"])).await.unwrap();
    let held = next(&*queue).await;
    server.process().freeze();
    is_away(queue.extend(std::slice::from_ref(&held.receipt))).await;
    is_away(queue.take(Duration::from_secs(1))).await;
    is_away(queue.put(&bodies(&["b"]))).await;
    server.process().thaw();
    drop(queue);

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("nats://{}", silent.local_addr().unwrap());
    is_away(async { open(&address, "one", LONG).await.map(drop) }).await;
    let address = format!("nats://127.0.0.1:{}", free_port());
    is_away(async { open(&address, "one", LONG).await.map(drop) }).await;
}

#[tokio::test]
async fn jetstream_lets_in_only_who_may() {
    let users = format!(
        r#"jetstream {{}}
        authorization {{ users = [
            {{ user: "worker", password: "{PASSWORD}@:/" }}
            {{ user: "guest", password: "g", permissions: {{ publish: ["$JS.API.STREAM.INFO.*", "_INBOX.>"] }} }}
        ] }}"#
    );
    let Some(server) = NatsServer::begin("queue_jetstream", &users) else { return };
    let said = refusal(&server.address_of("worker", PASSWORD)).await;
    assert!(said.contains("check the user and the password") && !said.contains(PASSWORD), "{said}");
    let said = refusal(&server.address_of("guest", "g")).await;
    assert!(said.to_lowercase().contains("permissions violation"), "{said}");

    let address = server.address_of("worker", &format!("{PASSWORD}%40%3A%2F"));
    let queue = opened(&address, "one", LONG).await;
    queue.put(&bodies(&["a"])).await.unwrap();
    assert_eq!(next(&*queue).await.body, b"a");
}

#[tokio::test]
async fn jetstream_refuses_what_would_not_do_and_says_what_to_do() {
    let Some(server) = NatsServer::start("queue_jetstream") else { return };
    let jetstream = server.jetstream().await;
    let stream = |name: &str, subject: &str, retention| Config {
        name: name.to_owned(),
        subjects: vec![subject.to_owned()],
        retention,
        ..Config::default()
    };
    let work = RetentionPolicy::WorkQueue;
    jetstream.create_stream(stream("kept", "kept", RetentionPolicy::Limits)).await.unwrap();
    jetstream.create_stream(stream("deaf", "something", work)).await.unwrap();
    let limited = jetstream.create_stream(stream("limited", "limited", work)).await.unwrap();
    let once = pull::Config { durable_name: Some("decom".to_owned()), max_deliver: 1, ..Default::default() };
    limited.create_consumer(once).await.unwrap();
    for (queue, what) in [
        ("kept", "is not a work queue"),
        ("deaf", "`nats stream edit deaf`"),
        ("limited", "`nats consumer rm limited decom`"),
    ] {
        let said = refusal(&format!("{}?queue={queue}", server.address())).await;
        assert!(said.contains(what), "{said}");
    }
    let Some(server) = NatsServer::begin("queue_jetstream", "") else { return };
    let said = refusal(&server.address()).await;
    assert!(said.contains("JetStream is not enabled"), "{said}");
}

#[tokio::test]
async fn jetstream_makes_anew_what_was_removed() {
    let Some(server) = NatsServer::start("queue_jetstream") else { return };
    let queue = opened(&server.address(), "one", LONG).await;
    queue.put(&bodies(&["a"])).await.unwrap();
    let held = next(&*queue).await;
    server.jetstream().await.delete_stream("decom").await.unwrap();
    is_stale(queue.acknowledge(&held.receipt)).await;
    once_back(async || queue.put(&bodies(&["b"])).await).await;
    assert_eq!(next(&*queue).await.body, b"b");
}

#[tokio::test]
async fn jetstream_is_not_believed_where_it_has_forgotten_what_it_gave_out() {
    let Some(server) = NatsServer::start("queue_jetstream") else { return };
    let queue = opened(&server.address(), "one", LONG).await;
    queue.put(&bodies(&["a", "b"])).await.unwrap();
    assert!(!next(&*queue).await.redelivered);
    // The count of deliveries goes with it.
    server.jetstream().await.delete_consumer_from_stream("decom", "decom").await.unwrap();
    let again = once_back(async || queue.take(SHORT).await).await.unwrap();
    assert_eq!((again.body.as_slice(), again.redelivered), (&b"a"[..], true));
    let new = next(&*queue).await;
    assert_eq!((new.body.as_slice(), new.redelivered), (&b"b"[..], false));
    queue.close().await;
}
