//! Bars over time, as SVG: drawn here, so that they need no script.
//!
//! The picture stretches with the page, so nothing in it is text; the axes' labels stand around it at their own size. It is one image with a
//! title and a description to who does not see it, and the same numbers are in the table beside it.

use super::super::super::components::large;
use super::over_time::{Step, label};
use crate::domain::usage::Unit;
use maud::{Markup, html};

/// Height of the picture, in its own units.
const HEIGHT: u64 = 1_000;
/// Width of a bar with the gap after it, and of the gap.
const STEP: usize = 10;
const GAP: usize = 2;

/// What is drawn.
#[derive(Clone, Copy)]
pub struct Plot<'a> {
    /// Of its ids and its colour: `allowed` or `refused`.
    pub name: &'static str,
    /// What it is called.
    pub title: &'static str,
    pub unit: Unit,
    pub steps: &'a [Step],
    /// Which of a step's numbers.
    pub of: fn(&Step) -> u64,
}

impl Plot<'_> {
    /// The plot.
    pub fn draw(&self) -> Markup {
        let values: Vec<u64> = self.steps.iter().map(self.of).collect();
        let top = top(values.iter().copied().max().unwrap_or_default());
        let width = (values.len() * STEP).max(STEP);
        let unit = match self.unit {
            Unit::Day => "day",
            Unit::Hour => "hour",
        };
        let (title, description) = (format!("{}-title", self.name), format!("{}-desc", self.name));
        let lines = format!("M0 0H{width}M0 {}H{width}M0 {HEIGHT}H{width}", HEIGHT / 2);
        html! {
            figure.plot.(self.name) {
                figcaption {
                    h2 { (self.title) " " span.total { (large(values.iter().sum())) } }
                    span.quiet { "Requests each " (unit) ", UTC" }
                }
                div.chart {
                    div.upright aria-hidden="true" { span { (large(top)) } span { (large(top / 2)) } span { "0" } }
                    svg viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-labelledby={ (title) " " (description) } {
                        title id=(title) { (self.title) " requests each " (unit) }
                        desc id=(description) { (self.described(&values)) }
                        path.lines d=(lines) vector-effect="non-scaling-stroke" {}
                        @for (place, (step, value)) in self.steps.iter().zip(&values).enumerate().filter(|(_, (_, value))| **value > 0) {
                            @let height = height(*value, top);
                            rect x=(place * STEP + GAP / 2) y=(HEIGHT - height) width=(STEP - GAP) height=(height) {
                                title { (label(self.unit, step.at)) ": " (large(*value)) }
                            }
                        }
                    }
                    div.level aria-hidden="true" {
                        @for place in [0, values.len() / 2, values.len().saturating_sub(1)] {
                            span { (self.steps.get(place).map(|step| label(self.unit, step.at)).unwrap_or_default()) }
                        }
                    }
                }
            }
        }
    }

    /// What the picture shows, in words.
    fn described(&self, values: &[u64]) -> String {
        let most = self.steps.iter().zip(values).max_by_key(|(_, value)| **value).filter(|(_, value)| **value > 0);
        let (Some(first), Some(last), Some((step, most))) = (self.steps.first(), self.steps.last(), most) else {
            return "There was none.".to_owned();
        };
        let [first, last, at] = [first.at, last.at, step.at].map(|at| label(self.unit, at));
        let sum = large(values.iter().sum());
        format!("{sum} from {first} to {last}, the most, {}, at {at}. The table has each number.", large(*most))
    }
}

/// Where the axis ends: the next of 2, 4 and 10 times a power of ten, so that its half is a whole number.
fn top(most: u64) -> u64 {
    let mut power: u64 = 1;
    loop {
        for step in [2, 4, 10] {
            let end = power.saturating_mul(step);
            if most <= end || end == u64::MAX {
                return end;
            }
        }
        power = power.saturating_mul(10);
    }
}

/// How high a bar is. One that is there is seen.
fn height(value: u64, top: u64) -> u64 {
    let height = u128::from(value) * u128::from(HEIGHT) / u128::from(top.max(1));
    u64::try_from(height).unwrap_or(HEIGHT).clamp(8, HEIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number_whose_half_is_whole() {
        let tops = [0, 1, 2, 3, 5, 10, 11, 39, 41, 999, 1_001].map(top);
        assert_eq!(tops, [2, 2, 2, 4, 10, 10, 20, 40, 100, 1_000, 2_000]);
        assert_eq!(top(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_bar_is_as_high_as_its_number_and_never_unseen_or_too_high() {
        assert_eq!((height(5, 10), height(10, 10), height(1, 1_000_000)), (500, 1_000, 8));
        assert_eq!(height(u64::MAX, u64::MAX), 1_000);
    }
}
