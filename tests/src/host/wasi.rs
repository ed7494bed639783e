//! The three WASI calls that the filter makes: environment and random bytes. They answer a WASI errno, 0 for success.

use wasmtime::Linker;

use super::{
    hostcalls::{Guest, read, write},
    vm::VmState,
};

const MODULE: &str = "wasi_snapshot_preview1";
const EFAULT: u32 = 21;
const EINVAL: u32 = 28;

/// Envoy's limit for one call.
const MAX_RANDOM: u32 = 64 * 1024;

fn run(mut guest: Guest<'_>, name: &'static str, work: impl FnOnce(&mut Guest<'_>) -> Result<(), u32>) -> u32 {
    if let Some(errno) = guest.data_mut().faults.strike(name) {
        return errno;
    }
    work(&mut guest).err().unwrap_or(0)
}

/// The environment as `NAME=value` strings with their closing NUL.
fn environment(guest: &Guest<'_>) -> Vec<Vec<u8>> {
    let world = guest.data().world.borrow();
    let strings = world.environment.iter();
    strings.map(|(name, value)| format!("{name}={value}\0").into_bytes()).collect()
}

fn put(guest: &mut Guest<'_>, at: u32, value: usize) -> Result<(), u32> {
    let value = u32::try_from(value).map_err(|_| EFAULT)?;
    write(guest, at, &value.to_le_bytes()).map_err(|_| EFAULT)
}

pub(crate) fn link(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "environ_sizes_get", |guest: Guest<'_>, count_ptr: u32, bytes_ptr: u32| {
        run(guest, "environ_sizes_get", |guest| {
            let strings = environment(guest);
            put(guest, count_ptr, strings.len())?;
            put(guest, bytes_ptr, strings.iter().map(Vec::len).sum())
        })
    })?;
    linker.func_wrap(MODULE, "environ_get", |guest: Guest<'_>, mut pointers: u32, mut bytes: u32| {
        run(guest, "environ_get", |guest| {
            for string in environment(guest) {
                put(guest, pointers, bytes as usize)?;
                write(guest, bytes, &string).map_err(|_| EFAULT)?;
                pointers += 4;
                bytes += u32::try_from(string.len()).map_err(|_| EFAULT)?;
            }
            Ok(())
        })
    })?;
    linker.func_wrap(MODULE, "random_get", |guest: Guest<'_>, at: u32, len: u32| {
        run(guest, "random_get", |guest| {
            if len > MAX_RANDOM {
                return Err(EINVAL);
            }
            read(guest, at, len).map_err(|_| EFAULT)?;
            let bytes = guest.data().world.borrow_mut().random_bytes(len as usize);
            write(guest, at, &bytes).map_err(|_| EFAULT)
        })
    })?;
    Ok(())
}
