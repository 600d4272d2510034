//! The leases of unsettled messages, as far as this worker can be certain of them.
//!
//! A broker takes a message back when it has heard nothing for the length of a lease, and reports that to no one. So
//! each lease is counted from before the last request that the broker has confirmed, by a clock that goes on while the
//! worker sleeps: it never ends later here than at the broker.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::{Message, QueueError, Receipt};
use crate::domain::{BootTime, lock};

/// The leases of the unsettled messages of one worker.
#[derive(Debug)]
pub(super) struct Leases {
    length: Duration,
    ends: Mutex<HashMap<Receipt, BootTime>>,
}

impl Leases {
    pub(super) fn new(length: Duration) -> Self {
        Self { length, ends: Mutex::default() }
    }

    pub(super) const fn length(&self) -> Duration {
        self.length
    }

    /// The longest wait for one message: of a lease that is counted from before that, most is left.
    fn longest_wait(&self) -> Duration {
        self.length / 3
    }

    /// Takes a message with `ask`, which waits for the time that it is given, again and again until `wait` is over.
    pub(super) async fn take<F>(
        &self,
        wait: Duration,
        mut ask: impl FnMut(Duration) -> F,
    ) -> Result<Option<Message>, QueueError>
    where
        F: Future<Output = Result<Option<Message>, QueueError>>,
    {
        let end = Instant::now() + wait;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let message = ask(left.min(self.longest_wait())).await?;
            if message.is_some() || Instant::now() >= end {
                return Ok(message);
            }
        }
    }

    /// Counts the lease of a message from `since`, when it was asked for.
    pub(super) fn begin(&self, receipt: Receipt, since: BootTime) {
        self.ends().insert(receipt, since + self.length);
    }

    /// Returns true if the message certainly is still with this worker.
    pub(super) fn is_held(&self, receipt: &Receipt) -> bool {
        self.ends().get(receipt).is_some_and(|end| BootTime::now() < *end)
    }

    /// Counts the lease from `since`, when a renewal was sent that the broker has confirmed. One that has ended by now
    /// stays so: the broker may have given the message to another worker before it saw the renewal.
    pub(super) fn renew(&self, receipt: &Receipt, since: BootTime) {
        if self.is_held(receipt) {
            self.confirm(receipt, since);
        }
    }

    /// Counts the lease from `since`, when a renewal was sent that the broker has confirmed only because the message was
    /// still with this worker.
    pub(super) fn confirm(&self, receipt: &Receipt, since: BootTime) {
        // Unless it was settled meanwhile.
        self.ends().entry(receipt.clone()).and_modify(|end| *end = since + self.length);
    }

    /// Forgets a message that was settled, or that is another worker's.
    pub(super) fn remove(&self, receipt: &Receipt) {
        self.ends().remove(receipt);
    }

    pub(super) fn clear(&self) {
        self.ends().clear();
    }

    /// The messages that are not settled, also those whose lease has ended.
    pub(super) fn unsettled(&self) -> Vec<Receipt> {
        self.ends().keys().cloned().collect()
    }

    fn ends(&self) -> MutexGuard<'_, HashMap<Receipt, BootTime>> {
        lock(&self.ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_counted_from_its_request_and_does_not_come_back() {
        let leases = Leases::new(Duration::from_millis(50));
        let (late, in_time) = (Receipt("late".to_owned()), Receipt("in time".to_owned()));
        let now = BootTime::now();
        leases.begin(late.clone(), now);
        leases.begin(in_time.clone(), now + Duration::from_mins(1));
        while now.elapsed() < Duration::from_millis(50) {
            std::thread::yield_now();
        }
        assert!(!leases.is_held(&late) && leases.is_held(&in_time));
        for receipt in [&late, &in_time] {
            leases.renew(receipt, BootTime::now() + Duration::from_mins(1));
        }
        assert!(!leases.is_held(&late) && leases.is_held(&in_time));
        leases.confirm(&late, BootTime::now() + Duration::from_mins(1));
        assert!(leases.is_held(&late), "the broker has looked itself");
        leases.remove(&in_time);
        assert!(!leases.is_held(&in_time));
        assert_eq!(leases.unsettled(), [late]);
    }
}
