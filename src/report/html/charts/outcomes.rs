//! The number of targets by outcome, one bar each.

use maud::{Markup, html};

use super::{Area, Fill, length, pixels};
use crate::report::html::Certificate;
use crate::report::html::wording::{counted, number, share};

/// The height of a row, and of the bar in it, in pixels.
const ROW: f64 = 44.0;
const BAR: f64 = 16.0;

pub(super) fn figure(certificate: &Certificate) -> Markup {
    let counts = &certificate.run.counts;
    let planned = counts.planned();
    let rows: Vec<_> = counts.occurring().collect();
    let height = ROW * length(rows.len() as u64);
    let described: Vec<_> = rows.iter().map(|(outcome, n)| format!("{outcome} {n}")).collect();
    html! {
        figure {
            figcaption { "Outcomes" span.aside { " of " (counted(planned, "target", "targets")) } }
            svg.chart role="img" aria-labelledby="outcomes-title outcomes-desc" height=(pixels(height)) {
                title #outcomes-title { "Outcomes" }
                desc #outcomes-desc { "Of " (planned) " targets: " (described.join(", ")) "." }
                @for (place, (outcome, n)) in (0_u64..).zip(&rows) {
                    @let top = ROW * length(place);
                    text y=(pixels(top + 14.0)) {
                        (outcome.as_str().replace('_', " "))
                        "  " tspan.strong { (number(*n)) } "  " tspan.faint { (share(*n, planned)) }
                    }
                    rect.track x="0" y=(pixels(top + 20.0)) width="100%" height=(pixels(BAR)) {}
                    // Every count above 0 is visible.
                    @let width = (100.0 * length(*n) / length(planned.max(1))).max(0.3);
                    (Area { x: 0.0, y: top + 20.0, width, height: BAR }.filled(Fill::of(*outcome)))
                }
            }
        }
    }
}
