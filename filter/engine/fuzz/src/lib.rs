//! What the fuzz targets share: a table with one good key, a request in memory, and headers as readable text.

use keyplane_contract::digest::Digest;
use keyplane_contract::id::Id;
use keyplane_contract::sync::{Account, Environment, Key, KeyState, PageWriter, Project, Record};
use keyplane_filter_engine::headers::write_block;
use keyplane_filter_engine::host::{Host, HostFault};
use std::cell::RefCell;

/// The one key that may pass. Its checksum is right.
pub const GOOD_KEY: &str = "uk_live_0000000000000000000000000000000043Jw1g";
/// The table's history.
pub const EPOCH: Id = Id([9; 16]);

/// The rows of a table with [`GOOD_KEY`] in it.
pub fn rows() -> [Record<'static>; 3] {
    let key = Key {
        revision: 3,
        digest: Digest::of(GOOD_KEY.as_bytes()),
        id: Id([1; 16]),
        project: 1,
        user: 0,
        policy: 0,
        expires_at: 0,
        environment: Environment::Live,
        state: KeyState::Active,
        flags: 0,
    };
    [
        Record::Account(Account { revision: 1, id: Id([2; 16]), no: 1, suspended: false }),
        Record::Project(Project { revision: 2, id: Id([3; 16]), no: 1, account: 1 }),
        Record::Key(key),
    ]
}

/// These rows as the one page of a snapshot.
pub fn snapshot() -> Vec<u8> {
    let mut page = PageWriter::new(0);
    for row in rows() {
        assert_eq!(page.push(&row), Ok(true));
    }
    page.finish_last(EPOCH, 3, 1, false)
}

/// A request in memory.
pub struct Request {
    pub headers: RefCell<Vec<(Vec<u8>, Vec<u8>)>>,
    /// What every property answers.
    pub property: Option<Vec<u8>>,
}

impl Request {
    /// Headers as `name: value`, one on each line.
    pub fn from_text(text: &[u8]) -> Self {
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let headers = lines.map(|line| {
            // A pseudo header begins with a colon.
            let colon = line.iter().skip(1).position(|byte| *byte == b':').map_or(line.len(), |at| at + 1);
            let (name, value) = line.split_at(colon);
            let value = value.strip_prefix(b":").unwrap_or(value);
            // Hosts hand names over in lower case.
            (name.to_ascii_lowercase(), value.strip_prefix(b" ").unwrap_or(value).to_vec())
        });
        Self { headers: RefCell::new(headers.collect()), property: None }
    }

    /// The headers as the host hands them over.
    pub fn block(&self) -> Vec<u8> {
        let headers = self.headers.borrow();
        let pairs: Vec<_> = headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        write_block(&pairs)
    }
}

impl Host for Request {
    fn now(&self) -> Option<u64> {
        Some(1_700_000_000_000)
    }

    fn property(&self, _path: &[u8]) -> Option<Vec<u8>> {
        self.property.clone()
    }

    fn remove_header(&self, name: &[u8]) -> Result<(), HostFault> {
        self.headers.borrow_mut().retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        Ok(())
    }

    fn add_header(&self, name: &[u8], value: &[u8]) -> Result<(), HostFault> {
        self.headers.borrow_mut().push((name.to_vec(), value.to_vec()));
        Ok(())
    }

    fn replace_header(&self, name: &[u8], value: &[u8]) -> Result<(), HostFault> {
        self.remove_header(name)?;
        self.add_header(name, value)
    }

    fn set_filter_state(&self, _name: &[u8], _value: &[u8]) -> Result<(), HostFault> {
        Ok(())
    }
}
