//! Which processors the threads of the lanes run on: each has its share of them.
//!
//! Lanes sleep and wake up thousands of times a second. A scheduler that has no time to look around lets one wait
//! behind the other on one processor then, while another one has nothing to do: a tenth of the time of two
//! processors went so. With a share each, no lane is in the way of another.

pub(super) use here::{Processors, Share};

#[cfg(target_os = "linux")]
mod here {
    use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_setaffinity};

    /// The processors that so many lanes share; none where there is nothing to share out.
    #[derive(Debug, Clone, Copy)]
    pub(in crate::run) struct Processors(Option<(CpuSet, usize)>);

    /// The share of a thread, which has all of the processors back when this is dropped.
    pub(in crate::run) struct Share(Option<(Pid, CpuSet)>);

    impl Processors {
        /// Those that this thread may run on, for `lanes`.
        pub(in crate::run) fn shared_by(lanes: usize) -> Self {
            let all = (lanes > 1).then(|| sched_getaffinity(None).ok()).flatten();
            Self(all.map(|all| (all, lanes)))
        }

        /// Keeps the thread that this is called on to the share of the lane `number`. A wish: where there are
        /// fewer processors than lanes, or the system refuses it, the thread may run on all of them.
        pub(in crate::run) fn keep_to_share(self, number: usize) -> Share {
            let keep = || {
                let (all, lanes) = self.0?;
                let share = share(&all, number, lanes)?;
                // Whoever started it may keep to a share already.
                sched_setaffinity(None, &share).or_else(|_| sched_setaffinity(None, &all)).ok()?;
                Some((gettid(), all))
            };
            Share(keep())
        }
    }

    impl Share {
        /// Keeps the thread to its share until it ends.
        pub(in crate::run) fn for_good(self) {
            std::mem::forget(self);
        }
    }

    impl Drop for Share {
        fn drop(&mut self) {
            if let Some((thread, all)) = self.0 {
                // Where the thread is gone, nobody needs them.
                let _ = sched_setaffinity(Some(thread), &all);
            }
        }
    }

    /// The part of `all` for the lane `number` of `lanes`: neighbours, which share a cache. `None` where there are
    /// too few for all lanes.
    fn share(all: &CpuSet, number: usize, lanes: usize) -> Option<CpuSet> {
        let processors: Vec<usize> =
            (0..CpuSet::MAX_CPU).filter(|processor| all.is_set(*processor)).collect();
        if processors.len() < lanes {
            return None;
        }
        let mut share = CpuSet::new();
        let first = |lane: usize| lane * processors.len() / lanes;
        for processor in &processors[first(number)..first(number + 1)] {
            share.set(*processor);
        }
        Some(share)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn set(processors: &[usize]) -> CpuSet {
            let mut set = CpuSet::new();
            for processor in processors {
                set.set(*processor);
            }
            set
        }

        #[test]
        fn each_processor_is_of_one_lane() {
            let all = set(&[0, 1, 4, 5, 6, 130, 131]);
            let shares: Vec<_> = (0..3).map(|lane| share(&all, lane, 3).unwrap()).collect();
            assert_eq!(shares, [set(&[0, 1]), set(&[4, 5]), set(&[6, 130, 131])]);
        }

        #[test]
        fn what_is_not_enough_for_all_is_not_shared_out() {
            assert_eq!(share(&set(&[3]), 0, 2), None);
            assert!(Processors::shared_by(1).0.is_none());
        }

        #[test]
        fn a_thread_has_all_processors_back_in_the_end() {
            let all = Processors::shared_by(2);
            let before = sched_getaffinity(None).unwrap();
            let share = share(&before, 1, 2);
            let kept = all.keep_to_share(1);
            assert_eq!(sched_getaffinity(None).unwrap(), share.unwrap_or(before));
            drop(kept);
            assert_eq!(sched_getaffinity(None).unwrap(), before);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod here {
    #[derive(Debug, Clone, Copy)]
    pub(in crate::run) struct Processors;

    pub(in crate::run) struct Share;

    #[allow(clippy::unused_self, reason = "as where threads can be kept to processors")]
    impl Processors {
        pub(in crate::run) fn shared_by(_: usize) -> Self {
            Self
        }

        pub(in crate::run) fn keep_to_share(self, _: usize) -> Share {
            Share
        }
    }

    #[allow(clippy::unused_self, reason = "as where threads can be kept to processors")]
    impl Share {
        pub(in crate::run) fn for_good(self) {}
    }
}
