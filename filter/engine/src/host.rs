//! What the engine asks of its host about one request, and has it do to that request.
//!
//! The adapter implements it for proxy-wasm; tests implement it with [`fake::FakeHost`]. Asking takes time (2 to 8 µs for the first call of a kind
//! in Envoy), so each thing is asked only by what depends on it. A change that the host does not carry out is a fault, and a fault denies.

use crate::address;
use std::net::Ipv6Addr;

/// The host did not do what it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostFault;

/// One request, in the host's hands.
pub trait Host {
    /// Milliseconds since 1970 UTC; `None` when the clock does not answer.
    fn now(&self) -> Option<u64>;

    /// A property of the request or its connection; the parts of its path are joined by NUL. `None` when there is none.
    fn property(&self, path: &[u8]) -> Option<Vec<u8>>;

    /// Removes every request header of this name.
    fn remove_header(&self, name: &[u8]) -> Result<(), HostFault>;

    /// Adds a request header beside those of the same name.
    fn add_header(&self, name: &[u8], value: &[u8]) -> Result<(), HostFault>;

    /// Makes this the only request header of its name.
    fn replace_header(&self, name: &[u8], value: &[u8]) -> Result<(), HostFault>;

    /// Writes to the request's filter state, for access logs and the filters that come after.
    fn set_filter_state(&self, name: &[u8], value: &[u8]) -> Result<(), HostFault>;
}

/// The caller's address as the proxy trusts it, IPv4 mapped into IPv6; `None` when it is unknown.
pub fn source(host: &impl Host) -> Option<Ipv6Addr> {
    address::parse(&host.property(b"source\0address")?)
}

/// A host for tests: what it was told is there to be looked at.
#[cfg(test)]
pub mod fake {
    use super::{Host, HostFault};
    use crate::headers::write_block;
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;

    /// The clock of every fake host.
    pub const NOW: u64 = 1_700_000_000_000;

    /// A request in memory.
    #[derive(Debug, Default)]
    pub struct FakeHost {
        /// Its headers, in order.
        pub headers: RefCell<Vec<(Vec<u8>, Vec<u8>)>>,
        /// Its properties, by their joined path.
        pub properties: BTreeMap<Vec<u8>, Vec<u8>>,
        /// Filter state that was written.
        pub filter_state: RefCell<BTreeMap<Vec<u8>, Vec<u8>>>,
        /// The properties that were asked for, in order.
        pub asked: RefCell<Vec<Vec<u8>>>,
        /// How many changes are still carried out before one fails; `None`: all are.
        pub changes_left: Cell<Option<usize>>,
    }

    impl FakeHost {
        /// A request with these headers.
        pub fn with_headers(headers: &[(&str, &[u8])]) -> Self {
            let headers = headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect();
            Self { headers: RefCell::new(headers), ..Self::default() }
        }

        /// A request from this address, as Envoy writes it; empty for none.
        pub fn from(address: &str) -> Self {
            let mut host = Self::default();
            if !address.is_empty() {
                host.properties.insert(b"source\0address".to_vec(), address.as_bytes().to_vec());
            }
            host
        }

        /// The headers as the host hands them over.
        pub fn block(&self) -> Vec<u8> {
            let headers = self.headers.borrow();
            let pairs: Vec<_> = headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
            write_block(&pairs)
        }

        /// All values of a header.
        pub fn values(&self, name: &str) -> Vec<String> {
            let headers = self.headers.borrow();
            let found = headers.iter().filter(|(found, _)| found == name.as_bytes());
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
        }

        fn change(&self) -> Result<(), HostFault> {
            match self.changes_left.get() {
                Some(0) => Err(HostFault),
                left => {
                    self.changes_left.set(left.map(|left| left - 1));
                    Ok(())
                }
            }
        }
    }

    impl Host for FakeHost {
        fn now(&self) -> Option<u64> {
            Some(NOW)
        }

        fn property(&self, path: &[u8]) -> Option<Vec<u8>> {
            self.asked.borrow_mut().push(path.to_vec());
            self.properties.get(path).cloned()
        }

        fn remove_header(&self, name: &[u8]) -> Result<(), HostFault> {
            self.change()?;
            self.headers.borrow_mut().retain(|(found, _)| !found.eq_ignore_ascii_case(name));
            Ok(())
        }

        fn add_header(&self, name: &[u8], value: &[u8]) -> Result<(), HostFault> {
            self.change()?;
            self.headers.borrow_mut().push((name.to_ascii_lowercase(), value.to_vec()));
            Ok(())
        }

        fn replace_header(&self, name: &[u8], value: &[u8]) -> Result<(), HostFault> {
            self.remove_header(name)?;
            self.headers.borrow_mut().push((name.to_ascii_lowercase(), value.to_vec()));
            Ok(())
        }

        fn set_filter_state(&self, name: &[u8], value: &[u8]) -> Result<(), HostFault> {
            self.change()?;
            self.filter_state.borrow_mut().insert(name.to_vec(), value.to_vec());
            Ok(())
        }
    }
}
