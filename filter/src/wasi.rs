//! Environment variables and random bytes by WASI preview 1, imported by hand: `wasm32-unknown-unknown`, which the filter is built for,
//! has neither in its standard library. Envoy gives the guest only those variables that its `vm_config` names.

#![allow(unsafe_code)]

use std::ptr::null_mut;

const SUCCESS: u32 = 0;
/// More environment than this is no environment of ours.
const MAX_ENVIRONMENT: usize = 1024 * 1024;

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn environ_sizes_get(count: *mut usize, size: *mut usize) -> u32;
    fn environ_get(variables: *mut *mut u8, buffer: *mut u8) -> u32;
    fn random_get(buffer: *mut u8, size: usize) -> u32;
}

/// The value of an environment variable; `None` when it is not set or the host gives no environment.
pub fn environment_variable(name: &[u8]) -> Option<Vec<u8>> {
    let (mut count, mut size) = (0_usize, 0_usize);
    // SAFETY: the host writes two numbers.
    if unsafe { environ_sizes_get(&raw mut count, &raw mut size) } != SUCCESS {
        return None;
    }
    if count > MAX_ENVIRONMENT || size > MAX_ENVIRONMENT {
        return None;
    }
    let mut variables = vec![null_mut::<u8>(); count];
    let mut buffer = vec![0_u8; size];
    // SAFETY: both have the sizes that the host asked for.
    if unsafe { environ_get(variables.as_mut_ptr(), buffer.as_mut_ptr()) } != SUCCESS {
        return None;
    }
    buffer.split(|byte| *byte == 0).find_map(|variable| {
        let at = variable.iter().position(|byte| *byte == b'=')?;
        let (found, value) = variable.split_at_checked(at)?;
        (found == name).then(|| value.get(1..).unwrap_or_default().to_vec())
    })
}

/// Random bytes from the host; `None` when it gives none.
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // SAFETY: the host writes N bytes.
    (unsafe { random_get(bytes.as_mut_ptr(), N) } == SUCCESS).then_some(bytes)
}
