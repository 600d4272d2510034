//! Any header values into the parser of the server's rate limit: it never panics, and no number that it returns can
//! stop a run indefinitely or divide by zero.
//!
//! Input: lines of `name: value`. The pseudo-header `now` is the time of arrival, in Unix time.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use decom::ratelimit::RateLimitHeaders;
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

const DAY: Duration = Duration::from_hours(24);

fuzz_target!(|input: &[u8]| {
    let mut headers = HeaderMap::new();
    let mut now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for line in input.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name == b"now" {
            let seconds = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u32>().ok());
            now = UNIX_EPOCH + Duration::from_secs(seconds.unwrap_or_default().into());
        } else if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }

    let limit = RateLimitHeaders::read(&headers, now);
    if let Some(quota) = limit.quota {
        assert!(quota.limit.is_none_or(|limit| limit > 0 && quota.remaining <= limit));
        assert!(quota.reset <= DAY);
        assert!(quota.window.is_none_or(|window| (Duration::from_secs(1)..=DAY).contains(&window)));
    }
    assert!(limit.retry_after.is_none_or(|pause| pause <= DAY));
    // Plausible seconds are read correctly, whatever other values there are.
    let seconds = headers.get_all("retry-after").iter().filter_map(|value| {
        let text = value.to_str().ok()?.trim();
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten()
    });
    for asked in seconds.map(|seconds| Duration::from_secs(seconds.into())).filter(|asked| *asked <= DAY) {
        assert!(limit.retry_after.is_some_and(|pause| pause >= asked));
    }
    // Other headers change nothing.
    headers.insert("content-type", HeaderValue::from_static("text/html"));
    assert_eq!(RateLimitHeaders::read(&headers, now), limit);
});
