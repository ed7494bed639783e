//! What a caller sends to an API, when it sends it again, and where it never sends the key, over real connections.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use keyplane_sdk::reqwest::{self, Body};
use keyplane_sdk::{ApiKey, Caller, CallerBuilder, CurrentKey, RetryPolicy};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const LIVE: &str = "uk_live_0123456789ABCDEFGHIJabcdefghijKL1ExXni";
const TEST: &str = "uk_test_0123456789ABCDEFGHIJabcdefghijKL4SYJYx";
/// A part of both that no mask shows.
const HIDDEN: &str = "456789ABCDEFGHIJ";

/// One request as the API got it.
#[derive(Clone)]
struct Seen {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    at: Instant,
}

impl Seen {
    /// The only value of a header.
    fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} stands twice");
        value
    }
}

type Answer = Response<String>;

/// An API that answers as it is told, by the number of the request (from 0) and the request.
struct Api {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Api {
    async fn start(answer: impl Fn(usize, &Seen) -> Answer + Clone + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let app = axum::Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let request = Seen { method, path: uri.to_string(), headers, body, at: Instant::now() };
            let mut log = log.lock().unwrap();
            log.push(request.clone());
            std::future::ready(answer(log.len() - 1, &request))
        });
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, seen }
    }

    /// Answers with these statuses, and with the last one from then on.
    async fn with(statuses: &'static [u16]) -> Self {
        Self::start(|at, _| status(statuses[at.min(statuses.len() - 1)])).await
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn status(status: u16) -> Answer {
    Response::builder().status(status).body(String::new()).unwrap()
}

fn with_header(code: u16, name: &str, value: &str) -> Answer {
    Response::builder().status(code).header(name, value).body(String::new()).unwrap()
}

fn live() -> ApiKey {
    ApiKey::parse(LIVE).unwrap()
}

fn builder(api: &Api) -> CallerBuilder {
    Caller::builder(&api.url, live()).retry(RetryPolicy::default().first_delay(Duration::from_millis(1)))
}

fn caller(api: &Api) -> Caller {
    builder(api).build().unwrap()
}

#[tokio::test]
async fn the_key_is_where_the_api_wants_it_and_nowhere_else() {
    let api = Api::with(&[200]).await;
    for builder in [builder(&api), builder(&api).bearer(), builder(&api).header("Api-Token")] {
        let caller = builder.build().unwrap();
        caller.send(caller.get("/v1/files").query(&[("limit", "2")])).await.unwrap();
    }
    let bearer = format!("Bearer {LIVE}");
    let seen = api.seen();
    for (request, (name, value)) in
        seen.iter().zip([("x-api-key", LIVE), ("authorization", &bearer), ("api-token", LIVE)])
    {
        assert_eq!((request.path.as_str(), request.header(name)), ("/v1/files?limit=2", Some(value)));
        assert_eq!(format!("{:?}", request.headers).matches(HIDDEN).count(), 1);
    }
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn a_path_stays_behind_the_base_url_whatever_it_looks_like() {
    let api = Api::with(&[200]).await;
    let caller = Caller::new(format!("{}/api", api.url), live()).unwrap();
    for path in ["/v1/files", "v1/files", "//other.example/x", "http://other.example/x", "@other.example"] {
        caller.send(caller.get(path)).await.unwrap();
    }
    let paths: Vec<_> = api.seen().into_iter().map(|request| request.path).collect();
    let rest = ["/api//other.example/x", "/api/http://other.example/x", "/api/@other.example"];
    assert_eq!(paths[..2], ["/api/v1/files", "/api/v1/files"]);
    assert_eq!(paths[2..], rest);
}

#[tokio::test]
async fn after_429_the_same_request_is_sent_again_not_before_retry_after() {
    let api = Api::start(|at, _| if at == 0 { with_header(429, "retry-after", "1") } else { status(200) }).await;
    let caller = caller(&api);
    let answer = caller.send(caller.post("/v1/jobs").body("{\"n\":1}")).await.unwrap();
    assert_eq!(answer.status(), 200);
    let seen = api.seen();
    assert_eq!(seen.len(), 2);
    for request in &seen {
        assert_eq!(
            (&request.method, &request.body[..], request.header("x-api-key")),
            (&Method::POST, &b"{\"n\":1}"[..], Some(LIVE))
        );
    }
    assert!(seen[1].at - seen[0].at >= Duration::from_secs(1));
}

#[tokio::test]
async fn waiting_is_bounded_in_number_and_time_and_the_answer_is_given_back() {
    let always = Api::with(&[429]).await;
    let caller = caller(&always);
    assert_eq!(caller.send(caller.get("/")).await.unwrap().status(), 429);
    assert_eq!(always.seen().len(), 4);

    let late = Api::start(|_, _| with_header(429, "retry-after", "3600")).await;
    let caller = self::caller(&late);
    let answer = caller.send(caller.get("/")).await.unwrap();
    assert!(answer.status() == 429 && answer.headers()["retry-after"] == "3600");
    assert_eq!(late.seen().len(), 1);
}

#[tokio::test]
async fn a_stream_is_not_sent_twice_and_other_failures_are_the_programs_to_judge() {
    let api = Api::with(&[429]).await;
    let caller = caller(&api);
    let stream = Body::wrap(Body::from("once"));
    assert_eq!(caller.send(caller.post("/").body(stream)).await.unwrap().status(), 429);
    assert_eq!(&api.seen()[0].body[..], b"once");
    assert_eq!(api.seen().len(), 1);

    for code in [401, 403, 500, 502, 503, 504] {
        let api = Api::start(move |_, _| status(code)).await;
        let caller = self::caller(&api);
        assert_eq!(caller.send(caller.get("/")).await.unwrap().status().as_u16(), code);
        assert_eq!(api.seen().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn a_redirect_to_another_server_does_not_take_the_key_along() {
    let other = Api::with(&[200]).await;
    let (to, by_name) = (format!("{}/stolen", other.url), other.url.replace("127.0.0.1", "localhost"));
    for code in [301, 302, 303, 307, 308] {
        for target in [to.clone(), by_name.clone()] {
            let api = Api::start(move |at, _| match at {
                0 => with_header(code, "location", "/elsewhere"),
                _ => with_header(code, "location", &target),
            })
            .await;
            let caller = caller(&api);
            let answer = caller.send(caller.get("/")).await.unwrap();
            assert_eq!(answer.status().as_u16(), code);
            let seen = api.seen();
            assert_eq!((seen.len(), seen[1].path.as_str()), (2, "/elsewhere"), "within the server it is followed");
            assert_eq!(seen[1].header("x-api-key"), Some(LIVE));
        }
    }
    assert_eq!(other.seen().len(), 0);
}

#[tokio::test]
async fn redirects_within_the_server_end() {
    let api = Api::start(|_, _| with_header(302, "location", "/again")).await;
    let caller = caller(&api);
    assert_eq!(caller.send(caller.get("/")).await.unwrap().status(), 302);
    assert_eq!(api.seen().len(), 11);
}

#[tokio::test]
async fn a_request_for_another_server_is_not_sent() {
    let (api, other) = (Api::with(&[200]).await, Api::with(&[200]).await);
    let caller = caller(&api);
    let error = caller.send(reqwest::Client::new().get(&other.url)).await.unwrap_err();
    assert!(error.to_string().contains("it was not sent") && error.http().is_none(), "{error}");
    caller.send(reqwest::Client::new().get(&api.url)).await.unwrap();
    assert_eq!((api.seen().len(), other.seen().len()), (1, 0));
}

/// Takes the test key only, as an API does once the live one is revoked.
async fn only_the_new_key() -> Api {
    Api::start(|_, request| status(if request.header("x-api-key") == Some(TEST) { 200 } else { 401 })).await
}

#[tokio::test]
async fn a_replaced_key_is_used_from_the_next_call_on_without_a_restart() {
    let api = only_the_new_key().await;
    let caller = caller(&api);
    assert_eq!(caller.clone().send(caller.get("/")).await.unwrap().status(), 401);
    caller.key().replace(ApiKey::parse(TEST).unwrap());
    assert_eq!(caller.clone().send(caller.get("/")).await.unwrap().status(), 200);
    assert_eq!(api.seen().len(), 2);
}

#[tokio::test]
async fn a_call_that_meets_the_end_of_its_key_goes_on_with_the_key_that_the_file_has_by_now() {
    let api = only_the_new_key().await;
    let folder = tempfile::tempdir().unwrap();
    let (path, beside) = (folder.path().join("key"), folder.path().join("new"));
    std::fs::write(&path, LIVE).unwrap();
    let caller = Caller::new(&api.url, CurrentKey::from_file(&path).unwrap()).unwrap();
    std::fs::write(&beside, TEST).unwrap();
    std::fs::rename(&beside, &path).unwrap();
    let answer = caller.send(caller.post("/v1/jobs").body("same")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let seen = api.seen();
    assert!(seen.len() <= 2 && seen.iter().all(|request| &request.body[..] == b"same"));
}

#[tokio::test]
async fn neither_caller_nor_errors_show_the_key() {
    let api = Api::with(&[200]).await;
    let builder = builder(&api).bearer();
    let mut shown = format!("{builder:?}");
    let caller = builder.build().unwrap();
    // Nobody listens at a port that was just given back.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let nowhere = Caller::new(format!("http://127.0.0.1:{port}"), live()).unwrap();
    let failed = nowhere.send(nowhere.get(&format!("/?key={LIVE}"))).await.unwrap_err();
    let foreign = caller.send(nowhere.get(LIVE)).await.unwrap_err();
    let misplaced = Caller::builder(&api.url, live()).header(&format!("{LIVE}\n")).build().unwrap_err();
    write!(shown, "{caller:?} {failed} {failed:?} {foreign} {foreign:?} {misplaced} {misplaced:?}").unwrap();
    assert!(!shown.contains(HIDDEN) && shown.contains("uk_live_0123...xXni"), "{shown}");
}
