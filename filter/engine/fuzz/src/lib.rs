//! What the fuzz targets share: a table with one good key, a request in memory, and headers as readable text.

use keyplane_contract::digest::Digest;
use keyplane_contract::id::Id;
use keyplane_contract::sync::{Account, Key, KeyState, Metadata, PageWriter, Policy, Project, Record};
use keyplane_filter_engine::headers::write_block;
use keyplane_filter_engine::host::{Host, HostFault};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// The key that may pass: of `live`, with the scope `jobs:read`. Its checksum is right.
pub const GOOD_KEY: &str = "uk_live_0000000000000000000000000000000043Jw1g";
/// One that may pass from 198.51.100.0/24 only.
pub const ELSEWHERE_KEY: &str = "uk_live_00000000000000000000000000000001ELSEWH";
/// Keys that may never pass: revoked, disabled, expired, and of a policy that has not arrived.
pub const BAD_KEYS: [&str; 4] = ["revoked", "disabled", "expired", "dangling"];
/// The table's history.
pub const EPOCH: Id = Id([9; 16]);
/// The time of every request, in milliseconds since 1970.
pub const NOW: u64 = 1_700_000_000_000;

/// The rows of a table with these keys.
pub fn rows() -> Vec<Record<'static>> {
    let good = Key { policy: 1, ..Key::of_project(1, 5, Id([1; 16]), Digest::of(GOOD_KEY.as_bytes())) };
    let other = |secret: &str, number: u8| Key {
        revision: u64::from(number) + 2,
        digest: Digest::of(secret.as_bytes()),
        id: Id([number; 16]),
        ..good
    };
    let [revoked, disabled, expired, dangling] = BAD_KEYS;
    vec![
        Record::Account(Account {
            revision: 1,
            id: Id([2; 16]),
            no: 1,
            suspended: false,
            name: "Acme",
            external_id: "org_1",
        }),
        Record::Project(Project { revision: 2, id: Id([3; 16]), no: 1, account: 1 }),
        Record::Policy(Policy {
            revision: 3,
            no: 1,
            scopes: "jobs:read",
            networks: &[],
            metadata: Metadata::from_bytes(PLAN),
        }),
        Record::Policy(Policy { revision: 4, no: 2, scopes: "jobs:read", networks: NETWORK, metadata: Metadata::NONE }),
        Record::Key(good),
        Record::Key(Key { policy: 2, ..other(ELSEWHERE_KEY, 4) }),
        Record::Key(Key { state: KeyState::Revoked, ..other(revoked, 5) }),
        Record::Key(Key { state: KeyState::Disabled, ..other(disabled, 6) }),
        Record::Key(Key { expires_at: NOW, ..other(expired, 7) }),
        Record::Key(Key { policy: 3, ..other(dangling, 8) }),
    ]
}

/// 198.51.100.0/24, as on the wire.
const NETWORK: &[u8] = &[120, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 0];
/// `plan`: `pro`.
const PLAN: &[u8] = b"\x04plan\x03\0pro";

/// These rows as the one page of a snapshot.
pub fn snapshot() -> Vec<u8> {
    let mut page = PageWriter::new(0);
    for row in rows() {
        assert_eq!(page.push(&row), Ok(true));
    }
    page.finish_last(EPOCH, 10, 6, false)
}

/// Percent-decoded once, by another hand than the engine's; a `%` that begins no escape stands for itself.
#[must_use]
pub fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let escape = text.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escape = escape.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match (text[at], escape.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// A request in memory.
#[derive(Clone)]
pub struct Request {
    pub headers: RefCell<Vec<(Vec<u8>, Vec<u8>)>>,
    /// By path.
    pub properties: BTreeMap<&'static [u8], Vec<u8>>,
    pub filter_state: RefCell<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// How many changes are still carried out; from then on each one fails.
    pub changes_left: Cell<usize>,
    /// Whether one was not.
    pub has_failed: Cell<bool>,
}

impl Request {
    /// Headers as `name: value`, one on each line. Lines that begin with `@` are none: `@source 192.0.2.7:1` is where the request comes from,
    /// and `@claim iss https://issuer` a claim of its verified token.
    pub fn from_text(text: &[u8]) -> Self {
        let (properties, headers): (Vec<&[u8]>, Vec<&[u8]>) =
            text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).partition(|line| line.starts_with(b"@"));
        let headers = headers.into_iter().map(|line| {
            // A pseudo header begins with a colon.
            let colon = line.iter().skip(1).position(|byte| *byte == b':').map_or(line.len(), |at| at + 1);
            let (name, value) = line.split_at(colon);
            let value = value.strip_prefix(b":").unwrap_or(value);
            // Hosts hand names over in lower case.
            (name.to_ascii_lowercase(), value.strip_prefix(b" ").unwrap_or(value).to_vec())
        });
        let request = Self {
            headers: RefCell::new(headers.collect()),
            properties: BTreeMap::new(),
            filter_state: RefCell::default(),
            changes_left: Cell::new(usize::MAX),
            has_failed: Cell::new(false),
        };
        request.with_properties(&properties)
    }

    fn with_properties(mut self, lines: &[&[u8]]) -> Self {
        let mut claims = Vec::new();
        for line in lines {
            if let Some(source) = line.strip_prefix(b"@source ") {
                self.properties.insert(b"source\0address", source.to_vec());
            } else if let Some(claim) = line.strip_prefix(b"@claim ") {
                let mut parts = claim.splitn(2, |byte| *byte == b' ');
                let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                claims.extend(entry(name, &field(3, value)));
            }
        }
        // Envoy answers with an empty message when there is none.
        let payload = entry(b"payload", &field(5, &claims));
        let metadata = if claims.is_empty() { Vec::new() } else { entry(b"envoy.filters.http.jwt_authn", &payload) };
        self.properties.insert(b"metadata", metadata);
        self
    }

    /// The headers as the host hands them over.
    pub fn block(&self) -> Vec<u8> {
        let headers = self.headers.borrow();
        let pairs: Vec<_> = headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        write_block(&pairs)
    }

    /// The first header of this name.
    pub fn first(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.headers.borrow().iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
    }

    fn change(&self) -> Result<(), HostFault> {
        match self.changes_left.get().checked_sub(1) {
            Some(left) => {
                self.changes_left.set(left);
                Ok(())
            }
            None => {
                self.has_failed.set(true);
                Err(HostFault)
            }
        }
    }
}

/// An entry of a map, in protobuf.
fn entry(name: &[u8], value: &[u8]) -> Vec<u8> {
    field(1, &[field(1, name), field(2, value)].concat())
}

/// A field of bytes, in protobuf.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut written = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        written.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    written.push(length as u8);
    [written, bytes.to_vec()].concat()
}

impl Host for Request {
    fn now(&self) -> Option<u64> {
        Some(NOW)
    }

    fn property(&self, path: &[u8]) -> Option<Vec<u8>> {
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
