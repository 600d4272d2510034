//! Tells many who wait at once that their records are durable.
//!
//! A commit settles many records. Told one by one from the writer's thread, each would wake the
//! runtime with a system call of its own; so what a commit settled crosses over as one message, and
//! is told further by a task of the runtime.

use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, error::SendError, unbounded_channel};

use super::WriteResult;

/// Called once the record is durable, or cannot become so.
pub(super) type Done = Box<dyn FnOnce(WriteResult) + Send>;

/// Those who wait, each with what it waits for.
pub(super) type Told = Vec<(Done, WriteResult)>;

/// The way from the writer to those who wait. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Relay(Arc<OnceLock<UnboundedSender<Told>>>);

impl Relay {
    /// Tells all of `told`: by the runtime's task where there is one, and here otherwise.
    pub(super) fn tell(&self, told: Told) {
        let left = match self.0.get() {
            None => told,
            Some(sender) => match sender.send(told) {
                Ok(()) => return,
                Err(SendError(told)) => told,
            },
        };
        tell_all(left);
    }

    /// The runtime's task. A second one has nothing to do.
    pub(super) fn run(&self) -> impl Future<Output = ()> + Send + 'static {
        let (sender, receiver) = unbounded_channel();
        let receiver = self.0.set(sender).is_ok().then_some(receiver);
        async {
            if let Some(receiver) = receiver {
                pass_on(receiver).await;
            }
        }
    }
}

async fn pass_on(mut receiver: UnboundedReceiver<Told>) {
    while let Some(told) = receiver.recv().await {
        tell_all(told);
    }
}

fn tell_all(told: Told) {
    for (done, result) in told {
        done(result);
    }
}
