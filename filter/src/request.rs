//! The request of the effective context, in the host's hands: what the engine asks of it and has done to it, by hostcalls.

use crate::abi::{self, Action, MapType};
use keyplane_contract::code::Reason;
use keyplane_filter_engine::debug::Why;
use keyplane_filter_engine::host::{Host, HostFault};
use keyplane_filter_engine::refusal::Answer;
use keyplane_filter_engine::request::{self, Outcome};
use keyplane_filter_engine::settings::Settings;
use keyplane_filter_engine::worker::Worker;

/// The request of the effective context.
pub struct Effective;

impl From<abi::Failure> for HostFault {
    fn from(_: abi::Failure) -> Self {
        Self
    }
}

impl Host for Effective {
    fn now(&self) -> Option<u64> {
        abi::now_milliseconds().ok()
    }

    fn property(&self, path: &[u8]) -> Option<Vec<u8>> {
        abi::property(path).ok()
    }

    fn remove_header(&self, name: &[u8]) -> Result<(), HostFault> {
        Ok(abi::remove_request_header(name)?)
    }

    fn add_header(&self, name: &[u8], value: &[u8]) -> Result<(), HostFault> {
        Ok(abi::add_request_header(name, value)?)
    }

    fn replace_header(&self, name: &[u8], value: &[u8]) -> Result<(), HostFault> {
        Ok(abi::replace_request_header(name, value)?)
    }

    fn set_filter_state(&self, name: &[u8], value: &[u8]) -> Result<(), HostFault> {
        Ok(abi::set_property(name, value)?)
    }
}

/// Decides the request of the effective context and changes its headers. Answers nothing and lets nothing go on: that
/// depends on whether it was held, and is the caller's.
/// `is_whole`: nothing follows the headers.
pub fn handle(settings: &Settings, is_whole: bool, worker: &mut Worker<'_>) -> Outcome {
    match abi::header_block(MapType::Request) {
        Ok(block) => {
            let outcome = request::handle(&block, is_whole, settings, worker, &Effective);
            abi::reuse(block);
            outcome
        }
        Err(_) => Outcome::of(Reason::Fault),
    }
}

/// Removes keys from the path of a request that is about to be refused: logs show it. The request goes nowhere, so what cannot be removed does
/// not matter to it.
pub fn clean_path(settings: &Settings) {
    if settings.credentials.are_in_query()
        && let Ok(path) = abi::header(MapType::Request, b":path")
    {
        let _ = settings.credentials.remove_from_path(&path, &Effective);
    }
}

/// Answers the request of the effective context, which is refused for `reason`. It stays paused whatever the host says, so a refusal that
/// could not be sent does not let the request pass.
pub fn refuse(answer: Option<&Answer>, reason: Reason, why: Option<&Why>) -> Action {
    if let Some(answer) = answer {
        let details = ["keyplane_", reason.name()].concat();
        let body = answer.body.as_bytes();
        let explained = why.map(|why| why.added_to(&answer.headers));
        let headers = explained.as_ref().unwrap_or(&answer.headers);
        // The host makes a gRPC answer of it for callers that speak gRPC.
        let _ = abi::send_local_response(answer.status, headers, body, details.as_bytes(), answer.grpc_status);
    }
    Action::Pause
}
