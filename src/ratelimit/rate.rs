//! The rate that the user asks for: how it is written, and what follows from it.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The shortest window that can be asked for; timers count in milliseconds.
const SHORTEST: Duration = Duration::from_millis(1);
/// The longest window that can be asked for.
const LONGEST: Duration = Duration::from_hours(24);
/// The share of a window's requests that may leave at once: one in this many.
const BURST_SHARE: u32 = 50;

/// How fast the requests of all workers may leave.
///
/// Written as requests per window (`480/2m`, `4/s`, `10/500ms`, `1000/1h`), `auto` or `unlimited`. Serialised
/// as that text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Rate {
    Ceiling {
        /// How many requests may leave in one window, besides the [burst](Rate::burst).
        requests: NonZeroU32,
        /// How long a window is: 1 ms to 24 h as written, shorter only once [scaled](Rate::scaled).
        window: Duration,
    },
    /// As fast as the server's rate limit headers allow.
    Auto,
    /// No limit of our own; only pauses that the server asks for are kept.
    Unlimited,
}

impl Rate {
    /// The ceiling that stays below the API's documented default of 500 requests in 2 minutes: `480/2m`.
    pub const DEFAULT: Rate = Rate::Ceiling {
        requests: match NonZeroU32::new(480) {
            Some(requests) => requests,
            None => NonZeroU32::MIN,
        },
        window: Duration::from_mins(2),
    };

    /// By how much a window may be exceeded: a fiftieth (2 %) of a ceiling's requests, at least 1.
    ///
    /// In any stretch of time as long as the window at most `requests` + `burst` leave: for `480/2m` that is 489, which
    /// stays below a limit of 500 in 2 minutes wherever its windows begin. `None` if there is no ceiling.
    #[must_use]
    pub fn burst(self) -> Option<NonZeroU32> {
        match self {
            Rate::Ceiling { requests, .. } => {
                Some(NonZeroU32::new(requests.get() / BURST_SHARE).unwrap_or(NonZeroU32::MIN))
            }
            Rate::Auto | Rate::Unlimited => None,
        }
    }

    /// How many requests may leave at once: half of the [burst](Self::burst), rounded up.
    ///
    /// Requests are spread evenly, and unused time is made up for only as far as this. The other half of the burst
    /// covers requests that are delayed on their way to the server, by the commit of their record or by the network, and
    /// arrive together with later ones.
    #[must_use]
    pub(super) fn at_once(self) -> Option<NonZeroU32> {
        let burst = self.burst()?.get();
        NonZeroU32::new(burst.div_ceil(2))
    }

    /// Returns the same number of requests in a window `factor` times shorter. A factor of 0 counts as 1.
    #[must_use]
    pub fn scaled(self, factor: u32) -> Rate {
        match self {
            Rate::Ceiling { requests, window } => {
                Rate::Ceiling { requests, window: (window / factor.max(1)).max(Duration::from_nanos(1)) }
            }
            other => other,
        }
    }

    /// Returns the share of this rate for each of `workers` processes, so that together they keep it. A ceiling's
    /// requests are divided and rounded down; if there are fewer requests than workers, the window grows. `auto` is
    /// divided when the server reports its quota (see [`PaceOptions`](super::PaceOptions)). 0 counts as 1.
    #[must_use]
    pub fn shared(self, workers: u32) -> Rate {
        match self {
            Rate::Ceiling { requests, window } if workers > 1 => {
                match NonZeroU32::new(requests.get() / workers) {
                    Some(requests) => Rate::Ceiling { requests, window },
                    None => Rate::Ceiling {
                        requests: NonZeroU32::MIN,
                        window: (window * workers / requests.get()).max(window),
                    },
                }
            }
            other => other,
        }
    }

    /// Returns the shortest time in which `n` requests can leave; `None` for `auto` and `unlimited`, which do not
    /// determine it.
    #[must_use]
    pub fn time_for(self, n: u64) -> Option<Duration> {
        let at_once = u64::from(self.at_once()?.get());
        let nanos = self.interval()?.as_nanos().saturating_mul(u128::from(n.saturating_sub(at_once)));
        let seconds = u64::try_from(nanos / 1_000_000_000).ok();
        let rest = u32::try_from(nanos % 1_000_000_000).unwrap_or(0);
        Some(seconds.map_or(Duration::MAX, |seconds| Duration::new(seconds, rest)))
    }

    /// Returns the time between two requests of an even flow, rounded up so that rounding never adds a request.
    pub(super) fn interval(self) -> Option<Duration> {
        match self {
            Rate::Ceiling { requests, window } => {
                let nanos = window.as_nanos().div_ceil(u128::from(requests.get())).max(1);
                Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
            }
            Rate::Auto | Rate::Unlimited => None,
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rate::Ceiling { requests, window } => {
                // humantime writes "1h 30m"; a rate is one word.
                let window = humantime::format_duration(*window).to_string().replace(' ', "");
                write!(f, "{requests}/{window}")
            }
            Rate::Auto => f.write_str("auto"),
            Rate::Unlimited => f.write_str("unlimited"),
        }
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        match text {
            "auto" => return Ok(Rate::Auto),
            "unlimited" => return Ok(Rate::Unlimited),
            _ => {}
        }
        let owned = || text.to_owned();
        if text.contains(char::is_whitespace) {
            return Err(RateError::Space { text: owned() });
        }
        let Some((count, window)) = text.split_once('/') else {
            return Err(RateError::Shape { text: owned() });
        };
        // `parse` accepts a sign.
        let digits = count.bytes().all(|b| b.is_ascii_digit());
        let requests = match count.parse::<NonZeroU32>() {
            Ok(requests) if digits => requests,
            _ => return Err(RateError::Requests { text: owned(), part: count.to_owned() }),
        };
        let bare_unit = window.starts_with(|c: char| c.is_ascii_alphabetic());
        let spelled = if bare_unit { format!("1{window}") } else { window.to_owned() };
        // humantime accepts a bare "0"; here it needs a unit like any other number.
        let window = match humantime::parse_duration(&spelled) {
            Ok(window) if spelled.ends_with(|c: char| c.is_ascii_alphabetic()) => window,
            _ => return Err(RateError::Window { text: owned(), part: window.to_owned() }),
        };
        if !(SHORTEST..=LONGEST).contains(&window) {
            return Err(RateError::WindowRange { text: owned() });
        }
        Ok(Rate::Ceiling { requests, window })
    }
}

impl TryFrom<String> for Rate {
    type Error = RateError;

    fn try_from(text: String) -> Result<Self, RateError> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

/// Why a text is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Neither a known word nor a number of requests per window.
    #[error("{text:?} is not a rate; write requests per window, such as 480/2m, or auto, or unlimited")]
    Shape { text: String },
    #[error("the rate {text:?} holds white space; write it as one word, such as 480/2m")]
    Space { text: String },
    /// The number of requests is not a whole number from 1 to [`u32::MAX`].
    #[error(
        "in the rate {text:?}, {part:?} is not a number of requests from 1 to {}; an example is 480/2m",
        u32::MAX
    )]
    Requests {
        text: String,
        /// The part before the slash.
        part: String,
    },
    /// The window is not a length of time with a unit.
    #[error("in the rate {text:?}, {part:?} is not a window with a unit (ms, s, m, h); an example is 480/2m")]
    Window {
        text: String,
        /// The part after the slash.
        part: String,
    },
    /// The window is a length of time, but zero, under 1 ms or over 24 h.
    #[error("the window of the rate {text:?} is not between 1ms and 24h; an example is 480/2m")]
    WindowRange { text: String },
}
