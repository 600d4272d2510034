//! Repeatable chance: every draw is a digest of the seed and of what it is drawn for.
//!
//! A random number generator would give out its numbers in the order in which requests happen to arrive. A digest
//! of (seed, purpose, name, how often) gives each request its own, whatever the concurrency, and the same on every
//! machine.

use sha2::{Digest, Sha256};

use super::faults::ALL_DRAWS;
use crate::domain::hex;

/// What a draw is for. Draws for different purposes are independent.
#[derive(Debug, Clone, Copy)]
pub(super) enum DrawPurpose {
    /// Whether a name is in use, missing or neither.
    NameFault,
    /// How many datamarts read a name that is in use, and their names.
    Datamarts,
    /// The fault of one request.
    RequestFault,
    /// The id in the reply to a deletion.
    Id,
    /// The fault of one page of a listing.
    PageFault,
    /// The fault of one request for a datamart.
    DatamartFault,
    /// How many tables and columns a datamart has.
    Definition,
}

/// The source of all draws of one emulator.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance {
    pub(super) seed: u64,
}

impl Chance {
    /// A number below [`ALL_DRAWS`].
    pub(super) fn draw(self, purpose: DrawPurpose, name: &str, nth: u32) -> u64 {
        let [a, b, c, d, ..] = self.digest(purpose, name, nth);
        (u64::from(u32::from_le_bytes([a, b, c, d])) * ALL_DRAWS) >> u32::BITS
    }

    /// A number below `bound`, which is small.
    pub(super) fn below(self, bound: u8, purpose: DrawPurpose, name: &str, nth: u32) -> u8 {
        let [first, ..] = self.digest(purpose, name, nth);
        first % bound.max(1)
    }

    /// The UUID of a deleted datasource, of version 8, whose bits are free to choose.
    pub(super) fn uuid(self, name: &str) -> String {
        let mut bytes = self.digest(DrawPurpose::Id, name, 0);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        [&bytes[..4], &bytes[4..6], &bytes[6..8], &bytes[8..10], &bytes[10..16]].map(hex).join("-")
    }

    fn digest(self, purpose: DrawPurpose, name: &str, nth: u32) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.seed.to_le_bytes())
            .chain_update([purpose as u8])
            .chain_update(nth.to_le_bytes())
            .chain_update(name)
            .finalize()
            .into()
    }
}
