//! Keys in every place that can be configured, through the real Envoy: what the upstream gets, what is refused, what logs show.

use super::connection::Connection;
use super::fixture::{Flow, Loose, envoy_settings, eventually, project, seen};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use xtask::stack::Envoy;

fn plugin() -> Value {
    json!({
        "control_plane": { "cluster": "keyplane" },
        "realm": "Acme",
        "credentials": [
            { "header": "X-API-Key" },
            { "bearer": "Authorization" },
            { "header": "Authorization", "scheme": "ApiKey" },
            { "query": "api_key" },
            { "cookie": "key" },
        ],
    })
}

/// Status, and the code or what the upstream saw.
fn get(port: u16, path: &str, headers: &[(&str, &[u8])]) -> (u16, Value, String) {
    let answer = Connection::open(port).get(path, headers);
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default(), answer.headers)
}

#[test]
fn the_upstream_gets_all_but_the_key_from_wherever_it_was() {
    let flow = Flow::with_plugin(&plugin());
    let key = flow.known_key("good");
    let secret = key.secret.expose_secret();
    let port = flow.stack.envoy.settings().proxy_port;
    let encoded = secret.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    let cases = [
        ("/a".to_owned(), vec![("x-api-key", secret.to_owned())], "/a", &[][..]),
        ("/a?b".to_owned(), vec![("Authorization", format!("bEARER {secret}"))], "/a?b", &[]),
        ("/a".to_owned(), vec![("authorization", format!("apikey {secret}"))], "/a", &[]),
        (format!("/a?api_key={secret}"), vec![], "/a", &[]),
        (format!("/a?z=%20+&api_key={secret}&&y=%2F%2f;x&x=1"), vec![], "/a?z=%20+&&y=%2F%2f;x&x=1", &[]),
        (format!("/a?%61pi%5fkey={encoded}&b"), vec![("cookie", "a=1".to_owned())], "/a?b", &["a=1"]),
        ("/a".to_owned(), vec![("cookie", format!("a=1; key={secret}; b=\"2\""))], "/a", &["a=1; b=\"2\""]),
        ("/a".to_owned(), vec![("cookie", format!("key=\"{secret}\""))], "/a", &[]),
        (
            "/a".to_owned(),
            vec![("cookie", "a=1".to_owned()), ("cookie", format!("key={secret}")), ("cookie", "b=2".to_owned())],
            "/a",
            &["a=1; b=2"],
        ),
    ];
    for (path, headers, expected, cookies) in cases {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let (status, body, _) = get(port, &path, &headers);
        assert_eq!(status, 200, "{path} {headers:?}: {body}");
        assert_eq!(body["path"], expected);
        let found = body["headers"]["cookie"].as_array().cloned().unwrap_or_default();
        assert_eq!(found, cookies);
        assert!(!body.to_string().contains(secret) && !body.to_string().contains(&encoded), "{body}");
    }
    // What is no key passes on.
    let basic = flow.proxy().get("/?key=1", &[("x-api-key", secret), ("authorization", "Basic YTpi")]).unwrap();
    assert_eq!(
        (seen(&basic, "authorization").as_slice(), &basic.json()["path"]),
        (&["Basic YTpi".to_owned()][..], &json!("/?key=1"))
    );
}

#[test]
fn two_keys_are_refused_wherever_they_are_and_the_caller_is_told_how_to_send_one() {
    let flow = Flow::with_plugin(&plugin());
    let key = flow.known_key("good");
    let secret = key.secret.expose_secret();
    let port = flow.stack.envoy.settings().proxy_port;
    let (bearer, cookie) = (format!("Bearer {secret}"), format!("key={secret}"));
    let query = format!("/?api_key={secret}");
    for (path, headers) in [
        (format!("{query}&api_key={secret}"), vec![]),
        (format!("{query}&%61pi_key="), vec![]),
        (query.clone(), vec![("x-api-key", secret)]),
        (query.clone(), vec![("cookie", cookie.as_str())]),
        ("/".to_owned(), vec![("cookie", cookie.as_str()), ("cookie", &cookie)]),
        ("/".to_owned(), vec![("cookie", cookie.as_str()), ("authorization", &bearer)]),
        ("/".to_owned(), vec![("x-api-key", secret), ("x-api-key", secret)]),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let (status, body, answer) = get(port, &path, &headers);
        assert_eq!((status, body["code"].as_str()), (400, Some("multiple_credentials")), "{path} {headers:?}");
        assert!(answer.contains("www-authenticate: bearer realm=\"acme\", error=\"invalid_request\""), "{answer}");
    }
    // Envoy makes one value of the two.
    for other in [bearer.as_bytes(), b"Basic YTpi"] {
        let (status, body, _) = get(port, "/", &[("authorization", other), ("authorization", bearer.as_bytes())]);
        assert_eq!((status, body["code"].as_str()), (401, Some("credential_invalid")));
    }
    let (status, body, answer) = get(port, "/", &[("authorization", b"Basic YTpi")]);
    assert_eq!((status, body["code"].as_str()), (401, Some("credential_missing")));
    assert!(
        body["detail"].as_str().unwrap().contains("in the query parameter api_key, or in the cookie key"),
        "{body}"
    );
    let challenges: Vec<_> = answer.lines().filter(|line| line.starts_with("www-authenticate:")).collect();
    assert_eq!(challenges, ["www-authenticate: bearer realm=\"acme\"", "www-authenticate: apikey realm=\"acme\""]);
    let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
    for (path, expected) in [("/hello.Hello/Say", "16"), (&*format!("{query}&api_key=a"), "3")] {
        let answer = flow.proxy().send("POST", path, &grpc, b"\0\0\0\0\0").unwrap();
        assert_eq!((answer.status, answer.header("grpc-status")), (200, Some(expected)));
    }
    assert_eq!(flow.get(&key).status, 200);
}

#[test]
fn no_log_shows_a_key_that_came_in_the_query() {
    let loose = Loose::start();
    let api = loose.control_plane.api();
    let project = project(&api);
    let (good, revoked) = (api.create_key(&project, "good").unwrap(), api.create_key(&project, "revoked").unwrap());
    api.revoke_key(&revoked.id).unwrap();
    let (good, revoked) = (good.secret.expose_secret(), revoked.secret.expose_secret());
    // The page's own recipe; beside it, what Envoy logs by itself and the path in full.
    let page = include_str!("../../../docs/filter.md");
    let recipe = page.split("```yaml\naccess_log:\n").nth(1).unwrap().split("```").next().unwrap();
    let usual = recipe.replace(
        "%REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "full %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %REQ(X-ENVOY-ORIGINAL-PATH)% %REQ(:PATH)%",
    );
    assert_ne!(usual, recipe);
    let log = [recipe, &usual].concat().trim_end().replace('\n', "\n                ");
    let changes = [
        ("normalize_path: true", format!("normalize_path: true\n                access_log:\n                {log}")),
        ("route: { cluster: upstream }", "route: { cluster: upstream, prefix_rewrite: \"/up/\" }".to_owned()),
    ];
    let settings = envoy_settings(&loose.parts, &loose.control_plane, loose.ports, &plugin());
    let mut envoy = Envoy::start_with(settings, &changes, loose.folder.path(), "envoy").unwrap();
    let path = |key: &str| format!("/a?b=1&api_key={key}");
    eventually("both workers know the key", || (0..12).all(|_| get(loose.ports.proxy, &path(good), &[]).0 == 200));
    let (_, body, _) = get(loose.ports.proxy, &path(good), &[]);
    assert_eq!((&body["path"], &body["headers"]["x-envoy-original-path"]), (&json!("/up/a?b=1"), &json!(["/a?b=1"])));
    let several = format!("{}&api_key={revoked}", path(good));
    for (path, status) in [(path(revoked), 401), (several, 400), (format!("/a?api_key={good}%00"), 401)] {
        assert_eq!(get(loose.ports.proxy, &path, &[]).0, status);
    }
    // Envoy writes what it has logged when it ends.
    envoy.stop().unwrap();
    let logged = std::fs::read_to_string(envoy.process().log()).unwrap();
    assert!(logged.contains("GET /a 200 "), "{logged}");
    assert!(logged.contains("GET full /a?b=1 /a?b=1 /up/a?b=1 200 "), "{logged}");
    assert!(logged.contains("GET full /a?b=1 - /a?b=1 401 keyplane_revoked"), "{logged}");
    assert!(logged.contains("GET full /a?b=1 - /a?b=1 400 keyplane_multiple"), "{logged}");
    assert!(!logged.contains("api_key") && !logged.contains(good) && !logged.contains(revoked), "{logged}");
}
