//! Maps whose keys are context numbers.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Spreads context numbers, which the host gives out one after the other; nobody outside can choose them.
#[derive(Default)]
pub struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// A map by context number.
pub type Numbers<T> = HashMap<u32, T, BuildHasherDefault<NumberHasher>>;
