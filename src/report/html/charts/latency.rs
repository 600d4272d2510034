//! The latency of replies: a histogram on a logarithmic axis.

use std::time::Duration;

use maud::{Markup, html};

use super::axis::{FIELD, HEIGHT, Scale, TOP, mark};
use super::{Area, Fill, length, percent, pixels};
use crate::domain::{Latency, LatencyBin};
use crate::report::html::Certificate;
use crate::report::html::wording::{counted, latency};

/// The least number of slots for bars, so that a single bar does not fill the chart.
const LEAST_SLOTS: usize = 12;

pub(super) fn figure(certificate: &Certificate) -> Markup {
    html! {
        figure {
            figcaption { "Latency" span.aside { " of the replies, on a logarithmic axis" } }
            @match &certificate.account.latency {
                None => { p.nothing { "There was no reply." } }
                Some(latencies) => { (chart(latencies)) }
            }
        }
    }
}

fn chart(latencies: &Latency) -> Markup {
    let bins = &latencies.bins;
    let replies: u64 = bins.iter().map(|bin| bin.count).sum();
    let scale = Scale::to(bins.iter().map(|bin| bin.count).max().unwrap_or(0));
    let slots = bins.len().max(LEAST_SLOTS);
    let width = 100.0 / length(slots as u64);
    let left = width * length(((slots - bins.len()) / 2) as u64);
    let x = |index: usize| left + width * length(index as u64);
    let quantiles = [("half", latencies.half), ("95\u{a0}%", latencies.p95), ("99\u{a0}%", latencies.p99)];
    html! {
        svg.chart.plot role="img" aria-labelledby="latency-title latency-desc" height=(pixels(HEIGHT)) {
            title #latency-title { "Latency of the replies" }
            desc #latency-desc {
                (counted(replies, "reply", "replies")) ": half took at most " (latency(latencies.half))
                ", 95 % at most " (latency(latencies.p95)) ", 99 % at most " (latency(latencies.p99))
                "; the shortest " (latency(latencies.least)) ", the longest " (latency(latencies.most)) "."
            }
            (scale.lines())
            @for (index, bin) in bins.iter().enumerate() {
                @if bin.count > 0 {
                    @let height = scale.height(bin.count);
                    @let area = Area { x: x(index) + width * 0.04, y: TOP + FIELD - height, width: width * 0.92, height };
                    (area.filled(Fill::REPLIES))
                }
            }
            @for (row, (words, quantile)) in quantiles.iter().enumerate() {
                @if let Some(position) = position(bins, *quantile) {
                    (flag(row, left + width * position, &format!("{words} ≤ {}", latency(*quantile))))
                }
            }
            (marks(bins, &x))
        }
        p.words {
            (counted(replies, "reply", "replies")) ": half took at most " (latency(latencies.half))
            ", 95\u{a0}% at most " (latency(latencies.p95)) ", 99\u{a0}% at most " (latency(latencies.p99))
            ". The shortest took " (latency(latencies.least)) ", the longest " (latency(latencies.most)) "."
        }
    }
}

/// The position of a duration, in bins from the first.
fn position(bins: &[LatencyBin], at: Duration) -> Option<f64> {
    let index = bins.iter().position(|bin| bin.from <= at && at < bin.to)?;
    let bin = &bins[index];
    let within = at.saturating_sub(bin.from).div_duration_f64(bin.to.saturating_sub(bin.from));
    Some(length(index as u64) + within)
}

/// A vertical line at `x` percent with a label in the given row, on its left if there is no space on its right.
fn flag(row: usize, x: f64, words: &str) -> Markup {
    let y = 12.0 + 14.0 * length(row as u64);
    let (class, dx) = if x > 70.0 { ("end", "-5") } else { ("start", "5") };
    html! {
        line.flag x1=(percent(x)) x2=(percent(x)) y1=(pixels(y - 9.0)) y2=(pixels(TOP + FIELD)) {}
        text class=(format!("halo {class}")) x=(percent(x)) dx=(dx) y=(pixels(y)) { (words) }
    }
}

/// Marks at the bounds that begin with 1, 2 or 5.
fn marks(bins: &[LatencyBin], x: &dyn Fn(usize) -> f64) -> Markup {
    let bounds = bins.iter().map(|bin| bin.from).chain(bins.last().map(|bin| bin.to));
    let round = |bound: &Duration| {
        let digits = bound.as_micros().to_string();
        ["", "1", "2", "5"].contains(&digits.trim_end_matches('0'))
    };
    // A few bins may have no such bound.
    let few = bins.len() < 4;
    let marked = bounds.enumerate().filter(|(_, bound)| few || round(bound));
    html! {
        @for (place, (index, bound)) in marked.enumerate() { (mark(place, x(index), &latency(bound))) }
    }
}
