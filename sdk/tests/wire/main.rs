//! What the client sends, when it sends it again, and what it makes of the answers, over a real connection.

mod calls;
mod document;
mod openapi;
mod secrets;
mod server;
mod shape;
#[cfg(feature = "rustls")]
mod tls;

use keyplane_sdk::{
    AnswerErrorKind, ApiKey, Client, ClientBuilder, CreateAccount, CreateKey, CreateProject, Environment, Error, KeyId,
    KeyStatus, ListKeys, ListProjects, Prefixes, ProjectId, RetryPolicy, RevokeKey, TransportErrorKind, UpdateAccount,
    UpdateKey, UpdateUser, Version,
};
use server::{Reply, Server};
use std::time::Duration;

const ADMIN: &str = "kp_admin_0123456789ABCDEFGHIJabcdefghijKL0WJkA0";
const SECRET: &str = "uk_live_0123456789ABCDEFGHIJabcdefghijKL1ExXni";
/// A part of both that no mask shows.
const HIDDEN: &str = "456789ABCDEFGHIJ";
/// A version of an object.
const VERSION: &str = "00112233445566778899aabbccddeeff";
const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn builder(server: &Server) -> ClientBuilder {
    let quick = RetryPolicy::default().first_delay(Duration::from_millis(1));
    Client::builder().base_url(&server.url).credential(ApiKey::parse(ADMIN).unwrap()).retry(quick)
}

fn client(server: &Server) -> Client {
    builder(server).build().unwrap()
}

fn key_json(name: &str) -> serde_json::Value {
    serde_json::json!({
        "id": ID, "name": name, "key_prefix": "uk_live_0123...xXni", "environment": "live", "project_id": ID,
        "account_id": ID, "scopes": ["files:read"], "created_at": "2024-01-15T10:30:00.000Z", "expires_at": null,
        "last_used_at": "2024-01-15T10:31:00.000Z", "status": "active"
    })
}

fn ok(body: &serde_json::Value) -> Reply {
    Reply::Answer(200, vec!["content-type: application/json"], body.to_string())
}

fn status(status: u16) -> Reply {
    Reply::Answer(status, vec![], String::new())
}

fn key_id() -> KeyId {
    ID.parse().unwrap()
}

fn new_key() -> CreateKey {
    CreateKey::new(ID.parse().unwrap(), Environment::Live, "ci")
}

#[tokio::test]
async fn every_call_carries_the_credential_and_only_a_post_an_idempotency_key() {
    let mut created = key_json("ci");
    created["key"] = SECRET.into();
    let server =
        Server::start([ok(&key_json("a")), ok(&created), ok(&created), ok(&key_json("b")), ok(&key_json("b"))]).await;
    let client = client(&server);
    client.keys().get(key_id()).await.unwrap();
    client.keys().create(&new_key()).await.unwrap();
    client.keys().create(&new_key()).await.unwrap();
    client.keys().rename(key_id(), "b").await.unwrap();
    client.keys().revoke(key_id()).await.unwrap();

    let requests = server.requests();
    let lines: Vec<_> = requests.iter().map(|request| request.line.as_str()).collect();
    let one = format!("/v1/keys/{ID} HTTP/1.1");
    assert_eq!(
        lines,
        [
            format!("GET {one}"),
            "POST /v1/keys HTTP/1.1".to_owned(),
            "POST /v1/keys HTTP/1.1".to_owned(),
            format!("PATCH {one}"),
            format!("DELETE {one}"),
        ]
    );
    for request in &requests {
        assert_eq!(request.header("authorization"), Some(&*format!("Bearer {ADMIN}")));
        assert!(request.header("user-agent").unwrap().starts_with("keyplane-sdk/"));
        let has_body = !request.body.is_empty();
        assert_eq!(request.header("content-type").is_some(), has_body);
        assert_eq!(request.header("idempotency-key").is_some(), request.line.starts_with("POST"));
    }
    let sent = |at: usize| serde_json::from_str::<serde_json::Value>(&requests[at].body).unwrap();
    assert_eq!(sent(1), serde_json::json!({"project_id": ID, "environment": "live", "name": "ci"}));
    assert_eq!(sent(3), serde_json::json!({"name": "b"}));
    assert_ne!(requests[1].header("idempotency-key"), requests[2].header("idempotency-key"));
}

#[tokio::test]
async fn accounts_and_projects_are_created_and_read_as_the_api_says() {
    let account = serde_json::json!({"id": ID, "name": "Example", "plan": "pro", "status": "active", "created_at": "2024-01-15T10:30:00.000Z"});
    let project = serde_json::json!({"id": ID, "account_id": ID, "name": "Uploads",
        "prefixes": {"live": "uk_live", "test": "uk_test"}, "created_at": "2024-01-15T10:30:00.000Z"});
    let server = Server::start([ok(&account), ok(&account), ok(&project), ok(&project)]).await;
    let client = client(&server);
    let made = client.accounts().create(&CreateAccount::new("Example").plan("pro")).await.unwrap();
    assert_eq!(client.accounts().get(made.id).await.unwrap(), made);
    assert_eq!(made.plan.as_deref(), Some("pro"));
    let prefixes = Prefixes::new("uk_live", "uk_test");
    let request = CreateProject::new(made.id, "Uploads", prefixes.clone());
    let made = client.projects().create(&request).await.unwrap();
    assert_eq!(client.projects().get(made.id).await.unwrap().prefixes, prefixes);

    let requests = server.requests();
    let sent = |at: usize| serde_json::from_str::<serde_json::Value>(&requests[at].body).unwrap();
    assert_eq!(sent(0), serde_json::json!({"name": "Example", "plan": "pro"}));
    assert_eq!(
        sent(2),
        serde_json::json!({"account_id": ID, "name": "Uploads", "prefixes": {"live": "uk_live", "test": "uk_test"}})
    );
    assert_eq!(requests[3].line, format!("GET /v1/projects/{ID} HTTP/1.1"));
}

#[tokio::test]
async fn a_path_in_the_base_url_stays_before_the_api() {
    for end in ["", "/"] {
        let server = Server::start([ok(&key_json("a"))]).await;
        let base = format!("{}/keyplane{end}", server.url);
        builder(&server).base_url(base).build().unwrap().keys().get(key_id()).await.unwrap();
        assert_eq!(server.requests()[0].line, format!("GET /keyplane/v1/keys/{ID} HTTP/1.1"));
    }
}

#[tokio::test]
async fn the_secret_of_a_created_key_is_handed_over_once_and_never_printed() {
    let mut created = key_json("ci");
    created["key"] = SECRET.into();
    let server = Server::start([ok(&created)]).await;
    let created = client(&server).keys().create(&new_key()).await.unwrap();
    assert_eq!(created.secret.expose(), SECRET);
    assert_eq!(created.secret.mask(), created.key.key_prefix);
    assert_eq!(created.key.status, KeyStatus::Active);
    assert_eq!(created.key.scopes, ["files:read"]);
    let shown = format!("{created:?} {created:#?}");
    assert!(!shown.contains(HIDDEN) && shown.contains("uk_live_0123...xXni"), "{shown}");
}

#[tokio::test]
async fn an_answer_of_another_shape_is_an_error_that_does_not_repeat_it() {
    // The secret stands where an id or a time belongs, or is no key any more.
    for (field, value) in [("id", SECRET), ("created_at", SECRET), ("name", ""), ("key", &SECRET[..45])] {
        let mut answer = key_json("ci");
        answer["key"] = SECRET.into();
        answer[field] = if field == "name" { serde_json::json!({ "secret": SECRET }) } else { value.into() };
        let server = Server::start([ok(&answer)]).await;
        let error = client(&server).keys().create(&new_key()).await.unwrap_err();
        let shown = format!("{error} {error:?} {error:#?}");
        assert!(!shown.contains(HIDDEN), "{field}: {shown}");
        let Error::Answer(error) = error else { panic!("{field}: {shown}") };
        assert!(error.took_effect && matches!(error.kind, AnswerErrorKind::Shape { .. }), "{field}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let server = Server::start([ok(&serde_json::json!({ "data": "x".repeat(5_000_000) }))]).await;
    let error = client(&server).keys().get(key_id()).await.unwrap_err();
    assert!(matches!(error, Error::Answer(error) if error.kind == AnswerErrorKind::TooLong));
}

#[tokio::test]
async fn reading_and_revoking_go_on_after_passing_faults() {
    let faults = || [status(503), Reply::Close, status(429)];
    let server = Server::start(faults().into_iter().chain([ok(&key_json("a"))])).await;
    assert_eq!(client(&server).keys().get(key_id()).await.unwrap().name, "a");
    assert_eq!(server.requests().len(), 4);

    let faults = || [status(502), status(504), Reply::BreakOff];
    let server = Server::start(faults().into_iter().chain([ok(&key_json("a"))])).await;
    client(&server).keys().revoke(key_id()).await.unwrap();
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_fault_that_does_not_pass_ends_the_call_after_a_bounded_number_of_tries() {
    let server = Server::start((0..10).map(|_| status(503))).await;
    let error = client(&server).keys().get(key_id()).await.unwrap_err();
    assert_eq!((error.status(), server.requests().len()), (Some(503), 4));

    let server = Server::start((0..10).map(|_| status(503))).await;
    let once = builder(&server).retry(RetryPolicy::never()).build().unwrap();
    assert!(once.keys().get(key_id()).await.is_err());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_creation_that_may_have_happened_is_sent_again_as_the_same_call() {
    let mut created = key_json("ci");
    created["key"] = SECRET.into();
    for reply in [Reply::Close, Reply::BreakOff, status(429), status(503)] {
        let server = Server::start([reply, ok(&created)]).await;
        let made = client(&server).keys().create(&new_key()).await.unwrap();
        assert_eq!(made.secret.expose(), SECRET);
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        assert!(requests[0].header("idempotency-key").is_some());
        assert_eq!(requests[0].header("idempotency-key"), requests[1].header("idempotency-key"));
        assert_eq!(requests[0].body, requests[1].body);
    }
}

#[tokio::test]
async fn a_creation_that_was_given_up_says_that_it_may_have_happened() {
    for reply in [Reply::Close, Reply::BreakOff] {
        let server = Server::start([reply]).await;
        let once = builder(&server).retry(RetryPolicy::never()).build().unwrap();
        let error = once.keys().create(&new_key()).await.unwrap_err();
        assert!(error.to_string().contains("not known whether the call took effect"), "{error}");
        assert!(matches!(error, Error::Transport(error) if error.may_have_taken_effect));
    }
    // Also when it was the first attempt that may have, and the last one was not even sent.
    let server = Server::start([Reply::Gone]).await;
    let error = client(&server).keys().create(&new_key()).await.unwrap_err();
    let Error::Transport(error) = error else { panic!("an answer") };
    assert_eq!((error.kind, error.may_have_taken_effect), (TransportErrorKind::Connect, true));
}

#[tokio::test]
async fn a_change_that_may_have_happened_is_not_sent_again() {
    for reply in [Reply::Close, status(503)] {
        let server = Server::start([reply]).await;
        assert!(client(&server).keys().rename(key_id(), "b").await.is_err());
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn retry_after_is_waited_for_and_a_long_one_is_handed_on() {
    let wait = |seconds| Reply::Answer(429, vec![seconds], String::new());
    let server = Server::start([wait("retry-after: 1"), ok(&key_json("a")), wait("retry-after: 3600")]).await;
    let client = client(&server);
    client.keys().get(key_id()).await.unwrap();
    let requests = server.requests();
    assert!(requests[1].at - requests[0].at >= Duration::from_secs(1));

    let Error::Api(error) = client.keys().get(key_id()).await.unwrap_err() else { panic!("no answer") };
    assert_eq!(error.retry_after, Some(Duration::from_secs(3600)));
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let server = Server::start([Reply::Hang, Reply::Hang, ok(&key_json("a"))]).await;
    let client = builder(&server).timeout(Duration::from_millis(500)).build().unwrap();
    let Error::Transport(error) = client.keys().rename(key_id(), "b").await.unwrap_err() else { panic!("an answer") };
    assert_eq!((error.kind, error.may_have_taken_effect), (TransportErrorKind::Timeout, true));
    // Reading is tried again.
    client.keys().get(key_id()).await.unwrap();
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let server = Server::start([]).await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = builder(&server).base_url(format!("http://{free}")).build().unwrap();
    let error = client.keys().create(&new_key()).await.unwrap_err();
    let sentence = error.to_string();
    assert!(sentence.starts_with(&format!("there is no connection to Keyplane at http://{free}: ")), "{sentence}");
    assert!(!sentence.contains("took effect"));
    assert!(matches!(error, Error::Transport(error) if error.kind == TransportErrorKind::Connect));
}

#[tokio::test]
async fn a_problem_reaches_the_caller_with_all_it_says_and_without_the_credential() {
    let problem = serde_json::json!({
        "type": "https://keyplane.dev/errors/invalid_request", "title": "Invalid request", "status": 422,
        "code": "invalid_request", "detail": format!("asked with {ADMIN}"), "request_id": "r-1",
        "errors": [{"field": "name", "message": "is empty"}]
    });
    let headers = vec!["content-type: application/problem+json"];
    let server = Server::start([Reply::Answer(422, headers, problem.to_string())]).await;
    let error = client(&server).keys().rename(key_id(), "").await.unwrap_err();
    assert_eq!((error.status(), error.code(), error.request_id()), (Some(422), Some("invalid_request"), Some("r-1")));
    assert_eq!(error.field_errors()[0].field, "name");
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("is empty") && !shown.contains(HIDDEN), "{shown}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_redirect_does_not_carry_the_credential_away() {
    let other = Server::start([ok(&key_json("a"))]).await;
    let location: &'static str = Box::leak(format!("location: {}/v1/keys/{ID}", other.url).into_boxed_str());
    let server = Server::start([Reply::Answer(307, vec![location], String::new())]).await;
    let error = client(&server).keys().get(key_id()).await.unwrap_err();
    assert!(error.to_string().contains("a redirect; it was not followed"), "{error}");
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_list_is_read_to_its_end_across_pages_and_faults() {
    let page = |names: &[&str], next: Option<&str>| {
        let data: Vec<_> = names.iter().map(|name| key_json(name)).collect();
        ok(&serde_json::json!({"data": data, "next_cursor": next}))
    };
    // A page may be empty and not the last.
    let replies = [page(&["a", "b"], Some("c 1&")), status(500), page(&[], Some("c2")), page(&["c"], None)];
    let server = Server::start(replies).await;
    let project: ProjectId = ID.parse().unwrap();
    let list = ListKeys::new().project(project).environment(Environment::Test).limit(2);
    let mut keys = client(&server).keys().all(list);
    let mut names = Vec::new();
    let mut faults = 0;
    loop {
        match keys.next().await {
            Ok(Some(key)) => names.push(key.name),
            Ok(None) => break,
            Err(_) => faults += 1,
        }
    }
    assert_eq!((names.join(""), faults), ("abc".to_owned(), 1));
    assert!(keys.next().await.unwrap().is_none());
    let lines: Vec<_> = server.requests().iter().map(|request| request.line.clone()).collect();
    let first = format!("GET /v1/keys?project_id={ID}&environment=test&limit=2");
    assert_eq!(
        lines,
        [
            format!("{first} HTTP/1.1"),
            format!("{first}&cursor=c+1%26 HTTP/1.1"),
            format!("{first}&cursor=c+1%26 HTTP/1.1"),
            format!("{first}&cursor=c2 HTTP/1.1"),
        ]
    );
}

#[tokio::test]
async fn a_list_is_a_stream_that_ends_after_an_error() {
    use futures_util::{StreamExt as _, TryStreamExt as _};
    let page = |names: &[&str], next: Option<&str>| {
        let data: Vec<_> = names.iter().map(|name| key_json(name)).collect();
        ok(&serde_json::json!({"data": data, "next_cursor": next}))
    };
    let server = Server::start([page(&["a", "b"], Some("1")), page(&["c"], None)]).await;
    let keys = client(&server).keys().all(ListKeys::new());
    let names: Vec<_> = keys.map_ok(|key| key.name).try_collect().await.unwrap();
    assert_eq!(names, ["a", "b", "c"]);

    let server = Server::start([page(&["a"], Some("1")), status(500), page(&["b"], None)]).await;
    let mut keys = client(&server).keys().all(ListKeys::new());
    let mut said: Vec<_> = keys.by_ref().map(|key| key.map(|key| key.name).ok()).collect().await;
    assert_eq!(said, [Some("a".to_owned()), None]);
    // Who wants to go on says so.
    said.push(keys.next().await.unwrap().map(|key| key.name));
    assert_eq!(said[2].as_deref(), Some("b"));
    assert!(keys.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_list_whose_reader_was_interrupted_loses_no_page_and_asks_for_none_twice() {
    use futures_util::FutureExt as _;
    let data = [key_json("a")];
    let server = Server::start([ok(&serde_json::json!({"data": data, "next_cursor": null}))]).await;
    let mut keys = client(&server).keys().all(ListKeys::new());
    // Dropped as soon as it has to wait, again and again, until the answer is there.
    let mut dropped = 0;
    let key = loop {
        match keys.next().now_or_never() {
            Some(key) => break key.unwrap().unwrap(),
            None => dropped += 1,
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert!(dropped > 0);
    assert_eq!((key.name.as_str(), server.requests().len()), ("a", 1));
}

#[tokio::test]
async fn a_removal_that_may_have_happened_is_not_sent_again() {
    let server = Server::start([Reply::Close]).await;
    let error = client(&server).users().remove(ID.parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Transport(error) if error.may_have_taken_effect));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_revocation_that_waits_gives_the_receipt_and_has_the_time_for_it() {
    let mut revoked = key_json("a");
    revoked["receipt"] =
        serde_json::json!({"revision": 7, "proxies": 2, "applied": 1, "lagging": null, "elapsed_ms": 900});
    let late = Reply::Late(Duration::from_millis(900), Box::new(ok(&revoked)));
    let server = Server::start([late, ok(&key_json("a"))]).await;
    // The time-out of an attempt is shorter than the wait.
    let client = builder(&server).timeout(Duration::from_millis(600)).build().unwrap();
    let receipt = client.keys().revoke_and_wait(key_id(), Duration::from_millis(900)).await.unwrap();
    assert_eq!((receipt.revision, receipt.is_complete()), (7, false));
    assert_eq!(server.requests()[0].line, format!("DELETE /v1/keys/{ID}?wait=900ms HTTP/1.1"));

    let error = client.keys().revoke_and_wait(key_id(), Duration::from_millis(1)).await.unwrap_err();
    assert!(matches!(error, Error::Answer(error) if error.kind == AnswerErrorKind::NoReceipt && error.took_effect));
}

#[tokio::test]
async fn an_edit_of_another_version_is_an_error_of_its_own() {
    let problem = serde_json::json!({"code": "precondition_failed", "detail": "Somebody edited it.", "status": 412});
    let refusal = || Reply::Answer(412, vec!["content-type: application/problem+json"], problem.to_string());
    let read = Reply::Answer(200, vec!["etag: \"7f\""], key_json("a").to_string());
    let server = Server::start([read, refusal(), refusal(), refusal(), ok(&key_json("a"))]).await;
    let client = client(&server);
    let read = client.keys().get_versioned(key_id()).await.unwrap();
    assert_eq!((read.object.name.as_str(), read.version.as_str()), ("a", "7f"));
    let change = UpdateKey::new().name("b").if_version(&read.version);
    let error = client.keys().update(key_id(), &change).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(412), Some("precondition_failed")));
    assert!(error.to_string().contains("Somebody edited it.") && matches!(error, Error::Changed(_)));
    let end = RevokeKey::new().if_version(&read.version);
    assert!(matches!(client.keys().revoke_with(key_id(), &end).await, Err(Error::Changed(_))));
    // Who set no condition hears of what answered so, and nothing else.
    assert!(matches!(client.keys().rename(key_id(), "b").await, Err(Error::Api(_))));
    let conditions: Vec<_> = server.requests().iter().map(|one| one.header("if-match").map(str::to_owned)).collect();
    assert_eq!(conditions, [None, Some("\"7f\"".to_owned()), Some("\"7f\"".to_owned()), None]);

    let error = client.keys().get_versioned(key_id()).await.unwrap_err();
    assert!(matches!(error, Error::Answer(error) if error.kind == AnswerErrorKind::NoVersion && !error.took_effect));
}

#[tokio::test]
async fn an_edit_of_a_version_that_may_have_happened_is_not_sent_again() {
    // It would be refused because of itself.
    let version: Version = VERSION.parse().unwrap();
    for reply in [Reply::Close, Reply::BreakOff, status(503)] {
        let server = Server::start([reply]).await;
        let end = RevokeKey::new().if_version(&version);
        let error = client(&server).keys().revoke_with(key_id(), &end).await.unwrap_err();
        assert!(!matches!(error, Error::Changed(_)));
        assert_eq!(server.requests().len(), 1);
    }
    let server = Server::start([status(429), ok(&key_json("a"))]).await;
    client(&server).keys().revoke_with(key_id(), &RevokeKey::new().if_version(&version)).await.unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn what_is_to_be_taken_away_is_sent_as_null_and_what_is_not_named_is_not_sent() {
    let server = Server::start([]).await;
    let client = builder(&server).retry(RetryPolicy::never()).build().unwrap();
    let id = || ID.parse().unwrap();
    let _ = client.keys().update(key_id(), &UpdateKey::new().never_expires()).await;
    let _ = client.accounts().update(id(), &UpdateAccount::new().no_external_id()).await;
    let _ = client.users().update(ID.parse().unwrap(), &UpdateUser::new().no_identity()).await;
    let _ = client.keys().update(key_id(), &UpdateKey::new().scopes([""; 0])).await;
    let bodies: Vec<_> = server.requests().into_iter().map(|request| request.body).collect();
    assert_eq!(
        bodies,
        [r#"{"expires_at":null}"#, r#"{"external_id":null}"#, r#"{"identity":null}"#, r#"{"scopes":[]}"#]
    );
}

#[tokio::test]
async fn a_token_of_another_shape_is_sent_as_it_is() {
    let server = Server::start([ok(&key_json("a"))]).await;
    let token = "eyJhbGciOiJub25lIn0.e30.hunter2";
    let client = Client::builder().base_url(&server.url).token(token).build().unwrap();
    client.keys().get(key_id()).await.unwrap();
    assert_eq!(server.requests()[0].header("authorization"), Some(&*format!("Bearer {token}")));
    assert!(matches!(
        Client::builder().base_url(&server.url).token("two\nlines").build(),
        Err(keyplane_sdk::BuildError::Token(_))
    ));
}

#[tokio::test]
async fn a_list_that_stands_still_does_not_go_on_for_ever() {
    let page = || ok(&serde_json::json!({"data": [], "next_cursor": "same"}));
    let server = Server::start([page(), page(), page()]).await;
    let error = client(&server).projects().all(ListProjects::new()).next().await.unwrap_err();
    assert!(matches!(error, Error::Answer(error) if error.kind == AnswerErrorKind::CursorStandsStill));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn calls_can_be_awaited_on_any_thread() {
    fn any_thread<T: Send>(_: T) {}
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    let credential = ApiKey::parse(ADMIN).unwrap();
    let client = Client::builder().base_url("http://127.0.0.1:1").credential(credential).build().unwrap();
    shared(&client);
    any_thread(client.keys().create(&new_key()));
    any_thread(client.keys().all(ListKeys::new()).next());
    any_thread(client.accounts().create(&CreateAccount::new("a")));
}
