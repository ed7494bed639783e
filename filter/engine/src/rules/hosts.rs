//! Which hosts a rule is for, and which of all hosts in the rules a request's `:authority` is.
//!
//! Hosts are compared as Envoy compares them with the domains of its virtual hosts: in lower case and with the port. Were
//! `public.example.com:1` taken for `public.example.com` here and not there, one could be let in by the rule of a host and served by another.

use std::cmp::Ordering;

/// The longest host in a rule, in bytes, with its port.
const MAX_HOST_LEN: usize = 255;

/// A host in a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostPattern {
    /// `example.com`, `example.com:8443`: this very text.
    Exact(Box<[u8]>),
    /// `example.com:*`: this host with any port or none.
    AnyPort(Box<[u8]>),
    /// `*.example.com`, `*.example.com:8443`: what ends with this text, which begins with the dot, and has something before it.
    Below(Box<[u8]>),
    /// `*.example.com:*`: the same with any port or none.
    BelowAnyPort(Box<[u8]>),
}

impl HostPattern {
    /// Reads a host of a rule. The error is a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "*" {
            return Err("leave `hosts` out to say any host");
        }
        let (text, below) = match text.strip_prefix('*') {
            Some(rest) if rest.starts_with('.') => (rest, true),
            Some(_) => return Err("a `*` stands for whole names before a dot, as in *.example.com"),
            None => (text, false),
        };
        let (host, any_port) = text.strip_suffix(":*").map_or((text, false), |host| (host, true));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
        if !host.bytes().all(plain) || host.len() > MAX_HOST_LEN {
            return Err(
                "it must be a host name with a port if need be, as in example.com, example.com:8443, example.com:*, *.example.com; write names beyond ASCII in their xn-- form",
            );
        }
        let (name, port) = split_port(host.as_bytes());
        // Colons are in the brackets of an IPv6 address only.
        let is_name = match name {
            [b'[', rest @ ..] => rest.ends_with(b"]"),
            _ => !matches!(name, b"" | b".") && !name.contains(&b':'),
        };
        let is_port = match port {
            Some(port) => !any_port && std::str::from_utf8(port).is_ok_and(|port| port.parse::<u16>().is_ok()),
            None => true,
        };
        if !is_name || !is_port {
            return Err("it must be a host name, with `:` and a port number or `:*` behind it if need be");
        }
        let host = host.to_ascii_lowercase().into_bytes().into_boxed_slice();
        Ok(match (below, any_port) {
            (false, false) => Self::Exact(host),
            (false, true) => Self::AnyPort(host),
            (true, false) => Self::Below(host),
            (true, true) => Self::BelowAnyPort(host),
        })
    }
}

/// Name, and port if the text has one.
fn split_port(host: &[u8]) -> (&[u8], Option<&[u8]>) {
    let colon = host.iter().rposition(|byte| *byte == b':');
    let Some((name, port)) = colon.and_then(|at| host.split_at_checked(at)) else { return (host, None) };
    let port = port.get(1..).unwrap_or_default();
    // The colons of an IPv6 address are inside of its brackets.
    let is_port = !port.is_empty() && port.iter().all(u8::is_ascii_digit);
    if is_port && (!name.starts_with(b"[") || name.ends_with(b"]")) { (name, Some(port)) } else { (host, None) }
}

/// All hosts of the rules, each with the number of its paths.
#[derive(Debug, Default)]
pub struct Hosts {
    exact: Sorted,
    any_port: Sorted,
    below: Sorted,
    below_any_port: Sorted,
    /// The most dots in what follows a `*`: further to the left no request needs to be looked at.
    deepest: usize,
}

/// Texts in lower case, in order.
type Sorted = Vec<(Box<[u8]>, u32)>;

impl Hosts {
    /// From hosts that differ.
    pub fn new(hosts: impl IntoIterator<Item = (HostPattern, u32)>) -> Self {
        let mut made = Self::default();
        for (host, number) in hosts {
            let (list, text) = match host {
                HostPattern::Exact(text) => (&mut made.exact, text),
                HostPattern::AnyPort(text) => (&mut made.any_port, text),
                HostPattern::Below(text) => (&mut made.below, text),
                HostPattern::BelowAnyPort(text) => (&mut made.below_any_port, text),
            };
            if text.starts_with(b".") {
                made.deepest = made.deepest.max(text.split(|byte| *byte == b'.').count() - 1);
            }
            list.push((text, number));
        }
        for list in [&mut made.exact, &mut made.any_port, &mut made.below, &mut made.below_any_port] {
            list.sort_unstable();
        }
        made
    }

    /// Calls `found` with the number of each host of the rules that this one is.
    pub fn each(&self, host: &[u8], mut found: impl FnMut(u32)) {
        // Nearly every host comes in lower case.
        let as_is = !host.iter().any(u8::is_ascii_uppercase);
        let mut look_up = |list: &Sorted, host: &[u8]| {
            let place = list.binary_search_by(|(text, _)| if as_is { (**text).cmp(host) } else { order(text, host) });
            if let Some((_, number)) = place.ok().and_then(|place| list.get(place)) {
                found(*number);
            }
        };
        look_up(&self.exact, host);
        if self.any_port.is_empty() && self.deepest == 0 {
            return;
        }
        let (name, _) = split_port(host);
        look_up(&self.any_port, name);
        let mut dots = name.iter().enumerate().skip(1).rev().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
        for at in dots.by_ref().take(self.deepest) {
            look_up(&self.below, host.get(at..).unwrap_or_default());
            look_up(&self.below_any_port, name.get(at..).unwrap_or_default());
        }
    }
}

/// How a text in lower case stands to a host as the request writes it.
fn order(text: &[u8], host: &[u8]) -> Ordering {
    text.iter().copied().cmp(host.iter().map(u8::to_ascii_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(patterns: &[&str], host: &str) -> Vec<String> {
        let numbered = patterns.iter().zip(0..).map(|(text, number)| (HostPattern::parse(text).unwrap(), number));
        let mut numbers = Vec::new();
        Hosts::new(numbered).each(host.as_bytes(), |number| numbers.push(number));
        numbers.sort_unstable();
        numbers.into_iter().map(|number| patterns[number as usize].to_owned()).collect()
    }

    #[test]
    fn a_host_is_compared_in_lower_case_and_with_its_port() {
        let all = [
            "a.example.com",
            "a.example.com:8443",
            "a.example.com:*",
            "*.example.com",
            "*.example.com:*",
            "*.com:8443",
        ];
        for (host, expected) in [
            ("a.example.com", vec![all[0], all[2], all[3], all[4]]),
            ("A.Example.COM", vec![all[0], all[2], all[3], all[4]]),
            ("a.example.com:8443", vec![all[1], all[2], all[4], all[5]]),
            ("a.example.com:1", vec![all[2], all[4]]),
            ("b.example.com", vec![all[3], all[4]]),
            ("x.y.b.example.com", vec![all[3], all[4]]),
            ("example.com", vec![]),
            (".example.com", vec![]),
            ("xexample.com", vec![]),
            ("a.example.com.", vec![]),
            ("a.example.com:", vec![]),
            ("a.example.com:x", vec![]),
            ("u@a.example.com", vec![all[3], all[4]]),
            ("example.com:8443", vec![all[5]]),
            ("", vec![]),
        ] {
            assert_eq!(found(&all, host), expected, "{host}");
        }
        let six = ["[2001:db8::1]", "[2001:db8::1]:443", "[2001:DB8::2]:*"];
        assert_eq!(found(&six, "[2001:DB8::1]"), [six[0]]);
        assert_eq!(found(&six, "[2001:db8::1]:443"), [six[1]]);
        assert_eq!(found(&six, "[2001:db8::2]:9"), [six[2]]);
        assert_eq!(found(&six, "[2001:db8::2]"), [six[2]]);
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            "*",
            "*example.com",
            "a.*.com",
            "a.*",
            "*.",
            "*.:*",
            "a:",
            "a:x",
            "a:65536",
            "a:1:*",
            "a/b",
            "a b",
            "\u{e9}.com",
            ":80",
            "u@a",
            "[::1",
            "::1",
            "a:b:*",
            ".",
        ] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
        assert!(HostPattern::parse(&"a".repeat(256)).is_err());
    }

    proptest! {
        #[test]
        fn no_host_makes_the_search_panic(host: Vec<u8>) {
            let patterns = ["a.b", "*.b", "a:*", "*.b:*"].map(|text| HostPattern::parse(text).unwrap());
            Hosts::new(patterns.into_iter().zip(0..)).each(&host, |_| ());
        }

        #[test]
        fn hosts_are_found_as_one_by_one(
            patterns in proptest::collection::btree_set(r"(\*\.)?[ab](\.[ab]){0,2}(:[12*])?", 1..8),
            host in r"[abAB](\.[abAB]){0,4}(:[123])?",
        ) {
            let matches = |pattern: &str| {
                let host = host.to_ascii_lowercase();
                let (pattern, host) = match pattern.strip_suffix(":*") {
                    Some(pattern) => (pattern, host.split(':').next().unwrap()),
                    None => (pattern, host.as_str()),
                };
                pattern.strip_prefix('*').map_or(host == pattern, |end| host.len() > end.len() && host.ends_with(end))
            };
            let texts: Vec<&str> = patterns.iter().map(String::as_str).collect();
            let expected: Vec<&str> = texts.iter().copied().filter(|pattern| matches(pattern)).collect();
            prop_assert_eq!(found(&texts, &host), expected);
        }
    }
}
