//! What is read from headers: each generation as servers send it, and malformed values.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::{ms, secs};
use crate::ratelimit::{Quota, RateLimitHeaders};

/// Sun, 09 Sep 2001 01:46:40.250 GMT.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_000_000_000_250)
}

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    }
    map
}

fn read(lines: &[(&str, &str)]) -> RateLimitHeaders {
    RateLimitHeaders::read(&map(lines), now())
}

fn quota(lines: &[(&str, &str)]) -> Option<Quota> {
    read(lines).quota
}

fn full(limit: u64, remaining: u64, reset: u64, window: u64) -> Quota {
    Quota { limit: Some(limit), remaining, reset: secs(reset), window: Some(secs(window)) }
}

#[test]
fn separate_headers_are_read() {
    let lines = [
        ("RateLimit-Policy", "500;w=120"),
        ("RateLimit-Limit", "500"),
        ("RateLimit-Remaining", "499"),
        ("RateLimit-Reset", "118"),
    ];
    assert_eq!(quota(&lines), Some(full(500, 499, 118, 120)));
    // express-rate-limit leaves the reset out when it rounds to 0.
    assert_eq!(quota(&lines[..3]), Some(full(500, 499, 120, 120)));
    assert_eq!(quota(&lines[1..3]), None);
    assert_eq!(
        quota(&lines[2..]),
        Some(Quota { limit: None, remaining: 499, reset: secs(118), window: None })
    );
    let listed =
        [("RateLimit-Limit", "10, 10;w=1, 50;w=60"), ("RateLimit-Remaining", "9"), ("RateLimit-Reset", "1")];
    assert_eq!(quota(&listed).unwrap().limit, Some(10));
    let several = [("RateLimit-Policy", "10;w=1, 500;w=120"), lines[1], lines[2], lines[3]];
    assert_eq!(quota(&several), Some(full(500, 499, 118, 120)));
}

#[test]
fn a_combined_header_is_read() {
    let lines = [("RateLimit-Policy", "500;w=120"), ("RateLimit", "limit=500, remaining=499, reset=120")];
    assert_eq!(quota(&lines), Some(full(500, 499, 120, 120)));
    assert_eq!(
        quota(&lines[1..]),
        Some(Quota { limit: Some(500), remaining: 499, reset: secs(120), window: None })
    );
}

#[test]
fn named_policies_are_read() {
    let lines = [
        ("RateLimit-Policy", "\"500-in-2min\"; q=500; w=120; pk=:MTJjYTE3YjQ5YWYy:"),
        ("RateLimit", "\"500-in-2min\"; r=499; t=119"),
    ];
    assert_eq!(quota(&lines), Some(full(500, 499, 119, 120)));
    let without_policy = Some(Quota { limit: None, remaining: 499, reset: secs(119), window: None });
    assert_eq!(quota(&lines[1..]), without_policy);
    assert_eq!(quota(&lines[..1]), None);
}

#[test]
fn the_policy_that_binds_first_counts() {
    let policies = ("RateLimit-Policy", "\"second\";q=10;w=1, \"day\";q=5000;w=86400");
    let binding = |text| quota(&[policies, ("RateLimit", text)]);
    assert_eq!(binding("\"second\";r=9;t=1, \"day\";r=4000;t=80000"), Some(full(10, 9, 1, 1)));
    assert_eq!(binding("\"second\";r=9;t=1, \"day\";r=3;t=80000"), Some(full(5000, 3, 80_000, 86_400)));
    assert_eq!(binding("\"second\";r=0;t=1, \"day\";r=0;t=80000"), Some(full(5000, 0, 80_000, 86_400)));
    let lines = [
        ("RateLimit-Policy", "\"second\";q=10;w=1"),
        ("RateLimit-Policy", "\"day\";q=5000;w=86400"),
        ("RateLimit", "\"second\";r=9;t=1"),
        ("RateLimit", "\"day\";r=3;t=80000"),
    ];
    assert_eq!(quota(&lines), Some(full(5000, 3, 80_000, 86_400)));
    // Bytes that are left are not requests.
    let bytes = [
        (
            "RateLimit-Policy",
            "\"bytes\";q=100;w=60;qu=\"content-bytes\", \"calls\";q=10;w=60;qu=\"requests\"",
        ),
        ("RateLimit", "\"bytes\";r=0;t=60, \"calls\";r=7;t=60"),
    ];
    assert_eq!(quota(&bytes), Some(full(10, 7, 60, 60)));
}

/// Some servers send the reset in Unix time under the name that the drafts give to seconds left (GitLab), or in
/// milliseconds (Rocket.Chat).
///
/// Reported of other servers and clients: gitlab-org/gitlab#199738, RocketChat/docs-old#1358.
#[test]
fn a_reset_is_read_as_seconds_left_or_as_a_date_in_seconds_or_milliseconds() {
    for prefix in ["", "X-"] {
        let reset = |reset| {
            let [limit, remaining, name] =
                ["Limit", "Remaining", "Reset"].map(|part| format!("{prefix}RateLimit-{part}"));
            let lines = [(limit.as_str(), "500"), (remaining.as_str(), "499"), (name.as_str(), reset)];
            quota(&lines).map(|quota| quota.reset)
        };
        assert_eq!(reset("1000000100"), Some(ms(99_750)));
        assert_eq!(reset("1000000100250"), Some(secs(100)));
        assert_eq!(reset("100"), Some(secs(100)));
        assert_eq!(reset("1000000000"), Some(Duration::ZERO), "already past");
        for implausible in ["99999999999999999999", "500000", "1900000000", "1900000000000"] {
            assert_eq!(reset(implausible), None, "{implausible}");
        }
        assert_eq!(reset("-5"), None);
    }
    let combined = quota(&[("RateLimit", "limit=500, remaining=0, reset=1000000100")]);
    assert_eq!(combined.map(|quota| quota.reset), Some(ms(99_750)));
}

#[test]
fn dates_are_read_by_the_servers_clock_if_it_differs() {
    let lines = [
        ("Date", "Sun, 09 Sep 2001 02:46:40 GMT"),
        ("X-RateLimit-Remaining", "0"),
        ("X-RateLimit-Reset", "1000003700"),
        ("Retry-After", "Sun, 09 Sep 2001 02:48:20 GMT"),
    ];
    let ahead = read(&lines);
    assert_eq!((ahead.quota.unwrap().reset, ahead.retry_after), (secs(100), Some(secs(100))));
    // If the clocks agree, ours is finer.
    let same = read(&[
        ("Date", "Sun, 09 Sep 2001 01:46:40 GMT"),
        ("X-RateLimit-Remaining", "0"),
        ("X-RateLimit-Reset", "1000000100"),
    ]);
    assert_eq!(same.quota.unwrap().reset, ms(99_750));
}

#[test]
fn retry_after_is_read_in_seconds_and_as_a_date() {
    let retry_after = |value| read(&[("Retry-After", value)]).retry_after;
    assert_eq!(retry_after("120"), Some(secs(120)));
    assert_eq!(retry_after("0"), Some(Duration::ZERO));
    assert_eq!(retry_after("Sun, 09 Sep 2001 01:47:40 GMT"), Some(ms(59_750)));
    assert_eq!(retry_after("Sunday, 09-Sep-01 01:47:40 GMT"), Some(ms(59_750)));
    assert_eq!(retry_after("Sun, 09 Sep 2001 01:46:00 GMT"), Some(Duration::ZERO), "already past");
    assert_eq!(retry_after("1.5"), Some(secs(2)), "rounded up");
    assert_eq!(retry_after("2.0"), Some(secs(2)));
    assert_eq!(retry_after("86400"), Some(secs(86_400)));
    for implausible in ["Fri, 31 Dec 9999 23:59:59 GMT", "86401", "99999999999999999999999"] {
        assert_eq!(retry_after(implausible), None, "{implausible}");
    }
    for malformed in ["", "-1", "soon", "1.5.2", ".5", "1.", "Sun, 32 Sep 2001 01:47:40 GMT"] {
        assert_eq!(retry_after(malformed), None, "{malformed:?}");
    }
    assert_eq!(
        read(&[("Retry-After", "3"), ("Retry-After", "x"), ("Retry-After", "7")]).retry_after,
        Some(secs(7))
    );
}

#[test]
fn the_more_careful_of_two_values_counts_and_malformed_ones_are_ignored() {
    let repeated = [
        ("RateLimit-Limit", "500"),
        ("RateLimit-Limit", "100"),
        ("RateLimit-Remaining", "50"),
        ("RateLimit-Remaining", "40"),
        ("RateLimit-Reset", "7"),
        ("RateLimit-Reset", "9"),
    ];
    assert_eq!(
        quota(&repeated),
        Some(Quota { limit: Some(100), remaining: 40, reset: secs(9), window: None })
    );
    let generations = [
        ("RateLimit-Policy", "500;w=120"),
        ("RateLimit", "limit=500, remaining=12, reset=9"),
        ("X-RateLimit-Limit", "500"),
        ("X-RateLimit-Remaining", "12"),
        ("X-RateLimit-Reset", "1000000010"),
    ];
    let both = quota(&generations).unwrap();
    assert_eq!((both.remaining, both.reset, both.window), (12, ms(9_750), Some(secs(120))));
    let more_than_all = [("RateLimit", "limit=500, remaining=900, reset=9")];
    assert_eq!(quota(&more_than_all).unwrap().remaining, 500);
    let limit_of_zero = [("RateLimit", "limit=0, remaining=0, reset=9")];
    assert_eq!(
        quota(&limit_of_zero),
        Some(Quota { limit: None, remaining: 0, reset: secs(9), window: None })
    );
    for malformed in [
        "limit=500, remaining=-1, reset=9",
        "limit=500, remaining=x, reset=9",
        "limit=500, remaining=(1 2), reset=9",
        "limit=500, reset=9",
        "limit=500, remaining=99999999999999999999, reset=9",
        "\"a\"; r=-1; t=2",
        "\"a\"; t=2",
        "5; r=1; t=2",
        "ok",
        "",
    ] {
        assert_eq!(quota(&[("RateLimit", malformed)]), None, "{malformed:?}");
    }
    let one_good_line = [("RateLimit", "}{"), ("RateLimit", "limit=500, remaining=3, reset=9")];
    assert_eq!(quota(&one_good_line).unwrap().remaining, 3);
}

#[test]
fn headers_without_a_rate_limit_change_nothing() {
    assert_eq!(read(&[("Content-Type", "text/plain")]), RateLimitHeaders::default());
}

const NAMES: [&str; 9] = [
    "retry-after",
    "date",
    "ratelimit",
    "ratelimit-policy",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
];

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        "[0-9]{1,22}".prop_map(String::into_bytes),
        "(limit|remaining|reset|\"a\"|b)[=;](r|t|q|w)?=?-?[0-9]{0,20}[,;] ?(remaining|r|t)=[0-9]{1,16}"
            .prop_map(String::into_bytes),
        "\"a\";(r|q)=[0-9]{1,15};(t|w)=[0-9]{1,15}".prop_map(String::into_bytes),
        "Sun, [0-3][0-9] Sep [0-9]{4} [0-2][0-9]:[0-6][0-9]:[0-6][0-9] GMT".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn no_bytes_cause_a_panic_or_a_wait_longer_than_a_day(
        lines in proptest::collection::vec((0..NAMES.len(), value()), 0..8),
        now in prop_oneof![Just(UNIX_EPOCH), Just(now()), Just(UNIX_EPOCH + Duration::from_hours(90_000_000))],
    ) {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                map.append(NAMES[name], value);
            }
        }
        let headers = RateLimitHeaders::read(&map, now);
        let day = secs(86_400);
        prop_assert!(headers.retry_after.is_none_or(|wait| wait <= day));
        if let Some(quota) = headers.quota {
            prop_assert!(quota.reset <= day);
            prop_assert!(quota.window.is_none_or(|window| window <= day && window > Duration::ZERO));
            prop_assert!(quota.limit.is_none_or(|limit| limit > 0 && quota.remaining <= limit));
        }
    }
}
