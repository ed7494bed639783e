//! Configurations that come and go in one VM: they share its table, and none is left without a poll. And VMs that get no request.

use std::time::Duration;

use keyplane_tests::host::{Answer, ContextId, Fault, Host, Metric, Plugin, Status, Verdict, Vm};

use super::{
    bench::{Bench, CONFIG, NUMBERS, counters, host, new_host},
    control_plane::{ControlPlane, Poll, secret},
};

/// The same control plane, but nobody waits.
const IMPATIENT: &str =
    r#"{"control_plane": {"cluster": "keyplane"}, "hold": {"milliseconds": 0}, "unknown_keys": {"requests": 0}}"#;

fn plane() -> ControlPlane {
    let mut plane = ControlPlane::new(1);
    plane.issue(1);
    plane
}

fn add(bench: &mut Bench, config: &str) -> ContextId {
    let root = bench.vm.create_root(Plugin::new(config)).unwrap();
    assert!(bench.vm.configure(root).unwrap());
    root
}

fn send(vm: &mut Vm, root: ContextId, number: u64) -> Verdict {
    let stream = vm.request(root, &[(":path", "/".to_owned()), ("x-api-key", secret(number))]).unwrap();
    vm.state(stream).unwrap().verdict()
}

fn polls(vm: &Vm) -> usize {
    vm.callouts().iter().filter(|callout| callout.header(":path").starts_with("/sync/v1/changes")).count()
}

#[test]
fn a_second_configuration_has_the_table_at_once_and_no_second_poll() {
    let mut bench = Bench::synced(&plane());
    let second = add(&mut bench, IMPATIENT);
    assert_eq!(send(&mut bench.vm, second, 1), Verdict::Allowed);
    assert!(matches!(send(&mut bench.vm, second, 2), Verdict::Refused(_)));
    for _ in 0..20 {
        bench.pass(Duration::from_millis(500));
        bench.vm.tick(second).unwrap();
    }
    assert_eq!(polls(&bench.vm), 1);
}

#[test]
fn the_table_releases_what_every_configuration_holds() {
    let mut bench = Bench::new();
    let second = add(&mut bench, r#"{"control_plane": {"cluster": "keyplane"}, "forward_credential": true}"#);
    let first_held = bench.send_key(1);
    let headers = [(":path", "/".to_owned()), ("x-api-key", secret(1))];
    let second_held = bench.vm.request(second, &headers).unwrap();
    assert_eq!(bench.host.metric("keyplane_held_requests"), Some(Metric::Gauge(2)));
    bench.catch_up(&plane());
    assert_eq!(bench.verdict(first_held), Verdict::Allowed);
    assert_eq!(bench.verdict(second_held), Verdict::Allowed);
    // Each by its own configuration.
    assert!(bench.state(first_held).request_headers.get("x-api-key").is_none());
    assert!(bench.state(second_held).request_headers.get("x-api-key").is_some());
    assert_eq!(bench.host.metric("keyplane_held_requests"), Some(Metric::Gauge(0)));
}

#[test]
fn when_the_configuration_that_polled_goes_another_polls_on() {
    let mut plane = plane();
    let mut bench = Bench::synced(&plane);
    let second = add(&mut bench, CONFIG);
    assert_eq!(polls(&bench.vm), 1);
    bench.vm.delete_root(bench.root).unwrap();
    assert_eq!(polls(&bench.vm), 0, "the host has dropped it");
    bench.root = second;
    bench.pass(Duration::from_millis(100));
    assert_eq!(polls(&bench.vm), 1, "no waiting for the time at which a call counts as lost");
    assert_eq!(Poll::of(&bench.poll()).after, plane.head);
    plane.revoke(1);
    bench.catch_up(&plane);
    assert!(!bench.allows(1));
    assert_eq!(counters(&bench.host, "keyplane_sync_faults"), 0, "an update is no fault");
}

#[test]
fn a_poll_that_went_before_the_first_table_is_made_again() {
    let mut bench = Bench::new();
    bench.poll();
    let second = add(&mut bench, CONFIG);
    let headers = [(":path", "/".to_owned()), ("x-api-key", secret(1))];
    let held = bench.vm.request(second, &headers).unwrap();
    bench.vm.delete_root(bench.root).unwrap();
    bench.root = second;
    bench.catch_up(&plane());
    assert_eq!(bench.verdict(held), Verdict::Allowed);
}

#[test]
fn uses_are_counted_once_when_the_configuration_that_told_them_goes() {
    let mut bench = Bench::synced(&plane());
    assert!(bench.allows(1));
    let (_, first) = bench.usage();
    let second = add(&mut bench, CONFIG);
    bench.vm.delete_root(bench.root).unwrap();
    bench.root = second;
    let (callout, again) = bench.usage();
    assert_eq!((again.sequence, &again.records), (first.sequence, &first.records));
    bench.answer(&callout, Answer::response(204, &[], b""));
    assert!(bench.allows(1));
    assert_eq!(bench.usage().1.sequence, 2);
}

#[test]
fn configurations_that_come_and_go_leave_nothing_behind() {
    let plane = plane();
    let mut bench = Bench::synced(&plane);
    let update = |bench: &mut Bench| {
        let old = bench.root;
        bench.root = add(bench, CONFIG);
        assert!(bench.allows(1));
        bench.vm.delete_root(old).unwrap();
        bench.catch_up(&plane);
    };
    (0..20).for_each(|_| update(&mut bench));
    let (memory, metrics) = (bench.vm.memory_bytes(), bench.vm.hostcalls()["proxy_define_metric"]);
    (0..500).for_each(|_| update(&mut bench));
    assert_eq!(bench.vm.memory_bytes(), memory);
    assert_eq!(bench.vm.hostcalls()["proxy_define_metric"], metrics, "a host keeps each definition for ever");
}

#[test]
fn requests_leave_nothing_behind() {
    let mut bench = Bench::synced(&plane());
    let serve = |bench: &mut Bench| {
        for number in [1, 2] {
            let stream = bench.send_key(number);
            bench.vm.delete_stream(stream).unwrap();
        }
    };
    (0..100).for_each(|_| serve(&mut bench));
    let memory = bench.vm.memory_bytes();
    (0..20_000).for_each(|_| serve(&mut bench));
    assert_eq!(bench.vm.memory_bytes(), memory);
}

#[test]
fn an_allowed_request_asks_of_the_host_only_what_it_needs() {
    let mut bench = Bench::synced(&plane());
    bench.vm.reset_hostcalls();
    let stream = bench.send_key(1);
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
    bench.vm.delete_stream(stream).unwrap();
    let calls: Vec<_> = bench.vm.hostcalls().into_iter().filter(|(_, calls)| *calls > 0).collect();
    // Key, account, project, environment; the key has no scopes.
    let expected = [
        ("proxy_add_header_map_value", 4),
        ("proxy_get_header_map_pairs", 1),
        ("proxy_increment_metric", 1),
        ("proxy_remove_header_map_value", 1),
    ];
    assert_eq!(calls, expected);
}

/// The next VM of a process, configured and ticked for a while.
fn started(host: &Host) -> (Vm, ContextId) {
    let mut vm = host.start_vm().unwrap();
    let root = vm.create_root(Plugin::new(CONFIG)).unwrap();
    assert!(vm.configure(root).unwrap());
    pass(host, &mut vm, root);
    (vm, root)
}

fn pass(host: &Host, vm: &mut Vm, root: ContextId) {
    for _ in 0..20 {
        host.advance(Duration::from_millis(20));
        vm.tick(root).unwrap();
    }
}

#[test]
fn vms_that_get_no_request_take_no_table() {
    let host = new_host();
    let asks: Vec<usize> = (0..5).map(|_| polls(&started(&host).0)).collect();
    assert_eq!(asks, [0, 0, 1, 1, 1], "the trial and the main thread's do not poll, workers do");
}

#[test]
fn a_vm_that_was_wrongly_taken_for_a_spare_one_syncs_at_its_first_request() {
    let plane = plane();
    let host = new_host();
    let (mut vm, root) = started(&host);
    let headers = [(":path", "/".to_owned()), ("x-api-key", secret(1))];
    let held = vm.request(root, &headers).unwrap();
    let unknown = [(":path", "/".to_owned()), ("x-api-key", secret(2))];
    let refused = vm.request(root, &unknown).unwrap();
    assert_eq!(polls(&vm), 1, "at once, not at the next tick");
    while let Some(poll) = vm.callouts().first().cloned() {
        if Poll::of(&poll).after == plane.head {
            break;
        }
        vm.answer_callout(poll.token, plane.answer(&poll)).unwrap();
    }
    assert_eq!(vm.state(held).unwrap().verdict(), Verdict::Allowed);
    assert!(matches!(vm.state(refused).unwrap().verdict(), Verdict::Refused(_)));
    assert_eq!(polls(&vm), 1, "and from now on like every worker");
}

#[test]
fn shared_data_that_is_wrong_or_fails_costs_no_table() {
    for value in [&b""[..], b"x", b"\xff\xff\xff\xff", b"longer than four"] {
        let host = new_host();
        host.set_shared_data(NUMBERS, value);
        assert_eq!(polls(&started(&host).0), 1, "{value:?}");
    }
    for call in ["proxy_get_shared_data", "proxy_set_shared_data"] {
        for status in [Status::CasMismatch, Status::BadArgument, Status::InternalFailure] {
            let host = host();
            let mut vm = host.start_vm().unwrap();
            vm.inject(Fault::always(call, status as u32));
            let root = vm.create_root(Plugin::new(CONFIG)).unwrap();
            assert!(vm.configure(root).unwrap());
            pass(&host, &mut vm, root);
            assert_eq!(polls(&vm), 1, "{call} {status:?}");
        }
    }
}
