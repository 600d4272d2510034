//! Tells equal names apart in as little memory as that takes: 16 bytes a name, the first half of its
//! SHA-256, for which two different names would have to collide in 128 bits.
//!
//! A table that doubles would take two to four times as much, and half as much again while it grows.
//! So there are several, each grows by a quarter, and never more than one of them at a time.

use sha2::{Digest, Sha256};

/// How many tables there are; a power of two.
const PARTS: usize = 16;

/// How many places each has at first.
const SMALLEST: usize = 64;

/// The first half of a name's SHA-256.
type Half = [u64; 2];

/// A place that holds nothing. A name whose half looks like it counts as [`NEXT_TO_FREE`].
const FREE: Half = [0, 0];
const NEXT_TO_FREE: Half = [0, 1];

/// The names that were seen.
#[derive(Default)]
pub(super) struct Seen {
    parts: [Part; PARTS],
}

/// A share of them: each at the place that its bits point to, or at the next one behind it that was free.
#[derive(Default)]
struct Part {
    places: Vec<Half>,
    held: usize,
}

impl Seen {
    /// Adds `name`; whether it is new.
    pub(super) fn add(&mut self, name: &str) -> bool {
        let (part, half) = half_of(name);
        self.parts[part].add(half)
    }

    /// Whether `name` was added.
    pub(super) fn holds(&self, name: &str) -> bool {
        let (part, half) = half_of(name);
        let part = &self.parts[part];
        !part.places.is_empty() && part.places[part.place_of(half)] == half
    }
}

impl Part {
    fn add(&mut self, half: Half) -> bool {
        // One place in eight at least stays free, so that each search ends, and soon.
        if (self.held + 1) * 8 > self.places.len() * 7 {
            self.grow();
        }
        let place = self.place_of(half);
        let is_new = self.places[place] != half;
        self.places[place] = half;
        self.held += usize::from(is_new);
        is_new
    }

    fn grow(&mut self) {
        let more = (self.places.len() + self.places.len() / 4).max(SMALLEST);
        let old = std::mem::replace(&mut self.places, vec![FREE; more]);
        for half in old.into_iter().filter(|half| *half != FREE) {
            let place = self.place_of(half);
            self.places[place] = half;
        }
    }

    /// Where `half` is, or would be added.
    fn place_of(&self, half: Half) -> usize {
        // The bits that chose the part are the same for all of it.
        let scaled = (u128::from(half[0] << PARTS.trailing_zeros()) * self.places.len() as u128) >> 64;
        let mut place = usize::try_from(scaled).unwrap_or(0);
        while self.places[place] != FREE && self.places[place] != half {
            place += 1;
            if place == self.places.len() {
                place = 0;
            }
        }
        place
    }
}

/// The number of its part, and its half.
fn half_of(name: &str) -> (usize, Half) {
    let digest: [u8; 32] = Sha256::digest(name).into();
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let half = [number(&digest[..8]), number(&digest[8..16])];
    let part = usize::try_from(half[0] >> (64 - PARTS.trailing_zeros())).unwrap_or(0);
    (part, if half == FREE { NEXT_TO_FREE } else { half })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_new_once() {
        let mut seen = Seen::default();
        let names: Vec<_> = (0..100_000).map(|number| format!("kunde {number}")).collect();
        assert!(!seen.holds("kunde 0"));
        assert!(names.iter().all(|name| seen.add(name)));
        assert!(names.iter().all(|name| !seen.add(name) && seen.holds(name)));
        assert!(!seen.holds("kunde 100000"));
    }

    #[test]
    fn a_name_takes_no_more_than_24_bytes() {
        let mut seen = Seen::default();
        for number in 0..200_000 {
            seen.add(&number.to_string());
            let places: usize = seen.parts.iter().map(|part| part.places.len()).sum();
            assert!(number < 10_000 || places * 16 <= number * 24, "{places} places for {number} names");
        }
    }

    #[test]
    fn halves_that_point_behind_the_last_place_go_to_the_first_ones() {
        let mut part = Part::default();
        let last = u64::MAX >> PARTS.trailing_zeros();
        assert!((1..=50).all(|number| part.add([last, number])));
        assert!((1..=50).all(|number| !part.add([last, number])));
        assert_eq!(part.held, 50);
    }
}
