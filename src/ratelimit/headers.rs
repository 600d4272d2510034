//! What the server says about its rate limit, in any generation of headers.
//!
//! The server is not trusted: malformed or implausible values are ignored, and if two values contradict each other the
//! more careful one counts.

use std::sync::Once;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName};
use sfv::{BareItem, Dictionary, Item, List, ListEntry, Parser};

/// The longest plausible time: no rate limit has a longer window.
const LONGEST: Duration = Duration::from_hours(24);

/// A reset is in seconds left in some places, and in seconds or milliseconds since 1970 in others, whatever the header
/// is called. No window lasts 30 years, so a number from here on is a date,
const SECONDS_SINCE_1970: u64 = 1_000_000_000;
/// and one from here on is a date in milliseconds.
const MILLISECONDS_SINCE_1970: u64 = 1_000_000_000_000;

/// A difference up to this between the server's `Date` and our clock comes from whole seconds and from the time that a
/// reply takes; beyond it, one of the clocks is wrong.
const SAME_CLOCK: Duration = Duration::from_secs(2);

/// What the headers of one reply say about the rate limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateLimitHeaders {
    /// `Retry-After`: how long to send nothing, from now on. 0 to 24 h.
    pub retry_after: Option<Duration>,
    /// The state of the server's quota, if it is reported.
    pub quota: Option<Quota>,
}

/// The state of a quota, as one reply reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How many requests a window has, at least 1.
    pub limit: Option<u64>,
    /// How many of them are left.
    pub remaining: u64,
    /// In how long the quota is whole again. 0 to 24 h, mostly in whole seconds.
    pub reset: Duration,
    /// How long a window is. 1 s to 24 h.
    pub window: Option<Duration>,
}

impl RateLimitHeaders {
    /// Reads the headers of a reply that arrived at `now`.
    ///
    /// Dates are read by the server's own clock (its `Date`) if that differs from ours.
    #[must_use]
    pub fn read(headers: &HeaderMap, now: SystemTime) -> Self {
        // Most replies have no such header.
        let is_relevant = |name: &HeaderName| {
            let name = name.as_str();
            name.strip_prefix("x-").unwrap_or(name).starts_with("ratelimit") || name == RETRY_AFTER
        };
        if !headers.keys().any(is_relevant) {
            return Self::default();
        }
        let now = server_clock(headers, now);
        let mut quotas = named_policies(headers, now);
        quotas.extend(combined(headers, now));
        for prefix in ["", "x-"] {
            quotas.extend(separate(headers, prefix, now));
        }
        Self { retry_after: retry_after(headers, now), quota: most_careful(&quotas) }
    }
}

/// The quota that binds first: the fewest remaining, and of several such the one that lasts longest.
fn most_careful(quotas: &[Quota]) -> Option<Quota> {
    let mut chosen = *quotas.iter().min_by_key(|quota| (quota.remaining, std::cmp::Reverse(quota.reset)))?;
    // One limiter may send two generations of headers, of which only one gives the window.
    if chosen.window.is_none() {
        chosen.window = quotas.iter().filter(|q| q.limit == chosen.limit).find_map(|q| q.window);
    }
    Some(chosen)
}

fn server_clock(headers: &HeaderMap, ours: SystemTime) -> SystemTime {
    let date =
        headers.get(DATE).and_then(|v| v.to_str().ok()).and_then(|v| httpdate::parse_http_date(v).ok());
    let apart = |theirs: SystemTime| {
        theirs.duration_since(ours).or_else(|_| ours.duration_since(theirs)).unwrap_or_default()
    };
    match date {
        Some(theirs) if apart(theirs) > SAME_CLOCK => theirs,
        _ => ours,
    }
}

/// `Retry-After` in seconds, rounded up, or as a date; of several the longest.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let read = |text: &str| {
        let asked = if let Some(seconds) = whole_seconds(text) {
            Duration::from_secs(seconds)
        } else {
            httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()
        };
        plausible(RETRY_AFTER.as_str(), asked)
    };
    headers.get_all(RETRY_AFTER).iter().filter_map(|value| read(value.to_str().ok()?.trim())).max()
}

/// Returns how long it is until a quota is whole again, from seconds left or from a date.
fn reset(header: &str, number: u64, now: SystemTime) -> Option<Duration> {
    let since_1970 = match number {
        MILLISECONDS_SINCE_1970.. => Duration::from_millis(number),
        SECONDS_SINCE_1970..MILLISECONDS_SINCE_1970 => Duration::from_secs(number),
        _ => return plausible(header, Duration::from_secs(number)),
    };
    let left = match UNIX_EPOCH.checked_add(since_1970) {
        Some(date) => date.duration_since(now).unwrap_or_default(),
        None => Duration::MAX,
    };
    plausible(header, left)
}

/// Returns `asked` unless it is implausibly long. The first such value of the process is logged.
fn plausible(header: &str, asked: Duration) -> Option<Duration> {
    static LOGGED: Once = Once::new();
    if asked <= LONGEST {
        return Some(asked);
    }
    LOGGED.call_once(|| {
        tracing::warn!(
            header,
            "ignoring an implausible pause of {} that the server asks for",
            humantime::format_duration(Duration::from_secs(asked.as_secs()))
        );
    });
    None
}

/// `RateLimit: "a"; r=499; t=120` with `RateLimit-Policy: "a"; q=500; w=120`: one quota for each policy.
fn named_policies(headers: &HeaderMap, now: SystemTime) -> Vec<Quota> {
    let policies = items(headers, "ratelimit-policy");
    let mut quotas = Vec::new();
    for item in items(headers, "ratelimit") {
        let (Some(name), Some(remaining)) = (name(&item), parameter(&item, "r")) else { continue };
        let own = || policies.iter().filter(|policy| self::name(policy) == Some(name));
        // A quota in another unit (`qu`) does not limit requests.
        if own().any(|policy| policy.params.get("qu").is_some_and(|unit| text(unit) != Some("requests"))) {
            continue;
        }
        let limit = own().filter_map(|policy| parameter(policy, "q")).min();
        let window = own().filter_map(|policy| parameter(policy, "w")).max();
        let reset = parameter(&item, "t").and_then(|number| reset("ratelimit", number, now));
        quotas.extend(quota(limit, remaining, reset, window));
    }
    quotas
}

/// `RateLimit: limit=500, remaining=499, reset=120`, with or without `RateLimit-Policy: 500;w=120`.
fn combined(headers: &HeaderMap, now: SystemTime) -> Vec<Quota> {
    let read = |bytes: &[u8]| {
        let dictionary: Dictionary = Parser::new(bytes).parse().ok()?;
        let value = |key: &str| match dictionary.get(key) {
            Some(ListEntry::Item(item)) => integer(&item.bare_item),
            _ => None,
        };
        let limit = value("limit");
        let reset = value("reset").and_then(|number| reset("ratelimit", number, now));
        quota(limit, value("remaining")?, reset, unnamed_window(headers, limit))
    };
    headers.get_all("ratelimit").iter().filter_map(|line| read(line.as_bytes())).collect()
}

/// Three headers with a number each: `RateLimit-Limit`, `-Remaining` and `-Reset`, with or without `X-` before them.
fn separate(headers: &HeaderMap, prefix: &str, now: SystemTime) -> Option<Quota> {
    // Older drafts append policies to the number ("500, 500;w=120"): the first item of a line counts.
    let numbers = |name: &str| {
        let lines = headers.get_all(name).iter();
        lines.filter_map(|line| whole_number(line.to_str().ok()?.split([',', ';']).next()?.trim()))
    };
    let [limit, remaining, reset_name] =
        ["limit", "remaining", "reset"].map(|part| format!("{prefix}ratelimit-{part}"));
    let limit = numbers(&limit).min();
    let remaining = numbers(&remaining).min()?;
    let reset = numbers(&reset_name).filter_map(|number| reset(&reset_name, number, now)).max();
    let window = if prefix.is_empty() { unnamed_window(headers, limit) } else { None };
    quota(limit, remaining, reset, window)
}

/// The window of `RateLimit-Policy: 500;w=120`: of the policy for `limit`, or else the longest.
fn unnamed_window(headers: &HeaderMap, limit: Option<u64>) -> Option<u64> {
    let policies: Vec<(Option<u64>, u64)> = items(headers, "ratelimit-policy")
        .iter()
        .filter_map(|policy| Some((Some(integer(&policy.bare_item)?), parameter(policy, "w")?)))
        .collect();
    let longest = |wanted: &dyn Fn(Option<u64>) -> bool| {
        policies.iter().filter(|(q, _)| wanted(*q)).map(|(_, window)| *window).max()
    };
    longest(&|q| q == limit).or_else(|| longest(&|_| true))
}

/// Makes a quota of its parts; `None` if they do not say until when it holds.
fn quota(limit: Option<u64>, remaining: u64, reset: Option<Duration>, window: Option<u64>) -> Option<Quota> {
    let limit = limit.filter(|limit| *limit > 0);
    let window = window.filter(|window| *window > 0).map(|window| Duration::from_secs(window).min(LONGEST));
    // Some servers omit the reset when it is imminent or unknown; no window outlasts its own length.
    let reset = reset.or(window)?;
    Some(Quota { limit, remaining: limit.map_or(remaining, |limit| remaining.min(limit)), reset, window })
}

/// The items of a structured list, line by line, so that one bad line does not hide the others.
fn items(headers: &HeaderMap, name: &str) -> Vec<Item> {
    let lines = headers.get_all(name).iter();
    lines
        .filter_map(|line| Parser::new(line.as_bytes()).parse::<List>().ok())
        .flatten()
        .filter_map(|entry| match entry {
            ListEntry::Item(item) => Some(item),
            ListEntry::InnerList(_) => None,
        })
        .collect()
}

fn name(item: &Item) -> Option<&str> {
    text(&item.bare_item)
}

fn text(value: &BareItem) -> Option<&str> {
    match value {
        BareItem::String(text) => Some(text.as_str()),
        BareItem::Token(token) => Some(token.as_str()),
        _ => None,
    }
}

fn parameter(item: &Item, key: &str) -> Option<u64> {
    integer(item.params.get(key)?)
}

fn integer(value: &BareItem) -> Option<u64> {
    match value {
        BareItem::Integer(number) => u64::try_from(i64::from(*number)).ok(),
        _ => None,
    }
}

/// Reads digits only. A number that does not fit becomes the largest one.
fn whole_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Reads digits with or without a fraction, and rounds up.
fn whole_seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let (whole, fraction) = (whole_number(whole)?, whole_number(fraction)?);
    Some(whole.saturating_add(u64::from(fraction > 0)))
}
