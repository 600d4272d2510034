//! Several processes share one quota, and learn of each other only through the server's headers.

use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use super::server::{GENERATIONS, Server};
use super::{ms, rate, secs, turn, with_virtual_time};
use crate::ratelimit::{PaceOptions, Pacer, Rate, RateLimitHeaders};

/// Returns how many requests were refused, and how many accepted, in each window of 500 requests in 10 s. Each of
/// `processes` processes assumes that `workers` of them share the quota.
fn simulate(
    generation: super::server::Generation,
    rate: Rate,
    processes: u32,
    workers: u32,
) -> Vec<(u64, u64)> {
    with_virtual_time(async {
        let server = Arc::new(Mutex::new(Server::new(500, secs(10), generation, true)));
        let end = Instant::now() + secs(100);
        let mut tasks = tokio::task::JoinSet::new();
        for process in 0..processes {
            let options = PaceOptions { workers, ..PaceOptions::default() };
            let pacer = Pacer::new(rate.shared(workers), options);
            for client in 0..8_u32 {
                let (pacer, server) = (pacer.clone(), Arc::clone(&server));
                let mut random = StdRng::seed_from_u64(u64::from(process * 100 + client));
                tasks.spawn(async move {
                    // Pods do not start at the same time.
                    tokio::time::sleep(ms(u64::from(process) * 170)).await;
                    while Instant::now() < end {
                        let turn = turn(&pacer).await;
                        tokio::time::sleep(ms(random.random_range(2..40))).await;
                        let (refused, headers) = server.lock().unwrap().hit(Instant::now());
                        tokio::time::sleep(ms(random.random_range(2..40))).await;
                        let now = server.lock().unwrap().clock(Instant::now());
                        turn.answered(&RateLimitHeaders::read(&headers, now), refused);
                    }
                });
            }
        }
        tasks.join_all().await;
        let tallies = server.lock().unwrap().tallies.clone();
        tallies.iter().map(|tally| (tally.refused, tally.counted)).collect()
    })
}

#[test]
fn four_processes_use_the_quota_and_are_not_refused() {
    for generation in GENERATIONS {
        let windows = simulate(generation, Rate::Auto, 4, 4);
        let whole = &windows[..windows.len() - 1];
        assert_eq!(
            whole[1..].iter().map(|(refused, _)| refused).sum::<u64>(),
            0,
            "{generation:?}: {windows:?}"
        );
        let used = whole.iter().map(|(_, counted)| counted).sum::<u64>();
        assert!(used * 100 >= 95 * 500 * whole.len() as u64, "{generation:?}: {windows:?}");
    }
}

#[test]
fn processes_with_a_shared_ceiling_keep_it_together() {
    let generation = GENERATIONS[0];
    let windows = simulate(generation, rate("480/10s"), 4, 4);
    assert_eq!(windows.iter().map(|(refused, _)| refused).sum::<u64>(), 0, "{windows:?}");
    let whole = &windows[..windows.len() - 1];
    let used = whole.iter().map(|(_, counted)| counted).sum::<u64>();
    assert!(used * 100 >= 95 * 480 * whole.len() as u64, "{windows:?}");
}

#[test]
fn processes_that_do_not_share_the_rate_are_refused() {
    let windows = simulate(GENERATIONS[0], rate("480/10s"), 4, 1);
    assert!(windows.iter().map(|(refused, _)| refused).sum::<u64>() > 0);
}

#[test]
fn a_shared_rate_is_divided_and_rounded_down() {
    let shared = |text: &str, workers| rate(text).shared(workers).to_string();
    assert_eq!(shared("480/2m", 1), "480/2m");
    assert_eq!(shared("480/2m", 0), "480/2m");
    assert_eq!(shared("480/2m", 4), "120/2m");
    assert_eq!(shared("10/s", 3), "3/1s");
    assert_eq!(shared("2/1s", 8), "1/4s");
    assert_eq!(shared("auto", 4), "auto");
    assert_eq!(shared("unlimited", 4), "unlimited");
}
