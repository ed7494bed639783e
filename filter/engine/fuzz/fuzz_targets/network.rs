//! Networks as people write them and as they travel, and addresses as Envoy writes them.

#![no_main]

use keyplane_contract::network::{Network, NetworkError, any_contains};
use keyplane_filter_engine::address;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let source = address::parse(bytes);
    if let Some(source) = source {
        let _ = any_contains(bytes, source.into());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Network::parse(text) {
        Ok(network) | Err(NetworkError::HostBits(network)) => {
            assert_eq!(Network::parse(&network.to_string()), Ok(network));
            assert_eq!(Network::from_bytes(&network.to_bytes()), Some(network));
        }
        Err(NetworkError::Grammar | NetworkError::Prefix) => {}
    }
});
