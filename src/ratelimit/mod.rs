//! How fast requests may leave, for all workers together.
//!
//! A [`Rate`] is what the user asks for, a [`ServerWord`] is what an answer's headers say, and the [`Pacer`]
//! is the one gate that keeps both: every attempt takes a [`Turn`] there, sends, and hands the answer back.
//! Whatever the rate, a pause that the server asks for is kept by everybody.
//!
//! ```
//! # use decom::ratelimit::{PaceError, PaceOptions, Pacer, Rate, ServerWord};
//! # use tokio_util::sync::CancellationToken;
//! # async fn example(headers: http::HeaderMap, status: u16) -> Result<(), PaceError> {
//! let pacer = Pacer::new(Rate::DEFAULT, PaceOptions::default());
//! let turn = pacer.turn(&CancellationToken::new()).await?;
//! // … send the request …
//! let word = ServerWord::from_headers(&headers, std::time::SystemTime::now());
//! turn.answered(&word, status == 429);
//! # Ok(())
//! # }
//! ```

mod ceiling;
mod headers;
mod pacer;
mod pause;
mod rate;
#[cfg(test)]
mod tests;
mod window;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use headers::{Quota, ServerWord};
pub use pacer::{Pacer, Turn};
pub use rate::{Rate, RateError};

/// What a [`Pacer`] does beside keeping its rate.
#[derive(Clone)]
pub struct PaceOptions {
    /// The longest pause that the server may ask for, at once or by throttling again and again without an
    /// unthrottled answer in between. 15 minutes by default.
    pub max_pause: Duration,
    /// The rate that stands in for [`Rate::Auto`] where the server does not tell its quota: a ceiling,
    /// [`Rate::DEFAULT`] by default. Where it is not a ceiling, there is no limit then.
    pub fallback: Rate,
    /// How many workers share the server's quota, this one included; 1 by default. Each keeps to its part of
    /// what the server says is left. A ceiling is divided beforehand, by [`Rate::shared`].
    pub workers: u32,
    /// Told of each [`PaceEvent`], by whichever worker caused it. It should return quickly.
    pub on_event: Option<Arc<dyn Fn(PaceEvent) + Send + Sync>>,
}

impl Default for PaceOptions {
    fn default() -> Self {
        Self { max_pause: Duration::from_mins(15), fallback: Rate::DEFAULT, workers: 1, on_event: None }
    }
}

impl fmt::Debug for PaceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaceOptions")
            .field("max_pause", &self.max_pause)
            .field("fallback", &self.fallback)
            .field("workers", &self.workers)
            .field("on_event", &self.on_event.as_ref().map(|_| "…"))
            .finish()
    }
}

/// Something about the pace that a user may want to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaceEvent {
    /// Nobody sends for a while, because the server said so.
    Paused {
        /// For how long from now; an answer may yet change it.
        for_: Duration,
        /// What the server said.
        why: PauseReason,
    },
    /// The rate is `auto`, but the server does not tell its quota. Reported once.
    NoHeaders {
        /// The rate that is kept instead.
        rate: Rate,
    },
}

/// Why nobody sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseReason {
    /// A reply was a refusal for being too fast (429).
    Throttled,
    /// The server's quota is used up until its window ends.
    QuotaUsedUp,
}

/// Why no further request may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PaceError {
    /// The caller's token was cancelled.
    #[error("stopped while waiting for a turn")]
    Stopped,
    /// The server asked for a longer pause than is allowed.
    #[error(
        "the server asks for a pause of {} in all, and the longest allowed is {}",
        humantime::format_duration(whole_seconds(*.asked)),
        humantime::format_duration(*.max)
    )]
    TooLong {
        /// How long it asked for; where it throttled again and again, altogether.
        asked: Duration,
        /// The longest pause allowed.
        max: Duration,
    },
}

/// Rounded up: nanoseconds in a message help nobody.
fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}
