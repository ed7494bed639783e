//! The proxy-wasm ABI 0.2.1, host side, by hand: only the functions that the filter uses, and every one total.
//!
//! A host may answer any status to any call; each wrapper turns that into a `Result`. Nothing here panics, and
//! nothing trusts a pointer that comes with a status other than OK. Names and numbers are those of the ABI's specification
//! (proxy-wasm/spec, abi-versions/v0.2.1); a test in `tests/` holds them against the SDK's.

// The one place of the filter that speaks to the host.
#![allow(unsafe_code)]

use keyplane_filter_engine::headers::write_block;
use std::cell::Cell;
use std::ptr::{null, null_mut};

/// A status other than OK (0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure(pub u32);

/// The status of a call that was carried out.
pub const OK: u32 = 0;
/// What was asked for is not there.
pub const NOT_FOUND: Failure = Failure(1);

/// The result of a call.
pub type Call<T = ()> = Result<T, Failure>;

/// Whose headers a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum MapType {
    /// Of the request.
    Request = 0,
    /// Of the answer to the request.
    Response = 2,
    /// Of the answer to a call of ours.
    CallResponse = 6,
}

/// Which buffer a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum BufferType {
    /// Body of the answer to a call of ours.
    HttpCallResponseBody = 4,
    /// The plugin configuration.
    PluginConfiguration = 7,
}

/// What the host does with a request after its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Action {
    /// Go on.
    Continue = 0,
    /// Wait for `proxy_continue_stream` or a local response, with all that belongs to the request. Not 1: with it, a body that
    /// comes takes the held headers along if the operator has set `allow_on_headers_stop_iteration`, and the request passes unchecked.
    Pause = 4,
}

/// Severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum LogLevel {
    /// Worth knowing once.
    Info = 2,
    /// An operator should look.
    Warn = 3,
    /// The filter does not work.
    Error = 4,
}

/// Kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum MetricType {
    /// Only grows.
    Counter = 0,
    /// Goes up and down.
    Gauge = 1,
}

/// Requests, as opposed to responses, in `proxy_continue_stream`.
pub const STREAM_REQUEST: u32 = 0;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_get_buffer_bytes(buffer: u32, start: usize, max: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        value: *mut *mut u8,
        value_size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(key: *const u8, key_size: usize, value: *const u8, value_size: usize, cas: u32) -> u32;
    fn proxy_http_call(
        upstream: *const u8,
        upstream_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout_milliseconds: u32,
        token: *mut u32,
    ) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, metric: *mut u32) -> u32;
    fn proxy_increment_metric(metric: u32, by: i64) -> u32;
    fn proxy_record_metric(metric: u32, value: u64) -> u32;
}

const fn done(status: u32) -> Call {
    if status == OK { Ok(()) } else { Err(Failure(status)) }
}

/// Memory for the host to write into has at least this size, so that what one request is done with serves the next ([`reuse`]). The headers of most
/// requests fit, and then nothing is allocated for them.
const LEAST_SIZE: usize = 4 * 1024;

thread_local! {
    /// Memory that is free to be written into, or nothing.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// How much is reserved when the host asks for this.
fn reserved(size: usize) -> usize {
    if size == 0 { 0 } else { size.max(LEAST_SIZE) }
}

/// Gives the host memory to write into. It comes back as a `Vec` through [`returned`].
pub fn allocate(size: usize) -> *mut u8 {
    let mut bytes = if reserved(size) == LEAST_SIZE { SPARE.take() } else { Vec::new() };
    if bytes.try_reserve_exact(reserved(size)).is_err() {
        return null_mut();
    }
    let data = bytes.as_mut_ptr();
    std::mem::forget(bytes);
    data
}

/// The bytes that a call of the host's wrote into memory from [`allocate`].
fn returned(status: u32, data: *mut u8, size: usize) -> Call<Vec<u8>> {
    done(status)?;
    if data.is_null() || size == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: with status OK the host has called `proxy_on_memory_allocate` with this size and filled what it got; `allocate` reserves
    // exactly that.
    Ok(unsafe { Vec::from_raw_parts(data, size, reserved(size)) })
}

/// Takes back what the host wrote and nobody needs any more.
pub fn reuse(mut bytes: Vec<u8>) {
    if bytes.capacity() == LEAST_SIZE {
        bytes.clear();
        SPARE.set(bytes);
    }
}

/// Writes a line to the host's log.
pub fn log(level: LogLevel, message: &str) {
    // SAFETY: the host reads `size` bytes at `message` during the call. A log line that is lost is no fault.
    unsafe { proxy_log(level as u32, message.as_ptr(), message.len()) };
}

/// Has `proxy_on_tick` called every so often.
pub fn set_tick_period(milliseconds: u32) -> Call {
    // SAFETY: plain numbers.
    done(unsafe { proxy_set_tick_period_milliseconds(milliseconds) })
}

/// Milliseconds since 1970 UTC.
pub fn now_milliseconds() -> Call<u64> {
    let mut time = 0;
    // SAFETY: the host writes eight bytes to `time`.
    done(unsafe { proxy_get_current_time_nanoseconds(&raw mut time) })?;
    Ok(time / 1_000_000)
}

/// Up to `max` bytes of a buffer.
pub fn buffer(buffer: BufferType, max: usize) -> Call<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: the host writes pointer and size of memory that it allocated through us.
    let status = unsafe { proxy_get_buffer_bytes(buffer as u32, 0, max, &raw mut data, &raw mut size) };
    returned(status, data, size)
}

/// All headers as one block, for `HeaderBlock`.
pub fn header_block(map: MapType) -> Call<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: as in `buffer`.
    let status = unsafe { proxy_get_header_map_pairs(map as u32, &raw mut data, &raw mut size) };
    returned(status, data, size)
}

/// The value of one header.
pub fn header(map: MapType, name: &[u8]) -> Call<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: as in `buffer`; the host reads the name during the call.
    let status =
        unsafe { proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), &raw mut data, &raw mut size) };
    returned(status, data, size)
}

/// Adds a request header.
pub fn add_request_header(name: &[u8], value: &[u8]) -> Call {
    let map = MapType::Request as u32;
    // SAFETY: the host reads both during the call.
    done(unsafe { proxy_add_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// Makes this the only request header of its name.
pub fn replace_request_header(name: &[u8], value: &[u8]) -> Call {
    let map = MapType::Request as u32;
    // SAFETY: the host reads both during the call.
    done(unsafe { proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// Makes this the only response header of its name.
pub fn replace_response_header(name: &[u8], value: &[u8]) -> Call {
    let map = MapType::Response as u32;
    // SAFETY: the host reads both during the call.
    done(unsafe { proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// Removes every request header of this name.
pub fn remove_request_header(name: &[u8]) -> Call {
    let map = MapType::Request as u32;
    // SAFETY: the host reads the name during the call.
    done(unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) })
}

/// A property; the parts of its path are joined by NUL.
pub fn property(path: &[u8]) -> Call<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: as in `header`.
    let status = unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) };
    returned(status, data, size)
}

/// Writes a property of the effective context. Envoy keeps it as filter state, with `wasm.` before its name.
pub fn set_property(path: &[u8], value: &[u8]) -> Call {
    // SAFETY: the host reads both during the call.
    done(unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

/// A value that VMs of the same VM id share, and its number for `set_shared_data`. Other plugins can write there too.
pub fn shared_data(key: &[u8]) -> Call<(Vec<u8>, u32)> {
    let (mut data, mut size, mut cas) = (null_mut(), 0, 0);
    // SAFETY: as in `header`; the host writes the number too.
    let status = unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), &raw mut data, &raw mut size, &raw mut cas) };
    returned(status, data, size).map(|value| (value, cas))
}

/// Sets it, unless it was set since `cas` was read. With 0 it is set in any case.
pub fn set_shared_data(key: &[u8], value: &[u8], cas: u32) -> Call {
    // SAFETY: the host reads both during the call.
    done(unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) })
}

/// Starts a request to a cluster of the host's. The answer comes through `proxy_on_http_call_response` with the returned token.
pub fn http_call(cluster: &[u8], headers: &[(&[u8], &[u8])], body: &[u8], timeout_milliseconds: u64) -> Call<u32> {
    let headers = write_block(headers);
    let timeout = u32::try_from(timeout_milliseconds).unwrap_or(u32::MAX);
    let mut token = 0;
    // SAFETY: the host reads all parts during the call and writes the token. No trailers.
    let status = unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            null(),
            0,
            timeout,
            &raw mut token,
        )
    };
    done(status).map(|()| token)
}

/// Answers the request of the effective context. `headers` is a block that `write_block` made.
pub fn send_local_response(status: u16, headers: &[u8], body: &[u8], details: &[u8], grpc: i32) -> Call {
    // SAFETY: the host reads all parts during the call.
    done(unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc,
        )
    })
}

/// Lets the paused request of the effective context go on.
pub fn continue_request() -> Call {
    // SAFETY: plain numbers.
    done(unsafe { proxy_continue_stream(STREAM_REQUEST) })
}

/// Makes the calls that follow be about another context. Fails when that one is gone, and then they still are about the old one.
pub fn set_effective_context(context: u32) -> Call {
    // SAFETY: plain numbers.
    done(unsafe { proxy_set_effective_context(context) })
}

/// Makes a metric known to the host.
pub fn define_metric(kind: MetricType, name: &str) -> Call<u32> {
    let mut metric = 0;
    // SAFETY: the host reads the name and writes the metric's number.
    done(unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut metric) })?;
    Ok(metric)
}

/// Adds to a counter.
pub fn increment_metric(metric: u32, by: i64) -> Call {
    // SAFETY: plain numbers.
    done(unsafe { proxy_increment_metric(metric, by) })
}

/// Sets a gauge.
pub fn record_metric(metric: u32, value: u64) -> Call {
    // SAFETY: plain numbers.
    done(unsafe { proxy_record_metric(metric, value) })
}
