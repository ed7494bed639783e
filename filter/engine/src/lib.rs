//! The decisions of Keyplane's filter, free of any host.
//!
//! Nothing here knows proxy-wasm or Envoy: bytes, times and random numbers come in as arguments, and what the host should
//! do comes out as values. So everything can be tested by value, and a second adapter (an Envoy dynamic module) can stand
//! on the same engine.
//!
//! * [`address`]: the caller's address, as the host tells it
//! * [`answers`]: the operator's own answers to refused requests
//! * [`challenge`]: what a refused caller is told about how to authenticate
//! * [`config`]: the plugin configuration, parsed and checked whole at configure time
//! * [`credential`]: finding exactly one credential in the request headers
//! * [`guessing`]: invalid credentials by source, and when they are too many
//! * [`health`]: a path that says whether a key could be decided
//! * [`headers`]: reading the host's header block
//! * [`identity`]: who the caller is, passed on in headers and filter state
//! * [`jwt`]: tokens that Envoy has verified
//! * [`table`]: the key table and the rows that keys refer to
//! * [`decision`]: a credential and a table make a verdict
//! * [`host`]: what the engine asks of its host about one request
//! * [`request`]: one request from its headers to its outcome
//! * [`settings`]: what is made once from the configuration
//! * [`debug`]: why a request was decided as it was, for the operator
//! * [`refusal`]: the answer that a refused caller gets
//! * [`staleness`]: how old the table may become
//! * [`sync`]: the state machine that keeps the table up to date
//! * [`usage`]: counting uses and sending them in batches
//! * [`waiting`]: requests that wait for a table or for their key
//! * [`percent`]: reading what is percent-encoded
//! * [`preflight`]: telling a CORS preflight from any other request
//! * [`rules`]: what a request to a host, with a path and a method, needs
//! * [`worker`]: what a worker brings to a request: table, age, attempts
//! * [`sources`]: where the keys that are being replaced are used from

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod address;
pub mod answers;
pub mod challenge;
pub mod config;
pub mod credential;
pub mod debug;
pub mod decision;
pub mod guessing;
pub mod headers;
pub mod health;
pub mod host;
pub mod identity;
pub mod jwt;
pub mod percent;
pub mod preflight;
pub mod refusal;
pub mod request;
pub mod rules;
pub mod settings;
pub mod sources;
pub mod staleness;
pub mod sync;
pub mod table;
pub mod usage;
pub mod waiting;
pub mod worker;
