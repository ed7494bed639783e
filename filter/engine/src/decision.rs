//! A credential and a table make a verdict. This is the order of `docs/architecture.md`, "A request"; each step that is to come
//! has its place in it. A fault denies: whatever is missing on the way, the answer is a refusal.

use crate::credential::Credential;
use crate::table::{Entry, Table};
use keyplane_contract::code::Reason;
use keyplane_contract::digest::Digest;
use keyplane_contract::id::Id;
use keyplane_contract::sync::{Environment, KeyState};

/// Who a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal<'t> {
    /// The key's id.
    pub key: Id,
    /// The account's id.
    pub account: Id,
    /// The project's id; absent for a personal access token.
    pub project: Option<Id>,
    /// The user's id; only for a personal access token.
    pub user: Option<Id>,
    /// `live` or `test`.
    pub environment: Environment,
    /// Scopes joined by spaces; empty for none.
    pub scopes: &'t str,
    /// Whether the control plane wants to know where its requests come from.
    pub reports_sources: bool,
}

/// The key that a request presented, for its usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedKey {
    /// Its id.
    pub id: Id,
    /// Whether the control plane wants to know from where it is used.
    pub reports_sources: bool,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'t> {
    /// It passes, as this principal.
    Allow(Principal<'t>),
    /// It is refused. The key is named when there is one, for its usage.
    Refuse {
        /// Why.
        reason: Reason,
        /// Whose.
        key: Option<UsedKey>,
    },
}

impl Verdict<'_> {
    const fn refuse(reason: Reason) -> Self {
        Self::Refuse { reason, key: None }
    }
}

impl Principal<'_> {
    /// The key, for its usage.
    #[must_use]
    pub const fn used_key(&self) -> UsedKey {
        UsedKey { id: self.key, reports_sources: self.reports_sources }
    }
}

/// Decides a request. `table` is `None` while no complete one is there; `now` tells milliseconds since 1970 UTC and is only asked for
/// keys that expire, because asking the host takes time.
pub fn decide<'t>(credential: &Credential<'_>, table: Option<&'t Table>, now: impl FnOnce() -> u64) -> Verdict<'t> {
    let secret = match credential {
        Credential::Missing => return Verdict::refuse(Reason::Missing),
        Credential::Multiple => return Verdict::refuse(Reason::Multiple),
        Credential::Malformed => return Verdict::refuse(Reason::Malformed),
        Credential::Presented { secret, .. } => *secret,
    };
    let Some(table) = table else { return Verdict::refuse(Reason::NotReady) };
    let Some(entry) = table.keys.get(&Digest::of(secret)) else { return Verdict::refuse(Reason::Unknown) };
    match check(entry, table, now) {
        Ok(principal) => Verdict::Allow(principal),
        Err(reason) => {
            let key = UsedKey { id: entry.id(), reports_sources: entry.reports_sources() };
            Verdict::Refuse { reason, key: Some(key) }
        }
    }
}

fn check<'t>(entry: &Entry, table: &'t Table, now: impl FnOnce() -> u64) -> Result<Principal<'t>, Reason> {
    match entry.state() {
        Some(KeyState::Active) => {}
        Some(KeyState::Disabled) => return Err(Reason::Disabled),
        Some(KeyState::Revoked) => return Err(Reason::Revoked),
        None => return Err(Reason::Unsupported),
    }
    if entry.expires_at().is_some_and(|at| now() >= at) {
        return Err(Reason::Expired);
    }
    principal(entry, table).ok_or(Reason::Fault)
}

/// The rows that the key refers to; `None` while one of them has not arrived.
fn principal<'t>(entry: &Entry, table: &'t Table) -> Option<Principal<'t>> {
    let owners = &table.owners;
    let project = match entry.project() {
        0 => None,
        no => Some(owners.project(no)?),
    };
    let user = match entry.user() {
        0 => None,
        no => Some(owners.user(no)?),
    };
    let account = owners.account(project.or(user)?.account)?;
    let scopes = match entry.policy() {
        0 => "",
        no => &owners.policy(no)?.scopes,
    };
    Some(Principal {
        key: entry.id(),
        account: account.id,
        project: project.map(|project| project.id),
        user: user.map(|user| user.id),
        environment: entry.environment(),
        scopes,
        reports_sources: entry.reports_sources(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Source;
    use keyplane_contract::sync::{Account, Key, Policy, Project, Record};

    const NOW: u64 = 1_700_000_000_000;

    fn key(secret: &str) -> Key {
        Key {
            revision: 4,
            digest: Digest::of(secret.as_bytes()),
            id: Id([1; 16]),
            project: 1,
            user: 0,
            policy: 0,
            expires_at: 0,
            environment: Environment::Test,
            state: KeyState::Active,
            flags: 0,
        }
    }

    fn table(key: Key) -> Table {
        let mut table = Table::new(Id([9; 16]), 3);
        let rows = [
            Record::Account(Account { revision: 1, id: Id([2; 16]), no: 1, suspended: false }),
            Record::Project(Project { revision: 2, id: Id([3; 16]), no: 1, account: 1 }),
            Record::Policy(Policy { revision: 3, no: 5, scopes: "read write", networks: &[] }),
            Record::Key(key),
        ];
        assert!(rows.iter().all(|row| table.apply(row)));
        table
    }

    fn reason(secret: &str, table: &Table) -> Reason {
        let credential = Credential::Presented { secret: secret.as_bytes(), source: Source::Bearer };
        match decide(&credential, Some(table), || NOW) {
            Verdict::Allow(_) => Reason::Allowed,
            Verdict::Refuse { reason, .. } => reason,
        }
    }

    #[test]
    fn an_active_key_makes_its_principal() {
        let table = table(Key { policy: 5, ..key("secret") });
        let credential = Credential::Presented { secret: b"secret", source: Source::ApiKeyHeader };
        let expected = Principal {
            key: Id([1; 16]),
            account: Id([2; 16]),
            project: Some(Id([3; 16])),
            user: None,
            environment: Environment::Test,
            scopes: "read write",
            reports_sources: false,
        };
        assert_eq!(decide(&credential, Some(&table), || NOW), Verdict::Allow(expected));
    }

    #[test]
    fn each_state_that_refuses_has_its_reason() {
        let refused = |key: Key| reason("secret", &table(key));
        let good = key("secret");
        assert_eq!(refused(good), Reason::Allowed);
        assert_eq!(refused(key("another")), Reason::Unknown);
        assert_eq!(refused(Key { state: KeyState::Revoked, ..good }), Reason::Revoked);
        assert_eq!(refused(Key { state: KeyState::Disabled, ..good }), Reason::Disabled);
        assert_eq!(refused(Key { expires_at: NOW, ..good }), Reason::Expired);
        assert_eq!(refused(Key { expires_at: NOW + 1, ..good }), Reason::Allowed);
        assert_eq!(refused(Key { flags: 0x8000, ..good }), Reason::Unsupported);
        // Its policy, its project or its user has not arrived: never a guess.
        assert_eq!(refused(Key { policy: 6, ..good }), Reason::Fault);
        assert_eq!(refused(Key { project: 2, ..good }), Reason::Fault);
        assert_eq!(refused(Key { project: 0, user: 1, ..good }), Reason::Fault);
        assert_eq!(refused(Key { project: 0, user: 0, ..good }), Reason::Fault);
    }

    #[test]
    fn without_a_table_only_a_bad_request_is_decided() {
        let credential = Credential::Presented { secret: b"secret", source: Source::Bearer };
        assert_eq!(decide(&credential, None, || NOW), Verdict::refuse(Reason::NotReady));
        assert_eq!(decide(&Credential::Missing, None, || NOW), Verdict::refuse(Reason::Missing));
    }
}
