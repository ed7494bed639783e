//! A plot of latencies by quantile, as SVG: the tail is what callers notice, so the axis stretches it.

use std::fmt::Write as _;
use std::time::Duration;

use super::load::Latencies;
use super::report::milliseconds;

const COLORS: [&str; 4] = ["#2563eb", "#16a34a", "#9333ea", "#ea580c"];
const QUANTILES: [f64; 13] = [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999];
const LABELS: [(f64, &str); 5] = [(0.0, "min"), (0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9")];
const LEFT: f64 = 70.0;
const TOP: f64 = 40.0;
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 300.0;

/// Draws a line for each named set of latencies, and one across at `goal`.
pub fn quantiles(title: &str, sets: &[(&str, &Latencies)], goal: Duration) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 820 400\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"820\" height=\"400\" fill=\"white\"/>\n<text x=\"{LEFT}\" y=\"24\" font-size=\"14\">{title}</text>\n"
    );
    // Writing to a string cannot fail.
    for decade in [0.1, 1.0, 10.0, 100.0, 1_000.0] {
        let (y, end) = (height(decade), LEFT + WIDTH);
        let _ = writeln!(svg, "<path d=\"M{LEFT} {y:.1}H{end}\" stroke=\"#ddd\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{decade} ms</text>", LEFT - 6.0, y + 4.0);
    }
    for (share, label) in LABELS {
        let (x, bottom) = (place(share), TOP + HEIGHT);
        let _ = writeln!(svg, "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/>");
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>", bottom + 18.0);
    }
    let (y, end) = (height(goal.as_secs_f64() * 1e3), LEFT + WIDTH);
    let _ = writeln!(svg, "<path d=\"M{LEFT} {y:.1}H{end}\" stroke=\"#dc2626\" stroke-dasharray=\"6 4\"/>");
    let _ = writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" fill=\"#dc2626\">goal for p99</text>", end + 6.0, y + 4.0);
    for (number, ((name, latencies), color)) in sets.iter().zip(COLORS).enumerate() {
        let points: Vec<_> = QUANTILES
            .iter()
            .map(|share| {
                let y = height(latencies.quantile(*share).as_secs_f64() * 1e3);
                format!("{:.1},{y:.1}", place(*share))
            })
            .collect();
        let points = points.join(" ");
        let _ = writeln!(svg, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>");
        #[allow(clippy::cast_precision_loss)]
        let y = TOP + 20.0 + 18.0 * number as f64;
        let p99 = milliseconds(latencies.quantile(0.99));
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{y}\" fill=\"{color}\">{name} (p99 {p99})</text>", LEFT + 12.0);
    }
    svg.push_str("</svg>\n");
    svg
}

/// Each nine takes the same width.
fn place(share: f64) -> f64 {
    LEFT + WIDTH * (-(1.0 - share).log10() / 4.0)
}

/// From 0.1 ms at the bottom to 1 s at the top.
fn height(milliseconds: f64) -> f64 {
    TOP + HEIGHT * (1.0 - (milliseconds.clamp(0.1, 1_000.0).log10() + 1.0) / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_a_line_for_each_set_and_stays_in_its_frame() {
        let fast = Latencies::of((1..1_000).map(Duration::from_micros).collect());
        let slow = Latencies::of(vec![Duration::from_mins(1); 3]);
        let svg = quantiles("t", &[("fast", &fast), ("slow", &slow)], Duration::from_millis(20));
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains("slow (p99 60000 ms)"), "{svg}");
        for (x, y) in svg.split("points=\"").skip(1).flat_map(|rest| {
            let points = rest.split_once('"').unwrap().0;
            points.split(' ').map(|point| point.split_once(',').unwrap())
        }) {
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!((LEFT..=LEFT + WIDTH + 0.1).contains(&x) && (TOP..=TOP + HEIGHT).contains(&y), "{x} {y}");
        }
    }
}
