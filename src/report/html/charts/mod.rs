//! The charts of the run, as SVG within the page.
//!
//! Positions along an axis are percentages and everything else is pixels, so a chart takes the available width and its
//! text has the size of other text. Colours (after Okabe and Ito) are never the only distinction: each comes with words
//! or a pattern.

mod axis;
mod latency;
mod outcomes;
mod timeline;

use maud::{Markup, html};

use super::Certificate;
use crate::domain::Outcome;

#[derive(Debug, Clone, Copy)]
struct Fill {
    colour: &'static str,
    /// The pattern over the colour.
    pattern: Option<&'static str>,
}

impl Fill {
    const GONE: Self = Self { colour: "green", pattern: None };
    const OTHER: Self = Self { colour: "orange", pattern: Some("dots") };
    const REPLIES: Self = Self { colour: "blue", pattern: None };
    const PAUSE: Self = Self { colour: "pause", pattern: Some("hatch") };
    const UNSETTLED: Self = Self { colour: "red", pattern: Some("stripes") };

    const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Deleted => Self::GONE,
            Outcome::DeletedUnconfirmed => Self { colour: "green", pattern: Some("stripes") },
            Outcome::NotFound => Self { colour: "blue", pattern: None },
            Outcome::InUse => Self::OTHER,
            Outcome::Rejected => Self { colour: "red", pattern: Some("lines") },
            Outcome::Failed => Self { colour: "red", pattern: None },
            Outcome::Unknown => Self { colour: "red", pattern: Some("cross") },
            Outcome::Skipped => Self { colour: "grey", pattern: Some("lines") },
            Outcome::Pending => Self { colour: "hollow", pattern: None },
        }
    }
}

/// A rectangle: `x` and `width` in percent, `y` and `height` in pixels.
#[derive(Debug, Clone, Copy)]
struct Area {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Area {
    fn filled(self, fill: Fill) -> Markup {
        let Self { x, y, width, height } = self;
        let (x, width) = (percent(x), percent(width));
        let (y, height) = (pixels(y), pixels(height));
        html! {
            rect class=(fill.colour) x=(x) y=(y) width=(width) height=(height) {}
            @if let Some(pattern) = fill.pattern {
                rect x=(x) y=(y) width=(width) height=(height) fill=(format!("url(#{pattern})")) {}
            }
        }
    }
}

pub(super) fn section(certificate: &Certificate) -> Markup {
    html! {
        section #figures {
            h2 { span.no { "4" } "Figures" }
            (patterns())
            (outcomes::figure(certificate))
            (timeline::figure(certificate))
            (latency::figure(certificate))
        }
    }
}

/// The patterns over the colours, in the colour of the paper.
fn patterns() -> Markup {
    html! {
        svg.defs width="0" height="0" aria-hidden="true" {
            defs {
                (pattern("stripes", 6, true, &html! { rect.paper width="2.4" height="6" {} }))
                (pattern("dots", 6, false, &html! { circle.paper cx="3" cy="3" r="1.3" {} }))
                (pattern("lines", 5, false, &html! { rect.paper width="5" height="1.8" {} }))
                (pattern("cross", 7, true, &html! {
                    rect.paper width="1.8" height="7" {}
                    rect.paper width="7" height="1.8" {}
                }))
                (pattern("hatch", 7, true, &html! { rect.hatching width="1.4" height="7" {} }))
            }
        }
    }
}

/// A pattern that repeats a square, turned by 45 degrees if `slanted`.
fn pattern(id: &str, side: u32, slanted: bool, square: &Markup) -> Markup {
    let turn = slanted.then_some("rotate(45)");
    html! {
        pattern id=(id) width=(side) height=(side) patternUnits="userSpaceOnUse" patternTransform=[turn] { (square) }
    }
}

/// An entry of a legend.
fn key(fill: Fill, word: &str) -> Markup {
    let field = Area { x: 0.0, y: 0.0, width: 100.0, height: 14.0 }.filled(fill);
    html! { span.key { svg width="14" height="14" aria-hidden="true" { (field) } " " (word) } }
}

fn percent(value: f64) -> String {
    format!("{value:.2}%")
}

fn pixels(value: f64) -> String {
    format!("{value:.1}")
}

/// A count as a length.
#[expect(clippy::cast_precision_loss, reason = "a chart shows no more than three digits")]
const fn length(n: u64) -> f64 {
    n as f64
}
