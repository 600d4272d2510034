//! A time in which the broker cannot be reached.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// The pauses between two requests to a broker that cannot be reached: they double, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(super) struct Outage {
    since: Instant,
    pause: Duration,
}

impl Outage {
    pub(super) fn begin() -> Self {
        Self { since: Instant::now(), pause: FIRST_PAUSE }
    }

    /// How long it has lasted.
    pub(super) fn length(&self) -> Duration {
        self.since.elapsed()
    }

    /// How long the next wait takes.
    pub(super) const fn pause(&self) -> Duration {
        self.pause
    }

    /// Waits before the next request.
    pub(super) async fn wait(&mut self) {
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}
