//! One changed row: `kind: u8, reserved: u8, length: u16, payload`. Every payload begins with the row's revision.
//!
//! Rows refer to each other by a small number (`no`) that the control plane gives out and never reuses, because a
//! million keys would otherwise repeat the 16-byte ids of a few projects. A row may arrive before the row it
//! refers to; a key whose project or account is not there yet is refused until it is.

use super::SyncError;
use super::bytes::Reader;
use super::metadata::Metadata;
use crate::digest::Digest;
use crate::id::Id;

/// Kind numbers of the records.
pub mod kind {
    /// [`super::Key`]
    pub const KEY: u8 = 1;
    /// [`super::Gone`]
    pub const GONE: u8 = 2;
    /// [`super::Account`]
    pub const ACCOUNT: u8 = 3;
    /// [`super::Project`]
    pub const PROJECT: u8 = 4;
    /// [`super::User`]
    pub const USER: u8 = 5;
    /// [`super::Policy`]
    pub const POLICY: u8 = 6;
}

/// Where a key is meant to be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Environment {
    /// Production: counts against quotas.
    Live = 1,
    /// Development and CI: never counts.
    Test = 2,
}

impl Environment {
    /// `live` or `test`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }

    /// Reads the number of the wire.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Live),
            2 => Some(Self::Test),
            _ => None,
        }
    }
}

/// Whether a key may be used. Expiry is a time, not a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum KeyState {
    /// May be used.
    Active = 1,
    /// Switched off; may be switched on again.
    Disabled = 2,
    /// Revoked for good.
    Revoked = 3,
}

impl KeyState {
    /// Reads the number of the wire.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Active),
            2 => Some(Self::Disabled),
            3 => Some(Self::Revoked),
            _ => None,
        }
    }
}

/// A key, new or changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// Revision of the key's last change.
    pub revision: u64,
    /// What a credential is looked up by.
    pub digest: Digest,
    /// The key's id.
    pub id: Id,
    /// Number of its project; 0 for a personal access token.
    pub project: u32,
    /// Number of its user; 0 for a project's key.
    pub user: u32,
    /// Number of its policy; 0 for none.
    pub policy: u32,
    /// End of its life in milliseconds since 1970 UTC; 0 for never.
    pub expires_at: u64,
    /// `live` or `test`.
    pub environment: Environment,
    /// Whether it may be used.
    pub state: KeyState,
    /// Bits 0-7 inform; bits 8-15 are critical: a filter that does not know one that is set refuses the key.
    pub flags: u16,
}

impl Key {
    /// The critical half of [`Key::flags`]. This version knows none of them.
    pub const CRITICAL_FLAGS: u16 = 0xff00;
    /// Proxies report from which source addresses the key is used. It only informs: a filter that does not know it reports none.
    pub const REPORT_SOURCES: u16 = 0x0001;

    /// A project's key as most are: live and active, without a policy or an end.
    #[must_use]
    pub const fn of_project(project: u32, revision: u64, id: Id, digest: Digest) -> Self {
        Self {
            revision,
            digest,
            id,
            project,
            user: 0,
            policy: 0,
            expires_at: 0,
            environment: Environment::Live,
            state: KeyState::Active,
            flags: 0,
        }
    }
}

/// A key that has left the table for good: a revoked key past its retention.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gone {
    /// Revision of the removal.
    pub revision: u64,
    /// The digest that goes.
    pub digest: Digest,
}

/// An account, new or changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Account<'a> {
    /// Revision of the account's last synced change.
    pub revision: u64,
    /// The account's id.
    pub id: Id,
    /// Its number.
    pub no: u32,
    /// Whether its keys are switched off together.
    pub suspended: bool,
    /// Its name; empty when an older control plane does not tell it.
    pub name: &'a str,
    /// What another system calls it; empty for none.
    pub external_id: &'a str,
}

/// A project, new or changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Project {
    /// Revision of the project's last synced change.
    pub revision: u64,
    /// The project's id.
    pub id: Id,
    /// Its number.
    pub no: u32,
    /// Number of its account.
    pub account: u32,
}

/// A user, new or changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct User {
    /// Revision of the user's last synced change.
    pub revision: u64,
    /// The user's id.
    pub id: Id,
    /// Its number.
    pub no: u32,
    /// Number of its account.
    pub account: u32,
}

/// What many keys share: scopes, networks and chosen metadata. Policies are never changed, only added: keys point to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy<'a> {
    /// Revision of its creation.
    pub revision: u64,
    /// Its number.
    pub no: u32,
    /// Scopes joined by single spaces; empty for none.
    pub scopes: &'a str,
    /// Networks that may use the key, [`Policy::NETWORK_LEN`] bytes each; empty for all.
    pub networks: &'a [u8],
    /// Those pairs of the keys' metadata that the operator chose to tell proxies.
    pub metadata: Metadata<'a>,
}

impl Policy<'_> {
    /// Bytes of a network: prefix length, then the address as IPv6 (IPv4 as `::ffff:a.b.c.d`, its prefix plus 96).
    pub const NETWORK_LEN: usize = crate::network::NETWORK_LEN;
}

/// A record of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record<'a> {
    /// Kind 1.
    Key(Key),
    /// Kind 2.
    Gone(Gone),
    /// Kind 3.
    Account(Account<'a>),
    /// Kind 4.
    Project(Project),
    /// Kind 5.
    User(User),
    /// Kind 6.
    Policy(Policy<'a>),
}

impl<'a> Record<'a> {
    /// Revision of the change.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        match self {
            Self::Key(row) => row.revision,
            Self::Gone(row) => row.revision,
            Self::Account(row) => row.revision,
            Self::Project(row) => row.revision,
            Self::User(row) => row.revision,
            Self::Policy(row) => row.revision,
        }
    }

    /// Appends the record to `bytes`. One too long for its length field (64 KiB) is an error and appends nothing.
    pub fn encode(&self, bytes: &mut Vec<u8>) -> Result<(), SyncError> {
        let start = bytes.len();
        let kind = match self {
            Self::Key(_) => kind::KEY,
            Self::Gone(_) => kind::GONE,
            Self::Account(_) => kind::ACCOUNT,
            Self::Project(_) => kind::PROJECT,
            Self::User(_) => kind::USER,
            Self::Policy(_) => kind::POLICY,
        };
        bytes.extend_from_slice(&[kind, 0, 0, 0]);
        bytes.extend_from_slice(&self.revision().to_le_bytes());
        match self {
            Self::Key(key) => {
                bytes.extend_from_slice(key.digest.as_bytes());
                bytes.extend_from_slice(&key.id.0);
                bytes.extend_from_slice(&key.project.to_le_bytes());
                bytes.extend_from_slice(&key.user.to_le_bytes());
                bytes.extend_from_slice(&key.policy.to_le_bytes());
                bytes.extend_from_slice(&key.expires_at.to_le_bytes());
                bytes.extend_from_slice(&[key.environment as u8, key.state as u8]);
                bytes.extend_from_slice(&key.flags.to_le_bytes());
            }
            Self::Gone(gone) => bytes.extend_from_slice(gone.digest.as_bytes()),
            Self::Account(account) => {
                bytes.extend_from_slice(&account.id.0);
                bytes.extend_from_slice(&account.no.to_le_bytes());
                bytes.push(if account.suspended { 2 } else { 1 });
                encode_prefixed(bytes, account.name.as_bytes());
                encode_prefixed(bytes, account.external_id.as_bytes());
            }
            Self::Project(project) => encode_owned(bytes, project.id, project.no, project.account),
            Self::User(user) => encode_owned(bytes, user.id, user.no, user.account),
            Self::Policy(policy) => {
                bytes.extend_from_slice(&policy.no.to_le_bytes());
                encode_prefixed(bytes, policy.scopes.as_bytes());
                let (networks, _) = policy.networks.as_chunks::<{ Policy::NETWORK_LEN }>();
                encode_number(bytes, networks.len());
                bytes.extend_from_slice(networks.as_flattened());
                encode_number(bytes, policy.metadata.iter().count());
                bytes.extend_from_slice(policy.metadata.as_bytes());
            }
        }
        let Ok(length) = u16::try_from(bytes.len() - start - 4) else {
            bytes.truncate(start);
            return Err(SyncError::Record { kind });
        };
        super::bytes::put(bytes, start + 2, &length.to_le_bytes());
        Ok(())
    }

    /// Reads a payload; `Ok(None)` for an unknown kind that may be stepped over.
    pub(super) fn decode(kind: u8, payload: &'a [u8]) -> Result<Option<Self>, SyncError> {
        let malformed = |_| SyncError::Record { kind };
        let record = match kind {
            kind::KEY => Self::Key(decode_key(payload)?),
            kind::GONE => Self::Gone(decode_gone(payload).map_err(malformed)?),
            kind::ACCOUNT => Self::Account(decode_account(payload).map_err(malformed)?),
            kind::PROJECT => {
                let (revision, id, no, account) = decode_owned(payload).map_err(malformed)?;
                Self::Project(Project { revision, id, no, account })
            }
            kind::USER => {
                let (revision, id, no, account) = decode_owned(payload).map_err(malformed)?;
                Self::User(User { revision, id, no, account })
            }
            kind::POLICY => Self::Policy(decode_policy(payload).map_err(malformed)?),
            super::IGNORABLE_KINDS.. => return Ok(None),
            _ => return Err(SyncError::Kind(kind)),
        };
        Ok(Some(record))
    }
}

/// A length or a count. What is too much for it makes the record too long as well, which is found in the end.
fn encode_number(bytes: &mut Vec<u8>, number: usize) {
    bytes.extend_from_slice(&u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes());
}

fn encode_prefixed(bytes: &mut Vec<u8>, field: &[u8]) {
    encode_number(bytes, field.len());
    bytes.extend_from_slice(field);
}

fn encode_owned(bytes: &mut Vec<u8>, id: Id, no: u32, account: u32) {
    bytes.extend_from_slice(&id.0);
    bytes.extend_from_slice(&no.to_le_bytes());
    bytes.extend_from_slice(&account.to_le_bytes());
}

fn decode_owned(payload: &[u8]) -> Result<(u64, Id, u32, u32), SyncError> {
    let mut reader = Reader::new(payload);
    Ok((reader.u64()?, Id(reader.array()?), reader.u32()?, reader.u32()?))
}

fn decode_key(payload: &[u8]) -> Result<Key, SyncError> {
    let malformed = SyncError::Record { kind: kind::KEY };
    // One bounds check for the whole row: a million of them are read on a start.
    let row: &[u8; 80] = payload.first_chunk().ok_or(malformed)?;
    let mut reader = Reader::new(row);
    Ok(Key {
        revision: reader.u64()?,
        digest: Digest::from_bytes(reader.array()?),
        id: Id(reader.array()?),
        project: reader.u32()?,
        user: reader.u32()?,
        policy: reader.u32()?,
        expires_at: reader.u64()?,
        environment: Environment::from_number(reader.u8()?).ok_or(malformed)?,
        state: KeyState::from_number(reader.u8()?).ok_or(malformed)?,
        flags: reader.u16()?,
    })
}

fn decode_gone(payload: &[u8]) -> Result<Gone, SyncError> {
    let mut reader = Reader::new(payload);
    Ok(Gone { revision: reader.u64()?, digest: Digest::from_bytes(reader.array()?) })
}

fn decode_account(payload: &[u8]) -> Result<Account<'_>, SyncError> {
    let (row, rest) = payload.split_first_chunk::<29>().ok_or(SyncError::Length)?;
    let mut reader = Reader::new(row);
    let (revision, id, no) = (reader.u64()?, Id(reader.array()?), reader.u32()?);
    let suspended = match reader.u8()? {
        1 => false,
        2 => true,
        _ => return Err(SyncError::Length),
    };
    let mut rest = Reader::new(rest);
    let (name, external_id) = (decode_text(&mut rest)?, decode_text(&mut rest)?);
    Ok(Account { revision, id, no, suspended, name, external_id })
}

/// A text that the first writers of version 1 did not append: empty where the payload ends before it.
fn decode_text<'a>(reader: &mut Reader<'a>) -> Result<&'a str, SyncError> {
    if reader.is_empty() {
        return Ok("");
    }
    core::str::from_utf8(reader.prefixed()?).map_err(|_| SyncError::Length)
}

fn decode_policy(payload: &[u8]) -> Result<Policy<'_>, SyncError> {
    let mut reader = Reader::new(payload);
    let (revision, no) = (reader.u64()?, reader.u32()?);
    let scopes = core::str::from_utf8(reader.prefixed()?).map_err(|_| SyncError::Length)?;
    let networks = usize::from(reader.u16()?);
    let networks = reader.take(networks * Policy::NETWORK_LEN)?;
    // The first writers of version 1 ended here.
    let metadata = if reader.is_empty() {
        Metadata::NONE
    } else {
        let count = reader.u16()?;
        Metadata::read(&mut reader, count)?
    };
    Ok(Policy { revision, no, scopes, networks, metadata })
}
