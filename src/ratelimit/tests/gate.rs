//! Pauses, stops and errors, whatever the rate.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{collect_events, ms, rate, secs, turn, with_virtual_time};
use crate::ratelimit::{
    PaceError, PaceEvent, PaceOptions, Pacer, PauseReason, Quota, Rate, RateLimitHeaders,
};

const RATES: [&str; 3] = ["1000/s", "auto", "unlimited"];

fn retry_after(wait: Duration) -> RateLimitHeaders {
    RateLimitHeaders { retry_after: Some(wait), quota: None }
}

fn quota(remaining: u64, reset: Duration) -> RateLimitHeaders {
    RateLimitHeaders {
        retry_after: None,
        quota: Some(Quota { limit: Some(500), remaining, reset, window: None }),
    }
}

fn plenty() -> RateLimitHeaders {
    quota(400, secs(100))
}

fn pacer(text: &str) -> Pacer {
    Pacer::new(rate(text), PaceOptions::default())
}

#[test]
fn a_pause_holds_all_workers_at_every_rate() {
    for text in RATES {
        with_virtual_time(async {
            let pacer = pacer(text);
            turn(&pacer).await.answered(&plenty(), false);
            let throttled = turn(&pacer).await;
            let start = Instant::now();
            let mut tasks = tokio::task::JoinSet::new();
            throttled.answered(&retry_after(secs(12)), true);
            for _ in 0..64 {
                let pacer = pacer.clone();
                tasks.spawn(async move {
                    let turn = turn(&pacer).await;
                    let left = start.elapsed();
                    turn.answered(&plenty(), false);
                    left
                });
            }
            let left = tasks.join_all().await;
            assert!(left.iter().all(|at| *at >= secs(12)), "{text}: {:?}", left.iter().min());
            assert!(left.iter().all(|at| *at <= secs(13)), "{text}: {:?}", left.iter().max());
        });
    }
}

#[test]
fn a_pause_that_begins_during_a_wait_holds_the_waiter_too() {
    with_virtual_time(async {
        let pacer = pacer("1/10s");
        let first = turn(&pacer).await;
        let start = Instant::now();
        let waiter = tokio::spawn({
            let pacer = pacer.clone();
            async move { turn(&pacer).await.waited }
        });
        tokio::time::sleep(secs(4)).await;
        first.answered(&retry_after(secs(30)), true);
        assert_eq!(waiter.await.unwrap(), secs(34));
        assert_eq!(start.elapsed(), secs(34));
    });
}

#[test]
fn retry_after_as_a_date_is_kept() {
    with_virtual_time(async {
        let pacer = pacer("unlimited");
        let now = SystemTime::now();
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", httpdate::fmt_http_date(now + secs(60)).parse().unwrap());
        turn(&pacer).await.answered(&RateLimitHeaders::read(&headers, now), true);
        let waited = turn(&pacer).await.waited;
        assert!((secs(59)..=secs(60)).contains(&waited), "{waited:?}");
    });
}

#[test]
fn a_429_without_a_usable_header_pauses_for_a_second() {
    for text in RATES {
        for headers in [RateLimitHeaders::default(), retry_after(Duration::ZERO), retry_after(ms(10))] {
            with_virtual_time(async {
                let pacer = pacer(text);
                turn(&pacer).await.answered(&headers, true);
                let waited = turn(&pacer).await.waited;
                assert!((secs(1)..=ms(1_001)).contains(&waited), "{text} {headers:?}: {waited:?}");
            });
        }
    }
}

#[test]
fn a_429_without_retry_after_waits_for_the_reset() {
    with_virtual_time(async {
        let pacer = pacer("unlimited");
        turn(&pacer).await.answered(&quota(3, secs(40)), true);
        assert_eq!(turn(&pacer).await.waited, secs(40));
    });
}

#[test]
fn a_used_up_quota_pauses_until_its_reset() {
    for text in ["1000/s", "unlimited"] {
        with_virtual_time(async {
            let (options, events) = collect_events(&PaceOptions::default());
            let pacer = Pacer::new(rate(text), options);
            turn(&pacer).await.answered(&quota(1, secs(30)), false);
            let next = turn(&pacer).await;
            assert!(next.waited < ms(2), "{text}");
            next.answered(&quota(0, secs(30)), false);
            assert_eq!(pacer.paused_until(), Some(Instant::now() + secs(30)));
            assert_eq!(turn(&pacer).await.waited, secs(30), "{text}");
            assert_eq!(pacer.paused_until(), None);
            let expected = PaceEvent::Paused { pause: secs(30), why: PauseReason::QuotaUsedUp };
            assert_eq!(*events.lock().unwrap(), [expected]);
        });
    }
}

#[test]
fn one_pause_is_reported_once_and_a_longer_one_again() {
    with_virtual_time(async {
        let (options, events) = collect_events(&PaceOptions::default());
        let pacer = Pacer::new(Rate::Unlimited, options);
        let mut turns = Vec::new();
        for _ in 0..4 {
            turns.push(turn(&pacer).await);
        }
        let waits = [secs(10), secs(10), secs(20), secs(4)];
        for (turn, wait) in turns.into_iter().zip(waits) {
            tokio::time::sleep(ms(5)).await;
            turn.answered(&retry_after(wait), true);
        }
        assert_eq!(
            pacer.paused_until(),
            Some(Instant::now() + secs(20).saturating_sub(ms(5))),
            "a shorter pause does not shorten it"
        );
        let paused = |pause| PaceEvent::Paused { pause, why: PauseReason::Throttled };
        assert_eq!(*events.lock().unwrap(), [paused(secs(10)), paused(secs(20))]);
    });
}

#[test]
fn retry_after_of_another_status_than_429_pauses_no_other_target() {
    with_virtual_time(async {
        let pacer = pacer("unlimited");
        turn(&pacer).await.answered(&retry_after(secs(30)), false);
        assert_eq!(turn(&pacer).await.waited, Duration::ZERO);
        assert_eq!(pacer.paused_until(), None);
    });
}

#[test]
fn retry_after_takes_precedence_over_a_reset() {
    with_virtual_time(async {
        let pacer = pacer("unlimited");
        let headers = RateLimitHeaders { retry_after: Some(secs(3)), ..quota(0, secs(300)) };
        turn(&pacer).await.answered(&headers, true);
        assert_eq!(turn(&pacer).await.waited, secs(3));
    });
}

#[test]
fn the_listener_may_use_the_pacer() {
    with_virtual_time(async {
        let seen = Arc::new(Mutex::new(None));
        let slot: Arc<Mutex<Option<Pacer>>> = Arc::default();
        let options = PaceOptions {
            on_event: Some(Arc::new({
                let (seen, slot) = (Arc::clone(&seen), Arc::clone(&slot));
                move |_| *seen.lock().unwrap() = slot.lock().unwrap().as_ref().unwrap().paused_until()
            })),
            ..PaceOptions::default()
        };
        let pacer = Pacer::new(Rate::Unlimited, options);
        *slot.lock().unwrap() = Some(pacer.clone());
        turn(&pacer).await.answered(&retry_after(secs(3)), true);
        assert_eq!(*seen.lock().unwrap(), Some(Instant::now() + secs(3)));
    });
}

#[test]
fn a_stop_ends_every_wait_at_once() {
    for text in ["1/1h", "auto", "unlimited"] {
        with_virtual_time(async {
            let pacer = pacer(text);
            let first = turn(&pacer).await;
            if text == "unlimited" {
                first.answered(&retry_after(secs(600)), true);
            }
            let stop = CancellationToken::new();
            let start = Instant::now();
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..8 {
                let (pacer, stop) = (pacer.clone(), stop.clone());
                tasks.spawn(async move { pacer.turn(&stop).await.err() });
            }
            tokio::time::sleep(secs(5)).await;
            stop.cancel();
            assert_eq!(tasks.join_all().await, [Some(PaceError::Stopped); 8], "{text}");
            assert_eq!(start.elapsed(), secs(5), "{text}");
            assert_eq!(pacer.turn(&stop).await.err(), Some(PaceError::Stopped), "{text}");
        });
    }
}

#[test]
fn no_request_leaves_after_a_stop_or_a_failure() {
    with_virtual_time(async {
        let pacer = pacer("unlimited");
        let stop = CancellationToken::new();
        stop.cancel();
        assert_eq!(pacer.turn(&stop).await.err(), Some(PaceError::Stopped));
        turn(&pacer).await.answered(&quota(0, secs(3_600)), false);
        assert!(pacer.paused_until().is_none());
        let error = pacer.turn(&CancellationToken::new()).await.err();
        assert_eq!(error, Some(PaceError::TooLong { asked: secs(3_600), max: secs(900) }));
    });
}

#[test]
fn a_wait_that_is_given_up_uses_no_turn() {
    with_virtual_time(async {
        let pacer = pacer("1/10s");
        drop(turn(&pacer).await);
        for _ in 0..5 {
            let stop = CancellationToken::new();
            let waiting = tokio::time::timeout(secs(1), pacer.turn(&stop)).await;
            assert!(waiting.is_err(), "let through after {:?}", waiting.map(|turn| turn.map(|t| t.waited)));
        }
        assert_eq!(turn(&pacer).await.waited, secs(5));
    });
}

#[test]
fn the_longest_allowed_pause_is_kept_and_a_longer_one_fails_every_turn() {
    let max = secs(60);
    for text in RATES {
        for headers in [retry_after(secs(61)), quota(0, secs(61))] {
            with_virtual_time(async {
                let pacer = Pacer::new(rate(text), PaceOptions { max_pause: max, ..PaceOptions::default() });
                turn(&pacer).await.answered(&plenty(), false);
                turn(&pacer).await.answered(&retry_after(max), true);
                let turns = [turn(&pacer).await, turn(&pacer).await];
                let start = Instant::now();
                let [first, second] = turns;
                second.answered(&quota(0, secs(50)), false);
                let waiter = tokio::spawn({
                    let pacer = pacer.clone();
                    async move { pacer.turn(&CancellationToken::new()).await.err() }
                });
                tokio::time::sleep(secs(1)).await;
                first.answered(&headers, false);
                let failure = PaceError::TooLong { asked: secs(61), max };
                assert_eq!(waiter.await.unwrap(), Some(failure), "{text}");
                assert_eq!(start.elapsed(), secs(1), "{text}: a waiter fails at once");
                tokio::time::sleep(secs(600)).await;
                for _ in 0..3 {
                    let late = pacer.turn(&CancellationToken::new()).await.err();
                    assert_eq!(late, Some(failure), "{text}: indefinitely");
                }
            });
        }
    }
}

#[test]
fn pauses_of_an_unbroken_series_of_429_add_up() {
    with_virtual_time(async {
        let max = secs(60);
        let pacer = Pacer::new(Rate::Unlimited, PaceOptions { max_pause: max, ..PaceOptions::default() });
        let stop = CancellationToken::new();
        let start = Instant::now();
        let error = loop {
            match pacer.turn(&stop).await {
                Ok(turn) => turn.answered(&retry_after(secs(25)), true),
                Err(error) => break error,
            }
        };
        assert_eq!(error, PaceError::TooLong { asked: secs(75), max });
        assert_eq!(start.elapsed(), secs(50));
        assert_eq!(
            error.to_string(),
            "the server asks for a pause of 1m 15s in all, and the longest allowed is 1m"
        );
    });
}

#[test]
fn another_reply_ends_the_series_of_429() {
    with_virtual_time(async {
        let pacer =
            Pacer::new(Rate::Unlimited, PaceOptions { max_pause: secs(60), ..PaceOptions::default() });
        for _ in 0..10 {
            turn(&pacer).await.answered(&retry_after(secs(25)), true);
            turn(&pacer).await.answered(&retry_after(secs(25)), true);
            turn(&pacer).await.answered(&RateLimitHeaders::default(), false);
        }
        // The reply to a request that left before the series began does not end it.
        let before = turn(&pacer).await;
        tokio::time::sleep(ms(1)).await;
        turn(&pacer).await.answered(&retry_after(secs(25)), true);
        turn(&pacer).await.answered(&retry_after(secs(25)), true);
        before.answered(&RateLimitHeaders::default(), false);
        turn(&pacer).await.answered(&retry_after(secs(25)), true);
        assert!(matches!(pacer.turn(&CancellationToken::new()).await, Err(PaceError::TooLong { .. })));
    });
}

#[test]
fn unlimited_workers_never_queue() {
    with_virtual_time(async {
        let pacer = pacer("unlimited");
        // Only requests that do not queue can leave now.
        let first = pacer.block_queue().await;
        let start = Instant::now();
        let sent = Arc::new(AtomicUsize::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let (pacer, sent) = (pacer.clone(), Arc::clone(&sent));
            tasks.spawn(async move {
                for _ in 0..500 {
                    turn(&pacer).await.answered(&plenty(), false);
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let all = tokio::time::timeout(secs(1), tasks.join_all()).await;
        assert!(all.is_ok(), "a worker queued");
        assert_eq!((sent.load(Ordering::Relaxed), start.elapsed()), (32_000, Duration::ZERO));
        // A pause makes every worker queue, and only until it is over.
        turn(&pacer).await.answered(&retry_after(secs(5)), true);
        assert!(tokio::time::timeout(secs(20), turn(&pacer)).await.is_err());
        drop(first);
        turn(&pacer).await.answered(&plenty(), false);
        let _first = pacer.block_queue().await;
        assert!(tokio::time::timeout(secs(1), turn(&pacer)).await.is_ok());
    });
}
