//! Which of its proxy's VMs this one is, by the order in which they were configured.
//!
//! Envoy configures a VM on its main thread that never gets a request, and before it one for trial that it throws away at once. A table
//! in them is of no use, but nothing tells a VM where it runs. So the VMs draw numbers from shared data: the first is the trial, the second most
//! likely the main thread's. Any plugin of the same VM id can write there too, so nothing is decided by the number but when to ask
//! for the first table (docs/decisions/0007).

use crate::abi;

/// Of each version its own: its VMs are others than those of the version before it.
const KEY: &[u8] = concat!("keyplane.vms/", env!("CARGO_PKG_VERSION")).as_bytes();
/// How often another VM may be quicker.
const TRIES: usize = 16;

/// The number of this VM, from 0; `None` when the host keeps no count.
pub fn draw() -> Option<u32> {
    (0..TRIES).find_map(|_| {
        let (number, seen) = match abi::shared_data(KEY) {
            Ok((value, seen)) => (u32::from_le_bytes(value.try_into().ok()?), seen),
            Err(abi::NOT_FOUND) => (0, 0),
            Err(_) => return None,
        };
        abi::set_shared_data(KEY, &number.checked_add(1)?.to_le_bytes(), seen).ok().map(|()| number)
    })
}

/// Whether a VM of this number is one that requests do not come to, as far as the order can tell.
pub fn is_spare(number: Option<u32>) -> bool {
    matches!(number, Some(0 | 1))
}
