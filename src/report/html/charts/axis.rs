//! The scales, lines and marks of the axes.

use maud::{Markup, html};

use super::{length, percent, pixels};
use crate::report::html::wording::number;

/// The height of the plotting area, in pixels.
pub(super) const FIELD: f64 = 180.0;

/// The space above the plotting area, for labels.
pub(super) const TOP: f64 = 44.0;

/// The height of a chart with the labels below it.
pub(super) const HEIGHT: f64 = TOP + FIELD + 30.0;

/// The scale of counts, from 0 at the bottom to a round number at the top.
pub(super) struct Scale {
    step: u64,
    steps: u64,
}

impl Scale {
    /// A scale up to at least `most`.
    pub(super) fn to(most: u64) -> Self {
        let mut step = 1;
        let mut factors = [2, 5, 10].into_iter().cycle();
        let mut decade = 1;
        while most.div_ceil(step) > 4 {
            let factor = factors.next().unwrap_or(10);
            step = decade * factor;
            if factor == 10 {
                decade *= 10;
            }
        }
        Self { step, steps: most.div_ceil(step).max(1) }
    }

    /// The height of `n` in pixels; every count above 0 is visible.
    pub(super) fn height(&self, n: u64) -> f64 {
        if n == 0 {
            return 0.0;
        }
        (FIELD * length(n) / length(self.step * self.steps)).max(1.5)
    }

    /// The horizontal lines with their counts.
    pub(super) fn lines(&self) -> Markup {
        html! {
            @for step in 0..=self.steps {
                @let y = TOP + FIELD - FIELD * length(step) / length(self.steps);
                line.grid x1="0" x2="100%" y1=(pixels(y)) y2=(pixels(y)) {}
                text.end x="-8" y=(pixels(y + 4.0)) { (number(step * self.step)) }
            }
        }
    }
}

/// A mark on the horizontal axis at `x` percent. On narrow screens every other mark is hidden.
pub(super) fn mark(place: usize, x: f64, words: &str) -> Markup {
    html! {
        g.minor[place % 2 == 1] {
            line.tick x1=(percent(x)) x2=(percent(x)) y1=(pixels(TOP + FIELD)) y2=(pixels(TOP + FIELD + 5.0)) {}
            text.middle x=(percent(x)) y=(pixels(TOP + FIELD + 19.0)) { (words) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_have_few_round_steps_and_reach_the_largest_count() {
        for most in (0..3_000).chain([12_345, 999_999, 1_000_001, 40_000_000]) {
            let scale = Scale::to(most);
            let top = scale.step * scale.steps;
            assert!(top >= most && scale.steps <= 4, "{most}");
            let digits = scale.step.to_string();
            assert!(["1", "2", "5"].contains(&digits.trim_end_matches('0')), "{most}: {digits}");
            assert!(most < 5 || top < 2 * most, "{most}: half of {top} is empty");
        }
    }
}
