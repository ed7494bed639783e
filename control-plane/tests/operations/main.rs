//! What the operator does on the command line, with the real binary.

mod backup;
mod certificates;
mod config;
mod doctor;
mod fixture;
mod log;
mod metrics;
mod openapi;
mod slow;
mod tls;
