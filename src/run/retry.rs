//! Whether and when a target is tried again. The backoff is reqwest-retry's policy; what counts as an attempt is the
//! contract's.

use std::time::{Duration, SystemTime};

use reqwest_retry::policies::ExponentialBackoff;
use reqwest_retry::{Jitter, RetryDecision, RetryPolicy};

use crate::api::Reply;
use crate::domain::Verdict;

/// So many times the server may turn one target away (429) at no cost; each further time counts as an attempt.
const FREE_TURNS: u32 = 10;

/// How often, and how far apart, a target is tried again.
#[derive(Debug, Clone, Copy)]
pub struct RetryOptions {
    /// How many attempts a target gets in one process, the first included. At least 1.
    pub max_attempts: u32,
    /// The longest wait before the second attempt; it doubles with each further one, and the wait is drawn evenly
    /// between nothing and that.
    pub first_backoff: Duration,
    /// The longest wait between two attempts.
    pub longest_backoff: Duration,
}

/// The attempts of one target in this process.
pub(super) struct Retries {
    policy: ExponentialBackoff,
    attempts: u32,
    throttled: u32,
}

impl Retries {
    pub(super) fn new(options: RetryOptions) -> Self {
        let policy = ExponentialBackoff::builder()
            .retry_bounds(options.first_backoff, options.longest_backoff.max(options.first_backoff))
            .jitter(Jitter::Full)
            .base(2)
            .build_with_max_retries(options.max_attempts.saturating_sub(1));
        Self { policy, attempts: 0, throttled: 0 }
    }

    /// Returns how long to wait until the next attempt, after one that ended with `reply`; `None` if there is none. A
    /// definite reply is final unless it `may_change`.
    pub(super) fn pause_after(&mut self, reply: &Reply, may_change: bool) -> Option<Duration> {
        if !reply.retriable && !may_change {
            return None;
        }
        if reply.answer.verdict == Verdict::Throttled && self.throttled < FREE_TURNS {
            // The rate limit holds all workers for as long as the server asks.
            self.throttled += 1;
            return Some(Duration::ZERO);
        }
        let retries = self.attempts;
        self.attempts += 1;
        let RetryDecision::Retry { execute_after } =
            self.policy.should_retry(SystemTime::UNIX_EPOCH, retries)
        else {
            return None;
        };
        let backoff = execute_after.duration_since(SystemTime::now()).unwrap_or_default();
        Some(backoff.max(reply.headers.retry_after.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Answer;
    use crate::ratelimit::RateLimitHeaders;

    fn reply(verdict: Verdict, retry_after: Option<Duration>) -> Reply {
        let answer =
            Answer { verdict, http_status: None, error_code: None, message: None, datasource_id: None };
        let headers = RateLimitHeaders { retry_after, quota: None };
        Reply {
            answer,
            retriable: true,
            stops: false,
            token_renewed: false,
            headers,
            latency: Duration::ZERO,
        }
    }

    fn three_attempts() -> Retries {
        let millisecond = Duration::from_millis(1);
        Retries::new(RetryOptions {
            max_attempts: 3,
            first_backoff: millisecond,
            longest_backoff: millisecond,
        })
    }

    #[test]
    fn a_server_error_counts_with_and_without_retry_after() {
        for wait in [None, Some(Duration::from_secs(7))] {
            let mut retries = three_attempts();
            let pauses: Vec<_> =
                (0..3).map(|_| retries.pause_after(&reply(Verdict::ServerError, wait), false)).collect();
            assert!(pauses[0].is_some() && pauses[1].is_some(), "{wait:?} {pauses:?}");
            assert_eq!(pauses[2], None, "{wait:?}");
            assert!(pauses[0] >= wait, "{wait:?} {pauses:?}");
        }
    }

    #[test]
    fn ten_throttled_replies_are_free_and_each_further_one_counts() {
        let mut retries = three_attempts();
        let throttled = reply(Verdict::Throttled, None);
        let tries = (0..100).take_while(|_| retries.pause_after(&throttled, false).is_some()).count();
        // The ten free ones, and two of the three attempts.
        assert_eq!(tries, 12);
    }

    #[test]
    fn what_is_not_retriable_is_not_tried_again() {
        let final_reply = Reply { retriable: false, ..reply(Verdict::ServerError, None) };
        assert_eq!(three_attempts().pause_after(&final_reply, false), None);
        let mut retries = three_attempts();
        let tries = (0..100).take_while(|_| retries.pause_after(&final_reply, true).is_some()).count();
        assert_eq!(tries, 2, "unless it may change");
    }
}
