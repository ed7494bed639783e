//! What was measured, told: a table, JSON and plots, with the goals beside it.

use serde_json::{Value, json};

use super::super::bars::{Bar, bars};
use super::super::report::{Line, json as lines_as_json, milliseconds, table};
use super::{Outcome, Run, Start};

/// How many keys the goals are about.
const MANY: u64 = 1_000_000;
/// Keyplane's share of what `api_key_auth` takes, at most.
const GOAL_SHARE: f64 = 0.1;
/// The longest step, in ms.
const GOAL_STEP: f64 = 5.0;
/// Memory for a key and worker, in bytes.
const GOAL_KEY: f64 = 80.0;

/// What was measured.
#[derive(Debug)]
pub struct Results {
    /// An Envoy without a filter.
    pub empty: Start,
    /// Each number of keys.
    pub runs: Vec<Run>,
}

impl Results {
    /// The table.
    pub fn text(&self) -> String {
        table(&self.lines())
    }

    /// The figures.
    pub fn json(&self) -> Value {
        let start = |start: &Start| {
            json!({
                "ready_ms": start.ready.as_secs_f64() * 1e3,
                "peak_bytes": start.peak,
                "rest_bytes": start.rest,
                "longest_wait_ms": start.longest.map(|longest| longest.as_secs_f64() * 1e3),
            })
        };
        let native = |outcome: &Outcome| match outcome {
            Outcome::Right(native) => start(native),
            Outcome::TooLate(limit) => json!({ "too_late_s": limit.as_secs() }),
        };
        let run = |run: &Run| {
            json!({
                "keys": run.keys,
                "keyplane": start(&run.keyplane),
                "api_key_auth_yaml": native(&run.native_yaml),
                "api_key_auth_json": native(&run.native_json),
                "steps": run.steps,
            })
        };
        json!({
            "no_filter": start(&self.empty),
            "runs": self.runs.iter().map(run).collect::<Vec<_>>(),
            "table": lines_as_json(&self.lines()),
        })
    }

    /// File names and plots.
    pub fn plots(&self) -> [(&'static str, String); 2] {
        let seconds = |start: &Start| start.ready.as_secs_f64();
        let memory = |start: &Start| mib(start.peak);
        [
            ("load-time.svg", self.plot("From the start of a proxy to right answers", "s", seconds)),
            ("load-memory.svg", self.plot("The most memory meanwhile", "MiB", memory)),
        ]
    }

    fn plot(&self, title: &str, unit: &str, of: impl Fn(&Start) -> f64) -> String {
        let bar = |name: String, value: f64| Bar { name, value, quartiles: (value, value) };
        let mut all = vec![bar("no filter".into(), of(&self.empty))];
        let mut goals = Vec::new();
        for run in &self.runs {
            all.push(bar(format!("Keyplane, {} keys", run.keys), of(&run.keyplane)));
            for (form, native) in run.natives() {
                if let Outcome::Right(native) = native {
                    all.push(bar(format!("api_key_auth, {form}, {} keys", run.keys), of(native)));
                    if run.keys == MANY {
                        goals.push((format!("goal ({form})"), GOAL_SHARE * of(native)));
                    }
                }
            }
        }
        bars(title, unit, &all, &goals)
    }

    fn lines(&self) -> Vec<Line> {
        let mut lines = vec![start_line("no filter", &self.empty, self.empty.peak)];
        for run in &self.runs {
            lines.push(start_line(&format!("Keyplane, {} keys", run.keys), &run.keyplane, self.empty.peak));
            for (form, native) in run.natives() {
                let name = format!("api_key_auth, {form}, {} keys", run.keys);
                lines.push(match native {
                    Outcome::Right(native) => start_line(&name, native, self.empty.peak),
                    Outcome::TooLate(limit) => {
                        Line::plain(&name, format!("not right within {} s, and ended", limit.as_secs()))
                    }
                });
            }
        }
        for run in &self.runs {
            for (form, native) in run.natives() {
                lines.extend(share_lines(run, form, native, self.empty.peak));
            }
            lines.extend(step_lines(run));
        }
        lines
    }
}

fn start_line(name: &str, start: &Start, floor: u64) -> Line {
    let over = mib(start.peak) - mib(floor);
    let longest = start.longest.map(|longest| format!(", longest wait of a request beside {}", milliseconds(longest)));
    let figures = format!(
        "right after {}, peak {:.0} MiB ({over:+.0} to no filter), at rest {:.0} MiB{}",
        milliseconds(start.ready),
        mib(start.peak),
        mib(start.rest),
        longest.unwrap_or_default()
    );
    Line::plain(name, figures)
}

impl Run {
    /// The forms in which `api_key_auth` was configured, and what became of it.
    fn natives(&self) -> [(&'static str, &Outcome); 2] {
        [("YAML", &self.native_yaml), ("JSON", &self.native_json)]
    }
}

/// Keyplane against `api_key_auth`, with the goals where they are about this number of keys.
fn share_lines(run: &Run, form: &str, native: &Outcome, floor: u64) -> Vec<Line> {
    let Run { keys, keyplane, .. } = run;
    let named = |what: &str| format!("{keys} keys: {what} by api_key_auth's, {form}");
    let line = |what: &str, share: f64, sign: &str, has_goal: bool| {
        let (what, figures) = (named(what), format!("{sign}{share:.3}"));
        if has_goal && *keys == MANY {
            Line::with_goal(&what, figures, &format!("at most {GOAL_SHARE}"), share <= GOAL_SHARE)
        } else {
            Line::plain(&what, figures)
        }
    };
    let over = |start: &Start| (mib(start.peak) - mib(floor)).max(0.0);
    let ready = keyplane.ready.as_secs_f64();
    match native {
        Outcome::Right(native) => vec![
            line("time", ready / native.ready.as_secs_f64(), "", true),
            line("peak memory", mib(keyplane.peak) / mib(native.peak), "", true),
            line("peak memory over no filter's", over(keyplane) / over(native).max(1.0), "", false),
        ],
        // It would have taken longer still: a share that meets the goal does so all the more, and another says nothing.
        Outcome::TooLate(limit) => {
            let share = ready / limit.as_secs_f64();
            vec![line("time", share, "less than ", share <= GOAL_SHARE)]
        }
    }
}

/// Steps and memory inside the VM.
fn step_lines(run: &Run) -> Vec<Line> {
    let Run { keys, steps, .. } = run;
    let figure = |part: &Value| part.as_f64().unwrap_or(f64::NAN);
    let mut lines = Vec::new();
    for (part, name) in [("load", "loading"), ("resync", "loading anew"), ("after_resync", "clearing up the old table")]
    {
        let longest = figure(&steps[part]["longest_ms"]);
        let figures = format!("{longest:.2} ms (median {:.2} ms)", figure(&steps[part]["median_ms"]));
        let goal = format!("at most {GOAL_STEP} ms");
        lines.push(Line::with_goal(
            &format!("{keys} keys: longest step, {name}"),
            figures,
            &goal,
            longest <= GOAL_STEP,
        ));
    }
    let delta = format!("{:.0} µs", figure(&steps["delta"]["median_ms"]) * 1e3);
    lines.push(Line::plain(&format!("{keys} keys: a change, applied"), delta));
    #[allow(clippy::cast_precision_loss)]
    let count = *keys as f64;
    let by_key = |part: &str| figure(&steps[part]) / count;
    let what = format!("{keys} keys: memory of the VM by key");
    let figures = format!(
        "{:.1} bytes, of which table {:.1}; after loading anew {:.1}",
        by_key("memory_loaded"),
        by_key("table_bytes"),
        by_key("memory_resynced")
    );
    lines.push(if *keys == MANY {
        let goal = format!("at most {GOAL_KEY} bytes");
        Line::with_goal(&what, figures, &goal, by_key("memory_loaded") <= GOAL_KEY)
    } else {
        Line::plain(&what, figures)
    });
    lines
}

fn mib(bytes: u64) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let bytes = bytes as f64;
    bytes / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn start(seconds: u64, peak: u64) -> Start {
        Start { ready: Duration::from_secs(seconds), peak: peak << 20, rest: peak << 20, longest: None }
    }

    #[test]
    fn the_goals_are_those_of_a_million_keys() {
        let part = json!({ "longest_ms": 6.0, "median_ms": 1.0 });
        let steps = json!({ "load": part, "resync": part, "after_resync": { "longest_ms": 0.3, "median_ms": 0.1 },
            "delta": part, "table_bytes": 75_000_000, "memory_loaded": 77_000_000, "memory_resynced": 150_000_000 });
        let native_yaml = Outcome::TooLate(Duration::from_mins(3));
        let native_json = Outcome::Right(start(7, 1_000));
        let run = |keys| Run {
            keys,
            keyplane: start(1, 250),
            native_yaml: native_yaml.clone(),
            native_json: native_json.clone(),
            steps: steps.clone(),
        };
        let results = Results { empty: start(0, 50), runs: vec![run(1_000), run(MANY)] };
        let text = results.text();
        let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap();
        assert!(line("1000000 keys: time by api_key_auth's, YAML").ends_with("0.1: met"), "{text}");
        assert!(line("1000000 keys: time by api_key_auth's, JSON").ends_with("0.1: MISSED"), "{text}");
        assert!(line("1000000 keys: peak memory by").ends_with("0.1: MISSED"), "{text}");
        assert!(line("1000000 keys: longest step, loading ").ends_with("MISSED"), "{text}");
        assert!(line("1000000 keys: longest step, clearing").ends_with(": met"), "{text}");
        assert!(line("1000000 keys: memory of the VM").ends_with("80 bytes: met"), "{text}");
        assert!(!line(" 1000 keys: time by").contains("goal"), "{text}");
        assert_eq!(results.plots()[0].1.matches("fill=\"#2563eb\"").count(), 5);
        assert!(line("api_key_auth, YAML, 1000000 keys").ends_with("within 180 s, and ended"), "{text}");
    }
}
