//! What was measured, told: tables, JSON and plots, with the budget beside it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::bars::{Bar, bars};
use super::super::report::{Line, json as lines_as_json, table};
use super::budget::{GOAL_ALLOW, GOAL_AUTHZ, GOAL_DENY, GOAL_LATENCY, Goal, Ratio, Unit};
use super::figures::{Block, Figure, total};
use super::rounds::Measured;
use super::variant::{Role, Variant};

const LARGE: u64 = 1_000_000;
const SMALL: u64 = 1_000;

/// What was measured: for each variant its blocks. The first is the baseline.
#[derive(Debug)]
pub struct Results {
    pub(super) variants: Vec<Variant>,
    pub(super) measured: Measured,
}

/// One of the ways to measure.
struct View<'a> {
    variants: &'a [Variant],
    blocks: &'a [Vec<Block>],
    name: &'static str,
    kind: Kind,
    /// In JSON and file names.
    short: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Processor time.
    Cpu,
    /// Latency; with a goal or without one.
    Latency { goal: bool },
}

impl Results {
    fn views(&self) -> [View<'_>; 4] {
        let Measured { hot, cold, single, several } = &self.measured;
        [
            (hot, Kind::Cpu, "hot", "processor time, one request after the other"),
            (cold, Kind::Cpu, "cold", "processor time, cold caches before each request"),
            (single, Kind::Latency { goal: true }, "latency", "median latency, one connection"),
            (several, Kind::Latency { goal: false }, "latency-8", "median latency, eight connections"),
        ]
        .map(|(blocks, kind, short, name)| View { variants: &self.variants, blocks, name, kind, short })
    }

    /// Names of the variants that have figures, in order.
    pub fn names(&self) -> Vec<&str> {
        let views = self.views();
        let measured = |view: &View<'_>, name: &str| view.figures().any(|(variant, _)| variant.name == name);
        let names = self.variants.iter().map(|variant| variant.name.as_str());
        names.filter(|name| views.iter().all(|view| measured(view, name))).collect()
    }

    /// The tables.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for view in self.views() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\n{}:\n\n{}", view.name, table(&view.lines()));
        }
        text.push_str("\nthe budget:\n");
        for view in self.views() {
            let goals: Vec<Line> = view.goals().iter().map(Goal::line).collect();
            if !goals.is_empty() {
                let _ = writeln!(text, "\n{}:\n\n{}", view.name, table(&goals));
            }
        }
        text
    }

    /// The figures.
    pub fn json(&self) -> Value {
        self.views().iter().map(|view| (view.short.to_owned(), view.json())).collect::<serde_json::Map<_, _>>().into()
    }

    /// File names and plots.
    pub fn plots(&self) -> Vec<(String, String)> {
        self.views().iter().flat_map(View::plots).collect()
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

    fn of(&self, role: Role) -> Option<Figure> {
        self.figures().find(|(variant, _)| variant.role == role).map(|(_, figure)| figure)
    }

    fn total(&self) -> f64 {
        total(self.baseline()).unwrap_or_default()
    }

    fn lines(&self) -> Vec<Line> {
        let mut lines = vec![Line::plain("no filter, in all", format!("{:.1} µs", self.total()))];
        let empty = self.of(Role::Empty);
        lines.extend(self.figures().map(|(variant, figure)| line(variant, &figure, empty.as_ref())));
        lines
    }

    /// The lines of the budget that these figures are about.
    fn goals(&self) -> Vec<Goal> {
        let (empty, authz) = (self.of(Role::Empty), self.of(Role::Authz));
        let empty = empty.as_ref().map(|figure| Unit { figure, name: "x empty" });
        let authz = authz.as_ref().map(|figure| Unit { figure, name: "x ext_authz" });
        let mut goals = Vec::new();
        for (variant, figure) in self.figures() {
            let name = &variant.name;
            match (variant.role, self.kind) {
                (Role::Allow { goal: true, .. }, Kind::Cpu) => {
                    goals.extend(empty.map(|empty| Goal::allowed(name, &figure, empty)).into_iter().flatten());
                    goals.extend(authz.map(|authz| Goal::ratio(name, &figure, authz, GOAL_AUTHZ)));
                }
                (Role::Allow { goal: true, .. }, Kind::Latency { goal: true }) => {
                    goals.extend(authz.map(|authz| Goal::ratio(name, &figure, authz, GOAL_LATENCY)));
                }
                (Role::Deny, Kind::Cpu) => {
                    goals.extend(empty.map(|empty| Goal::ratio(name, &figure, empty, GOAL_DENY)));
                }
                _ => {}
            }
        }
        if self.kind == Kind::Cpu {
            goals.extend(self.growth());
        }
        goals
    }

    /// A million keys against a thousand, when both were measured.
    fn growth(&self) -> Option<Goal> {
        let of = |keys| {
            let wanted = |role| matches!(role, Role::Allow { keys: found, .. } if found == keys);
            self.all().find(|(variant, _)| wanted(variant.role)).map(|(_, blocks)| blocks)
        };
        Some(Goal::growth("keyplane: 1,000,000 keys against 1,000", &Figure::of(of(LARGE)?, of(SMALL)?)?))
    }

    fn json(&self) -> Value {
        let (empty, authz) = (self.of(Role::Empty), self.of(Role::Authz));
        let by = |figure: &Figure, unit: &Option<Figure>| unit.map(|unit| figure.over / unit.over);
        let variants: Vec<Value> = self
            .figures()
            .map(|(variant, figure)| {
                let mut value = figure.json();
                value["name"] = variant.name.as_str().into();
                value["by_empty"] = by(&figure, &empty).into();
                value["by_ext_authz"] = by(&figure, &authz).into();
                value
            })
            .collect();
        let budget: Vec<Value> = self.goals().iter().map(Goal::json).collect();
        json!({
            "no_filter_us": self.total(),
            "variants": variants,
            "table": lines_as_json(&self.lines()),
            "budget": budget,
        })
    }

    /// A plot of what runs in Envoy, and one with `ext_authz`, which would dwarf all others in the former.
    fn plots(&self) -> Vec<(String, String)> {
        let (empty, authz) = (self.of(Role::Empty), self.of(Role::Authz));
        let goal = |name: &str, figure: Option<Figure>, times: f64| {
            figure.map(|figure| (name.to_owned(), figure.over * times)).into_iter()
        };
        let among = |role| role != Role::Authz;
        let beside = |role| matches!(role, Role::Authz | Role::Empty | Role::Allow { .. });
        let (of_envoy, share) = match self.kind {
            Kind::Cpu => {
                let goals = goal("goal: refused", empty, GOAL_DENY).chain(goal("goal: allowed", empty, GOAL_ALLOW));
                (goals.collect(), Some(GOAL_AUTHZ))
            }
            Kind::Latency { goal } => (Vec::new(), goal.then_some(GOAL_LATENCY)),
        };
        let against: Vec<_> = share.into_iter().flat_map(|share| goal("goal: allowed", authz, share)).collect();
        vec![
            (format!("request-{}.svg", self.short), self.plot(among, &of_envoy)),
            (format!("request-{}-ext-authz.svg", self.short), self.plot(beside, &against)),
        ]
    }

    fn plot(&self, wanted: impl Fn(Role) -> bool, goals: &[(String, f64)]) -> String {
        let bar = |(variant, figure): (&Variant, Figure)| Bar {
            name: variant.name.clone(),
            value: figure.over,
            quartiles: figure.quartiles,
        };
        let rows: Vec<Bar> = self.figures().filter(|(variant, _)| wanted(variant.role)).map(bar).collect();
        bars(&format!("What a request takes more than without a filter: {}", self.name), "µs", &rows, goals)
    }
}

fn line(variant: &Variant, figure: &Figure, empty: Option<&Figure>) -> Line {
    let Figure { over, server, quartiles: (low, high), uncertainty, total_ratio, rounds, rough } = *figure;
    let ratio = empty.map(|empty| Ratio::of(figure, empty));
    let by_empty =
        ratio.map_or(String::new(), |ratio| format!("{:5.2} ± {:.2} x empty", ratio.value, ratio.uncertainty));
    let rough = if rough { "  (interrupted: rough)" } else { "" };
    let server = if server > 0.0 { format!("  (the server {server:.1} µs of it)") } else { String::new() };
    let figures = format!(
        "{over:+6.1} µs ± {uncertainty:.1}  [{low:6.1} {high:6.1}]  total x {total_ratio:.2}  {by_empty}  {rounds} rounds{rough}{server}"
    );
    Line::plain(&variant.name, figures)
}
