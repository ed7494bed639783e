//! Where a key was used from: what tells its owner who has not changed over to the new one yet.

use super::time::Time;
use keyplane_contract::sync::SourceUsage;
use std::net::{IpAddr, Ipv6Addr};

/// How many sources of a key are kept: those used last.
pub const MAX_SOURCES: u32 = 64;

/// Uses of one key from one address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The address.
    pub address: SourceAddress,
    /// Requests, whatever became of them.
    pub count: u64,
    /// When they began.
    pub first_seen_at: Time,
    /// The last of them.
    pub last_seen_at: Time,
}

/// An address of callers; `None` stands for all that proxies did not tell one by one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourceAddress(pub Option<IpAddr>);

impl SourceAddress {
    /// Reads the address of a usage batch.
    pub fn from_wire(address: [u8; 16]) -> Self {
        Self((address != SourceUsage::OTHER).then(|| Ipv6Addr::from(address).to_canonical()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_in_the_family_that_it_came_in() {
        let shown = |text: &str| SourceAddress::from_wire(text.parse::<Ipv6Addr>().unwrap().octets()).0;
        assert_eq!(shown("::ffff:192.0.2.7"), "192.0.2.7".parse().ok());
        assert_eq!(shown("2001:db8::7"), "2001:db8::7".parse().ok());
        assert_eq!(shown("::1"), "::1".parse().ok());
        assert_eq!(shown("::"), None);
    }
}
