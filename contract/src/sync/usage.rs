//! A batch of usage from one worker: how often each key was allowed or refused, and when it was last seen.
//!
//! ```text
//!  at  size
//!   0   4   magic "KPUS"
//!   4   1   version
//!   5   3   reserved, 0
//!   8  16   worker
//!  24   8   sequence: 1, 2, 3, ... of this worker; the same batch is sent again until it is answered
//!  32   4   number of records
//!  36   ..  records: kind u8 (1 or 129), reserved u8, length u16, payload
//!  ..   4   CRC-32 over all before it
//!
//! payload of kind 1:    key id 16 · last seen u64 (ms since 1970 UTC) · n u8 · n times: reason u8, count u32
//! payload of kind 129:  key id 16 · n u8 · n times: address 16 (IPv6, or IPv4 mapped into it), count u32, last seen u64
//! ```
//!
//! The control plane remembers each worker's last sequence, so that a batch whose answer was lost counts once.
//!
//! Kind 129 tells where a key was used from, and only for keys with [`Key::REPORT_SOURCES`](super::Key::REPORT_SOURCES). A control plane that does not
//! know it steps over it.

use super::bytes::{Reader, open, put, seal};
use super::{IGNORABLE_KINDS, MAX_BYTES, SyncError, VERSION};
use crate::code::Reason;
use crate::id::Id;

const MAGIC: [u8; 4] = *b"KPUS";
const HEADER_LEN: usize = 36;
const KIND_KEY_USAGE: u8 = 1;
const KIND_KEY_SOURCES: u8 = IGNORABLE_KINDS + 1;
const COUNT_AT: usize = 32;

/// Usage of one key since the worker's last batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageRecord {
    /// The key's id.
    pub key: Id,
    /// The last request, in milliseconds since 1970 UTC by the proxy's clock.
    pub last_seen: u64,
    /// Counts by reason; a reason that this version does not know is left out.
    pub counts: Vec<(Reason, u32)>,
}

/// Requests with one key from one source address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourceUsage {
    /// The address as IPv6, IPv4 as `::ffff:a.b.c.d`; [`SourceUsage::OTHER`] for what has none of its own.
    pub address: [u8; 16],
    /// Requests, whatever became of them.
    pub count: u32,
    /// The last of them, in milliseconds since 1970 UTC by the proxy's clock.
    pub last_seen: u64,
}

impl SourceUsage {
    /// Stands for all sources that are not told one by one: the proxy did not know the address (a pipe, say), or had no room for
    /// more. `::` is nobody's address.
    pub const OTHER: [u8; 16] = [0; 16];
}

/// Where one key was used from since the worker's last batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourcesRecord {
    /// The key's id.
    pub key: Id,
    /// Requests by source, each address once.
    pub sources: Vec<SourceUsage>,
}

/// A decoded batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageBatch {
    /// Which worker sent it.
    pub worker: Id,
    /// Its place in the worker's sequence, from 1.
    pub sequence: u64,
    /// One record a key.
    pub records: Vec<UsageRecord>,
    /// One record a key whose sources are reported.
    pub sources: Vec<SourcesRecord>,
}

impl UsageBatch {
    /// Reads a batch; refused whole on any error.
    pub fn decode(bytes: &[u8]) -> Result<Self, SyncError> {
        let mut reader = open(bytes, MAGIC)?;
        reader.take(3)?;
        let worker = Id(reader.array()?);
        let sequence = reader.u64()?;
        if sequence == 0 {
            return Err(SyncError::Header);
        }
        let count = reader.u32()?;
        let (mut records, mut sources) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let kind = reader.u8()?;
            reader.u8()?;
            let payload = reader.prefixed()?;
            match kind {
                KIND_KEY_USAGE => {
                    records.push(decode_record(payload).map_err(|_| SyncError::Record { kind })?);
                }
                KIND_KEY_SOURCES => {
                    sources.push(decode_sources(payload).map_err(|_| SyncError::Record { kind })?);
                }
                IGNORABLE_KINDS.. => {}
                _ => return Err(SyncError::Kind(kind)),
            }
        }
        if reader.is_empty() { Ok(Self { worker, sequence, records, sources }) } else { Err(SyncError::Length) }
    }
}

fn decode_record(payload: &[u8]) -> Result<UsageRecord, SyncError> {
    let mut reader = Reader::new(payload);
    let (key, last_seen) = (Id(reader.array()?), reader.u64()?);
    let mut counts = Vec::new();
    for _ in 0..reader.u8()? {
        let (reason, count) = (reader.u8()?, reader.u32()?);
        if let Some(reason) = Reason::from_number(reason) {
            counts.push((reason, count));
        }
    }
    Ok(UsageRecord { key, last_seen, counts })
}

fn decode_sources(payload: &[u8]) -> Result<SourcesRecord, SyncError> {
    let mut reader = Reader::new(payload);
    let key = Id(reader.array()?);
    let mut sources = Vec::new();
    for _ in 0..reader.u8()? {
        sources.push(SourceUsage { address: reader.array()?, count: reader.u32()?, last_seen: reader.u64()? });
    }
    Ok(SourcesRecord { key, sources })
}

/// Collects records into a batch of at most [`MAX_BYTES`].
pub struct UsageWriter {
    bytes: Vec<u8>,
    count: u32,
}

impl UsageWriter {
    /// An empty batch.
    #[must_use]
    pub fn new(worker: Id, sequence: u64) -> Self {
        let mut bytes = vec![0; HEADER_LEN];
        put(&mut bytes, 0, &MAGIC);
        put(&mut bytes, 4, &[VERSION]);
        put(&mut bytes, 8, &worker.0);
        put(&mut bytes, 24, &sequence.to_le_bytes());
        Self { bytes, count: 0 }
    }

    /// Appends a record. `false`: the batch is full and the record was not taken.
    #[must_use = "a record that was not taken belongs in the next batch"]
    pub fn push(&mut self, key: Id, last_seen: u64, counts: impl IntoIterator<Item = (Reason, u32)>) -> bool {
        let start = self.begin(KIND_KEY_USAGE, key);
        self.bytes.extend_from_slice(&last_seen.to_le_bytes());
        let at = self.bytes.len();
        self.bytes.push(0);
        let mut reasons = 0_u8;
        for (reason, count) in counts {
            self.bytes.push(reason as u8);
            self.bytes.extend_from_slice(&count.to_le_bytes());
            reasons += 1;
        }
        put(&mut self.bytes, at, &[reasons]);
        self.end(start)
    }

    /// Appends where a key was used from, at most 255 sources. `false`: the batch is full and the record was not taken.
    #[must_use = "a record that was not taken belongs in the next batch"]
    pub fn push_sources(&mut self, key: Id, sources: impl IntoIterator<Item = SourceUsage>) -> bool {
        let start = self.begin(KIND_KEY_SOURCES, key);
        let at = self.bytes.len();
        self.bytes.push(0);
        let mut number = 0_u8;
        for source in sources.into_iter().take(usize::from(u8::MAX)) {
            self.bytes.extend_from_slice(&source.address);
            self.bytes.extend_from_slice(&source.count.to_le_bytes());
            self.bytes.extend_from_slice(&source.last_seen.to_le_bytes());
            number += 1;
        }
        put(&mut self.bytes, at, &[number]);
        self.end(start)
    }

    /// Opens a record; gives where it starts.
    fn begin(&mut self, kind: u8, key: Id) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[kind, 0, 0, 0]);
        self.bytes.extend_from_slice(&key.0);
        start
    }

    /// Closes the record that starts here, or takes it back if it does not fit.
    fn end(&mut self, start: usize) -> bool {
        if self.bytes.len() + 4 > MAX_BYTES {
            self.bytes.truncate(start);
            return false;
        }
        let length = u16::try_from(self.bytes.len() - start - 4).unwrap_or(u16::MAX);
        put(&mut self.bytes, start + 2, &length.to_le_bytes());
        self.count += 1;
        true
    }

    /// Whether no record was taken yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The finished bytes.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        put(&mut self.bytes, COUNT_AT, &self.count.to_le_bytes());
        seal(self.bytes)
    }
}
