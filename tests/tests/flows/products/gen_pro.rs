//! GEN: personal access tokens in `X-API-Key`, which people manage with the tokens themselves, or JWTs of Clerk.
//!
//! `api.gen.pro` stands here twice: one Envoy in front of the product's application, and one in front of the control plane for
//! the few paths that it answers itself (`/v1/me`, `/v1/personal_access_tokens`). The second passes the credential on.

use super::super::fixture::{Flow, envoy_settings, eventually, parts, seen};
use super::super::jwt::with_provider;
use super::issuer::Issuer;
use super::{Caller, Shared, account, is_never_shown_again, is_time, names, shell, text, user};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::sync::Arc;
use xtask::stack::api::CreatedKey;
use xtask::stack::{Client, Envoy, EnvoySettings, Ports, Stack};

const ME: &str = "/v1/me";
const TOKENS: &str = "/v1/personal_access_tokens";
/// Any path of the product's own.
const CONTENT: &str = "/v1/agents";

struct Gen {
    /// In front of the control plane. First, so that it ends first.
    api: Envoy,
    flow: Flow,
    clerk: Issuer,
}

fn gen_pro() -> Arc<Gen> {
    static SHARED: Shared<Gen> = Shared::new();
    SHARED.get(|| {
        let clerk = Issuer::rs256();
        let settings = format!(
            "personal_token_prefix = \"gen_pat\"\n\n[[jwt.issuers]]\nissuer = \"{}\"\njwks_url = \"{}\"\nany_audience = true\n\
             authorized_parties = [\"https://gen.pro\"]\naccount_claim = \"org_id\"\n",
            clerk.url,
            clerk.keys_url()
        );
        let flow = Flow::with(&Stack::usual_plugin(), &settings);
        let first = flow.stack.envoy.settings();
        let mut plugin = Stack::usual_plugin();
        plugin["forward_credential"] = json!(true);
        let api = Ports { sync: first.sync_port, ..Ports::any().unwrap() };
        let settings = EnvoySettings {
            upstream_port: port(&flow.stack.control_plane.client()),
            ..envoy_settings(&parts(), &flow.stack.control_plane, api, &plugin)
        };
        let api = Envoy::start(settings, flow.stack.folder(), "envoy-api").unwrap();
        Gen { api, flow, clerk }
    })
}

fn port(client: &Client) -> u16 {
    client.base().rsplit_once(':').unwrap().1.parse().unwrap()
}

impl Gen {
    /// A person in an organization of their own; gives the user's id and what Clerk calls them and the organization.
    fn person(&self, name: &str) -> (String, Value) {
        let (subject, organization) = (format!("user_{name}"), format!("org_{name}"));
        let account = account(&self.flow, name, "pro");
        let path = format!("/v1/accounts/{account}");
        let change = json!({ "external_id": organization });
        assert_eq!(self.flow.api().client().patch(&path, &change).unwrap().status, 200);
        let id = self.colleague(&account, name, &json!({ "issuer": self.clerk.url, "subject": subject }));
        (id, json!({ "sub": subject, "org_id": organization, "azp": "https://gen.pro", "sid": "sess_1" }))
    }

    fn colleague(&self, account: &str, name: &str, identity: &Value) -> String {
        let mut body = json!({ "account_id": account, "email": format!("{name}@example.com"), "name": name });
        if !identity.is_null() {
            body["identity"] = identity.clone();
        }
        user(&self.flow, &body)
    }

    /// The web application, where a person signed in with Clerk.
    fn web(&self, claims: &Value) -> Caller {
        Caller::bearer(self.flow.stack.control_plane.client(), &self.clerk.sign(claims.clone(), 60))
    }

    /// A script that calls the API through Envoy.
    fn script(&self, token: &SecretString) -> Caller {
        Caller::api_key(self.api.client(), token)
    }

    /// A person with a token that both proxies know.
    fn person_with_token(&self, name: &str, token: &str) -> (String, CreatedKey) {
        let (id, claims) = self.person(name);
        let token = self.web(&claims).create(TOKENS, &json!({ "name": token }));
        eventually("the token works", || self.script(&token.secret).gets_everywhere(ME, 200));
        (id, token)
    }

    /// Runs a page's command against this API, with this token in the environment.
    fn run(&self, script: &str, token: &CreatedKey) -> Value {
        let script = script.replace("https://api.gen.pro", self.api.client().base());
        serde_json::from_str(&shell(&script, &[("GEN_API_KEY", token.secret.expose_secret())])).unwrap()
    }
}

/// N1, N2: an API key in `X-API-Key`, or a JWT of Clerk's as Bearer token: the same person.
#[test]
fn a_token_or_a_jwt_of_clerk_is_the_same_person() {
    let product = gen_pro();
    let (id, claims) = product.person("n1");
    let web = product.web(&claims);
    let token = web.create(TOKENS, &json!({ "name": "n8n-production" }));
    eventually("the token works", || product.script(&token.secret).get(ME).status == 200);
    assert_eq!(text(&web.object(ME), "id"), id);
    assert_eq!(product.script(&token.secret).object(ME), web.object(ME));
    assert_eq!(product.script(&token.secret).object(TOKENS), web.object(TOKENS));

    // A token for another site, of another organization or of nobody here does not get in.
    let with = |field: &str, value: &str| {
        let mut claims = claims.clone();
        claims[field] = json!(value);
        product.web(&claims).get(ME).status
    };
    assert_eq!(with("azp", "https://evil.example"), 401);
    assert_eq!(with("org_id", "org_other"), 403);
    assert_eq!(with("sub", "user_other"), 403);
    // Both at once are refused: which one counts would be a guess.
    let both = [("x-api-key", token.secret.expose_secret()), ("authorization", web.value.expose_secret())];
    assert_eq!(product.flow.stack.control_plane.client().get(ME, &both).unwrap().status, 400);
}

/// N1, N2: in front of the product's own application Envoy takes either, for the same organization.
#[test]
fn the_application_takes_a_token_or_a_jwt_of_clerk() {
    let product = gen_pro();
    let (_, mut claims) = product.person("n2");
    let web = product.web(&claims);
    let token = web.create(TOKENS, &json!({ "name": "n8n" }));
    let account = text(&web.object(ME), "account_id").to_owned();
    let at = Ports::any().unwrap();
    let first = product.flow.stack.envoy.settings().clone();
    let settings = EnvoySettings { proxy_port: at.proxy, admin_port: at.admin, ..first };
    let provider = json!({ "issuer": product.clerk.url, "account": "org_id" });
    let envoy = with_provider(settings, &product.clerk, &provider, product.flow.stack.folder(), "envoy-jwt");
    let script = Caller::api_key(envoy.client(), &token.secret);
    eventually("both workers know the token", || script.gets_everywhere(CONTENT, 200));
    // Clerk's session tokens have no audience unless they are told to.
    claims["aud"] = json!("authenticated");
    let jwt = product.clerk.sign(claims, 60);
    let browser = Caller::bearer(envoy.client(), &jwt);
    for caller in [&script, &browser] {
        assert_eq!(seen(&caller.get(CONTENT), "x-keyplane-account"), [account.as_str()]);
    }
    assert_eq!(seen(&browser.get(CONTENT), "x-keyplane-user"), ["user_n2"]);
    let both = [("x-api-key", token.secret.expose_secret()), ("authorization", browser.value.expose_secret())];
    assert_eq!(envoy.client().get(CONTENT, &both).unwrap().status, 400);
}

/// N3, N4, N5, N6: a personal access token begins with `gen_pat_`, belongs to one person, is shown once, and goes in the header
/// of every request; the application is told whose it is.
#[test]
fn a_personal_token_belongs_to_its_person_and_is_shown_once() {
    let product = gen_pro();
    let (id, claims) = product.person("n3");
    let web = product.web(&claims);
    let token = web.create(TOKENS, &json!({ "name": "nightly-import" }));
    assert!(token.secret.expose_secret().starts_with("gen_pat_") && token.mask.starts_with("gen_pat_"));
    assert_eq!((text(&token.object, "name"), text(&token.object, "user_id")), ("nightly-import", id.as_str()));
    assert!(is_time(text(&token.object, "created_at")));
    is_never_shown_again(&web, &token, &[TOKENS, &format!("{TOKENS}/{}", token.id)]);

    let caller = Caller::api_key(product.flow.proxy(), &token.secret);
    eventually("the token works", || caller.gets_everywhere(CONTENT, 200));
    assert_eq!(seen(&caller.get(CONTENT), "x-keyplane-user"), [id.as_str()]);
    assert_eq!(seen(&caller.get(CONTENT), "x-api-key"), [""; 0]);

    // Not even the operator's list of keys mixes them up with those of projects.
    assert_eq!(product.flow.api().client().get(&format!("/v1/keys/{}", token.id), &[]).unwrap().status, 404);
    // Nobody makes a token in the name of another.
    let (other, _) = product.person("n3-other");
    assert!(matches!(web.post(TOKENS, &json!({ "user_id": other, "name": "mine" })).status, 403 | 404));
}

/// N7: the first call that people make says who they are.
#[test]
fn whoami_answers_id_mail_address_and_name() {
    let product = gen_pro();
    let (id, token) = product.person_with_token("n7", "whoami");
    let me = product.run("curl -sS https://api.gen.pro/v1/me -H \"X-API-Key: $GEN_API_KEY\"", &token);
    assert_eq!((text(&me, "id"), text(&me, "email"), text(&me, "name")), (id.as_str(), "n7@example.com", "n7"));
}

/// N8, N9, N10, N11: people list, rename and revoke their tokens through the API, with a token; and only their own.
#[test]
fn people_manage_their_tokens_with_a_token() {
    let product = gen_pro();
    let (_, token) = product.person_with_token("n8", "n8n");
    let script = product.script(&token.secret);
    let second = script.create(TOKENS, &json!({ "name": "nightly" }));
    eventually("the second works too", || product.script(&second.secret).gets_everywhere(ME, 200));

    let list =
        product.run("curl -sS https://api.gen.pro/v1/personal_access_tokens -H \"X-API-Key: $GEN_API_KEY\"", &token);
    assert_eq!(names(list["data"].as_array().unwrap()), ["nightly", "n8n"]);

    let rename = "curl -sS -X PATCH https://api.gen.pro/v1/personal_access_tokens/{token_id} -H \"X-API-Key: $GEN_API_KEY\" \
                  -H 'Content-Type: application/json' -d '{\"name\": \"new-name\"}'";
    assert_eq!(text(&product.run(&rename.replace("{token_id}", &second.id), &token), "name"), "new-name");
    assert_eq!(names(&script.list(TOKENS)), ["new-name", "n8n"]);

    // Another person's do not exist: neither in another organization, nor beside them in the same one.
    let (_, elsewhere) = product.person_with_token("n8-elsewhere", "theirs");
    let account = text(&script.object(ME), "account_id").to_owned();
    let colleague = product.colleague(&account, "n8-colleague", &Value::Null);
    let operator =
        Caller::bearer(product.flow.stack.control_plane.client(), product.flow.stack.control_plane.admin_key());
    let beside = operator.create(TOKENS, &json!({ "user_id": colleague, "name": "theirs" }));
    for other in [&elsewhere, &beside] {
        let path = format!("{TOKENS}/{}", other.id);
        assert_eq!(script.get(&path).status, 404);
        assert_eq!(script.patch(&path, &json!({ "name": "mine" })).status, 404);
        assert_eq!(script.delete(&path).status, 404);
        assert_eq!(text(&operator.object(&path), "status"), "active");
    }
    assert_eq!(names(&script.list(TOKENS)), ["new-name", "n8n"]);

    let revoke =
        "curl -sS -X DELETE https://api.gen.pro/v1/personal_access_tokens/{token_id} -H \"X-API-Key: $GEN_API_KEY\"";
    assert_eq!(text(&product.run(&revoke.replace("{token_id}", &second.id), &token), "status"), "revoked");
    eventually("it is refused", || product.script(&second.secret).gets_everywhere(ME, 401));
    assert!(script.gets_everywhere(ME, 200), "the other one works on");
    // Its last deed may be its own end.
    assert_eq!(script.delete(&format!("{TOKENS}/{}", token.id)).status, 200);
    eventually("it is refused", || script.gets_everywhere(ME, 401));
    // At the control plane itself too.
    assert_eq!(Caller::api_key(product.flow.stack.control_plane.client(), &token.secret).get(ME).status, 401);
}
