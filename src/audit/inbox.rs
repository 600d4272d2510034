//! What is handed to the writer, in the order in which it came.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::entry::{Entry, RunOpening};
use super::relay::Waiter;
use crate::vocabulary::NewTarget;

/// The targets that a run begins with, read once, in order.
pub type NewTargets = Box<dyn Iterator<Item = std::io::Result<NewTarget>> + Send>;

/// What the writer is asked for.
pub(super) enum Command {
    /// Append one record.
    Append(Entry, Waiter),
    /// Append a run and all its targets, all or nothing.
    Begin(RunOpening, NewTargets, Waiter),
    /// Write what came before, and say so.
    Flush(Waiter),
    /// From now on wait so long for more records before each commit.
    Gather(Duration),
}

/// Records that become durable together, each with who waits for it.
pub(super) type Batch = Vec<(Entry, Waiter)>;

/// What is handed to the writer.
pub(super) struct Inbox {
    receiver: Receiver<Command>,
    /// Taken out, and left for later.
    ahead: Option<Command>,
}

impl Inbox {
    pub(super) fn of(receiver: Receiver<Command>) -> Self {
        Self { receiver, ahead: None }
    }

    /// The next command, as soon as there is one; `None` once nobody is left to give any.
    pub(super) fn next(&mut self) -> Option<Command> {
        self.ahead.take().or_else(|| self.receiver.recv().ok())
    }

    /// Takes the records that lie here onto `batch`, until it has `most`. Whether others may join them later:
    /// not where it is full, or something else is to be done first.
    pub(super) fn take_records(&mut self, batch: &mut Batch, most: usize) -> bool {
        while self.ahead.is_none() && batch.len() < most {
            match self.receiver.try_recv() {
                Ok(Command::Append(entry, waiter)) => batch.push((entry, waiter)),
                Ok(other) => self.ahead = Some(other),
                Err(_) => return true,
            }
        }
        false
    }
}
