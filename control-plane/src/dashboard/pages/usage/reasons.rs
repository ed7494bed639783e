//! Reasons of decisions, as people say them, and what can be done about each.

use keyplane_contract::code::Reason;

/// The reason in words.
pub const fn words(reason: Reason) -> &'static str {
    match reason {
        Reason::Allowed => "Allowed",
        Reason::Missing => "No key",
        Reason::Multiple => "More than one key",
        Reason::Malformed => "Not a key at all",
        Reason::Unknown => "Unknown key",
        Reason::Revoked => "Revoked",
        Reason::Disabled => "Disabled",
        Reason::Expired => "Expired",
        Reason::Unsupported => "Restriction that the filter does not know",
        Reason::NotReady => "Proxy without keys yet",
        Reason::Fault => "Fault of the filter",
        Reason::Network => "Address not allowed",
        Reason::Suspended => "Account suspended",
        Reason::Scope => "Scope missing",
        Reason::Environment => "Wrong environment",
        Reason::Stale => "Proxy with old keys",
        Reason::Throttled => "Too many attempts",
        Reason::Path => "Path not accepted",
        Reason::Token => "Sign-in required",
        Reason::Public => "Public path",
        Reason::Preflight => "CORS preflight",
        Reason::Jwt => "Allowed by a token",
        Reason::Health => "Health check",
    }
}

/// What it means for the key, and what can be done; empty where there is nothing to do.
pub const fn advice(reason: Reason) -> &'static str {
    match reason {
        Reason::Revoked => "Somebody still uses a key that was revoked: they need a new one.",
        Reason::Disabled => "The key is switched off. Enable it on its page, if it should work.",
        Reason::Expired => "The key has ended. Edit its end, or create a new one.",
        Reason::Network => "The key is used from outside its allowed networks: a mistake, or a leak.",
        Reason::Scope => "The key lacks a scope that the path needs. Edit its scopes, if it should have it.",
        Reason::Environment => "A test key where live ones are needed, or the other way round.",
        Reason::Suspended => "The account is suspended, and all its keys with it.",
        Reason::Unsupported => "A proxy runs a filter that is too old for the key's restrictions.",
        _ => "",
    }
}
