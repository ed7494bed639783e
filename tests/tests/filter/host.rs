//! Proves the host itself with small guests in WebAssembly text: a test on a host that errs proves nothing.
//!
//! A guest writes what it finds to the log: `0`..`9`, `:`, `;`, `<` for a status, and the bytes it was given.

use std::{fmt::Write, time::Duration};

use keyplane_tests::host::{
    Action, Answer, ContextId, Fault, Host, HostError, LogLevel, Metric, Module, Plugin, Status, Verdict, Vm,
};

const IMPORTS: &str = r#"
(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
(import "env" "proxy_set_tick_period_milliseconds" (func $tick_period (param i32) (result i32)))
(import "env" "proxy_get_current_time_nanoseconds" (func $time (param i32) (result i32)))
(import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_property" (func $set_property (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_header_map_value" (func $header (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
(import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
(import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
(import "env" "proxy_send_local_response"
  (func $respond (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_http_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_define_metric" (func $metric (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
(import "env" "proxy_record_metric" (func $record (param i32 i64) (result i32)))
(import "env" "proxy_get_metric" (func $get_metric (param i32 i32) (result i32)))
(import "env" "proxy_get_shared_data" (func $shared (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_shared_data" (func $set_shared (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_register_shared_queue" (func $queue (param i32 i32 i32) (result i32)))
(import "env" "proxy_resolve_shared_queue" (func $resolve (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
(import "env" "proxy_dequeue_shared_queue" (func $dequeue (param i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "environ_sizes_get" (func $env_sizes (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "environ_get" (func $env (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
"#;

/// Words 0..64 of memory are scratch: `$at`/`$len` receive what the host gives. Strings begin at 1024.
const COMMON: &str = r#"
(memory (export "memory") 4)
(global $top (mut i32) (i32.const 65536))
(func (export "proxy_abi_version_0_2_1"))
(func (export "proxy_on_memory_allocate") (param $n i32) (result i32)
  (global.get $top)
  (global.set $top (i32.add (global.get $top) (local.get $n))))
;; logs a status as one character
(func $note (param $status i32)
  (i32.store8 (i32.const 63) (i32.add (i32.const 48) (local.get $status)))
  (drop (call $log (i32.const 2) (i32.const 63) (i32.const 1))))
;; logs what the host gave last, then its status
(func $got (param $status i32)
  (if (i32.eqz (local.get $status))
    (then (drop (call $log (i32.const 2) (i32.load (i32.const 0)) (i32.load (i32.const 4)))))
    (else (call $note (local.get $status)))))
"#;

/// Makes a guest. In `body`, `@text@` stands for address and length of that text, `$out` for where gifts are noted.
fn guest(body: &str) -> Module {
    let mut strings = String::new();
    let mut code = String::new();
    let mut offset = 1024;
    for (i, part) in body.split('@').enumerate() {
        if i % 2 == 0 {
            code.push_str(&part.replace("$out", "(i32.const 0) (i32.const 4)"));
            continue;
        }
        let bytes = unescaped_len(part);
        writeln!(strings, "(data (i32.const {offset}) \"{part}\")").unwrap();
        write!(code, "(i32.const {offset}) (i32.const {bytes})").unwrap();
        offset += bytes;
    }
    let text = format!("(module {IMPORTS} {COMMON} {strings} {code})");
    let wasm = wat::parse_str(&text).unwrap();
    Module::compile(&wasm).unwrap()
}

fn unescaped_len(text: &str) -> usize {
    // WAT writes a byte as \hh: three characters.
    text.len() - 2 * text.matches('\\').count()
}

fn on_request(body: &str) -> String {
    format!(r#"(func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32) {body})"#)
}

fn on_tick(body: &str) -> String {
    format!(r#"(func (export "proxy_on_tick") (param i32) {body})"#)
}

fn started(module: &Module) -> (Host, Vm, ContextId) {
    let host = Host::new(module);
    let mut vm = host.start_vm().unwrap();
    let root = vm.create_root(Plugin::new("")).unwrap();
    assert!(vm.configure(root).unwrap());
    (host, vm, root)
}

fn log(host: &Host) -> Vec<String> {
    host.logs().into_iter().map(|l| l.message).collect()
}

fn compile(text: &str) -> Result<Module, HostError> {
    Module::compile(&wat::parse_str(text).unwrap())
}

fn load_error(text: &str) -> String {
    compile(text).err().map(|e| e.to_string()).unwrap_or_default()
}

#[test]
fn an_import_that_the_host_does_not_offer_is_refused_by_name() {
    let error = load_error(
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32))))"#,
    );
    assert!(error.contains("wasi_snapshot_preview1.fd_write"), "{error}");
    assert!(load_error("(module)").contains("proxy_abi_version_0_2_1"));
}

#[test]
fn configuration_is_readable_only_while_configuring_and_each_root_has_its_own() {
    let read = "(call $got (call $buffer (i32.const 7) (i32.const 0) (i32.const 100) $out))";
    let module = guest(&format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) {read} (i32.const 1)) {}"#,
        on_tick(read)
    ));
    let host = Host::new(&module);
    let mut vm = host.start_vm().unwrap();
    let first = vm.create_root(Plugin::new("one")).unwrap();
    let second = vm.create_root(Plugin::new("two")).unwrap();
    assert!(vm.configure(first).unwrap());
    assert!(vm.configure(second).unwrap());
    vm.tick(first).unwrap();
    assert_eq!(log(&host), ["one", "two", "1"]);
}

#[test]
fn a_guest_that_refuses_its_configuration_is_told_apart() {
    let module = guest(r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 0))"#);
    let mut vm = Host::new(&module).start_vm().unwrap();
    let root = vm.create_root(Plugin::default()).unwrap();
    assert!(!vm.configure(root).unwrap());
}

#[test]
fn headers_are_read_changed_and_missed_as_in_envoy() {
    let module = guest(&on_request(
        r"
        (call $got (call $header (i32.const 0) @X-Key@ $out))
        (call $got (call $header (i32.const 0) @none@ $out))
        (call $got (call $header (i32.const 0) @empty@ $out))
        (call $got (call $header (i32.const 2) @x-key@ $out))
        (call $got (call $header (i32.const 9) @x-key@ $out))
        (call $note (call $replace (i32.const 0) @X-Who@ @me@))
        (call $note (call $add (i32.const 0) @x-who@ @you@))
        (call $note (call $remove (i32.const 0) @X-KEY@))
        (call $note (call $remove (i32.const 0) @none@))
        (call $got (call $pairs (i32.const 2) $out))
        (call $note (call $header (i32.const 0) (i32.const 0) (i32.const -1) $out))
        (i32.const 0)",
    ));
    let (host, mut vm, root) = started(&module);
    let headers = [("x-key", "1"), ("empty", ""), ("X-Key", "2"), ("x-who", "forged")];
    let stream = vm.stream(root, &headers).unwrap();
    assert_eq!(vm.request_headers(stream, true).unwrap(), Action::Continue);
    let expected = ["1", "1", "", "2", "2", "0", "0", "0", "0", "", "6"];
    assert_eq!(log(&host), expected);
    let state = vm.state(stream).unwrap();
    assert_eq!(state.verdict(), Verdict::Allowed);
    assert_eq!(state.request_headers.get_all("x-who"), [&b"me"[..], b"you"]);
    assert!(state.request_headers.get("x-key").is_none());
}

#[test]
fn the_list_of_headers_has_the_wire_form_of_the_abi() {
    let module = guest(&on_request("(call $got (call $pairs (i32.const 0) $out)) (i32.const 0)"));
    let (host, mut vm, root) = started(&module);
    vm.request(root, &[("A", "bc")]).unwrap();
    let expected = "\u{1}\0\0\0\u{1}\0\0\0\u{2}\0\0\0a\0bc\0";
    assert_eq!(log(&host), [expected]);
}

/// Holds each request; a tick makes context 2 effective, lets it go on, and then still tries to change it.
fn holding() -> Module {
    guest(&format!(
        "{} {}",
        on_request("(i32.const 1)"),
        on_tick(
            r"
            (call $note (call $effective (i32.const 2)))
            (call $note (call $replace (i32.const 0) @x-who@ @me@))
            (call $note (call $continue (i32.const 0)))
            (call $note (call $replace (i32.const 0) @x-who@ @late@))"
        )
    ))
}

#[test]
fn a_held_request_goes_on_once_and_cannot_be_changed_after() {
    let (host, mut vm, root) = started(&holding());
    let stream = vm.request(root, &[(":path", "/")]).unwrap();
    assert_eq!(vm.state(stream).unwrap().verdict(), Verdict::Held);
    vm.tick(root).unwrap();
    assert_eq!(log(&host), ["0", "0", "0", "2"]);
    let state = vm.state(stream).unwrap();
    assert_eq!(state.verdict(), Verdict::Allowed);
    assert_eq!(state.request_headers.get_all("x-who"), [b"me"]);
    vm.tick(root).unwrap();
    let verdict = vm.state(stream).unwrap().verdict();
    assert!(matches!(verdict, Verdict::Contradiction(_)), "{verdict:?}");
}

#[test]
fn a_context_that_is_gone_cannot_be_made_effective_and_a_blind_continue_is_noted() {
    let (host, mut vm, root) = started(&holding());
    let stream = vm.request(root, &[(":path", "/")]).unwrap();
    vm.delete_stream(stream).unwrap();
    vm.tick(root).unwrap();
    assert_eq!(log(&host), ["2", "2", "0", "2"]);
    assert_eq!(vm.misuse().len(), 1);
    assert_eq!(vm.state(stream).unwrap().continued, 0);
}

#[test]
fn an_answer_stops_the_request_whatever_the_guest_returns() {
    // One pair: "a": "b".
    let list = r"\01\00\00\00\01\00\00\00\01\00\00\00a\00b\00";
    let module = guest(&on_request(&format!(
        "(call $note (call $respond (i32.const 401) @two words@ @no@ @{list}@ (i32.const -1))) (i32.const 0)"
    )));
    let (_, mut vm, root) = started(&module);
    let stream = vm.stream(root, &[(":path", "/")]).unwrap();
    assert_eq!(vm.request_headers(stream, true).unwrap(), Action::Pause);
    let Verdict::Refused(answer) = vm.state(stream).unwrap().verdict() else {
        panic!("not refused");
    };
    assert_eq!((answer.status, answer.grpc_status), (401, None));
    assert_eq!(answer.details, b"two_words");
    assert_eq!(answer.body, b"no");
    assert_eq!(answer.headers.get("A"), Some(&b"b"[..]));
    let next = vm.stream(root, &[(":path", "/")]).unwrap();
    vm.inject(Fault::nth("proxy_send_local_response", 0, 10));
    assert_eq!(vm.request_headers(next, true).unwrap(), Action::Continue);
}

#[test]
fn callouts_are_answered_by_the_test_and_readable_only_then() {
    let list = r"\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00:method\00GET\00:path\00/\00:authority\00x\00";
    let send = |cluster: &str, list: &str| {
        format!(
            "(call $note (call $call @{cluster}@ @{list}@ @body@ (i32.const 0) (i32.const 0) (i32.const 250) (i32.const 16)))"
        )
    };
    let read = r"
        (call $got (call $header (i32.const 6) @:status@ $out))
        (call $got (call $pairs (i32.const 6) $out))
        (call $got (call $buffer (i32.const 4) (i32.const 1) (i32.const 100) $out))";
    let module = guest(&format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) {} {} {} (i32.const 1))
        (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
          (call $note (local.get 2)) {read}) {}"#,
        send("known", list),
        send("unknown", list),
        send("known", r"\00\00\00\00"),
        on_tick(read)
    ));
    let host = Host::new(&module);
    host.add_cluster("known");
    let mut vm = host.start_vm().unwrap();
    let root = vm.create_root(Plugin::default()).unwrap();
    vm.configure(root).unwrap();
    assert_eq!(log(&host), ["0", "2", "2"]);
    let [callout] = vm.callouts() else { panic!() };
    assert_eq!(callout.header(":path"), "/");
    assert_eq!((callout.body.as_slice(), callout.timeout_ms), (&b"body"[..], Some(250)));
    let token = callout.token;
    vm.answer_callout(token, Answer::response(200, &[], "hello")).unwrap();
    let seen = log(&host).split_off(3);
    assert_eq!((seen[0].as_str(), seen[1].as_str(), seen[3].as_str()), ("1", "200", "ello"));
    vm.tick(root).unwrap();
    assert_eq!(log(&host).split_off(7), ["2", "", "1"]);
    let again = vm.answer_callout(token, Answer::Failure);
    assert_eq!(again, Err(HostError::Unknown(format!("callout {token}"))));
    vm.configure(root).unwrap();
    let token = vm.callouts()[0].token;
    vm.answer_callout(token, Answer::Failure).unwrap();
    assert_eq!(log(&host).split_off(13), ["0", "2", "", "1"]);
}

#[test]
fn only_the_chosen_call_fails_and_every_call_is_counted() {
    let call = "(call $note (call $tick_period (i32.const 100)))";
    let (host, mut vm, root) = started(&guest(&on_tick(&[call; 3].concat())));
    vm.reset_hostcalls();
    vm.inject(Fault::nth("proxy_set_tick_period_milliseconds", 1, 10));
    vm.tick(root).unwrap();
    assert_eq!(log(&host), ["0", ":", "0"]);
    assert_eq!(vm.hostcalls()["proxy_set_tick_period_milliseconds"], 3);
    vm.clear_faults();
    vm.inject(Fault::always("proxy_set_tick_period_milliseconds", Status::NotFound as u32));
    vm.tick(root).unwrap();
    assert_eq!(log(&host).split_off(3), ["1", "1", "1"]);
    assert_eq!(vm.tick_period_ms(root), Some(100));
}

#[test]
fn a_trap_and_a_loop_are_errors_and_kill_the_vm_only() {
    let module = guest(&format!("{} {}", on_tick("(loop $again (br $again))"), on_request("unreachable")));
    let (host, mut vm, root) = started(&module);
    vm.limit_fuel(1_000_000);
    let error = vm.tick(root).unwrap_err().to_string();
    assert!(error.contains("proxy_on_tick") && error.contains("fuel"), "{error}");
    assert!(vm.failed());
    assert_eq!(vm.tick(root), Err(HostError::VmFailed));
    let mut other = host.start_vm().unwrap();
    let root = other.create_root(Plugin::default()).unwrap();
    let stream = other.stream(root, &[(":path", "/")]).unwrap();
    assert!(matches!(other.request_headers(stream, true), Err(HostError::Trap { .. })));
    assert_eq!(other.state(stream).unwrap().verdict(), Verdict::Held);
}

#[test]
fn a_hostcall_during_initialization_is_refused_as_envoy_does() {
    let module = guest(r#"(func (export "_initialize") (drop (call $time (i32.const 0))))"#);
    let error = Host::new(&module).start_vm().err().unwrap().to_string();
    assert!(error.contains("proxy_get_current_time_nanoseconds"), "{error}");
}

#[test]
fn clock_environment_and_random_bytes_are_the_tests() {
    let module = guest(&on_tick(
        r"
        (i32.store (i32.const 4) (i32.const 8))
        (i32.store (i32.const 0) (i32.const 16))
        (call $got (call $time (i32.const 16)))
        (call $note (call $env_sizes (i32.const 16) (i32.const 20)))
        (call $note (i32.load (i32.const 16)))
        (call $note (call $env (i32.const 100) (i32.const 200)))
        (i32.store (i32.const 0) (i32.load (i32.const 100)))
        (i32.store (i32.const 4) (i32.load (i32.const 20)))
        (call $got (i32.const 0))
        (call $note (call $random (i32.const 16) (i32.const 8)))
        (i64.store (i32.const 16) (i64.and (i64.load (i32.const 16)) (i64.const 0x3f3f3f3f3f3f3f3f)))
        (i32.store (i32.const 4) (i32.const 8))
        (i32.store (i32.const 0) (i32.const 16))
        (call $got (i32.const 0))",
    ));
    let (host, mut vm, root) = started(&module);
    host.set_env("A", "b");
    // 0x4142..: readable bytes, little-endian.
    host.set_clock_ns(0x4142_4344_4546_4700);
    host.advance(Duration::from_nanos(0x48));
    host.seed_random(7);
    vm.tick(root).unwrap();
    let first = log(&host);
    assert_eq!(&first[..5], ["HGFEDCBA", "0", "1", "0", "A=b\0"]);
    host.seed_random(7);
    vm.tick(root).unwrap();
    assert_eq!(first[6], log(&host)[13]);
    vm.tick(root).unwrap();
    assert_ne!(first[6], log(&host)[20]);
}

#[test]
fn metrics_are_shared_by_workers_under_one_name() {
    let module = guest(&on_tick(
        r"
        (call $note (call $metric (i32.const 0) @requests@ (i32.const 16)))
        (call $note (call $increment (i32.load (i32.const 16)) (i64.const 2)))
        (call $note (call $increment (i32.load (i32.const 16)) (i64.const 0)))
        (call $note (call $metric (i32.const 1) @keys@ (i32.const 20)))
        (call $note (call $record (i32.load (i32.const 20)) (i64.const 10)))
        (call $note (call $increment (i32.load (i32.const 20)) (i64.const -3)))
        (call $note (call $get_metric (i32.load (i32.const 20)) (i32.const 24)))
        (call $note (i32.load (i32.const 24)))
        (call $note (call $increment (i32.const 400) (i64.const 1)))
        (call $note (call $metric (i32.const 3) @bad@ (i32.const 16)))",
    ));
    let (host, mut vm, root) = started(&module);
    vm.tick(root).unwrap();
    assert_eq!(log(&host), ["0", "0", "2", "0", "0", "0", "0", "7", "1", "2"]);
    let mut other = host.start_vm().unwrap();
    let root = other.create_root(Plugin::default()).unwrap();
    other.tick(root).unwrap();
    assert_eq!(host.metric("requests"), Some(Metric::Counter(4)));
    assert_eq!(host.metric("keys"), Some(Metric::Gauge(7)));
    assert_eq!(host.logs()[10].vm, 1);
    assert_eq!(host.logs()[10].level, LogLevel::Info);
}

#[test]
fn shared_data_and_queues_pass_between_workers() {
    let module = guest(&on_tick(
        r"
        (call $got (call $shared @key@ $out (i32.const 16)))
        (call $note (call $set_shared @key@ @one@ (i32.const 0)))
        (call $got (call $shared @key@ $out (i32.const 16)))
        (call $note (call $set_shared @key@ @two@ (i32.load (i32.const 16))))
        (call $note (call $set_shared @key@ @three@ (i32.load (i32.const 16))))
        (call $note (call $resolve (i32.const 0) (i32.const 0) @q@ (i32.const 20)))
        (call $note (call $queue @q@ (i32.const 20)))
        (call $got (call $dequeue (i32.load (i32.const 20)) $out))
        (call $note (call $enqueue (i32.load (i32.const 20)) @item@))
        (call $note (call $enqueue (i32.const 99) @item@))",
    ));
    let (host, mut vm, root) = started(&module);
    vm.tick(root).unwrap();
    assert_eq!(log(&host), ["1", "0", "one", "0", "8", "1", "0", "7", "0", "1"]);
    assert_eq!(host.shared_data(b"key").unwrap().0, b"two");
    let mut other = host.start_vm().unwrap();
    let root = other.create_root(Plugin::default()).unwrap();
    other.tick(root).unwrap();
    let seen = log(&host).split_off(10);
    assert_eq!((seen[0].as_str(), seen[5].as_str(), seen[7].as_str()), ("two", "0", "item"));
}

#[test]
fn properties_come_from_request_plugin_and_process_and_filter_state_is_the_requests_own() {
    let read = r"
        (call $got (call $property @source\00address@ $out))
        (call $got (call $property @plugin_name@ $out))
        (call $got (call $property @xds\00node\00id@ $out))
        (call $note (call $set_property @mine@ @value@))
        (call $got (call $property @mine@ $out))";
    let module = guest(&format!("{} {}", on_request(&format!("{read} (i32.const 0)")), on_tick(read)));
    let host = Host::new(&module);
    host.set_property(&["xds", "node", "id"], "node");
    let mut vm = host.start_vm().unwrap();
    let plugin = Plugin::default().property(&["plugin_name"], "keyplane");
    let root = vm.create_root(plugin).unwrap();
    let stream = vm.stream(root, &[(":path", "/")]).unwrap();
    vm.set_stream_property(stream, &["source", "address"], "10.0.0.1:5").unwrap();
    vm.request_headers(stream, true).unwrap();
    vm.tick(root).unwrap();
    let of_stream = ["10.0.0.1:5", "keyplane", "node", "0", "value"];
    let of_root = ["1", "keyplane", "node", "1", "1"];
    assert_eq!(log(&host), [of_stream, of_root].concat());
    assert_eq!(vm.state(stream).unwrap().filter_state[&b"mine"[..]], b"value");
}

#[test]
fn a_guest_without_callbacks_lets_all_pass_and_its_memory_is_seen() {
    let (_, mut vm, root) = started(&guest(""));
    let stream = vm.request(root, &[(":path", "/")]).unwrap();
    assert_eq!(vm.state(stream).unwrap().verdict(), Verdict::Allowed);
    assert_eq!(vm.memory_bytes(), 4 * 65536);
    vm.delete_stream(stream).unwrap();
    vm.delete_root(root).unwrap();
    assert!(vm.stream(root, &[(":path", "/")]).is_err());
}
