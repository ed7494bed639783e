//! Numbers of the proxy-wasm ABI 0.2.1 that host and guest exchange.
//!
//! Source: the ABI specification v0.2.1 of the proxy-wasm project; checked against what Envoy 1.40 does.

/// What a hostcall returns. A guest must bear each of them from each call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum Status {
    Ok = 0,
    NotFound = 1,
    BadArgument = 2,
    SerializationFailure = 3,
    ParseFailure = 4,
    BadExpression = 5,
    InvalidMemoryAccess = 6,
    Empty = 7,
    CasMismatch = 8,
    ResultMismatch = 9,
    InternalFailure = 10,
    BrokenConnection = 11,
    Unimplemented = 12,
}

impl Status {
    /// Every status that is not `Ok`: what a sweep of failing hostcalls goes through.
    pub const FAILURES: [Status; 12] = [
        Status::NotFound,
        Status::BadArgument,
        Status::SerializationFailure,
        Status::ParseFailure,
        Status::BadExpression,
        Status::InvalidMemoryAccess,
        Status::Empty,
        Status::CasMismatch,
        Status::ResultMismatch,
        Status::InternalFailure,
        Status::BrokenConnection,
        Status::Unimplemented,
    ];
}

/// Level of a log line. Envoy refuses a higher number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

impl LogLevel {
    /// The level of an ABI number, if it has one.
    pub fn from_abi(level: u32) -> Option<Self> {
        Some(match level {
            0 => Self::Trace,
            1 => Self::Debug,
            2 => Self::Info,
            3 => Self::Warn,
            4 => Self::Error,
            5 => Self::Critical,
            _ => return None,
        })
    }
}

/// Header maps that a guest may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapType {
    RequestHeaders,
    ResponseHeaders,
    CallResponseHeaders,
    CallResponseTrailers,
    /// Exists in the ABI; this host never has one (request and response trailers, gRPC metadata).
    Absent,
}

impl MapType {
    pub(crate) fn from_abi(map: u32) -> Option<Self> {
        Some(match map {
            0 => Self::RequestHeaders,
            2 => Self::ResponseHeaders,
            6 => Self::CallResponseHeaders,
            7 => Self::CallResponseTrailers,
            1 | 3..=5 => Self::Absent,
            _ => return None,
        })
    }
}
