//! A credential and a table make a verdict. This is the order of `docs/architecture.md`, "A request"; each step that is to come
//! has its place in it. A fault denies: whatever is missing on the way, the answer is a refusal.

use crate::credential::Credential;
use crate::host::{Host, source};
use crate::jwt::Token;
use crate::jwt::caller::Caller;
use crate::rules::Rule;
use crate::table::{Entry, Table};
use keyplane_contract::code::Reason;
use keyplane_contract::digest::Digest;
use keyplane_contract::id::Id;
use keyplane_contract::network::any_contains;
use keyplane_contract::sync::{Environment, KeyState, Metadata};

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
    /// The account's name; empty when the control plane does not tell it.
    pub account_name: &'t str,
    /// What another system calls the account; empty for none.
    pub account_external_id: &'t str,
    /// Those of the key's metadata that the operator chose to tell proxies.
    pub metadata: Metadata<'t>,
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
    /// It passes, as the caller of this token.
    AllowToken(Caller<'t>),
    /// It passes as nobody.
    Pass(Reason),
    /// It is refused. The key is named when there is one, for its usage.
    Refuse {
        /// Why.
        reason: Reason,
        /// Whose.
        key: Option<UsedKey>,
    },
}

impl Verdict<'_> {
    /// A refusal that is about no key.
    #[must_use]
    pub const fn refuse(reason: Reason) -> Self {
        Self::Refuse { reason, key: None }
    }

    /// The key, if one was recognised; for its usage.
    #[must_use]
    pub const fn used_key(&self) -> Option<UsedKey> {
        match self {
            Self::Allow(principal) => Some(principal.used_key()),
            Self::AllowToken(_) | Self::Pass(_) => None,
            Self::Refuse { key, .. } => *key,
        }
    }
}

impl Principal<'_> {
    /// The key, for its usage.
    #[must_use]
    pub const fn used_key(&self) -> UsedKey {
        UsedKey { id: self.key, reports_sources: self.reports_sources }
    }
}

/// Decides a request by its key, where this rule is for it. `table` is the refusal while there is none that may decide.
pub fn decide<'t>(
    credential: &Credential<'_>,
    rule: &Rule,
    table: Result<&'t Table, Reason>,
    host: &impl Host,
) -> Verdict<'t> {
    let secret = match credential {
        Credential::Missing => return Verdict::refuse(Reason::Missing),
        Credential::Multiple => return Verdict::refuse(Reason::Multiple),
        Credential::Malformed => return Verdict::refuse(Reason::Malformed),
        Credential::Presented { secret, .. } => &**secret,
    };
    let table = match table {
        Ok(table) => table,
        Err(reason) => return Verdict::refuse(reason),
    };
    let Some(entry) = table.keys.get(&Digest::of(secret)) else { return Verdict::refuse(Reason::Unknown) };
    match check(entry, rule, table, host) {
        Ok(principal) => Verdict::Allow(principal),
        Err(reason) => {
            let key = UsedKey { id: entry.id(), reports_sources: entry.reports_sources() };
            Verdict::Refuse { reason, key: Some(key) }
        }
    }
}

/// Decides a request by a token that Envoy has verified, where this rule is for it.
pub fn decide_token<'t>(
    token: &'t Token<'_>,
    rule: &Rule,
    table: impl FnOnce() -> Result<&'t Table, Reason>,
) -> Verdict<'t> {
    let caller = match Caller::of(token, table) {
        Ok(caller) => caller,
        Err(reason) => return Verdict::refuse(reason),
    };
    if rule.environment.is_some_and(|needed| caller.environment != Some(needed)) {
        return Verdict::refuse(Reason::Environment);
    }
    if !rule.scopes.are_met_by(caller.scopes) {
        return Verdict::refuse(Reason::Scope);
    }
    if caller.suspended {
        return Verdict::refuse(Reason::Suspended);
    }
    Verdict::AllowToken(caller)
}

/// What refuses is told in this order: first what ends the key itself, which looks like an unknown key to the caller; then, once it is
/// known who calls, what only restricts it.
fn check<'t>(entry: &Entry, rule: &Rule, table: &'t Table, host: &impl Host) -> Result<Principal<'t>, Reason> {
    match entry.state() {
        Some(KeyState::Active) => {}
        Some(KeyState::Disabled) => return Err(Reason::Disabled),
        Some(KeyState::Revoked) => return Err(Reason::Revoked),
        None => return Err(Reason::Unsupported),
    }
    // A clock that does not answer makes every key that can expire expired.
    if entry.expires_at().is_some_and(|at| host.now().is_none_or(|now| now >= at)) {
        return Err(Reason::Expired);
    }
    let Rows { principal, networks, suspended } = rows(entry, table).ok_or(Reason::Fault)?;
    if rule.environment.is_some_and(|needed| needed != principal.environment) {
        return Err(Reason::Environment);
    }
    if !networks.is_empty() && !source(host).is_some_and(|source| any_contains(networks, source.into())) {
        return Err(Reason::Network);
    }
    if !rule.scopes.are_met_by(principal.scopes) {
        return Err(Reason::Scope);
    }
    if suspended {
        return Err(Reason::Suspended);
    }
    Ok(principal)
}

/// What the rows that a key refers to say of it.
struct Rows<'t> {
    principal: Principal<'t>,
    /// Networks that may use the key, as on the wire; empty for all.
    networks: &'t [u8],
    /// Whether the account is suspended.
    suspended: bool,
}

/// The rows that the key refers to; `None` while one of them has not arrived.
fn rows<'t>(entry: &Entry, table: &'t Table) -> Option<Rows<'t>> {
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
    let (scopes, networks, metadata): (&str, &[u8], _) = match entry.policy() {
        0 => ("", &[], Metadata::NONE),
        no => owners.policy(no).map(|policy| (&*policy.scopes, &*policy.networks, policy.metadata()))?,
    };
    let principal = Principal {
        key: entry.id(),
        account: account.id,
        project: project.map(|project| project.id),
        user: user.map(|user| user.id),
        environment: entry.environment(),
        scopes,
        account_name: &account.name,
        account_external_id: &account.external_id,
        metadata,
        reports_sources: entry.reports_sources(),
    };
    Some(Rows { principal, networks, suspended: account.suspended })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Place;
    use crate::host::fake::{FakeHost, NOW};
    use crate::rules::{Paths, RuleConfig, Rules};
    use keyplane_contract::network::Network;
    use keyplane_contract::sync::{Account, Key, Policy, Project, Record};
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn key(secret: &str) -> Key {
        let key = Key::of_project(1, 4, Id([1; 16]), Digest::of(secret.as_bytes()));
        Key { environment: Environment::Test, ..key }
    }

    /// `plan`: `pro`.
    const PLAN: &[u8] = b"\x04plan\x03\0pro";

    const fn account(revision: u64, suspended: bool) -> Account<'static> {
        Account { revision, id: Id([2; 16]), no: 1, suspended, name: "Acme", external_id: "org_1" }
    }

    /// The rule where there are none.
    fn no_rule() -> Rule {
        Rules::compile(&[], Paths::default()).unwrap().at(0).clone()
    }

    fn table_with(key: Key, networks: &[u8], suspended: bool) -> Table {
        let mut table = Table::new(Id([9; 16]), 3);
        let rows = [
            Record::Account(account(1, suspended)),
            Record::Project(Project { revision: 2, id: Id([3; 16]), no: 1, account: 1 }),
            Record::Policy(Policy {
                revision: 3,
                no: 5,
                scopes: "read write",
                networks,
                metadata: Metadata::from_bytes(PLAN),
            }),
            Record::Key(key),
        ];
        assert!(rows.iter().all(|row| table.apply(row)));
        table
    }

    fn table(key: Key) -> Table {
        table_with(key, &[], false)
    }

    fn reason_from(from: &FakeHost, table: &Table) -> Reason {
        reason_by(&no_rule(), from, table)
    }

    fn reason_by(rule: &Rule, from: &FakeHost, table: &Table) -> Reason {
        let credential = Credential::Presented { secret: b"secret".into(), place: Place::Header(0) };
        match decide(&credential, rule, Ok(table), from) {
            Verdict::Allow(_) => Reason::Allowed,
            Verdict::AllowToken(_) => Reason::Jwt,
            Verdict::Pass(reason) | Verdict::Refuse { reason, .. } => reason,
        }
    }

    fn networks(texts: &[&str]) -> Vec<u8> {
        let network = |text: &&str| {
            let (address, prefix) = text.split_once('/').unwrap();
            Network::new(address.parse().unwrap(), prefix.parse().unwrap()).unwrap().to_bytes()
        };
        texts.iter().flat_map(network).collect()
    }

    #[test]
    fn an_active_key_makes_its_principal() {
        let table = table(Key { policy: 5, ..key("secret") });
        let credential = Credential::Presented { secret: b"secret".into(), place: Place::Header(0) };
        let expected = Principal {
            key: Id([1; 16]),
            account: Id([2; 16]),
            project: Some(Id([3; 16])),
            user: None,
            environment: Environment::Test,
            scopes: "read write",
            account_name: "Acme",
            account_external_id: "org_1",
            metadata: Metadata::from_bytes(PLAN),
            reports_sources: false,
        };
        assert_eq!(decide(&credential, &no_rule(), Ok(&table), &FakeHost::from("")), Verdict::Allow(expected));
    }

    #[test]
    fn each_state_that_refuses_has_its_reason() {
        let refused = |key: Key| reason_from(&FakeHost::from(""), &table(key));
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
        let credential = Credential::Presented { secret: b"secret".into(), place: Place::Header(0) };
        let nobody = FakeHost::from("");
        for reason in [Reason::NotReady, Reason::Stale] {
            assert_eq!(decide(&credential, &no_rule(), Err(reason), &nobody), Verdict::refuse(reason));
            assert_eq!(
                decide(&Credential::Missing, &no_rule(), Err(reason), &nobody),
                Verdict::refuse(Reason::Missing)
            );
            assert_eq!(
                decide(&Credential::Malformed, &no_rule(), Err(reason), &nobody),
                Verdict::refuse(Reason::Malformed)
            );
        }
    }

    #[test]
    fn a_key_with_networks_is_allowed_from_them_alone() {
        let nets = networks(&["192.0.2.0/24", "2001:db8::/32", "203.0.113.9/32"]);
        let table = table_with(Key { policy: 5, ..key("secret") }, &nets, false);
        for inside in
            ["192.0.2.7:1", "192.0.2.255:65535", "[::ffff:192.0.2.7]:1", "[2001:db8:1::1]:443", "203.0.113.9:1"]
        {
            assert_eq!(reason_from(&FakeHost::from(inside), &table), Reason::Allowed, "{inside}");
        }
        for outside in [
            "192.0.3.7:1",
            "[2001:db9::1]:1",
            "203.0.113.8:1",
            // Not the IPv4 address, though its last bytes are the same.
            "[::192.0.2.7]:1",
            // No address at all, or none that can be read.
            "",
            "/run/app.sock",
            "envoy://internal/1",
            "192.0.2.7",
            "192.0.2.7, 192.0.2.7:1",
        ] {
            assert_eq!(reason_from(&FakeHost::from(outside), &table), Reason::Network, "{outside}");
        }
    }

    #[test]
    fn only_a_key_with_networks_asks_for_the_address() {
        let from = FakeHost::from("192.0.2.7:1");
        assert_eq!(reason_from(&from, &table(Key { policy: 5, ..key("secret") })), Reason::Allowed);
        assert!(from.asked.borrow().is_empty());
        let table = table_with(Key { policy: 5, ..key("secret") }, &networks(&["192.0.2.0/24"]), false);
        assert_eq!(reason_from(&from, &table), Reason::Allowed);
        assert!(!from.asked.borrow().is_empty());
    }

    #[test]
    fn bytes_that_are_no_networks_let_nobody_in() {
        // A prefix of 200 bits, and bits behind the prefix.
        for broken in [[200_u8; Policy::NETWORK_LEN], [8; Policy::NETWORK_LEN]] {
            let table = table_with(Key { policy: 5, ..key("secret") }, &broken, false);
            assert_eq!(reason_from(&FakeHost::from("192.0.2.7:1"), &table), Reason::Network);
        }
    }

    #[test]
    fn a_suspended_account_stops_its_keys_after_all_else_about_them() {
        let good = key("secret");
        let nets = networks(&["192.0.2.0/24"]);
        let (inside, outside) = (FakeHost::from("192.0.2.7:1"), FakeHost::from("198.51.100.7:1"));
        let refused = |from: &FakeHost, key: Key| reason_from(from, &table_with(key, &nets, true));
        assert_eq!(refused(&inside, good), Reason::Suspended);
        assert_eq!(refused(&inside, Key { policy: 5, ..good }), Reason::Suspended);
        assert_eq!(refused(&outside, Key { policy: 5, ..good }), Reason::Network);
        assert_eq!(refused(&outside, Key { policy: 5, state: KeyState::Revoked, ..good }), Reason::Revoked);
        assert_eq!(refused(&outside, Key { policy: 5, expires_at: NOW, ..good }), Reason::Expired);
        assert_eq!(refused(&outside, key("another")), Reason::Unknown);
    }

    /// The one rule of this configuration.
    fn rule(json: &str) -> Rule {
        let rules: Vec<RuleConfig> = serde_json::from_str(&format!("[{json}]")).unwrap();
        Rules::compile(&rules, Paths::default()).unwrap().at(0).clone()
    }

    #[test]
    fn a_rule_restricts_by_environment_then_network_then_scopes_then_the_account() {
        let good = Key { policy: 5, ..key("secret") };
        let table = table_with(good, &networks(&["192.0.2.0/24"]), true);
        let (inside, outside) = (FakeHost::from("192.0.2.7:1"), FakeHost::from("198.51.100.7:1"));
        let live = rule(r#"{"environment": "live", "scopes": {"all": ["admin"]}}"#);
        let test = rule(r#"{"environment": "test", "scopes": {"all": ["admin"]}}"#);
        let met = rule(r#"{"environment": "test", "scopes": {"all": ["write"], "any": ["admin", "read"]}}"#);
        assert_eq!(reason_by(&live, &outside, &table), Reason::Environment);
        assert_eq!(reason_by(&test, &outside, &table), Reason::Network);
        assert_eq!(reason_by(&test, &inside, &table), Reason::Scope);
        assert_eq!(reason_by(&met, &inside, &table), Reason::Suspended);
        assert_eq!(reason_by(&met, &inside, &table_with(good, &[], false)), Reason::Allowed);
        let revoked = table_with(Key { state: KeyState::Revoked, ..good }, &[], false);
        assert_eq!(reason_by(&live, &inside, &revoked), Reason::Revoked);
    }

    #[test]
    fn a_key_without_scopes_meets_no_rule_that_needs_one() {
        let table = table(key("secret"));
        let anyone = FakeHost::from("");
        assert_eq!(reason_by(&rule(r#"{"scopes": {"any": ["read"]}}"#), &anyone, &table), Reason::Scope);
        assert_eq!(reason_by(&rule("{}"), &anyone, &table), Reason::Allowed);
    }

    #[test]
    fn a_rule_restricts_tokens_as_it_does_keys() {
        let token = |scopes: &'static str, environment| Token {
            account: Some("org_1".into()),
            user: None,
            scopes: scopes.into(),
            environment,
        };
        let decided = |rule: &Rule, token: &Token<'_>, suspended| {
            let table = table_with(key("secret"), &[], suspended);
            match decide_token(token, rule, || Ok(&table)) {
                Verdict::AllowToken(_) => Reason::Jwt,
                Verdict::Allow(_) => Reason::Allowed,
                Verdict::Pass(reason) | Verdict::Refuse { reason, .. } => reason,
            }
        };
        let good = token("read write", Some(Environment::Live));
        let needs = rule(r#"{"scopes": {"all": ["read"]}, "environment": "live"}"#);
        assert_eq!(decided(&needs, &good, false), Reason::Jwt);
        assert_eq!(decided(&needs, &token("write", good.environment), false), Reason::Scope);
        assert_eq!(decided(&needs, &token("read", Some(Environment::Test)), false), Reason::Environment);
        assert_eq!(decided(&needs, &token("read", None), false), Reason::Environment);
        assert_eq!(decided(&needs, &good, true), Reason::Suspended);
        assert_eq!(decided(&rule("{}"), &token("", None), false), Reason::Jwt);
        assert_eq!(decide_token(&good, &needs, || Err(Reason::Stale)), Verdict::refuse(Reason::Stale));
    }

    #[test]
    fn suspending_and_resuming_an_account_is_one_row() {
        let mut table = table(key("secret"));
        for (revision, suspended) in [(5, true), (6, false)] {
            assert!(table.apply(&Record::Account(account(revision, suspended))));
            let expected = if suspended { Reason::Suspended } else { Reason::Allowed };
            assert_eq!(reason_from(&FakeHost::from(""), &table), expected);
        }
    }

    proptest! {
        #[test]
        fn networks_decide_as_their_bits_do(
            nets in proptest::collection::vec((any::<u32>(), 0_u8..=32), 1..6),
            near: usize, noise: u32, shift in 0_u32..32,
        ) {
            let mask = |prefix: u8| u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            // An address close to one of the networks, so that both answers are common.
            let address = nets[near % nets.len()].0 ^ noise.checked_shr(shift).unwrap_or(0);
            let expected = nets.iter().any(|(net, prefix)| (net ^ address) & mask(*prefix) == 0);
            let bytes: Vec<u8> = nets.iter().flat_map(|(net, prefix)| {
                let net = IpAddr::V4(Ipv4Addr::from_bits(net & mask(*prefix)));
                Network::new(net, *prefix).unwrap().to_bytes()
            }).collect();
            let table = table_with(Key { policy: 5, ..key("secret") }, &bytes, false);
            let from = FakeHost::from(&format!("{}:1", Ipv4Addr::from_bits(address)));
            let expected = if expected { Reason::Allowed } else { Reason::Network };
            prop_assert_eq!(reason_from(&from, &table), expected);
        }
    }
}
