//! Tells many who wait at once that their records are durable.
//!
//! A commit settles many records. Told one by one from the writer's thread, each would wake its
//! runtime with a system call of its own; so what a commit settled crosses over as one message to each
//! runtime, and is told further by a task there.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, error::SendError, unbounded_channel};

use super::WriteResult;

/// Called once the record is durable, or cannot become so.
pub(super) type Done = Box<dyn FnOnce(WriteResult) + Send>;

/// Those who wait, each with what it waits for.
type Told = Vec<(Done, WriteResult)>;

/// The way from the writer to those who wait in one place. Clones share it. `None`: they are told from the
/// writer's thread.
#[derive(Debug, Clone, Default)]
pub(super) struct Relay(Option<Arc<UnboundedSender<Told>>>);

/// Somebody who waits for a record.
pub(super) struct Waiter {
    pub(super) done: Done,
    pub(super) relay: Relay,
}

impl Relay {
    /// A way to where the task runs that is returned with it.
    pub(super) fn open() -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, receiver) = unbounded_channel();
        (Self(Some(Arc::new(sender))), pass_on(receiver))
    }

    fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }

    fn tell(&self, told: Told) {
        let left = match &self.0 {
            None => told,
            Some(sender) => match sender.send(told) {
                Ok(()) => return,
                Err(SendError(told)) => told,
            },
        };
        tell_all(left);
    }
}

/// Tells everybody, with one message to each place where somebody waits.
pub(super) fn tell(results: impl Iterator<Item = (Waiter, WriteResult)>) {
    let mut places: Vec<(Relay, Told)> = Vec::new();
    for (Waiter { done, relay }, result) in results {
        let told = (done, result);
        match places.iter_mut().find(|(place, _)| place.is(&relay)) {
            Some((_, all)) => all.push(told),
            None => places.push((relay, vec![told])),
        }
    }
    for (relay, told) in places {
        relay.tell(told);
    }
}

async fn pass_on(receiver: UnboundedReceiver<Told>) {
    let mut receiver = Receiver(receiver);
    while let Some(told) = receiver.0.recv().await {
        tell_all(told);
    }
}

/// What was handed over is told even where the runtime ends first.
struct Receiver(UnboundedReceiver<Told>);

impl Drop for Receiver {
    fn drop(&mut self) {
        self.0.close();
        while let Ok(told) = self.0.try_recv() {
            tell_all(told);
        }
    }
}

fn tell_all(told: Told) {
    for (done, result) in told {
        done(result);
    }
}
