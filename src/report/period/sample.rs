//! A sample that anybody can draw again: the targets with the lowest SHA-256 of a seed, the digest of the population, and
//! the target. Who picks the seed after seeing the digest knows that nobody chose the targets.

use std::collections::BinaryHeap;

use sha2::{Digest, Sha256};

use crate::domain::TargetAccount;

/// A sample, with all that is known of each target.
#[derive(Debug, Clone)]
pub struct Sample {
    pub seed: u64,
    /// How many were wanted; a smaller population is in the sample as a whole.
    pub wanted: usize,
    /// In the order of their hashes.
    pub accounts: Vec<TargetAccount>,
}

/// Keeps the targets with the lowest hashes.
#[derive(Debug)]
pub struct SampleDraw {
    seed: u64,
    population_sha256: String,
    wanted: usize,
    lowest: BinaryHeap<([u8; 32], String, u64)>,
}

impl SampleDraw {
    /// Draws `wanted` targets of the population with this digest, which is in hexadecimal.
    #[must_use]
    pub fn new(seed: u64, population_sha256: &str, wanted: usize) -> Self {
        Self { seed, population_sha256: population_sha256.to_owned(), wanted, lowest: BinaryHeap::new() }
    }

    /// Considers the target with this number of the run.
    pub fn add(&mut self, run_id: &str, target: u64) {
        let text = format!("{}\n{}\n{run_id}\n{target}\n", self.seed, self.population_sha256);
        let hash: [u8; 32] = Sha256::digest(text).into();
        if self.lowest.len() == self.wanted {
            if self.lowest.peek().is_none_or(|(highest, ..)| *highest <= hash) {
                return;
            }
            self.lowest.pop();
        }
        self.lowest.push((hash, run_id.to_owned(), target));
    }

    /// The run and the number of each, in the order of their hashes.
    #[must_use]
    pub fn finish(self) -> Vec<(String, u64)> {
        self.lowest.into_sorted_vec().into_iter().map(|(_, run_id, target)| (run_id, target)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_the_lowest_hashes_whatever_the_order() {
        let all: Vec<_> = (1..=500_u64).map(|target| (format!("run-{}", target % 3), target)).collect();
        let draw = |order: &[(String, u64)], seed, wanted| {
            let mut draw = SampleDraw::new(seed, "00ff", wanted);
            for (run_id, target) in order {
                draw.add(run_id, *target);
            }
            draw.finish()
        };
        let drawn = draw(&all, 7, 25);
        let mut hashed: Vec<_> = all
            .iter()
            .map(|(run_id, target)| {
                (Sha256::digest(format!("7\n00ff\n{run_id}\n{target}\n")).to_vec(), *target)
            })
            .collect();
        hashed.sort();
        let expected: Vec<_> = hashed.iter().take(25).map(|(_, target)| *target).collect();
        assert_eq!(drawn.iter().map(|(_, target)| *target).collect::<Vec<_>>(), expected);
        let reversed: Vec<_> = all.iter().rev().cloned().collect();
        assert_eq!(draw(&reversed, 7, 25), drawn);
        assert_ne!(draw(&all, 8, 25), drawn);
        assert_eq!(draw(&all[..3], 7, 25).len(), 3);
        assert_eq!(draw(&all, 7, 0), []);
    }
}
