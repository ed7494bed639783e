//! Who the caller is: told to the upstream under the operator's names, to the access log, RBAC and rate limits; and never a caller's to say.

use super::connection::{Answer, Connection};
use super::fixture::{Flow, PATH, eventually, seen};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Instant;
use xtask::stack::api::CreatedKey;
use xtask::stack::{Client, Envoy, EnvoySettings, Ports, Stack};

/// The example that docs/recipes.md explains.
const EXAMPLE: &str = include_str!("../../../examples/envoy/identity.yaml");
/// So many requests in a row, each on a new connection, meet both workers.
const ROW: usize = 12;

/// What the control plane tells proxies of keys' metadata, as the example wants it.
const SETTINGS: &str = "proxy_metadata = [\"plan\"]\n";

/// One more Envoy on the flow's control plane and upstream.
fn settings(flow: &Flow, plugin: Value) -> EnvoySettings {
    let at = Ports::any().unwrap();
    EnvoySettings { proxy_port: at.proxy, admin_port: at.admin, plugin, ..flow.stack.envoy.settings().clone() }
}

fn create(flow: &Flow, name: &str, environment: &str, metadata: &Value) -> CreatedKey {
    let body = json!({
        "project_id": flow.project, "environment": environment, "name": name, "metadata": metadata, "scopes": ["jobs:read"],
    });
    flow.api().create_key_with(&body).unwrap()
}

fn get(proxy: &Client, path: &str, key: &CreatedKey) -> u16 {
    proxy.get(path, &[("x-api-key", key.secret.expose_secret())]).unwrap().status
}

fn account(flow: &Flow, key: &CreatedKey) -> String {
    flow.api().key(&key.id).unwrap()["account_id"].as_str().unwrap().to_owned()
}

/// The values of a header as the upstream saw them, of an answer on a connection by hand.
fn upstream_saw(answer: &Answer, header: &str) -> Vec<String> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let values = body["headers"][header].as_array().cloned().unwrap_or_default();
    values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

/// The name in every spelling that an upstream may take for it, the plain one twice.
fn spellings(name: &str) -> [String; 6] {
    [
        name.to_owned(),
        name.to_uppercase(),
        name.replace('-', "_"),
        name.replacen('-', "_", 1),
        name.replace('-', "."),
        name.to_owned(),
    ]
}

/// An upstream that takes every upgrade, and tells the request lines and headers of each.
fn upgrading_upstream() -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap_or(0) > 0 {}
            let answer: &[u8] = if head.contains("upgrade: websocket") {
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
            } else {
                b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            };
            // Whoever has gone away needs no answer.
            let _ = stream.get_mut().write_all(answer);
            let _ = tell.send(head);
        }
    });
    (port, told)
}

#[test]
fn an_upgrade_cannot_make_the_upstream_drop_an_identity() {
    let flow = Flow::start();
    let key = flow.known_key("good");
    let (upstream_port, told) = upgrading_upstream();
    let settings = EnvoySettings { upstream_port, ..settings(&flow, Stack::usual_plugin()) };
    let upgrades = "normalize_path: true\n                upgrade_configs: [{ upgrade_type: websocket }]".to_owned();
    let envoy =
        Envoy::start_with(settings, &[("normalize_path: true", upgrades)], flow.stack.folder(), "upgrades").unwrap();
    eventually("both workers know the key", || (0..ROW).all(|_| get(&envoy.client(), PATH, &key) == 200));
    let answer = Connection::open(envoy.settings().proxy_port).get(
        PATH,
        &[
            ("Connection", b"Upgrade, x-keyplane-account, X_Keyplane_Key_Id, x-other"),
            ("Upgrade", b"websocket"),
            ("Sec-WebSocket-Version", b"13"),
            ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
            ("x-keyplane-account", b"forged"),
            ("x-api-key", key.secret.expose_secret().as_bytes()),
        ],
    );
    assert_eq!(answer.status, 101);
    let head = told.iter().find(|head| head.contains("upgrade: websocket")).unwrap();
    for line in [
        "connection: Upgrade, x-other".to_owned(),
        format!("x-keyplane-account: {}", account(&flow, &key)),
        format!("x-keyplane-key-id: {}", key.id),
    ] {
        assert_eq!(head.lines().filter(|found| *found == line).count(), 1, "{line} in {head}");
    }
    assert!(!head.contains("forged") && head.matches("keyplane").count() == 4, "{head}");
}

#[test]
fn the_upstream_learns_who_calls_under_the_operators_names_and_nobody_else_can_say_it() {
    let flow = Flow::with(
        &json!({
            "control_plane": { "cluster": "keyplane" },
            "identity": {
                "preset": "kong",
                "headers": { "scopes": "X-Consumer-Groups", "environment": "environment" },
                "metadata": { "plan": "x-plan", "secret": "x-secret" },
            },
        }),
        SETTINGS,
    );
    let key = create(&flow, "good", "live", &json!({ "plan": "größer", "secret": "not chosen" }));
    eventually("both workers know the key", || (0..ROW).all(|_| get(&flow.proxy(), PATH, &key) == 200));
    let account = account(&flow, &key);
    let renamed = json!({ "name": "Zoë & Söhne", "external_id": "org_7" });
    let answer = flow.api().client().patch(&format!("/v1/accounts/{account}"), &renamed).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());

    let mut forged: Vec<(String, String)> = Vec::new();
    for name in [
        "x-consumer-id",
        "x-consumer-username",
        "x-consumer-custom-id",
        "x-credential-identifier",
        "x-anonymous-consumer",
        "x-consumer-groups",
        "environment",
        "x-plan",
        "x-secret",
        "x-keyplane-account",
        "x-keyplane-scopes",
    ] {
        forged.extend(spellings(name).map(|name| (name, "forged".to_owned())));
    }
    forged.push(("x-other".to_owned(), "kept".to_owned()));
    forged.push(("x-api-key".to_owned(), key.secret.expose_secret().to_owned()));
    let headers: Vec<(&str, &[u8])> = forged.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let port = flow.stack.envoy.settings().proxy_port;
    let ask = || Connection::open(port).get(PATH, &headers);
    let named = |answer: &Answer| upstream_saw(answer, "x-consumer-username") == ["Zo%C3%AB & S%C3%B6hne"];
    eventually("both workers know the account's new name", || (0..ROW).all(|_| named(&ask())));
    let answer = ask();
    let body = String::from_utf8(answer.body.clone()).unwrap();
    assert!(answer.status == 200 && !body.contains("forged") && !body.contains("not chosen"), "{body}");
    for (header, expected) in [
        ("x-consumer-id", account.as_str()),
        ("x-consumer-custom-id", "org_7"),
        ("x-credential-identifier", &key.id),
        ("x-consumer-groups", "jobs:read"),
        ("environment", "live"),
        ("x-plan", "gr%C3%B6%C3%9Fer"),
        ("x-other", "kept"),
    ] {
        assert_eq!(upstream_saw(&answer, header), [expected], "{header}");
    }
    let absent = ["x-anonymous-consumer", "x-keyplane-account", "x-secret", "x-api-key"];
    assert!(absent.iter().all(|header| upstream_saw(&answer, header).is_empty()), "{body}");
}

#[test]
fn nobody_has_an_identity_on_public_paths_and_preflights() {
    let flow = Flow::with_plugin(&json!({
        "control_plane": { "cluster": "keyplane" },
        "rules": [{ "name": "open", "paths": ["/open/**"], "access": "public" }],
        "identity": {
            "preset": "kong",
            "headers": { "rule": "x-rule", "environment": "environment" },
            "metadata": { "plan": "x-plan" },
        },
    }));
    let key = flow.known_key("good");
    let mut forged: Vec<(String, String)> = Vec::new();
    for name in [
        "x-consumer-id",
        "x-consumer-groups",
        "x-credential-identifier",
        "environment",
        "x-plan",
        "x-rule",
        "x-keyplane-account",
    ] {
        forged.extend(spellings(name).map(|name| (name, "forged".to_owned())));
    }
    forged.push(("X_Anonymous_Consumer".to_owned(), "forged".to_owned()));
    let mut headers: Vec<(&str, &str)> = forged.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let plain = flow.proxy().get("/open/page", &headers).unwrap();
    // A key that is not asked for makes nobody somebody, and does not go on.
    headers.push(("x-api-key", key.secret.expose_secret()));
    let with_key = flow.proxy().get("/open/page", &headers).unwrap();
    headers.extend([("origin", "https://app.example"), ("access-control-request-method", "GET")]);
    let preflight = flow.proxy().send("OPTIONS", PATH, &headers, &[]).unwrap();
    for (answer, rule) in [(&plain, "open"), (&with_key, "open"), (&preflight, "default")] {
        assert!(answer.status == 200 && !answer.text().contains("forged"), "{}", answer.text());
        assert_eq!(seen(answer, "x-anonymous-consumer"), ["true"]);
        assert_eq!(seen(answer, "x-rule"), [rule]);
        for absent in ["x-consumer-id", "x-credential-identifier", "environment", "x-api-key"] {
            assert!(seen(answer, absent).is_empty(), "{absent}: {}", answer.text());
        }
    }
}

/// The example with these changes.
fn example(flow: &Flow, changes: &[(&str, String)], name: &str) -> Envoy {
    Envoy::start_other(settings(flow, Value::Null), EXAMPLE, changes, flow.stack.folder(), name).unwrap()
}

#[test]
fn a_rate_limit_can_read_the_key_from_filter_state() {
    let flow = Flow::start();
    let keys = [create(&flow, "one", "live", &json!({})), create(&flow, "two", "live", &json!({}))];
    let by_header = "request_headers: { header_name: x-keyplane-key-id, descriptor_key: key }";
    let by_expression = r#"extension:
                                name: envoy.rate_limit_descriptors.expr
                                typed_config:
                                  "@type": type.googleapis.com/envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor
                                  descriptor_key: key
                                  text: filter_state['wasm.keyplane.key_id']"#;
    let envoy = example(&flow, &[(by_header, by_expression.to_owned())], "expression");
    let proxy = envoy.client();
    eventually("both workers know the keys", || (0..ROW).all(|_| get(&proxy, "/admin", &keys[1]) == 403));
    let started = Instant::now();
    let passed = (0..20).filter(|_| get(&proxy, PATH, &keys[0]) == 200).count();
    let slack = usize::try_from(started.elapsed().as_secs() / 6 + 1).unwrap();
    assert!((10..=10 + slack).contains(&passed), "{passed} of 20");
    assert!((0..5).all(|_| get(&proxy, PATH, &keys[1]) == 200), "each key has its own");
}

#[test]
fn access_log_rbac_and_rate_limits_know_who_calls() {
    let mut flow = Flow::with(&Stack::usual_plugin(), SETTINGS);
    let live = create(&flow, "live", "live", &json!({}));
    let test = create(&flow, "test", "test", &json!({}));
    let pro = create(&flow, "pro", "live", &json!({ "plan": "pro" }));
    let admin = account(&flow, &live);
    flow.project = super::fixture::project(&flow.api());
    let stranger = create(&flow, "stranger", "live", &json!({}));
    let revoked = create(&flow, "revoked", "live", &json!({}));
    flow.api().revoke_key(&revoked.id).unwrap();
    // For an account of the flow's in place of the made-up one.
    let mut envoy = example(&flow, &[("00000000-0000-0000-0000-000000000000", admin.clone())], "example");
    let proxy = envoy.client();

    // RBAC: by filter state and by header. It refuses before the rate limit counts.
    eventually("both workers know the last key", || (0..ROW).all(|_| get(&proxy, "/admin/x", &stranger) == 403));
    assert!((0..ROW).all(|_| get(&proxy, "/payments", &test) == 403));
    assert_eq!(get(&proxy, "/payments", &live), 200);
    assert_eq!(get(&proxy, "/admin", &live), 200);
    let forged = [
        ("x-api-key", stranger.secret.expose_secret()),
        ("X_Keyplane_Account", &admin),
        ("x-keyplane-account", &admin),
    ];
    assert_eq!(proxy.get("/admin", &forged).unwrap().status, 403);
    let refused = proxy.get("/admin", &[]).unwrap();
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (401, Some("credential_missing")),
        "the key comes first"
    );

    // A bucket of 10 for each key, of 40 for each key of the plan `pro`; they fill up by one in six seconds and by two in three.
    let burst = |key: &CreatedKey, requests: usize| {
        let answers: Vec<u16> = (0..requests).map(|_| get(&proxy, "/burst", key)).collect();
        assert!(answers.iter().all(|status| matches!(status, 200 | 429)), "{answers:?}");
        answers.into_iter().filter(|status| *status == 200).count()
    };
    let started = Instant::now();
    let (ten, forty) = (burst(&test, 20), burst(&pro, 60));
    let slack = usize::try_from(started.elapsed().as_secs()).unwrap();
    assert!((10..=10 + slack / 6 + 1).contains(&ten), "{ten} of 20");
    assert!((40..=40 + slack * 2 / 3 + 1).contains(&forty), "{forty} of 60");
    assert!(burst(&stranger, 5) == 5, "each key has its own");
    let limited = || proxy.get("/burst", &[("x-api-key", test.secret.expose_secret())]).unwrap();
    eventually("its bucket is empty", || limited().status == 429);
    // More keys than Envoy would remember by itself.
    for number in 0..25 {
        let one = create(&flow, &format!("one of many {number}"), "live", &json!({}));
        eventually("a new key works", || get(&proxy, "/burst", &one) == 200);
    }
    let mut row = (0..ROW).map(|_| limited());
    assert!(row.any(|answer| answer.status == 429 && answer.header("retry-after") == Some("60")));

    // The log is complete when Envoy has ended.
    assert_eq!(get(&proxy, "/logged?api_key=kept-out", &stranger), 200);
    assert_eq!(get(&proxy, "/logged", &revoked), 401);
    assert_eq!(proxy.get("/logged", &[]).unwrap().status, 401);
    envoy.stop().unwrap();
    let log = envoy.process().logged();
    assert!(!log.contains("kept-out") && !log.contains(stranger.secret.expose_secret()));
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let logged: Vec<Value> = lines
        .iter()
        .filter(|line| line["path"] == "/logged")
        .map(|line| json!([line["status"], line["reason"], line["key"], line["details"]]))
        .collect();
    let expected = [
        json!([200, "allowed", stranger.id, "via_upstream"]),
        json!([401, "revoked", revoked.id, "keyplane_revoked"]),
        json!([401, "missing", null, "keyplane_missing"]),
    ];
    assert_eq!(logged, expected);
    let payments = lines.iter().find(|line| line["path"] == "/payments" && line["status"] == 403).unwrap();
    assert_eq!((&payments["reason"], &payments["key"]), (&json!("allowed"), &json!(test.id)));
}
