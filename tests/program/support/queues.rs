//! What every queue has to hold, whichever broker it is on: checks over the trait alone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use decom::queue::{Message, Queue, QueueError, QueueOptions};

/// For how long nobody takes back what a worker of a test holds.
pub const LONG: Duration = Duration::from_mins(1);

/// After how long it is given to another, where that is what the test waits for.
pub const SHORT: Duration = Duration::from_secs(3);

/// In slices of this, as the program does.
const SLICE: Duration = Duration::from_secs(1);

/// How long a test waits for a message that has to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long any call may take while the broker does not answer.
const BOUND: Duration = Duration::from_secs(12);

pub async fn open(address: &str, worker: &str, hold: Duration) -> Result<Box<dyn Queue>, QueueError> {
    let address = address.parse().unwrap();
    decom::queue::open(QueueOptions { address, worker: worker.to_owned(), unsettled: 16, lease: hold }).await
}

pub async fn opened(address: &str, worker: &str, hold: Duration) -> Box<dyn Queue> {
    open(address, worker, hold).await.unwrap()
}

pub fn bodies(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The next message, which has to come.
pub async fn next(queue: &dyn Queue) -> Message {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(message) = queue.take(SLICE).await.unwrap() {
            return message;
        }
    }
    panic!("no message within {} s", PATIENCE.as_secs());
}

/// No message waits.
pub async fn nothing(queue: &dyn Queue) {
    assert_eq!(queue.take(Duration::from_millis(300)).await.unwrap(), None);
}

/// The same call until the broker is back.
pub async fn once_back<T>(mut call: impl AsyncFnMut() -> Result<T, QueueError>) -> T {
    let begun = Instant::now();
    loop {
        match call().await {
            Ok(done) => return done,
            Err(error) => {
                assert!(error.is_transient(), "{error}");
                assert!(begun.elapsed() < PATIENCE, "{error}");
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A call that finds no broker: it says so, and soon.
pub async fn is_away<T: std::fmt::Debug>(call: impl Future<Output = Result<T, QueueError>>) -> String {
    let begun = Instant::now();
    let error = call.await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(begun.elapsed() < BOUND, "{error}: after {:?}", begun.elapsed());
    error.to_string()
}

/// The receipt is of a delivery that is over.
pub async fn is_stale(call: impl Future<Output = Result<(), QueueError>>) {
    let error = call.await.unwrap_err();
    assert!(matches!(error, QueueError::Expired { .. }), "{error}");
}

/// What is put is taken, and gone once it is acknowledged. `in_order` where the broker keeps order.
pub async fn put_take_acknowledge(address: &str, in_order: bool) {
    let queue = opened(address, "one", LONG).await;
    let texts: Vec<String> = (0..40).map(|at| format!("kunde-{at}")).collect();
    let all: Vec<Vec<u8>> = texts.iter().map(|text| text.clone().into_bytes()).collect();
    queue.put(&all).await.unwrap();
    assert_eq!(queue.waiting().await.unwrap(), 40);

    let (mut taken, mut expected) = (Vec::new(), texts);
    let mut ids = BTreeSet::new();
    for _ in 0..40 {
        let message = next(&*queue).await;
        assert!(!message.redelivered, "{message:?}");
        queue.acknowledge(&message.receipt).await.unwrap();
        ids.insert(message.id);
        taken.push(String::from_utf8(message.body).unwrap());
    }
    if !in_order {
        taken.sort();
        expected.sort();
    }
    assert_eq!(taken, expected);
    assert_eq!(ids.len(), 40, "each has an id of its own");
    nothing(&*queue).await;
    assert_eq!(queue.waiting().await.unwrap(), 0);
    queue.close().await;
}

/// Bodies of any letters and of some size come out as they went in.
pub async fn unusual_bodies(address: &str) {
    let queue = opened(address, "one", LONG).await;
    let long = "ß".repeat(32 * 1024);
    for text in ["Kunde, Straße 1", "日本語 🗑", " ", "{\"datasourceName\": \"a\\u0000\"}", &long] {
        queue.put(&bodies(&[text])).await.unwrap();
        let message = next(&*queue).await;
        assert_eq!(String::from_utf8(message.body).unwrap(), text);
        queue.acknowledge(&message.receipt).await.unwrap();
    }
    queue.close().await;
}

/// What a worker held when it died is given to another, who is told.
pub async fn a_worker_dies(address: &str) {
    let one = opened(address, "one", SHORT).await;
    let other = opened(address, "other", SHORT).await;
    one.put(&bodies(&["a"])).await.unwrap();
    let lost = next(&*one).await;
    assert_eq!(other.waiting().await.unwrap(), 0, "what is worked on does not wait");
    drop(one);

    let found = next(&*other).await;
    assert_eq!((&found.body, found.redelivered), (&lost.body, true));
    other.acknowledge(&found.receipt).await.unwrap();
    nothing(&*other).await;
    other.close().await;
}

/// A worker that shows signs of life keeps what it has for longer than `SHORT`, and what it was too
/// slow for is another's: its own acknowledgement comes too late.
pub async fn signs_of_life(address: &str) {
    let one = opened(address, "one", SHORT).await;
    let other = opened(address, "other", SHORT).await;
    let every = one.extend_interval().unwrap();
    assert!(every < SHORT, "{every:?}");
    one.put(&bodies(&["a"])).await.unwrap();
    let held = next(&*one).await;
    let begun = Instant::now();
    while begun.elapsed() < SHORT * 2 {
        one.extend(std::slice::from_ref(&held.receipt)).await.unwrap();
        assert_eq!(other.take(every).await.unwrap(), None);
    }

    let found = next(&*other).await;
    assert!(found.redelivered);
    one.extend(std::slice::from_ref(&held.receipt)).await.unwrap();
    is_stale(one.acknowledge(&held.receipt)).await;
    is_stale(one.give_back(&held.receipt)).await;
    other.acknowledge(&found.receipt).await.unwrap();
    nothing(&*other).await;
    one.close().await;
    other.close().await;
}

/// What is given back is there at once, for anybody.
pub async fn given_back(address: &str) {
    let one = opened(address, "one", LONG).await;
    let other = opened(address, "other", LONG).await;
    one.put(&bodies(&["a"])).await.unwrap();
    let message = next(&*one).await;
    nothing(&*other).await;
    one.give_back(&message.receipt).await.unwrap();

    let again = next(&*other).await;
    assert_eq!((&again.body, again.redelivered), (&message.body, true));
    other.give_back(&again.receipt).await.unwrap();
    let last = next(&*one).await;
    one.acknowledge(&last.receipt).await.unwrap();
    nothing(&*other).await;
    one.close().await;
    other.close().await;
}

/// Who says goodbye leaves nothing in its own hands.
pub async fn goodbye(address: &str) {
    let one = opened(address, "one", LONG).await;
    let other = opened(address, "other", LONG).await;
    one.put(&bodies(&["a", "b"])).await.unwrap();
    let (_, _) = (next(&*one).await, next(&*one).await);
    one.close().await;
    let mut found = Vec::new();
    for _ in 0..2 {
        let message = next(&*other).await;
        assert!(message.redelivered);
        other.acknowledge(&message.receipt).await.unwrap();
        found.push(String::from_utf8(message.body).unwrap());
    }
    found.sort();
    assert_eq!(found, ["a", "b"]);
    other.close().await;
}

/// What makes no sense is gone from the queue; what is on the dead-letter queue is the caller's to
/// look at.
pub async fn set_aside(address: &str) -> Message {
    let queue = opened(address, "one", LONG).await;
    queue.put(&bodies(&["{senseless", "b"])).await.unwrap();
    let message = next(&*queue).await;
    queue.set_aside(&message, "the message is no JSON: Straße").await.unwrap();
    let after = next(&*queue).await;
    assert_eq!(after.body, b"b");
    queue.acknowledge(&after.receipt).await.unwrap();
    nothing(&*queue).await;
    queue.close().await;
    message
}
