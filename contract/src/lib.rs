//! What Keyplane's control plane and filter must agree on.
//!
//! Both sides depend on this crate and never on each other. It holds the key grammar ([`key`]), the digest
//! ([`digest`]), the codes of an answer ([`code`]), the header names ([`header`]) and the bytes of sync
//! ([`sync`]). It has no clock, no random source and no I/O, so that everything in it can be tested by value.
//! The bytes are described in `docs/protocol.md` and pinned by the golden vectors in `contract/vectors`.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod base62;
pub mod code;
pub mod digest;
pub mod header;
pub mod id;
pub mod key;
pub mod network;
pub mod sync;
