//! The dashboard in a real browser, on a real stack: what people do there, with the keyboard, with and without JavaScript, and what a
//! real Envoy does afterwards.
//!
//! Pages are found by their links ([`crawl`]), so that a page that is added is looked at too.

mod browser;
mod crawl;
mod desk;
mod elsewhere;
mod keys;
mod large;
mod login;
mod pictures;
mod plain;
mod provider;
mod sessions;
mod tabs;
mod text;
mod walk;

pub use desk::Desk;
