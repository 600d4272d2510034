//! A queue on RabbitMQ, over AMQP 0.9.1.
//!
//! A delivery belongs to the channel it came over: where that is gone, the broker has the message
//! again. So a receipt names the session it is of, and a session is made anew, never repaired.

mod refusal;
mod session;
mod target;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lapin::message::Delivery;
use lapin::types::AMQPValue;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use self::refusal::Told;
use self::session::Session;
use self::target::Target;
use super::{Message, Queue, QueueError, QueueOptions, Receipt};

/// How long the broker may take for an answer, and for letting decom in.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many messages are on their way to the broker at once.
const BATCH: usize = 128;

/// How soon an empty queue is looked at again: at first, and after a while.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// A queue on RabbitMQ.
pub(super) struct RabbitMq {
    target: Target,
    told: Told,
    current: Mutex<Current>,
}

/// The session at work, if any, and how many there were.
struct Current {
    epoch: u64,
    session: Option<Arc<Session>>,
}

impl RabbitMq {
    /// Connects, and makes the queues where they are missing.
    pub(super) async fn open(options: &QueueOptions) -> Result<Self, QueueError> {
        let told = Told { queue: options.address.to_string() };
        let target = Target::of(options)?;
        let queue = Self { target, told, current: Mutex::new(Current { epoch: 0, session: None }) };
        queue.session().await?;
        Ok(queue)
    }

    /// The session at work, or a new one.
    async fn session(&self) -> Result<Arc<Session>, QueueError> {
        let mut current = self.current.lock().await;
        if let Some(session) = current.session.as_ref().filter(|session| session.is_sound()) {
            return Ok(Arc::clone(session));
        }
        current.session = None;
        let epoch = current.epoch + 1;
        let session = Arc::new(self.bounded("let decom in", Session::begin(&self.target, epoch)).await?);
        current.epoch = epoch;
        current.session = Some(Arc::clone(&session));
        Ok(session)
    }

    /// The session that made this delivery, with its tag.
    async fn session_of(&self, receipt: &Receipt) -> Result<(Arc<Session>, u64), QueueError> {
        let stale = || QueueError::Stale { queue: self.told.queue.clone() };
        let (epoch, tag) = receipt.0.split_once(':').ok_or_else(stale)?;
        let tag = tag.parse().map_err(|_| stale())?;
        let session = self.current.lock().await.session.clone();
        let session = session.filter(|session| session.is_sound() && session.epoch().to_string() == epoch);
        Ok((session.ok_or_else(stale)?, tag))
    }

    /// What is asked of the broker, within [`PATIENCE`].
    async fn bounded<T>(
        &self,
        action: &'static str,
        asked: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, QueueError> {
        match timeout(PATIENCE, asked).await {
            Ok(answer) => answer.map_err(|error| self.told.of(action, &error)),
            Err(_) => Err(self.told.away(format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }

    /// The same within a session, which is over where that failed.
    async fn within<T>(
        &self,
        session: &Session,
        action: &'static str,
        asked: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, QueueError> {
        let answer = self.bounded(action, asked).await;
        if answer.is_err() {
            self.forget(session).await;
        }
        answer
    }

    /// Ends a session that cannot be trusted any more.
    async fn forget(&self, session: &Session) {
        let mut current = self.current.lock().await;
        current.session.take_if(|now| now.epoch() == session.epoch());
    }

    /// Settles a delivery. Where its channel is gone, so is the claim to the message.
    async fn settle(
        &self,
        session: &Session,
        action: &'static str,
        settled: impl Future<Output = lapin::Result<()>>,
    ) -> Result<(), QueueError> {
        self.within(session, action, settled).await.map_err(|error| {
            if session.is_sound() { error } else { QueueError::Stale { queue: self.told.queue.clone() } }
        })
    }

    fn message(&self, session: &Session, delivery: Delivery) -> Message {
        let tag = delivery.delivery_tag;
        let id = delivery.properties.message_id().as_ref().map(ToString::to_string);
        let handed_out = delivery.properties.headers().as_ref().and_then(|headers| {
            let count = headers.inner().get("x-delivery-count")?;
            Some(!matches!(count, AMQPValue::LongLongInt(0) | AMQPValue::LongInt(0)))
        });
        Message {
            id: id.unwrap_or_else(|| format!("{}:{}:{tag}", self.target.queue, session.epoch())),
            body: delivery.data,
            redelivered: delivery.redelivered || handed_out == Some(true),
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
            let asked = session.get(&self.target);
            if let Some(delivery) = self.within(&session, "give out a message", asked).await? {
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

    async fn give_back(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let (session, tag) = self.session_of(receipt).await?;
        self.settle(&session, "take a message back", session.give_back(tag)).await
    }

    async fn set_aside(&self, message: &Message, why: &str) -> Result<(), QueueError> {
        // One that somebody else has by now is theirs to set aside.
        let (session, _) = self.session_of(&message.receipt).await?;
        let published = session.set_aside(&self.target, message, why);
        let taken = self.within(&session, "take a dead letter", published).await?;
        if !taken {
            self.forget(&session).await;
            return Err(self.told.away(format!("it did not take a message for {}", self.target.dead)));
        }
        self.acknowledge(&message.receipt).await
    }

    /// Nothing is to be told: the broker notices a cut connection by itself.
    async fn keep(&self, _: &[Receipt]) -> Result<(), QueueError> {
        Ok(())
    }

    fn keep_every(&self) -> Option<Duration> {
        None
    }

    async fn put(&self, bodies: &[Vec<u8>]) -> Result<(), QueueError> {
        let session = self.session().await?;
        for batch in bodies.chunks(BATCH) {
            let published = session.put(&self.target, batch);
            if !self.within(&session, "take messages", published).await? {
                // Full, or removed meanwhile; a new session makes it anew.
                self.forget(&session).await;
                return Err(self.told.away("it did not take a message; is it full?".to_owned()));
            }
        }
        Ok(())
    }

    async fn waiting(&self) -> Result<u64, QueueError> {
        let session = self.session().await?;
        self.within(&session, "say how many messages wait", session.waiting(&self.target)).await
    }

    async fn close(&self) {
        if let Some(session) = self.current.lock().await.session.take() {
            // Where the broker does not answer, it notices the end of the connection.
            let _ = self.bounded("say goodbye", session.end()).await;
        }
    }
}
