//! A ceiling is never exceeded, in any window, and is reached when there is demand.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{ms, rate, secs, turn, with_virtual_time};
use crate::ratelimit::{PaceOptions, Pacer, Rate, RateLimitHeaders};

/// Returns when requests left, from the start, if each worker waits for each of its `rests` before a request.
fn departures(rate: Rate, workers: Vec<Vec<Duration>>) -> Vec<Duration> {
    with_virtual_time(async {
        let pacer = Pacer::new(rate, PaceOptions::default());
        let start = Instant::now();
        let left = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for rests in workers {
            let (pacer, left) = (pacer.clone(), Arc::clone(&left));
            tasks.spawn(async move {
                for rest in rests {
                    tokio::time::sleep(rest).await;
                    let turn = turn(&pacer).await;
                    left.lock().unwrap().push(start.elapsed());
                    turn.answered(&RateLimitHeaders::default(), false);
                }
            });
        }
        tasks.join_all().await;
        left.lock().unwrap().clone()
    })
}

/// Returns the most departures in any stretch of time as long as `window`.
fn busiest(left: &[Duration], window: Duration) -> usize {
    let mut most = 0;
    let mut first = 0;
    for (last, at) in left.iter().enumerate() {
        while *at >= left[first] + window {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

/// Windows whose requests are at least a millisecond apart, the resolution of the timer.
fn ceilings() -> impl Strategy<Value = (u32, Duration)> {
    (1_u32..600).prop_flat_map(|requests| {
        let least = u64::from(requests) * 1_000;
        (Just(requests), (least..=least * 40).prop_map(Duration::from_micros))
    })
}

fn ceiling((requests, window): (u32, Duration)) -> Rate {
    Rate::Ceiling { requests: NonZeroU32::new(requests).unwrap(), window }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_window_exceeds_the_requests_plus_the_burst(
        (requests, window) in ceilings(),
        // In thousandths of the window: mostly no rest, some short ones, some longer than the burst takes.
        workers in proptest::collection::vec(
            proptest::collection::vec(prop_oneof![8 => Just(0_u32), 3 => 0..8_u32, 1 => 0..900_u32], 1..90),
            1..20,
        ),
    ) {
        let rate = ceiling((requests, window));
        let rests = |worker: Vec<u32>| worker.into_iter().map(|rest| window * rest / 1000).collect();
        let left = departures(rate, workers.into_iter().map(rests).collect());
        let allowed = requests + rate.burst().unwrap().get();
        let seen = busiest(&left, window);
        prop_assert!(seen <= allowed as usize, "{} in a window of {:?}, allowed are {}", seen, window, allowed);
    }

    #[test]
    fn with_demand_the_ceiling_is_reached((requests, window) in ceilings(), workers in 1_usize..65) {
        let rate = ceiling((requests, window));
        let each = (requests as usize * 3).div_ceil(workers);
        let left = departures(rate, vec![vec![Duration::ZERO; each]; workers]);
        let ideal = rate.time_for(left.len() as u64).unwrap();
        let took = *left.last().unwrap();
        prop_assert!(took <= ideal.mul_f64(1.0 / 0.98) + ms(2), "{:?} instead of {:?}", took, ideal);
    }
}

#[test]
fn the_default_stays_below_the_servers_limit() {
    let left = departures(Rate::DEFAULT, vec![vec![Duration::ZERO; 50]; 64]);
    assert_eq!(left.len(), 3_200);
    assert_eq!(busiest(&left, secs(120)), 484);
    assert_eq!(busiest(&left, ms(1)), 5, "half of the burst at the start, the other half is for delays");
}

#[test]
fn idle_time_is_made_up_for_by_at_most_half_of_the_burst() {
    let mut rests = vec![Duration::ZERO; 40];
    rests[20] = secs(60);
    let left = departures(rate("200/s"), vec![rests]);
    assert_eq!(left[20..].iter().filter(|at| **at == left[20]).count(), 2);
}

#[test]
fn a_late_timer_costs_no_requests() {
    // 1.5 ms apart on a timer that counts whole milliseconds, with nothing to burst with.
    let rate = rate("60/90ms");
    assert_eq!(rate.burst(), NonZeroU32::new(1));
    let left = departures(rate, vec![vec![Duration::ZERO; 601]]);
    assert!(*left.last().unwrap() <= ms(902), "{:?}", left.last());
}

#[test]
fn workers_are_served_in_order_of_arrival() {
    with_virtual_time(async {
        let pacer = Pacer::new(rate("10/s"), PaceOptions::default());
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for worker in 0..8 {
            let (pacer, order) = (pacer.clone(), Arc::clone(&order));
            tasks.spawn(async move {
                tokio::time::sleep(ms(worker)).await;
                for _ in 0..5 {
                    let turn = turn(&pacer).await;
                    order.lock().unwrap().push(worker);
                    drop(turn);
                }
            });
        }
        tasks.join_all().await;
        let order = order.lock().unwrap();
        // The first worker leaves before the others arrive, and queues again before them.
        for round in order[1..].chunks(8) {
            let mut seen = round.to_vec();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), round.len(), "a worker was served twice in {round:?}");
        }
    });
}
