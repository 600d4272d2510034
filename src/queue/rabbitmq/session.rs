//! One connection to the broker: a channel for what is taken, and one for what is put.

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

use super::target::Target;
use crate::queue::Message;

/// Written to disk before the broker says that it has it.
const PERSISTENT: u8 = 2;

/// One connection to the broker.
pub(super) struct Session {
    epoch: u64,
    at_once: u16,
    connection: Connection,
    taking: Channel,
    putting: Channel,
}

impl Session {
    /// Connects, and makes the queues where they are missing.
    pub(super) async fn begin(target: &Target, epoch: u64) -> Result<Self> {
        let properties = ConnectionProperties::default().with_connection_name(target.worker.clone());
        let connection = Connection::connect_uri_with_config(
            target.uri.clone(),
            properties,
            target.tls.clone(),
            lapin::runtime::default_runtime()?,
        )
        .await?;
        for (queue, dead) in [(&target.dead, None), (&target.queue, Some(&target.dead))] {
            declare(&connection, queue, dead).await?;
        }
        let taking = connection.create_channel().await?;
        let putting = connection.create_channel().await?;
        putting.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { epoch, at_once: target.at_once, connection, taking, putting })
    }

    /// Tells this session's deliveries from those of others.
    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether all of it still works, as far as is known.
    pub(super) fn is_sound(&self) -> bool {
        self.connection.status().connected()
            && self.taking.status().connected()
            && self.putting.status().connected()
    }

    /// The next message, if one is there.
    ///
    /// It is asked for. A consumer would be sent messages ahead, which nobody else can take then; and
    /// when they come back, as with a worker that ends, they look as if somebody had acted on them.
    pub(super) async fn get(&self, target: &Target) -> Result<Option<Delivery>> {
        let message = self.taking.basic_get(target.queue.clone(), BasicGetOptions::default()).await?;
        Ok(message.map(|message| message.delivery))
    }

    pub(super) async fn acknowledge(&self, tag: u64) -> Result<()> {
        self.taking.basic_ack(tag, BasicAckOptions::default()).await?;
        self.heard().await
    }

    pub(super) async fn give_back(&self, tag: u64) -> Result<()> {
        let again = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        self.taking.basic_nack(tag, again).await?;
        self.heard().await
    }

    /// Returns once the broker has read all that was sent before: to an acknowledgement it has no
    /// answer, and to this, which changes nothing, it has.
    async fn heard(&self) -> Result<()> {
        self.taking.basic_qos(self.at_once, BasicQosOptions::default()).await
    }

    /// Puts messages on the queue; `false` where the broker did not take one.
    pub(super) async fn put(&self, target: &Target, bodies: &[Vec<u8>]) -> Result<bool> {
        let mut confirmations = Vec::with_capacity(bodies.len());
        for body in bodies {
            let id = format!("{:016x}", rand::random::<u64>());
            let properties = BasicProperties::default().with_message_id(id.into());
            confirmations.push(self.publish(&target.queue, body, properties).await?);
        }
        let mut taken = true;
        for confirmation in confirmations {
            taken &= is_taken(&confirmation.await?);
        }
        Ok(taken)
    }

    /// Puts a message on the queue for what makes no sense; `false` where the broker did not take it.
    pub(super) async fn set_aside(&self, target: &Target, message: &Message, why: &str) -> Result<bool> {
        let mut headers = FieldTable::default();
        for (name, value) in [("decom-reason", why), ("decom-message-id", &message.id)] {
            headers.insert(name.into(), AMQPValue::LongString(value.into()));
        }
        let properties = BasicProperties::default().with_headers(headers);
        Ok(is_taken(&self.publish(&target.dead, &message.body, properties).await?.await?))
    }

    async fn publish(
        &self,
        queue: &ShortString,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<PublisherConfirm> {
        let mandatory = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = properties.with_delivery_mode(PERSISTENT);
        self.putting.basic_publish(ShortString::default(), queue.clone(), mandatory, body, properties).await
    }

    /// How many messages wait in the queue.
    pub(super) async fn waiting(&self, target: &Target) -> Result<u64> {
        let queue = self.putting.queue_declare(target.queue.clone(), look_only(), FieldTable::default());
        Ok(queue.await?.message_count().into())
    }

    /// Says goodbye. What was delivered and not settled is the broker's again.
    pub(super) async fn end(&self) -> Result<()> {
        self.taking.close(REPLY_SUCCESS, "done".into()).await?;
        self.connection.close(REPLY_SUCCESS, "done".into()).await
    }
}

fn is_taken(confirmation: &Confirmation) -> bool {
    // With a message in it, the broker had no queue for it and returned it.
    matches!(confirmation, Confirmation::Ack(None))
}

fn look_only() -> QueueDeclareOptions {
    QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() }
}

/// Makes the queue where there is none of that name; one that is there is used as it is.
///
/// What is refused costs a channel, so each question has one of its own.
async fn declare(connection: &Connection, queue: &ShortString, dead: Option<&ShortString>) -> Result<()> {
    let ask = async |options, arguments| {
        let channel = connection.create_channel().await?;
        channel.queue_declare(queue.clone(), options, arguments).await?;
        channel.close(REPLY_SUCCESS, "done".into()).await
    };
    match ask(look_only(), FieldTable::default()).await {
        Err(error) if is_soft(&error, &AMQPSoftError::NOTFOUND) => {}
        answer => return answer,
    }
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    ask(durable, arguments(dead)).await
}

/// What a new queue is like. Its type is the virtual host's to choose: what is replicated differs from
/// version to version. Where that brings a limit to how often a message may come back, which is 20 for
/// quorum queues from 4.0 on, what is over it goes where it can be found.
fn arguments(dead: Option<&ShortString>) -> FieldTable {
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut arguments = FieldTable::default();
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
