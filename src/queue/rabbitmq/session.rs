//! One connection to the broker, with a channel for reading and one for publishing.

use std::sync::Mutex;
use std::time::Duration;

use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::protocol::constants::REPLY_SUCCESS;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Error, ErrorKind,
    PublisherConfirm, Result,
};

use super::endpoint::Endpoint;
use super::queue_type::{QUEUE_TYPE, QUORUM, is_classic};
use super::transport;
use crate::domain::{BootTime, lock};
use crate::queue::Message;

/// The delivery mode in which the broker writes a message to disk before it confirms it.
const PERSISTENT: u8 = 2;

/// How long a reply of the broker shows that the session is alive. It is far below the time after which the broker ends
/// a silent one.
const FRESH: Duration = Duration::from_secs(1);

/// One connection to the broker.
pub(super) struct Session {
    epoch: u64,
    unsettled: u16,
    connection: Connection,
    reader: Channel,
    publisher: Channel,
    /// When the last request was sent to which the broker has replied.
    confirmed: Mutex<BootTime>,
}

impl Session {
    /// Connects, and creates the queues if they do not exist.
    pub(super) async fn begin(endpoint: &Endpoint, epoch: u64) -> Result<Self> {
        let properties = ConnectionProperties::default().with_connection_name(endpoint.worker.clone());
        let connection = transport::connect(endpoint, properties).await?;
        let confirmed = Mutex::new(BootTime::now());
        provide(&connection, endpoint).await?;
        let reader = connection.create_channel().await?;
        let publisher = connection.create_channel().await?;
        publisher.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { epoch, unsettled: endpoint.unsettled, connection, reader, publisher, confirmed })
    }

    /// Creates the queues if they do not exist any more.
    pub(super) async fn provide(&self, endpoint: &Endpoint) -> Result<()> {
        provide(&self.connection, endpoint).await
    }

    /// Returns true if the queue is known to be a classic one.
    pub(super) async fn is_classic(&self, endpoint: &Endpoint) -> Result<bool> {
        is_classic(&self.connection, &endpoint.queue).await
    }

    /// The number of this session, which its receipts hold.
    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns true if the connection and its channels are open as far as known.
    pub(super) fn is_open(&self) -> bool {
        self.connection.status().connected()
            && self.reader.status().connected()
            && self.publisher.status().connected()
    }

    /// The next message, if there is one.
    ///
    /// It is polled for. A consumer would receive messages in advance, which no other worker can take then, and which
    /// look redelivered when the worker ends.
    pub(super) async fn get(&self, endpoint: &Endpoint) -> Result<Option<Delivery>> {
        let since = BootTime::now();
        let message = self.reader.basic_get(endpoint.queue.clone(), BasicGetOptions::default()).await?;
        *lock(&self.confirmed) = since;
        Ok(message.map(|message| message.delivery))
    }

    pub(super) async fn acknowledge(&self, tag: u64) -> Result<()> {
        self.reader.basic_ack(tag, BasicAckOptions::default()).await?;
        self.confirm().await
    }

    pub(super) async fn give_back(&self, tag: u64) -> Result<()> {
        let again = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        self.reader.basic_nack(tag, again).await?;
        self.confirm().await
    }

    /// Returns when the broker has read everything that was sent before. It does not reply to an acknowledgement, but
    /// to this, which changes nothing.
    pub(super) async fn confirm(&self) -> Result<()> {
        let since = BootTime::now();
        self.reader.basic_qos(self.unsettled, BasicQosOptions::default()).await?;
        *lock(&self.confirmed) = since;
        Ok(())
    }

    /// Returns true if the broker has just replied in this session.
    pub(super) fn is_confirmed(&self) -> bool {
        lock(&self.confirmed).elapsed() < FRESH
    }

    /// Puts messages on the queue. Returns `false` if the broker did not store one.
    pub(super) async fn put(&self, endpoint: &Endpoint, bodies: &[Vec<u8>]) -> Result<bool> {
        let mut confirmations = Vec::with_capacity(bodies.len());
        for body in bodies {
            let id = format!("{:016x}", rand::random::<u64>());
            let properties = BasicProperties::default().with_message_id(id.into());
            confirmations.push(self.publish(&endpoint.queue, body, properties).await?);
        }
        let mut stored = true;
        for confirmation in confirmations {
            stored &= is_stored(&confirmation.await?);
        }
        Ok(stored)
    }

    /// Puts a message on the dead-letter queue. Returns `false` if the broker did not store it.
    pub(super) async fn set_aside(&self, endpoint: &Endpoint, message: &Message, why: &str) -> Result<bool> {
        let mut headers = FieldTable::default();
        for (name, value) in [("decom-reason", why), ("decom-message-id", &message.id)] {
            headers.insert(name.into(), AMQPValue::LongString(value.into()));
        }
        let properties = BasicProperties::default().with_headers(headers);
        Ok(is_stored(&self.publish(&endpoint.dead, &message.body, properties).await?.await?))
    }

    async fn publish(
        &self,
        queue: &ShortString,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<PublisherConfirm> {
        let mandatory = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = properties.with_delivery_mode(PERSISTENT);
        self.publisher.basic_publish(ShortString::default(), queue.clone(), mandatory, body, properties).await
    }

    /// The number of messages in the queue.
    pub(super) async fn waiting(&self, endpoint: &Endpoint) -> Result<u64> {
        let queue = self.publisher.queue_declare(endpoint.queue.clone(), passive(), FieldTable::default());
        Ok(queue.await?.message_count().into())
    }

    /// Disconnects. The broker delivers unsettled messages again.
    pub(super) async fn end(&self) -> Result<()> {
        self.reader.close(REPLY_SUCCESS, "done".into()).await?;
        self.connection.close(REPLY_SUCCESS, "done".into()).await
    }
}

fn is_stored(confirmation: &Confirmation) -> bool {
    // An acknowledgement with a message returns that message, because there is no queue for it.
    matches!(confirmation, Confirmation::Ack(None))
}

fn passive() -> QueueDeclareOptions {
    QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() }
}

/// Creates the queues unless they exist.
async fn provide(connection: &Connection, endpoint: &Endpoint) -> Result<()> {
    for (queue, dead) in [(&endpoint.dead, None), (&endpoint.queue, Some(&endpoint.dead))] {
        declare(connection, queue, dead).await?;
    }
    Ok(())
}

/// Creates the queue unless it exists. An existing one is used as it is.
///
/// A refusal closes the channel, so each request has its own.
async fn declare(connection: &Connection, queue: &ShortString, dead: Option<&ShortString>) -> Result<()> {
    let request = async |options, arguments| {
        let channel = connection.create_channel().await?;
        channel.queue_declare(queue.clone(), options, arguments).await?;
        channel.close(REPLY_SUCCESS, "done".into()).await
    };
    match request(passive(), FieldTable::default()).await {
        Err(error) if is_soft(&error, &AMQPSoftError::NOTFOUND) => {}
        reply => return reply,
    }
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    request(durable, arguments(dead)).await
}

/// The arguments of a new queue. A quorum queue has an acknowledgement on disk within moments; a classic one forgets far
/// more in a crash. A limit of redeliveries, which is 20 from RabbitMQ 4.0 on, moves messages to the dead-letter queue.
fn arguments(dead: Option<&ShortString>) -> FieldTable {
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut arguments = FieldTable::default();
    arguments.insert(QUEUE_TYPE.into(), text(QUORUM));
    if let Some(dead) = dead {
        arguments.insert("x-dead-letter-exchange".into(), text(""));
        arguments.insert("x-dead-letter-routing-key".into(), text(dead.as_str()));
    }
    arguments
}

fn is_soft(error: &Error, kind: &AMQPSoftError) -> bool {
    let ErrorKind::ProtocolError(error) = error.kind() else { return false };
    matches!(error.kind(), AMQPErrorKind::Soft(soft) if soft == kind)
}
