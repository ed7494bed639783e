//! What was measured, told: tables, JSON and plots, with the goals beside it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::bars::{Bar, bars};
use super::super::report::{Line, json as lines_as_json, table};
use super::figures::{Block, Figure, total};
use super::plan::{Role, Variant};

/// What an allowed and a refused request may add, by what the empty filter adds.
const GOAL_ALLOW: f64 = 2.5;
const GOAL_DENY: f64 = 2.0;
/// What a table of a million keys may add to one of a thousand, in µs.
const GOAL_GROWTH: f64 = 1.5;
/// Rounds below which nothing is said of a goal.
const FEWEST: usize = 20;
const LARGE: u64 = 1_000_000;
const SMALL: u64 = 1_000;

/// What was measured: for each variant its blocks. The first is the baseline.
#[derive(Debug)]
pub struct Results {
    pub(super) variants: Vec<Variant>,
    pub(super) hot: Vec<Vec<Block>>,
    pub(super) cold: Vec<Vec<Block>>,
}

/// One of the two ways to measure.
struct View<'a> {
    variants: &'a [Variant],
    blocks: &'a [Vec<Block>],
    name: &'static str,
    file: &'static str,
}

impl Results {
    fn views(&self) -> [View<'_>; 2] {
        let variants = &self.variants;
        [
            View { variants, blocks: &self.hot, name: "one request after the other", file: "request-hot.svg" },
            View { variants, blocks: &self.cold, name: "cold caches before each request", file: "request-cold.svg" },
        ]
    }

    /// Names of the variants that have figures, in order.
    pub fn names(&self) -> Vec<&str> {
        let [hot, cold] = self.views();
        let measured = |view: &View<'_>, name: &str| view.figures().any(|(variant, _)| variant.name == name);
        let names = self.variants.iter().map(|variant| variant.name.as_str());
        names.filter(|name| measured(&hot, name) && measured(&cold, name)).collect()
    }

    /// The tables.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for view in self.views() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\n{}:\n\n{}", view.name, table(&view.lines()));
        }
        text
    }

    /// The figures.
    pub fn json(&self) -> Value {
        let [hot, cold] = self.views().map(|view| view.json());
        json!({ "hot": hot, "cold": cold })
    }

    /// File names and plots.
    pub fn plots(&self) -> [(&'static str, String); 2] {
        self.views().map(|view| (view.file, view.plot()))
    }
}

impl View<'_> {
    fn all(&self) -> impl Iterator<Item = (&Variant, &[Block])> {
        self.variants.iter().zip(self.blocks.iter().map(Vec::as_slice))
    }

    fn baseline(&self) -> &[Block] {
        self.blocks.first().map(Vec::as_slice).unwrap_or_default()
    }

    /// Each variant but the baseline, with its figure.
    fn figures(&self) -> impl Iterator<Item = (&Variant, Figure)> {
        let others = self.all().filter(|(variant, _)| variant.role != Role::Baseline);
        others.filter_map(|(variant, blocks)| Some((variant, Figure::of(blocks, self.baseline())?)))
    }

    fn empty(&self) -> Option<Figure> {
        self.figures().find(|(variant, _)| variant.role == Role::Empty).map(|(_, figure)| figure)
    }

    fn total(&self) -> f64 {
        total(self.baseline()).unwrap_or_default()
    }

    fn lines(&self) -> Vec<Line> {
        let mut lines = vec![Line::plain("no filter, in all", format!("{:.1} µs", self.total()))];
        let empty = self.empty();
        lines.extend(self.figures().map(|(variant, figure)| line(variant, &figure, empty.as_ref())));
        lines.extend(self.growth());
        lines
    }

    /// A million keys against a thousand, when both were measured.
    fn growth(&self) -> Option<Line> {
        let of = |keys| {
            let wanted = |role| matches!(role, Role::Allow { keys: found, .. } if found == keys);
            self.all().find(|(variant, _)| wanted(variant.role)).map(|(_, blocks)| blocks)
        };
        let figure = Figure::of(of(LARGE)?, of(SMALL)?)?;
        let figures = format!("{:+.1} µs ± {:.1}", figure.over, figure.uncertainty);
        let goal = format!("at most {GOAL_GROWTH:+} µs");
        Some(Line::with_goal("  1,000,000 keys against 1,000", figures, &goal, figure.over <= GOAL_GROWTH))
    }

    fn json(&self) -> Value {
        let empty = self.empty();
        let variants: Vec<Value> = self
            .figures()
            .map(|(variant, figure)| {
                let mut value = figure.json();
                value["name"] = variant.name.as_str().into();
                value["by_empty"] = empty.map(|empty| figure.over / empty.over).into();
                value
            })
            .collect();
        json!({ "no_filter_us": self.total(), "variants": variants, "table": lines_as_json(&self.lines()) })
    }

    fn plot(&self) -> String {
        let bar = |(variant, figure): (&Variant, Figure)| Bar {
            name: variant.name.clone(),
            value: figure.over,
            quartiles: figure.quartiles,
        };
        let rows: Vec<Bar> = self.figures().map(bar).collect();
        let goals = self.empty().map_or(Vec::new(), |empty| {
            let goal = |name: &str, times: f64| (name.to_owned(), empty.over * times);
            vec![goal("goal: refused", GOAL_DENY), goal("goal: allowed", GOAL_ALLOW)]
        });
        bars(
            &format!("Envoy's processor time for a request, more than without a filter: {}", self.name),
            "µs",
            &rows,
            &goals,
        )
    }
}

fn line(variant: &Variant, figure: &Figure, empty: Option<&Figure>) -> Line {
    let Figure { over, quartiles: (low, high), uncertainty, total_ratio, rounds, rough } = *figure;
    let ratio = empty.map(|empty| Ratio::of(figure, empty));
    let by_empty =
        ratio.map_or(String::new(), |ratio| format!("{:5.2} ± {:.2} x empty", ratio.value, ratio.uncertainty));
    let rough = if rough { "  (interrupted: rough)" } else { "" };
    let figures = format!(
        "{over:+6.1} µs ± {uncertainty:.1}  [{low:6.1} {high:6.1}]  total x {total_ratio:.2}  {by_empty}  {rounds} rounds{rough}"
    );
    let goal = match variant.role {
        Role::Allow { goal: true, .. } => GOAL_ALLOW,
        Role::Deny => GOAL_DENY,
        _ => return Line::plain(&variant.name, figures),
    };
    let text = format!("{goal:.1} x empty");
    match ratio.and_then(|ratio| ratio.is_at_most(goal)) {
        Some(met) => Line::with_goal(&variant.name, figures, &text, met),
        None => Line::plain(&variant.name, format!("{figures}  goal {text}: not known")),
    }
}

/// A figure by that of the empty filter.
#[derive(Debug, Clone, Copy)]
struct Ratio {
    value: f64,
    uncertainty: f64,
    /// Whether it rests on enough to say something.
    sure: bool,
}

impl Ratio {
    fn of(figure: &Figure, empty: &Figure) -> Self {
        let value = figure.over / empty.over;
        // Errors of a quotient add as squares, relative to what they belong to.
        let relative = (figure.uncertainty / figure.over).hypot(empty.uncertainty / empty.over);
        let enough = |figure: &Figure| !figure.rough && figure.rounds >= FEWEST && figure.over > figure.uncertainty;
        Self { value, uncertainty: (value * relative).abs(), sure: enough(figure) && enough(empty) }
    }

    /// `None`: these measurements cannot tell.
    fn is_at_most(self, goal: f64) -> Option<bool> {
        let clear = (self.value - goal).abs() > self.uncertainty;
        (self.sure && clear).then_some(self.value <= goal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(over: f64, uncertainty: f64, rounds: usize) -> Figure {
        Figure { over, quartiles: (over, over), uncertainty, total_ratio: 1.0, rounds, rough: false }
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
}
