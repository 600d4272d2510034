//! A share of a list: several workers divide one input among them without talking to each other.

use std::fmt;
use std::num::NonZeroU32;

use sha2::{Digest, Sha256};

use crate::domain::DatasourceName;

/// One of several shares of a list. Which share has a name depends on the name alone, so that rows that are added,
/// removed or reordered do not move others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    of: NonZeroU32,
}

impl Shard {
    /// The share number `index`, from 0, of `of`; `None` if there are not that many.
    #[must_use]
    pub fn new(index: u32, of: NonZeroU32) -> Option<Self> {
        (index < of.get()).then_some(Self { index, of })
    }

    /// Returns true if `name` is in it: the first 8 bytes of its SHA-256, as a big-endian number, modulo the number of
    /// shares, are the number of this share.
    #[must_use]
    pub fn takes(&self, name: &DatasourceName) -> bool {
        let digest: [u8; 32] = Sha256::digest(name.as_str()).into();
        let first = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        first % u64::from(self.of.get()) == u64::from(self.index)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {} of {}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(index: u32, of: u32) -> Shard {
        Shard::new(index, NonZeroU32::new(of).unwrap()).unwrap()
    }

    #[test]
    fn each_name_is_in_one_share_and_the_shares_have_similar_sizes() {
        let mut sizes = [0; 5];
        for number in 0..5000 {
            let name = DatasourceName::new(&format!("kunde {number}")).unwrap();
            let takers: Vec<_> = (0..5).filter(|index| shard(*index, 5).takes(&name)).collect();
            assert_eq!(takers.len(), 1, "{name}");
            sizes[takers[0] as usize] += 1;
        }
        assert!(sizes.iter().all(|size| (850..1150).contains(size)), "{sizes:?}");
    }

    #[test]
    fn the_share_of_a_name_never_changes() {
        // As `printf NAME | sha256sum` says of each: all versions that share a list have to agree.
        let index = |name: &str| {
            let name = DatasourceName::new(name).unwrap();
            (0..16).find(|index| shard(*index, 16).takes(&name)).unwrap()
        };
        assert_eq!((index("kunde-1"), index("kunde-ü"), index("a b")), (7, 1, 2));
    }

    #[test]
    fn rejects_a_share_beyond_the_last() {
        assert_eq!(Shard::new(4, NonZeroU32::new(4).unwrap()), None);
    }
}
