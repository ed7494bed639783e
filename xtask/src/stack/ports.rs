//! Ports to listen on.
//!
//! A free port is looked for below the range that the kernel hands to outgoing connections. A port from that range may be
//! taken by any connection while a part is down for a restart, and then the restart fails for no fault of its own.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail};

const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// The ports of a [`super::Stack`].
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Envoy's listener.
    pub proxy: u16,
    /// Envoy's own admin interface.
    pub admin: u16,
    /// The control plane's management listener.
    pub api: u16,
    /// The control plane's sync listener.
    pub sync: u16,
    /// The upstream.
    pub upstream: u16,
}

impl Ports {
    /// Any free ports: for tests, which run side by side.
    pub fn any() -> Result<Self> {
        Ok(Self { proxy: free()?, admin: free()?, api: free()?, sync: free()?, upstream: free()? })
    }

    /// The ports that the examples and guides name, each replaced by a free one when it is taken.
    pub fn usual() -> Result<Self> {
        let or_free = |port| if is_free(port) { Ok(port) } else { free() };
        Ok(Self {
            proxy: or_free(10_000)?,
            admin: or_free(9_901)?,
            api: or_free(8_080)?,
            sync: or_free(8_081)?,
            upstream: or_free(9_000)?,
        })
    }
}

/// A port on loopback that is free now. No two calls of one program give the same port; other programs start elsewhere in
/// the range.
pub fn free() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if let Ok(port) = u16::try_from(FIRST + offset)
            && is_free(port)
        {
            return Ok(port);
        }
    }
    bail!("no free port between {FIRST} and {}", FIRST + COUNT);
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_not_given() {
        let port = free().unwrap();
        let _held = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(!is_free(port));
        assert_ne!(free().unwrap(), port);
    }
}
