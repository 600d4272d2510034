//! The `auto` rate with a limiter that workers reach over an unsteady network.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::server::{GENERATIONS, Generation, Server, Tally};
use super::{collect_events, ms, rate, secs, turn, with_virtual_time};
use crate::ratelimit::{PaceEvent, PaceOptions, Pacer, PauseReason, Quota, Rate, RateLimitHeaders};

/// The parameters of one simulation.
#[derive(Debug, Clone, Copy)]
struct Simulation {
    generation: Generation,
    rounds_up: bool,
    workers: usize,
    /// How long it takes.
    length: Duration,
    /// Of a thousand requests, how many get no reply although the server counted them.
    lost: u32,
    /// Of a thousand replies, how many come without their headers although the server counted the request.
    bare: u32,
    /// How often another client sends a request, if there is one.
    other: Option<Duration>,
    seed: u64,
}

impl Simulation {
    fn new(generation: Generation, rounds_up: bool, workers: usize) -> Self {
        Self { generation, rounds_up, workers, length: secs(100), lost: 0, bare: 0, other: None, seed: 7 }
    }

    /// Runs it at the rate `auto`, with a limit of 500 requests in 10 s.
    fn run(self) -> Observation {
        self.run_at(Rate::Auto)
    }

    fn run_at(self, rate: Rate) -> Observation {
        with_virtual_time(async {
            let (options, events) = collect_events(&PaceOptions::default());
            let pacer = Pacer::new(rate, options);
            let server = Arc::new(Mutex::new(Server::new(500, secs(10), self.generation, self.rounds_up)));
            let end = Instant::now() + self.length;
            let mut tasks = tokio::task::JoinSet::new();
            for worker in 0..self.workers {
                let (pacer, server) = (pacer.clone(), Arc::clone(&server));
                let rng = StdRng::seed_from_u64(self.seed * 1_000 + worker as u64);
                tasks.spawn(self.work(pacer, server, rng, end));
            }
            if let Some(every) = self.other {
                let server = Arc::clone(&server);
                tasks.spawn(async move {
                    while Instant::now() < end {
                        tokio::time::sleep(every).await;
                        server.lock().unwrap().hit_by_another(Instant::now());
                    }
                });
            }
            tasks.join_all().await;
            let windows = server.lock().unwrap().tallies.clone();
            let events = events.lock().unwrap().clone();
            Observation { windows, events }
        })
    }

    async fn work(self, pacer: Pacer, server: Arc<Mutex<Server>>, mut rng: StdRng, end: Instant) {
        while Instant::now() < end {
            let turn = turn(&pacer).await;
            // There and back: mostly fast, sometimes slow enough for others to overtake.
            let mut way = || ms(if rng.random_bool(0.03) { 700 } else { rng.random_range(2..70) });
            let (there, back) = (way(), way());
            tokio::time::sleep(there).await;
            let (refused, headers) = server.lock().unwrap().hit(Instant::now());
            if rng.random_range(0..1_000) < self.lost {
                tokio::time::sleep(secs(3)).await;
                drop(turn);
                continue;
            }
            tokio::time::sleep(back).await;
            let now = server.lock().unwrap().clock(Instant::now());
            let bare = rng.random_range(0..1_000) < self.bare;
            let headers =
                if bare { RateLimitHeaders::default() } else { RateLimitHeaders::read(&headers, now) };
            turn.answered(&headers, refused);
        }
    }
}

/// What the server and the listener saw.
#[derive(Debug)]
struct Observation {
    windows: Vec<Tally>,
    events: Vec<PaceEvent>,
}

impl Observation {
    /// Returns how many requests were refused after the first window.
    fn refused(&self) -> u64 {
        self.windows[1..].iter().map(|window| window.refused).sum()
    }

    /// Returns the smallest share of the quota that was used in a window, without the last one.
    fn used(&self) -> f64 {
        let whole = &self.windows[..self.windows.len() - 1];
        let least = whole.iter().map(|window| window.counted).min().unwrap();
        f64::from(u32::try_from(least).unwrap()) / 500.0
    }

    /// Returns the mean time between the beginnings of two windows.
    fn period(&self) -> Duration {
        let (first, last) = (self.windows[0], self.windows[self.windows.len() - 1]);
        (last.begun - first.begun) / u32::try_from(self.windows.len() - 1).unwrap()
    }
}

#[test]
fn the_whole_quota_is_used_and_no_request_is_refused() {
    for generation in GENERATIONS {
        for rounds_up in [true, false] {
            for workers in [16, 64] {
                let simulation = Simulation::new(generation, rounds_up, workers);
                let observed = simulation.run();
                assert!(observed.windows.len() >= 8, "{simulation:?}: {} windows", observed.windows.len());
                assert_eq!(observed.refused(), 0, "{simulation:?}");
                assert_eq!(
                    observed.windows[0].refused, 0,
                    "{simulation:?}: one request at a time before the first reply"
                );
                assert!(observed.used() >= 0.99, "{simulation:?}: {}", observed.used());
                // If the window's length is reported, no more is lost than the way there and back.
                let idle = if generation == Generation::Legacy { ms(2_200) } else { ms(250) };
                assert!(observed.period() <= secs(10) + idle, "{simulation:?}: {:?}", observed.period());
            }
        }
    }
}

#[test]
fn the_same_workers_at_a_higher_rate_are_refused() {
    let observed = Simulation::new(Generation::Separate, true, 64).run_at(rate("2000/s"));
    assert!(observed.windows.iter().map(|window| window.refused).sum::<u64>() > 0);
}

#[test]
fn workers_too_slow_for_the_quota_are_not_slowed_further() {
    for generation in GENERATIONS {
        for rounds_up in [true, false] {
            let simulation = Simulation::new(generation, rounds_up, 4);
            let (auto, free) = (simulation.run(), simulation.run_at(Rate::Unlimited));
            let sent =
                |observed: &Observation| observed.windows.iter().map(|window| window.counted).sum::<u64>();
            assert_eq!(auto.refused() + free.refused(), 0, "{simulation:?}");
            assert!(
                sent(&auto) * 100 >= sent(&free) * 98,
                "{simulation:?}: {} of {}",
                sent(&auto),
                sent(&free)
            );
        }
    }
}

#[test]
fn lost_replies_cause_no_refusal_and_cost_little_quota() {
    for generation in GENERATIONS {
        let simulation = Simulation { lost: 10, bare: 20, ..Simulation::new(generation, true, 64) };
        let observed = simulation.run();
        assert_eq!(observed.refused(), 0, "{simulation:?}");
        // Near the end of a window no later request shows what became of the last lost ones.
        assert!(observed.used() >= 0.98, "{simulation:?}: {}", observed.used());
    }
}

#[test]
fn requests_of_another_client_are_taken_into_account() {
    for generation in GENERATIONS {
        let simulation = Simulation { other: Some(ms(40)), ..Simulation::new(generation, true, 64) };
        let observed = simulation.run();
        assert!(observed.used() >= 0.99, "{simulation:?}: {}", observed.used());
        // What the other client sends while our last requests are on their way cannot be known.
        let sent = 500 * observed.windows.len() as u64;
        assert!(observed.refused() * 100 <= sent, "{simulation:?}: {} of {sent}", observed.refused());
    }
}

#[test]
fn before_the_first_reply_one_request_is_in_flight_at_a_time() {
    with_virtual_time(async {
        let pacer = Pacer::new(Rate::Auto, PaceOptions::default());
        let first = turn(&pacer).await;
        let second = tokio::spawn({
            let pacer = pacer.clone();
            async move { turn(&pacer).await }
        });
        tokio::time::sleep(secs(20)).await;
        assert!(!second.is_finished());
        // If the first times out, only the next one may leave.
        drop(first);
        let second = second.await.unwrap();
        assert_eq!(second.waited, secs(20));
        let stop = CancellationToken::new();
        assert!(tokio::time::timeout(secs(20), pacer.turn(&stop)).await.is_err());
        let quota = Quota { limit: Some(500), remaining: 499, reset: secs(120), window: None };
        second.answered(&RateLimitHeaders { retry_after: None, quota: Some(quota) }, false);
        let mut out = Vec::new();
        while let Ok(turn) = tokio::time::timeout(secs(1), turn(&pacer)).await {
            out.push(turn);
        }
        assert_eq!(out.len(), 499);
    });
}

#[test]
fn a_used_up_quota_is_reported_once_in_each_window() {
    let observed = Simulation::new(Generation::Combined, true, 64).run();
    let pauses = observed.events.iter().filter(
        |event| matches!(event, PaceEvent::Paused { why: PauseReason::QuotaUsedUp, pause } if *pause > secs(5)),
    );
    assert!(pauses.count().abs_diff(observed.windows.len()) <= 1, "{:?}", observed.events);
    assert!(observed.events.len() <= observed.windows.len(), "{:?}", observed.events);
    with_virtual_time(async {
        let pacer = Pacer::new(Rate::Auto, PaceOptions::default());
        let quota = Quota { limit: Some(500), remaining: 0, reset: secs(30), window: Some(secs(30)) };
        turn(&pacer).await.answered(&RateLimitHeaders { retry_after: None, quota: Some(quota) }, false);
        let start = Instant::now();
        let waiter = tokio::spawn({
            let pacer = pacer.clone();
            async move { turn(&pacer).await }
        });
        tokio::time::sleep(secs(1)).await;
        assert_eq!(pacer.paused_until(), Some(start + secs(30)));
        drop(waiter.await.unwrap());
        assert_eq!(pacer.paused_until(), None);
    });
}

#[test]
fn without_headers_the_fallback_rate_is_kept_and_reported_once() {
    let simulation = Simulation { length: secs(600), ..Simulation::new(Generation::Absent, true, 16) };
    with_virtual_time(async {
        let (options, events) = collect_events(&PaceOptions::default());
        let pacer = Pacer::new(Rate::Auto, options);
        let server = Arc::new(Mutex::new(Server::new(500, secs(120), Generation::Absent, true)));
        let end = Instant::now() + simulation.length;
        let mut tasks = tokio::task::JoinSet::new();
        for worker in 0..simulation.workers {
            let rng = StdRng::seed_from_u64(worker as u64);
            tasks.spawn(simulation.work(pacer.clone(), Arc::clone(&server), rng, end));
        }
        tasks.join_all().await;
        assert_eq!(*events.lock().unwrap(), [PaceEvent::NoHeaders { rate: rate("480/2m") }]);
        let windows = server.lock().unwrap().tallies.clone();
        assert!(windows.iter().all(|window| window.refused == 0));
        for window in &windows[..windows.len() - 1] {
            assert!((470..=489).contains(&window.counted), "{window:?}");
        }
    });
}

#[test]
fn headers_that_come_later_replace_the_fallback_rate() {
    with_virtual_time(async {
        let options = PaceOptions { fallback: rate("1/10s"), ..PaceOptions::default() };
        let (options, events) = collect_events(&options);
        let pacer = Pacer::new(Rate::Auto, options);
        for _ in 0..4 {
            turn(&pacer).await.answered(&RateLimitHeaders::default(), false);
        }
        let last = turn(&pacer).await;
        assert_eq!(last.waited, secs(10));
        let quota = Quota { limit: Some(50), remaining: 40, reset: secs(9), window: None };
        last.answered(&RateLimitHeaders { retry_after: None, quota: Some(quota) }, false);
        for _ in 0..40 {
            let next = turn(&pacer).await;
            assert_eq!(next.waited, Duration::ZERO);
            next.answered(&RateLimitHeaders { retry_after: None, quota: Some(quota) }, false);
        }
        assert_eq!(*events.lock().unwrap(), [PaceEvent::NoHeaders { rate: rate("1/10s") }]);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_request_is_refused_on_any_network(
        generation in 0..GENERATIONS.len(),
        rounds_up: bool,
        workers in 1_usize..100,
        lost in 0_u32..30,
        bare in 0_u32..60,
        seed in 0_u64..1_000_000,
    ) {
        let plain = Simulation::new(GENERATIONS[generation], rounds_up, workers);
        let simulation = Simulation { lost, bare, seed, length: secs(45), ..plain };
        let observed = simulation.run();
        prop_assert_eq!(observed.refused(), 0);
        prop_assert_eq!(observed.windows[0].refused, 0);
    }
}
