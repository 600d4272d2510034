//! The rate limit and its headers.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::{Method, StatusCode};

use super::{Lab, Reply, sent, with};
use crate::emulator::limiter::{Admission, Limiter};
use crate::emulator::{EmulatorOptions, HeaderGeneration, WindowLimit};

fn limited(requests: u32, window: Duration, header_generation: HeaderGeneration) -> Lab {
    let limit = Some(WindowLimit { requests, window });
    Lab::new(EmulatorOptions { limit, header_generation, ..with(&["a", "b", "c"]) })
}

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn all_endpoints_share_one_window_and_requests_beyond_its_limit_are_refused() {
    let lab = limited(3, HOUR, HeaderGeneration::Draft6);
    assert_eq!(lab.get("/api/v2/datasource").await.header("ratelimit-remaining"), "2");
    assert_eq!(lab.get("/nowhere").await.header("ratelimit-remaining"), "1");
    assert_eq!(lab.delete("a").await.header("ratelimit-remaining"), "0");
    for _ in 0..2 {
        let refused = lab.delete("b").await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.body, "Too many requests, please try again later.");
        assert_eq!(refused.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(refused.header("ratelimit-remaining"), "0");
    }
    let tally = lab.emulator.tally();
    assert_eq!((tally.requests, tally.throttled, tally.deletions), (5, 2, 1));
}

#[tokio::test]
async fn the_limit_applies_before_authentication() {
    let lab = limited(0, HOUR, HeaderGeneration::Draft6);
    let stranger = lab.request(Method::GET, "/api/v2/datasource").header("authorization", "Bearer x");
    assert_eq!(sent(stranger).await.unwrap().status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_new_window_serves_requests_again() {
    let lab = limited(1, Duration::from_millis(300), HeaderGeneration::Draft6);
    let (begun, mut refused) = (Instant::now(), false);
    loop {
        let reply = lab.delete("a").await;
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(reply.header("retry-after"), "1", "rounded up");
            refused = true;
        } else if refused {
            break;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "no window ends, or none is limited");
    }
}

async fn first_and_refused(generation: HeaderGeneration) -> (Reply, Reply) {
    let lab = limited(1, Duration::from_mins(2), generation);
    let (first, refused) = (lab.delete("a").await, lab.delete("b").await);
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!first.headers.contains_key("retry-after"));
    let retry_after: u64 = refused.header("retry-after").parse().unwrap();
    assert!((60..=120).contains(&retry_after), "what is left of the window: {retry_after}");
    (first, refused)
}

#[tokio::test]
async fn draft_6_headers_are_as_specified() {
    let (first, refused) = first_and_refused(HeaderGeneration::Draft6).await;
    assert_eq!(first.header("ratelimit-policy"), "1;w=120");
    assert_eq!(first.header("ratelimit-limit"), "1");
    assert_eq!(first.header("ratelimit-remaining"), "0");
    assert_eq!(first.header("ratelimit-reset"), "120");
    assert_eq!(rate_headers(&first), 4);
    assert_eq!(rate_headers(&refused), 4);
}

#[tokio::test]
async fn draft_7_headers_are_as_specified() {
    let (first, refused) = first_and_refused(HeaderGeneration::Draft7).await;
    assert_eq!(first.header("ratelimit-policy"), "1;w=120");
    assert_eq!(first.header("ratelimit"), "limit=1, remaining=0, reset=120");
    assert_eq!(rate_headers(&first), 2);
    assert_eq!(rate_headers(&refused), 2);
}

#[tokio::test]
async fn draft_8_headers_are_as_specified() {
    let (first, refused) = first_and_refused(HeaderGeneration::Draft8).await;
    assert_eq!(first.header("ratelimit-policy"), "\"1-in-2min\"; q=1; w=120; pk=:MTJjYTE3YjQ5YWYy:");
    assert_eq!(first.header("ratelimit"), "\"1-in-2min\"; r=0; t=120");
    assert_eq!(rate_headers(&first), 2);
    assert_eq!(rate_headers(&refused), 2);
}

#[tokio::test]
async fn legacy_headers_are_as_documented() {
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (first, refused) = first_and_refused(HeaderGeneration::Legacy).await;
    let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(first.header("x-ratelimit-limit"), "1");
    assert_eq!(first.header("x-ratelimit-remaining"), "0");
    let reset: u64 = first.header("x-ratelimit-reset").parse().unwrap();
    assert!((before + 120..=after + 121).contains(&reset), "{before} {reset} {after}");
    assert_eq!(rate_headers(&first), 3);
    assert_eq!(rate_headers(&refused), 3);
}

#[tokio::test]
async fn none_sends_only_retry_after() {
    let (first, refused) = first_and_refused(HeaderGeneration::None).await;
    assert_eq!((rate_headers(&first), rate_headers(&refused)), (0, 0));
}

#[tokio::test]
async fn without_a_limit_there_are_no_headers() {
    assert_eq!(rate_headers(&Lab::new(with(&["a"])).delete("a").await), 0);
}

fn rate_headers(reply: &Reply) -> usize {
    reply.headers.keys().filter(|name| name.as_str().contains("ratelimit")).count()
}

#[test]
fn a_window_opens_with_the_first_request_after_the_last_one_ended() {
    let window = Duration::from_secs(2);
    let mut limiter = Limiter::new(WindowLimit { requests: 2, window }, HeaderGeneration::None);
    let (start, wall) = (Instant::now(), UNIX_EPOCH + Duration::from_secs(1000));
    let mut at = |millis| {
        let passed = Duration::from_millis(millis);
        limiter.admit(start + passed, wall + passed)
    };
    let expect = |refused, remaining, reset_seconds, reset_at| Admission {
        refused,
        remaining,
        reset_seconds,
        reset_at,
    };
    assert_eq!(at(500), expect(false, 1, 2, 1003));
    assert_eq!(at(1600), expect(false, 0, 1, 1003));
    assert_eq!(at(1700), expect(true, 0, 1, 1003));
    assert_eq!(at(2499), expect(true, 0, 1, 1003));
    assert_eq!(at(2500), expect(false, 1, 2, 1005), "the end belongs to the next window");
    assert_eq!(at(9000), expect(false, 1, 2, 1011), "it does not open without a request");
}

#[test]
fn an_endless_window_is_accepted() {
    let limit = WindowLimit { requests: 1, window: Duration::MAX };
    let mut limiter = Limiter::new(limit, HeaderGeneration::Draft8);
    let (now, wall) = (Instant::now(), SystemTime::now());
    assert_eq!([limiter.admit(now, wall).refused, limiter.admit(now, wall).refused], [false, true]);
}

#[test]
fn generations_are_written_as_documented() {
    let names = ["draft-6", "draft-7", "draft-8", "legacy", "none"];
    for (generation, name) in HeaderGeneration::ALL.into_iter().zip(names) {
        assert_eq!(generation.to_string(), name);
        assert_eq!(name.parse(), Ok(generation));
    }
    let error = "draft6".parse::<HeaderGeneration>().unwrap_err().to_string();
    assert!(error.contains("`draft6`") && error.contains("draft-6, draft-7"), "{error}");
}
