//! A queue on RabbitMQ, over AMQP 0.9.1.
//!
//! A delivery belongs to the channel that it came over: when that is closed, the broker has the message again. So a
//! receipt names its session, and a session is replaced, never repaired.

mod endpoint;
mod errors;
mod queue_type;
mod readable;
mod session;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lapin::message::Delivery;
use lapin::types::AMQPValue;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use self::endpoint::Endpoint;
use self::errors::error_of;
use self::readable::UNREADABLE;
use self::session::Session;
use super::error_context::ErrorContext;
use super::{Message, Queue, QueueError, QueueOptions, Receipt};

/// How long the broker may take for a reply, and for a connection.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How many messages are sent to the broker before waiting for it.
const BATCH: usize = 128;

/// How soon an empty queue is read again, at first and after a while.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// What is wrong with a message whose properties the client cannot read.
const WHY_UNREADABLE: &str =
    "a property of the message (an id, a type, a header or the routing key) is malformed or not UTF-8";

/// A queue on RabbitMQ.
pub(super) struct RabbitMq {
    endpoint: Endpoint,
    errors: ErrorContext,
    current: Mutex<Current>,
}

/// The active session, if there is one, and the number of sessions so far.
struct Current {
    epoch: u64,
    session: Option<Arc<Session>>,
}

impl RabbitMq {
    /// Connects, and creates the queues if they do not exist. Every session does.
    pub(super) async fn open(options: &QueueOptions) -> Result<Self, QueueError> {
        let errors = ErrorContext::of(&options.address);
        let endpoint = Endpoint::of(options, &errors)?;
        let queue = Self { endpoint, errors, current: Mutex::new(Current { epoch: 0, session: None }) };
        queue.session().await?;
        Ok(queue)
    }

    /// The active session, or a new one.
    async fn session(&self) -> Result<Arc<Session>, QueueError> {
        let mut current = self.current.lock().await;
        if let Some(session) = current.session.as_ref().filter(|session| session.is_open()) {
            return Ok(Arc::clone(session));
        }
        current.session = None;
        let epoch = current.epoch + 1;
        let session =
            Arc::new(self.with_timeout("accept a connection", Session::begin(&self.endpoint, epoch)).await?);
        current.epoch = epoch;
        current.session = Some(Arc::clone(&session));
        Ok(session)
    }

    /// The session of this delivery, and its tag.
    async fn session_of(&self, receipt: &Receipt) -> Result<(Arc<Session>, u64), QueueError> {
        let expired = || self.errors.expired();
        let (epoch, tag) = receipt.0.split_once(':').ok_or_else(expired)?;
        let tag = tag.parse().map_err(|_| expired())?;
        let session = self.current.lock().await.session.clone();
        let session = session.filter(|session| session.is_open() && session.epoch().to_string() == epoch);
        Ok((session.ok_or_else(expired)?, tag))
    }

    /// Waits for a reply of the broker for at most [`TIMEOUT`].
    async fn with_timeout<T>(
        &self,
        action: &'static str,
        reply: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, QueueError> {
        match timeout(TIMEOUT, reply).await {
            Ok(reply) => reply.map_err(|error| error_of(&self.errors, action, &error)),
            Err(_) => Err(self.errors.unreachable(format!("no reply within {} s", TIMEOUT.as_secs()))),
        }
    }

    /// The same in a session, which ends if that fails.
    async fn in_session<T>(
        &self,
        session: &Session,
        action: &'static str,
        reply: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, QueueError> {
        let reply = self.with_timeout(action, reply).await;
        if reply.is_err() {
            self.drop_session(session).await;
        }
        reply
    }

    /// Drops a session after a failure.
    async fn drop_session(&self, session: &Session) {
        let mut current = self.current.lock().await;
        current.session.take_if(|current| current.epoch() == session.epoch());
    }

    /// Settles a delivery, which has expired if its channel is closed.
    async fn settle(
        &self,
        session: &Session,
        action: &'static str,
        settled: impl Future<Output = lapin::Result<()>>,
    ) -> Result<(), QueueError> {
        self.in_session(session, action, settled)
            .await
            .map_err(|error| if session.is_open() { error } else { self.errors.expired() })
    }

    fn message(&self, session: &Session, delivery: Delivery) -> Message {
        let tag = delivery.delivery_tag;
        let id = delivery.properties.message_id().as_ref().map(ToString::to_string);
        let counted = delivery.properties.headers().as_ref().and_then(|headers| {
            let count = headers.inner().get("x-delivery-count")?;
            Some(!matches!(count, AMQPValue::LongLongInt(0) | AMQPValue::LongInt(0)))
        });
        let kind = delivery.properties.kind().as_ref();
        let is_unreadable = kind.is_some_and(|kind| kind.as_str() == UNREADABLE);
        Message {
            id: id.unwrap_or_else(|| format!("{}:{}:{tag}", self.endpoint.queue, session.epoch())),
            body: delivery.data,
            unreadable: is_unreadable.then(|| WHY_UNREADABLE.to_owned()),
            redelivered: delivery.redelivered || counted == Some(true),
            receipt: Receipt(format!("{}:{tag}", session.epoch())),
        }
    }
}

#[async_trait]
impl Queue for RabbitMq {
    async fn take(&self, wait: Duration) -> Result<Option<Message>, QueueError> {
        let session = self.session().await?;
        let end = Instant::now() + wait;
        let mut pause = SHORTEST_PAUSE;
        loop {
            let got = self.in_session(&session, "deliver a message", session.get(&self.endpoint)).await?;
            if let Some(delivery) = got {
                return Ok(Some(self.message(&session, delivery)));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            sleep(pause.min(left)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let (session, tag) = self.session_of(receipt).await?;
        self.settle(&session, "take an acknowledgement", session.acknowledge(tag)).await
    }

    /// The broker takes a message back when its session ends, and a worker that slept has not seen that yet: so the
    /// broker is asked, unless it has just replied.
    async fn holds(&self, receipt: &Receipt) -> bool {
        let Ok((session, _)) = self.session_of(receipt).await else { return false };
        session.is_confirmed()
            || self.in_session(&session, "confirm the session", session.confirm()).await.is_ok()
    }

    async fn give_back(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let (session, tag) = self.session_of(receipt).await?;
        self.settle(&session, "take a message back", session.give_back(tag)).await
    }

    async fn set_aside(&self, message: &Message, why: &str) -> Result<(), QueueError> {
        // An expired delivery is not set aside: another worker may have it.
        let (session, _) = self.session_of(&message.receipt).await?;
        let published = session.set_aside(&self.endpoint, message, why);
        let stored = self.in_session(&session, "take a dead letter", published).await?;
        if !stored {
            // Full, or deleted. The session stays: the message would be delivered again at once with it.
            self.in_session(&session, "provide the dead-letter queue", session.provide(&self.endpoint))
                .await?;
            return Err(self.errors.unreachable(format!(
                "it did not take a message for {}; check whether that queue is full",
                self.endpoint.dead
            )));
        }
        self.acknowledge(&message.receipt).await
    }

    async fn weakness(&self) -> Result<Option<String>, QueueError> {
        let session = self.session().await?;
        let is_classic =
            self.in_session(&session, "say what the queue is", session.is_classic(&self.endpoint)).await?;
        Ok(is_classic.then(|| {
            format!(
                "{} is a classic queue: a crash of its broker forgets acknowledgements, and delivers messages again whose names were dealt with (in a trial, 730 to 794 of 1,150); declare it as a quorum queue (x-queue-type: quorum)",
                self.endpoint.queue
            )
        }))
    }

    /// Does nothing: the broker notices the end of a connection by itself.
    async fn extend(&self, _: &[Receipt]) -> Result<(), QueueError> {
        Ok(())
    }

    fn extend_interval(&self) -> Option<Duration> {
        None
    }

    async fn put(&self, bodies: &[Vec<u8>]) -> Result<(), QueueError> {
        let session = self.session().await?;
        for batch in bodies.chunks(BATCH) {
            let published = session.put(&self.endpoint, batch);
            if !self.in_session(&session, "take messages", published).await? {
                // Full, or deleted; a new session creates it again.
                self.drop_session(&session).await;
                return Err(self
                    .errors
                    .unreachable("it did not take a message; check whether the queue is full".to_owned()));
            }
        }
        Ok(())
    }

    async fn waiting(&self) -> Result<u64, QueueError> {
        let session = self.session().await?;
        self.in_session(&session, "count waiting messages", session.waiting(&self.endpoint)).await
    }

    async fn close(&self) {
        if let Some(session) = self.current.lock().await.session.take() {
            // If this fails, the broker notices the end of the connection.
            let _ = self.with_timeout("close the connection", session.end()).await;
        }
    }
}
