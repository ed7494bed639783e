//! The bytes of sync: pages of changed rows from the control plane, batches of usage from the workers.
//!
//! One idea carries it: every synced row has the revision of its last change, and the feed is "rows with a revision
//! after R, in order". A [`page`] is a stretch of that feed; a snapshot is the feed after 0. All numbers are
//! little-endian. Both formats are versioned, end in a CRC-32 (ISO-HDLC) over all before it, and carry
//! length-prefixed records, so that an old reader can step over what it does not know:
//!
//! * a longer payload than the reader knows: the known fields are read, the rest is ignored;
//! * an unknown record kind from [`IGNORABLE_KINDS`] on: the record is stepped over;
//! * an unknown record kind below it: the page is refused, because its meaning could be a restriction;
//! * an unknown bit of a key's critical flags: the key is refused, for the same reason.
//!
//! The checksum finds accidents. Who may speak is settled by the proxy token and TLS, not here.

mod bytes;
pub mod metadata;
pub mod page;
pub mod record;
pub mod usage;

pub use metadata::Metadata;
pub use page::{Page, PageHeader, PageWriter};
pub use record::{Account, Environment, Gone, Key, KeyState, Policy, Project, Record, User};
pub use usage::{SourceUsage, SourcesRecord, UsageBatch, UsageRecord, UsageWriter};

/// The format's version. A reader refuses another.
pub const VERSION: u8 = 1;

/// Record kinds from this number on may be stepped over by a reader that does not know them.
pub const IGNORABLE_KINDS: u8 = 0x80;

/// The largest page or batch, checksum included, in bytes: one step of a worker stays short.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Why bytes are no page or batch. A page that fails is discarded whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncError {
    /// Ends before it should, or is longer than it says.
    Length,
    /// Does not begin with the magic bytes of its kind.
    Magic,
    /// A version that this reader does not know.
    Version(u8),
    /// The checksum does not fit.
    Checksum,
    /// A record of a kind that must not be stepped over.
    Kind(u8),
    /// A record whose payload is too short or has a value outside its range.
    Record {
        /// The record's kind.
        kind: u8,
    },
    /// The header contradicts itself or its records.
    Header,
}

impl core::fmt::Display for SyncError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length => f.write_str("the length does not fit"),
            Self::Magic => f.write_str("the magic bytes are missing"),
            Self::Version(version) => write!(f, "version {version} is not known here"),
            Self::Checksum => f.write_str("the checksum does not fit"),
            Self::Kind(kind) => write!(f, "record kind {kind} is not known here and may not be ignored"),
            Self::Record { kind } => write!(f, "a record of kind {kind} is malformed"),
            Self::Header => f.write_str("the header contradicts itself"),
        }
    }
}

impl core::error::Error for SyncError {}
