//! A plot of one figure for each of several variants, as SVG: bars with their quartiles, and lines across for goals.

use std::fmt::Write as _;

/// One bar.
#[derive(Debug, Clone)]
pub struct Bar {
    /// What it is.
    pub name: String,
    /// Its length.
    pub value: f64,
    /// Half of what was measured lies between these.
    pub quartiles: (f64, f64),
}

const LEFT: f64 = 260.0;
const TOP: f64 = 50.0;
const WIDTH: f64 = 480.0;
const ROW: f64 = 24.0;

/// Draws the bars from the top, and a dashed line at each goal, which has a name and a place.
pub fn bars(title: &str, unit: &str, bars: &[Bar], goals: &[(String, f64)]) -> String {
    let ends = bars.iter().flat_map(|bar| [bar.value, bar.quartiles.1]).chain(goals.iter().map(|(_, goal)| *goal));
    let most = ends.fold(1.0, f64::max) * 1.05;
    let place = |value: f64| LEFT + WIDTH * (value / most).clamp(0.0, 1.0);
    #[allow(clippy::cast_precision_loss)]
    let bottom = TOP + ROW * bars.len() as f64;
    let height = bottom + 40.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 820 {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"820\" height=\"{height}\" fill=\"white\"/>\n<text x=\"12\" y=\"24\" font-size=\"14\">{}</text>\n",
        escaped(title)
    );
    // Writing to a string cannot fail.
    for step in 0..=4 {
        let value = most * f64::from(step) / 4.0;
        let x = place(value);
        let _ = writeln!(svg, "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/>");
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{value:.1} {}</text>",
            bottom + 18.0,
            escaped(unit)
        );
    }
    for (number, bar) in bars.iter().enumerate() {
        #[allow(clippy::cast_precision_loss)]
        let y = TOP + ROW * number as f64;
        let (end, low, high) = (place(bar.value), place(bar.quartiles.0), place(bar.quartiles.1));
        let name = escaped(&bar.name);
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>", LEFT - 8.0, y + 16.0);
        let _ = writeln!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{}\" width=\"{:.1}\" height=\"14\" fill=\"#2563eb\"/>",
            y + 5.0,
            end - LEFT
        );
        let _ = writeln!(svg, "<path d=\"M{low:.1} {}H{high:.1}\" stroke=\"#111\"/>", y + 12.0);
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{}\">{:.1}</text>", end.max(high) + 6.0, y + 16.0, bar.value);
    }
    for (number, (name, goal)) in goals.iter().enumerate() {
        #[allow(clippy::cast_precision_loss)]
        let y = TOP - 4.0 - 12.0 * (number % 2) as f64;
        let x = place(*goal);
        let _ = writeln!(svg, "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#dc2626\" stroke-dasharray=\"6 4\"/>");
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\" fill=\"#dc2626\">{}</text>",
            escaped(name)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Names come from the command line.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bar_ends_where_its_value_is_and_stays_in_the_frame() {
        let bar = |name: &str, value: f64| Bar { name: name.into(), value, quartiles: (value - 5.0, value + 5.0) };
        let svg =
            bars("t", "µs", &[bar("one <a>", 10.0), bar("two", 20.0), bar("none", -1.0)], &[("goal".into(), 40.0)]);
        let widths: Vec<f64> = svg
            .split("<rect x=")
            .skip(1)
            .map(|rest| rest.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(widths.len(), 3);
        assert!((widths[1] - 2.0 * widths[0]).abs() < 0.2 && widths[1] < WIDTH && widths[2] == 0.0, "{widths:?}");
        assert!(svg.contains("one &lt;a&gt;") && svg.contains("goal"));
    }
}
