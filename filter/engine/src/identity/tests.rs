//! The configuration and what comes of it.

use super::config::Preset;
use super::*;
use crate::config::ConfigError;
use keyplane_contract::code::Reason;
use keyplane_contract::id::Id;
use keyplane_contract::sync::{Environment, Metadata};
use proptest::prelude::*;

fn config(json: &str) -> Result<IdentityConfig, String> {
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(json))
        .map_err(|error| format!("`{}`: {}", error.path(), error.inner()))
}

fn compiled(json: &str) -> Result<Identity, String> {
    config(json)?.compile().map_err(|error: ConfigError| error.to_string())
}

fn facts() -> Facts<'static> {
    Facts {
        key: Some(Id([1; 16])),
        account: Some(Who::Id(Id([2; 16]))),
        project: Some(Id([3; 16])),
        environment: Some(Environment::Test),
        user: None,
        scopes: "jobs:read jobs:write",
        account_name: "Zoë & Co",
        account_external_id: "org_1",
        metadata: Metadata::from_bytes(b"\x04plan\x03\0pro\x04team\x03\0a\nb"),
        rule: "jobs",
        reason: Reason::Allowed,
        revision: Some(7),
        table_age: Some(31),
    }
}

/// Headers and filter state as `name: value`.
fn told(identity: &Identity, facts: &Facts<'_>) -> (Vec<String>, Vec<String>) {
    let mut lists = (Vec::new(), Vec::new());
    let line = |name: &[u8], value: &[u8]| [name, b": ", value].concat().iter().map(|byte| char::from(*byte)).collect();
    let set = |list: &mut Vec<String>, name: &[u8], value: &[u8]| {
        list.push(line(name, value));
        Ok::<(), ()>(())
    };
    identity.headers(facts, |name, value| set(&mut lists.0, name, value)).unwrap();
    identity.state(facts, |name, value| set(&mut lists.1, name, value)).unwrap();
    lists
}

fn headers(json: &str, facts: &Facts<'_>) -> Vec<String> {
    told(&compiled(json).unwrap(), facts).0
}

fn id(byte: u8) -> String {
    Id([byte; 16]).to_string()
}

#[test]
fn the_default_names_are_keyplanes_own() {
    let expected = [
        format!("x-keyplane-key-id: {}", id(1)),
        format!("x-keyplane-account: {}", id(2)),
        format!("x-keyplane-project: {}", id(3)),
        "x-keyplane-environment: test".to_owned(),
        "x-keyplane-scopes: jobs:read jobs:write".to_owned(),
    ];
    assert_eq!(told(&compiled("{}").unwrap(), &facts()), (expected.to_vec(), Vec::new()));
    // A personal access token of a user without scopes.
    let person = Facts { project: None, user: Some(Who::Id(Id([4; 16]))), scopes: "", ..facts() };
    let expected = [
        format!("x-keyplane-key-id: {}", id(1)),
        format!("x-keyplane-account: {}", id(2)),
        format!("x-keyplane-user: {}", id(4)),
        "x-keyplane-environment: test".to_owned(),
    ];
    assert_eq!(headers("{}", &person), expected);
}

#[test]
fn kongs_names_tell_what_kong_tells() {
    let kong = compiled(r#"{"preset": "kong"}"#).unwrap();
    let expected = [
        format!("x-consumer-id: {}", id(2)),
        "x-consumer-username: Zo%C3%AB & Co".to_owned(),
        "x-consumer-custom-id: org_1".to_owned(),
        format!("x-credential-identifier: {}", id(1)),
    ];
    assert_eq!(told(&kong, &facts()).0, expected);
    for reason in [Reason::Public, Reason::Preflight] {
        assert_eq!(told(&kong, &Facts::of(reason)).0, ["x-anonymous-consumer: true"]);
    }
    // What an upstream behind Kong trusts is not a caller's to say, set here or not.
    for forged in ["x-consumer-groups", "X_Consumer_ID", "x-credential-username", "x-authenticated-groups"] {
        assert!(kong.owns(forged.as_bytes()), "{forged}");
    }
    assert!(kong.owns(b"x-keyplane-account"), "whatever the names");
}

#[test]
fn names_are_the_operators_to_choose() {
    let json = r#"{
        "headers": {"account": "X-Tenant", "project": null, "key_id": null, "environment": null, "rule": "x-rule"},
        "metadata": {"plan": "x-plan", "team": "X_Team", "none": "x-none"}
    }"#;
    let identity = compiled(json).unwrap();
    let expected = [
        "x-keyplane-scopes: jobs:read jobs:write".to_owned(),
        format!("x-tenant: {}", id(2)),
        "x-rule: jobs".to_owned(),
        "x-plan: pro".to_owned(),
        "x_team: a%0Ab".to_owned(),
    ];
    assert_eq!(told(&identity, &facts()).0, expected);
    for owned in ["X-TENANT", "x_plan", "x-team", "x-none", "x-keyplane-account", "x-keyplane-project"] {
        assert!(identity.owns(owned.as_bytes()), "{owned}");
    }
    assert!(!identity.owns(b"x-consumer-id"));
    assert_eq!(headers(r#"{"preset": "none"}"#, &facts()), [""; 0]);
    assert!(compiled(r#"{"preset": "none"}"#).unwrap().owns(b"x-keyplane-account"));
    let only = r#"{"preset": "none", "headers": {"user": "x-user"}}"#;
    assert_eq!(headers(only, &Facts { user: Some(Who::Text("auth0|5")), ..facts() }), ["x-user: auth0|5"]);
}

#[test]
fn filter_state_tells_every_outcome() {
    let json =
        r#"{"filter_state": ["reason", "rule", "key_id", "metadata.plan", "anonymous", "revision", "table_age"]}"#;
    let identity = compiled(json).unwrap();
    assert!(identity.has_state() && !compiled("{}").unwrap().has_state());
    let expected = [
        "keyplane.reason: allowed".to_owned(),
        "keyplane.rule: jobs".to_owned(),
        format!("keyplane.key_id: {}", id(1)),
        "keyplane.metadata.plan: pro".to_owned(),
        "keyplane.revision: 7".to_owned(),
        "keyplane.table_age: 31".to_owned(),
    ];
    assert_eq!(told(&identity, &facts()).1, expected);
    assert_eq!(told(&identity, &Facts::of(Reason::Missing)).1, ["keyplane.reason: missing"]);
    let public = ["keyplane.reason: public", "keyplane.anonymous: true"];
    assert_eq!(told(&identity, &Facts::of(Reason::Public)).1, public);
}

#[test]
fn a_fault_of_the_host_ends_it() {
    let identity = compiled(r#"{"filter_state": ["reason", "key_id"]}"#).unwrap();
    let mut calls = 0;
    let mut fail = |_: &[u8], _: &[u8]| {
        calls += 1;
        if calls == 2 { Err("refused") } else { Ok(()) }
    };
    assert_eq!(identity.headers(&facts(), &mut fail), Err("refused"));
    assert_eq!(calls, 2);
}

#[test]
fn a_wrong_name_is_refused_and_its_place_named() {
    let long = format!(r#"{{"headers": {{"account": "{}"}}}}"#, "x".repeat(65));
    for (json, named) in [
        (r#"{"preset": "Kong"}"#, "`preset`: unknown variant `Kong`, expected one of `keyplane`, `kong`, `none`"),
        (r#"{"header": {}}"#, "`header`: unknown field"),
        (
            r#"{"headers": {"tenant": "x-t"}}"#,
            "`identity.headers.tenant`: `tenant` is no field; write one of key_id, account,",
        ),
        (r#"{"headers": {"account": 5}}"#, "`headers.account`"),
        (r#"{"headers": {"account": ""}}"#, "`identity.headers.account`: it must be a header name"),
        (&long, "`identity.headers.account`: it must be a header name"),
        (r#"{"headers": {"account": ":path"}}"#, "`identity.headers.account`"),
        (r#"{"headers": {"account": "x y"}}"#, "`identity.headers.account`"),
        (r#"{"headers": {"account": "x-ä"}}"#, "`identity.headers.account`"),
        (r#"{"headers": {"account": "x\r\ny"}}"#, "`identity.headers.account`"),
        (r#"{"headers": {"account": "Host"}}"#, "`Host` has a meaning of its own"),
        (r#"{"headers": {"account": "X_Forwarded_For"}}"#, "`X_Forwarded_For` has a meaning of its own"),
        (r#"{"headers": {"account": "x-a", "account": "x-b"}}"#, "twice"),
        (r#"{"headers": {"account": "x-a", "user": "X_A"}}"#, "`identity.headers.user`: another field has this name"),
        (r#"{"headers": {"user": "x-keyplane-account"}}"#, "`identity.headers.user`: another field has this name"),
        (r#"{"metadata": {"plan": "x-keyplane-account"}}"#, "`identity.metadata.plan`: another field has this name"),
        (r#"{"metadata": {"plan": null}}"#, "`metadata.plan`"),
        (r#"{"metadata": {"plan": "te"}}"#, "`identity.metadata.plan`: `te` has a meaning"),
        (
            r#"{"filter_state": ["reason", "key"]}"#,
            "`identity.filter_state[1]`: `key` is no field; write one of key_id,",
        ),
        (r#"{"filter_state": ["metadata."]}"#, "`identity.filter_state[0]`: metadata here have names of"),
        (r#"{"filter_state": ["metadata.a\u0000b"]}"#, "`identity.filter_state[0]`"),
        (r#"{"filter_state": ["rule", "rule"]}"#, "`identity.filter_state[1]`: `rule` is there twice"),
        ("null", "expected"),
    ] {
        let error = compiled(json).unwrap_err();
        assert!(error.contains(named), "{json}: `{named}` is not in: {error}");
    }
    for taken in [
        "authorization",
        "Cookie",
        "content-length",
        "x-envoy-retry-on",
        "x-forwarded-client-cert",
        "proxy-authorization",
        "connection",
        "te",
        "transfer_encoding",
        "upgrade",
        "x-request-id",
        "x-api-key",
    ] {
        let error = compiled(&format!(r#"{{"headers": {{"account": "{taken}"}}}}"#)).unwrap_err();
        assert!(error.contains("a meaning of its own"), "{taken}: {error}");
    }
}

#[test]
fn a_name_that_another_field_has_given_up_may_be_used() {
    let json = r#"{"headers": {"account": null, "account_external_id": "X-Keyplane-Account"}}"#;
    assert!(headers(json, &facts()).contains(&"x-keyplane-account: org_1".to_owned()));
}

#[test]
fn every_field_can_be_named() {
    for field in Field::ALL {
        assert_eq!(Field::parse(field.name()), Some(field));
        let json =
            format!(r#"{{"preset": "none", "headers": {{"{0}": "x-f"}}, "filter_state": ["{0}"]}}"#, field.name());
        let known = Facts { user: Some(Who::Text("u")), ..facts() };
        let public = Facts::of(Reason::Public);
        let (headers, state) =
            told(&compiled(&json).unwrap(), if field == Field::Anonymous { &public } else { &known });
        assert_eq!((headers.len(), state.len()), (1, 1), "{field:?}");
    }
    assert_eq!(Preset::default(), Preset::Keyplane);
}

proptest! {
    #[test]
    fn nothing_owned_survives_and_each_name_has_one_value(
        preset in prop_oneof![Just("keyplane"), Just("kong"), Just("none")],
        tenant in "[xX][-_][a-zA-Z]{1,6}",
        forged in proptest::collection::vec(("[xX][-_.](keyplane|KEYPLANE|Consumer|consumer|[a-zA-Z]{1,6})([-_](account|ID|id))?", "\\PC{0,4}"), 0..12),
    ) {
        let json = format!(r#"{{"preset": "{preset}", "headers": {{"account": "{tenant}"}}, "metadata": {{"plan": "x-keyplane-plan"}}}}"#);
        let identity = compiled(&json).unwrap();
        let mut request: Vec<(Vec<u8>, Vec<u8>)> =
            forged.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes())).collect();
        request.retain(|(name, _)| !identity.owns(name));
        identity.headers(&facts(), |name, value| {
            request.push((name.to_vec(), value.to_vec()));
            Ok::<(), ()>(())
        }).unwrap();
        // As an upstream reads them that makes variables of names.
        let variable = |name: &[u8]| name.iter().map(|byte| if byte.is_ascii_alphanumeric() { byte.to_ascii_uppercase() } else { b'_' }).collect::<Vec<u8>>();
        for (what, own) in &identity.headers {
            let values: Vec<_> = request.iter().filter(|(name, _)| variable(name) == variable(own)).collect();
            prop_assert!(values.len() <= 1, "{:?} has {:?}", what, values);
        }
        let accounts: Vec<_> = request.iter().filter(|(name, _)| variable(name) == variable(tenant.as_bytes())).map(|(_, value)| value.clone()).collect();
        prop_assert_eq!(accounts, vec![id(2).into_bytes()]);
    }

    #[test]
    fn no_configuration_makes_it_panic(json in "\\{\"(preset|headers|metadata|filter_state)\": ?[\\[{\"]{0,3}[a-z_.\":,]{0,20}[\\]}\"]{0,3}\\}") {
        let _ = compiled(&json);
    }
}
