//! What was measured, with its goals: a table for people, and JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

/// A line of the table.
#[derive(Debug, Clone)]
pub struct Line {
    /// What was measured.
    pub what: String,
    /// The figures, for people.
    pub figures: String,
    /// The goal and whether it was met; `None` where there is no goal.
    pub goal: Option<(String, bool)>,
}

impl Line {
    /// A line with a goal.
    pub fn with_goal(what: &str, figures: String, goal: &str, met: bool) -> Self {
        Self { what: what.into(), figures, goal: Some((goal.into(), met)) }
    }

    /// A line without one.
    pub fn plain(what: &str, figures: String) -> Self {
        Self { what: what.into(), figures, goal: None }
    }
}

/// The lines as a table, columns aligned.
pub fn table(lines: &[Line]) -> String {
    let width = |text: fn(&Line) -> &str| lines.iter().map(|line| text(line).chars().count()).max().unwrap_or_default();
    let (what, figures) = (width(|line| &line.what), width(|line| &line.figures));
    let mut table = String::new();
    for line in lines {
        let goal = match &line.goal {
            Some((goal, true)) => format!("goal {goal}: met"),
            Some((goal, false)) => format!("goal {goal}: MISSED"),
            None => String::new(),
        };
        let row = format!("  {:<what$}  {:<figures$}  {goal}", line.what, line.figures);
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{}", row.trim_end());
    }
    table
}

/// The lines as JSON.
pub fn json(lines: &[Line]) -> Value {
    lines
        .iter()
        .map(|line| {
            let goal = line.goal.as_ref().map(|(goal, met)| json!({ "text": goal, "met": met }));
            json!({ "what": line.what, "figures": line.figures, "goal": goal })
        })
        .collect()
}

/// Milliseconds with three digits that count: `0.912 ms`, `14.3 ms`.
pub fn milliseconds(time: Duration) -> String {
    let value = time.as_secs_f64() * 1e3;
    let digits = if value < 1.0 { 3 } else { usize::from(value < 10.0) + usize::from(value < 100.0) };
    format!("{value:.digits$} ms")
}

/// The machine, as far as it matters to the figures.
pub fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| Some(line.strip_prefix("model name")?.split_once(": ")?.1.to_owned()))
        .unwrap_or_default();
    let load = read("/proc/loadavg");
    json!({
        "cores": std::thread::available_parallelism().map(usize::from).unwrap_or_default(),
        "cpu": cpu,
        "load_before": load.split(' ').next().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_goal_is_said_so() {
        let lines = [
            Line::with_goal("get", "p99 3.0 ms".into(), "p99 under 20 ms", true),
            Line::with_goal("creates", "400 a second".into(), "500", false),
            Line::plain("memory", "40 MiB".into()),
        ];
        let table = table(&lines);
        assert!(table.contains("get      p99 3.0 ms    goal p99 under 20 ms: met\n"), "{table}");
        assert!(table.contains("goal 500: MISSED\n") && table.contains("  memory   40 MiB\n"), "{table}");
        assert_eq!(json(&lines)[1]["goal"]["met"], false);
    }

    #[test]
    fn times_have_three_digits_that_count() {
        for (micros, text) in [(912, "0.912 ms"), (1_234, "1.23 ms"), (14_321, "14.3 ms"), (214_321, "214 ms")] {
            assert_eq!(milliseconds(Duration::from_micros(micros)), text);
        }
    }
}
