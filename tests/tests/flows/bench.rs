//! The benchmarks run. What they measure is not looked at: a test's machine is busy.

use std::path::Path;
use std::time::Duration;

use xtask::bench::request::{Options, measure};
use xtask::bench::{load_time, revoke};
use xtask::project::Project;

use super::fixture::parts;

#[test]
fn the_cost_of_a_request_is_measured_in_each_variant() {
    let folder = tempfile::tempdir().unwrap();
    let parts = parts();
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../xtask/scenarios");
    let scenarios = std::fs::read_dir(scenarios).unwrap().map(|entry| entry.unwrap().path());
    let scenarios: Vec<String> = scenarios.map(|path| path.display().to_string()).collect();
    let options =
        Options { wasm: vec![format!("other={}", parts.wasm.display())], plugin: scenarios, ..Options::quick() };
    let authz = xtask::parts::authz(&Project::locate().unwrap()).unwrap();
    let results = measure(&parts.wasm, &parts.envoy, &authz, folder.path(), &options).unwrap();
    let names = results.names();
    for name in [
        "no filter again",
        "empty wasm filter",
        "api_key_auth, 100 keys",
        "ext_authz, 100 keys",
        "keyplane: allowed, 100 keys",
        "keyplane: allowed, 100 keys, one rule, two headers",
        "keyplane: refused, unknown key",
        "keyplane: refused, no key",
        "other: allowed, 100 keys",
        "other: refused, no key",
        "bearer",
        "cookie",
        "filter-state",
        "kong",
        "query",
        "scopes",
        "two-headers",
    ] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
}

/// Each revocation is seen by all simulated workers and by both workers of an Envoy, or it fails. So it shows, too, that what
/// simulates a worker speaks the protocol as the control plane does.
#[test]
fn one_revocation_is_measured_to_the_last_worker_of_simulated_and_real_proxies() {
    let folder = tempfile::tempdir().unwrap();
    let parts = parts();
    let options =
        revoke::Options { pollers: 3, envoys: 1, revokes: 2, keys: 5, polls: 4, idle: Duration::from_millis(100) };
    let bench = revoke::Bench { keyplane: parts.keyplane, wasm: parts.wasm, envoy: parts.envoy, folder: folder.path() };
    let results = bench.measure(&options).unwrap();
    assert_eq!(results.revoked.len(), 2);
    assert!(results.revoked.iter().all(|one| !one.simulated.is_zero() && !one.real.is_zero()));
    assert!(results.waiting.is_some());
}

/// Each Envoy must come to right answers, so it shows, too, that both forms of the native configuration are read.
#[test]
fn the_time_to_right_answers_is_measured_with_and_without_keyplane() {
    let folder = tempfile::tempdir().unwrap();
    let parts = parts();
    let options = load_time::Options { keys: vec![100, 4_000], limit: 120 };
    let steps = Path::new(env!("CARGO_BIN_EXE_keyplane-load-steps"));
    let results = load_time::measure(&parts.wasm, &parts.envoy, steps, folder.path(), &options).unwrap();
    assert_eq!(results.runs.iter().map(|run| run.keys).collect::<Vec<_>>(), [100, 4_000]);
    for run in &results.runs {
        for native in [&run.native_yaml, &run.native_json] {
            assert!(matches!(native, load_time::Outcome::Right(_)), "{native:?}");
        }
        assert!(run.steps["load"]["steps"].as_u64() > Some(0));
    }
    let text = results.text();
    assert!(text.contains("4000 keys: longest step, loading"), "{text}");
}
