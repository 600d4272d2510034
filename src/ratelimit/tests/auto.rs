//! The `auto` rate against a limiter that workers reach over an unsteady network.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::server::{Dialect, SPEAKING, Server, Tally};
use super::{listening, ms, rate, secs, turn, virtually};
use crate::ratelimit::{PaceEvent, PaceOptions, Pacer, PauseReason, Quota, Rate, ServerWord};

/// The setting of one simulation.
#[derive(Debug, Clone, Copy)]
struct Scene {
    dialect: Dialect,
    rounds_up: bool,
    workers: usize,
    /// How long it goes on.
    length: Duration,
    /// Of a thousand requests, how many never get an answer though the server counted them.
    lost: u32,
    /// Of a thousand answers, how many come without their headers though the server counted the request.
    bare: u32,
    /// How often another client sends a request, if one does.
    other: Option<Duration>,
    seed: u64,
}

impl Scene {
    fn new(dialect: Dialect, rounds_up: bool, workers: usize) -> Self {
        Self { dialect, rounds_up, workers, length: secs(100), lost: 0, bare: 0, other: None, seed: 7 }
    }

    /// What the server saw: 500 requests in 10 s are its limit.
    fn play(self) -> Seen {
        self.play_at(Rate::Auto)
    }

    fn play_at(self, rate: Rate) -> Seen {
        virtually(async {
            let (options, events) = listening(&PaceOptions::default());
            let pacer = Pacer::new(rate, options);
            let server = Arc::new(Mutex::new(Server::new(500, secs(10), self.dialect, self.rounds_up)));
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
            Seen { windows, events }
        })
    }

    async fn work(self, pacer: Pacer, server: Arc<Mutex<Server>>, mut rng: StdRng, end: Instant) {
        while Instant::now() < end {
            let turn = turn(&pacer).await;
            // There and back: mostly quick, now and then slow enough for others to overtake.
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
            let word = if bare { ServerWord::default() } else { ServerWord::from_headers(&headers, now) };
            turn.answered(&word, refused);
        }
    }
}

#[derive(Debug)]
struct Seen {
    windows: Vec<Tally>,
    events: Vec<PaceEvent>,
}

impl Seen {
    /// Refusals after the first window.
    fn refused(&self) -> u64 {
        self.windows[1..].iter().map(|window| window.refused).sum()
    }

    /// The share of the quota that was used in the windows that were not cut short by the end.
    fn used(&self) -> f64 {
        let whole = &self.windows[..self.windows.len() - 1];
        let least = whole.iter().map(|window| window.counted).min().unwrap();
        f64::from(u32::try_from(least).unwrap()) / 500.0
    }

    /// The mean time from one window's begin to the next.
    fn period(&self) -> Duration {
        let (first, last) = (self.windows[0], self.windows[self.windows.len() - 1]);
        (last.begun - first.begun) / u32::try_from(self.windows.len() - 1).unwrap()
    }
}

#[test]
fn the_whole_quota_is_used_and_nothing_refused() {
    for dialect in SPEAKING {
        for rounds_up in [true, false] {
            for workers in [16, 64] {
                let scene = Scene::new(dialect, rounds_up, workers);
                let seen = scene.play();
                assert!(seen.windows.len() >= 8, "{scene:?}: {} windows", seen.windows.len());
                assert_eq!(seen.refused(), 0, "{scene:?}");
                assert_eq!(seen.windows[0].refused, 0, "{scene:?}: probing keeps the first window clean");
                assert!(seen.used() >= 0.99, "{scene:?}: {}", seen.used());
                // Where the window's length is told, no more is lost than the way there and back.
                let idle = if dialect == Dialect::Legacy { ms(2_200) } else { ms(250) };
                assert!(seen.period() <= secs(10) + idle, "{scene:?}: {:?}", seen.period());
            }
        }
    }
}

#[test]
fn without_the_pacer_the_same_workers_are_refused() {
    let seen = Scene::new(Dialect::Separate, true, 64).play_at(rate("2000/s"));
    assert!(seen.windows.iter().map(|window| window.refused).sum::<u64>() > 0);
}

#[test]
fn workers_too_slow_for_the_quota_are_not_held_up() {
    for dialect in SPEAKING {
        for rounds_up in [true, false] {
            let scene = Scene::new(dialect, rounds_up, 4);
            let (auto, free) = (scene.play(), scene.play_at(Rate::Unlimited));
            let sent = |seen: &Seen| seen.windows.iter().map(|window| window.counted).sum::<u64>();
            assert_eq!(auto.refused() + free.refused(), 0, "{scene:?}");
            assert!(sent(&auto) * 100 >= sent(&free) * 98, "{scene:?}: {} of {}", sent(&auto), sent(&free));
        }
    }
}

#[test]
fn lost_answers_cost_no_refusals_and_hardly_any_quota() {
    for dialect in SPEAKING {
        let scene = Scene { lost: 10, bare: 20, ..Scene::new(dialect, true, 64) };
        let seen = scene.play();
        assert_eq!(seen.refused(), 0, "{scene:?}");
        // Near a window's end nothing that leaves later shows what became of the last few lost ones.
        assert!(seen.used() >= 0.98, "{scene:?}: {}", seen.used());
    }
}

#[test]
fn other_clients_share_of_the_quota_is_respected() {
    for dialect in SPEAKING {
        let scene = Scene { other: Some(ms(40)), ..Scene::new(dialect, true, 64) };
        let seen = scene.play();
        assert!(seen.used() >= 0.99, "{scene:?}: {}", seen.used());
        // What the other sends while our last requests are on their way cannot be known beforehand.
        let sent = 500 * seen.windows.len() as u64;
        assert!(seen.refused() * 100 <= sent, "{scene:?}: {} of {sent}", seen.refused());
    }
}

#[test]
fn until_the_first_answer_one_request_at_a_time_is_out() {
    virtually(async {
        let pacer = Pacer::new(Rate::Auto, PaceOptions::default());
        let first = turn(&pacer).await;
        let second = tokio::spawn({
            let pacer = pacer.clone();
            async move { turn(&pacer).await }
        });
        tokio::time::sleep(secs(20)).await;
        assert!(!second.is_finished());
        // A timeout of the first only lets the next one try.
        drop(first);
        let second = second.await.unwrap();
        assert_eq!(second.waited, secs(20));
        let stop = CancellationToken::new();
        assert!(tokio::time::timeout(secs(20), pacer.turn(&stop)).await.is_err());
        let quota = Quota { limit: Some(500), remaining: 499, reset: secs(120), window: None };
        second.answered(&ServerWord { retry_after: None, quota: Some(quota) }, false);
        let mut out = Vec::new();
        while let Ok(turn) = tokio::time::timeout(secs(1), turn(&pacer)).await {
            out.push(turn);
        }
        assert_eq!(out.len(), 499);
    });
}

#[test]
fn a_used_up_quota_is_shown_and_reported_once_a_window() {
    let seen = Scene::new(Dialect::Combined, true, 64).play();
    let pauses = seen.events.iter().filter(
        |event| matches!(event, PaceEvent::Paused { why: PauseReason::QuotaUsedUp, for_ } if *for_ > secs(5)),
    );
    assert!(pauses.count().abs_diff(seen.windows.len()) <= 1, "{:?}", seen.events);
    assert!(seen.events.len() <= seen.windows.len(), "{:?}", seen.events);
    virtually(async {
        let pacer = Pacer::new(Rate::Auto, PaceOptions::default());
        let quota = Quota { limit: Some(500), remaining: 0, reset: secs(30), window: Some(secs(30)) };
        turn(&pacer).await.answered(&ServerWord { retry_after: None, quota: Some(quota) }, false);
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
fn a_mute_server_is_met_with_the_fallback_which_is_reported_once() {
    let scene = Scene { length: secs(600), ..Scene::new(Dialect::Mute, true, 16) };
    virtually(async {
        let (options, events) = listening(&PaceOptions::default());
        let pacer = Pacer::new(Rate::Auto, options);
        let server = Arc::new(Mutex::new(Server::new(500, secs(120), Dialect::Mute, true)));
        let end = Instant::now() + scene.length;
        let mut tasks = tokio::task::JoinSet::new();
        for worker in 0..scene.workers {
            let rng = StdRng::seed_from_u64(worker as u64);
            tasks.spawn(scene.work(pacer.clone(), Arc::clone(&server), rng, end));
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
fn the_fallback_is_an_option_and_headers_that_come_later_are_followed() {
    virtually(async {
        let options = PaceOptions { fallback: rate("1/10s"), ..PaceOptions::default() };
        let (options, events) = listening(&options);
        let pacer = Pacer::new(Rate::Auto, options);
        for _ in 0..4 {
            turn(&pacer).await.answered(&ServerWord::default(), false);
        }
        let held = turn(&pacer).await;
        assert_eq!(held.waited, secs(10));
        let quota = Quota { limit: Some(50), remaining: 40, reset: secs(9), window: None };
        held.answered(&ServerWord { retry_after: None, quota: Some(quota) }, false);
        for _ in 0..40 {
            let next = turn(&pacer).await;
            assert_eq!(next.waited, Duration::ZERO);
            next.answered(&ServerWord { retry_after: None, quota: Some(quota) }, false);
        }
        assert_eq!(*events.lock().unwrap(), [PaceEvent::NoHeaders { rate: rate("1/10s") }]);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_the_network_does_nothing_is_refused(
        dialect in 0..SPEAKING.len(),
        rounds_up: bool,
        workers in 1_usize..100,
        lost in 0_u32..30,
        bare in 0_u32..60,
        seed in 0_u64..1_000_000,
    ) {
        let scene = Scene { lost, bare, seed, length: secs(45), ..Scene::new(SPEAKING[dialect], rounds_up, workers) };
        let seen = scene.play();
        prop_assert_eq!(seen.refused(), 0);
        prop_assert_eq!(seen.windows[0].refused, 0);
    }
}
