//! What operators watch: the sample of a scrape, the alerts and the dashboard ask only for metrics that a real Envoy and a real
//! control plane have, and every metric of the filter is described.

use super::fixture::{Flow, eventually};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const SCRAPE: &str = include_str!("../../../examples/observability/prometheus.yml");
const ALERTS: &str = include_str!("../../../examples/observability/alerts.yml");
const DASHBOARD: &str = include_str!("../../../examples/observability/grafana-dashboard.json");
const REFERENCE: &str = include_str!("../../../docs/filter.md");

/// Names of metrics in a text in Prometheus' format.
fn exposed(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.split(['{', ' ']).next()?.to_owned())).filter(|name| !name.is_empty()).collect()
}

/// Names of metrics in a query: Keyplane's, and Envoy's own about the filter.
fn asked(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("keyplane_") || word.starts_with("envoy_")).map(str::to_owned).collect()
}

/// The regular expression that the sample hands Envoy, unescaped as YAML does.
fn filter() -> String {
    let quoted = SCRAPE.split("filter: [").nth(1).and_then(|rest| rest.split(']').next()).unwrap();
    serde_json::from_str(quoted).unwrap()
}

/// Every string under `key`, wherever it is.
fn strings<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get(key).and_then(Value::as_str));
            object.values().for_each(|value| strings(value, key, found));
        }
        Value::Array(values) => values.iter().for_each(|value| strings(value, key, found)),
        _ => {}
    }
}

#[test]
fn alerts_and_dashboard_ask_only_for_metrics_that_are_there() {
    let flow = Flow::start();
    eventually("the proxy is synced", || flow.stat("keyplane_synced") == 1);
    let mut encoded = String::new();
    filter().bytes().for_each(|byte| write!(encoded, "%{byte:02X}").unwrap());
    let scraped = flow.stack.envoy.admin().get(&format!("/stats/prometheus?filter={encoded}"), &[]).unwrap();
    let of_envoy = exposed(&scraped.text());
    let of_control_plane = exposed(&flow.api().client().get("/metrics", &[]).unwrap().text());
    assert!(of_envoy.len() < 200, "the scrape is not narrowed: {} metrics", of_envoy.len());

    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut expressions = Vec::new();
    strings(&dashboard, "expr", &mut expressions);
    assert!(expressions.len() > 40);
    let on_dashboard: BTreeSet<_> = expressions.iter().flat_map(|expression| asked(expression)).collect();
    let rules = ALERTS.split("expr:").skip(1).map(|rest| rest.split("labels:").next().unwrap());
    let in_alerts: BTreeSet<_> = rules.flat_map(asked).collect();
    for name in on_dashboard.iter().chain(&in_alerts) {
        assert!(of_envoy.contains(name) || of_control_plane.contains(name), "there is no metric {name}");
    }
    // And nothing of the filter is left out, neither there nor in the reference.
    for name in of_envoy.iter().filter(|name| name.starts_with("keyplane_")) {
        assert!(on_dashboard.contains(name), "{name} is not on the dashboard");
        let described = REFERENCE.contains(&format!("`{name}`"))
            || ["keyplane_decisions_", "keyplane_sync_faults_"].iter().any(|family| {
                name.strip_prefix(family).is_some_and(|member| REFERENCE.contains(&format!("`{member}`")))
            });
        assert!(described, "docs/filter.md does not describe {name}");
    }
}
