//! `cargo xtask bench ...`: what Keyplane takes and gives, measured, with the goals beside it.
//!
//! A benchmark is no test: it says what was met and what was missed, and only fails when it could not measure. Its loads are
//! bounded in time and number and go to loopback. What it makes stays in `target/bench/`.

mod bars;
pub mod control_plane;
pub mod dashboard;
mod database;
mod load;
pub mod load_time;
mod plot;
mod report;
pub mod request;
pub mod revoke;
mod yaml;
