//! Chance that can be repeated: every draw is a digest of the seed and of what it is drawn for.
//!
//! A running generator would hand out its numbers in the order in which requests happen to arrive. A
//! digest of (seed, purpose, name, how often) gives each request its own, whatever the concurrency,
//! and the same on every machine and with every version of a random number crate.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::faults::ALL_LOTS;

/// What a draw is for. Draws for different purposes are independent of each other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Whether a name is in use, missing or neither.
    Fate,
    /// How many datamarts read a name that is in use, and how they are called.
    Datamarts,
    /// The fault of one request.
    Fault,
    /// The id that a deletion answers with.
    Id,
}

/// The source of all draws of one emulator.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lots {
    seed: u64,
}

impl Lots {
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// A number below [`ALL_LOTS`].
    pub(super) fn lot(self, purpose: Purpose, name: &str, nth: u32) -> u64 {
        let [a, b, c, d, ..] = self.draw(purpose, name, nth);
        (u64::from(u32::from_le_bytes([a, b, c, d])) * ALL_LOTS) >> u32::BITS
    }

    /// A number below `bound`, which is small.
    pub(super) fn below(self, bound: u8, purpose: Purpose, name: &str, nth: u32) -> u8 {
        let [first, ..] = self.draw(purpose, name, nth);
        first % bound.max(1)
    }

    /// The UUID (version 8: its bits are this program's own) of a deleted datasource.
    pub(super) fn uuid(self, name: &str) -> String {
        let mut text = String::with_capacity(36);
        for (at, byte) in self.draw(Purpose::Id, name, 0).iter().take(16).enumerate() {
            let byte = match at {
                6 => byte & 0x0f | 0x80,
                8 => byte & 0x3f | 0x80,
                _ => *byte,
            };
            if matches!(at, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    fn draw(self, purpose: Purpose, name: &str, nth: u32) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.seed.to_le_bytes())
            .chain_update([purpose as u8])
            .chain_update(nth.to_le_bytes())
            .chain_update(name)
            .finalize()
            .into()
    }
}
