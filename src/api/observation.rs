//! What the replies to listings show of the server itself: its certificate, and its clock.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::header::DATE;
use reqwest::Response;
use reqwest::tls::TlsInfo;
use sha2::{Digest, Sha256};

use crate::domain::{hex, lock};

/// What the newest reply that told it showed. All clones share it.
#[derive(Debug, Clone, Default)]
pub struct ServerObservation(Arc<Mutex<ServerFacts>>);

/// What a reply showed of the server; nothing if there was none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// SHA-256 of its certificate, in hexadecimal; `None` without TLS.
    pub certificate_sha256: Option<String>,
    /// How far this machine's clock is ahead of the server's `Date`, in milliseconds.
    pub clock_ahead_ms: Option<i64>,
}

impl ServerObservation {
    #[must_use]
    pub fn facts(&self) -> ServerFacts {
        lock(&self.0).clone()
    }

    /// Takes note of a reply that arrived at `now`.
    pub(super) fn note(&self, response: &Response, now: SystemTime) {
        let certificate = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        let date = response.headers().get(DATE).and_then(|value| value.to_str().ok());
        let mut facts = lock(&self.0);
        // Not every reply tells both.
        if let Some(der) = certificate {
            facts.certificate_sha256 = Some(hex(Sha256::digest(der)));
        }
        if let Some(date) = date.and_then(|text| httpdate::parse_http_date(text).ok()) {
            facts.clock_ahead_ms = Some(milliseconds_ahead(now, date));
        }
    }
}

/// How far `now` is after `date`, which says no fractions of its second: half of one is the best guess.
fn milliseconds_ahead(now: SystemTime, date: SystemTime) -> i64 {
    let date = date + Duration::from_millis(500);
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    now.duration_since(date).map_or_else(|before| -millis(before.duration()), millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_compared_with_the_middle_of_the_second() {
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let at = |millis| date + Duration::from_millis(millis);
        assert_eq!(milliseconds_ahead(at(500), date), 0);
        assert_eq!(milliseconds_ahead(at(62_500), date), 62_000);
        assert_eq!(milliseconds_ahead(date - Duration::from_secs(10), date), -10_500);
    }
}
