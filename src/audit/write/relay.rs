//! Tells many who wait at once that their records are durable.
//!
//! A commit settles many records. Told one by one from the writer's thread, each would wake its
//! runtime with a system call of its own; so what a commit settled crosses over as one message to each
//! runtime, and is told further by a task there.

use std::num::NonZeroUsize;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, error::SendError, unbounded_channel};

use super::WriteResult;

/// Called once the record is durable, or cannot become so.
pub(super) type Done = Box<dyn FnOnce(WriteResult) + Send>;

/// Those who wait, each with what it waits for.
type Told = Vec<(Done, WriteResult)>;

/// Where somebody waits: at the end of one of the writer's [`Relays`]. `None`: they are told from the writer's
/// thread. A number, as who counts clones of a way itself would do so on two processors for each record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place(pub(super) Option<NonZeroUsize>);

/// Somebody who waits for a record.
pub(super) struct Waiter {
    pub(super) done: Done,
    pub(super) place: Place,
}

/// The way from the writer to one place.
pub(super) struct Relay(UnboundedSender<Told>);

impl Relay {
    /// A way to where the task runs that is returned with it.
    pub(super) fn open() -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), pass_on(receiver))
    }
}

/// The ways from the writer to all places.
#[derive(Default)]
pub(super) struct Relays(Vec<(Place, Relay)>);

impl Relays {
    /// From now on those who wait at `place` are told by `relay`.
    pub(super) fn add(&mut self, place: Place, relay: Relay) {
        self.0.push((place, relay));
    }

    /// Tells everybody, with one message to each place where somebody waits.
    pub(super) fn tell(&self, results: impl Iterator<Item = (Waiter, WriteResult)>) {
        let mut places: Vec<(Place, Told)> = Vec::new();
        for (Waiter { done, place }, result) in results {
            let told = (done, result);
            match places.iter_mut().find(|(other, _)| *other == place) {
                Some((_, all)) => all.push(told),
                None => places.push((place, vec![told])),
            }
        }
        for (place, told) in places {
            self.tell_at(place, told);
        }
    }

    fn tell_at(&self, place: Place, told: Told) {
        let relay = self.0.iter().find(|(other, _)| *other == place);
        let left = match relay {
            None => told,
            Some((_, Relay(sender))) => match sender.send(told) {
                Ok(()) => return,
                Err(SendError(told)) => told,
            },
        };
        tell_all(left);
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
