//! The bookkeeping of `auto`, step by step.

use std::time::Duration;

use tokio::time::Instant;

use super::secs;
use crate::ratelimit::Quota;
use crate::ratelimit::window::{Look, Ticket, Window};

fn quota(remaining: u64, reset: u64) -> Quota {
    Quota { limit: Some(10), remaining, reset: secs(reset), window: Some(secs(100)) }
}

/// How many requests may leave at `now` before a look says otherwise, and what it says then.
fn drain(window: &mut Window, now: Instant) -> (Vec<Ticket>, Look) {
    let mut out = Vec::new();
    loop {
        match window.look(now) {
            Look::Go => out.push(window.leave(now)),
            other => return (out, other),
        }
        assert!(out.len() < 1_000, "no end");
    }
}

/// A window whose first request was answered at `now`, with `remaining` of 10 left for 50 s.
fn told(remaining: u64, now: Instant) -> Window {
    let mut window = Window::new(1);
    let ticket = window.leave(now);
    window.answered(ticket, Some(&quota(remaining, 50)), now);
    window
}

#[test]
fn answers_that_overtake_each_other_never_raise_the_quota() {
    let now = Instant::now();
    let mut window = told(9, now);
    let (out, look) = drain(&mut window, now);
    assert_eq!((out.len(), look), (9, Look::Answer(Some(now + secs(51)))));
    window.answered(out[5], Some(&quota(3, 50)), now);
    assert_eq!(window.look(now), Look::Answer(Some(now + secs(51))), "8 are out, 3 are left");
    for earlier in [4, 3, 2, 1, 0] {
        window.answered(out[earlier], Some(&quota(8 - earlier as u64, 50)), now);
    }
    assert_eq!(drain(&mut window, now).0.len(), 0, "3 are out, 3 are left");
    for later in [6, 7, 8] {
        window.answered(out[later], Some(&quota(8 - later as u64, 50)), now);
    }
    assert_eq!(window.look(now), Look::UsedUp(now + secs(51)));
}

#[test]
fn the_end_is_the_earliest_that_is_certain() {
    let now = Instant::now();
    let mut window = told(0, now);
    // No window lasts longer than its length after a request it counted: 100 s, not 100 s and the rounding.
    let mut fresh = Window::new(1);
    let ticket = fresh.leave(now);
    fresh.answered(ticket, Some(&quota(0, 100)), now);
    assert_eq!(fresh.look(now), Look::UsedUp(now + secs(100)));
    assert_eq!(window.look(now + secs(50)), Look::UsedUp(now + secs(51)), "it may have been rounded down");
    assert_eq!(window.look(now + secs(51)), Look::Go);
}

#[test]
fn the_next_window_has_the_whole_quota_less_what_may_land_in_it() {
    let now = Instant::now();
    let mut window = told(3, now);
    let (out, _) = drain(&mut window, now);
    let later = now + secs(51);
    let (next, look) = drain(&mut window, later);
    assert_eq!((next.len(), look), (7, Look::Answer(None)), "3 are still out");
    // Their answers do not tell which window counted them.
    for ticket in out {
        window.answered(ticket, Some(&quota(2, 1)), later);
    }
    assert_eq!(window.look(later), Look::Answer(None));
    // The first of the new ones was answered; it left after them, so its count includes them.
    window.answered(next[0], Some(&quota(9, 100)), later);
    assert_eq!(window.look(later), Look::Answer(Some(later + secs(100))), "the others were answered later");
    let more = next[1];
    window.answered(more, Some(&quota(8, 100)), later);
    assert_eq!(window.look(later), Look::Answer(Some(later + secs(100))));
}

#[test]
fn what_got_no_answer_is_counted_until_a_later_request_is_answered() {
    let now = Instant::now();
    let mut window = told(5, now);
    let lost = window.leave(now);
    let bare = window.leave(now);
    window.unanswered(lost);
    window.answered(bare, None, now);
    let (out, look) = drain(&mut window, now);
    assert_eq!((out.len(), look), (3, Look::Answer(Some(now + secs(51)))));
    // The server counted one of the two only; the answer to a later request shows it.
    window.answered(out[0], Some(&quota(3, 50)), now);
    assert_eq!(drain(&mut window, now).0.len(), 1);
}

#[test]
fn what_was_lost_in_one_window_does_not_burden_the_next() {
    let now = Instant::now();
    let mut window = told(5, now);
    for _ in 0..4 {
        let lost = window.leave(now);
        window.unanswered(lost);
    }
    assert_eq!(drain(&mut window, now + secs(51)).0.len(), 10);
}

#[test]
fn an_answer_of_a_newer_window_begins_it() {
    let now = Instant::now();
    let mut window = told(4, now);
    let ahead = now + secs(50) + Duration::from_millis(500);
    let ticket = window.leave(ahead);
    window.answered(ticket, Some(&quota(9, 100)), ahead);
    let (out, look) = drain(&mut window, ahead);
    assert_eq!((out.len(), look), (9, Look::Answer(Some(ahead + secs(100)))));
}

#[test]
fn another_limit_is_another_quota() {
    let now = Instant::now();
    let mut window = told(4, now);
    let ticket = window.leave(now);
    let other = Quota { limit: Some(1_000), remaining: 2, reset: secs(500), window: None };
    window.answered(ticket, Some(&other), now);
    let (out, _) = drain(&mut window, now);
    assert_eq!(out.len(), 2);
    assert_eq!(window.look(now + secs(60)), Look::Answer(Some(now + secs(501))));
}

#[test]
fn without_a_known_limit_each_window_is_probed() {
    let now = Instant::now();
    let mut window = Window::new(1);
    let ticket = window.leave(now);
    let unlimited = Quota { limit: None, remaining: 0, reset: secs(5), window: None };
    window.answered(ticket, Some(&unlimited), now);
    assert_eq!(window.look(now), Look::UsedUp(now + secs(6)));
    let (out, look) = drain(&mut window, now + secs(6));
    assert_eq!((out.len(), look), (1, Look::Answer(None)));
}

#[test]
fn silence_is_three_answers_or_a_whole_quota_without_a_word() {
    let now = Instant::now();
    let mut window = Window::new(1);
    for _ in 0..3 {
        assert_eq!(window.look(now), Look::Go);
        let ticket = window.leave(now);
        window.answered(ticket, None, now);
    }
    assert_eq!(window.look(now), Look::Silent);

    let mut window = told(0, now);
    let later = now + secs(51);
    let (out, look) = drain(&mut window, later);
    assert_eq!((out.len(), look), (10, Look::Answer(None)));
    for ticket in out {
        window.answered(ticket, None, later);
    }
    assert_eq!(window.look(later), Look::Silent);
    // And it ends with the first word.
    let ticket = window.leave(later);
    window.answered(ticket, Some(&quota(1, 50)), later);
    assert_eq!(drain(&mut window, later).0.len(), 1);
}
