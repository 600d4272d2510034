//! Redis Streams: a stream, and the one consumer group of all workers.
//!
//! Redis has no negative acknowledgement and takes nothing back by itself, so a worker first looks for entries that
//! were idle too long. The owner of an entry and its delivery are checked and acted on in one step, by a script in
//! Redis.

mod connection;
mod entry;
mod scripts;

use std::time::Duration;

use async_trait::async_trait;
use redis::streams::{StreamPendingCountReply, StreamRangeReply};
use redis::{Cmd, FromRedisValue, Pipeline, Value};

use self::connection::{Connection, Failure, FailureKind};
use self::entry::{BODY, Delivery, Entry};
use super::batch::batches;
use super::leases::Leases;
use super::{Backlog, Message, Queue, QueueError, QueueOptions, Receipt};
use crate::domain::{BootTime, Timestamp};

/// The consumer group.
const GROUP: &str = "decom";

/// How long one command may take, with connecting.
const TIMEOUT: Duration = Duration::from_secs(6);

/// How long one read waits. Entries that others leave or give back wake no reader, so they are looked for this often.
const SLICE: Duration = Duration::from_secs(1);

/// The size of a batch of messages.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// A stream.
pub(super) struct RedisStream {
    /// For commands that return at once.
    connection: Connection,
    /// For reads that wait, which would block other commands.
    reader: Connection,
    stream: String,
    dead: String,
    worker: String,
    leases: Leases,
}

/// Opens the stream. Creates it and its group if they do not exist.
pub(super) async fn open(options: QueueOptions) -> Result<Box<dyn Queue>, QueueError> {
    let queue = RedisStream {
        connection: Connection::new(&options.address)?,
        reader: Connection::new(&options.address)?,
        stream: options.address.queue().to_owned(),
        dead: options.address.dead_letter_queue(),
        worker: options.worker,
        leases: Leases::new(options.lease.max(Duration::from_millis(1))),
    };
    queue.create_group().await?;
    Ok(Box::new(queue))
}

impl RedisStream {
    /// Creates the stream, and the group from the stream's beginning, unless they exist.
    async fn create_group(&self) -> Result<(), QueueError> {
        let mut command = redis::cmd("XGROUP");
        command.arg("CREATE").arg(&self.stream).arg(GROUP).arg("0").arg("MKSTREAM");
        match self.connection.query::<Value>("create a consumer group", TIMEOUT, &command).await {
            Err(failure) if failure.kind != FailureKind::GroupExists => Err(failure.error),
            _ => Ok(()),
        }
    }

    /// Takes the oldest entry that was idle too long or given back.
    async fn take_idle(&self) -> Result<Option<Message>, Failure> {
        let lease = self.leases.length().as_millis().to_string();
        let mut command = redis::cmd("XPENDING");
        // Unsettled messages of this worker may be among them and are skipped.
        let unsettled = self.leases.unsettled();
        let is_unsettled = |id: &str| unsettled.iter().any(|receipt| Delivery::parts(receipt).0 == id);
        let most = unsettled.len() + 1;
        command.arg(&self.stream).arg(GROUP).arg("IDLE").arg(&lease).arg("-").arg("+").arg(most);
        let pending: StreamPendingCountReply =
            self.connection.query("list pending messages", TIMEOUT, &command).await?;
        for idle in pending.ids {
            if is_unsettled(&idle.id) {
                continue;
            }
            let mut command = redis::cmd("XCLAIM");
            // Only the first worker finds it idle.
            command.arg(&self.stream).arg(GROUP).arg(&self.worker).arg(&lease).arg(&idle.id);
            let since = BootTime::now();
            let answer = self.connection.query("claim a message", TIMEOUT, &command).await?;
            if let Some(entry) = entry::claimed(answer) {
                return Ok(Some(self.message(entry, idle.times_delivered + 1, since)));
            }
        }
        Ok(None)
    }

    /// Takes the next entry that was never delivered.
    async fn take_new(&self, wait: Duration) -> Result<Option<Message>, Failure> {
        let mut command = redis::cmd("XREADGROUP");
        command.arg("GROUP").arg(GROUP).arg(&self.worker).arg("COUNT").arg(1);
        // 0 would wait indefinitely.
        if wait >= Duration::from_millis(1) {
            command.arg("BLOCK").arg(wait.as_millis().to_string());
        }
        command.arg("STREAMS").arg(&self.stream).arg(">");
        let since = BootTime::now();
        let answer = self.reader.query("deliver messages", wait + TIMEOUT, &command).await?;
        Ok(entry::read(answer).map(|entry| self.message(entry, 1, since)))
    }

    fn message(&self, entry: Entry, count: usize, since: BootTime) -> Message {
        let receipt = Delivery { id: entry.id.clone(), count }.receipt();
        self.leases.begin(receipt.clone(), since);
        Message { id: entry.id, body: entry.body, unreadable: None, redelivered: count > 1, receipt }
    }

    /// The command that runs one of the scripts.
    fn script(&self, script: &str) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(2).arg(&self.stream).arg(&self.dead).arg(GROUP).arg(&self.worker);
        command
    }

    async fn run<T: FromRedisValue>(&self, action: &'static str, script: &Cmd) -> Result<T, Failure> {
        self.connection.query(action, TIMEOUT, script).await
    }

    /// Settles a delivery by a script that returns 0 if its lease has ended.
    async fn settle(&self, action: &'static str, receipt: &Receipt, script: &Cmd) -> Result<(), QueueError> {
        let own = match self.run::<u8>(action, script).await {
            Err(failure) if failure.kind == FailureKind::NoGroup => false,
            answer => answer? == 1,
        };
        self.leases.remove(receipt);
        if own { Ok(()) } else { Err(self.connection.errors.expired()) }
    }
}

#[async_trait]
impl Queue for RedisStream {
    async fn take(&self, wait: Duration) -> Result<Option<Message>, QueueError> {
        self.leases
            .take(wait, async |wait| {
                let found = match self.take_idle().await {
                    Ok(None) => self.take_new(wait.min(SLICE)).await,
                    other => other,
                };
                match found {
                    // The stream was deleted, or the server lost it.
                    Err(failure) if failure.kind == FailureKind::NoGroup => {
                        self.create_group().await.map(|()| None)
                    }
                    other => other.map_err(|failure| failure.error),
                }
            })
            .await
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let (id, count) = Delivery::parts(receipt);
        let mut script = self.script(scripts::ACKNOWLEDGE);
        script.arg(id).arg(count);
        self.settle("acknowledge a message", receipt, &script).await
    }

    async fn holds(&self, receipt: &Receipt) -> bool {
        self.leases.is_held(receipt)
    }

    async fn give_back(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let (id, count) = Delivery::parts(receipt);
        let mut script = self.script(scripts::GIVE_BACK);
        script.arg(id).arg(count);
        self.settle("take a message back", receipt, &script).await
    }

    async fn set_aside(&self, message: &Message, why: &str) -> Result<(), QueueError> {
        let (id, count) = Delivery::parts(&message.receipt);
        let mut script = self.script(scripts::SET_ASIDE);
        script.arg(id).arg(count).arg(&message.body).arg(why);
        self.settle("set a message aside", &message.receipt, &script).await
    }

    async fn extend(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        if receipts.is_empty() {
            return Ok(());
        }
        let mut script = self.script(scripts::EXTEND);
        for receipt in receipts {
            let (id, count) = Delivery::parts(receipt);
            script.arg(id).arg(count);
        }
        let since = BootTime::now();
        let own: Vec<bool> = match self.run("extend leases", &script).await {
            Err(failure) if failure.kind == FailureKind::NoGroup => Vec::new(),
            reply => reply?,
        };
        for (at, receipt) in receipts.iter().enumerate() {
            if own.get(at) == Some(&true) {
                // The script has checked in the same step that no other worker has it.
                self.leases.confirm(receipt, since);
            } else {
                self.leases.remove(receipt);
            }
        }
        Ok(())
    }

    fn extend_interval(&self) -> Option<Duration> {
        Some(self.leases.length() / 3)
    }

    async fn put(&self, bodies: &[Vec<u8>]) -> Result<(), QueueError> {
        for batch in batches(bodies, BATCH, BATCH_BYTES) {
            let mut commands = Pipeline::with_capacity(batch.len());
            for body in batch {
                commands.cmd("XADD").arg(&self.stream).arg("*").arg(BODY).arg(body);
            }
            self.connection.execute("take messages", TIMEOUT, &commands).await?;
        }
        Ok(())
    }

    async fn waiting(&self) -> Result<u64, QueueError> {
        let mut script = self.script(scripts::WAITING);
        script.arg(self.leases.length().as_millis().to_string());
        match self.run("count waiting messages", &script).await {
            // Without a group every entry is waiting.
            Err(failure) if failure.kind == FailureKind::NoGroup => {
                let mut command = redis::cmd("XLEN");
                command.arg(&self.stream);
                Ok(self.run("count waiting messages", &command).await?)
            }
            answer => Ok(answer?),
        }
    }

    async fn backlog(&self) -> Result<Backlog, QueueError> {
        let mut command = redis::cmd("XRANGE");
        command.arg(&self.stream).arg("-").arg("+").arg("COUNT").arg(1);
        let first: StreamRangeReply = self.run("show the oldest message", &command).await?;
        // An id begins with the time in milliseconds.
        let millis = first.ids.first().and_then(|entry| entry.id.split_once('-')?.0.parse::<i64>().ok());
        let oldest = millis.and_then(|millis| millis.checked_mul(1000)).map(Timestamp::from_micros);
        Ok(Backlog { messages: self.waiting().await?, oldest })
    }

    async fn close(&self) {
        // If this fails, the messages are idle too long some time and are delivered again.
        let _ = self.run::<Value>("take messages back", &self.script(scripts::CLOSE)).await;
        self.leases.clear();
    }
}
