//! Keyplane's filter for Envoy: a thin adapter between the proxy-wasm ABI and the engine.
//!
//! The engine (`keyplane-filter-engine`) decides; this crate asks the host for bytes and carries out what was decided.
//!
//! * [`abi`]: the host's functions by hand, every status turned into a value. The proxy-wasm SDK is not used at run time,
//!   because it panics on statuses and contexts that it does not expect, and a panic ends the worker (docs/decisions/0002).
//! * [`wasi`]: environment and random bytes, which the ABI does not give
//! * [`exports`]: what the host calls
//! * [`vm`]: the feeds, plugin configurations and requests of one VM
//! * [`numbering`]: which of its proxy's VMs this one is
//! * [`numbers`]: maps by context number
//! * [`feed`]: the synced table of one VM and one control plane, with its polls and the usage that goes back
//! * [`root`]: one plugin configuration: its settings, the requests it holds
//! * [`requests`]: which plugin configuration a request belongs to
//! * [`request`]: one request from headers to verdict
//! * [`whys`]: what is to be told to callers with the debug token
//! * [`metrics`]: what operators see in Envoy's stats

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod abi;
mod exports;
mod feed;
mod metrics;
mod numbering;
mod numbers;
mod request;
mod requests;
mod root;
mod vm;
mod wasi;
mod whys;
