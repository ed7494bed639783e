//! Callbacks in an order that no right proxy has, and for contexts that are none: they do nothing or refuse, and what follows is right.

use keyplane_tests::host::{Action, Answer};

use super::super::bench::{CONFIG, host};
use super::*;

const HEADERS: [(&str, &str); 1] = [(":status", "200")];
/// Go on. Every other action holds the request.
const CONTINUE: u32 = 0;

/// Numbers that are no request: the VM's own, the root's, one that is not there, and the largest.
fn strangers(bench: &Bench) -> [ContextId; 4] {
    [0, bench.root, 70_007, u32::MAX]
}

fn assert_in_order(bench: &mut Bench) {
    assert!(bench.allows(1) && !bench.allows(2));
}

#[test]
fn callbacks_for_contexts_and_calls_that_are_not_there_do_nothing() {
    let mut bench = Bench::synced(&plane());
    for id in strangers(&bench) {
        for (token, headers, size) in [(999_u32, 3_u32, 10_u32), (999, 0, 0), (0, u32::MAX, u32::MAX)] {
            bench.vm.call_raw(id, "proxy_on_http_call_response", (id, token, headers, size, 0_u32)).unwrap();
        }
        bench.vm.call_raw(id, "proxy_on_tick", id).unwrap();
        assert_eq!(bench.vm.ask_raw(id, "proxy_on_response_headers", (id, 1_u32, 1_u32)).unwrap(), 0);
        assert_eq!(bench.vm.ask_raw(id, "proxy_on_vm_start", (id, 0_u32)).unwrap(), 1);
    }
    for id in [0, 70_007, u32::MAX] {
        bench.vm.call_raw(id, "proxy_on_delete", id).unwrap();
        bench.vm.call_raw(id, "proxy_on_delete", id).unwrap();
    }
    assert_in_order(&mut bench);
}

#[test]
fn requests_of_no_context_and_of_no_configuration_do_not_pass() {
    let mut bench = Bench::synced(&plane());
    for id in strangers(&bench) {
        assert_ne!(bench.vm.ask_raw(id, "proxy_on_request_headers", (id, 1_u32, 1_u32)).unwrap(), CONTINUE, "{id}");
    }
    // A request whose parent is none, or is itself a request, or itself.
    let stream = bench.send_key(1);
    for (id, parent) in [(90_001, 70_007_u32), (90_002, stream), (90_003, 90_003)] {
        bench.vm.call_raw(id, "proxy_on_context_create", (id, parent)).unwrap();
        assert_ne!(bench.vm.ask_raw(id, "proxy_on_request_headers", (id, 1_u32, 1_u32)).unwrap(), CONTINUE, "{id}");
        bench.vm.call_raw(id, "proxy_on_delete", id).unwrap();
    }
    // A root that was never configured, or whose configuration was refused.
    for config in [None, Some("{}")] {
        let root = bench.vm.create_root(Plugin::new(config.unwrap_or_default())).unwrap();
        if config.is_some() {
            assert!(!bench.vm.configure(root).unwrap());
        }
        bench.vm.tick(root).unwrap();
        let stream = Sent::get("early", "/", false).with_key(1).send(&mut bench.vm, root);
        assert!(matches!(bench.verdict(stream), Verdict::Refused(_)), "{:?}", bench.verdict(stream));
        bench.vm.delete_stream(stream).unwrap();
    }
    assert_in_order(&mut bench);
}

#[test]
fn a_tick_and_an_answer_before_the_configuration_do_no_harm() {
    let host = host();
    let mut vm = host.start_vm().unwrap();
    for id in [0_u32, 1, 2] {
        vm.call_raw(id, "proxy_on_tick", id).unwrap();
        vm.call_raw(id, "proxy_on_http_call_response", (id, 0_u32, 1_u32, 1_u32, 0_u32)).unwrap();
        vm.call_raw(id, "proxy_on_delete", id).unwrap();
        assert_ne!(vm.ask_raw(id, "proxy_on_request_headers", (id, 1_u32, 1_u32)).unwrap(), CONTINUE);
        assert_eq!(vm.ask_raw(id, "proxy_on_configure", (id, 4_u32)).unwrap(), 0, "there is no configuration");
    }
    let root = vm.create_root(Plugin::new(CONFIG)).unwrap();
    vm.tick(root).unwrap();
    assert!(vm.configure(root).unwrap());
    let mut bench = Bench::of(host, vm, root);
    bench.catch_up(&plane());
    assert_in_order(&mut bench);
}

#[test]
fn what_comes_twice_or_the_wrong_way_round_is_not_let_in() {
    let mut bench = Bench::on(with_debug_token(host()), CONFIG);
    bench.catch_up(&plane());
    let key = [("x-api-key", secret(1)), ("x-keyplane-debug", DEBUG_TOKEN.to_owned())];
    let root = bench.root;
    // The answer before the request, twice; then the request as usual.
    let stream = bench.vm.stream(root, &key).unwrap();
    for _ in 0..2 {
        assert_eq!(bench.vm.response_headers(stream, &HEADERS, true).unwrap(), Action::Continue);
    }
    assert_eq!(bench.vm.request_headers(stream, true).unwrap(), Action::Continue);
    // The headers a second time: the key is gone by now.
    assert_eq!(bench.vm.request_headers(stream, true).unwrap(), Action::Pause);
    for _ in 0..2 {
        assert_eq!(bench.vm.response_headers(stream, &HEADERS, true).unwrap(), Action::Continue);
        bench.vm.call_raw(stream, "proxy_on_delete", stream).unwrap();
    }
    // After its end it is no request of anybody's.
    assert_ne!(bench.vm.ask_raw(stream, "proxy_on_request_headers", (stream, 1_u32, 1_u32)).unwrap(), CONTINUE);
    bench.vm.delete_stream(stream).unwrap();
    // The same number anew.
    let stream = bench.vm.stream(root, &key).unwrap();
    bench.vm.call_raw(stream, "proxy_on_context_create", (stream, root)).unwrap();
    assert_eq!(bench.vm.request_headers(stream, true).unwrap(), Action::Continue);
    bench.vm.delete_stream(stream).unwrap();
    assert_in_order(&mut bench);
}

#[test]
fn a_root_configured_twice_or_ended_twice_leaves_the_other_in_order() {
    let mut bench = Bench::synced(&plane());
    for _ in 0..3 {
        assert!(bench.vm.configure(bench.root).unwrap());
        assert_in_order(&mut bench);
    }
    let second = root(&mut bench.vm, EVERYTHING).unwrap();
    let waits = Sent::get("unknown", "/", false).with_key(3).send(&mut bench.vm, second);
    for _ in 0..2 {
        bench.vm.call_raw(second, "proxy_on_delete", second).unwrap();
        bench.vm.call_raw(second, "proxy_on_tick", second).unwrap();
    }
    let late = Sent::get("late", "/", false).with_key(1).send(&mut bench.vm, second);
    assert!(matches!(bench.verdict(late), Verdict::Refused(_)), "{:?}", bench.verdict(late));
    assert_ne!(bench.verdict(waits), Verdict::Allowed);
    bench.vm.delete_stream(waits).unwrap();
    assert_in_order(&mut bench);
}

#[test]
fn an_answer_of_lies_is_no_page() {
    let mut bench = Bench::synced(&plane());
    let poll = bench.poll();
    // Counts that are not true, in an answer to the poll that waits.
    let root = bench.root;
    bench.vm.call_raw(root, "proxy_on_http_call_response", (root, poll.token, u32::MAX, u32::MAX, u32::MAX)).unwrap();
    let _ = bench.vm.answer_callout(poll.token, Answer::Failure);
    assert_in_order(&mut bench);
    bench.catch_up(&plane());
    assert_in_order(&mut bench);
}
