//! What `auto` knows of the quota, step by step.

use std::time::Duration;

use tokio::time::Instant;

use super::secs;
use crate::ratelimit::Quota;
use crate::ratelimit::window::{Condition, Ticket, Window};

fn quota(remaining: u64, reset: u64) -> Quota {
    Quota { limit: Some(10), remaining, reset: secs(reset), window: Some(secs(100)) }
}

/// Lets requests leave at `now` until a condition prevents that, and returns both.
fn drain(window: &mut Window, now: Instant) -> (Vec<Ticket>, Condition) {
    let mut out = Vec::new();
    loop {
        match window.condition(now) {
            Condition::None => out.push(window.leave(now)),
            other => return (out, other),
        }
        assert!(out.len() < 1_000, "no end");
    }
}

/// Returns a window whose first request was answered at `now`, with `remaining` of 10 left for 50 s.
fn window_with(remaining: u64, now: Instant) -> Window {
    let mut window = Window::new(1);
    let ticket = window.leave(now);
    window.answered(ticket, Some(&quota(remaining, 50)), now);
    window
}

#[test]
fn replies_out_of_order_never_raise_the_quota() {
    let now = Instant::now();
    let mut window = window_with(9, now);
    let (out, condition) = drain(&mut window, now);
    assert_eq!((out.len(), condition), (9, Condition::Reply(Some(now + secs(51)))));
    window.answered(out[5], Some(&quota(3, 50)), now);
    assert_eq!(window.condition(now), Condition::Reply(Some(now + secs(51))), "8 are out, 3 are left");
    for earlier in [4, 3, 2, 1, 0] {
        window.answered(out[earlier], Some(&quota(8 - earlier as u64, 50)), now);
    }
    assert_eq!(drain(&mut window, now).0.len(), 0, "3 are out, 3 are left");
    for later in [6, 7, 8] {
        window.answered(out[later], Some(&quota(8 - later as u64, 50)), now);
    }
    assert_eq!(window.condition(now), Condition::Reset(now + secs(51)));
}

#[test]
fn a_window_ends_at_the_earliest_certain_instant() {
    let now = Instant::now();
    let mut window = window_with(0, now);
    // No window lasts longer than its length after a request it counted: 100 s, not 100 s and the rounding.
    let mut fresh = Window::new(1);
    let ticket = fresh.leave(now);
    fresh.answered(ticket, Some(&quota(0, 100)), now);
    assert_eq!(fresh.condition(now), Condition::Reset(now + secs(100)));
    assert_eq!(
        window.condition(now + secs(50)),
        Condition::Reset(now + secs(51)),
        "it may have been rounded down"
    );
    assert_eq!(window.condition(now + secs(51)), Condition::None);
}

#[test]
fn the_next_window_has_the_whole_quota_minus_requests_in_flight() {
    let now = Instant::now();
    let mut window = window_with(3, now);
    let (out, _) = drain(&mut window, now);
    let later = now + secs(51);
    let (next, condition) = drain(&mut window, later);
    assert_eq!((next.len(), condition), (7, Condition::Reply(None)), "3 are still out");
    // Their replies do not show which window counted them.
    for ticket in out {
        window.answered(ticket, Some(&quota(2, 1)), later);
    }
    assert_eq!(window.condition(later), Condition::Reply(None));
    // The first of the new ones is answered; it left after them, so its report includes them.
    window.answered(next[0], Some(&quota(9, 100)), later);
    assert_eq!(
        window.condition(later),
        Condition::Reply(Some(later + secs(100))),
        "the others were answered later"
    );
    let more = next[1];
    window.answered(more, Some(&quota(8, 100)), later);
    assert_eq!(window.condition(later), Condition::Reply(Some(later + secs(100))));
}

#[test]
fn an_unanswered_request_counts_until_a_later_one_is_answered() {
    let now = Instant::now();
    let mut window = window_with(5, now);
    let lost = window.leave(now);
    let bare = window.leave(now);
    window.unanswered(lost);
    window.answered(bare, None, now);
    let (out, condition) = drain(&mut window, now);
    assert_eq!((out.len(), condition), (3, Condition::Reply(Some(now + secs(51)))));
    // The server counted only one of the two, as the reply to a later request shows.
    window.answered(out[0], Some(&quota(3, 50)), now);
    assert_eq!(drain(&mut window, now).0.len(), 1);
}

#[test]
fn lost_requests_do_not_count_in_the_next_window() {
    let now = Instant::now();
    let mut window = window_with(5, now);
    for _ in 0..4 {
        let lost = window.leave(now);
        window.unanswered(lost);
    }
    assert_eq!(drain(&mut window, now + secs(51)).0.len(), 10);
}

#[test]
fn a_reply_of_a_newer_window_begins_it() {
    let now = Instant::now();
    let mut window = window_with(4, now);
    let ahead = now + secs(50) + Duration::from_millis(500);
    let ticket = window.leave(ahead);
    window.answered(ticket, Some(&quota(9, 100)), ahead);
    let (out, condition) = drain(&mut window, ahead);
    assert_eq!((out.len(), condition), (9, Condition::Reply(Some(ahead + secs(100)))));
}

#[test]
fn a_changed_limit_begins_a_new_window() {
    let now = Instant::now();
    let mut window = window_with(4, now);
    let ticket = window.leave(now);
    let other = Quota { limit: Some(1_000), remaining: 2, reset: secs(500), window: None };
    window.answered(ticket, Some(&other), now);
    let (out, _) = drain(&mut window, now);
    assert_eq!(out.len(), 2);
    assert_eq!(window.condition(now + secs(60)), Condition::Reply(Some(now + secs(501))));
}

#[test]
fn without_a_known_limit_each_window_begins_with_one_request() {
    let now = Instant::now();
    let mut window = Window::new(1);
    let ticket = window.leave(now);
    let unlimited = Quota { limit: None, remaining: 0, reset: secs(5), window: None };
    window.answered(ticket, Some(&unlimited), now);
    assert_eq!(window.condition(now), Condition::Reset(now + secs(6)));
    let (out, condition) = drain(&mut window, now + secs(6));
    assert_eq!((out.len(), condition), (1, Condition::Reply(None)));
}

#[test]
fn three_replies_or_a_whole_quota_without_headers_mean_that_none_are_sent() {
    let now = Instant::now();
    let mut window = Window::new(1);
    for _ in 0..3 {
        assert_eq!(window.condition(now), Condition::None);
        let ticket = window.leave(now);
        window.answered(ticket, None, now);
    }
    assert_eq!(window.condition(now), Condition::OtherLimit);

    let mut window = window_with(0, now);
    let later = now + secs(51);
    let (out, condition) = drain(&mut window, later);
    assert_eq!((out.len(), condition), (10, Condition::Reply(None)));
    for ticket in out {
        window.answered(ticket, None, later);
    }
    assert_eq!(window.condition(later), Condition::OtherLimit);
    // The first report ends that.
    let ticket = window.leave(later);
    window.answered(ticket, Some(&quota(1, 50)), later);
    assert_eq!(drain(&mut window, later).0.len(), 1);
}
