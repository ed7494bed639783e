//! The budget: each of its lines with the figures that it is about, and whether they meet it, miss it or cannot tell.

use serde_json::{Value, json};

use super::super::report::Line;
use super::figures::Figure;

/// What an allowed request may add, by what the empty filter adds; and what it shall in the end.
pub const GOAL_ALLOW: f64 = 2.5;
const GOAL_ALLOW_NEXT: f64 = 2.2;
/// What a refused request may add, by what the empty filter adds.
pub const GOAL_DENY: f64 = 2.0;
/// What Keyplane's processor time may be, by that of `ext_authz` with its server.
pub const GOAL_AUTHZ: f64 = 0.25;
/// What Keyplane may add to a latency, by what `ext_authz` adds.
pub const GOAL_LATENCY: f64 = 0.125;
/// What a table of a million keys may add to one of a thousand, in µs.
const GOAL_GROWTH: f64 = 1.5;
/// Width of the figures, so that goals stand below one another.
const FIGURES: usize = 28;
/// Rounds below which nothing is said of a goal.
const FEWEST: usize = 20;

/// A line of the budget.
#[derive(Debug, Clone)]
pub struct Goal {
    what: String,
    value: f64,
    uncertainty: f64,
    unit: &'static str,
    most: f64,
    /// `None`: the figures cannot tell.
    met: Option<bool>,
}

/// What a figure is divided by.
#[derive(Debug, Clone, Copy)]
pub struct Unit<'a> {
    /// The figure.
    pub figure: &'a Figure,
    /// After the ratio.
    pub name: &'static str,
}

impl Goal {
    /// A figure may be so many times another.
    pub fn ratio(what: &str, figure: &Figure, unit: Unit<'_>, most: f64) -> Self {
        let ratio = Ratio::of(figure, unit.figure);
        let Ratio { value, uncertainty, .. } = ratio;
        Self { what: what.into(), value, uncertainty, unit: unit.name, most, met: ratio.is_at_most(most) }
    }

    /// An allowed request by the empty filter: both steps of the goal.
    pub fn allowed(what: &str, figure: &Figure, empty: Unit<'_>) -> [Self; 2] {
        [GOAL_ALLOW, GOAL_ALLOW_NEXT].map(|most| Self::ratio(what, figure, empty, most))
    }

    /// A large table against a small one, by the differences between the two.
    pub fn growth(what: &str, figure: &Figure) -> Self {
        let Figure { over: value, uncertainty, .. } = *figure;
        let met = judged(is_firm(figure), value, uncertainty, GOAL_GROWTH);
        Self { what: what.into(), value, uncertainty, unit: "µs more", most: GOAL_GROWTH, met }
    }

    /// For the table.
    pub fn line(&self) -> Line {
        let Self { what, value, uncertainty, unit, most, met } = self;
        let (figures, goal) = (format!("{value:6.3} ± {uncertainty:.3} {unit}"), format!("at most {most}"));
        match met {
            Some(met) => Line::with_goal(what, figures, &goal, *met),
            None => Line::plain(what, format!("{figures:<FIGURES$}  goal {goal}: not known")),
        }
    }

    /// For the JSON file.
    pub fn json(&self) -> Value {
        let Self { what, value, uncertainty, unit, most, met } = self;
        json!({ "what": what, "value": value, "uncertainty": uncertainty, "unit": unit, "at_most": most, "met": met })
    }
}

/// A figure by another.
#[derive(Debug, Clone, Copy)]
pub struct Ratio {
    /// The quotient.
    pub value: f64,
    /// Its uncertainty.
    pub uncertainty: f64,
    /// Whether it rests on enough to say something.
    firm: bool,
}

impl Ratio {
    /// Divides them.
    pub fn of(figure: &Figure, unit: &Figure) -> Self {
        let value = figure.over / unit.over;
        // Errors of a quotient add as squares, relative to what they belong to.
        let relative = (figure.uncertainty / figure.over).hypot(unit.uncertainty / unit.over);
        let clear = |figure: &Figure| is_firm(figure) && figure.over > figure.uncertainty;
        Self { value, uncertainty: (value * relative).abs(), firm: clear(figure) && clear(unit) }
    }

    /// `None`: these measurements cannot tell.
    fn is_at_most(self, most: f64) -> Option<bool> {
        judged(self.firm, self.value, self.uncertainty, most)
    }
}

fn is_firm(figure: &Figure) -> bool {
    !figure.rough && figure.rounds >= FEWEST
}

fn judged(firm: bool, value: f64, uncertainty: f64, most: f64) -> Option<bool> {
    (firm && (value - most).abs() > uncertainty).then_some(value <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(over: f64, uncertainty: f64, rounds: usize) -> Figure {
        let quartiles = (over, over);
        Figure { over, server: 0.0, quartiles, uncertainty, total_ratio: 1.0, rounds, rough: false }
    }

    #[test]
    fn a_goal_is_judged_only_where_the_figures_can_tell() {
        let empty = figure(10.0, 0.1, 500);
        let judged = |over, uncertainty, rounds| Ratio::of(&figure(over, uncertainty, rounds), &empty).is_at_most(2.5);
        assert_eq!(judged(20.0, 0.1, 500), Some(true));
        assert_eq!(judged(30.0, 0.1, 500), Some(false));
        assert_eq!(judged(25.2, 0.5, 500), None);
        assert_eq!(judged(30.0, 0.1, 3), None);
        assert_eq!(Ratio::of(&figure(-1.0, 0.1, 500), &empty).is_at_most(2.5), None);
        let rough = Figure { rough: true, ..figure(30.0, 0.1, 500) };
        assert_eq!(Ratio::of(&rough, &empty).is_at_most(2.5), None);
    }

    #[test]
    fn a_table_that_costs_nothing_more_meets_its_goal() {
        let met = |over, uncertainty| Goal::growth("t", &figure(over, uncertainty, 500)).met;
        assert_eq!([met(-0.2, 0.3), met(1.4, 0.3), met(2.0, 0.3)], [Some(true), None, Some(false)]);
    }

    #[test]
    fn what_is_not_known_is_said_so() {
        let goal = Goal::growth("t", &figure(1.4, 0.3, 500));
        assert!(goal.line().figures.ends_with("goal at most 1.5: not known"), "{:?}", goal.line());
        assert_eq!(goal.json()["met"], Value::Null);
    }
}
