//! The caller's address, as the host tells it.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The address in what Envoy calls `source.address`: host and port, IPv6 in brackets. IPv4 comes back mapped into IPv6 (`::ffff:a.b.c.d`).
/// `None` for what is no IP address: a pipe, an internal listener, nothing.
#[must_use]
pub fn parse(text: &[u8]) -> Option<Ipv6Addr> {
    let (host, _port) = std::str::from_utf8(text).ok()?.rsplit_once(':')?;
    if let Some(bracketed) = host.strip_prefix('[') {
        // A zone (`fe80::1%eth0`) names an interface of the proxy's, not the caller.
        let host = bracketed.strip_suffix(']')?;
        let host = host.split_once('%').map_or(host, |(host, _zone)| host);
        return host.parse().ok();
    }
    host.parse::<Ipv4Addr>().ok().map(|address| address.to_ipv6_mapped())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::SocketAddr;

    #[test]
    fn addresses_are_read_as_envoy_writes_them() {
        for (text, expected) in [
            ("192.0.2.7:4711", "::ffff:192.0.2.7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
            ("[fe80::1%eth0]:80", "fe80::1"),
            ("[::ffff:192.0.2.7]:80", "::ffff:192.0.2.7"),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(expected.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            ":",
            "/run/app.sock",
            "@abstract",
            "envoy://internal/1",
            "192.0.2.7",
            "[2001:db8::7]",
            "2001:db8::7:80",
            "host:80",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_address_makes_the_parser_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn every_ip_address_reads_back(bytes: [u8; 16], short: [u8; 4], port: u16) {
            let address = Ipv6Addr::from(bytes);
            prop_assert_eq!(parse(SocketAddr::new(address.into(), port).to_string().as_bytes()), Some(address));
            let address = Ipv4Addr::from(short);
            let text = SocketAddr::new(address.into(), port).to_string();
            prop_assert_eq!(parse(text.as_bytes()), Some(address.to_ipv6_mapped()));
        }
    }
}
