//! Every operation of the `OpenAPI` document, called by every kind of caller. What is expected is the table of
//! `docs/authorization.md`: the page that people read is the one that the code is held against.

use crate::calls::{Call, Operation, Tenant, operations};
use crate::store::connect;
use crate::support::{Answer, ControlPlane, secret, text};
use axum::body::Body;
use axum::http::Request;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use keyplane::domain::secret::ADMIN_PREFIX;
use keyplane::jwt::{JwtSettings, Verifier};
use secrecy::SecretString;
use serde_json::{Value, json};
use sqlx::{Row as _, SqliteConnection};
use std::collections::BTreeMap;
use std::time::Duration;

const PAGE: &str = include_str!("../../../docs/authorization.md");
const RESOURCES: [&str; 6] = ["accounts", "projects", "keys", "users", "usage", "audit"];
const ISSUER: &str = "https://issuer.example";
const JWT_SECRET: &str = "a-secret-of-an-issuer-for-tests-with-enough-bytes";

/// A row of the table.
#[derive(Debug)]
struct Policy {
    /// `read` or `write`.
    admin_key: &'static str,
    /// `keys:read` and the like, `any` or `no`.
    scope: &'static str,
    /// `yes`, `own` or `no`.
    owner_or_admin: &'static str,
    member: &'static str,
}

fn policies() -> BTreeMap<&'static str, Policy> {
    let table = PAGE.split("## Who may do what").nth(1).unwrap();
    let mut found = BTreeMap::new();
    for line in table.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")) {
        let cells: Vec<_> = line.split(" | ").collect();
        let [operation, admin_key, scope, owner_or_admin, member] = cells[..] else { panic!("{line}") };
        assert!(["read", "write"].contains(&admin_key), "{line}");
        assert!([owner_or_admin, member].iter().all(|cell| ["yes", "own", "no"].contains(cell)), "{line}");
        let policy = Policy { admin_key, scope, owner_or_admin, member };
        assert!(found.insert(operation.trim_end_matches('`'), policy).is_none(), "{line} stands twice");
    }
    found
}

/// What is expected of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expected {
    Success,
    Forbidden,
    NotFound,
}

/// A control plane with two tenants, and somebody who calls.
struct World {
    plane: ControlPlane,
    database: SqliteConnection,
    tenant: Tenant,
    stranger: Tenant,
    /// Who has been made so far, so that each has an identity of its own.
    people: u32,
}

impl World {
    async fn make() -> Self {
        let settings = json!({ "issuers": [{
            "issuer": ISSUER, "hs256_secret_env": "MATRIX", "any_audience": true, "account_claim": "org",
        }] });
        let settings: JwtSettings = serde_json::from_value(settings).unwrap();
        let secret = |name: &str| (name == "MATRIX").then(|| SecretString::from(JWT_SECRET));
        let plane = ControlPlane::start_trusting(Verifier::new(&settings, secret).unwrap()).await;
        let database = connect(plane.folder.path()).await;
        let (tenant, stranger) = (Tenant::make(&plane).await, Tenant::make(&plane).await);
        Self { plane, database, tenant, stranger, people: 0 }
    }

    /// Everything that a refused call could have changed: the audit log and what proxies are told.
    async fn state(&mut self) -> (i64, i64) {
        let sql = "SELECT (SELECT count(*) FROM audit) AS audit, revision FROM meta";
        let row = sqlx::query(sql).fetch_one(&mut self.database).await.unwrap();
        (row.get("audit"), row.get("revision"))
    }

    /// A key of this tenant's project with these scopes.
    async fn key(&self, tenant: &Tenant, scopes: &[String]) -> String {
        let body = json!({ "project_id": tenant.project, "environment": "live", "name": "caller", "scopes": scopes });
        text(&self.plane.post("/v1/keys", body).await.json(), "key")
    }

    /// A person of this tenant: their id, a personal access token, and a JWT.
    async fn person(&mut self, tenant: &Tenant, role: &str) -> (String, String, String) {
        self.people += 1;
        let subject = format!("person-{}", self.people);
        let body = json!({
            "account_id": tenant.account, "email": format!("{subject}@example.com"), "name": "n", "role": role,
            "identity": { "issuer": ISSUER, "subject": subject },
        });
        let answer = self.plane.post("/v1/users", body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let id = text(&answer.json(), "id");
        let token = text(&tenant.token(&self.plane, &id).await, "key");
        let now = self.plane.app.now().millis() / 1000;
        let claims = json!({ "iss": ISSUER, "sub": subject, "org": tenant.account, "iat": now, "exp": now + 3600 });
        let key = EncodingKey::from_secret(JWT_SECRET.as_bytes());
        let jwt = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
        (id, token, jwt)
    }

    /// Calls `operation` on what is `tenant`'s, holds the answer against what is expected, and gives it.
    async fn call(
        &mut self,
        who: &str,
        credential: &str,
        operation: &Operation,
        tenant: &Tenant,
        expected: Expected,
    ) -> Answer {
        let call = Call::of(operation, &self.plane, tenant).await;
        let before = self.state().await;
        let answer = call.send(&self.plane, credential).await;
        let (status, code) = match expected {
            Expected::Success => (operation.success, ""),
            Expected::Forbidden => (403, "forbidden"),
            Expected::NotFound => (404, "not_found"),
        };
        let here = format!("{} by {who}", operation.id);
        assert_eq!(answer.status.as_u16(), status, "{here}: {}", String::from_utf8_lossy(&answer.bytes));
        if expected != Expected::Success {
            answer.problem(status, code);
            assert_eq!(self.state().await, before, "{here} was refused and changed something");
        }
        answer
    }

    /// The same on the stranger's things: they do not exist for the caller, whatever may be done with the own ones.
    async fn call_stranger(&mut self, who: &str, credential: &str, operation: &Operation, own: Expected) {
        let stranger = self.stranger.clone();
        let named = Call::of(operation, &self.plane, &stranger).await.names(&stranger);
        let who = format!("{who} of another account");
        match own {
            Expected::Success if named => {
                self.call(&who, credential, operation, &stranger, Expected::NotFound).await;
            }
            expected => {
                let answer = self.call(&who, credential, operation, &stranger, expected).await;
                let shown = String::from_utf8_lossy(&answer.bytes);
                assert!(!shown.contains(&stranger.account), "{}: {who} sees {shown}", operation.id);
            }
        }
    }
}

#[test]
fn the_page_has_a_row_for_each_operation_and_no_other() {
    let mut documented: Vec<_> = operations().into_iter().map(|operation| operation.id).collect();
    documented.sort();
    assert_eq!(documented, policies().into_keys().collect::<Vec<_>>(), "docs/authorization.md");
}

#[tokio::test]
async fn admin_keys_may_do_what_their_access_says_everywhere() {
    let mut world = World::make().await;
    let reader = world.plane.post("/v1/admin_keys", json!({ "name": "reader", "access": "read" })).await;
    let reader = text(&reader.json(), "key");
    let writer = world.plane.admin.expose().to_owned();
    let policies = policies();
    for operation in operations() {
        let reads = policies[operation.id.as_str()].admin_key == "read";
        for tenant in [world.tenant.clone(), world.stranger.clone()] {
            world.call("an admin key", &writer, &operation, &tenant, Expected::Success).await;
            let expected = if reads { Expected::Success } else { Expected::Forbidden };
            world.call("an admin key with read access", &reader, &operation, &tenant, expected).await;
        }
    }
}

#[tokio::test]
async fn account_keys_may_do_what_their_scopes_say_in_their_account() {
    let mut world = World::make().await;
    let tenant = world.tenant.clone();
    let scope = |resource: &&str, access: &str| format!("keyplane:{resource}:{access}");
    let mut callers = vec![vec![], vec!["keys:write".to_owned(), "read".to_owned()]];
    callers
        .extend(RESOURCES.iter().flat_map(|resource| [vec![scope(resource, "read")], vec![scope(resource, "write")]]));
    callers.push(RESOURCES.iter().map(|resource| scope(resource, "write")).collect());
    let policies = policies();
    for scopes in callers {
        let credential = world.key(&tenant, &scopes).await;
        let who = format!("a key with the scopes {scopes:?}");
        for operation in operations() {
            let needed = policies[operation.id.as_str()].scope;
            let has = |scope: &String| {
                scope.strip_prefix("keyplane:").is_some_and(|scope| {
                    scope == needed
                        || scope.strip_suffix("write").is_some_and(|resource| format!("{resource}read") == needed)
                })
            };
            let may = needed == "any" || scopes.iter().any(has);
            let expected = if may { Expected::Success } else { Expected::Forbidden };
            world.call(&who, &credential, &operation, &tenant, expected).await;
            world.call_stranger(&who, &credential, &operation, expected).await;
        }
    }
}

#[tokio::test]
async fn users_may_do_what_their_role_says_by_token_and_by_jwt() {
    let mut world = World::make().await;
    let policies = policies();
    for role in ["owner", "admin", "member"] {
        let tenant = world.tenant.clone();
        let (person, token, jwt) = world.person(&tenant, role).await;
        let own = Tenant { person, ..tenant.clone() };
        for (credential, kind) in [(&token, "token"), (&jwt, "JWT")] {
            let who = format!("{role} by {kind}");
            for operation in operations() {
                let policy = &policies[operation.id.as_str()];
                let cell = if role == "member" { policy.member } else { policy.owner_or_admin };
                let expected = if cell == "no" { Expected::Forbidden } else { Expected::Success };
                world.call(&who, credential, &operation, &own, expected).await;
                if cell == "own" {
                    somebody_elses(&mut world, &who, credential, &operation, &tenant).await;
                }
                if operation.id == "create_personal_access_token" {
                    let stranger = world.stranger.clone();
                    world.call(&who, credential, &operation, &stranger, Expected::Forbidden).await;
                } else {
                    world.call_stranger(&who, credential, &operation, expected).await;
                }
            }
        }
    }
}

/// What belongs to another person of the account does not exist for the caller.
async fn somebody_elses(world: &mut World, who: &str, credential: &str, operation: &Operation, tenant: &Tenant) {
    let expected = match operation.id.as_str() {
        "create_personal_access_token" => Expected::Forbidden,
        _ if operation.path.contains("{id}") => Expected::NotFound,
        _ => Expected::Success,
    };
    let theirs = text(&tenant.token(&world.plane, &tenant.person).await, "id");
    let answer = world.call(who, credential, operation, tenant, expected).await;
    assert!(!String::from_utf8_lossy(&answer.bytes).contains(&theirs), "{} by {who}", operation.id);
}

#[tokio::test]
async fn a_credential_that_does_not_work_is_refused_by_every_operation() {
    let mut world = World::make().await;
    let (tenant, stranger) = (world.tenant.clone(), world.stranger.clone());
    let scopes: Vec<_> = RESOURCES.iter().map(|resource| format!("keyplane:{resource}:write")).collect();
    let made = async |world: &World, tenant: &Tenant, more: Value| {
        let mut body = json!({ "project_id": tenant.project, "environment": "live", "name": "n", "scopes": scopes });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = world.plane.post("/v1/keys", body).await.json();
        (text(&answer, "key"), format!("/v1/keys/{}", text(&answer, "id")))
    };
    let (revoked, path) = made(&world, &tenant, json!({})).await;
    assert_eq!(world.plane.delete(&path).await.status, 200);
    let (disabled, path) = made(&world, &tenant, json!({})).await;
    assert_eq!(world.plane.patch(&path, json!({ "enabled": false })).await.status, 200);
    let (expired, _) = made(&world, &tenant, json!({ "expires_at": "2026-01-01T00:00:01Z" })).await;
    let (elsewhere, _) = made(&world, &tenant, json!({ "allowed_cidrs": ["203.0.113.0/24"] })).await;
    world.plane.clock.advance(Duration::from_secs(2));
    let (of_suspended, _) = made(&world, &stranger, json!({})).await;
    let (_, token, jwt) = world.person(&stranger, "owner").await;
    let suspended = format!("/v1/accounts/{}", stranger.account);
    assert_eq!(world.plane.patch(&suspended, json!({ "status": "suspended" })).await.status, 200);
    let (gone, removed_token, removed_jwt) = world.person(&tenant, "owner").await;
    assert_eq!(world.plane.delete(&format!("/v1/users/{gone}")).await.status, 200);

    let proxy = world.plane.proxy.expose().to_owned();
    let unknown = [secret("uk_live"), secret(ADMIN_PREFIX), secret("kp_pat")].map(|secret| secret.expose().to_owned());
    let invalid =
        [&revoked, &disabled, &expired, &removed_token, &proxy, &jwt[..jwt.len() - 2].to_owned(), &"x".to_owned()];
    let mut callers: Vec<(&str, u16, &str)> = Vec::new();
    callers
        .extend(invalid.into_iter().chain(&unknown).map(|credential| (credential.as_str(), 401, "credential_invalid")));
    callers.push((&elsewhere, 403, "address_not_allowed"));
    callers.extend([&of_suspended, &token, &jwt].map(|credential| (credential.as_str(), 403, "account_suspended")));
    callers.push((&removed_jwt, 403, "user_unknown"));
    for operation in operations() {
        let call = Call::of(&operation, &world.plane, &tenant).await;
        let before = world.state().await;
        let nobody = world.plane.send(call.request(&[])).await;
        nobody.problem(401, "credential_missing");
        assert_eq!(nobody.header("www-authenticate"), "Bearer realm=\"keyplane\"");
        for (credential, status, code) in &callers {
            let answer = call.send(&world.plane, credential).await;
            answer.problem(*status, code);
            assert_eq!(answer.header("www-authenticate").contains("invalid_token"), *status == 401);
        }
        let admin = world.plane.admin.expose();
        let twice = [("authorization", format!("Bearer {admin}")), ("x-api-key", admin.to_owned())];
        let twice = call.request(&[(twice[0].0, &twice[0].1), (twice[1].0, &twice[1].1)]);
        world.plane.send(twice).await.problem(400, "multiple_credentials");
        assert_eq!(world.state().await, before, "{}", operation.id);
    }
}

#[tokio::test]
async fn the_metrics_and_the_sync_listener_are_behind_the_same_doors() {
    let world = World::make().await;
    let plane = &world.plane;
    let get = |path: &str, credential: &str| {
        Request::get(path).header("authorization", format!("Bearer {credential}")).body(Body::empty()).unwrap()
    };
    let scopes: Vec<_> = RESOURCES.iter().map(|resource| format!("keyplane:{resource}:write")).collect();
    let key = world.key(&world.tenant, &scopes).await;
    assert_eq!(plane.send(get("/metrics", plane.admin.expose())).await.status, 200);
    plane.send(get("/metrics", &key)).await.problem(403, "forbidden");
    plane.send(get("/metrics", plane.proxy.expose())).await.problem(401, "credential_invalid");
    for credential in [key.as_str(), plane.admin.expose()] {
        plane.send_sync(get("/sync/v1/changes?after=0", credential)).await.problem(401, "credential_invalid");
    }
}

#[tokio::test]
async fn a_filter_by_another_tenants_id_answers_as_for_an_id_that_never_was() {
    let mut world = World::make().await;
    let (tenant, stranger) = (world.tenant.clone(), world.stranger.clone());
    let (_, owner, _) = world.person(&tenant, "owner").await;
    let key = text(&world.plane.key(&stranger.project, "live", "k").await, "id");
    let theirs = |name: &str| match name {
        "account_id" => Some(&stranger.account),
        "project_id" => Some(&stranger.project),
        "user_id" => Some(&stranger.person),
        "key_id" => Some(&key),
        _ => None,
    };
    let mut asked = 0;
    for operation in operations() {
        for (name, id) in operation.query.iter().filter_map(|name| Some((name, theirs(name)?))) {
            let get = async |id: &str| {
                let path = format!("{}?{name}={id}", operation.path);
                let call = Call { method: operation.method.clone(), path, body: None };
                let answer = call.send(&world.plane, &owner).await;
                let mut document = answer.json();
                document.as_object_mut().unwrap().remove("request_id");
                (answer.status, document)
            };
            let never_was = "01890a5d-ac96-774b-bcce-b302099a8057";
            assert_eq!(get(id).await, get(never_was).await, "{} by {name}", operation.id);
            asked += 1;
        }
    }
    assert!(asked >= 5);
}
