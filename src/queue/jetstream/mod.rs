//! A queue on NATS JetStream: a stream of its name, and one consumer that all workers share.
//!
//! The client connects anew by itself and goes on; what is asked meanwhile fails soon, rather than
//! being kept for later: a request for a message that nobody waits for any more would take one.

mod furthest;
mod refusal;
mod stream;
mod target;

use std::collections::HashMap;
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
use tokio::time::{Instant, timeout};

use crate::domain::lock;

use self::furthest::Furthest;
use self::refusal::Told;
use self::target::Target;
use super::{Message, Queue, QueueError, QueueOptions, Receipt};

/// How long the server may take for an answer, and for letting decom in.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many messages are on their way to the server at once.
const BATCH: usize = 128;

/// The shortest wait that is asked for: with none the server would wait for ever.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

/// How much longer than a wait its end may take to arrive.
const LATE: Duration = Duration::from_secs(2);

/// A queue on NATS JetStream.
pub(super) struct JetStream {
    queue: String,
    dead: String,
    /// For a consumer that has to be made.
    wanted_hold: Duration,
    /// For how long a message stays with who took it, without a sign of life.
    hold: Duration,
    client: Client,
    context: Context,
    told: Told,
    /// The consumer; none where it has to be looked at anew.
    consumer: Mutex<Option<PullConsumer>>,
    /// What was taken and not dealt with, and until when the server leaves it here.
    in_hand: Mutex<HashMap<Receipt, Instant>>,
    /// How far the server has come with giving out, as far as this worker saw.
    furthest: Mutex<Furthest>,
}

impl JetStream {
    /// Connects, and makes streams and consumer where they are missing.
    pub(super) async fn open(options: &QueueOptions) -> Result<Self, QueueError> {
        let Target { address, options: client, forbidden } = Target::of(options)?;
        let told = Told { queue: options.address.to_string(), forbidden };
        let client = match timeout(PATIENCE, client.connect(address)).await {
            Ok(client) => client.map_err(|error| told.of_connecting(&error))?,
            Err(_) => return Err(told.away(format!("no answer within {} s", PATIENCE.as_secs()))),
        };
        let context = ContextBuilder::new().timeout(PATIENCE).ack_timeout(PATIENCE).build(client.clone());
        let mut queue = Self {
            queue: options.address.queue().to_owned(),
            dead: options.address.dead_letter_queue(),
            wanted_hold: options.hold,
            hold: options.hold,
            client,
            context,
            told,
            consumer: Mutex::default(),
            in_hand: Mutex::default(),
            furthest: Mutex::default(),
        };
        let consumer = queue.consumer("be opened").await?;
        queue.hold = stream::hold(&consumer.cached_info().config);
        Ok(queue)
    }

    /// The consumer; looked at, or made, with its streams, where something went wrong with it.
    async fn consumer(&self, action: &'static str) -> Result<PullConsumer, QueueError> {
        self.connected(action)?;
        if let Some(consumer) = lock(&self.consumer).clone() {
            return Ok(consumer);
        }
        stream::provide(&self.context, stream::dead(&self.dead), &self.told).await?;
        stream::provide(&self.context, stream::queue(&self.queue), &self.told).await?;
        let consumer = stream::consumer(&self.context, &self.queue, self.wanted_hold, &self.told).await?;
        *lock(&self.consumer) = Some(consumer.clone());
        Ok(consumer)
    }

    fn connected(&self, action: &'static str) -> Result<(), QueueError> {
        match self.client.connection_state() {
            State::Connected => Ok(()),
            _ => Err(self.told.away_or_forbidden(action, "the connection is cut".to_owned())),
        }
    }

    fn forget_consumer(&self) {
        lock(&self.consumer).take();
    }

    /// Whether the message is still with us, by what we know.
    fn holds(&self, receipt: &Receipt) -> bool {
        let mut in_hand = lock(&self.in_hand);
        let holds = in_hand.get(receipt).is_some_and(|until| Instant::now() < *until);
        if !holds {
            in_hand.remove(receipt);
        }
        holds
    }

    /// Settles a delivery, and waits until the server has heard.
    async fn settle(&self, receipt: &Receipt, action: &'static str, kind: AckKind) -> Result<(), QueueError> {
        // The server would not mind: it takes an acknowledgement from anybody, and who has the
        // message by now would lose it.
        if !self.holds(receipt) {
            return Err(QueueError::Stale { queue: self.told.queue.clone() });
        }
        self.connected(action)?;
        match self.client.request(receipt.0.clone(), kind.into()).await {
            Ok(_) => {
                lock(&self.in_hand).remove(receipt);
                Ok(())
            }
            Err(error) if error.kind() == RequestErrorKind::NoResponders && self.is_gone().await => {
                lock(&self.in_hand).remove(receipt);
                Err(QueueError::Stale { queue: self.told.queue.clone() })
            }
            Err(error) => Err(self.told.of(action, &error)),
        }
    }

    /// Whether the consumer was removed, and all its deliveries with it.
    async fn is_gone(&self) -> bool {
        let name = stream::CONSUMER;
        let asked = self.context.get_consumer_from_stream::<pull::Config, _, _>(name, &self.queue).await;
        match asked.map_err(|error| error.kind()) {
            Err(ConsumerErrorKind::JetStream(answer)) if answer.code() == 404 => {
                self.forget_consumer();
                true
            }
            _ => false,
        }
    }

    /// Publishes messages to a subject that is named like its stream, and waits until it has them.
    async fn publish(
        &self,
        action: &'static str,
        subject: &str,
        messages: Vec<PublishMessage>,
    ) -> Result<(), QueueError> {
        self.consumer(action).await?;
        let told = |error: &PublishError| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => {
                self.told.refused(action, format!("{error}; max_payload is the server's to set"))
            }
            PublishErrorKind::StreamNotFound => {
                self.forget_consumer();
                self.told.away(format!("no stream listens to the subject {subject}"))
            }
            _ => self.told.of(action, error),
        };
        let mut stored = Vec::with_capacity(messages.len());
        for message in messages {
            let message = message.expected_stream(subject);
            let sent = timeout(PATIENCE, self.context.send_publish(subject.to_owned(), message)).await;
            let late = |_| self.told.away_or_forbidden(action, "the connection takes nothing".to_owned());
            stored.push(sent.map_err(late)?.map_err(|error| told(&error))?);
        }
        for answer in stored {
            answer.await.map_err(|error| told(&error))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Queue for JetStream {
    async fn take(&self, wait: Duration) -> Result<Option<Message>, QueueError> {
        const ACTION: &str = "give out a message";
        let consumer = self.consumer(ACTION).await?;
        let wait = wait.max(SHORTEST_WAIT);
        let asked = async {
            let mut batch = consumer.batch().max_messages(1).expires(wait).messages().await?;
            batch.next().await.transpose()
        };
        // The end of the wait got lost, and the connection with it; or nobody hears the question any more.
        let late = |_| {
            self.forget_consumer();
            self.told.away_or_forbidden(ACTION, "no answer in time".to_owned())
        };
        let given = timeout(wait + LATE, asked).await.map_err(late)?;
        let given = given.map_err(|error| {
            // It may have been removed; the next call looks.
            self.forget_consumer();
            self.told.of(ACTION, &*error)
        })?;
        let Some(message) = given else { return Ok(None) };
        let info = message.info().map_err(|error| self.told.of(ACTION, &*error))?;
        let id = info.stream_sequence.to_string();
        let published = info.published.unix_timestamp_nanos();
        // Both are asked, always: each message counts for those after it.
        let falls_behind = lock(&self.furthest).is_behind(info.stream_sequence, published);
        let redelivered = falls_behind || info.delivered > 1;
        let receipt = Receipt(message.reply.as_deref().unwrap_or_default().to_owned());
        lock(&self.in_hand).insert(receipt.clone(), Instant::now() + self.hold);
        Ok(Some(Message { id, body: message.payload.to_vec(), redelivered, receipt }))
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), QueueError> {
        self.settle(receipt, "take an acknowledgement", AckKind::Ack).await
    }

    async fn give_back(&self, receipt: &Receipt) -> Result<(), QueueError> {
        self.settle(receipt, "take a message back", AckKind::Nak(None)).await
    }

    async fn set_aside(&self, message: &Message, why: &str) -> Result<(), QueueError> {
        if !self.holds(&message.receipt) {
            return Err(QueueError::Stale { queue: self.told.queue.clone() });
        }
        let mut headers = HeaderMap::new();
        headers.insert("Decom-Reason", one_line(why).as_str());
        headers.insert("Decom-Message-Id", one_line(&message.id).as_str());
        // A second try does not make a second letter, and a letter of another delivery is none.
        headers.insert(NATS_MESSAGE_ID, one_line(&message.receipt.0).as_str());
        let letter = PublishMessage::build().payload(message.body.clone().into()).headers(headers);
        self.publish("take a dead letter", &self.dead, vec![letter]).await?;
        self.acknowledge(&message.receipt).await
    }

    async fn keep(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        const ACTION: &str = "hear that work goes on";
        self.connected(ACTION)?;
        let until = Instant::now() + self.hold;
        let kept: Vec<_> = receipts.iter().filter(|receipt| self.holds(receipt)).collect();
        let heard = async {
            let inbox = self.client.new_inbox();
            let mut answers = self.client.subscribe(inbox.clone()).await?;
            for receipt in &kept {
                let (subject, inbox) = (receipt.0.clone(), inbox.clone());
                self.client.publish_with_reply(subject, inbox, AckKind::Progress.into()).await?;
            }
            for _ in &kept {
                answers.next().await;
            }
            Ok(())
        };
        let late = |_| self.told.away_or_forbidden(ACTION, "no answer in time".to_owned());
        let heard: Result<(), async_nats::Error> = timeout(PATIENCE, heard).await.map_err(late)?;
        heard.map_err(|error| self.told.of(ACTION, &*error))?;
        let mut in_hand = lock(&self.in_hand);
        for receipt in kept {
            // Unless it was settled meanwhile.
            in_hand.entry(receipt.clone()).and_modify(|held| *held = until);
        }
        Ok(())
    }

    fn keep_every(&self) -> Option<Duration> {
        Some(self.hold / 3)
    }

    async fn put(&self, bodies: &[Vec<u8>]) -> Result<(), QueueError> {
        for batch in bodies.chunks(BATCH) {
            // Without ids: who puts a name twice means it, and the server would drop the second.
            let messages = batch.iter().map(|body| PublishMessage::build().payload(body.clone().into()));
            self.publish("take messages", &self.queue, messages.collect()).await?;
        }
        Ok(())
    }

    async fn waiting(&self) -> Result<u64, QueueError> {
        const ACTION: &str = "say how many messages wait";
        let consumer = self.consumer(ACTION).await?;
        let info = consumer.get_info().await.map_err(|error| self.told.of(ACTION, &error))?;
        Ok(info.num_pending)
    }

    async fn close(&self) {
        let in_hand: Vec<_> = lock(&self.in_hand).keys().cloned().collect();
        // Where the server does not hear it, it takes them back when their time is over.
        let _ = timeout(PATIENCE, async {
            for receipt in in_hand {
                let _ = self.give_back(&receipt).await;
            }
            self.client.flush().await
        })
        .await;
    }
}

/// What a header may say: no line ends within.
fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}
