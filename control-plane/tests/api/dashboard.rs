//! The dashboard, asked as a browser without JavaScript asks: pages, cookies, forms.

use crate::store::connect;
use crate::support::{Answer, ControlPlane, text};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use sqlx::Row as _;
use std::time::Duration;

/// Where the dashboard is.
const HOST: &str = "keys.example.com";

/// A browser with at most one session.
pub struct Browser<'a> {
    pub plane: &'a ControlPlane,
    pub cookie: Option<String>,
}

/// What a browser sends with a form of a page.
pub fn post(path: &str) -> axum::http::request::Builder {
    Request::post(path)
        .header("host", HOST)
        .header("origin", format!("https://{HOST}"))
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/x-www-form-urlencoded")
}

/// The text as a value in an address or a form.
pub fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat()
}

pub fn encode(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect::<Vec<_>>().join("&")
}

/// The value of a hidden field.
pub fn hidden(page: &str, name: &str) -> String {
    let mark = format!("type=\"hidden\" name=\"{name}\" value=\"");
    let (_, rest) = page.split_once(&mark).unwrap_or_else(|| panic!("no field {name} in {page}"));
    rest.split('"').next().unwrap().to_owned()
}

impl Answer {
    /// The page.
    #[track_caller]
    pub fn page(&self, status: u16) -> String {
        let page = String::from_utf8(self.bytes.clone()).unwrap();
        assert_eq!(self.status.as_u16(), status, "{page}");
        assert_eq!(self.header("content-type"), "text/html; charset=utf-8", "{page}");
        page
    }

    /// Where a redirect leads.
    #[track_caller]
    pub fn leads_to(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{self:?}");
        self.header("location")
    }
}

impl<'a> Browser<'a> {
    pub const fn new(plane: &'a ControlPlane) -> Self {
        Self { plane, cookie: None }
    }

    /// One that is signed in.
    pub async fn signed_in(plane: &'a ControlPlane, credential: &str) -> Self {
        let mut browser = Self::new(plane);
        assert_eq!(browser.sign_in(credential).await.leads_to(), "/");
        browser
    }

    pub async fn sign_in(&mut self, credential: &str) -> Answer {
        let answer = self.send(post("/sign-in"), &encode(&[("credential", credential), ("next", "/")])).await;
        self.keep(&answer);
        answer
    }

    /// Does with its cookie as an answer says.
    pub fn keep(&mut self, answer: &Answer) {
        if let Some(pair) = answer.header("set-cookie").split(';').next().filter(|pair| !pair.is_empty()) {
            self.cookie = pair.split_once('=').filter(|(_, value)| !value.is_empty()).map(|_| pair.to_owned());
        }
    }

    pub async fn send(&self, request: axum::http::request::Builder, body: &str) -> Answer {
        let request = match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        };
        self.plane.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).header("host", HOST).header("accept", "text/html"), "").await
    }

    /// Sends a form of the page at `from`, with its hidden fields.
    pub async fn submit(&self, from: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get(from).await.page(200);
        let csrf = hidden(&page, "csrf");
        let mut fields = fields.to_vec();
        fields.push(("csrf", &csrf));
        self.send(post(path), &encode(&fields)).await
    }
}

/// A user of the account with this role; gives the secret and the id of their token.
pub async fn person(plane: &ControlPlane, account: &str, name: &str, role: &str) -> (String, String) {
    let body = json!({ "account_id": account, "email": format!("{name}@example.com"), "name": name, "role": role });
    let user = plane.post("/v1/users", body).await.json();
    let token = plane.post("/v1/personal_access_tokens", json!({ "user_id": user["id"], "name": "laptop" })).await;
    (text(&token.json(), "key"), text(&token.json(), "id"))
}

async fn sessions(plane: &ControlPlane) -> i64 {
    let mut connection = connect(plane.folder.path()).await;
    sqlx::query("SELECT count(*) FROM sessions").fetch_one(&mut connection).await.unwrap().get(0)
}

#[tokio::test]
async fn nothing_is_shown_before_sign_in_and_after_it_the_page_that_was_asked_for() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let key = text(&plane.key(&project, "live", "Hidden").await, "id");
    let mut browser = Browser::new(&plane);
    let keys = format!("/accounts/{account}/keys");
    for path in [
        "/",
        "/accounts",
        "/sessions",
        &keys,
        &format!("{keys}/new"),
        &format!("{keys}/{key}"),
        &format!("{keys}/{key}/revoke"),
    ] {
        let answer = browser.get(path).await;
        assert!(answer.leads_to().starts_with("/sign-in"), "{path}");
        assert!(answer.bytes.is_empty());
        assert!(browser.send(post(path), "").await.status != StatusCode::OK);
    }
    let way = browser.get(&format!("{keys}?q=a%20b")).await.leads_to().to_owned();
    let page = browser.get(&way).await.page(200);
    let next = hidden(&page, "next");
    assert_eq!(next, format!("{keys}?q=a%20b"));
    let fields = [("credential", plane.admin.expose()), ("next", &next)];
    let answer = browser.send(post("/sign-in"), &encode(&fields)).await;
    assert_eq!(answer.leads_to(), next);
    browser.keep(&answer);
    browser.get(&next).await.page(200);
    assert!(browser.get(&keys).await.page(200).contains("Hidden"));
    // An address elsewhere is not followed.
    let fields = [("credential", plane.admin.expose()), ("next", "//evil.example")];
    assert_eq!(browser.send(post("/sign-in"), &encode(&fields)).await.leads_to(), "/");
}

#[tokio::test]
async fn a_session_is_a_random_cookie_of_which_only_the_digest_is_kept() {
    let plane = ControlPlane::start().await;
    let mut browser = Browser::new(&plane);
    let answer = browser.sign_in(plane.admin.expose()).await;
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-keyplane_session=kp_session_"), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    let value = cookie.split(['=', ';']).nth(1).unwrap().to_owned();
    let first = browser.cookie.clone();
    // Another sign-in gives another session, and the one before ends.
    browser.sign_in(plane.admin.expose()).await;
    assert_ne!(browser.cookie, first);
    let old = Browser { plane: &plane, cookie: first };
    assert_eq!(old.get("/accounts").await.leads_to(), "/sign-in?next=%2Faccounts");
    assert_eq!(sessions(&plane).await, 1);
    let mut connection = connect(plane.folder.path()).await;
    for row in
        sqlx::query("SELECT digest, kind, credential, holder FROM sessions").fetch_all(&mut connection).await.unwrap()
    {
        assert_ne!(row.get::<Vec<u8>, _>("digest"), value.as_bytes());
    }
    // On this machine itself, over plain HTTP, the name is another: browsers do not all take `__Host-` there.
    let request = post("/sign-in").header("x-none", "");
    let mut request = request.body(Body::from(encode(&[("credential", plane.admin.expose())]))).unwrap();
    request.headers_mut().insert("host", "127.0.0.1:8080".parse().unwrap());
    request.headers_mut().insert("origin", "http://127.0.0.1:8080".parse().unwrap());
    let answer = plane.send(request).await;
    assert!(answer.header("set-cookie").starts_with("keyplane_session=kp_session_"), "{answer:?}");
    // And is taken nowhere else.
    let value = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!(Browser { plane: &plane, cookie: Some(value) }.get("/accounts").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn sessions_end_when_idle_at_their_limit_and_at_sign_out() {
    let plane = ControlPlane::start().await;
    let browser = Browser::signed_in(&plane, plane.admin.expose()).await;
    let minutes = Duration::from_mins;
    plane.clock.advance(minutes(59));
    browser.get("/accounts").await.page(200);
    plane.clock.advance(minutes(60));
    assert_eq!(browser.get("/accounts").await.status, StatusCode::SEE_OTHER);
    assert_eq!(sessions(&plane).await, 0);
    // In use all the while, it still ends.
    let browser = Browser::signed_in(&plane, plane.admin.expose()).await;
    for _ in 0..14 {
        plane.clock.advance(minutes(50));
        browser.get("/accounts").await.page(200);
    }
    plane.clock.advance(minutes(20));
    assert_eq!(browser.get("/accounts").await.status, StatusCode::SEE_OTHER);
    // Signing out ends one; everywhere, all of who is signed in.
    let (one, two) = (
        Browser::signed_in(&plane, plane.admin.expose()).await,
        Browser::signed_in(&plane, plane.admin.expose()).await,
    );
    let three = Browser::signed_in(&plane, plane.admin.expose()).await;
    let answer = one.submit("/accounts", "/sign-out", &[]).await;
    assert_eq!(answer.leads_to(), "/sign-in?out=yes");
    assert!(answer.header("set-cookie").starts_with("__Host-keyplane_session=;"));
    assert_eq!(one.get("/accounts").await.status, StatusCode::SEE_OTHER);
    two.get("/accounts").await.page(200);
    two.submit("/accounts", "/sign-out", &[("everywhere", "yes")]).await.leads_to();
    assert_eq!(three.get("/accounts").await.status, StatusCode::SEE_OTHER);
    assert_eq!(sessions(&plane).await, 0);
    // Those that nobody asks for are swept, and nobody has more than a few.
    for _ in 0..25 {
        Browser::signed_in(&plane, plane.admin.expose()).await;
    }
    assert_eq!(sessions(&plane).await, 20);
    plane.clock.advance(minutes(60));
    keyplane::service::sweep::sweep(&plane.app).await.unwrap();
    assert_eq!(sessions(&plane).await, 0);
}

#[tokio::test]
async fn a_credential_that_goes_takes_its_sessions_with_it_at_once() {
    let plane = ControlPlane::start().await;
    let (account, _) = plane.project().await;
    let other = plane.post("/v1/admin_keys", json!({ "name": "second", "access": "write" })).await.json();
    let browser = Browser::signed_in(&plane, &text(&other, "key")).await;
    browser.get("/accounts").await.page(200);
    assert_eq!(plane.delete(&format!("/v1/admin_keys/{}", text(&other, "id"))).await.status, StatusCode::OK);
    assert_eq!(browser.get("/accounts").await.status, StatusCode::SEE_OTHER);

    let (token, id) = person(&plane, &account, "ada", "owner").await;
    let browser = Browser::signed_in(&plane, &token).await;
    browser.get("/").await.leads_to();
    // A suspended account's people are told so; lifted, they go on.
    plane.patch(&format!("/v1/accounts/{account}"), json!({ "status": "suspended" })).await;
    assert!(browser.get("/").await.page(403).contains("Account suspended"));
    plane.patch(&format!("/v1/accounts/{account}"), json!({ "status": "active" })).await;
    browser.get("/").await.leads_to();
    plane.delete(&format!("/v1/personal_access_tokens/{id}")).await;
    assert_eq!(browser.get("/accounts").await.leads_to(), "/sign-in?next=%2Faccounts");
    assert_eq!(sessions(&plane).await, 0);
}

#[tokio::test]
async fn what_is_no_way_in_is_refused_and_counted() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let key = text(&plane.key(&project, "live", "k").await, "key");
    let mut browser = Browser::new(&plane);
    let page = browser.sign_in("kp_admin_wrong").await.page(401);
    assert!(page.contains("The credential is not valid") && !page.contains("kp_admin_wrong"), "{page}");
    assert!(browser.sign_in("").await.page(401).contains("Paste your key"));
    assert!(browser.sign_in(plane.proxy.expose()).await.page(401).contains("not valid"));
    let page = browser.sign_in(&key).await.page(403);
    assert!(
        page.contains("project's key") || page.contains("project&#39;s key") || page.contains("project&apos;s key"),
        "{page}"
    );
    assert_eq!((browser.cookie.clone(), sessions(&plane).await), (None, 0));
    // As at the API, by source address.
    let from = async |credential: &str| {
        let mut request = post("/sign-in").body(Body::from(encode(&[("credential", credential)]))).unwrap();
        let source = std::net::SocketAddr::new("192.0.2.7".parse().unwrap(), 1);
        request.extensions_mut().insert(axum::extract::ConnectInfo(source));
        plane.send(request).await
    };
    let mut statuses = Vec::new();
    for _ in 0..21 {
        statuses.push(from("kp_admin_wrong").await.status.as_u16());
    }
    assert_eq!((statuses[19], statuses[20]), (401, 429));
    let refused = from("kp_admin_wrong").await;
    assert!(refused.page(429).contains("Too many") && !refused.header("retry-after").is_empty());
    let api = plane.call_from("192.0.2.7", "kp_admin_wrong", "GET", "/v1/me", Value::Null).await;
    api.problem(429, "too_many_failures");
    assert_eq!(from(plane.admin.expose()).await.leads_to(), "/", "a valid one is taken all the while");
}

#[tokio::test]
async fn a_form_from_elsewhere_changes_nothing() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let key = text(&plane.key(&project, "live", "Kept").await, "id");
    let browser = Browser::signed_in(&plane, plane.admin.expose()).await;
    let path = format!("/accounts/{account}/keys/{key}/revoke");
    let csrf = hidden(&browser.get(&path).await.page(200), "csrf");
    let good = encode(&[("csrf", &csrf)]);
    let foreign = |name: &'static str, value: &'static str| {
        let mut request = post(&path);
        request.headers_mut().unwrap().insert(name, value.parse().unwrap());
        request
    };
    let without = |names: &[&str]| {
        let mut request = post(&path);
        for name in names {
            request.headers_mut().unwrap().remove(*name);
        }
        request
    };
    let stranger = Browser::signed_in(&plane, plane.admin.expose()).await;
    let other = hidden(&stranger.get(&path).await.page(200), "csrf");
    assert_ne!(other, csrf, "a token is of one session");
    for (request, body) in [
        (foreign("origin", "https://evil.example"), good.clone()),
        (foreign("origin", "null"), good.clone()),
        (foreign("sec-fetch-site", "cross-site"), good.clone()),
        (foreign("sec-fetch-site", "same-site"), good.clone()),
        (without(&["origin", "sec-fetch-site"]), good.clone()),
        (post(&path), String::new()),
        (post(&path), encode(&[("csrf", &other)])),
        (post(&path), encode(&[("csrf", "")])),
    ] {
        assert!(browser.send(request, &body).await.page(403).contains("Not allowed"));
    }
    let sign_out = Request::post("/sign-out").header("host", HOST).header("origin", "https://evil.example");
    assert_eq!(browser.send(sign_out, &good).await.status, StatusCode::FORBIDDEN);
    let sign_in = Request::post("/sign-in").header("host", HOST).header("origin", "https://evil.example");
    let body = encode(&[("credential", plane.admin.expose())]);
    assert_eq!(Browser::new(&plane).send(sign_in, &body).await.status, StatusCode::FORBIDDEN);
    assert_eq!(plane.get(&format!("/v1/keys/{key}")).await.json()["status"], "active");
    browser.send(post(&path), &good).await.page(200);
    assert_eq!(plane.get(&format!("/v1/keys/{key}")).await.json()["status"], "revoked");
}

#[tokio::test]
async fn every_page_is_closed_to_scripts_frames_and_caches() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let key = text(&plane.key(&project, "live", "k").await, "id");
    let browser = Browser::signed_in(&plane, plane.admin.expose()).await;
    let keys = format!("/accounts/{account}/keys");
    let paths = [
        "/sign-in",
        "/accounts",
        &keys,
        &format!("{keys}/new"),
        &format!("{keys}/{key}"),
        &format!("{keys}/{key}/rename"),
        &format!("{keys}/{key}/revoke"),
        &format!("{keys}/{key}/rotate"),
        &format!("{keys}/{key}/edit"),
        &format!("/accounts/{account}/overview"),
        &format!("/accounts/{account}/usage"),
        "/accounts/new",
        "/proxies",
        "/proxy-tokens",
        "/admin-keys",
        &format!("/accounts/{account}/projects"),
        &format!("/accounts/{account}/projects/{project}"),
        &format!("/accounts/{account}/projects/{project}/edit"),
        &format!("/accounts/{account}/tokens"),
        &format!("/accounts/{account}/team"),
        &format!("/accounts/{account}/team/new"),
        &format!("/accounts/{account}/audit"),
        &format!("/accounts/{account}/settings"),
        "/no-such-page",
        &format!("{keys}/x"),
        "/accounts/x/keys",
    ]
    .map(str::to_owned);
    for path in paths {
        let answer = browser.get(&path).await;
        let page = answer.page(answer.status.as_u16());
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        for forbidden in ["<style", " style=", " onclick=", " onload=", "javascript:", "https://", "http://"] {
            // The icons name their vocabulary nowhere; nothing leads out.
            assert!(!page.contains(forbidden), "{path} holds {forbidden}: {page}");
        }
        assert_eq!(page.matches("<script").count(), 1, "{path}");
        assert!(page.len() < 60_000, "{path}: {} bytes", page.len());
    }
    // What is loaded is there, and may be kept for good.
    let page = browser.get(&keys).await.page(200);
    let assets: Vec<_> = page.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert_eq!(assets.len(), 3);
    let mut bytes = page.len();
    for asset in assets {
        let answer = plane.send(Request::get(asset).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{asset}");
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
        bytes += answer.bytes.len();
    }
    assert!(bytes < 100_000, "the first page takes {bytes} bytes");
}

#[tokio::test]
async fn a_key_is_made_shown_once_renamed_and_revoked_without_a_script() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let browser = Browser::signed_in(&plane, plane.admin.expose()).await;
    let keys = format!("/accounts/{account}/keys");
    assert_eq!(browser.get("/").await.leads_to(), format!("/accounts/{account}/overview"));
    assert!(browser.get(&keys).await.page(200).contains("No keys yet"));

    let new = format!("{keys}/new");
    let page = browser.get(&new).await.page(200);
    let (csrf, once) = (hidden(&page, "csrf"), hidden(&page, "once"));
    let fields = [
        ("csrf", csrf.as_str()),
        ("once", &once),
        ("project_id", &project),
        ("name", "Production server"),
        ("environment", "live"),
        ("end", "30"),
        ("expires_at", ""),
        ("scopes", "jobs:read, jobs:write"),
        ("allowed_cidrs", "203.0.113.0/24\r\n2001:db8::/32"),
    ];
    let made = browser.send(post(&new), &encode(&fields)).await;
    let page = made.page(201);
    assert_eq!(made.header("cache-control"), "no-store");
    assert_eq!(made.header("location"), "", "the key is in the answer to the form itself, in no address");
    let (_, rest) = page.split_once("id=\"secret\"").unwrap();
    let secret = rest.split(['>', '<']).nth(1).unwrap().to_owned();
    assert!(secret.starts_with("uk_live_") && secret.len() == 46, "{}", secret.len());
    assert!(page.contains(&format!("API_KEY={secret}")), "a line for .env");
    assert!(page.contains("curl https://api.example.com/v1/me -H") && page.contains("only time"), "{page}");
    let listed = plane.get("/v1/keys").await.json();
    let key = &listed["data"][0];
    assert_eq!((&key["name"], &key["environment"]), (&json!("Production server"), &json!("live")));
    assert_eq!(
        (&key["scopes"], &key["allowed_cidrs"]),
        (&json!(["jobs:read", "jobs:write"]), &json!(["203.0.113.0/24", "2001:db8::/32"]))
    );
    assert_eq!(key["expires_at"], "2026-01-31T00:00:00.000Z");
    let id = text(key, "id");
    // Sent again, as a reload does, it makes no second key.
    assert!(browser.send(post(&new), &encode(&fields)).await.page(201).contains(&secret));
    assert_eq!(plane.get("/v1/keys").await.json()["data"].as_array().unwrap().len(), 1);

    // From now on there is only the mask, here as everywhere.
    let mask = text(key, "key_prefix");
    for path in [keys.clone(), format!("{keys}/{id}"), format!("{keys}/{id}/revoke")] {
        let page = browser.get(&path).await.page(200);
        assert!(page.contains(&mask) && !page.contains(&secret), "{path}");
    }
    let rename = format!("{keys}/{id}/rename");
    let answer = browser.submit(&rename, &rename, &[("name", "  Old server ")]).await;
    let way = answer.leads_to().to_owned();
    assert_eq!(way, format!("{keys}/{id}?done=renamed"));
    let page = browser.get(&way).await.page(200);
    assert!(page.contains("Old server") && page.contains("The key has its new name."), "{page}");
    let page = browser.submit(&rename, &rename, &[("name", " ")]).await.page(422);
    assert!(page.contains("The name must have at least one character"), "{page}");

    let revoke = format!("{keys}/{id}/revoke");
    let page = browser.get(&revoke).await.page(200);
    assert!(page.contains("Old server") && page.contains("cannot be undone"), "{page}");
    let page = browser.submit(&revoke, &revoke, &[("reason", "leaked")]).await.page(200);
    assert!(page.contains("is revoked") && page.contains("No proxy is connected"), "{page}");
    let key = plane.get(&format!("/v1/keys/{id}")).await.json();
    assert_eq!((&key["status"], &key["revoke_reason"]), (&json!("revoked"), &json!("leaked")));
    assert!(!browser.get(&keys).await.page(200).contains("Old server"), "revoked keys are not in the way");
    assert!(browser.get(&format!("{keys}?status=revoked")).await.page(200).contains("Old server"));
    // Who did it is in the audit log, as at the API.
    let audit = plane.get(&format!("/v1/audit?object_id={id}")).await.json();
    let actions: Vec<_> = audit["data"].as_array().unwrap().iter().map(|entry| text(entry, "action")).collect();
    assert_eq!(actions, ["key.revoke", "key.rename", "key.create"]);
    assert!(audit["data"].as_array().unwrap().iter().all(|entry| entry["actor"]["kind"] == "admin_key"), "{audit}");
}

#[tokio::test]
async fn what_is_wrong_in_a_form_is_said_beside_its_field_and_nothing_typed_is_lost() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let browser = Browser::signed_in(&plane, plane.admin.expose()).await;
    let new = format!("/accounts/{account}/keys/new");
    let send = async |changed: &[(&str, &str)]| {
        let mut fields = vec![
            ("project_id", project.as_str()),
            ("name", "Kept"),
            ("environment", "test"),
            ("end", "never"),
            ("scopes", ""),
            ("allowed_cidrs", ""),
        ];
        fields.retain(|(name, _)| changed.iter().all(|(other, _)| other != name));
        fields.extend(changed);
        browser.submit(&new, &new, &fields).await.page(422)
    };
    let page = send(&[("scopes", "good Bad!"), ("allowed_cidrs", "203.0.113.1/24")]).await;
    assert!(page.contains("Scope 2 must begin with") && page.contains("Network 1 "), "{page}");
    assert!(page.contains("value=\"Kept\"") && page.contains(">good Bad!</textarea>"), "{page}");
    assert!(send(&[("end", "date"), ("expires_at", "2020-01-01")]).await.contains("The end must lie in the future"));
    assert!(send(&[("end", "date"), ("expires_at", "soon")]).await.contains("The end must be a date"));
    assert!(send(&[("project_id", "x")]).await.contains("The project must be one of"));
    assert!(send(&[("name", &"n".repeat(101))]).await.contains("The name must have at most 100"));
    // A project of another account is none of this one's.
    let (_, foreign) = plane.project().await;
    assert!(send(&[("project_id", &foreign)]).await.contains("The project must be one of"));
    assert_eq!(plane.get("/v1/keys").await.json()["data"], json!([]));
    // At the cap, what to do is said.
    plane.patch(&format!("/v1/accounts/{account}"), json!({ "plan": "free" })).await;
    plane.key(&project, "live", "1").await;
    plane.key(&project, "live", "2").await;
    let fields = [("project_id", project.as_str()), ("name", "3"), ("environment", "live"), ("end", "never")];
    let page = browser.submit(&new, &new, &fields).await.page(409);
    assert!(page.contains("Revoke keys that are not used, or upgrade the plan"), "{page}");
}

#[tokio::test]
async fn a_page_shows_and_does_what_the_api_lets_its_reader() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let (other_account, other_project) = plane.project().await;
    let other_key = text(&plane.key(&other_project, "live", "Foreign").await, "id");
    let key = text(&plane.key(&project, "live", "Own").await, "id");
    let keys = format!("/accounts/{account}/keys");
    // A tenant: their account and no other, however it is asked for.
    let (token, _) = person(&plane, &account, "ada", "member").await;
    let ada = Browser::signed_in(&plane, &token).await;
    assert_eq!(ada.get("/").await.leads_to(), format!("/accounts/{account}/overview"));
    let page = ada.get(&keys).await.page(200);
    assert!(page.contains("Own") && !page.contains("Foreign") && page.contains("Create key"));
    assert!(!page.contains("All accounts"), "there is nothing to switch to");
    for path in [
        format!("/accounts/{other_account}/keys"),
        format!("/accounts/{other_account}/keys/new"),
        format!("/accounts/{other_account}/keys/{other_key}"),
        format!("/accounts/{other_account}/keys/{other_key}/revoke"),
        format!("{keys}/{other_key}"),
        format!("{keys}/{other_key}/revoke"),
        format!("{keys}/{other_key}/rename"),
    ] {
        assert!(ada.get(&path).await.page(404).contains("Not found"), "{path}");
        assert!(ada.submit(&keys, &path, &[("name", "x")]).await.status.is_client_error(), "{path}");
    }
    assert!(!ada.get(&format!("/accounts?cursor={other_account}")).await.page(200).contains(&other_account));
    assert_eq!(plane.get(&format!("/v1/keys/{other_key}")).await.json()["status"], "active");
    // An admin key that may only look is shown no button, and pressing one that is not there does nothing.
    let reader = plane.post("/v1/admin_keys", json!({ "name": "auditor", "access": "read" })).await.json();
    let reader = Browser::signed_in(&plane, &text(&reader, "key")).await;
    let page = reader.get(&keys).await.page(200);
    assert!(
        page.contains("Own") && !page.contains("Create key") && !page.contains("/revoke") && !page.contains("/rename")
    );
    reader.get(&format!("{keys}/new")).await.page(403);
    let path = format!("{keys}/{key}/revoke");
    reader.submit(&keys, &path, &[]).await.page(403);
    let path = format!("{keys}/{key}/rename");
    reader.submit(&keys, &path, &[("name", "x")]).await.page(403);
    let key = plane.get(&format!("/v1/keys/{key}")).await.json();
    assert_eq!((&key["status"], &key["name"]), (&json!("active"), &json!("Own")));
}

#[tokio::test]
async fn keys_are_found_narrowed_and_ordered_among_ten_thousand() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let browser = Browser::signed_in(&plane, plane.admin.expose()).await;
    plane.key(&project, "test", "a needle: 100% Ä_x").await;
    plane.key(&project, "live", "a needle: 100 of them").await;
    let mut connection = connect(plane.folder.path()).await;
    sqlx::query(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9998)
         INSERT INTO keys (id, revision, digest, mask, account, project, environment, name, state, created_at, last_used_at)
         SELECT unhex(printf('019b0000000070008000%012x', i)), 1000 + i, randomblob(32), printf('uk_live_%04d...zzzz', i), account, project, 1,
             printf('server %05d', i), 1, i, CASE WHEN i % 2 THEN i END
         FROM n, (SELECT account, project FROM keys LIMIT 1)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let list = async |query: &str| browser.get(&format!("/accounts/{account}/keys?{query}")).await.page(200);
    let rows = |page: &str| page.matches("<tr>").count() - 1;
    let page = list("").await;
    assert!(page.contains("1 to 50 of 10,000") && rows(&page) == 50, "{page}");
    assert!(page.len() < 100_000, "{} bytes", page.len());
    let page = list("page=200").await;
    assert!(page.contains("9,951 to 10,000 of 10,000") && rows(&page) == 50 && !page.contains("Next"), "{page}");
    let page = list("q=NEEDLE").await;
    assert!(page.contains("1 to 2 of 2") && rows(&page) == 2, "{page}");
    // What a pattern would take for any text stands for itself.
    assert_eq!(rows(&list("q=100%25").await), 1);
    assert_eq!(rows(&list("q=%C3%84_x").await), 1);
    assert_eq!(rows(&list("q=needle+them").await), 1, "each word must be there");
    assert_eq!(rows(&list("q=uk_live_0042...zzzz").await), 1, "a mask is found");
    assert_eq!(rows(&list("q=needle&environment=test").await), 1);
    assert!(list("q=nothing+like+it").await.contains("No key is like that"));
    assert!(list("order=name").await.contains("a needle"));
    let first = |page: &str| page.split("data-label=\"Name\"").nth(1).unwrap().to_owned();
    assert!(first(&list("order=name-desc").await).contains("server 09998"));
    assert!(first(&list("order=oldest").await).contains("server 00001"));
    assert!(first(&list("order=used").await).contains("server 09997"));
    // What means nothing is as if it were not said.
    assert_eq!(rows(&list("page=x&order=no&status=no&environment=no&project=no").await), 50);
    assert_eq!(rows(&list("page=99999999999").await), 50);
    // A page that is not there any more leads to the first.
    let answer = browser.get(&format!("/accounts/{account}/keys?order=name&page=4000000000")).await;
    assert_eq!(answer.leads_to(), format!("/accounts/{account}/keys?order=name"));
}

#[tokio::test]
async fn what_people_type_is_text_on_every_page() {
    let plane = ControlPlane::start().await;
    let payload = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'";
    let account = text(&plane.post("/v1/accounts", json!({ "name": payload })).await.json(), "id");
    let body = json!({ "account_id": account, "name": payload, "prefixes": { "live": "a", "test": "b" } });
    let project = text(&plane.post("/v1/projects", body.clone()).await.json(), "id");
    plane.post("/v1/projects", body).await;
    let key = text(&plane.key(&project, "live", payload).await, "id");
    let body = json!({ "account_id": account, "email": "x@example.com", "name": payload });
    let user = text(&plane.post("/v1/users", body).await.json(), "id");
    let made = plane.post("/v1/personal_access_tokens", json!({ "user_id": user, "name": payload })).await.json();
    let token = text(&made, "id");
    plane.post("/v1/admin_keys", json!({ "name": payload, "access": "read" })).await;
    let browser = Browser::signed_in(&plane, plane.admin.expose()).await;
    let keys = format!("/accounts/{account}/keys");
    let encoded = escaped(payload);
    let revoke = format!("{keys}/{key}/revoke");
    let mut pages = Vec::new();
    for path in [
        "/accounts".to_owned(),
        "/admin-keys".to_owned(),
        format!("/accounts/{account}/projects"),
        format!("/accounts/{account}/projects/{project}"),
        format!("/accounts/{account}/projects/{project}/edit"),
        format!("/accounts/{account}/settings"),
        format!("/accounts/{account}/settings/edit"),
        format!("/accounts/{account}/settings/status"),
        format!("/accounts/{account}/audit"),
        format!("/accounts/{account}/audit?what={encoded}&who={encoded}"),
        format!("/accounts/{account}/tokens?whose=all"),
        format!("/accounts/{account}/tokens/{token}/revoke"),
        format!("/accounts/{account}/team"),
        format!("/accounts/{account}/team/{user}/edit"),
        format!("/accounts/{account}/team/{user}/remove"),
        keys.clone(),
        format!("{keys}?q={encoded}"),
        format!("{keys}/new"),
        format!("{keys}/{key}"),
        format!("{keys}/{key}/rename"),
        revoke.clone(),
        format!("{keys}/{key}/rotate"),
        format!("{keys}/{key}/edit"),
        format!("/accounts/{account}/overview"),
        format!("/accounts/{account}/usage?key={key}"),
        format!("/accounts/{account}/usage?project={encoded}&group={encoded}"),
        format!("/sign-in?next=/{encoded}"),
        format!("{keys}?done={encoded}"),
    ] {
        pages.push(browser.get(&path).await.page(200));
    }
    let fields = [
        ("name", payload),
        ("scopes", payload),
        ("allowed_cidrs", payload),
        ("end", payload),
        ("project_id", payload),
        ("expires_at", payload),
    ];
    pages.push(browser.submit(&format!("{keys}/new"), &format!("{keys}/new"), &fields).await.page(422));
    pages.push(browser.submit(&revoke, &revoke, &[("reason", payload)]).await.page(200));
    pages.push(browser.get(&format!("{keys}/{key}")).await.page(200));
    for page in pages {
        assert!(!page.contains("<script>") && !page.contains("<img"), "{page}");
    }
}
