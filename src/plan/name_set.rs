//! Recognises names that were there before, without keeping the names in memory.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use sha2::{Digest, Sha256};

/// A table takes twice the memory after it is full, and its old memory until it is copied. Several small
/// tables are copied one after the other.
const TABLES: usize = 16;

/// A set of names: the first 128 bits of the SHA-256 of each.
#[derive(Default)]
pub(super) struct NameSet {
    tables: [HashSet<u128, BuildHasherDefault<LowBits>>; TABLES],
}

impl NameSet {
    /// Adds `name`; returns false if it was in the set.
    pub(super) fn insert(&mut self, name: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(name).into();
        let hash = digest.iter().take(16).fold(0, |hash, byte| hash << 8 | u128::from(*byte));
        self.tables[usize::from(digest[0]) % TABLES].insert(hash)
    }
}

/// What is hashed is the end of a hash: its bits serve as they are.
#[derive(Default)]
struct LowBits(u64);

impl Hasher for LowBits {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |bits, byte| bits << 8 | u64::from(*byte));
    }

    #[expect(clippy::cast_possible_truncation, reason = "64 of 128 uniform bits are uniform")]
    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_each_name_as_new_once() {
        let mut names = NameSet::default();
        let all: Vec<_> = (0..20_000).map(|number| format!("kunde {number}")).collect();
        assert!(all.iter().all(|name| names.insert(name)));
        assert!(all.iter().all(|name| !names.insert(name)));
        assert!(names.insert("kunde 20000"));
    }

    #[test]
    fn spreads_names_over_its_tables() {
        let mut names = NameSet::default();
        for number in 0..16_000 {
            names.insert(&number.to_string());
        }
        assert!(names.tables.iter().all(|table| (800..1200).contains(&table.len())));
    }
}
