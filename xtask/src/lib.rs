//! Keyplane's developer commands, and what they share with the flow tests.
//!
//! `cargo xtask up` and the tests need the same things: the filter as a `.wasm`, a real Envoy, and the real parts started
//! together and surely stopped again. Those live here as a library; `main.rs` is only the command line.
//!
//! - [`project`]: where things are
//! - [`toolchain`], [`wasm`], [`trim`]: from Rust source to `keyplane.wasm`
//! - [`envoy`], [`node`]: an Envoy and a Node.js that will do
//! - [`nginx`]: an HTTP cache to put in front of the control plane
//! - [`schemathesis`]: what calls the API by its description
//! - [`package`]: what an operator deploys
//! - [`oldest_rust`]: the SDK with the oldest Rust that it promises
//! - [`manifests`]: models of Kubernetes kinds, for the examples
//! - [`browser`]: a real browser, for the dashboard
//! - [`containers`]: containers and base images, for what is packed
//! - [`parts`]: everything a stack is made of, built or fetched
//! - [`stack`]: control plane, upstream and Envoy as child processes
//! - [`up`], [`test`]: the two commands
//! - [`screenshots`]: the pictures of the documentation
//! - [`bench`][]: measurements
//! - [`fuzz`]: the fuzz targets

pub mod bench;
pub mod browser;
pub mod containers;
pub mod envoy;
pub mod fuzz;
pub mod manifests;
pub mod nginx;
pub mod node;
pub mod oldest_rust;
pub mod package;
pub mod parts;
pub mod project;
pub mod run;
pub mod schemathesis;
pub mod screenshots;
pub mod stack;
pub mod test;
pub mod toolchain;
pub mod trim;
pub mod up;
pub mod wasm;
mod wheel;
