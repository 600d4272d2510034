//! A queue on NATS JetStream: a stream of its name, and one consumer that all workers share.
//!
//! The client reconnects by itself. Requests fail soon meanwhile instead of being kept: a late request for a message
//! would take one that nothing waits for.

mod endpoint;
mod errors;
mod progress;
mod stream;
mod unreadable;

use std::sync::Mutex;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::context::{ContextBuilder, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::ConsumerErrorKind;
use async_nats::jetstream::{AckKind, Context, consumer::pull};
use async_nats::{Client, HeaderMap, RequestErrorKind};
use async_trait::async_trait;
use futures_util::StreamExt;
use tokio::time::timeout;

use self::endpoint::{Cuts, Endpoint};
use self::errors::JetStreamErrors;
use self::progress::Progress;
use self::unreadable::{Search, place_of};
use super::error_context::ErrorContext;
use super::leases::Leases;
use super::{Backlog, Message, Queue, QueueError, QueueOptions, Receipt};
use crate::domain::{BootTime, Timestamp, lock};

/// How long the server may take for a reply, and for a connection.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How many messages are sent to the server before waiting for it.
const BATCH: usize = 128;

/// The shortest wait in a request: without one the server would wait indefinitely.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

/// How long after the end of a wait its reply may arrive.
const GRACE: Duration = Duration::from_secs(2);

/// A queue on NATS JetStream.
pub(super) struct JetStream {
    queue: String,
    dead: String,
    /// The lease for a new consumer.
    requested_lease: Duration,
    /// By the lease of the actual consumer.
    leases: Leases,
    client: Client,
    cuts: Cuts,
    context: Context,
    errors: JetStreamErrors,
    /// `None` if it must be looked up again.
    consumer: Mutex<Option<PullConsumer>>,
    progress: Mutex<Progress>,
    search: Mutex<Search>,
}

impl JetStream {
    /// Connects, and creates the streams and the consumer if they do not exist.
    pub(super) async fn open(options: &QueueOptions) -> Result<Self, QueueError> {
        let context = ErrorContext::of(&options.address);
        let Endpoint { address, options: client, denials, cuts } = Endpoint::of(options, &context)?;
        let errors = JetStreamErrors { context, denials };
        let client = match timeout(TIMEOUT, client.connect(address)).await {
            Ok(client) => client.map_err(|error| errors.of_connecting(&error))?,
            Err(_) => {
                return Err(errors.context.unreachable(format!("no reply within {} s", TIMEOUT.as_secs())));
            }
        };
        let context = ContextBuilder::new().timeout(TIMEOUT).ack_timeout(TIMEOUT).build(client.clone());
        let mut queue = Self {
            queue: options.address.queue().to_owned(),
            dead: options.address.dead_letter_queue(),
            requested_lease: options.lease,
            leases: Leases::new(options.lease),
            client,
            cuts,
            context,
            errors,
            consumer: Mutex::default(),
            progress: Mutex::default(),
            search: Mutex::default(),
        };
        let consumer = queue.consumer("be opened").await?;
        queue.leases = Leases::new(stream::lease(&consumer.cached_info().config));
        Ok(queue)
    }

    /// The consumer. After a failure it is looked up again, or created again with its streams.
    async fn consumer(&self, action: &'static str) -> Result<PullConsumer, QueueError> {
        self.check_connected(action)?;
        if let Some(consumer) = lock(&self.consumer).clone() {
            return Ok(consumer);
        }
        stream::provide(&self.context, stream::dead(&self.dead), &self.errors).await?;
        stream::provide(&self.context, stream::queue(&self.queue), &self.errors).await?;
        let consumer =
            stream::consumer(&self.context, &self.queue, self.requested_lease, &self.errors).await?;
        *lock(&self.consumer) = Some(consumer.clone());
        Ok(consumer)
    }

    fn check_connected(&self, action: &'static str) -> Result<(), QueueError> {
        match self.client.connection_state() {
            State::Connected => Ok(()),
            _ => Err(self.errors.unreachable_or_denied(action, "the connection is lost".to_owned())),
        }
    }

    /// Waits for a reply, but not for longer than the connection lasts: it would be lost with it.
    async fn unless_cut<T>(
        &self,
        action: &'static str,
        reply: impl Future<Output = T>,
    ) -> Result<T, QueueError> {
        let mut cuts = self.cuts.subscribe();
        tokio::select! {
            reply = reply => Ok(reply),
            _ = cuts.changed() => {
                Err(self.errors.unreachable_or_denied(action, "the connection was lost".to_owned()))
            }
        }
    }

    fn forget_consumer(&self) {
        lock(&self.consumer).take();
    }

    /// Passes if the lease of the message has not ended.
    fn check_held(&self, receipt: &Receipt) -> Result<(), QueueError> {
        if self.leases.is_held(receipt) {
            return Ok(());
        }
        self.leases.remove(receipt);
        Err(self.errors.context.expired())
    }

    /// Settles a delivery, and waits for the server's confirmation.
    async fn settle(&self, receipt: &Receipt, action: &'static str, kind: AckKind) -> Result<(), QueueError> {
        // The server accepts a late acknowledgement, and would take the message from the worker that has it now.
        self.check_held(receipt)?;
        self.check_connected(action)?;
        let settled = self.client.request(receipt.0.clone(), kind.into());
        match self.unless_cut(action, settled).await? {
            Ok(_) => {
                self.leases.remove(receipt);
                Ok(())
            }
            Err(error)
                if error.kind() == RequestErrorKind::NoResponders && self.is_consumer_deleted().await =>
            {
                self.leases.remove(receipt);
                Err(self.errors.context.expired())
            }
            Err(error) => Err(self.errors.of(action, &error)),
        }
    }

    /// Returns true if the consumer was deleted, and its deliveries with it.
    async fn is_consumer_deleted(&self) -> bool {
        let name = stream::CONSUMER;
        let found = self.context.get_consumer_from_stream::<pull::Config, _, _>(name, &self.queue).await;
        match found.map_err(|error| error.kind()) {
            Err(ConsumerErrorKind::JetStream(error)) if error.code() == 404 => {
                self.forget_consumer();
                true
            }
            _ => false,
        }
    }

    /// Publishes messages to the subject of the same name as its stream, and waits until they are stored.
    async fn publish(
        &self,
        action: &'static str,
        subject: &str,
        messages: Vec<PublishMessage>,
    ) -> Result<(), QueueError> {
        self.consumer(action).await?;
        let error_of = |error: &PublishError| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => {
                self.errors.context.refused(action, format!("{error}; raise max_payload of the server"))
            }
            PublishErrorKind::StreamNotFound => {
                self.forget_consumer();
                self.errors.context.unreachable(format!("no stream listens to the subject {subject}"))
            }
            _ => self.errors.of(action, error),
        };
        let mut stored = Vec::with_capacity(messages.len());
        for message in messages {
            let message = message.expected_stream(subject);
            let sent = timeout(TIMEOUT, self.context.send_publish(subject.to_owned(), message)).await;
            let late = |_| self.errors.unreachable_or_denied(action, "the connection is blocked".to_owned());
            stored.push(sent.map_err(late)?.map_err(|error| error_of(&error))?);
        }
        for confirmation in stored {
            self.unless_cut(action, confirmation.into_future()).await?.map_err(|error| error_of(&error))?;
        }
        Ok(())
    }

    /// Waits for a message once. If none comes, one may be there that cannot be received.
    async fn pull(&self, wait: Duration) -> Result<Option<Message>, QueueError> {
        match self.receive(wait).await? {
            Some(message) => Ok(Some(message)),
            None => self.find_unreadable().await,
        }
    }

    async fn receive(&self, wait: Duration) -> Result<Option<Message>, QueueError> {
        const ACTION: &str = "deliver a message";
        let consumer = self.consumer(ACTION).await?;
        let wait = wait.max(SHORTEST_WAIT);
        let since = BootTime::now();
        let reply = async {
            let mut batch = consumer.batch().max_messages(1).expires(wait).messages().await?;
            batch.next().await.transpose()
        };
        // The connection was lost, or the consumer does not exist any more.
        let late = |_| {
            self.forget_consumer();
            self.errors.unreachable_or_denied(ACTION, "no reply in time".to_owned())
        };
        let reply = self.unless_cut(ACTION, timeout(wait + GRACE, reply)).await?.map_err(late)?;
        let message = reply.map_err(|error| {
            // It may have been deleted; the next call looks it up.
            self.forget_consumer();
            self.errors.of(ACTION, &*error)
        })?;
        let Some(message) = message else { return Ok(None) };
        let info = message.info().map_err(|error| self.errors.of(ACTION, &*error))?;
        let id = info.stream_sequence.to_string();
        let published = info.published.unix_timestamp_nanos();
        // Always called, because it also notes the message.
        let is_behind = lock(&self.progress).is_behind(info.stream_sequence, published);
        let redelivered = is_behind || info.delivered > 1;
        let receipt = Receipt(message.reply.as_deref().unwrap_or_default().to_owned());
        self.leases.begin(receipt.clone(), since);
        Ok(Some(Message { id, body: message.payload.to_vec(), unreadable: None, redelivered, receipt }))
    }
}

#[async_trait]
impl Queue for JetStream {
    async fn take(&self, wait: Duration) -> Result<Option<Message>, QueueError> {
        self.leases.take(wait, |wait| self.pull(wait)).await
    }

    async fn holds(&self, receipt: &Receipt) -> bool {
        self.leases.is_held(receipt)
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), QueueError> {
        if let Some(place) = place_of(receipt) {
            return self.remove(place).await;
        }
        self.settle(receipt, "take an acknowledgement", AckKind::Ack).await
    }

    async fn give_back(&self, receipt: &Receipt) -> Result<(), QueueError> {
        self.settle(receipt, "take a message back", AckKind::Nak(None)).await
    }

    async fn set_aside(&self, message: &Message, why: &str) -> Result<(), QueueError> {
        if message.unreadable.is_none() {
            self.check_held(&message.receipt)?;
        }
        let mut headers = HeaderMap::new();
        headers.insert("Decom-Reason", one_line(why).as_str());
        headers.insert("Decom-Message-Id", one_line(&message.id).as_str());
        // The server stores a second attempt once, and also a second delivery of the message.
        headers.insert(NATS_MESSAGE_ID, one_line(&letter_id(&message.receipt)).as_str());
        let dead_letter = PublishMessage::build().payload(message.body.clone().into()).headers(headers);
        self.publish("take a dead letter", &self.dead, vec![dead_letter]).await?;
        self.acknowledge(&message.receipt).await
    }

    async fn extend(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        const ACTION: &str = "extend leases";
        self.check_connected(ACTION)?;
        let since = BootTime::now();
        let leased: Vec<_> = receipts.iter().filter(|receipt| self.check_held(receipt).is_ok()).collect();
        let confirmed = async {
            let inbox = self.client.new_inbox();
            let mut replies = self.client.subscribe(inbox.clone()).await?;
            for receipt in &leased {
                let (subject, inbox) = (receipt.0.clone(), inbox.clone());
                self.client.publish_with_reply(subject, inbox, AckKind::Progress.into()).await?;
            }
            for _ in &leased {
                replies.next().await;
            }
            Ok(())
        };
        let late = |_| self.errors.unreachable_or_denied(ACTION, "no reply in time".to_owned());
        let confirmed: Result<(), async_nats::Error> = timeout(TIMEOUT, confirmed).await.map_err(late)?;
        confirmed.map_err(|error| self.errors.of(ACTION, &*error))?;
        for receipt in leased {
            self.leases.renew(receipt, since);
        }
        Ok(())
    }

    fn extend_interval(&self) -> Option<Duration> {
        Some(self.leases.length() / 3)
    }

    async fn put(&self, bodies: &[Vec<u8>]) -> Result<(), QueueError> {
        for batch in bodies.chunks(BATCH) {
            // Without ids, by which the server would drop a repeated name.
            let messages = batch.iter().map(|body| PublishMessage::build().payload(body.clone().into()));
            self.publish("take messages", &self.queue, messages.collect()).await?;
        }
        Ok(())
    }

    async fn waiting(&self) -> Result<u64, QueueError> {
        const ACTION: &str = "count waiting messages";
        let consumer = self.consumer(ACTION).await?;
        let info = consumer.get_info().await.map_err(|error| self.errors.of(ACTION, &error))?;
        Ok(info.num_pending)
    }

    async fn backlog(&self) -> Result<Backlog, QueueError> {
        let messages = self.waiting().await?;
        let stream = self.context.get_stream(&self.queue).await;
        let stream = stream.map_err(|error| self.errors.of("show the oldest message", &error))?;
        let state = &stream.cached_info().state;
        let micros = i64::try_from(state.first_timestamp.unix_timestamp_nanos() / 1000).ok();
        let oldest = micros.filter(|_| state.messages > 0).map(Timestamp::from_micros);
        Ok(Backlog { messages, oldest })
    }

    async fn close(&self) {
        let unsettled = self.leases.unsettled();
        // If this fails, the server takes them back when their leases end.
        let _ = timeout(TIMEOUT, async {
            for receipt in unsettled {
                let _ = self.give_back(&receipt).await;
            }
            self.client.flush().await
        })
        .await;
    }
}

/// Identifies a message by its place in the stream and its time, which are part of each delivery's receipt:
/// `$JS.ACK.STREAM.CONSUMER.DELIVERIES.PLACE.DELIVERY.TIME.PENDING`, in newer servers with two more parts after `ACK`.
fn letter_id(receipt: &Receipt) -> String {
    let parts: Vec<_> = receipt.0.split('.').collect();
    let place = if parts.len() > 9 { 7 } else { 5 };
    match (receipt.0.starts_with("$JS.ACK."), parts.get(place), parts.get(place + 2)) {
        (true, Some(place), Some(time)) => format!("{place}.{time}"),
        _ => receipt.0.clone(),
    }
}

/// A text without line breaks, for a header.
fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_delivery_of_a_message_has_the_same_id() {
        for (receipt, id) in [
            ("$JS.ACK.decom.decom.1.7.9.1700000000000000001.3", "7.1700000000000000001"),
            ("$JS.ACK.decom.decom.2.7.11.1700000000000000001.0", "7.1700000000000000001"),
            ("$JS.ACK.hub.ACCOUNT.decom.decom.1.7.9.1700000000000000001.3.rand", "7.1700000000000000001"),
            ("in stream:7:2026-01-01T00:00:00Z", "in stream:7:2026-01-01T00:00:00Z"),
        ] {
            assert_eq!(letter_id(&Receipt(receipt.to_owned())), id);
        }
    }
}
