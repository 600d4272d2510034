//! Several processes on one quota: no one tells them of each other but the server's own word.

use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use super::server::{SPEAKING, Server};
use super::{ms, rate, secs, turn, virtually};
use crate::ratelimit::{PaceOptions, Pacer, Rate, ServerWord};

/// Refusals in each window of 500 requests in 10 s, and how many were let through.
fn play(dialect: super::server::Dialect, rate: Rate, processes: u32, told: u32) -> Vec<(u64, u64)> {
    virtually(async {
        let server = Arc::new(Mutex::new(Server::new(500, secs(10), dialect, true)));
        let end = Instant::now() + secs(100);
        let mut tasks = tokio::task::JoinSet::new();
        for process in 0..processes {
            let options = PaceOptions { workers: told, ..PaceOptions::default() };
            let pacer = Pacer::new(rate.shared(told), options);
            for worker in 0..8_u32 {
                let (pacer, server) = (pacer.clone(), Arc::clone(&server));
                let mut random = StdRng::seed_from_u64(u64::from(process * 100 + worker));
                tasks.spawn(async move {
                    // Pods do not start together.
                    tokio::time::sleep(ms(u64::from(process) * 170)).await;
                    while Instant::now() < end {
                        let turn = turn(&pacer).await;
                        tokio::time::sleep(ms(random.random_range(2..40))).await;
                        let (refused, headers) = server.lock().unwrap().hit(Instant::now());
                        tokio::time::sleep(ms(random.random_range(2..40))).await;
                        let now = server.lock().unwrap().clock(Instant::now());
                        turn.answered(&ServerWord::from_headers(&headers, now), refused);
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
    for dialect in SPEAKING {
        let windows = play(dialect, Rate::Auto, 4, 4);
        let whole = &windows[..windows.len() - 1];
        assert_eq!(whole[1..].iter().map(|(refused, _)| refused).sum::<u64>(), 0, "{dialect:?}: {windows:?}");
        let used = whole.iter().map(|(_, counted)| counted).sum::<u64>();
        assert!(used * 100 >= 95 * 500 * whole.len() as u64, "{dialect:?}: {windows:?}");
    }
}

#[test]
fn a_divided_ceiling_is_kept_by_all_together() {
    let dialect = SPEAKING[0];
    let windows = play(dialect, rate("480/10s"), 4, 4);
    assert_eq!(windows.iter().map(|(refused, _)| refused).sum::<u64>(), 0, "{windows:?}");
    let whole = &windows[..windows.len() - 1];
    let used = whole.iter().map(|(_, counted)| counted).sum::<u64>();
    assert!(used * 100 >= 95 * 480 * whole.len() as u64, "{windows:?}");
}

#[test]
fn processes_that_know_nothing_of_each_other_are_refused() {
    let windows = play(SPEAKING[0], rate("480/10s"), 4, 1);
    assert!(windows.iter().map(|(refused, _)| refused).sum::<u64>() > 0);
}

#[test]
fn a_rate_is_divided_and_never_rounded_up() {
    let shared = |text: &str, workers| rate(text).shared(workers).to_string();
    assert_eq!(shared("480/2m", 1), "480/2m");
    assert_eq!(shared("480/2m", 0), "480/2m");
    assert_eq!(shared("480/2m", 4), "120/2m");
    assert_eq!(shared("10/s", 3), "3/1s");
    assert_eq!(shared("2/1s", 8), "1/4s");
    assert_eq!(shared("auto", 4), "auto");
    assert_eq!(shared("unlimited", 4), "unlimited");
}
