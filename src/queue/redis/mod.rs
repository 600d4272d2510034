//! Redis Streams: a stream, and the one group that everybody reads it by.
//!
//! Redis has no negative acknowledgement and takes nothing back by itself: whoever reads looks first
//! for what was left idle too long. Who owns an entry, and by which delivery, is checked and acted on
//! in one step, by a script within Redis.

mod entry;
mod link;
mod scripts;

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use redis::streams::StreamPendingCountReply;
use redis::{Cmd, FromRedisValue, Pipeline, Value};
use tokio::time::Instant;

use self::entry::{BODY, Delivery, Entry};
use self::link::{Failure, Link, What};
use super::{Message, Queue, QueueError, QueueOptions, Receipt};
use crate::domain::lock;

/// The group by which a stream is read.
const GROUP: &str = "decom";

/// How long one command may take, the making of a connection included.
const WITHIN: Duration = Duration::from_secs(6);

/// How long a read waits at a time: what others leave or give back wakes nobody, and is looked for
/// as often as this.
const SLICE: Duration = Duration::from_secs(1);

/// How much is sent at once.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// A stream, read as one of its group.
pub(super) struct RedisStream {
    /// For commands that are answered at once.
    link: Link,
    /// For reads that wait, which would keep everything behind them waiting.
    reading: Link,
    stream: String,
    dead: String,
    worker: String,
    hold: Duration,
    /// What was taken here and is not dealt with: not to be taken again when it was left too long.
    held: Mutex<HashSet<String>>,
}

/// Opens the stream, making it and its group where they are missing.
pub(super) async fn open(options: QueueOptions) -> Result<Box<dyn Queue>, QueueError> {
    let queue = RedisStream {
        link: Link::new(&options.address)?,
        reading: Link::new(&options.address)?,
        stream: options.address.queue().to_owned(),
        dead: options.address.dead_letter_queue(),
        worker: options.worker,
        hold: options.hold.max(Duration::from_millis(1)),
        held: Mutex::default(),
    };
    queue.make_group().await?;
    Ok(Box::new(queue))
}

impl RedisStream {
    /// Makes the group, from the stream's beginning, and the stream; both may be there already.
    async fn make_group(&self) -> Result<(), QueueError> {
        let mut command = redis::cmd("XGROUP");
        command.arg("CREATE").arg(&self.stream).arg(GROUP).arg("0").arg("MKSTREAM");
        match self.link.ask::<Value>("be read by a group", WITHIN, &command).await {
            Err(failure) if failure.what != What::GroupExists => Err(failure.error),
            _ => Ok(()),
        }
    }

    /// The oldest entry that somebody was given and left for too long, or gave back.
    async fn left_behind(&self) -> Result<Option<Message>, Failure> {
        let hold = self.hold.as_millis().to_string();
        let mut command = redis::cmd("XPENDING");
        // Those that are held here may be among them, and are passed over.
        let most = self.held().len() + 1;
        command.arg(&self.stream).arg(GROUP).arg("IDLE").arg(&hold).arg("-").arg("+").arg(most);
        let pending: StreamPendingCountReply =
            self.link.ask("show what is pending", WITHIN, &command).await?;
        for left in pending.ids {
            if self.held().contains(&left.id) {
                continue;
            }
            let mut command = redis::cmd("XCLAIM");
            // Only who comes first finds it idle.
            command.arg(&self.stream).arg(GROUP).arg(&self.worker).arg(&hold).arg(&left.id);
            let answer = self.link.ask("hand over a message", WITHIN, &command).await?;
            if let Some(entry) = entry::claimed(answer) {
                return Ok(Some(self.taken(entry, left.times_delivered + 1)));
            }
        }
        Ok(None)
    }

    /// The next entry that nobody was given yet.
    async fn fresh(&self, wait: Duration) -> Result<Option<Message>, Failure> {
        let mut command = redis::cmd("XREADGROUP");
        command.arg("GROUP").arg(GROUP).arg(&self.worker).arg("COUNT").arg(1);
        // 0 would wait for ever.
        if wait >= Duration::from_millis(1) {
            command.arg("BLOCK").arg(wait.as_millis().to_string());
        }
        command.arg("STREAMS").arg(&self.stream).arg(">");
        let answer = self.reading.ask("give out messages", wait + WITHIN, &command).await?;
        Ok(entry::read(answer).map(|entry| self.taken(entry, 1)))
    }

    fn taken(&self, entry: Entry, count: usize) -> Message {
        self.held().insert(entry.id.clone());
        let receipt = Delivery { id: entry.id.clone(), count }.receipt();
        Message { id: entry.id, body: entry.body, redelivered: count > 1, receipt }
    }

    fn held(&self) -> MutexGuard<'_, HashSet<String>> {
        // Nothing is done under the lock that could be left half done.
        lock(&self.held)
    }

    /// A call of one of the scripts.
    fn script(&self, script: &str) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(2).arg(&self.stream).arg(&self.dead).arg(GROUP).arg(&self.worker);
        command
    }

    async fn run<T: FromRedisValue>(&self, action: &'static str, script: &Cmd) -> Result<T, Failure> {
        self.link.ask(action, WITHIN, script).await
    }

    /// Ends a delivery by a script that answers 0 where it is over already.
    async fn end(&self, action: &'static str, receipt: &Receipt, script: &Cmd) -> Result<(), QueueError> {
        let own = match self.run::<u8>(action, script).await {
            Err(failure) if failure.what == What::NoGroup => false,
            answer => answer? == 1,
        };
        self.held().remove(Delivery::parts(receipt).0);
        if own { Ok(()) } else { Err(QueueError::Stale { queue: self.link.queue().to_owned() }) }
    }
}

#[async_trait]
impl Queue for RedisStream {
    async fn take(&self, wait: Duration) -> Result<Option<Message>, QueueError> {
        let end = Instant::now() + wait;
        loop {
            let left = end.saturating_duration_since(Instant::now()).min(SLICE);
            let found = match self.left_behind().await {
                Ok(None) => self.fresh(left).await,
                other => other,
            };
            match found {
                Ok(Some(message)) => return Ok(Some(message)),
                Ok(None) => {}
                // The stream was deleted, or the server has lost it.
                Err(failure) if failure.what == What::NoGroup => self.make_group().await?,
                Err(failure) => return Err(failure.error),
            }
            if Instant::now() >= end {
                return Ok(None);
            }
        }
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let (id, count) = Delivery::parts(receipt);
        let mut script = self.script(scripts::ACKNOWLEDGE);
        script.arg(id).arg(count);
        self.end("acknowledge a message", receipt, &script).await
    }

    async fn give_back(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let (id, count) = Delivery::parts(receipt);
        let mut script = self.script(scripts::GIVE_BACK);
        script.arg(id).arg(count);
        self.end("take a message back", receipt, &script).await
    }

    async fn set_aside(&self, message: &Message, why: &str) -> Result<(), QueueError> {
        let (id, count) = Delivery::parts(&message.receipt);
        let mut script = self.script(scripts::SET_ASIDE);
        script.arg(id).arg(count).arg(&message.body).arg(why);
        self.end("set a message aside", &message.receipt, &script).await
    }

    async fn keep(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        if receipts.is_empty() {
            return Ok(());
        }
        let mut script = self.script(scripts::KEEP);
        for receipt in receipts {
            let (id, count) = Delivery::parts(receipt);
            script.arg(id).arg(count);
        }
        match self.run::<Value>("leave messages with their worker", &script).await {
            Err(failure) if failure.what != What::NoGroup => Err(failure.error),
            _ => Ok(()),
        }
    }

    fn keep_every(&self) -> Option<Duration> {
        Some(self.hold / 3)
    }

    async fn put(&self, bodies: &[Vec<u8>]) -> Result<(), QueueError> {
        let mut rest = bodies;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |body: &&Vec<u8>| {
                bytes += body.len();
                bytes <= BATCH_BYTES
            };
            let many = rest.iter().take(BATCH).take_while(fits).count().max(1);
            let (batch, later) = rest.split_at(many);
            let mut commands = Pipeline::with_capacity(many);
            for body in batch {
                commands.cmd("XADD").arg(&self.stream).arg("*").arg(BODY).arg(body);
            }
            self.link.ask_all("take messages", WITHIN, &commands).await?;
            rest = later;
        }
        Ok(())
    }

    async fn waiting(&self) -> Result<u64, QueueError> {
        let mut script = self.script(scripts::WAITING);
        script.arg(self.hold.as_millis().to_string());
        match self.run("count what waits", &script).await {
            // Without its group, all that is there waits.
            Err(failure) if failure.what == What::NoGroup => {
                let mut command = redis::cmd("XLEN");
                command.arg(&self.stream);
                Ok(self.run("count what waits", &command).await?)
            }
            answer => Ok(answer?),
        }
    }

    async fn close(&self) {
        // Where this fails, what is held comes back by being left for too long.
        let _ = self.run::<Value>("take messages back", &self.script(scripts::CLOSE)).await;
        self.held().clear();
    }
}
