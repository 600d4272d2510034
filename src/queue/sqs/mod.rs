//! Amazon SQS: a standard queue, read by long polling.
//!
//! SQS takes a message back when its lease ends, without notice: it even accepts the deletion of a message that another
//! worker has meanwhile, and does nothing. So leases are tracked here as well.

mod client;
mod failure;

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, MessageAttributeValue, MessageSystemAttributeName,
    QueueAttributeName, SendMessageBatchRequestEntry,
};

use self::failure::{Failure, reply_of};
use super::batch::batches;
use super::error_context::ErrorContext;
use super::leases::Leases;
use super::{Message, Queue, QueueError, QueueOptions, Receipt};
use crate::domain::{BootTime, lock, seconds_up};

/// The limits of one batch.
const BATCH: usize = 10;
const BATCH_BYTES: usize = 250_000;

/// The shortest and the longest lease, and the longest wait for a message, in seconds.
const SHORTEST_LEASE: u64 = 3;
const LONGEST_LEASE: u64 = 12 * 60 * 60;
const LONGEST_WAIT: u64 = 20;

/// How long a new queue keeps its messages, in seconds: 14 days, the maximum.
const RETENTION: &str = "1209600";

/// The longest reason on a dead letter, in characters; SQS limits its whole size.
const LONGEST_REASON: usize = 1000;

/// A queue on SQS, and its dead-letter queue.
struct SqsQueue {
    client: Client,
    errors: ErrorContext,
    url: String,
    dead: String,
    leases: Leases,
    /// Unsettled messages that are on the dead-letter queue already.
    dead_letters: Mutex<HashSet<Receipt>>,
}

/// Opens the queue. Creates it and its dead-letter queue if they do not exist.
pub(super) async fn open(options: QueueOptions) -> Result<Box<dyn Queue>, QueueError> {
    let address = &options.address;
    let errors = ErrorContext::of(address);
    let client = client::build(address, &errors).await?;
    let account = client::account(address);
    let ensure = async |name: &str| {
        let url = ensure(&client, name, account.as_deref()).await;
        url.map_err(|failure| failure.into_error(&errors, "be opened"))
    };
    let url = ensure(address.queue()).await?;
    let dead = ensure(&address.dead_letter_queue()).await?;
    let lease = Duration::from_secs(seconds_up(options.lease).clamp(SHORTEST_LEASE, LONGEST_LEASE));
    let (leases, dead_letters) = (Leases::new(lease), Mutex::default());
    Ok(Box::new(SqsQueue { client, errors, url, dead, leases, dead_letters }))
}

/// The URL of the queue, which is created if it does not exist.
async fn ensure(client: &Client, name: &str, account: Option<&str>) -> Result<String, Failure> {
    let lookup =
        client.get_queue_url().queue_name(name).set_queue_owner_aws_account_id(account.map(str::to_owned));
    let url = match reply_of(Duration::ZERO, lookup.send()).await {
        Err(failure) if failure.is_missing() => {
            let creation = client
                .create_queue()
                .queue_name(name)
                .attributes(QueueAttributeName::MessageRetentionPeriod, RETENTION);
            reply_of(Duration::ZERO, creation.send()).await?.queue_url
        }
        reply => reply?.queue_url,
    };
    url.ok_or_else(|| Failure::of_entry("no URL", Some("the reply names no queue"), true))
}

fn seconds(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

impl SqsQueue {
    /// Passes if the lease of the message has not ended.
    fn check_held(&self, receipt: &Receipt) -> Result<(), QueueError> {
        if self.leases.is_held(receipt) { Ok(()) } else { Err(self.expired(receipt)) }
    }

    fn forget(&self, receipt: &Receipt) {
        self.leases.remove(receipt);
        lock(&self.dead_letters).remove(receipt);
    }

    fn expired(&self, receipt: &Receipt) -> QueueError {
        self.forget(receipt);
        self.errors.expired()
    }

    /// Forgets a message that was settled or has expired.
    fn settled(
        &self,
        receipt: &Receipt,
        reply: Result<(), Failure>,
        action: &'static str,
    ) -> Result<(), QueueError> {
        match reply {
            Ok(()) => {
                self.forget(receipt);
                Ok(())
            }
            Err(failure) if failure.is_expired() => Err(self.expired(receipt)),
            Err(failure) => Err(failure.into_error(&self.errors, action)),
        }
    }

    async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let call = self.client.delete_message().queue_url(&self.url).receipt_handle(&receipt.0).send();
        let reply = reply_of(Duration::ZERO, call).await.map(drop);
        self.settled(receipt, reply, "delete a message")
    }

    /// Sets the leases of messages to `lease` from now; zero gives them back. Expired ones are forgotten.
    async fn set_leases(&self, receipts: &[Receipt], lease: Duration) -> Result<(), Failure> {
        for batch in receipts.chunks(BATCH) {
            let mut call = self.client.change_message_visibility_batch().queue_url(&self.url);
            for (at, receipt) in batch.iter().enumerate() {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(at.to_string())
                    .receipt_handle(&receipt.0)
                    .visibility_timeout(seconds(lease.as_secs()))
                    .build();
                call = call.entries(entry.map_err(|error| Failure::of_client(&error))?);
            }
            let since = BootTime::now();
            let reply = reply_of(Duration::ZERO, call.send()).await?;
            for done in reply.successful() {
                match at(batch, done.id()) {
                    Some(receipt) if lease.is_zero() => self.forget(receipt),
                    Some(receipt) => self.leases.renew(receipt, since),
                    None => {}
                }
            }
            for failed in reply.failed() {
                let failure = Failure::of_entry(failed.code(), failed.message(), failed.sender_fault());
                if !failure.is_expired() {
                    return Err(failure);
                }
                if let Some(receipt) = at(batch, failed.id()) {
                    self.forget(receipt);
                }
            }
        }
        Ok(())
    }

    async fn send(&self, batch: &[Vec<u8>]) -> Result<(), Failure> {
        let mut call = self.client.send_message_batch().queue_url(&self.url);
        for (at, body) in batch.iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(at.to_string())
                .message_body(String::from_utf8_lossy(body))
                .build();
            call = call.entries(entry.map_err(|error| Failure::of_client(&error))?);
        }
        let reply = reply_of(Duration::ZERO, call.send()).await?;
        match reply.failed().first() {
            Some(failed) => Err(Failure::of_entry(failed.code(), failed.message(), failed.sender_fault())),
            None => Ok(()),
        }
    }

    /// Copies the message to the dead-letter queue.
    async fn send_dead_letter(&self, message: &Message, why: &str) -> Result<(), Failure> {
        let text =
            |text: &str| MessageAttributeValue::builder().data_type("String").string_value(text).build();
        // SQS refuses a message whose attributes hold control characters.
        let why: String =
            why.chars().take(LONGEST_REASON).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let call = self
            .client
            .send_message()
            .queue_url(&self.dead)
            .message_body(String::from_utf8_lossy(&message.body))
            .message_attributes("why", text(&why).map_err(|error| Failure::of_client(&error))?)
            .message_attributes("id", text(&message.id).map_err(|error| Failure::of_client(&error))?);
        reply_of(Duration::ZERO, call.send()).await.map(drop)
    }
}

/// The receipt of an entry of a batch, whose id is its index.
fn at<'a>(batch: &'a [Receipt], id: &str) -> Option<&'a Receipt> {
    batch.get(id.parse::<usize>().ok()?)
}

impl SqsQueue {
    /// Waits for a message once. Rounds the wait up to whole seconds, because a shorter one asks only some servers of
    /// SQS.
    async fn receive(&self, wait: Duration) -> Result<Option<Message>, QueueError> {
        let wait = Duration::from_secs(seconds_up(wait).min(LONGEST_WAIT));
        let since = BootTime::now();
        let call = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(1)
            .wait_time_seconds(seconds(wait.as_secs()))
            .visibility_timeout(seconds(self.leases.length().as_secs()))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let reply = reply_of(wait, call.send()).await;
        let reply = reply.map_err(|failure| failure.into_error(&self.errors, "deliver messages"))?;
        let Some(message) = reply.messages.unwrap_or_default().into_iter().next() else { return Ok(None) };
        let count = message
            .attributes
            .as_ref()
            .and_then(|attributes| attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount));
        // Without a count it may have been delivered before.
        let redelivered = count.is_none_or(|count| count != "1");
        let receipt = Receipt(message.receipt_handle.unwrap_or_default());
        self.leases.begin(receipt.clone(), since);
        Ok(Some(Message {
            id: message.message_id.unwrap_or_default(),
            body: message.body.unwrap_or_default().into_bytes(),
            unreadable: None,
            redelivered,
            receipt,
        }))
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn take(&self, wait: Duration) -> Result<Option<Message>, QueueError> {
        self.leases.take(wait, |wait| self.receive(wait)).await
    }

    async fn holds(&self, receipt: &Receipt) -> bool {
        self.leases.is_held(receipt)
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), QueueError> {
        self.check_held(receipt)?;
        self.delete(receipt).await
    }

    async fn give_back(&self, receipt: &Receipt) -> Result<(), QueueError> {
        self.check_held(receipt)?;
        let call = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(&receipt.0)
            .visibility_timeout(0)
            .send();
        let reply = reply_of(Duration::ZERO, call).await.map(drop);
        self.settled(receipt, reply, "take a message back")
    }

    async fn set_aside(&self, message: &Message, why: &str) -> Result<(), QueueError> {
        let receipt = &message.receipt;
        self.check_held(receipt)?;
        if !lock(&self.dead_letters).contains(receipt) {
            let reply = self.send_dead_letter(message, why).await;
            reply.map_err(|failure| failure.into_error(&self.errors, "set a message aside"))?;
            // If the deletion fails, the next attempt does not send it again.
            lock(&self.dead_letters).insert(receipt.clone());
        }
        self.delete(receipt).await
    }

    async fn extend(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        let leased: Vec<_> =
            receipts.iter().filter(|receipt| self.check_held(receipt).is_ok()).cloned().collect();
        let reply = self.set_leases(&leased, self.leases.length()).await;
        reply.map_err(|failure| failure.into_error(&self.errors, "extend leases"))
    }

    fn extend_interval(&self) -> Option<Duration> {
        Some(self.leases.length() / 3)
    }

    async fn put(&self, bodies: &[Vec<u8>]) -> Result<(), QueueError> {
        let action = "take messages";
        // Nothing is sent if one of them cannot be.
        for body in bodies {
            str::from_utf8(body)
                .map_err(|error| self.errors.refused(action, format!("SQS accepts only text: {error}")))?;
        }
        for batch in batches(bodies, BATCH, BATCH_BYTES) {
            self.send(batch).await.map_err(|failure| failure.into_error(&self.errors, action))?;
        }
        Ok(())
    }

    /// SQS's estimate, which may be a minute old.
    async fn waiting(&self) -> Result<u64, QueueError> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let call = self.client.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone());
        let reply = reply_of(Duration::ZERO, call.send()).await;
        let reply = reply.map_err(|failure| failure.into_error(&self.errors, "count waiting messages"))?;
        let count = reply.attributes.as_ref().and_then(|attributes| attributes.get(&name));
        Ok(count.and_then(|count| count.parse().ok()).unwrap_or_default())
    }

    async fn close(&self) {
        let unsettled = self.leases.unsettled();
        // If this fails, they come back when their leases end.
        let _ = self.set_leases(&unsettled, Duration::ZERO).await;
        self.leases.clear();
    }
}
