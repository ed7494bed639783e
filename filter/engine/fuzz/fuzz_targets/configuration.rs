//! Whatever an operator writes: it is taken or refused with a sentence, and never ends the VM.

#![no_main]

use keyplane_filter_engine::settings::Settings;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    if let Err(error) = Settings::parse(json) {
        assert!(!error.to_string().is_empty());
    }
});
