//! Networks that may use a key: 17 bytes each in a policy's row, matched alike by the control plane and the filter.
//!
//! Addresses are IPv6; an IPv4 address is written as its mapped form `::ffff:a.b.c.d` (RFC 4291, section 2.5.5.2) and its
//! prefix is 96 longer, so that one comparison serves both.

use core::net::{IpAddr, Ipv6Addr};

/// Bytes of a network: prefix length, then the address.
pub const NETWORK_LEN: usize = 17;

/// How much longer the prefix of an IPv4 network is in the mapped form.
const MAPPED: u8 = 96;

/// A network: all addresses that share its first `prefix` bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Network {
    address: u128,
    prefix: u8,
}

/// Why a text, or an address and a prefix, are no network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NetworkError {
    /// No address, or something else than digits behind the slash.
    Grammar,
    /// The prefix is longer than the address.
    Prefix,
    /// The address has bits behind the prefix; this is the network that it lies in.
    HostBits(Network),
}

impl Network {
    /// The network of `address` and `prefix`, counted in the address's own family.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, NetworkError> {
        let (longest, extra) = match address {
            IpAddr::V4(_) => (32, MAPPED),
            IpAddr::V6(_) => (128, 0),
        };
        if prefix > longest {
            return Err(NetworkError::Prefix);
        }
        let (bits, prefix) = (to_bits(address), prefix + extra);
        let network = Self { address: bits & mask(prefix), prefix };
        if network.address == bits { Ok(network) } else { Err(NetworkError::HostBits(network)) }
    }

    /// Reads CIDR notation (RFC 4632, RFC 4291), or a single address.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            // Digits only: the standard library's parser takes a sign too.
            Some((address, prefix)) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => (address, Some(prefix)),
            Some(_) => return Err(NetworkError::Grammar),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Grammar)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), |prefix| prefix.parse().map_err(|_| NetworkError::Grammar))?;
        Self::new(address, prefix)
    }

    /// Reads the 17 bytes; `None` when they are no network.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; NETWORK_LEN]) -> Option<Self> {
        let (prefix, address) = bytes.split_first()?;
        let address = u128::from_be_bytes(address.try_into().ok()?);
        let valid = *prefix <= 128 && address & mask(*prefix) == address;
        valid.then_some(Self { address, prefix: *prefix })
    }

    /// The 17 bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; NETWORK_LEN] {
        let mut bytes = [0; NETWORK_LEN];
        if let Some((first, rest)) = bytes.split_first_mut() {
            *first = self.prefix;
            rest.copy_from_slice(&self.address.to_be_bytes());
        }
        bytes
    }

    /// Whether `address` lies in the network.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        to_bits(address) & mask(self.prefix) == self.address
    }
}

impl core::fmt::Display for Network {
    /// CIDR notation; an IPv4 network in its own.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let address = Ipv6Addr::from_bits(self.address);
        match (address.to_ipv4_mapped(), self.prefix.checked_sub(MAPPED)) {
            (Some(address), Some(prefix)) => write!(f, "{address}/{prefix}"),
            _ => write!(f, "{address}/{}", self.prefix),
        }
    }
}

/// Whether one of `networks` (a policy's bytes) contains `address`. Bytes that are no network contain nothing.
#[must_use]
pub fn any_contains(networks: &[u8], address: IpAddr) -> bool {
    let (networks, _) = networks.as_chunks::<NETWORK_LEN>();
    networks.iter().filter_map(Network::from_bytes).any(|network| network.contains(address))
}

fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn mask(prefix: u8) -> u128 {
    // A shift by all 128 bits is none in Rust.
    u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    fn network(text: &str) -> Network {
        Network::parse(text).unwrap()
    }

    #[test]
    fn a_network_contains_what_shares_its_prefix() {
        for (net, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.7/32", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3"),
        ] {
            assert!(network(net).contains(inside.parse().unwrap()), "{net} {inside}");
            assert!(!network(net).contains(outside.parse().unwrap()), "{net} {outside}");
        }
        assert!(network("::/0").contains("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn bits_behind_the_prefix_are_refused_with_the_right_network() {
        let NetworkError::HostBits(right) = Network::new("10.0.0.5".parse().unwrap(), 8).unwrap_err() else {
            panic!("host bits")
        };
        assert_eq!(right.to_string(), "10.0.0.0/8");
        assert_eq!(Network::new("10.0.0.0".parse().unwrap(), 33), Err(NetworkError::Prefix));
    }

    #[test]
    fn no_networks_contain_nobody() {
        assert!(!any_contains(&[], "10.0.0.1".parse().unwrap()));
        let bytes = [network("192.0.2.0/24").to_bytes(), network("10.0.0.0/8").to_bytes()].concat();
        assert!(any_contains(&bytes, "10.0.0.1".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn every_network_reads_back_from_its_bytes_and_contains_itself(address: u128, v4: u32, is_v4: bool, prefix in 0_u8..=128) {
            let (address, prefix) = if is_v4 {
                (IpAddr::V4(v4.into()), prefix.min(32))
            } else {
                (IpAddr::V6(address.into()), prefix)
            };
            let network = match Network::new(address, prefix) {
                Ok(network) | Err(NetworkError::HostBits(network)) => network,
                Err(error) => unreachable!("{error:?}"),
            };
            prop_assert!(network.contains(address));
            prop_assert_eq!(Network::from_bytes(&network.to_bytes()), Some(network));
            prop_assert_eq!(Network::parse(&network.to_string()), Ok(network));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text: String) {
            let _ = Network::parse(&text);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = any_contains(&bytes, "10.0.0.1".parse().unwrap());
        }
    }
}
