//! The course of the run: deletions, attempts without a result, and pauses.

use std::time::Duration;

use maud::{Markup, html};

use super::axis::{FIELD, HEIGHT, Scale, TOP, mark};
use super::{Area, Fill, key, percent, pixels};
use crate::domain::{Gap, GapCause, Stretch, Timeline, Timestamp};
use crate::report::html::Certificate;
use crate::report::html::wording::{counted, duration, exact_time, number, time};

/// Usual distances of marks, in milliseconds.
const DISTANCES: [u64; 20] = [
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    1_800_000,
    3_600_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    604_800_000,
    2_592_000_000,
];

/// The most marks on the axis.
const MOST_MARKS: u128 = 8;

/// The most pauses that are listed below the chart.
const LISTED_PAUSES: usize = 8;

const OTHER: &str = "other outcome";
const UNSETTLED: &str = "attempt without a result (tried again while attempts were left)";

pub(super) fn figure(certificate: &Certificate) -> Markup {
    let (account, timeline) = (&certificate.account, &certificate.account.timeline);
    let sum = |part: fn(&Stretch) -> u64| timeline.stretches.iter().map(part).sum::<u64>();
    let (gone, other, unsettled) = (sum(|s| s.gone), sum(|s| s.other), sum(|s| s.unsettled));
    let scale = Scale::to(timeline.stretches.iter().map(total).max().unwrap_or(0));
    html! {
        figure {
            figcaption { "Deletions over time" span.aside { " in each " (duration(timeline.width)) ", UTC" } }
            p.keys {
                (key(Fill::GONE, "deleted"))
                (key(Fill::OTHER, OTHER))
                (key(Fill::UNSETTLED, UNSETTLED))
                (key(Fill::PAUSE, "pause"))
            }
            svg.chart.plot role="img" aria-labelledby="timeline-title timeline-desc" height=(pixels(HEIGHT)) {
                title #timeline-title { "Deletions over time" }
                desc #timeline-desc {
                    (gone) " deleted, " (other) " with another outcome, " (unsettled) " attempts without a result; "
                    (account.repeats) " attempts repeated an earlier one; " (timeline.gaps.len()) " pauses."
                }
                (scale.lines())
                @for gap in &timeline.gaps { (band(timeline, gap)) }
                @for (index, stretch) in timeline.stretches.iter().enumerate() { (bar(timeline, index, stretch, &scale)) }
                (marks(timeline))
            }
            (pauses(certificate))
        }
    }
}

const fn total(stretch: &Stretch) -> u64 {
    stretch.gone + stretch.other + stretch.unsettled
}

fn span(timeline: &Timeline) -> Duration {
    timeline.width * u32::try_from(timeline.stretches.len()).unwrap_or(u32::MAX)
}

/// The position of a time on the axis, in percent.
fn position(timeline: &Timeline, at: Timestamp) -> f64 {
    100.0 * at.since(timeline.start).as_secs_f64() / span(timeline).as_secs_f64().max(f64::MIN_POSITIVE)
}

fn bar(timeline: &Timeline, index: usize, stretch: &Stretch, scale: &Scale) -> Markup {
    let width = 100.0 / super::length(timeline.stretches.len() as u64);
    let x = width * super::length(index as u64);
    let mut bottom = TOP + FIELD;
    let parts =
        [(stretch.gone, Fill::GONE), (stretch.other, Fill::OTHER), (stretch.unsettled, Fill::UNSETTLED)];
    let stacked = parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, fill)| {
        let height = scale.height(n);
        bottom -= height;
        Area { x: x + width * 0.06, y: bottom, width: width * 0.88, height }.filled(fill)
    });
    html! { @for part in stacked { (part) } }
}

fn band(timeline: &Timeline, gap: &Gap) -> Markup {
    let (from, to) = (position(timeline, gap.from), position(timeline, gap.to));
    html! {
        g {
            title { (sentence(gap)) }
            (Area { x: from, y: TOP, width: to - from, height: FIELD }.filled(Fill::PAUSE))
            @if to - from > 12.0 {
                text.middle.halo x=(percent(f64::midpoint(from, to))) y=(pixels(TOP + 20.0)) {
                    (duration(gap.to.since(gap.from)))
                }
            }
        }
    }
}

fn marks(timeline: &Timeline) -> Markup {
    let span = span(timeline).as_millis();
    let distance = DISTANCES.iter().copied().find(|distance| span <= u128::from(*distance) * MOST_MARKS);
    let distance = distance.unwrap_or_else(|| u64::try_from(span / MOST_MARKS).unwrap_or(u64::MAX));
    let micros = i64::try_from(distance.saturating_mul(1_000)).unwrap_or(i64::MAX);
    let start = timeline.start.as_micros();
    let first = start + (-start).rem_euclid(micros);
    let end = start.saturating_add(i64::try_from(span).unwrap_or(i64::MAX).saturating_mul(1_000));
    let times = std::iter::successors(Some(first), |at| at.checked_add(micros)).take_while(|at| *at <= end);
    html! {
        @for (index, at) in times.enumerate() {
            @let at = Timestamp::from_micros(at);
            (mark(index, position(timeline, at), &clock(at, distance)))
        }
    }
}

/// The time of day at a mark, as precise as the marks need it, or the date at midnight.
fn clock(at: Timestamp, distance: u64) -> String {
    let text = at.to_string();
    let part = match distance {
        60_000.. if text.get(11..16) == Some("00:00") => text.get(5..10),
        0..1_000 => text.get(11..21),
        1_000..60_000 => text.get(11..19),
        60_000..43_200_000 => text.get(11..16),
        _ => text.get(5..10),
    };
    part.unwrap_or_default().to_owned()
}

/// The longest pauses in words.
fn pauses(certificate: &Certificate) -> Markup {
    let (account, timeline) = (&certificate.account, &certificate.account.timeline);
    let mut longest: Vec<_> = timeline.gaps.iter().collect();
    longest.sort_by_key(|gap| std::cmp::Reverse(gap.to.since(gap.from)));
    longest.truncate(LISTED_PAUSES);
    longest.sort_by_key(|gap| gap.from);
    let show = if timeline.width < Duration::from_secs(1) { exact_time } else { time };
    let others = timeline.gaps.len() - longest.len();
    html! {
        p.words {
            (counted(account.requests, "request was sent", "requests were sent")) ", "
            (counted(account.repeats, "of them again", "of them again"))
            @if let Some(rate) = &account.rate { ". The rate was set to " code { (rate) } " when the run began" }
            ". "
            @if timeline.gaps.is_empty() { "No pause was long enough to show here." }
            @else { "Pauses without requests:" }
        }
        @if !longest.is_empty() {
            ul.pauses {
                @for gap in longest { li { (show(&gap.from.to_string())) ", " (sentence(gap)) } }
                @if others > 0 || timeline.more_gaps {
                    li {
                        "and " (number(others as u64)) @if timeline.more_gaps { " or more" }
                        " that are no longer than these"
                    }
                }
            }
        }
    }
}

fn sentence(gap: &Gap) -> String {
    let cause = match gap.cause {
        GapCause::Held => "waiting for the rate limit, or because the server asked to wait",
        GapCause::Stopped => "stopped, and resumed later",
        GapCause::Idle => "waiting for replies, or for the time of the next attempt",
    };
    format!("{}: {cause}", duration(gap.to.since(gap.from)))
}
