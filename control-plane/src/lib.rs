//! Keyplane's control plane: it owns the life of every key.
//!
//! [`domain`] says what things are, [`store`] keeps them, [`service`] does things, [`http`], [`dashboard`] and [`cli`] let people and
//! programs ask for it, through the connections of [`listen`]. Each knows only those before it; the domain is pure.

pub mod cli;
pub mod dashboard;
pub mod domain;
pub mod error;
pub mod http;
pub mod jwt;
pub mod listen;
pub mod modules;
pub mod service;
pub mod settings;
pub mod store;
