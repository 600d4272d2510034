//! Messages that were taken from the queue, and not yet acknowledged or given back.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::Notice;
use crate::domain::{DatasourceName, Outcome, Seq, lock};
use crate::queue::{Message, Queue, QueueError, Receipt};

/// The pauses between two tries to reach a broker that is away: they double, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// For how long, at the end of a run, a broker that is away is waited for. What it was not told it gives
/// out again, and the audit log knows what became of that.
const FAREWELL: Duration = Duration::from_secs(10);

/// How much is kept of a message that is too large for the dead-letter queue, in characters.
const KEPT_CHARS: usize = 1000;

/// Messages that were taken, and not yet acknowledged or given back.
#[derive(Clone)]
pub(in crate::run) struct PendingAcks {
    queue: Arc<dyn Queue>,
    open: Arc<Mutex<Open>>,
    tasks: TaskTracker,
    /// Cancelled when nobody waits for the broker any longer.
    over: CancellationToken,
    /// How many messages are on the dead-letter queue by now.
    set_aside: Arc<AtomicU64>,
}

#[derive(Default)]
struct Open {
    of_target: HashMap<Seq, Request>,
    /// The names that are under way, each with the messages that asked for it meanwhile.
    of_name: HashMap<DatasourceName, Vec<Message>>,
    /// Messages whose name is not under way any more, each with the outcome that it had meanwhile.
    again: VecDeque<(Message, Outcome)>,
}

/// What asked for a target.
struct Request {
    name: DatasourceName,
    message: Message,
}

impl PendingAcks {
    pub(in crate::run) fn new(queue: Arc<dyn Queue>) -> Self {
        let over = CancellationToken::new();
        Self { queue, open: Arc::default(), tasks: TaskTracker::new(), over, set_aside: Arc::default() }
    }

    /// Notes that a message asked for `target`.
    pub(super) fn add(&self, target: Seq, name: DatasourceName, message: Message) {
        let mut open = self.open();
        open.of_name.entry(name.clone()).or_default();
        open.of_target.insert(target, Request { name, message });
    }

    /// Lets a message wait until the target of its name, which is under way, has its outcome; gives it back where
    /// there is none. One that the broker gives out anew, as it does after a restart, takes the place of itself.
    pub(super) fn wait_for(&self, name: &DatasourceName, message: Message) -> Option<Message> {
        let mut open = self.open();
        let Open { of_target, of_name, .. } = &mut *open;
        let Some(waiting) = of_name.get_mut(name) else { return Some(message) };
        let own = of_target.values_mut().find(|asked| asked.name == *name && asked.message.id == message.id);
        if let Some(own) = own {
            own.message.receipt = message.receipt;
        } else if let Some(same) = waiting.iter_mut().find(|other| other.id == message.id) {
            *same = message;
        } else {
            waiting.push(message);
        }
        None
    }

    /// A message that has waited long enough.
    pub(super) fn next_again(&self) -> Option<(Message, Outcome)> {
        self.open().again.pop_front()
    }

    /// Whether messages wait for a name that is under way.
    pub(super) fn is_waiting(&self) -> bool {
        let open = self.open();
        !open.again.is_empty() || open.of_name.values().any(|waiting| !waiting.is_empty())
    }

    /// How many messages are on the dead-letter queue by now.
    pub(in crate::run) fn set_aside_so_far(&self) -> u64 {
        self.set_aside.load(Ordering::Relaxed)
    }

    /// Acknowledges what asked for `target`, whose outcome is durable.
    pub(in crate::run) fn settled(&self, target: Seq, outcome: Outcome) {
        let settled = {
            let mut open = self.open();
            let settled = open.of_target.remove(&target);
            if let Some(asked) = &settled {
                let waiting = open.of_name.remove(&asked.name).unwrap_or_default();
                open.again.extend(waiting.into_iter().map(|message| (message, outcome)));
            }
            settled
        };
        if let Some(asked) = settled {
            self.acknowledge(asked.message.receipt);
        }
    }

    pub(super) fn acknowledge(&self, receipt: Receipt) {
        let acks = self.clone();
        self.tasks.spawn(async move {
            let told = acks.insist("acknowledge a message", || acks.queue.acknowledge(&receipt)).await;
            if let Err(error) = told {
                tracing::warn!(%error, "a message could not be acknowledged; the broker gives it out again");
            }
        });
    }

    /// Puts a message that makes no sense where it does no harm. Where the broker will not have it there as it is,
    /// what it is known by goes there in its place; and where it will not have that either, the run stops rather
    /// than meet the message again and again.
    pub(super) fn set_aside(&self, message: Message, why: String, notices: UnboundedSender<Notice>) {
        let acks = self.clone();
        self.tasks.spawn(async move {
            let mut refused =
                acks.insist("set a message aside", || acks.queue.set_aside(&message, &why)).await;
            if let Err(error) = refused {
                tracing::warn!(%error, message_id = message.id, "not all of the message goes to the dead-letter queue");
                let short = Message { body: stub(&message.body), ..message };
                refused = acks.insist("set a message aside", || acks.queue.set_aside(&short, &why)).await;
            }
            match refused {
                Ok(true) => drop(acks.set_aside.fetch_add(1, Ordering::Relaxed)),
                Ok(false) => {}
                // The run listens until its last worker is gone; after that, nothing is taken any more.
                Err(error) => drop(notices.send(Notice::Stop(error.into()))),
            }
        });
    }

    /// Gives back a message for which something may have been sent: who takes it next is told that it was given out
    /// before.
    pub(in crate::run) fn give_back(&self, message: Message) {
        let acks = self.clone();
        self.tasks.spawn(async move { acks.given_back(&message).await });
    }

    /// Puts a message for which nothing was sent on its queue anew, as if nobody had taken it.
    pub(in crate::run) fn put_back(&self, message: Message) {
        let acks = self.clone();
        self.tasks.spawn(async move {
            let body = [message.body.clone()];
            match acks.insist("put a message back", || acks.queue.put(&body)).await {
                Ok(true) => {
                    let told =
                        acks.insist("acknowledge a message", || acks.queue.acknowledge(&message.receipt));
                    if let Err(error) = told.await {
                        tracing::warn!(%error, "a message is on its queue twice");
                    }
                }
                Ok(false) => {}
                // Rather with a mark that says too much than not at all.
                Err(_) => acks.given_back(&message).await,
            }
        });
    }

    async fn given_back(&self, message: &Message) {
        let told = self.insist("give a message back", || self.queue.give_back(&message.receipt)).await;
        if let Err(error) = told {
            tracing::warn!(%error, "a message could not be given back; the broker gives it out again later");
        }
    }

    /// The targets without an outcome, in their order.
    pub(in crate::run) fn targets(&self) -> Vec<(Seq, DatasourceName)> {
        let open = self.open();
        let mut targets: Vec<_> =
            open.of_target.iter().map(|(target, asked)| (*target, asked.name.clone())).collect();
        targets.sort();
        targets
    }

    /// Takes out what asked for a target without an outcome.
    pub(in crate::run) fn take(&self, target: Seq) -> Option<Message> {
        self.open().of_target.remove(&target).map(|asked| asked.message)
    }

    /// What is owed no longer: what asked for targets without an outcome, and what waited for them.
    pub(in crate::run) fn take_rest(&self) -> (Vec<Message>, Vec<Message>) {
        let mut open = self.open();
        let asked = open.of_target.drain().map(|(_, asked)| asked.message).collect();
        let waiting: Vec<_> = open.of_name.drain().flat_map(|(_, waiting)| waiting).collect();
        let again: Vec<_> = open.again.drain(..).map(|(message, _)| message).collect();
        (asked, waiting.into_iter().chain(again).collect())
    }

    /// Tells the broker, as often as it has to be told, that these are being worked on.
    pub(in crate::run) async fn keep(self) {
        let Some(every) = self.queue.keep_every() else { return };
        loop {
            tokio::time::sleep(every).await;
            let receipts = self.receipts();
            if receipts.is_empty() {
                continue;
            }
            if let Err(error) = self.queue.keep(&receipts).await {
                tracing::warn!(%error, "the broker may give out again what is being worked on");
            }
        }
    }

    /// Waits until the broker knows all, but not for ever, and says goodbye to it.
    pub(in crate::run) async fn finish(&self) {
        self.tasks.close();
        if tokio::time::timeout(FAREWELL, self.tasks.wait()).await.is_err() {
            tracing::warn!("the broker could not be told of all that was done; it will give that out again");
            self.over.cancel();
            self.tasks.wait().await;
        }
        if tokio::time::timeout(FAREWELL, self.queue.close()).await.is_err() {
            tracing::warn!("the broker did not let go in time");
        }
    }

    /// Tries until the broker has understood; `false` where it has taken the message back, or is not waited for any
    /// longer.
    async fn insist<F>(&self, what: &'static str, mut ask: impl FnMut() -> F) -> Result<bool, QueueError>
    where
        F: Future<Output = Result<(), QueueError>>,
    {
        let mut pause = FIRST_PAUSE;
        loop {
            match ask().await {
                Ok(()) => return Ok(true),
                Err(QueueError::Stale { .. }) => {
                    tracing::debug!("the broker has taken a message back, and gives it out again");
                    return Ok(false);
                }
                Err(error) if error.may_pass() => {
                    tracing::debug!(%error, "could not {what}; trying again");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                        () = self.over.cancelled() => return Ok(false),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn receipts(&self) -> Vec<Receipt> {
        let open = self.open();
        let again = open.again.iter().map(|(message, _)| message);
        let waiting = open.of_name.values().flatten().chain(again).map(|message| message.receipt.clone());
        open.of_target.values().map(|asked| asked.message.receipt.clone()).chain(waiting).collect()
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        lock(&self.open)
    }
}

/// What a message is known by that is too large for the dead-letter queue.
fn stub(body: &[u8]) -> Vec<u8> {
    let digest = Sha256::digest(body).iter().fold(String::new(), |mut hex, byte| {
        use std::fmt::Write;
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let beginning: String = String::from_utf8_lossy(body).chars().take(KEPT_CHARS).collect();
    serde_json::json!({ "too_large": { "bytes": body.len(), "sha256": digest, "beginning": beginning } })
        .to_string()
        .into_bytes()
}
