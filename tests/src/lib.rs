//! What Keyplane's tests against real parts share: a proxy-wasm host that runs the real filter under the test's control.
pub mod host;
