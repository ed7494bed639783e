//! What was measured, told: a table, JSON and a plot, with the goal beside it.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::control_plane::figures_of;
use super::super::load::Latencies;
use super::super::plot;
use super::super::report::{Line, json as lines_as_json, table};
use super::Revoked;
use super::waiting::{Waiting, extent};

/// From answered to refused by the last worker.
const GOAL_P99: Duration = Duration::from_millis(100);
/// Proxies that the goal speaks of.
const GOAL_PROXIES: usize = 100;
/// Revocations below which nothing is said of a 99th percentile.
const FEWEST: usize = 100;

/// What was measured.
#[derive(Debug)]
pub struct Results {
    /// Simulated proxies, with one worker each.
    pub pollers: usize,
    /// Real Envoys.
    pub envoys: usize,
    /// Each revocation.
    pub revoked: Vec<Revoked>,
    /// Polls that were answered with another status than 200.
    pub faults: usize,
    /// The other section, unless it was left out.
    pub waiting: Option<Waiting>,
}

impl Results {
    fn times(&self, of: impl Fn(&Revoked) -> Duration) -> Latencies {
        Latencies::of(self.revoked.iter().map(of).collect())
    }

    /// From answered to the last of all.
    fn reached(&self) -> Latencies {
        self.times(|one| one.last().saturating_sub(one.answered))
    }

    fn goal(&self) -> Line {
        let (what, reached) = ("answered to refused by the last of all", self.reached());
        let goal = "p99 at most 100 ms for 100 proxies";
        if self.revoked.len() < FEWEST || self.pollers + self.envoys < GOAL_PROXIES {
            return Line::plain(what, format!("{}  goal {goal}: not known", extent(&reached)));
        }
        Line::with_goal(what, extent(&reached), goal, reached.quantile(0.99) <= GOAL_P99)
    }

    fn lines(&self) -> Vec<Line> {
        let mut lines = vec![self.goal()];
        let mut more = |what: &str, latencies: &Latencies| lines.push(Line::plain(what, extent(latencies)));
        more("sent to refused by the last of all", &self.times(Revoked::last));
        more("  sent to answered", &self.times(|one| one.answered));
        if self.pollers > 0 {
            more("  sent to the last simulated worker", &self.times(|one| one.simulated));
        }
        if self.envoys > 0 {
            more("  sent to the last worker of a real Envoy", &self.times(|one| one.real));
        }
        if self.faults > 0 {
            lines.push(Line::plain("polls answered with an error", self.faults.to_string()));
        }
        lines
    }

    /// The tables.
    pub fn text(&self) -> String {
        let mut text = table(&self.lines());
        if let Some(waiting) = &self.waiting {
            text.push_str("\nwaiting polls, on a control plane of their own:\n\n");
            text.push_str(&table(&waiting.lines()));
        }
        text
    }

    /// The figures.
    pub fn json(&self) -> Value {
        let mut lines = self.lines();
        lines.extend(self.waiting.iter().flat_map(Waiting::lines));
        json!({
            "simulated_proxies": self.pollers,
            "real_proxies": self.envoys,
            "revocations": self.revoked.len(),
            "errors": self.faults,
            "answered_to_last": figures_of(&self.reached()),
            "sent_to_last": figures_of(&self.times(Revoked::last)),
            "sent_to_answered": figures_of(&self.times(|one| one.answered)),
            "sent_to_last_simulated": figures_of(&self.times(|one| one.simulated)),
            "sent_to_last_real": figures_of(&self.times(|one| one.real)),
            "waiting": self.waiting.as_ref().map(Waiting::json),
            "table": lines_as_json(&lines),
        })
    }

    /// The plot.
    pub fn plot(&self) -> String {
        let sets = [
            ("answered to the last of all", self.reached()),
            ("sent to the last of all", self.times(Revoked::last)),
            ("sent to the last simulated", self.times(|one| one.simulated)),
            ("sent to the last real", self.times(|one| one.real)),
        ];
        let sets: Vec<_> = sets.iter().map(|(name, latencies)| (*name, latencies)).collect();
        let title =
            format!("One revocation, {} proxies: time to the last worker, by quantile", self.pollers + self.envoys);
        plot::quantiles(&title, &sets, GOAL_P99)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(proxies: usize, revocations: usize, last: u64) -> Results {
        let of = |milliseconds| Duration::from_millis(milliseconds);
        let one = Revoked { answered: of(5), simulated: of(3), real: of(last) };
        Results { pollers: proxies - 2, envoys: 2, revoked: vec![one; revocations], faults: 0, waiting: None }
    }

    #[test]
    fn the_goal_counts_from_the_answer_to_the_last_of_all() {
        assert!(results(100, 200, 105).text().contains("100 proxies: met"));
        assert!(results(100, 200, 106).text().contains("100 proxies: MISSED"));
        assert_eq!(results(100, 200, 4).reached().quantile(1.0), Duration::ZERO);
    }

    #[test]
    fn too_few_proxies_or_revocations_say_nothing_of_the_goal() {
        assert!(results(99, 200, 6).text().contains("100 proxies: not known"));
        assert!(results(100, 99, 6).text().contains("100 proxies: not known"));
    }
}
