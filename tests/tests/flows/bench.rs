//! The benchmarks run. What they measure is not looked at: a test's machine is busy.

use std::path::Path;

use xtask::bench::request::{Options, measure};

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
    let results = measure(&parts.wasm, &parts.envoy, &parts.authz, folder.path(), &options).unwrap();
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
