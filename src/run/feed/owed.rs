//! What is owed to the queue: messages that were taken, and not yet acknowledged or given back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::queue::{Message, Queue, QueueError, Receipt};
use crate::vocabulary::{DatasourceName, Seq};

/// The pauses between two tries to reach a broker that is away: they double, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// For how long, at the end of a run, a broker that is away is waited for. What it was not told it gives
/// out again, and the audit log knows what became of that.
const FAREWELL: Duration = Duration::from_secs(10);

/// Messages that were taken, and not yet acknowledged or given back.
#[derive(Clone)]
pub(in crate::run) struct Owed {
    queue: Arc<dyn Queue>,
    open: Arc<Mutex<Open>>,
    tasks: TaskTracker,
    /// Cancelled when nobody waits for the broker any longer.
    over: CancellationToken,
}

#[derive(Default)]
struct Open {
    of_target: HashMap<Seq, (DatasourceName, Vec<Receipt>)>,
    of_name: HashMap<DatasourceName, Seq>,
}

impl Owed {
    pub(in crate::run) fn new(queue: Arc<dyn Queue>) -> Self {
        let over = CancellationToken::new();
        Self { queue, open: Arc::default(), tasks: TaskTracker::new(), over }
    }

    /// Notes that a message asked for `target`.
    pub(super) fn add(&self, target: Seq, name: DatasourceName, receipt: Receipt) {
        let mut open = self.open();
        open.of_name.insert(name.clone(), target);
        open.of_target.insert(target, (name, vec![receipt]));
    }

    /// Lets a further message share the fate of the target that has its name and is under way; `false`
    /// where there is none.
    pub(super) fn join(&self, name: &DatasourceName, receipt: &Receipt) -> bool {
        let mut open = self.open();
        let Some(target) = open.of_name.get(name).copied() else { return false };
        let Some((_, receipts)) = open.of_target.get_mut(&target) else { return false };
        receipts.push(receipt.clone());
        true
    }

    /// Acknowledges what asked for `target`, whose outcome is durable.
    pub(in crate::run) fn settled(&self, target: Seq) {
        for receipt in self.take(target) {
            self.acknowledge(receipt);
        }
    }

    pub(super) fn acknowledge(&self, receipt: Receipt) {
        let owed = self.clone();
        self.tasks.spawn(async move {
            owed.insist("acknowledge a message", || owed.queue.acknowledge(&receipt)).await;
        });
    }

    /// Puts a message that makes no sense where it does no harm.
    pub(super) fn set_aside(&self, message: Message, why: String) {
        let owed = self.clone();
        self.tasks.spawn(async move {
            owed.insist("set a message aside", || owed.queue.set_aside(&message, &why)).await;
        });
    }

    pub(in crate::run) fn give_back(&self, receipts: Vec<Receipt>) {
        for receipt in receipts {
            let owed = self.clone();
            self.tasks.spawn(async move {
                owed.insist("give a message back", || owed.queue.give_back(&receipt)).await;
            });
        }
    }

    /// The targets without an outcome.
    pub(in crate::run) fn targets(&self) -> Vec<Seq> {
        let mut targets: Vec<_> = self.open().of_target.keys().copied().collect();
        targets.sort();
        targets
    }

    /// The targets without an outcome, each with what asked for it; they are owed no longer.
    pub(in crate::run) fn take_rest(&self) -> Vec<(Seq, Vec<Receipt>)> {
        let mut open = self.open();
        open.of_name.clear();
        let mut rest: Vec<_> =
            open.of_target.drain().map(|(target, (_, receipts))| (target, receipts)).collect();
        rest.sort_by_key(|(target, _)| *target);
        rest
    }

    /// Tells the broker, as often as it has to be told, that these are being worked on.
    pub(in crate::run) async fn keep(self) {
        let Some(every) = self.queue.keep_every() else { return };
        loop {
            tokio::time::sleep(every).await;
            let receipts: Vec<_> =
                self.open().of_target.values().flat_map(|(_, receipts)| receipts.clone()).collect();
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

    /// Tries until the broker has understood, or will never.
    async fn insist<F>(&self, what: &'static str, mut ask: impl FnMut() -> F)
    where
        F: Future<Output = Result<(), QueueError>>,
    {
        let mut pause = FIRST_PAUSE;
        loop {
            match ask().await {
                Ok(()) => return,
                Err(QueueError::Stale { .. }) => {
                    tracing::debug!("the broker has taken a message back, and gives it out again");
                    return;
                }
                Err(error) if error.may_pass() => {
                    tracing::debug!(%error, "could not {what}; trying again");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                        () = self.over.cancelled() => return,
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "could not {what}; the broker gives it out again");
                    return;
                }
            }
        }
    }

    fn take(&self, target: Seq) -> Vec<Receipt> {
        let mut open = self.open();
        let Some((name, receipts)) = open.of_target.remove(&target) else { return Vec::new() };
        open.of_name.remove(&name);
        receipts
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
