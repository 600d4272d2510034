//! What happened when, counted in constant memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::domain::{Gap, GapCause, Stretch, Timeline, Timestamp};

/// How many stretches there are at the most: bars that can still be told apart.
const MOST_STRETCHES: i64 = 120;

/// How many gaps are kept: the longest.
const MOST_GAPS: usize = 200;

/// Widths of a stretch that people use, in milliseconds.
const WIDTHS: [i64; 24] = [
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    15_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    3_600_000,
    7_200_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    172_800_000,
    604_800_000,
    2_592_000_000,
];

/// What a record did at its time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Happened {
    /// A target went.
    Gone,
    /// A target ended otherwise, after a request.
    Other,
    /// An attempt settled nothing.
    Unsettled,
}

/// Counts what happened, record by record, in order.
#[derive(Debug)]
pub(super) struct Counted {
    from: i64,
    to: i64,
    width: i64,
    stretches: Vec<Stretch>,
    sends: u64,
    last_send: Option<i64>,
    stopped: bool,
    stopped_for: i64,
    /// The longest gaps, the shortest of them on top.
    gaps: BinaryHeap<Reverse<(i64, i64, GapCause)>>,
    /// How long the longest is that did not find room.
    longest_dropped: i64,
}

impl Counted {
    /// For a run whose records were made from `from` to `to`, in microseconds since 1970.
    pub(super) fn new(from: i64, to: i64) -> Self {
        let span = to.saturating_sub(from).max(0);
        let fits = |width: &i64| span / width < MOST_STRETCHES;
        let width = WIDTHS.iter().map(|ms| ms * 1_000).find(fits).unwrap_or(span / (MOST_STRETCHES - 1));
        let start = from - from.rem_euclid(width);
        let count = usize::try_from((to.max(from) - start) / width + 1).unwrap_or(1);
        Self {
            from: start,
            to: to.max(from),
            width,
            stretches: vec![Stretch::default(); count],
            sends: 0,
            last_send: None,
            stopped: false,
            stopped_for: 0,
            gaps: BinaryHeap::new(),
            longest_dropped: 0,
        }
    }

    /// Something happened.
    pub(super) fn happened(&mut self, at: i64, what: Happened) {
        let index = usize::try_from((at - self.from) / self.width).unwrap_or(0);
        let last = self.stretches.len() - 1;
        let stretch = &mut self.stretches[index.min(last)];
        match what {
            Happened::Gone => stretch.gone += 1,
            Happened::Other => stretch.other += 1,
            Happened::Unsettled => stretch.unsettled += 1,
        }
    }

    /// A request left, after it had waited for its turn.
    pub(super) fn sent(&mut self, at: i64, waited: i64) {
        self.sends += 1;
        let stopped = std::mem::take(&mut self.stopped);
        if let Some(before) = self.last_send.replace(at) {
            let gap = at - before;
            let cause = if stopped {
                self.stopped_for += gap;
                GapCause::Stopped
            } else if waited.saturating_mul(2) >= gap {
                GapCause::Held
            } else {
                GapCause::Idle
            };
            self.gaps.push(Reverse((gap, before, cause)));
            if self.gaps.len() > MOST_GAPS
                && let Some(Reverse((dropped, ..))) = self.gaps.pop()
            {
                self.longest_dropped = self.longest_dropped.max(dropped);
            }
        }
    }

    /// The run ended for now, or is resumed.
    pub(super) const fn stopped(&mut self) {
        self.stopped = true;
    }

    /// Returns the timeline. It shows a gap if that is visible among the stretches, and far longer than the usual time
    /// between two requests.
    pub(super) fn summed_up(self) -> Timeline {
        let active = (self.to - self.from - self.stopped_for).max(0);
        let usual = active / i64::try_from(self.sends.max(1)).unwrap_or(i64::MAX);
        let least = (self.width / 2).max(usual.saturating_mul(5));
        let mut gaps: Vec<_> = self
            .gaps
            .into_iter()
            .filter(|Reverse((gap, ..))| *gap >= least)
            .map(|Reverse((gap, from, cause))| Gap {
                from: Timestamp::from_micros(from),
                to: Timestamp::from_micros(from + gap),
                cause,
            })
            .collect();
        gaps.sort_by_key(|gap| gap.from);
        Timeline {
            start: Timestamp::from_micros(self.from),
            width: Duration::from_micros(u64::try_from(self.width).unwrap_or(1)),
            stretches: self.stretches,
            gaps,
            more_gaps: self.longest_dropped >= least,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    /// 2026-11-24T09:00:00Z.
    const NINE: i64 = 1_795_510_800 * SECOND;

    /// A run of 100 requests, one every 250 ms, of which the one before `number` waits for `gap`.
    fn run(number: i64, gap: i64, waited: i64, stopped: bool) -> Timeline {
        let last = NINE + 100 * SECOND / 4 + gap;
        let mut counted = Counted::new(NINE, last);
        for request in 0..100 {
            let at = NINE + request * SECOND / 4 + if request >= number { gap } else { 0 };
            if request == number && stopped {
                counted.stopped();
            }
            counted.sent(at, if request == number { waited } else { SECOND / 5 });
            counted.happened(at, if request % 10 == 0 { Happened::Unsettled } else { Happened::Gone });
        }
        counted.summed_up()
    }

    #[test]
    fn the_usual_time_between_requests_is_not_a_gap() {
        let timeline = run(0, 0, 0, false);
        assert_eq!(timeline.gaps, []);
        assert_eq!(timeline.width, Duration::from_millis(500));
        assert_eq!(timeline.start.to_string(), "2026-11-24T09:00:00.000000Z");
        let sum = |part: fn(&Stretch) -> u64| timeline.stretches.iter().map(part).sum::<u64>();
        assert_eq!((sum(|s| s.gone), sum(|s| s.other), sum(|s| s.unsettled)), (90, 0, 10));
        assert_eq!(
            timeline.stretches[0],
            Stretch { gone: 1, other: 0, unsettled: 1 },
            "two in each half second"
        );
    }

    #[test]
    fn a_gap_has_its_cause() {
        for (waited, stopped, cause) in [
            (9 * SECOND, false, GapCause::Held),
            (SECOND / 5, false, GapCause::Idle),
            (9 * SECOND, true, GapCause::Stopped),
        ] {
            let timeline = run(40, 10 * SECOND, waited, stopped);
            let [gap] = &timeline.gaps[..] else { panic!("{:?}", timeline.gaps) };
            assert_eq!(gap.cause, cause);
            assert_eq!(gap.from.as_micros(), NINE + 39 * SECOND / 4);
            assert_eq!(gap.to.since(gap.from), Duration::from_millis(10_250));
            assert!(!timeline.more_gaps);
        }
    }

    #[test]
    fn a_day_without_requests_does_not_hide_the_gaps_around_it() {
        let timeline = run(40, 86_400 * SECOND, 0, true);
        assert_eq!(timeline.gaps.len(), 1);
        assert!(timeline.stretches.len() <= 121, "{}", timeline.stretches.len());
        assert_eq!(timeline.stretches.iter().map(|s| s.gone + s.unsettled).sum::<u64>(), 100);
    }

    #[test]
    fn memory_does_not_grow_with_the_number_of_requests() {
        let requests = 1_000_000;
        let mut counted = Counted::new(NINE, NINE + requests * SECOND);
        for request in 0..requests {
            let late = if request % 1_000 == 0 { SECOND * 9 / 10 } else { 0 };
            counted.sent(NINE + request * SECOND - late, 0);
            counted.happened(NINE + request * SECOND, Happened::Gone);
        }
        assert!(counted.gaps.len() <= MOST_GAPS);
        let timeline = counted.summed_up();
        assert!(timeline.stretches.len() <= 121, "{}", timeline.stretches.len());
        assert_eq!(timeline.stretches.iter().map(|s| s.gone).sum::<u64>(), 1_000_000);
    }

    #[test]
    fn a_run_without_a_request_has_no_gap() {
        let timeline = Counted::new(NINE, NINE).summed_up();
        assert_eq!((timeline.stretches.len(), timeline.gaps.len()), (1, 0));
    }
}
