//! What is handed to the writer, in the order in which it came.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::entry::{Entry, RunOpening};
use super::relay::{Place, Relay, Waiter};
use crate::domain::NewTarget;

/// The targets that a run begins with, read once, in order.
pub type NewTargets = Box<dyn Iterator<Item = std::io::Result<NewTarget>> + Send>;

/// What the writer is asked for.
pub(super) enum Command {
    /// Append one record.
    Append(Entry, Waiter),
    /// Append a run and all its targets, all or nothing.
    Begin(Box<RunOpening>, NewTargets, Waiter),
    /// Write what came before, and say so.
    Flush(Waiter),
    /// From now on tell those who wait at this place by that way.
    Relay(Place, Relay),
    /// From now on wait for more records before each commit.
    Gather(Gathering),
    /// Do this on the writer's thread.
    Call(Box<dyn FnOnce() + Send>),
}

// Each is copied from one thread's memory to the other's several times: what is rare and large is in a box.
const _: () = assert!(size_of::<Command>() <= 96);

/// How records come to share a commit: it waits until so many are there, or so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gathering {
    /// How many are enough.
    pub records: usize,
    /// How long they are waited for at the most.
    pub time: Duration,
}

impl Gathering {
    /// Whoever comes first has a commit at once.
    pub(super) const NONE: Self = Self { records: 0, time: Duration::ZERO };
}

/// Records that become durable together, each with who waits for it.
pub(super) type Batch = Vec<(Entry, Waiter)>;

/// Opens an inbox, and the way into it.
pub(super) fn open() -> (Outbox, Inbox) {
    let (sender, receiver) = channel();
    let bell = Arc::new(Bell::default());
    (
        Outbox { sender, bell: bell.clone(), places: Arc::default() },
        Inbox { receiver, bell, taken: 0, ahead: None },
    )
}

/// The way to the writer. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    sender: Sender<Command>,
    bell: Arc<Bell>,
    /// How many places have a number.
    places: Arc<AtomicUsize>,
}

impl Outbox {
    /// A number for a place where somebody waits.
    pub(super) fn new_place(&self) -> Place {
        Place(NonZeroUsize::new(self.places.fetch_add(1, Ordering::Relaxed) + 1))
    }

    /// Hands `command` to the writer.
    ///
    /// # Errors
    /// The command, where the writer is gone.
    pub(super) fn send(&self, command: Command) -> Result<(), Box<Command>> {
        self.sender.send(command).map_err(|SendError(command)| Box::new(command))?;
        self.bell.sent();
        Ok(())
    }
}

/// What is handed to the writer.
pub(super) struct Inbox {
    receiver: Receiver<Command>,
    bell: Arc<Bell>,
    /// How many commands came out of the channel.
    taken: usize,
    /// Taken out, and left for later.
    ahead: Option<Command>,
}

impl Inbox {
    /// The next command, as soon as there is one; `None` once nobody is left to give any.
    pub(super) fn next(&mut self) -> Option<Command> {
        self.ahead.take().or_else(|| {
            let command = self.receiver.recv().ok();
            self.taken += usize::from(command.is_some());
            command
        })
    }

    /// Takes the records that lie here onto `batch`, until it has `most`. Whether others may join them later:
    /// not where it is full, or something else is to be done first.
    pub(super) fn take_records(&mut self, batch: &mut Batch, most: usize) -> bool {
        while self.ahead.is_none() && batch.len() < most {
            let Ok(command) = self.receiver.try_recv() else { return true };
            self.taken += 1;
            match command {
                Command::Append(entry, waiter) => batch.push((entry, waiter)),
                other => self.ahead = Some(other),
            }
        }
        false
    }

    /// Sleeps until `more` commands lie here than were taken, or until then.
    pub(super) fn wait_for(&self, more: usize, until: Instant) {
        self.bell.wait_for(self.taken + more, until);
    }
}

/// Wakes the writer once for as many commands as it waits for, where the channel would for each of them.
#[derive(Debug)]
struct Bell {
    /// How many commands were ever sent.
    sent: AtomicUsize,
    /// It rings when so many were.
    rings_at: AtomicUsize,
    /// Who is woken.
    writer: OnceLock<Thread>,
}

impl Default for Bell {
    fn default() -> Self {
        Self { sent: AtomicUsize::new(0), rings_at: AtomicUsize::new(usize::MAX), writer: OnceLock::new() }
    }
}

impl Bell {
    // In one order for both threads: either the sender sees when it is to ring, or the writer that it is time.
    fn sent(&self) {
        let sent = self.sent.fetch_add(1, Ordering::SeqCst) + 1;
        if sent == self.rings_at.load(Ordering::SeqCst)
            && let Some(writer) = self.writer.get()
        {
            writer.unpark();
        }
    }

    fn wait_for(&self, sent: usize, until: Instant) {
        self.writer.get_or_init(thread::current);
        self.rings_at.store(sent, Ordering::SeqCst);
        while self.sent.load(Ordering::SeqCst) < sent {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::park_timeout(left);
        }
        self.rings_at.store(usize::MAX, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Duration = Duration::from_hours(1);

    fn gather(outbox: &Outbox) {
        assert!(outbox.send(Command::Gather(Gathering::NONE)).is_ok());
    }

    #[test]
    fn the_writer_sleeps_until_enough_lies_in_its_inbox() {
        let (outbox, mut inbox) = open();
        gather(&outbox);
        assert!(inbox.next().is_some());
        // What was taken does not count, and what lies there does, whoever is faster.
        for _ in 0..100 {
            gather(&outbox);
            let sender = outbox.clone();
            let others = thread::spawn(move || (0..2).for_each(|_| gather(&sender)));
            inbox.wait_for(3, Instant::now() + NEVER);
            for _ in 0..3 {
                assert!(inbox.receiver.try_recv().is_ok(), "it woke before enough was there");
                inbox.taken += 1;
            }
            others.join().unwrap();
        }
    }

    #[test]
    fn it_sleeps_no_longer_than_it_may() {
        let (outbox, inbox) = open();
        gather(&outbox);
        inbox.wait_for(2, Instant::now() + Duration::from_millis(1));
        inbox.wait_for(2, Instant::now());
    }
}
