//! Tests of the rate limit. Their time is virtual: tokio's clock is paused and jumps from timer to timer.

mod auto;
mod ceiling;
mod gate;
mod headers;
mod rate;
mod server;
mod sharing;
mod window;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{PaceEvent, PaceOptions, Pacer, Rate, Turn};

/// Runs `future` on a paused clock of its own.
fn with_virtual_time<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future)
}

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn turn(pacer: &Pacer) -> Turn {
    pacer.turn(&CancellationToken::new()).await.unwrap()
}

/// Returns options that collect every event.
fn collect_events(options: &PaceOptions) -> (PaceOptions, Arc<Mutex<Vec<PaceEvent>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let collected = Arc::clone(&events);
    let on_event: Arc<dyn Fn(PaceEvent) + Send + Sync> =
        Arc::new(move |event| collected.lock().unwrap().push(event));
    (PaceOptions { on_event: Some(on_event), ..options.clone() }, events)
}
