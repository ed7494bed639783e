//! One request, from its headers to its outcome, in the order that `docs/architecture.md` gives.
//!
//! The headers are walked once. On the way every header that only Keyplane may set is removed, whatever becomes of the request, and what the
//! decision needs is noted. Every change is checked: an upstream must not see a forged identity, nor miss the real one, nor get the
//! credential; a change that fails refuses the request.
//!
//! A request that has to wait is handled a second time when it goes on. So nothing here may depend on being the first.

use crate::credential::Credential;
use crate::decision::{Principal, UsedKey, Verdict, decide};
use crate::headers::{HeaderBlock, is_owned};
use crate::host::{Host, HostFault};
use crate::settings::Settings;
use crate::table::Table;
use keyplane_contract::code::Reason;
use keyplane_contract::header;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Why it was decided as it was.
    pub reason: Reason,
    /// The key, if one was recognised; for its usage.
    pub key: Option<UsedKey>,
}

impl Outcome {
    const fn of(reason: Reason) -> Self {
        Self { reason, key: None }
    }
}

/// What a request says of itself.
struct Request<'h> {
    credential: Credential<'h>,
}

impl<'h> Request<'h> {
    /// Walks the headers, and removes those that only Keyplane may set. A block that contradicts itself is a fault.
    fn read(block: &'h [u8], host: &impl Host) -> Result<Self, HostFault> {
        let mut headers = HeaderBlock::parse(block).ok_or(HostFault)?;
        let mut request = Self { credential: Credential::Missing };
        for (name, value) in headers.by_ref() {
            if is_owned(name) {
                host.remove_header(name)?;
            } else {
                request.credential = request.credential.with_header(name, value);
            }
        }
        if headers.is_at_end() { Ok(request) } else { Err(HostFault) }
    }
}

/// Decides the request with these headers and changes them. Answers nothing and lets nothing go on: that is the caller's.
/// `table` is `None` while no complete one is there.
pub fn handle(block: &[u8], settings: &Settings, table: Option<&Table>, host: &impl Host) -> Outcome {
    let Ok(request) = Request::read(block, host) else { return Outcome::of(Reason::Fault) };
    match decide(&request.credential, table, host) {
        Verdict::Refuse { reason, key } => Outcome { reason, key },
        Verdict::Allow(principal) => {
            let passed_on = strip(&request.credential, settings, host).and_then(|()| identify(&principal, host));
            let reason = if passed_on.is_ok() { Reason::Allowed } else { Reason::Fault };
            Outcome { reason, key: Some(principal.used_key()) }
        }
    }
}

/// Removes the credential, so that the upstream cannot leak it.
fn strip(credential: &Credential<'_>, settings: &Settings, host: &impl Host) -> Result<(), HostFault> {
    match credential {
        Credential::Presented { source, .. } if !settings.forward_credential => host.remove_header(source.header()),
        _ => Ok(()),
    }
}

/// Adds the identity headers. Forged ones are gone by now, so each name has exactly one value.
fn identify(principal: &Principal<'_>, host: &impl Host) -> Result<(), HostFault> {
    let add = |name: &str, value: &[u8]| host.add_header(name.as_bytes(), value);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    fn settings() -> Settings {
        Settings::parse(br#"{"control_plane": {"cluster": "keyplane"}}"#).unwrap()
    }

    #[test]
    fn forged_identity_is_removed_even_from_a_request_that_is_refused() {
        let host = FakeHost::with_headers(&[
            (":path", b"/"),
            ("x-keyplane-account", b"forged"),
            ("X_Keyplane_Key_Id", b"forged"),
            ("x-keyplane-account", b"again"),
        ]);
        let outcome = handle(&host.block(), &settings(), None, &host);
        assert_eq!(outcome, Outcome::of(Reason::Missing));
        assert_eq!(host.headers.borrow().len(), 1);
    }

    #[test]
    fn a_block_that_is_cut_off_is_a_fault() {
        let host = FakeHost::with_headers(&[(":path", b"/"), ("x-api-key", b"abc")]);
        let block = host.block();
        for end in 1..block.len() {
            assert_eq!(handle(&block[..end], &settings(), None, &host), Outcome::of(Reason::Fault), "{end}");
        }
    }

    #[test]
    fn a_header_that_cannot_be_removed_is_a_fault() {
        let host = FakeHost::with_headers(&[("x-keyplane-account", b"forged")]);
        host.changes_left.set(Some(0));
        assert_eq!(handle(&host.block(), &settings(), None, &host), Outcome::of(Reason::Fault));
    }
}
