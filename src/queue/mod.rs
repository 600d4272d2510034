//! Queues as a source of names: one small trait over the brokers' own clients.
//!
//! A [`Message`] that was taken must be acknowledged, given back or set aside. If the worker dies before that, the
//! broker delivers it again, marked as redelivered.

mod address;
#[cfg(any(feature = "redis", feature = "sqs"))]
mod batch;
mod error;
#[cfg(any(feature = "redis", feature = "rabbitmq", feature = "nats", feature = "sqs"))]
mod error_context;
#[cfg(feature = "nats")]
mod jetstream;
#[cfg(any(feature = "redis", feature = "nats", feature = "sqs"))]
mod leases;
mod message;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqs")]
mod sqs;

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::Timestamp;

pub use address::{Address, Broker};
pub use error::QueueError;
pub use message::{DeletionRequest, MessageError};

/// How a queue is opened.
#[derive(Debug, Clone)]
pub struct QueueOptions {
    pub address: Address,
    /// The name of this consumer; no two active ones may share a name.
    pub worker: String,
    /// How many messages may be taken and not yet settled, at least 1.
    pub unsettled: u16,
    /// How long a message stays with its worker unless [`Queue::extend`] is called; then the broker delivers it
    /// again. With AMQP only the end of the connection decides.
    pub lease: Duration,
}

/// A message that was taken and is not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The broker's id, unique in its queue as far as the broker knows.
    pub id: String,
    pub body: Vec<u8>,
    /// Why what comes with the body (properties, headers) cannot be read: then the message is malformed.
    pub unreadable: Option<String>,
    /// It was delivered before, so another worker may have acted on it.
    pub redelivered: bool,
    /// Identifies this delivery to the broker.
    pub receipt: Receipt,
}

/// How much is on a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// The number of messages to be taken.
    pub messages: u64,
    /// When the oldest message that is not settled was put there. `None` if there is none, or the broker does not say.
    pub oldest: Option<Timestamp>,
}

/// Identifies one delivery of a message to the broker that made it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt(pub(in crate::queue) String);

/// A queue on a broker.
///
/// Every call may fail while the broker cannot be reached ([`QueueError::Unreachable`]) and succeed later: an
/// implementation reconnects by itself, and its callers decide how long to try.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Takes the next message, or `None` if none arrives within `wait`. Must not be called concurrently.
    async fn take(&self, wait: Duration) -> Result<Option<Message>, QueueError>;

    /// Settles the message, which is never delivered again. Fails with [`QueueError::Expired`] if the broker has
    /// taken it back.
    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), QueueError>;

    /// Returns true if the message certainly is still with this worker: the last confirmed sign of life is younger than
    /// the lease, or the connection that it depends on is alive. Nothing may be done for a message that is not.
    async fn holds(&self, receipt: &Receipt) -> bool;

    /// Gives the message back for any worker.
    async fn give_back(&self, receipt: &Receipt) -> Result<(), QueueError>;

    /// Puts the message on the dead-letter queue with the reason, and acknowledges it when it is stored there.
    async fn set_aside(&self, message: &Message, why: &str) -> Result<(), QueueError>;

    /// Renews the leases of these messages.
    async fn extend(&self, receipts: &[Receipt]) -> Result<(), QueueError>;

    /// How often [`Queue::extend`] must be called; `None` if the broker has no leases.
    fn extend_interval(&self) -> Option<Duration>;

    /// Puts messages on the queue in order, and returns when the broker has stored all of them.
    async fn put(&self, bodies: &[Vec<u8>]) -> Result<(), QueueError>;

    /// The number of messages to be taken, as far as the broker knows.
    async fn waiting(&self) -> Result<u64, QueueError>;

    /// How much is on the queue, as far as the broker knows.
    async fn backlog(&self) -> Result<Backlog, QueueError> {
        Ok(Backlog { messages: self.waiting().await?, oldest: None })
    }

    /// What the operator should know about how this queue was set up, if anything.
    async fn weakness(&self) -> Result<Option<String>, QueueError> {
        Ok(None)
    }

    /// Gives back what is not settled, and disconnects.
    async fn close(&self);
}

/// Opens the queue. Creates it and its dead-letter queue if they do not exist.
pub async fn open(options: QueueOptions) -> Result<Box<dyn Queue>, QueueError> {
    // The futures of some clients are large.
    match options.address.broker() {
        #[cfg(feature = "redis")]
        Broker::Redis => redis::open(options).await,
        #[cfg(feature = "rabbitmq")]
        Broker::Rabbit => Ok(Box::new(Box::pin(rabbitmq::RabbitMq::open(&options)).await?)),
        #[cfg(feature = "nats")]
        Broker::JetStream => Ok(Box::new(Box::pin(jetstream::JetStream::open(&options)).await?)),
        #[cfg(feature = "sqs")]
        Broker::Sqs => Box::pin(sqs::open(options)).await,
        #[cfg(not(all(feature = "redis", feature = "rabbitmq", feature = "nats", feature = "sqs")))]
        broker => Err(QueueError::NotBuiltIn { broker }),
    }
}
