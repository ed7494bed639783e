//! A JWT or a key: Envoy's own filter verifies tokens, the Keyplane filter takes their claims. The configuration is the sample's.

use super::fixture::{Loose, PATH, envoy_settings, eventually, seen};
use super::products::issuer::Issuer;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::path::Path;
use xtask::stack::api::CreatedKey;
use xtask::stack::{Envoy, EnvoySettings, Ports, Response, Stack};

const SAMPLE: &str = include_str!("../../../examples/envoy/jwt.yaml");
/// The entry of the filter's settings in the sample.
const PROVIDER: &str = r#"{"issuer": "https://issuer.example.com", "account": ["app_metadata", "account_id"]}"#;
/// So many requests in a row, each on a new connection, meet both workers.
const ROW: usize = 12;

/// A control plane and an upstream with Envoys before it, and an account whose people have tokens and keys.
struct Login {
    /// First, so that they end first. The sample as it is,
    strict: Envoy,
    /// and one that lets broken tokens pass to the filter, leaves good ones in the request, and takes those of a second issuer.
    lenient: Envoy,
    loose: Loose,
    issuer: Issuer,
    other: Issuer,
    account: String,
    key: CreatedKey,
}

impl Login {
    /// The rules are for the lenient Envoy.
    fn start(rules: &Value) -> Self {
        let (loose, issuer, other) = (Loose::start(), Issuer::es256(), Issuer::rs256());
        let api = loose.control_plane.api();
        let account = api.create_account("Acme").unwrap();
        let project = api.create_project(&account, "Hello", "uk_live", "uk_test").unwrap();
        let key = api.create_key(&project, "backend").unwrap();
        let provider = json!({ "issuer": issuer.url, "account": ["app_metadata", "account_id"] });
        let strict = envoy(&loose, loose.ports, &issuer, &[(PROVIDER, provider.to_string())], "strict");
        let second = json!({ "issuer": other.url, "payload": "other", "account": "org_id", "user": "id", "user_prefix": "other|",
            "scopes": ["realm", "roles"], "environment": "test" });
        let lenient = [
            (PROVIDER, format!("{provider}, {second}")),
            ("- allow_missing: {}", "- allow_missing_or_failed: {}".to_owned()),
            (
                "payload_in_metadata: payload",
                "payload_in_metadata: payload\n                          forward: true".to_owned(),
            ),
            (
                "                        login:\n",
                format!("{}                        login:\n", second_provider(&other)),
            ),
            (
                "- provider_name: login",
                "- provider_name: login\n                                - provider_name: other".to_owned(),
            ),
            (r#""jwt": {"#, format!(r#""rules": {rules}, "jwt": {{"#)),
        ];
        let at = Ports { sync: loose.ports.sync, upstream: loose.ports.upstream, ..Ports::any().unwrap() };
        let lenient = envoy(&loose, at, &issuer, &lenient, "lenient");
        let login = Self { strict, lenient, loose, issuer, other, account, key };
        for envoy in [&login.strict, &login.lenient] {
            let headers = [("x-api-key", login.key.secret.expose_secret())];
            eventually("both workers know the key", || {
                (0..ROW).all(|_| envoy.client().get(PATH, &headers).unwrap().status == 200)
            });
        }
        login
    }

    /// A person of the account.
    fn claims(&self) -> Value {
        json!({ "sub": "user_1", "aud": "authenticated", "scope": "jobs:read jobs:write", "app_metadata": { "account_id": self.account } })
    }

    fn with(&self, changes: &Value) -> SecretString {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        self.issuer.sign(claims, 60)
    }

    fn token(&self) -> SecretString {
        self.with(&json!({}))
    }
}

/// The sum of a proxy's stats with this in their name.
fn stat(envoy: &Envoy, name: &str) -> u64 {
    envoy.stats(name).unwrap().values().sum()
}

/// The sample with the issuer on this machine, and these changes.
fn envoy(loose: &Loose, at: Ports, issuer: &Issuer, changes: &[(&str, String)], name: &str) -> Envoy {
    let settings = envoy_settings(&loose.parts, &loose.control_plane, at, &Stack::usual_plugin());
    start(settings, issuer, changes, loose.folder.path(), name)
}

/// An Envoy that takes the tokens of this issuer, by this provider of the filter's settings.
pub fn with_provider(settings: EnvoySettings, issuer: &Issuer, provider: &Value, folder: &Path, name: &str) -> Envoy {
    start(settings, issuer, &[(PROVIDER, provider.to_string())], folder, name)
}

fn start(settings: EnvoySettings, issuer: &Issuer, changes: &[(&str, String)], folder: &Path, name: &str) -> Envoy {
    let port = issuer.url.split([':', '/']).nth(4).unwrap();
    let tls = &SAMPLE[SAMPLE.find("      transport_socket:").unwrap()..];
    let own = [
        (r#"issuer: "https://issuer.example.com""#, format!("issuer: {:?}", issuer.url)),
        (r#"uri: "https://issuer.example.com/.well-known/jwks.json""#, format!("uri: {:?}", issuer.keys_url())),
        ("{ address: issuer.example.com, port_value: 443 }", format!("{{ address: 127.0.0.1, port_value: {port} }}")),
        (tls, String::new()),
    ];
    let changes = [&own[..], changes].concat();
    Envoy::start_other(settings, SAMPLE, &changes, folder, name).unwrap()
}

/// A provider of `jwt_authn` that has its keys at hand.
fn second_provider(issuer: &Issuer) -> String {
    let keys = json!({ "keys": [issuer.public] }).to_string();
    let provider =
        json!({ "issuer": issuer.url, "payload_in_metadata": "other", "local_jwks": { "inline_string": keys } });
    format!("                        other: {provider}\n")
}

/// A request with these headers; each is a name and a value.
fn send(envoy: &Envoy, path: &str, headers: &[(&str, &str)]) -> Response {
    envoy.client().get(path, headers).unwrap()
}

fn bearer(token: &SecretString) -> String {
    format!("Bearer {}", token.expose_secret())
}

fn get(envoy: &Envoy, token: &SecretString) -> Response {
    send(envoy, PATH, &[("authorization", &bearer(token))])
}

/// Status and code of an answer of the filter; Envoy's own have no code.
fn refusal(answer: &Response) -> (u16, String) {
    let body: Value = serde_json::from_str(&answer.text()).unwrap_or_default();
    (answer.status, body["code"].as_str().unwrap_or_default().to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[test]
fn a_token_is_as_good_as_a_key_and_gives_the_same_account() {
    let login = Login::start(&json!([]));
    let strict = &login.strict;
    let by_key = send(strict, PATH, &[("x-api-key", login.key.secret.expose_secret())]);
    assert_eq!((by_key.status, seen(&by_key, "x-keyplane-user")), (200, vec![]));
    let by_token = get(strict, &login.token());
    assert_eq!(by_token.status, 200, "{}", by_token.text());
    assert_eq!(seen(&by_token, "x-keyplane-account"), seen(&by_key, "x-keyplane-account"));
    assert_eq!(seen(&by_token, "x-keyplane-account"), [login.account.as_str()]);
    assert_eq!(seen(&by_token, "x-keyplane-user"), ["user_1"]);
    assert_eq!(seen(&by_token, "x-keyplane-scopes"), ["jobs:read jobs:write"]);
    for absent in ["x-keyplane-key-id", "x-keyplane-project", "x-keyplane-environment", "authorization"] {
        assert_eq!(seen(&by_token, absent), [""; 0], "{absent}");
    }
    assert_eq!(refusal(&send(strict, PATH, &[])), refused(401, "credential_missing"));

    // The account by the name that the issuer has for it; the upstream is told Keyplane's.
    let change = json!({ "external_id": "org_2abc" });
    let path = format!("/v1/accounts/{}", login.account);
    let client = login.loose.control_plane.api();
    assert_eq!(client.client().patch(&path, &change).unwrap().status, 200);
    let by_name = login.with(&json!({ "app_metadata": { "account_id": "org_2abc" } }));
    eventually("both workers know the name", || {
        (0..ROW).all(|_| seen(&get(strict, &by_name), "x-keyplane-account") == [login.account.as_str()])
    });
    let unknown = login.with(&json!({ "app_metadata": { "account_id": "org_9" } }));
    assert_eq!(seen(&get(strict, &unknown), "x-keyplane-account"), ["org_9"]);

    // No key was used, and the metrics tell the two apart.
    assert!(stat(strict, "keyplane_decisions_jwt") > 0);
    let (decided, used) = (stat(strict, "keyplane_decisions_allowed"), stat(strict, "keyplane_decisions_jwt"));
    assert_eq!(get(strict, &login.token()).status, 200);
    assert_eq!(stat(strict, "keyplane_decisions_allowed"), decided);
    assert_eq!(stat(strict, "keyplane_decisions_jwt"), used + 1);

    // Suspended: its tokens end with its keys.
    assert_eq!(client.client().patch(&path, &json!({ "status": "suspended" })).unwrap().status, 200);
    for token in [login.token(), by_name] {
        eventually("both workers refuse the account", || {
            (0..ROW).all(|_| refusal(&get(strict, &token)) == refused(403, "account_suspended"))
        });
    }
    assert_eq!(get(strict, &unknown).status, 200, "another account is not concerned");
}

#[test]
fn only_a_token_that_envoy_has_verified_gets_in() {
    let login = Login::start(&json!([]));
    let (issuer, claims) = (&login.issuer, login.claims());
    let good = login.token();
    let changed = {
        let parts: Vec<_> = good.expose_secret().split('.').collect();
        let forged = login.with(&json!({ "sub": "admin" }));
        let payload = forged.expose_secret().split('.').nth(1).unwrap();
        SecretString::from([parts[0], payload, parts[2]].join("."))
    };
    let with_issuer = |name: &str| {
        let mut claims = claims.clone();
        claims["iss"] = json!(name);
        claims["exp"] = json!(4_000_000_000_u64);
        claims
    };
    // The public key as a secret: who checks by the header's algorithm falls for it.
    let confused = jsonwebtoken::encode(
        &Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::HS256) },
        &with_issuer(&issuer.url),
        &EncodingKey::from_secret(issuer.public.to_string().as_bytes()),
    );
    let none = {
        let part =
            |json: &Value| jsonwebtoken::encode(&Header::default(), json, &EncodingKey::from_secret(b"x")).unwrap();
        let payload = part(&with_issuer(&issuer.url)).split('.').nth(1).unwrap().to_owned();
        // {"alg":"none","kid":"k1"}
        format!("eyJhbGciOiJub25lIiwia2lkIjoiazEifQ.{payload}.")
    };
    let stranger = Issuer::es256();
    let bad: [(&str, SecretString); 9] = [
        ("expired", issuer.sign(claims.clone(), -600)),
        ("changed", changed),
        ("made for another application", login.with(&json!({ "aud": "other" }))),
        ("of nobody known", stranger.sign(claims.clone(), 60)),
        ("of nobody known, in the issuer's name", stranger.sign_as(&issuer.url, claims.clone(), 60)),
        ("with another algorithm", confused.unwrap().into()),
        ("without a signature", none.into()),
        ("of the issuer, in another name", issuer.sign_as("https://issuer.example.com", claims.clone(), 60)),
        ("of the second issuer, in the name of the first", login.other.sign_as(&issuer.url, claims.clone(), 60)),
    ];
    for (what, token) in &bad {
        let strict = get(&login.strict, token);
        // Envoy answers 403 for another audience.
        assert!(matches!(strict.status, 401 | 403), "{what}: {}", strict.text());
        // Here Envoy lets it pass, which proves nothing.
        assert_eq!(refusal(&get(&login.lenient, token)), refused(401, "credential_invalid"), "{what}");
    }
    assert!(stat(&login.lenient, "http.proxy.jwt_authn.denied") == 0, "Envoy itself refused");
    assert_eq!(get(&login.strict, &good).status, 200);
    assert_eq!(get(&login.lenient, &good).status, 200);

    // Nothing that a caller writes is a payload or an identity.
    let forged = serde_json::to_string(&with_issuer(&issuer.url)).unwrap();
    let headers = [
        ("payload", forged.as_str()),
        ("x-jwt-payload", &forged),
        ("envoy.filters.http.jwt_authn", &forged),
        ("x-keyplane-account", "forged"),
        ("x_keyplane_user", "forged"),
    ];
    for envoy in [&login.strict, &login.lenient] {
        assert_eq!(refusal(&send(envoy, PATH, &headers)), refused(401, "credential_missing"));
        let bearer = bearer(&good);
        let answer = send(envoy, PATH, &[&headers[..], &[("authorization", &bearer)]].concat());
        assert_eq!((answer.status, seen(&answer, "x-keyplane-user")), (200, vec!["user_1".to_owned()]));
        assert_eq!(seen(&answer, "x_keyplane_user"), [""; 0]);
    }
}

#[test]
fn a_token_and_a_key_at_once_are_refused() {
    let login = Login::start(&json!([]));
    let (token, key) = (bearer(&login.token()), login.key.secret.expose_secret());
    let multiple = refused(400, "multiple_credentials");
    for envoy in [&login.strict, &login.lenient] {
        for key in [key, "uk_live_unknown", ""] {
            assert_eq!(refusal(&send(envoy, PATH, &[("authorization", &token), ("x-api-key", key)])), multiple);
        }
        // A broken one proves nothing; where it stays in the request it is a second credential all the same.
        let broken = bearer(&login.issuer.sign(login.claims(), -600));
        assert_ne!(send(envoy, PATH, &[("authorization", &broken), ("x-api-key", key)]).status, 200);
    }
    // The token that Envoy leaves in the request is no second one, and the upstream does not get it.
    let answer = send(&login.lenient, PATH, &[("authorization", &token)]);
    assert_eq!((answer.status, seen(&answer, "authorization")), (200, vec![]));
    // A key as bearer token works where Envoy lets it pass.
    let bearer = format!("Bearer {key}");
    assert_eq!(send(&login.lenient, PATH, &[("authorization", &bearer)]).status, 200);
    assert_eq!(send(&login.strict, PATH, &[("authorization", &bearer)]).status, 401);
}

#[test]
fn claims_are_passed_on_as_they_are_or_not_at_all() {
    let login = Login::start(&json!([]));
    let strict = &login.strict;
    let told = |changes: Value, header: &str| seen(&get(strict, &login.with(&changes)), header);
    let number = |id: Value| {
        let claims = json!({ "org_id": 12345, "id": id });
        let answer = get(&login.lenient, &login.other.sign(claims, 60));
        if answer.status == 200 { Some(seen(&answer, "x-keyplane-user").concat()) } else { None }
    };
    assert_eq!(number(json!(9_007_199_254_740_991_u64)).as_deref(), Some("other|9007199254740991"));
    for inexact in [json!(9_007_199_254_740_993_u64), json!(1.5), json!(-1), json!(1e300)] {
        assert_eq!(number(inexact), None);
    }
    // Eight bytes that could be a number's.
    assert_eq!(told(json!({ "sub": "ABCDEF7C" }), "x-keyplane-user"), ["ABCDEF7C"]);
    assert_eq!(told(json!({ "sub": "Zo\u{eb}" }), "x-keyplane-user"), ["Zo%C3%AB"]);
    assert_eq!(told(json!({ "scope": ["read", "write"] }), "x-keyplane-scopes"), ["read write"]);
    assert_eq!(told(json!({ "scope": "  read  write " }), "x-keyplane-scopes"), ["read write"]);
    for none in [json!(""), json!([]), json!(null)] {
        assert_eq!(told(json!({ "scope": none }), "x-keyplane-scopes"), [""; 0]);
    }
    // A null elsewhere in the token is no matter.
    assert_eq!(told(json!({ "phone": null, "list": [1, null] }), "x-keyplane-user"), ["user_1"]);
    let control = "a\r\nx-keyplane-account: forged";
    for unusable in [
        json!({ "app_metadata": {} }),
        json!({ "app_metadata": null }),
        json!({ "app_metadata": { "account_id": null } }),
        json!({ "app_metadata": { "account_id": control } }),
        json!({ "app_metadata": [login.account] }),
        json!({ "sub": "" }),
        json!({ "sub": null }),
        json!({ "sub": ["user_1"] }),
        json!({ "sub": control }),
        json!({ "sub": "a\u{0}b" }),
        json!({ "sub": "a".repeat(257) }),
        json!({ "scope": "read\nwrite" }),
        json!({ "scope": ["read write"] }),
        json!({ "scope": [["read"]] }),
        json!({ "scope": 5 }),
    ] {
        let answer = get(strict, &login.with(&unusable));
        // `jwt_authn` itself refuses a subject that is no text.
        assert_eq!(answer.status, 401, "{unusable}: {}", answer.text());
    }
    assert!(stat(strict, "keyplane_decisions_token") >= 12);
}

#[test]
fn tokens_of_two_issuers_are_told_apart() {
    let login = Login::start(&json!([]));
    let claims =
        json!({ "id": 7, "sub": "user_1", "org_id": login.account, "realm": { "roles": ["jobs:read", "admin"] } });
    let answer = get(&login.lenient, &login.other.sign(claims.clone(), 60));
    assert_eq!(answer.status, 200, "{}", answer.text());
    for (header, value) in [
        ("x-keyplane-user", "other|7"),
        ("x-keyplane-account", login.account.as_str()),
        ("x-keyplane-scopes", "jobs:read admin"),
        ("x-keyplane-environment", "test"),
    ] {
        assert_eq!(seen(&answer, header), [value]);
    }
    assert_eq!(seen(&get(&login.lenient, &login.token()), "x-keyplane-user"), ["user_1"]);
    // The first Envoy does not know this issuer.
    assert_eq!(get(&login.strict, &login.other.sign(claims, 60)).status, 401);
}

#[test]
fn a_rule_asks_of_a_token_what_it_asks_of_a_key() {
    let login = Login::start(&json!([
        { "paths": ["/people/**"], "accept": "jwt" },
        { "paths": ["/programs/**"], "accept": "key" },
        { "paths": ["/jobs/**"], "scopes": { "all": ["jobs:write"] } },
        { "paths": ["/test/**"], "environment": "test" },
        { "paths": ["/open"], "access": "public" },
    ]));
    let send = |path: &str, credential: (&str, &str)| {
        let answer = login.lenient.client().get(path, &[credential]).unwrap();
        refusal(&answer)
    };
    let (good, reader) = (bearer(&login.token()), bearer(&login.with(&json!({ "scope": "jobs:read" }))));
    let other = json!({ "id": 7, "org_id": "org_7", "realm": { "roles": ["jobs:write"] } });
    let other = bearer(&login.other.sign(other, 60));
    let expired = bearer(&login.issuer.sign(login.claims(), -600));
    let key = ("x-api-key", login.key.secret.expose_secret());
    let token = |value| ("authorization", value);
    let passes = refused(200, "");
    for (path, credential, expected) in [
        ("/people/me", token(&*good), &passes),
        ("/people/me", key, &refused(401, "token_required")),
        ("/people/me", token(&expired), &refused(401, "token_required")),
        ("/programs/run", key, &passes),
        ("/programs/run", token(&good), &refused(401, "credential_invalid")),
        ("/jobs/1", token(&good), &passes),
        ("/jobs/1", token(&other), &passes),
        ("/jobs/1", token(&reader), &refused(403, "scope_missing")),
        ("/test/1", token(&other), &passes),
        ("/test/1", token(&good), &refused(403, "environment_not_allowed")),
        ("/open", token(&expired), &passes),
    ] {
        assert_eq!(send(path, credential), *expected, "{path} {}", credential.0);
    }
    // On a public path nobody is told, not even to whom a token was given.
    let answer = login.lenient.client().get("/open", &[token(&good)]).unwrap();
    assert_eq!((seen(&answer, "x-keyplane-user"), seen(&answer, "authorization")), (vec![], vec![]));
}
