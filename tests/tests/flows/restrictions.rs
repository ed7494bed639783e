//! What restricts a key that is otherwise good: its networks, and its account.

use super::fixture::{Flow, PATH, eventually};
use secrecy::ExposeSecret;
use serde_json::json;
use xtask::stack::api::CreatedKey;
use xtask::stack::{Client, Envoy, EnvoySettings, Ports};

/// So many requests in a row, each on a new connection, meet both workers.
const ROW: usize = 12;

/// One more Envoy, which trusts the proxy before it to tell the caller's address.
fn behind_a_proxy(flow: &Flow) -> Envoy {
    let at = Ports::any().unwrap();
    let settings = EnvoySettings {
        trusted_hops: 1,
        proxy_port: at.proxy,
        admin_port: at.admin,
        ..flow.stack.envoy.settings().clone()
    };
    Envoy::start(settings, flow.stack.folder(), "behind").unwrap()
}

/// Status and code of the answer to this key, sent with this `X-Forwarded-For`.
fn get(proxy: &Client, key: &CreatedKey, forwarded_for: Option<&str>) -> (u16, String) {
    let mut headers = vec![("x-api-key", key.secret.expose_secret())];
    headers.extend(forwarded_for.map(|addresses| ("x-forwarded-for", addresses)));
    let answer = proxy.get(PATH, &headers).unwrap();
    (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

fn refused() -> (u16, String) {
    (403, "address_not_allowed".to_owned())
}

#[test]
fn a_key_is_refused_outside_its_networks() {
    let flow = Flow::start();
    let behind = behind_a_proxy(&flow);
    let (direct, behind) = (flow.proxy(), behind.client());
    let body = json!({
        "project_id": flow.project, "environment": "live", "name": "office",
        "allowed_cidrs": ["203.0.113.0/24", "2001:db8::/32"],
    });
    let key = flow.api().create_key_with(&body).unwrap();
    let all = |proxy: &Client, forwarded_for: Option<&str>, expected: &(u16, String)| {
        (0..ROW).all(|_| get(proxy, &key, forwarded_for) == *expected)
    };
    // Here the filter sees this machine's address, whatever a caller says of itself.
    eventually("both workers know the key", || all(&direct, None, &refused()));
    for forged in ["203.0.113.7", "203.0.113.7, 203.0.113.8", "2001:db8::1", "127.0.0.1"] {
        assert!(all(&direct, Some(forged), &refused()), "{forged}");
    }
    // Behind a proxy that is trusted, the address that it tells counts, and it is the last one.
    let allowed = (200, String::new());
    eventually("both workers there know the key", || all(&behind, Some("203.0.113.7"), &allowed));
    assert!(all(&behind, Some("198.51.100.1, 2001:db8::1"), &allowed));
    for outside in ["203.0.114.7", "2001:db9::1", "203.0.113.7, 198.51.100.1", "203.0.113.7, unknown"] {
        assert!(all(&behind, Some(outside), &refused()), "{outside}");
    }
    assert!(all(&behind, None, &refused()));
    assert!(flow.stat("decisions_network") > 0, "the reason is not in the metrics");
    // Other networks reach the proxies as every change does.
    let path = format!("/v1/keys/{}", key.id);
    let client = flow.api();
    let change = |cidrs: &[&str]| client.client().patch(&path, &json!({ "allowed_cidrs": cidrs })).unwrap().status;
    assert_eq!(change(&["127.0.0.0/8"]), 200);
    eventually("this machine may use it", || all(&direct, None, &allowed));
    eventually("the office may not", || all(&behind, Some("203.0.113.7"), &refused()));
    assert_eq!(change(&[]), 200);
    eventually("everybody may", || all(&behind, Some("198.51.100.1"), &allowed) && all(&direct, None, &allowed));
}

#[test]
fn suspending_an_account_stops_all_its_keys_and_resuming_lets_them_on() {
    let mut flow = Flow::start();
    let api = flow.api();
    let keys = [flow.known_key("one"), flow.known_key("two")];
    let account = api.key(&keys[0].id).unwrap()["account_id"].as_str().unwrap().to_owned();
    flow.project = super::fixture::project(&api);
    let bystander = flow.known_key("of another account");
    let all = |status: u16, code: &str| {
        let expected = (status, code.to_owned());
        keys.iter().all(|key| (0..ROW).all(|_| get(&flow.proxy(), key, None) == expected))
    };
    let set = |status: &str| {
        let answer = api.client().patch(&format!("/v1/accounts/{account}"), &json!({ "status": status })).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    set("suspended");
    eventually("its keys are refused by both workers", || all(403, "account_suspended"));
    assert!(flow.stat("decisions_suspended") > 0, "the reason is not in the metrics");
    assert_eq!(flow.get(&bystander).status, 200, "another account is not concerned");
    // A key that was revoked meanwhile looks like any unknown one.
    api.revoke_key(&keys[1].id).unwrap();
    let revoked = (401, "credential_invalid".to_owned());
    eventually("the revoke is known", || (0..ROW).all(|_| get(&flow.proxy(), &keys[1], None) == revoked));
    set("active");
    eventually("the other key works again at both workers", || (0..ROW).all(|_| flow.get(&keys[0]).status == 200));
    assert_eq!(get(&flow.proxy(), &keys[1], None), revoked);
}
