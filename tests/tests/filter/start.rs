//! Starting: a filter that is not set up rightly does not open the door, and says why.

use std::collections::BTreeSet;

use keyplane_tests::host::{Host, LogLevel, Module, Plugin};

use super::bench::{CONFIG, host};

/// Whether the filter takes this configuration, and all it logged.
fn configure(host: &Host, config: &[u8]) -> (bool, String) {
    let mut vm = host.start_vm().unwrap();
    let root = vm.create_root(Plugin::new(config)).unwrap();
    let taken = vm.configure(root).unwrap();
    let errors = host.logs().into_iter().filter(|l| l.level >= LogLevel::Error);
    (taken, errors.map(|l| l.message).collect::<Vec<_>>().join("\n"))
}

#[test]
fn a_wrong_configuration_is_refused_and_the_field_is_named() {
    for (config, named) in [
        (r#"{"control_plane": {"cluster": "keyplane"}, "holdd": {}}"#, "holdd"),
        (r#"{"control_plane": {"cluster": "keyplane", "wait": 1}}"#, "control_plane.wait"),
        (r#"{"control_plane": {"cluster": 7}}"#, "control_plane.cluster"),
        (r#"{"control_plane": {"cluster": "keyplane", "wait_seconds": 0}}"#, "control_plane.wait_seconds"),
        (r#"{"control_plane": {}}"#, "cluster"),
        (r#"{"hold": {}}"#, "control_plane"),
        (r#"{"control_plane": {"cluster": "k"}, "answers": {"404": {"body": "x"}}}"#, "404"),
        (r#"{"control_plane": {"cluster": "k"}, "answers": {"401": {"status": 200}}}"#, "answers.401.status"),
        ("", "empty"),
        ("{", "line 1"),
        ("[]", "configuration"),
    ] {
        let (taken, errors) = configure(&host(), config.as_bytes());
        assert!(!taken, "{config} was taken");
        assert!(errors.contains(named), "{config}: `{named}` is not named in: {errors}");
    }
    let (taken, _) = configure(&host(), b"\xff\xfe");
    assert!(!taken);
}

#[test]
fn a_missing_proxy_token_is_named() {
    let host = Host::new(&Module::filter().unwrap());
    host.add_cluster("keyplane");
    for token in [None, Some("")] {
        if let Some(token) = token {
            host.set_env("KEYPLANE_PROXY_TOKEN", token);
        }
        let (taken, errors) = configure(&host, CONFIG.as_bytes());
        assert!(!taken);
        assert!(errors.contains("KEYPLANE_PROXY_TOKEN"), "{errors}");
    }
}

#[test]
fn a_proxy_token_that_no_header_can_carry_is_refused_and_not_told() {
    let host = host();
    host.set_env("KEYPLANE_PROXY_TOKEN", "kp_proxy_abc\r\nx-evil: 1");
    let (taken, errors) = configure(&host, CONFIG.as_bytes());
    assert!(!taken);
    assert!(errors.contains("KEYPLANE_PROXY_TOKEN") && !errors.contains("kp_proxy_abc"), "{errors}");
}

#[test]
fn two_plugins_in_one_vm_keep_apart() {
    let host = host();
    host.add_cluster("other");
    let mut vm = host.start_vm().unwrap();
    let other = r#"{"control_plane": {"cluster": "other"}, "hold": {"milliseconds": 0}}"#;
    let first = vm.create_root(Plugin::new(CONFIG)).unwrap();
    let second = vm.create_root(Plugin::new(other)).unwrap();
    assert!(vm.configure(first).unwrap());
    assert!(vm.configure(second).unwrap());
    let key = super::control_plane::secret(1);
    let headers = [(":path", "/"), ("x-api-key", key.as_str())];
    let waits = vm.request(first, &headers).unwrap();
    let refused = vm.request(second, &headers).unwrap();
    assert_eq!(vm.state(waits).unwrap().verdict(), keyplane_tests::host::Verdict::Held);
    assert_eq!(vm.state(refused).unwrap().local_responses.len(), 1);
    for _ in 0..50 {
        host.advance(std::time::Duration::from_millis(100));
        vm.tick(first).unwrap();
        vm.tick(second).unwrap();
    }
    let clusters: BTreeSet<_> = vm.callouts().iter().map(|c| c.cluster.as_str()).collect();
    assert_eq!(clusters, BTreeSet::from(["keyplane", "other"]));
}

#[test]
fn the_filter_exports_what_it_documents_and_imports_no_more() {
    let module = Module::filter().unwrap();
    let exports: BTreeSet<_> = module.exports().into_iter().filter(|e| e != "_initialize").collect();
    let documented = [
        "memory",
        "proxy_abi_version_0_2_1",
        "proxy_on_configure",
        "proxy_on_context_create",
        "proxy_on_delete",
        "proxy_on_http_call_response",
        "proxy_on_memory_allocate",
        "proxy_on_request_headers",
        "proxy_on_response_headers",
        "proxy_on_tick",
        "proxy_on_vm_start",
    ];
    assert_eq!(exports, documented.map(str::to_owned).into());
    // Shared data can be written by other plugins: the VMs draw their numbers there, and nothing else may come from it.
    let shared: BTreeSet<_> = module.imports().into_iter().filter(|i| i.contains("shared")).collect();
    assert_eq!(shared, ["env.proxy_get_shared_data", "env.proxy_set_shared_data"].map(str::to_owned).into());
}
