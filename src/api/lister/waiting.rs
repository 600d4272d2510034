//! Says what is waited for, if a listing takes long: its user would otherwise see nothing move.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// After how long, and how often, it is said.
const INTERVAL: Duration = Duration::from_secs(5);

/// Waits for `reply`, a page of the list of `what`.
pub(super) async fn announced<T>(what: &'static str, reply: impl Future<Output = T>) -> T {
    let (mut reply, began) = (pin!(reply), Instant::now());
    loop {
        tokio::select! {
            reply = &mut reply => return reply,
            () = sleep(INTERVAL) => {
                tracing::warn!("still waiting for the list of {what} ({} s so far)", began.elapsed().as_secs());
            }
        }
    }
}
