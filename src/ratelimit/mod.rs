//! How fast requests may leave, for all workers together.
//!
//! A [`Rate`] is what the user asks for, [`RateLimitHeaders`] are what a reply says, and the [`Pacer`] is the one gate
//! that keeps both: every attempt takes a [`Turn`] there, sends its request, and hands the reply's headers back. A
//! pause that the server asks for holds all workers, at every rate.
//!
//! ```
//! # use decom::ratelimit::{PaceError, PaceOptions, Pacer, Rate, RateLimitHeaders};
//! # use tokio_util::sync::CancellationToken;
//! # async fn example(reply: http::HeaderMap, status: u16) -> Result<(), PaceError> {
//! let pacer = Pacer::new(Rate::DEFAULT, PaceOptions::default());
//! let turn = pacer.turn(&CancellationToken::new()).await?;
//! // … send the request …
//! let headers = RateLimitHeaders::read(&reply, std::time::SystemTime::now());
//! turn.answered(&headers, status == 429);
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

use crate::domain::seconds_up;

pub use headers::{Quota, RateLimitHeaders};
pub use pacer::{Pacer, Turn};
pub use rate::{Rate, RateError};

/// How a [`Pacer`] treats the server's limit and pauses.
#[derive(Clone)]
pub struct PaceOptions {
    /// The longest pause that the server may ask for, in one reply or in a series of throttled replies without another
    /// reply in between. 15 minutes by default.
    pub max_pause: Duration,
    /// The rate that replaces [`Rate::Auto`] if the server does not report its quota: a ceiling, [`Rate::DEFAULT`] by
    /// default. Any other rate means no limit.
    pub fallback: Rate,
    /// How many processes share the server's quota, this one included; 1 by default. Each keeps to its share of what
    /// the server reports as left. A ceiling is divided beforehand, by [`Rate::shared`].
    pub workers: u32,
    /// Called with each [`PaceEvent`], by the worker that caused it. It should return quickly.
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

/// A change of the pace that the operator may want to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaceEvent {
    /// No request leaves for a while, because the server asked for that.
    Paused {
        /// How long from now; a later reply may change it.
        pause: Duration,
        why: PauseReason,
    },
    /// The rate is `auto`, but the server does not report its quota. Sent once.
    NoHeaders {
        /// The rate that is kept instead.
        rate: Rate,
    },
}

/// Why the server pauses all requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseReason {
    /// A reply refused a request as one too many (429).
    Throttled,
    /// The quota is used up until its window ends.
    QuotaUsedUp,
}

/// Why no further request may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PaceError {
    /// The caller's cancellation token was cancelled.
    #[error("stopped while waiting for a turn")]
    Stopped,
    /// The server asked for a longer pause than is allowed.
    #[error(
        "the server asks for a pause of {} in all, and the longest allowed is {}",
        humantime::format_duration(Duration::from_secs(seconds_up(*.asked))),
        humantime::format_duration(*.max)
    )]
    TooLong {
        /// The length of this pause, and of all pauses of an unbroken series of throttled replies.
        asked: Duration,
        max: Duration,
    },
}
