//! What each kind of setting may be. A value that may not be one is refused in words that complete "must be …".

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use tracing_subscriber::filter::{LevelFilter, Targets};
use url::Url;

use crate::domain::{Acceptance, NoticeEvent, Webhook};

const DAY: Duration = Duration::from_hours(24);

/// Reads a text; `parse` says what it means, if it can be one.
struct Text<F> {
    what: &'static str,
    /// If a number without quotes will do.
    is_number: bool,
    parse: F,
}

impl<T, F: FnOnce(&str) -> Option<T>> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", self.what)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let expected = format!("a {}", self.what);
        (self.parse)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &expected.as_str()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        if self.is_number {
            return self.visit_str(&number.to_string());
        }
        Err(E::invalid_type(Unexpected::Signed(number), &format!("a quoted {}", self.what).as_str()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

fn text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    what: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
    deserializer.deserialize_any(Text { what, is_number: false, parse })
}

/// A whole number within bounds.
pub(super) fn whole<'de, D, T, const LEAST: i64, const MOST: i64>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    struct Whole<T>(std::marker::PhantomData<T>, i64, i64);

    impl<T: TryFrom<i64>> Visitor<'_> for Whole<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.2 {
                i64::MAX => write!(f, "a whole number, {} or more", self.1),
                most => write!(f, "a whole number from {} to {most}", self.1),
            }
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
            let fits = (self.1..=self.2).contains(&number).then(|| T::try_from(number).ok()).flatten();
            fits.ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
        }
    }

    deserializer.deserialize_any(Whole(std::marker::PhantomData, LEAST, MOST))
}

/// A whole number, or an empty text: no limit.
pub(super) fn whole_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let what = "whole number, 0 or more, or an empty text: no limit";
    let parse = |text: &str| match text {
        "" => Some(None),
        text => text.parse().ok().filter(|number| i64::try_from(*number).is_ok()).map(Some),
    };
    deserializer.deserialize_any(Text { what, is_number: true, parse })
}

const PERCENTAGE: &str = "percentage such as 50 or 50% (above 0, up to 100, at most 15 digits)";

/// A percentage: a number, or a text such as `50%`.
pub(super) fn percentage<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let parse = |text: &str| parse_percentage(text).ok();
    deserializer.deserialize_any(Text { what: PERCENTAGE, is_number: true, parse })
}

/// Reads a percentage. One with more digits than a number keeps is refused: a share just below 100 % must not be
/// rounded to 100, which disables its guard.
pub(super) fn parse_percentage(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end().replace('_', "");
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let whole = digits.trim_start_matches('0');
    let significant = if mantissa.contains('.') { whole.trim_end_matches('0') } else { whole };
    let share = number.parse().ok().filter(|share| *share > 0.0 && *share <= 100.0);
    share.filter(|_| significant.len() <= 15).ok_or_else(|| format!("it must be a {PERCENTAGE}"))
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    text(deserializer, "duration such as \"25s\" (up to 24h)", |text| between(text, Duration::ZERO, DAY))
}

/// A duration, or an empty text: not set.
pub(super) fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    text(deserializer, "duration such as \"25s\" (up to 24h)", |text| {
        if text.is_empty() { Some(None) } else { between(text, Duration::ZERO, DAY).map(Some) }
    })
}

pub(super) fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    text(deserializer, "duration such as \"30s\" (above 0s, up to 24h)", |text| {
        between(text, Duration::from_nanos(1), DAY)
    })
}

pub(super) fn long<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    text(deserializer, "duration such as \"24h\" (above 0s, up to 366 days)", |text| {
        between(text, Duration::from_nanos(1), DAY * 366)
    })
}

fn between(text: &str, least: Duration, most: Duration) -> Option<Duration> {
    humantime::parse_duration(text).ok().filter(|duration| (least..=most).contains(duration))
}

/// The path of an audit log. SQLite's own names for databases that are not files are refused: `:memory:` keeps nothing.
pub(super) fn log<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    text(
        deserializer,
        "path of a file (for one whose name begins with `:` or `file:`, write ./ before it)",
        |text| {
            let is_path = !text.is_empty() && !text.starts_with(':') && !text.starts_with("file:");
            is_path.then(|| PathBuf::from(text))
        },
    )
}

/// A path, or an empty text: not set.
pub(super) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    text(deserializer, "path", |text| Some((!text.is_empty()).then(|| PathBuf::from(text))))
}

/// Any text, or an empty one: not set.
pub(super) fn string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Some(String::deserialize(deserializer)?).filter(|text| !text.is_empty()))
}

/// A text of one line, as it goes into the log and on paper.
pub(super) fn line<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let what = "text of one line (at most 1000 characters, no control characters)";
    text(deserializer, what, |text| {
        let is_line = text.chars().count() <= 1000 && !text.chars().any(char::is_control);
        is_line.then(|| Some(text.to_owned()).filter(|text| !text.is_empty()))
    })
}

/// A filter of the log: levels, and levels of modules. A single word that is not a level would be taken for
/// a module, and silence everything else.
pub(super) fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Targets, D::Error> {
    text(deserializer, "level such as `info`, or a filter such as `info,decom=debug`", |text| {
        let words: Vec<_> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        let fits = words.iter().all(|word| word.contains('=') || word.parse::<LevelFilter>().is_ok());
        if fits { words.join(",").parse().ok() } else { None }
    })
}

pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let what = "text with an IP address and a port, such as 127.0.0.1:9464, 0.0.0.0:9464 or [::]:9464";
    text(deserializer, what, |text| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) })
}

/// What counts as expected in the exit code.
pub(super) fn acceptance<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Acceptance, D::Error> {
    let mut acceptance = Acceptance::default();
    for word in Vec::<String>::deserialize(deserializer)? {
        if !acceptance.add(&word) {
            let expected = format!("a list of {}", Acceptance::words().join(", "));
            return Err(D::Error::invalid_value(Unexpected::Str(&word), &expected.as_str()));
        }
    }
    Ok(acceptance)
}

/// What a webhook is notified of.
pub(super) fn events<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<NoticeEvent>, D::Error> {
    let words = Vec::<String>::deserialize(deserializer)?;
    let event = |word: &String| {
        let expected = format!("a list of {}", NoticeEvent::ALL.map(NoticeEvent::as_str).join(", "));
        word.parse().map_err(|()| D::Error::invalid_value(Unexpected::Str(word), &expected.as_str()))
    };
    words.iter().map(event).collect()
}

/// A push gateway: its metrics are not secret, so plain HTTP will do. Not shown if it may hold a password.
pub(super) fn gateway<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    plain_url(
        deserializer,
        "a URL such as http://pushgateway:9091, without user, password, query and fragment",
    )
}

/// A time-stamp authority: its replies are signed, so plain HTTP will do.
pub(super) fn authority<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let what = "a URL such as https://tsa.example.com/tsr, without user, password, query and fragment";
    plain_url(deserializer, what)
}

fn plain_url<'de, D: Deserializer<'de>>(
    deserializer: D,
    what: &'static str,
) -> Result<Option<Url>, D::Error> {
    let Some(text) = string(deserializer)? else { return Ok(None) };
    let is_plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none()
    };
    match Url::parse(&text).ok().filter(is_plain) {
        Some(url) if !text.contains('@') => Ok(Some(url)),
        _ if text.contains('@') => Err(D::Error::invalid_value(Unexpected::Other("one with a user"), &what)),
        _ => Err(D::Error::invalid_value(Unexpected::Str(&text), &what)),
    }
}

/// The address of a webhook, which is a secret. Whether plain HTTP will do is another setting's decision.
pub(super) fn webhook<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Webhook>, D::Error> {
    let text = string(deserializer)?;
    text.map(|text| Webhook::new(&text, true)).transpose().map_err(D::Error::custom)
}
