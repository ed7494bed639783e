//! What the words of Keyplane mean: pure values and rules, without a clock, a random source or I/O of their own.
//!
//! Everything that arrives from outside is parsed into these types at the edge, so that the rest of the code cannot
//! hold a wrong one.

pub mod account;
pub mod actor;
pub mod attention;
pub mod audit;
pub mod credential;
pub mod cursor;
pub mod id;
pub mod idempotency;
pub mod key;
pub mod metadata;
pub mod name;
pub mod networks;
pub mod plan;
pub mod project;
pub mod proxy_metadata;
pub mod random;
pub mod rights;
pub mod scope;
pub mod secret;
pub mod session;
pub mod source;
pub mod time;
pub mod usage;
pub mod user;
pub mod version;
pub mod wait;
