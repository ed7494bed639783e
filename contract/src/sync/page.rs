//! A page: a stretch of the feed, `after < revision <= until`, in ascending order of revision.
//!
//! ```text
//!  at  size
//!   0   4   magic "KPSY"
//!   4   1   version
//!   5   1   flags: bit 0 last, bit 1 shrink allowed
//!   6   2   length of this header (64); a longer one is stepped over
//!   8  16   epoch
//!  24   8   after
//!  32   8   until
//!  40   8   head: the control plane's revision when the page was made
//!  48   8   live: rows of the key table at `head`; meaningful on the last page
//!  56   4   number of records
//!  60   4   length of the records in bytes
//!  64   ..  records
//!  ..   4   CRC-32 over all before it
//! ```

use super::bytes::{Reader, open, put, seal};
use super::record::Record;
use super::{MAX_BYTES, SyncError, VERSION};
use crate::id::Id;

const MAGIC: [u8; 4] = *b"KPSY";
const HEADER_LEN: u16 = 64;
const FLAG_LAST: u8 = 1;
const FLAG_SHRINK_ALLOWED: u8 = 2;
const CHECKSUM_LEN: usize = 4;

/// What a page says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageHeader {
    /// Which revision history this is. Another epoch than the reader's starts over from 0.
    pub epoch: Id,
    /// The revision that the page follows; 0 for the first page of a snapshot.
    pub after: u64,
    /// The reader's revision once it has applied the page.
    pub until: u64,
    /// The control plane's revision when the page was made.
    pub head: u64,
    /// Rows that the key table has at `head`.
    pub live: u64,
    /// Whether `until` is `head`: the catch-up is complete and `live` can be proven.
    pub last: bool,
    /// Whether the control plane vouches for a table that is much smaller than before.
    pub shrink_allowed: bool,
}

/// A page whose checksum and header were found right. The records are checked one by one as they are read.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// What the page says about itself.
    pub header: PageHeader,
    count: u32,
    records: &'a [u8],
}

impl<'a> Page<'a> {
    /// Reads a page. Trailing bytes, a wrong checksum or a header that contradicts itself refuse it whole.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, SyncError> {
        let mut reader = open(bytes, MAGIC)?;
        let flags = reader.u8()?;
        let header_len = reader.u16()?;
        let epoch = Id(reader.array()?);
        let (after, until, head, live) = (reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?);
        let count = reader.u32()?;
        let length = usize::try_from(reader.u32()?).map_err(|_| SyncError::Length)?;
        reader.take(usize::from(header_len.checked_sub(HEADER_LEN).ok_or(SyncError::Header)?))?;
        let records = reader.take(length)?;
        if !reader.is_empty() {
            return Err(SyncError::Length);
        }
        let last = flags & FLAG_LAST != 0;
        if after > until || until > head || last != (until == head) {
            return Err(SyncError::Header);
        }
        let shrink_allowed = flags & FLAG_SHRINK_ALLOWED != 0;
        let header = PageHeader { epoch, after, until, head, live, last, shrink_allowed };
        Ok(Self { header, count, records })
    }

    /// The records in order. After the first error there is nothing more.
    #[must_use]
    pub fn records(&self) -> Records<'a> {
        Records {
            reader: Reader::new(self.records),
            left: self.count,
            revision: self.header.after,
            until: self.header.until,
        }
    }

    /// Reads every record once without applying any: a page is applied whole or not at all.
    pub fn verify(&self) -> Result<(), SyncError> {
        self.records().try_for_each(|record| record.map(|_| ()))
    }
}

/// Iterator over the records of a page, checking count, order and bounds as it goes.
#[derive(Clone)]
pub struct Records<'a> {
    reader: Reader<'a>,
    left: u32,
    revision: u64,
    until: u64,
}

impl<'a> Records<'a> {
    fn read(&mut self) -> Result<Option<Record<'a>>, SyncError> {
        let kind = self.reader.u8()?;
        self.reader.u8()?;
        let record = Record::decode(kind, self.reader.prefixed()?)?;
        if let Some(record) = &record {
            if record.revision() <= self.revision || record.revision() > self.until {
                return Err(SyncError::Header);
            }
            self.revision = record.revision();
        }
        Ok(record)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, SyncError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.left == 0 {
                let rest = !self.reader.is_empty();
                self.reader = Reader::new(&[]);
                return rest.then_some(Err(SyncError::Length));
            }
            self.left -= 1;
            match self.read() {
                Ok(Some(record)) => return Some(Ok(record)),
                Ok(None) => {}
                Err(error) => {
                    self.left = 0;
                    self.reader = Reader::new(&[]);
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Collects records into a page of at most [`MAX_BYTES`].
pub struct PageWriter {
    bytes: Vec<u8>,
    after: u64,
    until: u64,
    count: u32,
}

impl PageWriter {
    /// An empty page that follows revision `after`.
    #[must_use]
    pub fn new(after: u64) -> Self {
        Self { bytes: vec![0; usize::from(HEADER_LEN)], after, until: after, count: 0 }
    }

    /// Appends `record`, whose revision is above all before it. `Ok(false)`: the page is full and the record was not taken.
    pub fn push(&mut self, record: &Record<'_>) -> Result<bool, SyncError> {
        if record.revision() <= self.until {
            return Err(SyncError::Header);
        }
        let start = self.bytes.len();
        record.encode(&mut self.bytes)?;
        if self.bytes.len() + CHECKSUM_LEN > MAX_BYTES {
            self.bytes.truncate(start);
            return Ok(false);
        }
        self.until = record.revision();
        self.count += 1;
        Ok(true)
    }

    /// Whether no record was taken yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Revision of the last record taken, or `after`; or what it was said to reach.
    #[must_use]
    pub fn until(&self) -> u64 {
        self.until
    }

    /// Ends the page at `until`, if its last record is before: nothing in between belongs to it.
    pub fn reach(&mut self, until: u64) {
        self.until = self.until.max(until);
    }

    /// Finishes a page after which more follow. `head` must be above the last record's revision.
    #[must_use]
    pub fn finish_more(self, epoch: Id, head: u64) -> Vec<u8> {
        let until = self.until;
        self.finish(epoch, until, head, 0, 0)
    }

    /// Finishes the last page of a catch-up: afterwards the reader is at `head` with `live` rows in its key table.
    #[must_use]
    pub fn finish_last(self, epoch: Id, head: u64, live: u64, shrink_allowed: bool) -> Vec<u8> {
        let flags = FLAG_LAST | if shrink_allowed { FLAG_SHRINK_ALLOWED } else { 0 };
        self.finish(epoch, head, head, live, flags)
    }

    fn finish(mut self, epoch: Id, until: u64, head: u64, live: u64, flags: u8) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len() - usize::from(HEADER_LEN)).unwrap_or(u32::MAX);
        let header = &mut self.bytes;
        put(header, 0, &MAGIC);
        put(header, 4, &[VERSION, flags]);
        put(header, 6, &HEADER_LEN.to_le_bytes());
        put(header, 8, &epoch.0);
        put(header, 24, &self.after.to_le_bytes());
        put(header, 32, &until.to_le_bytes());
        put(header, 40, &head.to_le_bytes());
        put(header, 48, &live.to_le_bytes());
        put(header, 56, &self.count.to_le_bytes());
        put(header, 60, &length.to_le_bytes());
        seal(self.bytes)
    }
}
