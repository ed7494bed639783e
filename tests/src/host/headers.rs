//! A header map that behaves as Envoy's `HeaderMapImpl` does, where that decides what a filter sees.
//!
//! Names are lower case. Most duplicates stay separate entries and a plain read gives the first. But names that Envoy
//! keeps in a fixed slot ("inline headers") are joined with a comma as they arrive: two `authorization` headers reach a
//! filter as one value. A test that skipped this would prove a protection that Envoy never exercises.

/// Name and value as bytes: what arrives need not be UTF-8.
pub type Header = (Vec<u8>, Vec<u8>);

/// Names that Envoy joins: sent twice to a stock Envoy 1.40, each of these reached a filter as `a,b`, while `x-api-key`,
/// `cookie`, `range`, `forwarded` and unknown names stayed two. Its extensions register more names than the core does
/// (`authorization` is one), for the whole process, whether or not they are configured. A doubled `Host` is among them.
const INLINE: &[&str] = &[
    ":authority",
    "accept",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-type",
    "expect",
    "grpc-accept-encoding",
    "grpc-timeout",
    "if-modified-since",
    "if-none-match",
    "origin",
    "pragma",
    "proxy-status",
    "referer",
    "user-agent",
    "via",
    "x-client-trace-id",
    "x-envoy-external-address",
    "x-envoy-original-path",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
];

/// Headers of one request, response or callout answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderMap(Vec<Header>);

impl HeaderMap {
    /// The map Envoy makes of these headers when they arrive, in order.
    pub fn received<N: AsRef<[u8]>, V: AsRef<[u8]>>(headers: &[(N, V)]) -> Self {
        let mut map = Self::default();
        for (name, value) in headers {
            map.add(name.as_ref(), value.as_ref());
        }
        map
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All entries in order.
    pub fn entries(&self) -> &[Header] {
        &self.0
    }

    /// The first value of a name, in any case of letters.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = name.as_ref().to_ascii_lowercase();
        self.0.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_slice())
    }

    /// Every value of a name, in order.
    pub fn get_all(&self, name: impl AsRef<[u8]>) -> Vec<&[u8]> {
        let name = name.as_ref().to_ascii_lowercase();
        self.0.iter().filter(|(n, _)| *n == name).map(|(_, v)| v.as_slice()).collect()
    }

    /// Adds an entry; joins it to the one there when Envoy keeps this name in one slot.
    pub fn add(&mut self, name: &[u8], value: &[u8]) {
        let name = name.to_ascii_lowercase();
        let inline = INLINE.iter().any(|i| i.as_bytes() == name);
        if let Some((_, there)) = self.0.iter_mut().find(|(n, _)| inline && *n == name) {
            if !there.is_empty() && !value.is_empty() {
                there.push(b',');
            }
            there.extend_from_slice(value);
            return;
        }
        self.0.push((name, value.to_vec()));
    }

    /// Removes every entry of the name.
    pub fn remove(&mut self, name: &[u8]) {
        let name = name.to_ascii_lowercase();
        self.0.retain(|(n, _)| *n != name);
    }

    /// Removes every entry of the name, then adds this one at the end.
    pub fn replace(&mut self, name: &[u8], value: &[u8]) {
        self.remove(name);
        self.add(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::HeaderMap;

    #[test]
    fn a_doubled_authorization_is_joined_and_a_doubled_api_key_is_not() {
        let map = HeaderMap::received(&[
            ("Authorization", "Bearer a"),
            ("X-API-Key", "one"),
            ("authorization", "Bearer b"),
            ("x-api-key", "two"),
        ]);
        assert_eq!(map.get_all("authorization"), [b"Bearer a,Bearer b"]);
        assert_eq!(map.get_all("x-api-key"), [b"one", b"two"]);
        assert_eq!(map.get("X-Api-Key"), Some(&b"one"[..]));
    }

    #[test]
    fn replace_and_remove_take_every_duplicate() {
        let mut map = HeaderMap::received(&[("a", "1"), ("b", "2"), ("A", "3")]);
        map.replace(b"A", b"4");
        assert_eq!(map.get_all("a"), [b"4"]);
        map.remove(b"a");
        assert_eq!(map.entries(), [(b"b".to_vec(), b"2".to_vec())]);
    }
}
