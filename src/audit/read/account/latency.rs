//! How long answers took, counted in constant memory.

use std::time::Duration;

use crate::domain::{Latency, LatencyBin};

/// How each octave is divided, as a power of two: a value is known within a 32nd of it.
const PARTS: u32 = 5;

/// The bounds of the bins that are shown, in each decade: about evenly apart on a logarithmic axis,
/// and numbers that people use.
const STEPS: [u64; 10] = [100, 125, 160, 200, 250, 315, 400, 500, 630, 800];

/// Counts durations.
#[derive(Debug)]
pub(super) struct Latencies {
    count: u64,
    least: u64,
    most: u64,
    /// By octave and part of it, for the quantiles.
    fine: Vec<u64>,
    /// By decade and step, for the eye.
    shown: Vec<u64>,
}

impl Latencies {
    pub(super) const fn new() -> Self {
        Self { count: 0, least: u64::MAX, most: 0, fine: Vec::new(), shown: Vec::new() }
    }

    /// Counts one that took `micros` microseconds.
    pub(super) fn add(&mut self, micros: u64) {
        self.count += 1;
        self.least = self.least.min(micros);
        self.most = self.most.max(micros);
        *at(&mut self.fine, fine_index(micros)) += 1;
        *at(&mut self.shown, shown_index(micros)) += 1;
    }

    /// What they come to; `None` where there are none.
    pub(super) fn summed_up(&self) -> Option<Latency> {
        if self.count == 0 {
            return None;
        }
        let first = self.shown.iter().position(|count| *count > 0)?;
        let bins = self.shown.iter().enumerate().skip(first).map(|(index, count)| LatencyBin {
            from: Duration::from_micros(shown_bound(index)),
            to: Duration::from_micros(shown_bound(index + 1)),
            count: *count,
        });
        Some(Latency {
            least: Duration::from_micros(self.least),
            most: Duration::from_micros(self.most),
            half: self.quantile(50),
            p95: self.quantile(95),
            p99: self.quantile(99),
            bins: bins.collect(),
        })
    }

    /// What `percent` of them stayed at or below.
    fn quantile(&self, percent: u64) -> Duration {
        let rank = (u128::from(self.count) * u128::from(percent)).div_ceil(100);
        let mut below = 0;
        for (index, count) in self.fine.iter().enumerate() {
            below += u128::from(*count);
            if below >= rank {
                // The last value of its part, and never more than there was.
                return Duration::from_micros((fine_bound(index + 1) - 1).clamp(self.least, self.most));
            }
        }
        Duration::from_micros(self.most)
    }
}

fn at(counts: &mut Vec<u64>, index: usize) -> &mut u64 {
    if counts.len() <= index {
        counts.resize(index + 1, 0);
    }
    &mut counts[index]
}

/// Small values have a part of their own each; from there on, each octave has 32 parts.
fn fine_index(value: u64) -> usize {
    let octave = u64::BITS - value.leading_zeros();
    let shift = octave.saturating_sub(PARTS + 1);
    // Both are below 64.
    usize::try_from((value >> shift) + (u64::from(shift) << PARTS)).unwrap_or(usize::MAX)
}

/// The smallest value whose [`fine_index`] is `index`.
fn fine_bound(index: usize) -> u64 {
    let parts = 1_usize << PARTS;
    if index < 2 * parts {
        return index as u64;
    }
    let shift = index / parts - 1;
    u64::try_from((index % parts + parts) as u128 * (1_u128 << shift)).unwrap_or(u64::MAX)
}

fn shown_index(micros: u64) -> usize {
    let mut index = 0;
    while shown_bound(index + 1) <= micros {
        index += 1;
    }
    index
}

/// The lower bound of a bin: nothing, 0.1 ms, 0.125 ms, 0.16 ms, …
fn shown_bound(index: usize) -> u64 {
    let Some(step) = index.checked_sub(1) else { return 0 };
    let decade = u32::try_from(step / STEPS.len()).unwrap_or(u32::MAX);
    10_u64
        .checked_pow(decade)
        .and_then(|factor| factor.checked_mul(STEPS[step % STEPS.len()]))
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_between_the_bounds_of_its_part_and_of_its_bin() {
        for value in (0..5_000).chain([65_535, 65_536, 1_000_000, 123_456_789, u64::from(u32::MAX)]) {
            let fine = fine_index(value);
            assert!(fine_bound(fine) <= value && value < fine_bound(fine + 1), "{value}: {fine}");
            let shown = shown_index(value);
            assert!(shown_bound(shown) <= value && value < shown_bound(shown + 1), "{value}: {shown}");
        }
    }

    #[test]
    fn quantiles_are_within_their_promise() {
        let mut latencies = Latencies::new();
        (1..=100_000).rev().for_each(|micros| latencies.add(micros));
        let latency = latencies.summed_up().unwrap();
        assert_eq!((latency.least.as_micros(), latency.most.as_micros()), (1, 100_000));
        for (quantile, exact) in [(latency.half, 50_000), (latency.p95, 95_000), (latency.p99, 99_000)] {
            let found = quantile.as_micros();
            assert!(found >= exact && found * 100 <= exact * 104, "{found} for {exact}");
        }
        assert_eq!(latency.bins.iter().map(|bin| bin.count).sum::<u64>(), 100_000);
        assert!(latency.bins.windows(2).all(|pair| pair[0].to == pair[1].from), "without a gap");
    }

    #[test]
    fn one_value_and_none() {
        assert_eq!(Latencies::new().summed_up(), None);
        let mut latencies = Latencies::new();
        latencies.add(20_500);
        let latency = latencies.summed_up().unwrap();
        assert_eq!([latency.half, latency.p95, latency.p99], [Duration::from_micros(20_500); 3]);
        assert_eq!(latency.bins.len(), 1);
    }
}
