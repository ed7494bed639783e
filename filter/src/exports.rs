//! What the host calls. Each export is total: an unknown context, an unexpected order or a fault ends in a refusal or in nothing,
//! never in a panic. Callbacks that are not exported cost nothing, so only those that the filter needs are here.

#![allow(unsafe_code)]

use crate::abi::{self, Action};
use crate::vm;

/// Tells the host the version of the ABI by its name.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Gives the host memory to write into.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    abi::allocate(size)
}

/// A root context (parent 0) or a request begins.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, parent: u32) {
    vm::context_created(context, parent);
}

/// The VM starts; nothing is needed before the configuration.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_root: u32, _configuration_size: usize) -> u32 {
    1
}

/// A plugin configuration arrives, or a new one for the same root context. 0 refuses it.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, configuration_size: usize) -> u32 {
    u32::from(vm::configure(root, configuration_size))
}

/// Time has passed.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    vm::tick(root);
}

/// The headers of a request are there.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _count: usize, end_of_stream: usize) -> u32 {
    let action: Action = vm::request_headers(context, end_of_stream != 0);
    action as u32
}

/// The headers of the answer are there, the upstream's or a refusal. They always go on.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(context: u32, _count: usize, _end_of_stream: usize) -> u32 {
    vm::response_headers(context);
    Action::Continue as u32
}

/// A call of ours was answered; without headers it failed.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    root: u32,
    token: u32,
    header_count: usize,
    body_size: usize,
    _trailer_count: usize,
) {
    vm::call_answered(root, token, header_count, body_size);
}

/// A context has ended.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    vm::context_deleted(context);
}
