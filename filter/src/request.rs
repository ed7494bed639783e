//! One request, from its headers to its verdict, in the order that `docs/architecture.md` gives.
//!
//! Every change to the headers is checked. If the host does not do as asked, the request is refused: an upstream must not see a
//! forged identity, nor miss the real one, nor get the credential.

use crate::abi::{self, Action, MapType};
use keyplane_contract::code::Reason;
use keyplane_contract::header;
use keyplane_filter_engine::address;
use keyplane_filter_engine::credential::Credential;
use keyplane_filter_engine::decision::{Circumstances, Principal, UsedKey, Verdict, decide};
use keyplane_filter_engine::headers::{HeaderBlock, is_owned};
use keyplane_filter_engine::refusal::Answers;
use keyplane_filter_engine::table::Table;
use std::net::Ipv6Addr;

/// What became of a request: the reason, and the key if one was recognised.
pub struct Outcome {
    pub reason: Reason,
    pub key: Option<UsedKey>,
}

impl Outcome {
    const fn of(reason: Reason) -> Self {
        Self { reason, key: None }
    }
}

/// The request of the effective context, as the host tells it.
struct Effective;

impl Circumstances for Effective {
    fn now(&self) -> u64 {
        // A clock that does not answer makes every key that can expire expired.
        abi::now_milliseconds().unwrap_or(u64::MAX)
    }

    fn source(&self) -> Option<Ipv6Addr> {
        source()
    }
}

/// Address of the caller of the effective context, as Envoy has it after `X-Forwarded-For` was evaluated; `None` when it is unknown.
pub fn source() -> Option<Ipv6Addr> {
    address::parse(&abi::property(b"source\0address").ok()?)
}

/// Decides the request of the effective context and changes its headers. Answers nothing and lets nothing go on: that
/// depends on whether it was held, and is the caller's.
pub fn handle(table: Option<&Table>, forward_credential: bool) -> Outcome {
    let Ok(block) = abi::header_block(MapType::HttpRequestHeaders) else { return Outcome::of(Reason::Fault) };
    let Some(headers) = HeaderBlock::parse(&block) else { return Outcome::of(Reason::Fault) };
    let mut credential = Credential::Missing;
    for (name, value) in headers {
        if is_owned(name) {
            if abi::remove_request_header(name).is_err() {
                return Outcome::of(Reason::Fault);
            }
        } else {
            credential = credential.with_header(name, value);
        }
    }
    match decide(&credential, table, &Effective) {
        Verdict::Refuse { reason, key } => Outcome { reason, key },
        Verdict::Allow(principal) => {
            let passed_on = strip(&credential, forward_credential).and_then(|()| identify(&principal));
            let reason = if passed_on.is_ok() { Reason::Allowed } else { Reason::Fault };
            Outcome { reason, key: Some(principal.used_key()) }
        }
    }
}

/// Removes the credential, so that the upstream cannot leak it.
fn strip(credential: &Credential<'_>, forward_credential: bool) -> abi::Call {
    match credential {
        Credential::Presented { source, .. } if !forward_credential => abi::remove_request_header(source.header()),
        _ => Ok(()),
    }
}

/// Adds the identity headers. Forged ones are gone by now, so each name has exactly one value.
fn identify(principal: &Principal<'_>) -> abi::Call {
    let add = |name: &str, value: &[u8]| abi::add_request_header(name.as_bytes(), value);
    add(header::KEY_ID, &principal.key.to_text())?;
    add(header::ACCOUNT, &principal.account.to_text())?;
    if let Some(project) = principal.project {
        add(header::PROJECT, &project.to_text())?;
    }
    if let Some(user) = principal.user {
        add(header::USER, &user.to_text())?;
    }
    add(header::ENVIRONMENT, principal.environment.name().as_bytes())?;
    if !principal.scopes.is_empty() {
        add(header::SCOPES, principal.scopes.as_bytes())?;
    }
    Ok(())
}

/// Answers the request of the effective context with the refusal of `reason`. It stays paused whatever the host says, so a refusal that
/// could not be sent does not let the request pass.
pub fn refuse(answers: &Answers, reason: Reason) -> Action {
    if let Some(answer) = answers.of(reason) {
        let details = ["keyplane_", reason.name()].concat();
        let body = answer.body.as_bytes();
        // The host makes a gRPC answer of it for callers that speak gRPC.
        let _ = abi::send_local_response(answer.status, &answer.headers, body, details.as_bytes(), answer.grpc_status);
    }
    Action::Pause
}
