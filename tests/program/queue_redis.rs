//! Redis Streams as a queue, against a real Redis.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use decom::queue::QueueError;
use redis::Commands;
use redis::streams::StreamRangeReply;

use crate::support::queues::{
    self, LONG, SHORT, bodies, is_away, is_stale, next, nothing, once_back, open, opened,
};
use crate::support::redis::{PASSWORD, RedisServer};
use crate::support::tls::Authority;

#[tokio::test]
async fn redis_gives_out_in_order_and_forgets_what_is_acknowledged() {
    let Some(server) = RedisServer::start("queue_redis") else { return };
    queues::put_take_acknowledge(&server.address(), true).await;
    assert_eq!(server.length("decom"), 0, "the stream is empty at the end");
    assert_eq!(server.consumers(), [""; 0], "and nobody is left behind");
}

#[tokio::test]
async fn redis_carries_any_body() {
    let Some(server) = RedisServer::start("queue_redis") else { return };
    queues::unusual_bodies(&server.address()).await;
}

#[tokio::test]
async fn redis_gives_what_a_dead_worker_held_to_another() {
    let Some(server) = RedisServer::start("queue_redis") else { return };
    queues::a_worker_dies(&server.address()).await;
}

#[tokio::test]
async fn redis_leaves_a_worker_that_shows_signs_of_life_what_it_has() {
    let Some(server) = RedisServer::start("queue_redis") else { return };
    queues::signs_of_life(&server.address()).await;
}

#[tokio::test]
async fn redis_hands_on_at_once_what_is_given_back() {
    let Some(server) = RedisServer::start("queue_redis") else { return };
    queues::given_back(&server.address()).await;
    queues::goodbye(&server.address()).await;
    assert_eq!(server.consumers(), ["given-back"]);
}

#[tokio::test]
async fn redis_keeps_what_makes_no_sense_on_a_stream_of_its_own() {
    let Some(server) = RedisServer::start("queue_redis") else { return };
    let message = queues::set_aside(&server.address()).await;
    assert_eq!(server.length("decom"), 0);
    let dead: StreamRangeReply = server.connection().xrange_all("decom.dead").unwrap();
    let fields: Vec<HashMap<_, _>> = dead
        .ids
        .iter()
        .map(|entry| entry.map.keys().map(|key| (key.clone(), entry.get(key).unwrap())).collect())
        .collect();
    let expected = [("body", "{senseless"), ("why", "the message is no JSON: Straße"), ("id", &message.id)];
    assert_eq!(fields, [expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into()]);

    // The same again, as after an answer that was lost: nothing is set aside twice.
    let queue = opened(&server.address(), "one", LONG).await;
    is_stale(queue.set_aside(&message, "again")).await;
    is_stale(queue.acknowledge(&message.receipt)).await;
    assert_eq!(server.length("decom.dead"), 1);
}

/// One's own message, left for too long while the broker was away, is not another one.
#[tokio::test]
async fn redis_does_not_give_a_worker_its_own_message_twice() {
    let Some(server) = RedisServer::start("queue_redis") else { return };
    let queue = opened(&server.address(), "one", Duration::from_millis(200)).await;
    queue.put(&bodies(&["a"])).await.unwrap();
    let message = next(&*queue).await;
    assert_eq!(queue.take(Duration::from_secs(2)).await.unwrap(), None);
    queue.acknowledge(&message.receipt).await.unwrap();
    assert_eq!(server.length("decom"), 0);
}

#[tokio::test]
async fn redis_gives_what_others_put_without_a_body_as_empty() {
    let Some(server) = RedisServer::start("queue_redis") else { return };
    let _: String = server.connection().xadd("decom", "7-1", &[("name", "a")]).unwrap();
    let _: String = server.connection().xadd("decom", "7-2", &[("by", "x"), ("body", "b")]).unwrap();
    // The group is made after them, and begins with them.
    let queue = opened(&server.address(), "one", LONG).await;
    assert_eq!(queue.waiting().await.unwrap(), 2);
    let (first, second) = (next(&*queue).await, next(&*queue).await);
    assert_eq!((first.id.as_str(), first.body.as_slice()), ("7-1", b"".as_slice()));
    assert_eq!((second.id.as_str(), second.body.as_slice()), ("7-2", b"b".as_slice()));
}

#[tokio::test]
async fn redis_counts_what_is_left_for_too_long_as_waiting() {
    let Some(server) = RedisServer::start("queue_redis") else { return };
    let one = opened(&server.address(), "one", SHORT).await;
    let other = opened(&server.address(), "other", SHORT).await;
    one.put(&bodies(&["a", "b", "c"])).await.unwrap();
    let (first, _) = (next(&*one).await, next(&*one).await);
    assert_eq!(other.waiting().await.unwrap(), 1);
    one.give_back(&first.receipt).await.unwrap();
    assert_eq!(other.waiting().await.unwrap(), 2);
    let begun = Instant::now();
    while other.waiting().await.unwrap() < 3 {
        assert!(begun.elapsed() < SHORT * 4);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn redis_may_crash_and_come_back() {
    let Some(mut server) = RedisServer::start("queue_redis") else { return };
    let queue = opened(&server.address(), "one", LONG).await;
    queue.put(&bodies(&["a", "b", "c"])).await.unwrap();
    let held = next(&*queue).await;
    server.kill();
    for said in [
        is_away(queue.take(Duration::from_secs(1))).await,
        is_away(queue.acknowledge(&held.receipt)).await,
        is_away(queue.put(&bodies(&["d"]))).await,
        is_away(queue.waiting()).await,
        is_away(queue.extend(std::slice::from_ref(&held.receipt))).await,
    ] {
        assert!(said.contains("the queue redis://127.0.0.1"), "{said}");
    }
    queue.close().await;

    server.restart();
    once_back(async || queue.acknowledge(&held.receipt).await).await;
    for text in ["b", "c"] {
        let message = once_back(async || queue.take(Duration::from_secs(1)).await).await.unwrap();
        assert_eq!(message.body, text.as_bytes());
        queue.acknowledge(&message.receipt).await.unwrap();
    }
    nothing(&*queue).await;
    assert_eq!(server.length("decom"), 0);
}

/// A broker that holds its connections and answers nothing, as behind a cut cable.
#[tokio::test]
async fn redis_may_fall_silent() {
    let Some(server) = RedisServer::start("queue_redis") else { return };
    let queue = opened(&server.address(), "one", LONG).await;
    queue.put(&bodies(&["a"])).await.unwrap();
    server.process().freeze();
    let (took, counted, opened) = tokio::join!(
        is_away(queue.take(Duration::from_secs(1))),
        is_away(queue.waiting()),
        is_away(async { open(&server.address(), "other", LONG).await.map(drop) }),
    );
    for said in [took, counted, opened] {
        assert!(said.contains("no reply within"), "{said}");
    }
    server.process().thaw();
    let message = once_back(async || queue.take(Duration::from_secs(1)).await).await.unwrap();
    queue.acknowledge(&message.receipt).await.unwrap();
}

#[tokio::test]
async fn redis_may_lose_the_stream() {
    let Some(server) = RedisServer::start("queue_redis") else { return };
    let queue = opened(&server.address(), "one", LONG).await;
    queue.put(&bodies(&["a"])).await.unwrap();
    let lost = next(&*queue).await;
    let _: usize = server.connection().del("decom").unwrap();
    is_stale(queue.acknowledge(&lost.receipt)).await;
    queue.extend(std::slice::from_ref(&lost.receipt)).await.unwrap();
    queue.put(&bodies(&["b"])).await.unwrap();
    assert_eq!(queue.waiting().await.unwrap(), 1);
    assert_eq!(next(&*queue).await.body, b"b");
}

#[tokio::test]
async fn redis_is_not_there() {
    let said = is_away(async { open("redis://127.0.0.1:1", "one", LONG).await.map(drop) }).await;
    assert_eq!(
        said,
        "cannot reach the queue redis://127.0.0.1:1?queue=decom: Connection refused (os error 111)"
    );
}

#[tokio::test]
async fn redis_refuses_clearly() {
    let Some(server) = RedisServer::with_password("queue_redis") else { return };
    let queue = opened(&server.address_with(PASSWORD), "one", LONG).await;
    queue.put(&bodies(&["a"])).await.unwrap();
    for (address, what) in [
        (server.address_with("wr0ng-c4n4ry"), "authentication failed"),
        (server.address(), "NOAUTH"),
        (format!("{}/99", server.address_with(PASSWORD)), "DB index is out of range"),
    ] {
        let error = open(&address, "one", LONG).await.err().unwrap();
        assert!(matches!(error, QueueError::Refused { .. }), "{error:?}");
        let said = error.to_string();
        assert!(said.contains(what), "{said}");
        assert!(!said.contains("c4n4ry"), "{said}");
    }
}

#[tokio::test]
async fn redis_refuses_what_is_no_stream() {
    let Some(server) = RedisServer::start("queue_redis") else { return };
    let _: () = server.connection().set("decom", "a text").unwrap();
    let error = open(&server.address(), "one", LONG).await.err().unwrap();
    assert!(matches!(error, QueueError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");

    // A dead-letter queue that cannot be one: the message stays where it is.
    let _: () = server.connection().del("decom").unwrap();
    let _: () = server.connection().set("decom.dead", "a text").unwrap();
    let queue = opened(&server.address(), "one", LONG).await;
    queue.put(&bodies(&["{"])).await.unwrap();
    let message = next(&*queue).await;
    let error = queue.set_aside(&message, "why").await.unwrap_err();
    assert!(matches!(error, QueueError::Refused { .. }), "{error:?}");
    queue.give_back(&message.receipt).await.unwrap();
    assert_eq!(server.length("decom"), 1);
}

#[tokio::test]
async fn redis_speaks_tls_and_trusts_no_stranger() {
    let Some(server) = RedisServer::with_tls("queue_redis", &Authority::new()) else { return };
    let file = server.ca_file();
    let queue =
        opened(&server.address_tls(&format!("?queue=secret&ca_file={}", file.display())), "one", LONG).await;
    queue.put(&bodies(&["a"])).await.unwrap();
    let message = next(&*queue).await;
    queue.acknowledge(&message.receipt).await.unwrap();

    for (address, what) in [
        // Trying again would not help.
        (server.address_tls(""), "invalid peer certificate: UnknownIssuer"),
        (server.address_tls("?ca_file=/nowhere.pem"), "ca_file /nowhere.pem: No such file or directory"),
        (server.address_tls("?tls=no"), "unknown parameter `tls`"),
        (format!("redis://localhost?ca_file={}", file.display()), "`ca_file` is for rediss://"),
    ] {
        let error = open(&address, "one", LONG).await.err().unwrap();
        assert!(!error.is_transient() && error.to_string().contains(what), "{error}");
    }
}

/// What `docs/queues.md` names is enough.
#[tokio::test]
async fn redis_needs_no_more_permissions_than_documented() {
    let Some(server) = RedisServer::start("queue_redis") else { return };
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/queues.md")).unwrap();
    let (_, permissions) = page.split_once("| permissions | `").unwrap();
    let permissions: Vec<&str> = permissions.split('`').next().unwrap().split(' ').collect();
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg("worker").arg("on").arg(format!(">{PASSWORD}")).arg("-@all").arg(permissions);
    for stream in ["decom", "decom.dead"] {
        command.arg(format!("~{stream}"));
    }
    let _: () = command.query(&mut server.connection()).unwrap();
    let address = server.address().replace("redis://", &format!("redis://worker:{PASSWORD}@"));
    queues::set_aside(&address).await;
    queues::given_back(&address).await;
    queues::put_take_acknowledge(&address, true).await;
}
