//! What it costs to find the rule of a request, and to compile the rules: `cargo run --release --example rules_cost`.
//!
//! The shapes are those of many services behind one proxy: a hundred paths on each host, lists, objects, what is below them. Requests are spread
//! over all rules, so that caches do not know them beforehand. What the same costs inside Envoy: `cargo xtask bench request --rules ...`.

use keyplane_filter_engine::settings::Settings;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Requests of a batch, and batches: the quickest one is the least disturbed.
const BATCH: u32 = 20_000;
const BATCHES: usize = 50;

fn main() {
    println!("{:>7}  {:>12}  {:>10}  {:>14}", "rules", "compile (ms)", "find (ns)", "no rule (ns)");
    for count in [0, 1, 10, 100, 1_000, 10_000, 20_000] {
        let rules: Vec<String> = (0..count).map(rule).collect();
        let json = format!(r#"{{"control_plane": {{"cluster": "keyplane"}}, "rules": [{}]}}"#, rules.join(","));
        let started = Instant::now();
        let settings = Settings::parse(json.as_bytes()).expect("the rules are good");
        let compiled = started.elapsed();
        let requests: Vec<_> = (0..count.clamp(1, 4_096)).map(|at| request(at * 7_919 % count.max(1))).collect();
        let others: Vec<_> = requests.iter().map(|(host, path)| (host.clone(), path.replace("/v1/", "/v2/"))).collect();
        let find = |requests: &[(String, String)]| {
            let mut requests = requests.iter().cycle();
            let mut batch = || {
                let started = Instant::now();
                for (host, path) in requests.by_ref().take(BATCH as usize) {
                    let found =
                        settings.rules.find(b"GET", black_box(host.as_bytes()), Some(black_box(path.as_bytes())));
                    black_box(found.expect("the path is accepted"));
                }
                started.elapsed()
            };
            let quickest = (0..BATCHES).map(|_| batch()).min().unwrap_or(Duration::MAX);
            quickest.as_secs_f64() * 1e9 / f64::from(BATCH)
        };
        let compiled = compiled.as_secs_f64() * 1e3;
        println!("{count:>7}  {compiled:>12.1}  {:>10.0}  {:>14.0}", find(&requests), find(&others));
    }
}

fn rule(number: usize) -> String {
    let (host, path) = request(number);
    let path = path.replace("/0191b2c3", "/*");
    let below = if number % 4 == 3 { "/**" } else { "" };
    format!(r#"{{"hosts": ["{host}"], "paths": ["{path}{below}"], "methods": ["GET"], "scopes": {{"all": ["read"]}}}}"#)
}

/// Host and path of a request that the rule of this number is for.
fn request(number: usize) -> (String, String) {
    let (host, resource) = (number / 100, number % 100 / 4);
    let below = ["", "/0191b2c3", "/0191b2c3/runs", "/files/a"][number % 4];
    (format!("service-{host}.example.com"), format!("/v1/resource-{resource}{below}"))
}
