//! SQS as a queue, against moto's server.

use std::time::Duration;

use decom::queue::QueueError;

use crate::support::moto::{MotoServer, SECRET};
use crate::support::queues::{self, LONG, bodies, is_away, is_stale, next, nothing, once_back, open, opened};

#[tokio::test]
async fn sqs_forgets_what_is_acknowledged() {
    let Some(server) = MotoServer::start("queue_sqs") else { return };
    // A standard queue promises no order.
    queues::put_take_acknowledge(&server.address(), false).await;
}

#[tokio::test]
async fn sqs_carries_any_text() {
    let Some(server) = MotoServer::start("queue_sqs") else { return };
    queues::unusual_bodies(&server.address()).await;
    let queue = opened(&server.address(), "one", LONG).await;
    let error = queue.put(&[b"a".to_vec(), vec![0xFF]]).await.unwrap_err();
    assert!(error.to_string().contains("SQS accepts only text"), "{error}");
    nothing(&*queue).await;
}

#[tokio::test]
async fn sqs_gives_what_a_dead_worker_held_to_another() {
    let Some(server) = MotoServer::start("queue_sqs") else { return };
    queues::a_worker_dies(&server.address()).await;
}

#[tokio::test]
async fn sqs_leaves_a_worker_that_shows_signs_of_life_what_it_has() {
    let Some(server) = MotoServer::start("queue_sqs") else { return };
    queues::signs_of_life(&server.address()).await;
}

#[tokio::test]
async fn sqs_hands_on_at_once_what_is_given_back() {
    let Some(server) = MotoServer::start("queue_sqs") else { return };
    queues::given_back(&server.address()).await;
    queues::goodbye(&server.address()).await;
}

#[tokio::test]
async fn sqs_keeps_what_makes_no_sense_on_a_queue_of_its_own() {
    let Some(server) = MotoServer::start("queue_sqs") else { return };
    let message = queues::set_aside(&server.address()).await;
    let queue = opened(&server.address(), "one", LONG).await;
    is_stale(queue.set_aside(&message, "again")).await;
    let dead = opened(&server.address_of("decom-dead"), "one", LONG).await;
    let buried = next(&*dead).await;
    assert_eq!(buried.body, message.body);
    nothing(&*dead).await;
}

#[tokio::test]
async fn sqs_takes_many_at_once() {
    let Some(server) = MotoServer::start("queue_sqs") else { return };
    let queue = opened(&server.address(), "one", LONG).await;
    // More than one call carries, in number and in bytes.
    let all: Vec<_> = (0..25).map(|at| format!("{at}{}", "x".repeat(60_000)).into_bytes()).collect();
    queue.put(&all).await.unwrap();
    assert_eq!(queue.waiting().await.unwrap(), 25);
    let mut receipts = Vec::new();
    for _ in 0..25 {
        receipts.push(next(&*queue).await.receipt);
    }
    queue.extend(&receipts).await.unwrap();
    for receipt in &receipts {
        queue.acknowledge(receipt).await.unwrap();
    }
    nothing(&*queue).await;
}

#[tokio::test]
async fn sqs_may_go_away_and_come_back() {
    let Some(mut server) = MotoServer::start("queue_sqs") else { return };
    let queue = opened(&server.address(), "one", LONG).await;
    queue.put(&bodies(&["a"])).await.unwrap();
    let held = next(&*queue).await;
    server.kill();
    for said in [
        is_away(queue.take(Duration::from_secs(1))).await,
        is_away(queue.acknowledge(&held.receipt)).await,
        is_away(queue.put(&bodies(&["d"]))).await,
        is_away(queue.waiting()).await,
        is_away(queue.extend(std::slice::from_ref(&held.receipt))).await,
        is_away(async { open(&server.address(), "other", LONG).await.map(drop) }).await,
    ] {
        assert!(said.contains("Connection refused") && !said.contains("c4n4ry"), "{said}");
    }

    // It has forgotten all, the queues as well.
    server.restart();
    let other = once_back(async || open(&server.address(), "other", LONG).await).await;
    other.put(&bodies(&["b"])).await.unwrap();
    let message = once_back(async || queue.take(Duration::from_secs(1)).await).await.unwrap();
    assert_eq!(message.body, b"b");
    queue.acknowledge(&message.receipt).await.unwrap();
}

#[tokio::test]
async fn sqs_may_fall_silent() {
    let Some(server) = MotoServer::start("queue_sqs") else { return };
    let queue = opened(&server.address(), "one", LONG).await;
    server.process().freeze();
    let (took, counted) = tokio::join!(is_away(queue.take(Duration::from_secs(1))), is_away(queue.waiting()));
    server.process().thaw();
    for said in [took, counted] {
        assert!(said.contains("no reply within"), "{said}");
    }
}

#[tokio::test]
async fn sqs_refuses_clearly() {
    let Some(server) = MotoServer::strict("queue_sqs") else { return };
    let error = open(&server.address(), "one", LONG).await.err().unwrap();
    assert!(matches!(error, QueueError::Refused { .. }), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("InvalidClientTokenId"), "{said}");
    assert!(!said.contains(SECRET) && said.contains("sqs://AKIAEXAMPLE:***@"), "{said}");
}

/// HTTPS is what is spoken where nothing else is said, and is not given up.
#[tokio::test]
async fn sqs_without_tls_is_not_taken_for_one_with() {
    let Some(server) = MotoServer::start("queue_sqs") else { return };
    let address = server.address().replace("&plain=true", "");
    let error = open(&address, "one", LONG).await.err().unwrap();
    assert!(error.to_string().contains("corrupt message"), "{error}");
    assert!(!error.is_transient(), "{error:?}");
}
