//! Reading and writing little-endian fields without an index that could be out of range.

use super::{MAX_BYTES, SyncError, VERSION};

/// Takes fields from the front of a slice; every read that goes past the end is an error.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What is left.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], SyncError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(SyncError::Length)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], SyncError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(SyncError::Length)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, SyncError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, SyncError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, SyncError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, SyncError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Bytes behind their length as u16: a record's payload, a text.
    pub(super) fn prefixed(&mut self) -> Result<&'a [u8], SyncError> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }
}

/// Opens a message: `magic`, version, ..., CRC-32. What is read next follows on the version.
pub(super) fn open(bytes: &[u8], magic: [u8; 4]) -> Result<Reader<'_>, SyncError> {
    if *bytes.first_chunk().ok_or(SyncError::Length)? != magic {
        return Err(SyncError::Magic);
    }
    if bytes.len() > MAX_BYTES {
        return Err(SyncError::Length);
    }
    let (body, checksum) = bytes.split_last_chunk::<4>().ok_or(SyncError::Length)?;
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return Err(SyncError::Checksum);
    }
    let mut reader = Reader::new(body);
    reader.take(magic.len())?;
    match reader.u8()? {
        VERSION => Ok(reader),
        version => Err(SyncError::Version(version)),
    }
}

/// Appends the CRC-32 of all bytes so far.
pub(super) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Overwrites `bytes[at..]` with `field`. The writers reserve the place first, so it is always there.
pub(super) fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + field.len()) {
        place.copy_from_slice(field);
    }
}
