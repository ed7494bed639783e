//! The filter writes the ABI's numbers by hand (docs/decisions/0002). They are the same as the proxy-wasm SDK's.

use proxy_wasm::types;

// The filter's own file, because its crate is built for WebAssembly only. Of it the numbers are compared; the calls are not
// used here, and their documentation is the filter's.
#[allow(dead_code, missing_docs)]
#[path = "../../../filter/src/abi.rs"]
mod abi;

#[test]
fn the_numbers_of_the_abi_are_those_of_the_sdk() {
    let maps = [
        (abi::MapType::Request as u32, types::MapType::HttpRequestHeaders as u32),
        (abi::MapType::Response as u32, types::MapType::HttpResponseHeaders as u32),
        (abi::MapType::CallResponse as u32, types::MapType::HttpCallResponseHeaders as u32),
    ];
    let buffers = [
        (abi::BufferType::HttpCallResponseBody as u32, types::BufferType::HttpCallResponseBody as u32),
        (abi::BufferType::PluginConfiguration as u32, types::BufferType::PluginConfiguration as u32),
    ];
    // The SDK's own pause is 1, which may let a body through; 4 is `StopAllIterationAndWatermark` of the C++ host's.
    assert_eq!(abi::Action::Pause as u32, 4);
    let actions = [(abi::Action::Continue as u32, types::Action::Continue as u32)];
    let levels = [
        (abi::LogLevel::Info as u32, types::LogLevel::Info as u32),
        (abi::LogLevel::Warn as u32, types::LogLevel::Warn as u32),
        (abi::LogLevel::Error as u32, types::LogLevel::Error as u32),
    ];
    let metrics = [
        (abi::MetricType::Counter as u32, types::MetricType::Counter as u32),
        (abi::MetricType::Gauge as u32, types::MetricType::Gauge as u32),
    ];
    let constants = [(abi::OK, types::Status::Ok as u32), (abi::STREAM_REQUEST, types::StreamType::HttpRequest as u32)];
    for (ours, sdk) in [&maps[..], &buffers, &actions, &levels, &metrics, &constants].concat() {
        assert_eq!(ours, sdk);
    }
}
