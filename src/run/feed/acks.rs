//! Messages that were taken from the queue, and not yet acknowledged or given back.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::SideEvent;
use crate::domain::{DatasourceName, Outcome, Seq, hex, lock};
use crate::queue::{Message, Queue, QueueError, Receipt};

/// The pauses between two requests to a broker that cannot be reached: they double, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long the end of a run waits for a broker that cannot be reached. The broker delivers again what was not
/// acknowledged, and the audit log has the outcome of that.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a dead-letter queue may take no message if there is no limit for the broker as a whole.
const DEAD_LETTER_PATIENCE: Duration = Duration::from_mins(15);

/// How much of a message that is too large for the dead-letter queue is kept, in characters.
const KEPT_CHARS: usize = 1000;

#[derive(Clone)]
pub(in crate::run) struct PendingAcks {
    queue: Arc<dyn Queue>,
    messages: Arc<Mutex<Messages>>,
    tasks: TaskTracker,
    /// Cancelled when the broker is no longer waited for.
    abandoned: CancellationToken,
    /// How many messages are on the dead-letter queue.
    set_aside: Arc<AtomicU64>,
    /// How long the dead-letter queue may take no message while the broker can be reached.
    patience: Duration,
    /// Cleared while the broker cannot be reached.
    is_reachable: Arc<AtomicBool>,
    /// The digests of malformed messages that the broker has taken back before they were set aside.
    taken_back: Arc<Mutex<Vec<String>>>,
}

#[derive(Default)]
struct Messages {
    by_target: HashMap<Seq, TargetMessage>,
    /// The names that are under way, each with the other messages that have asked for it meanwhile.
    waiting: HashMap<DatasourceName, Vec<Message>>,
    /// Messages that waited for a name, each with the outcome of that name.
    ready: VecDeque<(Message, Outcome)>,
}

/// The message that asked for a target.
struct TargetMessage {
    name: DatasourceName,
    message: Message,
}

impl PendingAcks {
    pub(in crate::run) fn new(queue: Arc<dyn Queue>, max_outage: Option<Duration>) -> Self {
        Self {
            queue,
            messages: Arc::default(),
            tasks: TaskTracker::new(),
            abandoned: CancellationToken::new(),
            set_aside: Arc::default(),
            patience: max_outage.unwrap_or(DEAD_LETTER_PATIENCE),
            is_reachable: Arc::new(AtomicBool::new(true)),
            taken_back: Arc::default(),
        }
    }

    /// Takes note that `message` asked for `target`.
    pub(super) fn add(&self, target: Seq, name: DatasourceName, message: Message) {
        let mut messages = self.lock();
        messages.waiting.entry(name.clone()).or_default();
        messages.by_target.insert(target, TargetMessage { name, message });
    }

    /// Lets a message wait until the target of its name has its outcome; returns it if none is under way. A message
    /// that the broker delivers again, as it does after a restart, replaces itself.
    pub(super) fn defer(&self, name: &DatasourceName, message: Message) -> Option<Message> {
        let mut messages = self.lock();
        let Messages { by_target, waiting, .. } = &mut *messages;
        let Some(waiting) = waiting.get_mut(name) else { return Some(message) };
        let own = by_target.values_mut().find(|own| own.name == *name && own.message.id == message.id);
        if let Some(own) = own {
            own.message.receipt = message.receipt;
        } else if let Some(same) = waiting.iter_mut().find(|other| other.id == message.id) {
            *same = message;
        } else {
            waiting.push(message);
        }
        None
    }

    /// Returns a message whose name has an outcome, with that.
    pub(super) fn next_ready(&self) -> Option<(Message, Outcome)> {
        self.lock().ready.pop_front()
    }

    /// Returns true if the name of a message that waited for it has an outcome.
    pub(super) fn is_any_ready(&self) -> bool {
        !self.lock().ready.is_empty()
    }

    /// Returns true if messages wait for a name, or did and are ready.
    pub(super) fn has_waiting(&self) -> bool {
        let messages = self.lock();
        !messages.ready.is_empty() || messages.waiting.values().any(|waiting| !waiting.is_empty())
    }

    /// Takes note that the broker cannot be reached, or is there again.
    pub(super) fn note_reachable(&self, is_reachable: bool) {
        self.is_reachable.store(is_reachable, Ordering::Relaxed);
    }

    /// Returns false while the broker cannot be reached.
    pub(super) fn is_reachable(&self) -> bool {
        self.is_reachable.load(Ordering::Relaxed)
    }

    /// Returns how many messages are on the dead-letter queue.
    pub(in crate::run) fn set_aside_count(&self) -> u64 {
        self.set_aside.load(Ordering::Relaxed)
    }

    /// Returns how many messages wait in the queue, as far as the broker knows and replies soon.
    pub(in crate::run) async fn waiting(&self) -> u64 {
        match tokio::time::timeout(CLOSE_TIMEOUT, self.queue.waiting()).await {
            Ok(Ok(waiting)) => waiting,
            Ok(Err(error)) => {
                tracing::warn!(%error, "how many messages are left in the queue is not known");
                0
            }
            Err(_) => {
                tracing::warn!(
                    "how many messages are left in the queue is not known: the broker did not reply in time"
                );
                0
            }
        }
    }

    /// Acknowledges the message that asked for `target`, whose outcome is durable.
    pub(in crate::run) fn settled(&self, target: Seq, outcome: Outcome) {
        let settled = {
            let mut messages = self.lock();
            let settled = messages.by_target.remove(&target);
            if let Some(settled) = &settled {
                let waiting = messages.waiting.remove(&settled.name).unwrap_or_default();
                messages.ready.extend(waiting.into_iter().map(|message| (message, outcome)));
            }
            settled
        };
        if let Some(settled) = settled {
            self.acknowledge(settled.message.receipt);
        }
    }

    /// Returns true if the message that asked for `target` is certainly still with this worker. If not, it is left to
    /// others, and the messages that waited for its name are considered on their own.
    pub(super) async fn confirm(&self, target: Seq) -> bool {
        let receipt = self.lock().by_target.get(&target).map(|own| own.message.receipt.clone());
        let Some(receipt) = receipt else { return false };
        if self.queue.holds(&receipt).await {
            return true;
        }
        let lost = {
            let mut messages = self.lock();
            let lost = messages.by_target.remove(&target);
            if let Some(lost) = &lost {
                let waiting = messages.waiting.remove(&lost.name).unwrap_or_default();
                messages.ready.extend(waiting.into_iter().map(|message| (message, Outcome::Skipped)));
            }
            lost
        };
        if let Some(lost) = lost {
            tracing::warn!(
                datasource = lost.name.as_str(),
                "not sent: this worker gave no sign of life for so long that the broker may have given the message to another one"
            );
            // For the case that it has not.
            self.give_back(lost.message);
        }
        false
    }

    pub(super) fn acknowledge(&self, receipt: Receipt) {
        let acks = self.clone();
        self.tasks.spawn(async move {
            let result = acks.retry("acknowledge a message", || acks.queue.acknowledge(&receipt)).await;
            if let Err(error) = result {
                tracing::warn!(%error, "a message could not be acknowledged; the broker delivers it again");
            }
        });
    }

    /// Moves a malformed message to the dead-letter queue. If the broker refuses it there as it is, a message that
    /// identifies it is put there instead; if the broker refuses that, too, the run stops instead of receiving the
    /// message again and again.
    pub(super) fn set_aside(&self, message: Message, why: String, side_events: UnboundedSender<SideEvent>) {
        let (acks, digest) = (self.clone(), digest(&message.body));
        self.tasks.spawn(async move {
            let patience = Some(acks.patience);
            let what = "set a message aside";
            let mut result = acks.retry_within(patience, what, || acks.queue.set_aside(&message, &why)).await;
            if let Err(error) = &result
                && !error.is_transient()
            {
                tracing::warn!(%error, message_id = message.id, "only the beginning of the message goes to the dead-letter queue");
                let short = Message { body: stub(&message.body), ..message };
                result = acks.retry_within(patience, what, || acks.queue.set_aside(&short, &why)).await;
            }
            match result {
                Ok(true) => drop(acks.set_aside.fetch_add(1, Ordering::Relaxed)),
                Ok(false) => lock(&acks.taken_back).push(digest),
                // The run receives side events until its last worker ends; after that, no message is taken.
                Err(error) => drop(side_events.send(SideEvent::Stop(error.into()))),
            }
        });
    }

    /// Returns true if a malformed message with this body was taken back by the broker before it was set aside, and
    /// forgets that.
    pub(super) fn is_back(&self, body: &[u8]) -> bool {
        let (digest, mut taken_back) = (digest(body), lock(&self.taken_back));
        let place = taken_back.iter().position(|known| *known == digest);
        place.map(|place| taken_back.swap_remove(place)).is_some()
    }

    /// Gives back a message for which a request may have been sent. The next worker learns that it was delivered
    /// before.
    pub(in crate::run) fn give_back(&self, message: Message) {
        let acks = self.clone();
        self.tasks.spawn(async move { acks.send_back(&message).await });
    }

    /// Puts a message for which no request was sent on its queue again, as if it had not been taken.
    pub(in crate::run) fn put_back(&self, message: Message) {
        let acks = self.clone();
        self.tasks.spawn(async move {
            let body = [message.body.clone()];
            match acks.retry("put a message back", || acks.queue.put(&body)).await {
                Ok(true) => {
                    let result =
                        acks.retry("acknowledge a message", || acks.queue.acknowledge(&message.receipt));
                    if let Err(error) = result.await {
                        tracing::warn!(%error, "a message is on its queue twice");
                    }
                }
                Ok(false) => {}
                // Marked as delivered before, which is not so, rather than not on the queue at all.
                Err(_) => acks.send_back(&message).await,
            }
        });
    }

    async fn send_back(&self, message: &Message) {
        let result = self.retry("give a message back", || self.queue.give_back(&message.receipt)).await;
        if let Err(error) = result {
            tracing::warn!(%error, "a message could not be given back; the broker delivers it again later");
        }
    }

    /// Returns the targets without an outcome, in their order.
    pub(in crate::run) fn targets(&self) -> Vec<(Seq, DatasourceName)> {
        let messages = self.lock();
        let mut targets: Vec<_> =
            messages.by_target.iter().map(|(target, own)| (*target, own.name.clone())).collect();
        targets.sort();
        targets
    }

    /// Removes the message that asked for a target without an outcome.
    pub(in crate::run) fn take(&self, target: Seq) -> Option<Message> {
        self.lock().by_target.remove(&target).map(|own| own.message)
    }

    /// Removes the messages that asked for targets without an outcome, and those that waited for them.
    pub(in crate::run) fn take_rest(&self) -> (Vec<Message>, Vec<Message>) {
        let mut messages = self.lock();
        let of_targets = messages.by_target.drain().map(|(_, own)| own.message).collect();
        let waiting: Vec<_> = messages.waiting.drain().flat_map(|(_, waiting)| waiting).collect();
        let ready: Vec<_> = messages.ready.drain(..).map(|(message, _)| message).collect();
        (of_targets, waiting.into_iter().chain(ready).collect())
    }

    /// Reports to the broker, as often as it requires, that the messages are being worked on.
    pub(in crate::run) async fn keep(self) {
        let Some(every) = self.queue.extend_interval() else { return };
        loop {
            tokio::time::sleep(every).await;
            let receipts = self.receipts();
            if receipts.is_empty() {
                continue;
            }
            if let Err(error) = self.queue.extend(&receipts).await {
                tracing::warn!(%error, "the broker may deliver messages again that are being worked on");
            }
        }
    }

    /// Waits until the broker has everything, though not indefinitely, and closes the connection.
    pub(in crate::run) async fn finish(&self) {
        self.tasks.close();
        if tokio::time::timeout(CLOSE_TIMEOUT, self.tasks.wait()).await.is_err() {
            tracing::warn!("the broker did not take every acknowledgement; it delivers those messages again");
            self.abandoned.cancel();
            self.tasks.wait().await;
        }
        if tokio::time::timeout(CLOSE_TIMEOUT, self.queue.close()).await.is_err() {
            tracing::warn!("the connection to the broker did not close in time");
        }
    }

    /// Sends a request until the broker has taken it. Returns false if the broker has taken the message back, or is no
    /// longer waited for.
    async fn retry<F>(&self, what: &'static str, ask: impl FnMut() -> F) -> Result<bool, QueueError>
    where
        F: Future<Output = Result<(), QueueError>>,
    {
        self.retry_within(None, what, ask).await
    }

    /// The same, and fails if the broker can be reached and has not taken it within `patience`.
    async fn retry_within<F>(
        &self,
        patience: Option<Duration>,
        what: &'static str,
        mut ask: impl FnMut() -> F,
    ) -> Result<bool, QueueError>
    where
        F: Future<Output = Result<(), QueueError>>,
    {
        let mut pause = FIRST_PAUSE;
        let mut since = Instant::now();
        loop {
            if !self.is_reachable() {
                since = Instant::now();
            }
            match ask().await {
                Ok(()) => return Ok(true),
                Err(QueueError::Expired { .. }) => {
                    tracing::debug!("the broker has taken a message back, and delivers it again");
                    return Ok(false);
                }
                Err(error) if error.is_transient() && patience.is_none_or(|most| since.elapsed() < most) => {
                    tracing::debug!(%error, "could not {what}; trying again");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                        () = self.abandoned.cancelled() => return Ok(false),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn receipts(&self) -> Vec<Receipt> {
        let messages = self.lock();
        let ready = messages.ready.iter().map(|(message, _)| message);
        let waiting = messages.waiting.values().flatten().chain(ready).map(|message| message.receipt.clone());
        messages.by_target.values().map(|own| own.message.receipt.clone()).chain(waiting).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Messages> {
        lock(&self.messages)
    }
}

fn digest(body: &[u8]) -> String {
    hex(Sha256::digest(body))
}

/// Returns what identifies a message that is too large for the dead-letter queue.
fn stub(body: &[u8]) -> Vec<u8> {
    let digest = digest(body);
    let beginning: String = String::from_utf8_lossy(body).chars().take(KEPT_CHARS).collect();
    serde_json::json!({ "too_large": { "bytes": body.len(), "sha256": digest, "beginning": beginning } })
        .to_string()
        .into_bytes()
}
