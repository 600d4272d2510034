//! A queue of names, in place of a file: one small trait over the brokers' own clients.
//!
//! A [`Message`] that was taken is owed to its broker until it is acknowledged, given back or set
//! aside. Where the worker dies before, the broker gives it out again, and says so.

mod address;
mod error;
#[cfg(feature = "nats")]
mod jetstream;
mod message;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqs")]
mod sqs;

use std::time::Duration;

use async_trait::async_trait;

pub use address::{Address, Broker};
pub use error::QueueError;
pub use message::{Request, Senseless, body_of};

/// How a queue is opened.
#[derive(Debug, Clone)]
pub struct QueueOptions {
    /// Where it is.
    pub address: Address,
    /// Who takes from it, where the broker tells its consumers apart; unique among those at work.
    pub worker: String,
    /// How many messages may be taken and not yet dealt with, at least 1.
    pub at_once: u16,
    /// For how long a message stays with its worker without a sign of life, until the broker gives
    /// it out again. Where the broker notices a cut connection (AMQP), that alone decides.
    pub hold: Duration,
}

/// A message that was taken, and not yet dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What the broker calls it, for people: unique in its queue as far as the broker can tell.
    pub id: String,
    /// What it says.
    pub body: Vec<u8>,
    /// Whether it was given out before: somebody may have acted on it.
    pub redelivered: bool,
    /// Stands for this delivery towards the broker.
    pub receipt: Receipt,
}

/// Stands for one delivery of a message towards the broker that made it; nobody else reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt(pub(in crate::queue) String);

/// A queue on a broker.
///
/// Every call may fail while the broker is away ([`QueueError::Away`]) and succeeds once it is back:
/// an implementation connects anew by itself, and its callers decide how long to try.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Takes the next message, and waits `wait` for one at the most; `None` where none came. Not
    /// called twice at once.
    async fn take(&self, wait: Duration) -> Result<Option<Message>, QueueError>;

    /// The message is dealt with, and is never given out again.
    ///
    /// # Errors
    /// [`QueueError::Stale`] where the broker has taken it back meanwhile, and gives it out again.
    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), QueueError>;

    /// Gives the message back, for anybody to take.
    async fn give_back(&self, receipt: &Receipt) -> Result<(), QueueError>;

    /// Puts the message on the dead-letter queue, with the reason, and only once it is safe there
    /// acknowledges it.
    async fn set_aside(&self, message: &Message, why: &str) -> Result<(), QueueError>;

    /// Tells the broker that these are still being worked on.
    async fn keep(&self, receipts: &[Receipt]) -> Result<(), QueueError>;

    /// How often [`Queue::keep`] has to be called; `None` where the broker needs no such sign.
    fn keep_every(&self) -> Option<Duration>;

    /// Puts messages on the queue, in order, and returns once the broker has them all.
    async fn put(&self, bodies: &[Vec<u8>]) -> Result<(), QueueError>;

    /// How many messages wait to be taken, as far as the broker knows.
    async fn waiting(&self) -> Result<u64, QueueError>;

    /// Says goodbye: what was taken and not dealt with is the broker's again.
    async fn close(&self);
}

/// Opens the queue, making it and its dead-letter queue where the broker has none of that name.
///
/// # Errors
/// Where the address is of no known broker, the broker is away, or it refuses.
pub async fn open(options: QueueOptions) -> Result<Box<dyn Queue>, QueueError> {
    match options.address.broker() {
        #[cfg(feature = "redis")]
        Broker::Redis => redis::open(options).await,
        #[cfg(feature = "rabbitmq")]
        Broker::Rabbit => Ok(Box::new(rabbitmq::RabbitMq::open(&options).await?)),
        #[cfg(feature = "nats")]
        Broker::JetStream => Ok(Box::new(jetstream::JetStream::open(&options).await?)),
        #[cfg(feature = "sqs")]
        // Its future is many times as large as those of the others.
        Broker::Sqs => Box::pin(sqs::open(options)).await,
        #[cfg(not(all(feature = "redis", feature = "rabbitmq", feature = "nats", feature = "sqs")))]
        broker => Err(QueueError::NotBuiltIn { broker }),
    }
}
