//! What is to be told to callers who presented the debug token, until their answers come. Empty but for them, and then each look at it is quick.

use crate::abi;
use crate::numbers::Numbers;
use crate::wasi;
use keyplane_filter_engine::debug::{DebugToken, Why};

/// Where the debug token comes from: never from the configuration, which Envoy shows in its config dump.
const TOKEN_VARIABLE: &str = "KEYPLANE_DEBUG_TOKEN";

/// The operator's debug token, if there is one. The error is a sentence for the operator's log.
pub fn debug_token() -> Result<Option<DebugToken>, String> {
    let token = wasi::environment_variable(TOKEN_VARIABLE.as_bytes()).filter(|token| !token.is_empty());
    let token = token.map(|token| DebugToken::new(&token)).transpose();
    token.map_err(|error| format!("{TOKEN_VARIABLE} is wrong: {error}"))
}

/// By request; `None` while it is not decided.
#[derive(Default)]
pub struct Whys(Numbers<Option<Box<Why>>>);

impl Whys {
    /// The request is decided later, when it has lost its token.
    pub fn wait(&mut self, context: u32) {
        self.0.insert(context, None);
    }

    /// Whether the request asked before it had to wait.
    pub fn waits(&self, context: u32) -> bool {
        !self.0.is_empty() && self.0.contains_key(&context)
    }

    /// The request passes; this is for its answer.
    pub fn keep(&mut self, context: u32, why: Option<Box<Why>>) {
        if why.is_some() {
            self.0.insert(context, why);
        }
    }

    /// The answer is there. What the upstream itself says under these names does not count.
    pub fn tell(&mut self, context: u32) {
        if self.0.is_empty() {
            return;
        }
        if let Some(why) = self.0.remove(&context).flatten() {
            for (name, value) in why.headers() {
                // A help that could not be given is no reason to spoil the answer.
                let _ = abi::replace_response_header(name.as_bytes(), value.as_bytes());
            }
        }
    }

    /// The request has ended.
    pub fn forget(&mut self, context: u32) {
        if !self.0.is_empty() {
            self.0.remove(&context);
        }
    }

    /// Takes over from the configuration before.
    pub fn take_over(&mut self, old: &mut Self) {
        self.0.extend(old.0.drain());
    }
}
