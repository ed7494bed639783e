//! A POST that is sent again with its `Idempotency-Key` is done once and answered again as the first time.

use crate::calls::{Call, Tenant, operations};
use crate::store::connect;
use crate::support::{Answer, ControlPlane, text};
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use keyplane::domain::idempotency::{Asked, Attempt, IdempotencyKey, SealedAnswer, Sender};
use keyplane::domain::secret::Secret;
use keyplane::jwt::{JwtSettings, Verifier};
use keyplane::service::App;
use keyplane::service::sweep::sweep;
use secrecy::SecretString;
use serde_json::{Value, json};
use sqlx::Row as _;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt as _;

const KEY: &str = "6f1c2c3e-5b0e-4a57-9d4b-0d0f6c1c7a11";
/// A millisecond less than a day.
const ALMOST_A_DAY: Duration = Duration::from_millis(24 * 60 * 60 * 1000 - 1);
const MILLISECOND: Duration = Duration::from_millis(1);

fn request(credential: &str, key: &str, path: &str, body: &Value) -> Request<Body> {
    Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("authorization", format!("Bearer {credential}"))
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// Sends with the admin key.
async fn post(plane: &ControlPlane, key: &str, path: &str, body: &Value) -> Answer {
    plane.send(request(plane.admin.expose(), key, path, body)).await
}

fn new_key(project: &str) -> Value {
    json!({ "project_id": project, "environment": "live", "name": "CI" })
}

/// Asserts that the second answer is the first one, and says so.
#[track_caller]
fn assert_replayed(first: &Answer, second: &Answer) {
    assert_eq!((first.status, first.header("idempotency-replayed")), (StatusCode::CREATED, ""), "{first:?}");
    assert_eq!((second.status, second.header("idempotency-replayed")), (StatusCode::CREATED, "true"), "{second:?}");
    assert_eq!(first.bytes, second.bytes);
    for name in ["location", "etag", "content-type"] {
        assert!(!first.header(name).is_empty());
        assert_eq!(first.header(name), second.header(name));
    }
}

async fn count(plane: &ControlPlane, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&mut connect(plane.folder.path()).await).await.unwrap()
}

async fn keys(plane: &ControlPlane) -> i64 {
    count(plane, "SELECT count(*) FROM keys").await
}

async fn changes(plane: &ControlPlane) -> i64 {
    count(plane, "SELECT count(*) FROM audit").await
}

#[tokio::test]
async fn every_post_is_done_once_and_answered_again_as_the_first_time() {
    let plane = ControlPlane::start().await;
    let tenant = Tenant::make(&plane).await;
    let posts: Vec<_> = operations().into_iter().filter(|operation| operation.method == Method::POST).collect();
    assert!(posts.len() >= 6);
    for operation in posts {
        let call = Call::of(&operation, &plane, &tenant).await;
        let body = call.body.unwrap();
        let first = post(&plane, KEY, &call.path, &body).await;
        let after = changes(&plane).await;
        plane.clock.advance(Duration::from_mins(1));
        assert_replayed(&first, &post(&plane, KEY, &call.path, &body).await);
        assert_eq!(changes(&plane).await, after, "{}", operation.id);
        // Without the header each request is one of its own.
        let id = |answer: &Answer| text(&answer.json(), "id");
        match plane.post(&call.path, body).await {
            other if other.status == StatusCode::CREATED => assert_ne!(id(&other), id(&first), "{}", operation.id),
            refused => assert_eq!(refused.status, StatusCode::CONFLICT, "{}", operation.id),
        }
    }
}

#[tokio::test]
async fn a_key_of_another_request_is_refused_and_changes_nothing() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let body = new_key(&project);
    let first = post(&plane, KEY, "/v1/keys", &body).await;
    let after = changes(&plane).await;
    let mut other = body.clone();
    other["name"] = json!("CD");
    post(&plane, KEY, "/v1/keys", &other).await.problem(409, "idempotency_key_reused");
    post(&plane, KEY, "/v1/keys?a=1", &body).await.problem(409, "idempotency_key_reused");
    assert_eq!(changes(&plane).await, after);
    // On another path the same key is another one.
    let user = json!({ "account_id": account, "email": "ann@acme.example", "name": "Ann" });
    assert_eq!(post(&plane, KEY, "/v1/users", &user).await.status, StatusCode::CREATED);
    assert_replayed(&first, &post(&plane, KEY, "/v1/keys", &body).await);
}

#[tokio::test]
async fn the_same_key_of_another_caller_is_another_one() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let mut callers = vec![plane.admin.expose().to_owned()];
    for name in ["a", "b"] {
        let mut body = new_key(&project);
        (body["name"], body["scopes"]) = (json!(name), json!(["keyplane:keys:write"]));
        callers.push(text(&plane.post("/v1/keys", body).await.json(), "key"));
    }
    let body = new_key(&project);
    let mut answers = Vec::new();
    for caller in &callers {
        answers.push(plane.send(request(caller, KEY, "/v1/keys", &body)).await);
    }
    assert_eq!(keys(&plane).await, 5);
    for (caller, first) in callers.iter().zip(&answers) {
        assert_replayed(first, &plane.send(request(caller, KEY, "/v1/keys", &body)).await);
    }
}

/// Sends the same request twenty times at once; gives the one answer that all got.
async fn twenty(plane: &Arc<ControlPlane>, key: &'static str, path: &'static str, body: &Value) -> Value {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (plane, body) = (Arc::clone(plane), body.clone());
        tasks.spawn(async move { post(&plane, key, path, &body).await });
    }
    let answers = tasks.join_all().await;
    let (again, first): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.header("idempotency-replayed") == "true");
    assert_eq!((first.len(), again.len()), (1, 19));
    for answer in again {
        assert_replayed(first[0], answer);
    }
    first[0].json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_at_once_are_done_once_and_answered_alike() {
    let plane = Arc::new(ControlPlane::start().await);
    let (_, project) = plane.project().await;
    twenty(&plane, "a", "/v1/keys", &new_key(&project)).await;
    assert_eq!(keys(&plane).await, 1);
    // Where the first one leaves no room for a second, the others still get its answer, not a refusal.
    let unique = json!({ "name": "Other", "external_id": "org_1" });
    let account = text(&twenty(&plane, "a", "/v1/accounts", &unique).await, "id");
    let prefixes = json!({ "live": "a", "test": "b" });
    let project = plane.post("/v1/projects", json!({ "account_id": account, "name": "p", "prefixes": prefixes })).await;
    let project = text(&project.json(), "id");
    assert_eq!(plane.patch(&format!("/v1/accounts/{account}"), json!({ "plan": "free" })).await.status, 200);
    plane.key(&project, "live", "first of two").await;
    twenty(&plane, "b", "/v1/keys", &new_key(&project)).await;
    plane.post("/v1/keys", new_key(&project)).await.problem(409, "key_limit_reached");
}

#[tokio::test]
async fn a_refused_request_may_be_corrected_and_sent_with_the_same_key() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    assert_eq!(plane.patch(&format!("/v1/accounts/{account}"), json!({ "plan": "free" })).await.status, 200);
    post(&plane, KEY, "/v1/keys", &json!({ "name": "CI" })).await.problem(422, "invalid_request");
    let ids =
        [text(&plane.key(&project, "live", "a").await, "id"), text(&plane.key(&project, "live", "b").await, "id")];
    post(&plane, KEY, "/v1/keys", &new_key(&project)).await.problem(409, "key_limit_reached");
    assert_eq!(plane.delete(&format!("/v1/keys/{}", ids[0])).await.status, StatusCode::OK);
    let made = post(&plane, KEY, "/v1/keys", &new_key(&project)).await;
    assert_replayed(&made, &post(&plane, KEY, "/v1/keys", &new_key(&project)).await);
}

#[tokio::test]
async fn the_answer_is_what_it_was_then_whatever_became_of_the_key() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let first = post(&plane, KEY, "/v1/keys", &new_key(&project)).await;
    let path = first.header("location").to_owned();
    plane.delete(&path).await;
    assert_replayed(&first, &post(&plane, KEY, "/v1/keys", &new_key(&project)).await);
    assert_eq!(plane.get(&path).await.json()["status"], "revoked");
}

#[tokio::test]
async fn after_a_day_the_same_key_makes_a_new_thing() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let body = new_key(&project);
    let first = post(&plane, KEY, "/v1/keys", &body).await;
    plane.clock.advance(ALMOST_A_DAY);
    assert_eq!(sweep(&plane.app).await.unwrap().answers, 0);
    assert_replayed(&first, &post(&plane, KEY, "/v1/keys", &body).await);
    // With its row still there, and with it swept.
    plane.clock.advance(MILLISECOND);
    let second = post(&plane, KEY, "/v1/keys", &body).await;
    assert_ne!(first.bytes, second.bytes);
    assert_replayed(&second, &post(&plane, KEY, "/v1/keys", &body).await);
    plane.clock.advance(ALMOST_A_DAY + MILLISECOND);
    assert_eq!(sweep(&plane.app).await.unwrap().answers, 1);
    assert_eq!(count(&plane, "SELECT count(*) FROM idempotency").await, 0);
    let third = post(&plane, KEY, "/v1/keys", &body).await;
    assert_replayed(&third, &post(&plane, KEY, "/v1/keys", &body).await);
    assert_eq!(keys(&plane).await, 3);
}

#[tokio::test]
async fn who_goes_away_and_sends_again_makes_one_thing() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let (body, mut made) = (new_key(&project), 0);
    for micros in (0..6_000).step_by(100) {
        let key = micros.to_string();
        let cut = tokio::time::timeout(Duration::from_micros(micros), post(&plane, &key, "/v1/keys", &body)).await;
        let answer = post(&plane, &key, "/v1/keys", &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        if let Ok(first) = cut {
            assert_replayed(&first, &answer);
        }
        made += 1;
    }
    assert_eq!(keys(&plane).await, made);
}

#[tokio::test]
async fn the_answer_survives_a_restart() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let first = post(&plane, KEY, "/v1/keys", &new_key(&project)).await;
    let plane = plane.restart().await;
    assert_replayed(&first, &post(&plane, KEY, "/v1/keys", &new_key(&project)).await);
}

#[tokio::test]
async fn what_is_stored_of_an_answer_opens_for_its_caller_alone() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let body = new_key(&project);
    let secret = text(&post(&plane, KEY, "/v1/keys", &body).await.json(), "key");
    let mut files = 0;
    for file in std::fs::read_dir(plane.folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for hidden in [&secret[12..secret.len() - 4], KEY, plane.admin.expose()] {
            assert!(!bytes.windows(hidden.len()).any(|part| part == hidden.as_bytes()));
        }
        files += 1;
    }
    assert!(files >= 2, "the database and its log were searched");

    // With the whole row, the request and the Idempotency-Key in hand, the credential is still needed.
    let mut connection = connect(plane.folder.path()).await;
    let row =
        sqlx::query("SELECT id, request, salt, answer FROM idempotency").fetch_one(&mut connection).await.unwrap();
    let part = |name| <[u8; 32]>::try_from(row.get::<Vec<u8>, _>(name)).unwrap();
    let sealed =
        SealedAnswer { id: part("id"), request: part("request"), salt: part("salt"), answer: row.get("answer") };
    let open = |credential: &Secret| {
        let sender = Sender::Credential(credential);
        let bytes = body.to_string();
        let asked = Asked { method: "POST", path: "/v1/keys", query: None, body: bytes.as_bytes() };
        Attempt::new(sender, &IdempotencyKey::parse(KEY.as_bytes(), sender).unwrap(), asked)
            .unwrap()
            .open(sealed.clone())
    };
    assert!(open(&plane.proxy).is_err());
    let digest = plane.admin.digest().as_bytes().map(|byte| format!("{byte:02x}")).concat();
    assert!(open(&Secret::new(digest)).is_err(), "the digest of the credential is in the database");
    let answer = String::from_utf8(open(&plane.admin).unwrap().to_vec()).unwrap();
    assert!(answer.contains(&secret));
}

#[tokio::test]
async fn a_header_that_is_no_key_is_refused_by_its_name() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let body = new_key(&project);
    for bad in ["", "a b", &"a".repeat(256), "caf\u{e9}"] {
        let message = post(&plane, bad, "/v1/keys", &body).await.field(400, "invalid_header", "Idempotency-Key");
        assert!(bad.is_empty() || !message.contains(bad));
    }
    let mut twice = request(plane.admin.expose(), "a", "/v1/keys", &body);
    twice.headers_mut().append("idempotency-key", "a".parse().unwrap());
    plane.send(twice).await.field(400, "invalid_header", "Idempotency-Key");
    assert_eq!(keys(&plane).await, 0);
}

const JWT_SECRET: &str = "a-secret-of-at-least-thirty-two-characters";

/// A JWT of this user, no two alike.
fn jwt(subject: &str, issued: u64) -> String {
    let claims =
        json!({ "iss": "https://issuer.example", "sub": subject, "iat": issued, "exp": 1_767_229_200, "aud": "a" });
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(JWT_SECRET.as_bytes()))
        .unwrap()
}

#[tokio::test]
async fn a_users_new_jwt_gets_the_answer_of_the_old_one_and_no_other_user_does() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    for name in ["ann", "bob"] {
        let identity = json!({ "issuer": "https://issuer.example", "subject": name });
        let email = format!("{name}@acme.example");
        let user = json!({ "account_id": account, "email": email, "name": name, "identity": identity });
        assert_eq!(plane.post("/v1/users", user).await.status, StatusCode::CREATED);
    }
    let settings: JwtSettings = serde_json::from_value(json!({ "issuers": [{
        "issuer": "https://issuer.example", "hs256_secret_env": "S", "audiences": ["a"],
    }] }))
    .unwrap();
    let verifier = Verifier::new(&settings, |_| Some(SecretString::from(JWT_SECRET))).unwrap();
    let app = App { jwt: Arc::new(verifier), ..plane.app.clone() };
    let routes = keyplane::http::management(&app);
    let send = async |token: &str, key: &str| {
        let request = request(token, key, "/v1/keys", &new_key(&project));
        let (parts, body) = routes.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, bytes }
    };
    let first = send(&jwt("ann", 1_767_225_500), KEY).await;
    assert_replayed(&first, &send(&jwt("ann", 1_767_225_600), KEY).await);
    let other = send(&jwt("bob", 1_767_225_500), KEY).await;
    assert_eq!((other.status, other.header("idempotency-replayed")), (StatusCode::CREATED, ""));
    assert_ne!(other.bytes, first.bytes);
    // Nothing else of the request is secret, so the key must be.
    send(&jwt("ann", 1_767_225_500), "0123456789abcde").await.field(400, "invalid_header", "Idempotency-Key");
}
