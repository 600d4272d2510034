//! Reports how much is on the queue, and how much of the day's limit is used, as long as the run lasts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::super::SideEvent;
use super::PendingAcks;
use super::budget::BudgetGate;
use crate::domain::{Clock, RunEvent};
use crate::queue::Queue;

/// How often the broker is asked.
const EVERY: Duration = Duration::from_secs(15);

/// What is reported while targets are taken from a queue.
pub(in crate::run) struct QueueGauges {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) acks: PendingAcks,
    pub(super) budget: Arc<BudgetGate>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) side_events: UnboundedSender<SideEvent>,
}

impl QueueGauges {
    /// Reports until it is dropped. What the broker does not say now is left out.
    pub(in crate::run) async fn report(self) {
        loop {
            if let Some((used, limit)) = self.budget.extent() {
                self.send(RunEvent::Budget { used, limit });
            }
            // A request to a broker that is away would hold up those that the worker waits with.
            if self.acks.is_reachable() {
                match self.queue.backlog().await {
                    Ok(backlog) => {
                        let now = self.clock.timestamp();
                        let oldest = backlog.oldest.map(|at| now.since(at));
                        self.send(RunEvent::Backlog { messages: backlog.messages, oldest });
                    }
                    Err(error) => tracing::debug!(%error, "how much is on the queue is not known"),
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    fn send(&self, event: RunEvent) {
        // The run receives side events until its last worker ends.
        let _ = self.side_events.send(SideEvent::Gauge(event));
    }
}
