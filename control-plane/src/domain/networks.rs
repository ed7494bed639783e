//! The networks from which a key may be used, as people write them: CIDR notation (RFC 4632, RFC 4291).
//!
//! A set, kept sorted and without repeats, so that equal sets have equal bytes and share one policy row.

use keyplane_contract::network::{NETWORK_LEN, Network, NetworkError};
use std::net::IpAddr;

/// The most networks of a key.
pub const MAX_NETWORKS: usize = 32;

/// Networks; none means that every address may use the key.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Networks(Vec<Network>);

/// Why texts are no networks.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NetworksError {
    /// Too many.
    #[error("must have at most 32 networks")]
    TooMany,
    /// One is no network.
    #[error("must be a network such as 203.0.113.0/24 or 2001:db8::/32, or a single address")]
    Grammar {
        /// Its place in the list, from 0.
        at: usize,
    },
    /// One has bits behind its prefix.
    #[error("has bits set behind its prefix; the network is {network}")]
    HostBits {
        /// Its place in the list, from 0.
        at: usize,
        /// The network that it lies in.
        network: Network,
    },
}

impl Networks {
    /// Reads `texts`, sorts them and drops repeats.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, NetworksError> {
        if texts.len() > MAX_NETWORKS {
            return Err(NetworksError::TooMany);
        }
        let networks = texts.iter().enumerate().map(|(at, text)| network(at, text.as_ref()));
        let mut networks = networks.collect::<Result<Vec<_>, _>>()?;
        networks.sort_unstable();
        networks.dedup();
        Ok(Self(networks))
    }

    /// Reads what [`Networks::to_bytes`] wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<NETWORK_LEN>();
        let networks = chunks.iter().map(Network::from_bytes).collect::<Option<_>>()?;
        rest.is_empty().then_some(Self(networks))
    }

    /// The bytes of a policy.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|network| network.to_bytes()).collect()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `source` may use the key. An address that is not known may use only keys that are free of networks.
    pub fn allow(&self, source: Option<IpAddr>) -> bool {
        self.is_empty() || source.is_some_and(|source| self.0.iter().any(|network| network.contains(source)))
    }
}

impl std::fmt::Display for Networks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().enumerate().try_for_each(|(at, network)| write!(f, "{}{network}", if at > 0 { " " } else { "" }))
    }
}

impl serde::Serialize for Networks {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ToString::to_string))
    }
}

fn network(at: usize, text: &str) -> Result<Network, NetworksError> {
    Network::parse(text).map_err(|error| match error {
        NetworkError::Grammar | NetworkError::Prefix => NetworksError::Grammar { at },
        NetworkError::HostBits(network) => NetworksError::HostBits { at, network },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn networks_are_a_set_in_their_usual_notation() {
        let networks = Networks::parse(&["2001:DB8::/32", "10.0.0.0/8", "192.0.2.7", "10.0.0.0/8"]).unwrap();
        assert_eq!(networks.to_string(), "10.0.0.0/8 192.0.2.7/32 2001:db8::/32");
        assert_eq!(Networks::from_bytes(&networks.to_bytes()), Some(networks));
    }

    #[test]
    fn a_wrong_network_is_refused_by_its_place() {
        assert_eq!(Networks::parse(&["10.0.0.0/8", "10.0.0.0/+8"]), Err(NetworksError::Grammar { at: 1 }));
        for text in ["", "10.0.0.0/", "10.0.0/8", "10.0.0.0/33", "fe80::1%eth0", "example.com", " 10.0.0.0/8"] {
            assert_eq!(Networks::parse(&[text]), Err(NetworksError::Grammar { at: 0 }), "{text}");
        }
        let message = Networks::parse(&["10.0.0.5/8"]).unwrap_err().to_string();
        assert!(message.ends_with("the network is 10.0.0.0/8"), "{message}");
        assert_eq!(Networks::parse(&["10.0.0.1"; 33]), Err(NetworksError::TooMany));
    }

    #[test]
    fn an_unknown_address_may_use_only_keys_without_networks() {
        assert!(Networks::default().allow(None));
        let networks = Networks::parse(&["10.0.0.0/8"]).unwrap();
        assert!(!networks.allow(None) && networks.allow(Some("10.1.1.1".parse().unwrap())));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text: String) {
            let _ = Networks::parse(&[text]);
        }
    }
}
