//! Amazon SQS: a standard queue, read by long polling.
//!
//! SQS takes back whatever is not deleted in time, and says so to nobody: it even accepts the
//! deletion of what it has given to another meanwhile, and does nothing. So how long each message
//! stays is counted here, too.

mod client;
mod failure;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, MessageAttributeValue, MessageSystemAttributeName,
    QueueAttributeName, SendMessageBatchRequestEntry,
};
use tokio::time::Instant;

use self::failure::{Failure, answered};
use super::{Message, Queue, QueueError, QueueOptions, Receipt};
use crate::domain::lock;

/// The most that one batch takes.
const BATCH: usize = 10;
const BATCH_BYTES: usize = 250_000;

/// The longest that SQS leaves a message with its worker, in seconds, and lets a call wait for one.
const LONGEST_HOLD: u64 = 12 * 60 * 60;
const LONGEST_WAIT: u64 = 20;

/// For how long a queue that is made here keeps its messages: the longest that there is, 14 days.
const RETENTION: &str = "1209600";

/// How much of a reason goes with a message; together they have a limit.
const LONGEST_REASON: usize = 1000;

/// A queue on SQS, and the one for what makes no sense.
struct SqsQueue {
    client: Client,
    /// As people may see it.
    shown: String,
    url: String,
    dead: String,
    hold: Duration,
    held: Mutex<HashMap<Receipt, Held>>,
}

/// A message that was taken here and is not dealt with.
#[derive(Clone, Copy)]
struct Held {
    /// Until when it is nobody else's.
    until: Instant,
    /// It is on the dead-letter queue already.
    aside: bool,
}

/// Opens the queue, making it and its dead-letter queue where they are missing.
pub(super) async fn open(options: QueueOptions) -> Result<Box<dyn Queue>, QueueError> {
    let address = &options.address;
    let shown = address.to_string();
    let client = client::build(address).await?;
    let account = client::account(address);
    let ensured = async |name: &str| {
        let url = ensured(&client, name, account.as_deref()).await;
        url.map_err(|failure| failure.into_error(&shown, "be opened"))
    };
    let url = ensured(address.queue()).await?;
    let dead = ensured(&address.dead_letter_queue()).await?;
    let hold = Duration::from_secs(rounded_up(options.hold).clamp(1, LONGEST_HOLD));
    Ok(Box::new(SqsQueue { client, shown, url, dead, hold, held: Mutex::default() }))
}

/// The URL of the queue, which is made where it is missing.
async fn ensured(client: &Client, name: &str, account: Option<&str>) -> Result<String, Failure> {
    let asked =
        client.get_queue_url().queue_name(name).set_queue_owner_aws_account_id(account.map(str::to_owned));
    let url = match answered(Duration::ZERO, asked.send()).await {
        Err(failure) if failure.is_missing() => {
            let made = client.create_queue().queue_name(name);
            let made = made.attributes(QueueAttributeName::MessageRetentionPeriod, RETENTION);
            answered(Duration::ZERO, made.send()).await?.queue_url
        }
        answer => answer?.queue_url,
    };
    url.ok_or_else(|| Failure::of_entry("no URL", Some("the answer names no queue"), true))
}

/// SQS counts in whole seconds.
fn rounded_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn seconds(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

impl SqsQueue {
    fn held(&self) -> MutexGuard<'_, HashMap<Receipt, Held>> {
        // Nothing is done under the lock that could be left half done.
        lock(&self.held)
    }

    /// The message that the receipt is of, where it is still nobody else's.
    fn own(&self, receipt: &Receipt) -> Result<Held, QueueError> {
        let held = self.held().get(receipt).copied().filter(|held| Instant::now() < held.until);
        held.ok_or_else(|| self.stale(receipt))
    }

    fn stale(&self, receipt: &Receipt) -> QueueError {
        self.held().remove(receipt);
        QueueError::Stale { queue: self.shown.clone() }
    }

    /// What becomes of the receipt whose delivery was to end.
    fn ended(
        &self,
        receipt: &Receipt,
        answer: Result<(), Failure>,
        action: &'static str,
    ) -> Result<(), QueueError> {
        match answer {
            Ok(()) => {
                self.held().remove(receipt);
                Ok(())
            }
            Err(failure) if failure.is_over() => Err(self.stale(receipt)),
            Err(failure) => Err(failure.into_error(&self.shown, action)),
        }
    }

    async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let call = self.client.delete_message().queue_url(&self.url).receipt_handle(&receipt.0).send();
        let answer = answered(Duration::ZERO, call).await.map(drop);
        self.ended(receipt, answer, "delete a message")
    }

    /// Leaves messages with their worker for `hold` from now; for none, they are anybody's. What is
    /// over is forgotten.
    async fn extend(&self, receipts: &[Receipt], hold: Duration) -> Result<(), Failure> {
        for batch in receipts.chunks(BATCH) {
            let mut call = self.client.change_message_visibility_batch().queue_url(&self.url);
            for (at, receipt) in batch.iter().enumerate() {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(at.to_string())
                    .receipt_handle(&receipt.0)
                    .visibility_timeout(seconds(hold.as_secs()))
                    .build();
                call = call.entries(entry.map_err(|error| Failure::of_client(&error))?);
            }
            // SQS counts from when it hears of it, which is later.
            let until = Instant::now() + hold;
            let answer = answered(Duration::ZERO, call.send()).await?;
            let mut known = self.held();
            for done in answer.successful() {
                if let Some(held) = at(batch, done.id()).and_then(|receipt| known.get_mut(receipt)) {
                    held.until = until;
                }
            }
            for failed in answer.failed() {
                let failure = Failure::of_entry(failed.code(), failed.message(), failed.sender_fault());
                if !failure.is_over() {
                    return Err(failure);
                }
                if let Some(receipt) = at(batch, failed.id()) {
                    known.remove(receipt);
                }
            }
        }
        Ok(())
    }

    async fn send(&self, batch: &[&str]) -> Result<(), Failure> {
        let mut call = self.client.send_message_batch().queue_url(&self.url);
        for (at, body) in batch.iter().enumerate() {
            let entry =
                SendMessageBatchRequestEntry::builder().id(at.to_string()).message_body(*body).build();
            call = call.entries(entry.map_err(|error| Failure::of_client(&error))?);
        }
        let answer = answered(Duration::ZERO, call.send()).await?;
        match answer.failed().first() {
            Some(failed) => Err(Failure::of_entry(failed.code(), failed.message(), failed.sender_fault())),
            None => Ok(()),
        }
    }

    /// Copies the message to the dead-letter queue.
    async fn bury(&self, message: &Message, why: &str) -> Result<(), Failure> {
        let text =
            |text: &str| MessageAttributeValue::builder().data_type("String").string_value(text).build();
        // Whatever SQS does not carry in an attribute is not worth losing the message for.
        let why: String =
            why.chars().take(LONGEST_REASON).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let call = self
            .client
            .send_message()
            .queue_url(&self.dead)
            .message_body(String::from_utf8_lossy(&message.body))
            .message_attributes("why", text(&why).map_err(|error| Failure::of_client(&error))?)
            .message_attributes("id", text(&message.id).map_err(|error| Failure::of_client(&error))?);
        answered(Duration::ZERO, call.send()).await.map(drop)
    }
}

/// The receipt of an entry of a batch, which is called by its place.
fn at<'a>(batch: &'a [Receipt], id: &str) -> Option<&'a Receipt> {
    batch.get(id.parse::<usize>().ok()?)
}

#[async_trait]
impl Queue for SqsQueue {
    /// The wait is rounded up to whole seconds: a shorter one would look at some of SQS's servers
    /// only, and cost a request all the same.
    async fn take(&self, wait: Duration) -> Result<Option<Message>, QueueError> {
        let wait = Duration::from_secs(rounded_up(wait).min(LONGEST_WAIT));
        let call = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(1)
            .wait_time_seconds(seconds(wait.as_secs()))
            .visibility_timeout(seconds(self.hold.as_secs()))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let answer = answered(wait, call.send()).await;
        let answer = answer.map_err(|failure| failure.into_error(&self.shown, "give out messages"))?;
        let Some(taken) = answer.messages.unwrap_or_default().into_iter().next() else { return Ok(None) };
        let count = taken
            .attributes
            .as_ref()
            .and_then(|attributes| attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount));
        // Where SQS does not say, it may have been given out before.
        let redelivered = count.is_none_or(|count| count != "1");
        let receipt = Receipt(taken.receipt_handle.unwrap_or_default());
        let held = Held { until: Instant::now() + self.hold, aside: false };
        self.held().insert(receipt.clone(), held);
        Ok(Some(Message {
            id: taken.message_id.unwrap_or_default(),
            body: taken.body.unwrap_or_default().into_bytes(),
            redelivered,
            receipt,
        }))
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), QueueError> {
        self.own(receipt)?;
        self.delete(receipt).await
    }

    async fn give_back(&self, receipt: &Receipt) -> Result<(), QueueError> {
        self.own(receipt)?;
        let call = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(&receipt.0)
            .visibility_timeout(0)
            .send();
        let answer = answered(Duration::ZERO, call).await.map(drop);
        self.ended(receipt, answer, "take a message back")
    }

    async fn set_aside(&self, message: &Message, why: &str) -> Result<(), QueueError> {
        let receipt = &message.receipt;
        if !self.own(receipt)?.aside {
            let answer = self.bury(message, why).await;
            answer.map_err(|failure| failure.into_error(&self.shown, "set a message aside"))?;
            // Should the deletion fail, the next try does not put it there again.
            if let Some(held) = self.held().get_mut(receipt) {
                held.aside = true;
            }
        }
        self.delete(receipt).await
    }

    async fn keep(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        let own: Vec<_> = receipts.iter().filter(|receipt| self.own(receipt).is_ok()).cloned().collect();
        let answer = self.extend(&own, self.hold).await;
        answer.map_err(|failure| failure.into_error(&self.shown, "leave messages with their worker"))
    }

    fn keep_every(&self) -> Option<Duration> {
        Some(self.hold / 3)
    }

    async fn put(&self, bodies: &[Vec<u8>]) -> Result<(), QueueError> {
        let action = "take messages";
        let mut texts = Vec::with_capacity(bodies.len());
        for body in bodies {
            texts.push(std::str::from_utf8(body).map_err(|error| QueueError::Refused {
                queue: self.shown.clone(),
                action,
                why: format!("SQS carries text only: {error}"),
            })?);
        }
        let mut rest = &texts[..];
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |body: &&&str| {
                bytes += body.len();
                bytes <= BATCH_BYTES
            };
            let many = rest.iter().take(BATCH).take_while(fits).count().max(1);
            let (batch, later) = rest.split_at(many);
            self.send(batch).await.map_err(|failure| failure.into_error(&self.shown, action))?;
            rest = later;
        }
        Ok(())
    }

    /// As SQS guesses it: its count is of a minute ago, or wrong.
    async fn waiting(&self) -> Result<u64, QueueError> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let call = self.client.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone());
        let answer = answered(Duration::ZERO, call.send()).await;
        let answer = answer.map_err(|failure| failure.into_error(&self.shown, "count what waits"))?;
        let count = answer.attributes.as_ref().and_then(|attributes| attributes.get(&name));
        Ok(count.and_then(|count| count.parse().ok()).unwrap_or_default())
    }

    async fn close(&self) {
        let left: Vec<_> = self.held().keys().cloned().collect();
        // Where this fails, what is held comes back by itself.
        let _ = self.extend(&left, Duration::ZERO).await;
        self.held().clear();
    }
}
