//! Signing in to the dashboard with another login, against an `OpenID` provider on this machine that checks what providers check.

use crate::issuer::{Key, NOW, with};
use crate::support::{Answer, ControlPlane, START, text};
use crate::visitor::{HOST, Visitor, end_all, escaped, sessions};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use keyplane::jwt::{JwtSettings, Verifier};
use keyplane_contract::digest::Digest;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CLIENT: &str = "kp client";
const SECRET: &str = "canary: s3cret/+";

/// A provider, with what a test makes it do.
struct Provider {
    url: String,
    key: Key,
    state: Mutex<Doing>,
}

#[derive(Default)]
struct Doing {
    /// What was granted: by code, the request for it.
    grants: HashMap<String, HashMap<String, String>>,
    /// Claims on top of a good token's; `absent` takes one away.
    claims: Value,
    /// Answers with this instead.
    discovery: Option<Value>,
    discovery_status: Option<u16>,
    token: Option<(u16, Value)>,
    /// How often the document was read and codes were exchanged.
    read: u32,
    exchanged: u32,
}

impl Provider {
    async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Mutex::new(Doing { claims: json!({}), ..Doing::default() });
        let provider = Arc::new(Self { url, key: Key::es256("k1"), state });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(async |State(it): State<Arc<Self>>| Json(json!({ "keys": [it.key.public()] }))))
            .route("/token", post(token))
            .with_state(Arc::clone(&provider));
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    fn document(&self) -> Value {
        json!({
            "issuer": self.url, "jwks_uri": format!("{}/keys", self.url), "token_endpoint": format!("{}/token", self.url),
            "authorization_endpoint": format!("{}/authorize?tenant=1", self.url),
        })
    }

    fn now(&self, change: impl FnOnce(&mut Doing)) {
        change(&mut self.state.lock().unwrap());
    }

    /// Lets in who was sent here; gives the address that they go back to, without state.
    fn grant(&self, way: &str) -> String {
        let (place, query) = way.split_once('?').unwrap();
        assert_eq!(place, format!("{}/authorize", self.url));
        let asked: HashMap<_, _> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), plain(value)))
            .collect();
        for (name, expected) in [
            ("tenant", "1"),
            ("response_type", "code"),
            ("client_id", CLIENT),
            ("scope", "openid email profile"),
            ("code_challenge_method", "S256"),
            ("redirect_uri", "https://keys.example.com/sign-in/callback"),
        ] {
            assert_eq!(asked[name], expected, "{name}");
        }
        assert!(!way.contains("canary") && asked["nonce"] != asked["state"] && asked["nonce"].len() >= 43);
        let mut state = self.state.lock().unwrap();
        let code = format!("canary-code-{}", state.grants.len());
        let back = format!("/sign-in/callback?code={code}&state={}", escaped(&asked["state"]));
        state.grants.insert(code, asked);
        back
    }
}

/// A value of an address, as it was before.
fn plain(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}

async fn discovery(State(it): State<Arc<Provider>>) -> axum::response::Response {
    let mut state = it.state.lock().unwrap();
    state.read += 1;
    match (state.discovery_status, &state.discovery) {
        (Some(status), _) => StatusCode::from_u16(status).unwrap().into_response(),
        (None, Some(document)) => Json(document.clone()).into_response(),
        (None, None) => Json(it.document()).into_response(),
    }
}

/// What a token endpoint does: the client's name and secret, the code once, the way back, the verifier of the challenge.
async fn token(
    State(it): State<Arc<Provider>>,
    headers: HeaderMap,
    Form(sent): Form<HashMap<String, String>>,
) -> axum::response::Response {
    let mut state = it.state.lock().unwrap();
    state.exchanged += 1;
    if let Some((status, answer)) = &state.token {
        return (StatusCode::from_u16(*status).unwrap(), Json(answer.clone())).into_response();
    }
    let refuse = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    let expected = format!("Basic {}", BASE64_STANDARD.encode("kp+client:canary%3A+s3cret%2F%2B"));
    if headers.get("authorization").is_none_or(|found| found.to_str().unwrap() != expected) {
        return refuse("invalid_client");
    }
    let Some(asked) = state.grants.remove(&sent["code"]) else { return refuse("invalid_grant") };
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Digest::of(sent["code_verifier"].as_bytes()).as_bytes());
    if sent["grant_type"] != "authorization_code"
        || sent["redirect_uri"] != asked["redirect_uri"]
        || challenge != asked["code_challenge"]
    {
        return refuse("invalid_grant");
    }
    let claims = json!({
        "iss": it.url, "sub": "ada", "aud": CLIENT, "iat": NOW, "exp": NOW + 300, "nonce": asked["nonce"], "org": "org_1",
        "email": "ada@example.com", "name": "Ada",
    });
    let mut claims = with(claims, &state.claims);
    claims.as_object_mut().unwrap().retain(|_, value| *value != json!("absent"));
    let token = it.key.sign(&claims);
    Json(json!({ "id_token": token, "access_token": "canary-access", "token_type": "Bearer" })).into_response()
}

/// A control plane that lets people sign in with this provider.
async fn plane(provider: &Provider, more: &Value) -> ControlPlane {
    let issuer = with(
        json!({
            "issuer": provider.url, "discovery": true, "audiences": ["api"], "account_claim": "org",
            "sign_in": {
                "label": "Acme <b>", "client_id": CLIENT, "client_secret_env": "LOGIN_SECRET",
                "redirect_url": format!("https://{HOST}/sign-in/callback"),
            },
        }),
        more,
    );
    let settings: JwtSettings = serde_json::from_value(json!({ "issuers": [issuer] })).unwrap();
    let environment = |name: &str| (name == "LOGIN_SECRET").then(|| SecretString::from(SECRET));
    let plane = ControlPlane::start_trusting(Verifier::new(&settings, environment).unwrap()).await;
    plane.clock.advance(Duration::from_millis((NOW * 1000 - START).unsigned_abs()));
    plane
}

async fn account(plane: &ControlPlane) -> String {
    text(&plane.post("/v1/accounts", json!({ "name": "Acme", "external_id": "org_1" })).await.json(), "id")
}

/// Makes Ada, with this role; gives her id.
async fn ada(plane: &ControlPlane, provider: &Provider, account: &str, role: &str) -> String {
    let identity = json!({ "issuer": provider.url, "subject": "ada" });
    let body = json!({ "account_id": account, "email": "a@x", "name": "Ada L.", "role": role, "identity": identity });
    text(&plane.post("/v1/users", body).await.json(), "id")
}

impl Visitor<'_> {
    /// Goes to the provider and is let in there; gives the way back.
    async fn granted(&mut self, provider: &Provider) -> String {
        provider.grant(self.get("/sign-in/with/0?next=%2Faccounts").await.leads_to())
    }

    /// The whole way.
    async fn log_in(&mut self, provider: &Provider) -> Answer {
        let back = self.granted(provider).await;
        self.get(&back).await
    }
}

#[tokio::test]
async fn somebody_signs_in_with_their_login_and_lands_where_they_wanted_to_be() {
    let provider = Provider::start().await;
    let plane = plane(&provider, &json!({})).await;
    let account = account(&plane).await;
    let id = ada(&plane, &provider, &account, "member").await;
    let keys = format!("/accounts/{account}/keys?q=a%20b");
    let mut visitor = Visitor::new(&plane);
    let page = {
        let way = visitor.get(&keys).await.leads_to().to_owned();
        visitor.get(&way).await.page(200)
    };
    assert!(page.contains("Sign in with Acme &lt;b&gt;") && page.contains("name=\"credential\""), "{page}");
    let link = page.split('"').find(|text| text.starts_with("/sign-in/with/0")).unwrap().to_owned();
    let answer = visitor.get(&link).await;
    let back = provider.grant(answer.leads_to());
    let held = visitor.jar["__Host-keyplane_login"].clone();
    assert!(answer.header("set-cookie").ends_with("; Secure; Max-Age=600"), "{answer:?}");
    let state = back.split("state=").nth(1).unwrap();
    assert!(!held.contains(&plain(state)), "who sees the address knows nothing of the cookie");

    let answer = visitor.get(&back).await;
    assert_eq!(answer.leads_to(), keys);
    assert!(answer.bytes.is_empty() && answer.header("cache-control") == "no-store");
    let names: Vec<_> = visitor.jar.keys().map(String::as_str).collect();
    assert_eq!(names, ["__Host-keyplane_session"], "the cookie of the way is gone");
    let page = visitor.get(&keys).await.page(200);
    assert!(page.contains("Ada L.") && page.contains("member") && !page.contains("/audit"), "{page}");
    assert!(visitor.get("/sessions").await.page(200).contains("Your login at Acme &lt;b&gt;"));
    let entry = &plane.get("/v1/audit?limit=1").await.json()["data"][0];
    assert_eq!((&entry["action"], &entry["actor"]), (&json!("session.begin"), &json!({ "kind": "user", "id": id })));
    assert_eq!(entry["detail"], json!({ "with": "login", "issuer": provider.url, "browser": "" }));
    assert_eq!((&entry["account_id"], &entry["source"]), (&json!(account), &json!("192.0.2.1")));
    // A session of before ends, as at every sign-in.
    let before = visitor.clone();
    assert_eq!(visitor.log_in(&provider).await.leads_to(), "/accounts");
    assert_ne!(before.jar, visitor.jar);
    assert!(!before.clone().is_in().await);
    assert_eq!(sessions(&plane).await, 1);
    let begun = plane.get("/v1/audit?action=session.begin").await.json();
    assert_eq!(begun["data"][0]["detail"]["replaces"], begun["data"][1]["object"]["id"], "{begun}");
    assert_eq!(provider.state.lock().unwrap().read, 2, "once for where to go, once for the keys");

    // What she is counts now, not what she was when she came.
    plane.patch(&format!("/v1/users/{id}"), json!({ "role": "owner" })).await;
    assert!(visitor.get("/sessions").await.page(200).contains("owner"));
    plane.patch(&format!("/v1/accounts/{account}"), json!({ "status": "suspended" })).await;
    assert!(visitor.get(&keys).await.page(403).contains("Account suspended"));
    Visitor::new(&plane).log_in(&provider).await.page(403);
    let entry = &plane.get("/v1/audit?action=session.refuse").await.json()["data"][0];
    assert_eq!((&entry["actor"]["id"], &entry["detail"]["reason"]), (&json!(id), &json!("account_suspended")));
    plane.patch(&format!("/v1/accounts/{account}"), json!({ "status": "active" })).await;
    assert!(visitor.is_in().await);
    assert_eq!(plane.delete(&format!("/v1/users/{id}")).await.status, StatusCode::OK);
    assert!(!visitor.is_in().await);
    assert_eq!(sessions(&plane).await, 0);
    assert!(visitor.log_in(&provider).await.page(403).contains("names no user of an account here"));
}

#[tokio::test]
async fn who_brings_back_something_else_is_not_let_in() {
    let provider = Provider::start().await;
    let plane = plane(&provider, &json!({})).await;
    let account = account(&plane).await;
    ada(&plane, &provider, &account, "owner").await;
    let refused = async |what: &str, visitor: &mut Visitor<'_>, back: &str, status: u16, said: &str| {
        let page = visitor.get(back).await.page(status);
        assert!(page.contains(said), "{what}: {page}");
        assert!(!page.contains("canary") && page.contains("role=\"alert\""), "{what}: {page}");
        assert!(
            page.contains("name=\"credential\"") && page.contains("Sign in with Acme"),
            "{what}: every way is open"
        );
        assert!(visitor.jar.is_empty(), "{what}: {:?}", visitor.jar);
        assert_eq!(sessions(&plane).await, 0, "{what}");
    };
    let stale = "begun in another browser";
    let mut visitor = Visitor::new(&plane);
    let back = visitor.granted(&provider).await;
    let other = format!("{}{}", &back[..back.len() - 43 * 3], escaped(&"A".repeat(43)));
    refused("another state", &mut visitor, &other, 400, stale).await;
    refused("no cookie any more", &mut visitor, &back, 400, stale).await;
    refused("no cookie at all", &mut Visitor::new(&plane), &back, 400, stale).await;
    visitor.granted(&provider).await;
    refused("the way of another browser", &mut visitor, &back, 400, stale).await;
    visitor.granted(&provider).await;
    refused("nothing", &mut visitor, "/sign-in/callback", 400, stale).await;
    // Who changes where to go afterwards, or when it began, has another state.
    for (from, to) in [("%2Faccounts", "%2F%2Fevil.example"), ("180", "190")] {
        let back = visitor.granted(&provider).await;
        let held = visitor.jar.get_mut("__Host-keyplane_login").unwrap();
        assert!(held.contains(from), "{held}");
        *held = held.replace(from, to);
        refused("another cookie", &mut visitor, &back, 400, stale).await;
    }
    let back = visitor.granted(&provider).await;
    plane.clock.advance(Duration::from_mins(10));
    refused("too late", &mut visitor, &back, 400, stale).await;
    assert_eq!(provider.state.lock().unwrap().exchanged, 0, "until here nobody is asked anything");

    // A code counts once, even in the browser that brought it.
    provider.now(|doing| doing.claims = json!({ "iat": NOW + 600, "exp": NOW + 900 }));
    let back = visitor.granted(&provider).await;
    let mut again = visitor.clone();
    assert_eq!(visitor.get(&back).await.leads_to(), "/accounts");
    end_all(&plane).await;
    refused("used before", &mut again, &back, 401, "is not valid").await;
    let back = again.granted(&provider).await.replace("canary-code", "canary-guess");
    refused("a guess", &mut again, &back, 401, "is not valid").await;
    let mut visitor = Visitor { source: "192.0.2.2", ..Visitor::new(&plane) };
    let back = visitor.granted(&provider).await + "&iss=https%3A%2F%2Fevil.example";
    refused("another issuer's", &mut visitor, &back, 401, "is not valid").await;

    for (what, claims) in [
        ("another nonce", json!({ "nonce": "n" })),
        ("no nonce", json!({ "nonce": "absent" })),
        ("for the API", json!({ "aud": "api" })),
        ("for another client", json!({ "aud": "other" })),
        ("for others too", json!({ "aud": [CLIENT, "other"] })),
        ("issued to another", json!({ "azp": "other" })),
        ("too old", json!({ "exp": NOW + 500 })),
        ("of another issuer", json!({ "iss": "https://evil.example" })),
        ("of nobody", json!({ "sub": "absent" })),
        ("not yet", json!({ "nbf": NOW + 3_600 })),
    ] {
        let good = json!({ "iat": NOW + 600, "exp": NOW + 900 });
        provider.now(|doing| doing.claims = with(good, &claims));
        let back = visitor.granted(&provider).await;
        refused(what, &mut visitor, &back, 401, "is not valid").await;
    }
    provider.now(|doing| doing.claims = json!({ "exp": NOW + 900, "aud": [CLIENT, "other"], "azp": CLIENT }));
    assert_eq!(visitor.log_in(&provider).await.leads_to(), "/accounts");
    // Guessing codes is braked as guessing keys is.
    let mut guesser = Visitor { source: "192.0.2.3", ..Visitor::new(&plane) };
    let mut last = 0;
    for _ in 0..21 {
        let back = guesser.granted(&provider).await.replace("canary-code", "canary-guess");
        last = guesser.get(&back).await.status.as_u16();
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn what_a_provider_says_instead_of_a_code_is_told_in_words_of_ours() {
    let provider = Provider::start().await;
    let plane = plane(&provider, &json!({})).await;
    let mut visitor = Visitor::new(&plane);
    let payload = escaped("<script>alert(1)</script>canary");
    for (error, status, said) in [
        ("access_denied", 403, "did not let you in"),
        ("temporarily_unavailable", 503, "Try again soon"),
        ("unauthorized_client", 500, "settings differ"),
        (&payload, 500, "settings differ"),
    ] {
        let back = visitor.granted(&provider).await;
        let state = back.split("state=").nth(1).unwrap();
        let back =
            format!("/sign-in/callback?error={error}&error_description={payload}&error_uri={payload}&state={state}");
        let page = visitor.get(&back).await.page(status);
        assert!(page.contains(said) && !page.contains("canary") && !page.contains("<script>alert"), "{page}");
        // Without the state it says nothing, whoever wrote it.
        let page = Visitor::new(&plane).get(&back).await.page(400);
        assert!(!page.contains(said) && !page.contains("canary"), "{page}");
    }
    assert_eq!(provider.state.lock().unwrap().exchanged, 0);
}

#[tokio::test]
async fn a_login_makes_a_user_only_where_the_operator_wants_it_and_ends_with_its_identity() {
    let provider = Provider::start().await;
    let strict = plane(&provider, &json!({})).await;
    account(&strict).await;
    assert!(Visitor::new(&strict).log_in(&provider).await.page(403).contains("names no user"));

    let open = plane(&provider, &json!({ "create_users": true })).await;
    account(&open).await;
    let mut visitor = Visitor::new(&open);
    visitor.log_in(&provider).await.leads_to();
    let users = open.get("/v1/users").await.json();
    let user = &users["data"][0];
    assert_eq!(
        (&user["name"], &user["email"], &user["role"]),
        (&json!("Ada"), &json!("ada@example.com"), &json!("member"))
    );
    // Without an address there is nothing to make a user of, and what is missing is said.
    provider.now(|doing| doing.claims = json!({ "sub": "eve", "email": "absent" }));
    assert!(Visitor::new(&open).log_in(&provider).await.page(403).contains("no mail address"));
    provider.now(|doing| doing.claims = json!({ "org": "org_2" }));
    assert!(Visitor::new(&open).log_in(&provider).await.page(403).contains("names no user"));
    assert!(visitor.is_in().await);
    // Who is no longer this login's is no longer signed in by it.
    let path = format!("/v1/users/{}", text(user, "id"));
    assert_eq!(open.patch(&path, json!({ "identity": null })).await.status, StatusCode::OK);
    assert!(!visitor.is_in().await);
    assert_eq!(sessions(&open).await, 0);
}

#[tokio::test]
async fn while_the_provider_is_down_that_is_said_and_keys_open_the_dashboard() {
    let provider = Provider::start().await;
    let plane = plane(&provider, &json!({})).await;
    let account = account(&plane).await;
    ada(&plane, &provider, &account, "owner").await;
    provider.now(|doing| doing.discovery_status = Some(500));
    let mut visitor = Visitor::new(&plane);
    for _ in 0..3 {
        let answer = visitor.get("/sign-in/with/0").await;
        assert!(answer.page(503).contains("cannot be reached") && !answer.header("retry-after").is_empty());
    }
    assert_eq!(provider.state.lock().unwrap().read, 1, "it is not asked again at once");
    let mut operator = Visitor::new(&plane);
    operator.sign_in(plane.admin.expose()).await;
    assert!(operator.is_in().await);
    plane.clock.advance(Duration::from_secs(5));
    provider.now(|doing| doing.discovery_status = None);
    assert_eq!(visitor.log_in(&provider).await.leads_to(), "/accounts");
    // Who is signed in stays so, and where to go is known for a while.
    provider.now(|doing| doing.discovery_status = Some(500));
    plane.clock.advance(Duration::from_mins(11));
    assert!(visitor.is_in().await);
    visitor.granted(&provider).await;

    let mut visitor = Visitor::new(&plane);
    for (answer, status, said) in [
        ((500, json!({})), 503, "cannot be reached"),
        ((401, json!({ "error": "invalid_client", "error_description": "canary" })), 500, "settings differ"),
        ((200, json!({ "access_token": "canary" })), 500, "settings differ"),
        ((302, json!({})), 500, "settings differ"),
    ] {
        provider.now(|doing| doing.token = Some(answer));
        let page = visitor.log_in(&provider).await.page(status);
        assert!(page.contains(said) && !page.contains("canary"), "{page}");
    }
}

#[tokio::test]
async fn nobody_is_sent_anywhere_but_to_a_provider_that_can_be_trusted_and_back_here() {
    let provider = Provider::start().await;
    let plane = plane(&provider, &json!({})).await;
    let mut visitor = Visitor::new(&plane);
    visitor.get("/sign-in/with/1").await.page(404);
    assert!(visitor.get("/sign-in/with/x").await.status.is_client_error());
    // People come back to one address: elsewhere the cookie would not be there.
    let request = axum::http::Request::get("/sign-in/with/0").header("host", "localhost:8080");
    let answer = plane.send(request.body(axum::body::Body::empty()).unwrap()).await;
    assert!(answer.page(400).contains("leads back to https://keys.example.com only"));
    for (name, value) in [
        ("authorization_endpoint", json!("http://evil.example/")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("authorization_endpoint", json!(null)),
        ("token_endpoint", json!("http://evil.example/")),
        ("issuer", json!("https://evil.example")),
    ] {
        plane.clock.advance(Duration::from_secs(6));
        let document = with(provider.document(), &json!({ name: value }));
        provider.now(|doing| doing.discovery = Some(document));
        let page = visitor.get("/sign-in/with/0").await;
        assert!(page.status.is_server_error() && !page.page(page.status.as_u16()).contains("evil"), "{name}");
        assert!(visitor.jar.is_empty());
    }
    plane.clock.advance(Duration::from_secs(6));
    provider.now(|doing| doing.discovery = None);
    let account = account(&plane).await;
    ada(&plane, &provider, &account, "owner").await;
    for next in ["//evil.example", "https://evil.example", "/\\evil.example"] {
        let way = visitor.get(&format!("/sign-in/with/0?next={}", escaped(next))).await.leads_to().to_owned();
        let back = provider.grant(&way);
        assert_eq!(visitor.get(&back).await.leads_to(), "/", "{next}");
    }
    // A provider that says its name wants to be named.
    let document = with(provider.document(), &json!({ "authorization_response_iss_parameter_supported": true }));
    provider.now(|doing| doing.discovery = Some(document));
    plane.clock.advance(Duration::from_mins(10));
    provider.now(|doing| doing.claims = json!({ "exp": NOW + 3_600 }));
    visitor.log_in(&provider).await.page(401);
    let back = format!("{}&iss={}", visitor.granted(&provider).await, escaped(&provider.url));
    visitor.get(&back).await.leads_to();
}

#[test]
fn the_clients_secret_is_read_from_its_place_and_shown_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let verifier = |place: Value| {
        let sign_in =
            json!({ "label": "Acme", "client_id": "kp", "redirect_url": "https://keys.example.com/sign-in/callback" });
        let issuer = json!({ "issuer": "https://id.example", "discovery": true, "audiences": ["a"], "sign_in": with(sign_in, &place) });
        let settings: JwtSettings = serde_json::from_value(json!({ "issuers": [issuer] })).unwrap();
        let environment = |name: &str| (name == "GOOD").then(|| SecretString::from("canary"));
        Verifier::new(&settings, environment).map(|verifier| format!("{verifier:?}")).map_err(|error| error.to_string())
    };
    assert!(verifier(json!({ "client_secret_file": file })).unwrap_err().contains("cannot be read"));
    std::fs::write(&file, "\n").unwrap();
    assert!(verifier(json!({ "client_secret_file": file })).unwrap_err().contains("is empty"));
    std::fs::write(&file, "canary\n").unwrap();
    for good in [json!({}), json!({ "client_secret_file": file }), json!({ "client_secret_env": "GOOD" })] {
        let shown = verifier(good).unwrap();
        assert!(shown.contains("Provider") && !shown.contains("canary"), "{shown}");
    }
    let said = verifier(json!({ "client_secret_env": "MISSING" })).unwrap_err();
    assert!(said.contains("sign_in.client_secret_env") && said.contains("MISSING"), "{said}");
}
