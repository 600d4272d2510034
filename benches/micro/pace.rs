//! The gate that every request passes, with many waiters.
//!
//! The clock is tokio's and stands still until all tasks wait for it, so that work is measured and not waiting.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use decom::ratelimit::{PaceOptions, Pacer, Rate, RateLimitHeaders};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("limiter");
    group.throughput(Throughput::Elements(1));
    for (name, rate) in [("480/2m", Rate::DEFAULT), ("unlimited", Rate::Unlimited)] {
        for waiters in [1, 64, 1024] {
            group.bench_function(BenchmarkId::new(name, waiters), |bencher| {
                bencher.iter_custom(|turns| take(rate, waiters, turns));
            });
        }
    }
    group.finish();
}

/// Returns how long it takes until `waiters` have together taken `turns`, each answered without rate limit headers.
fn take(rate: Rate, waiters: u64, turns: u64) -> Duration {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let pacer = Pacer::new(rate, PaceOptions::default());
        let mut all = JoinSet::new();
        let begun = Instant::now();
        for waiter in 0..waiters {
            let pacer = pacer.clone();
            let own = turns / waiters + u64::from(waiter < turns % waiters);
            all.spawn(async move {
                let stop = CancellationToken::new();
                for _ in 0..own {
                    pacer.turn(&stop).await.unwrap().answered(&RateLimitHeaders::default(), false);
                    // As if a request were under way: the others get their turn.
                    tokio::task::yield_now().await;
                }
            });
        }
        all.join_all().await;
        begun.elapsed()
    })
}
