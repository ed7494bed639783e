//! Tests of the filter in the proxy-wasm host: the built .wasm, with time, network and faults in the test's hands.
//! One binary, so that the filter is compiled once.

mod filter {
    mod abi_numbers;
    mod answers;
    mod bench;
    mod control_plane;
    mod credentials;
    mod debug;
    mod guessing;
    mod hold;
    mod host;
    mod hostile;
    mod identity;
    mod jwt;
    mod lifecycle;
    mod loading;
    mod restrictions;
    mod rules;
    mod sources;
    mod staleness;
    mod start;
    mod sweep;
    mod sync;
    mod unknown_keys;
    mod usage;
}
