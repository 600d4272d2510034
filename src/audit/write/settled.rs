//! Which targets have their outcome, so that none gets a second one.
//!
//! Of the targets that a run began with here, each has a bit in memory, as nobody else writes to the log
//! meanwhile. Any other is looked for in the log.

/// The targets that are settled.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// The place of the record that the first bit is for.
    first: i64,
    /// One bit for each record from there on.
    bits: Vec<u64>,
    /// What was settled in a transaction that is not durable yet.
    open: Vec<i64>,
}

impl Settled {
    /// None of those from the place `first` on.
    pub(super) fn none_from(first: i64) -> Self {
        Self { first, ..Self::default() }
    }

    /// Knows of all places up to `last` what is settled.
    pub(super) fn know_to(&mut self, last: i64) {
        if let Ok(places) = usize::try_from(last - self.first + 1) {
            self.bits.resize(self.bits.len().max(places.div_ceil(64)), 0);
        }
    }

    /// Notes that `target`, of which it is to be known, is settled and durable.
    pub(super) fn add(&mut self, target: i64) {
        self.know_to(target);
        self.set(target, true);
    }

    /// Settles `target` in a transaction. Whether it was not yet; `look` finds that out in the log, which holds
    /// all that came before but for at most the last `unwritten` of this transaction.
    pub(super) fn settle(
        &mut self,
        target: i64,
        unwritten: usize,
        look: impl FnOnce() -> rusqlite::Result<bool>,
    ) -> rusqlite::Result<bool> {
        let before = match self.set(target, true) {
            Some(before) => before,
            None => self.open.iter().rev().take(unwritten).any(|&open| open == target) || look()?,
        };
        if !before {
            self.open.push(target);
        }
        Ok(!before)
    }

    /// The transaction is durable.
    pub(super) fn keep(&mut self) {
        self.open.clear();
    }

    /// The transaction is undone.
    pub(super) fn undo(&mut self) {
        for target in std::mem::take(&mut self.open) {
            self.set(target, false);
        }
    }

    /// Sets the bit of `target` to `now`. What it was before; `None` where it has none.
    fn set(&mut self, target: i64, now: bool) -> Option<bool> {
        let place = usize::try_from(target.checked_sub(self.first)?).ok()?;
        let word = self.bits.get_mut(place / 64)?;
        let bit = 1 << (place % 64);
        let before = *word & bit != 0;
        *word = if now { *word | bit } else { *word & !bit };
        Some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_memory() -> rusqlite::Result<bool> {
        panic!("it has a bit")
    }

    #[test]
    fn each_target_is_settled_once_until_its_transaction_is_undone() {
        let mut settled = Settled::none_from(3);
        settled.add(70);
        settled.know_to(200);
        for target in [3, 64, 66, 67, 200] {
            assert!(settled.settle(target, 0, in_memory).unwrap(), "{target}");
            assert!(!settled.settle(target, 0, in_memory).unwrap(), "{target}");
        }
        assert!(!settled.settle(70, 0, in_memory).unwrap());
        settled.undo();
        assert!(settled.settle(64, 0, in_memory).unwrap());
        settled.keep();
        settled.undo();
        assert!(!settled.settle(64, 0, in_memory).unwrap());
        assert!(!settled.settle(70, 0, in_memory).unwrap());
    }

    #[test]
    fn a_target_without_a_bit_is_looked_for() {
        let mut settled = Settled::none_from(100);
        settled.know_to(163);
        for target in [i64::MIN, 1, 99, 164, i64::MAX] {
            assert!(!settled.settle(target, 1, || Ok(true)).unwrap(), "{target}");
            assert!(settled.settle(target, 1, || Ok(false)).unwrap(), "{target}");
            assert!(!settled.settle(target, 1, || Ok(false)).unwrap(), "{target} is not in the log yet");
        }
        settled.undo();
        assert!(settled.settle(1, 1, || Ok(false)).unwrap());
        assert!(settled.settle(2, 1, || Err(rusqlite::Error::InvalidQuery)).is_err());
    }
}
