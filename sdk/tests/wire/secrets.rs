//! No secret is printed: not by any type, not by any error, whatever a server sends back, and not in the log.

use super::document::{Document, Sample, Sampler};
use super::server::{Reply, Server};
use super::{ADMIN, HIDDEN, SECRET, builder, calls, client, ok};
use keyplane_sdk::{Client, ListKeys, RetryPolicy};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a server answers that repeats all it knows: the credential of the caller and a key that it has just made.
fn indiscreet() -> Vec<Reply> {
    let both = format!("{ADMIN} {SECRET}");
    let problem = serde_json::json!({
        "type": &both, "title": &both, "status": 422, "code": SECRET, "detail": format!("({ADMIN}),\"{SECRET}\""),
        "request_id": &both, "errors": [{ "field": ADMIN, "message": &both }, { "field": SECRET, "message": &both }]
    });
    let header: &'static str = Box::leak(format!("x-request-id: {ADMIN}-{SECRET}").into_boxed_str());
    let location: &'static str = Box::leak(format!("location: http://{ADMIN}:{SECRET}@127.0.0.1/").into_boxed_str());
    vec![
        Reply::Answer(422, vec!["content-type: application/problem+json", header], problem.to_string()),
        Reply::Answer(500, vec!["content-type: text/html", header], both.clone()),
        Reply::Answer(301, vec![location, header], both.clone()),
        Reply::Answer(
            200,
            vec!["content-type: application/json", header],
            serde_json::json!({ "id": both, "data": both }).to_string(),
        ),
        Reply::Answer(200, vec![header], both),
    ]
}

#[tokio::test]
async fn no_error_repeats_a_secret_that_a_server_sends_back() {
    for number in 0..indiscreet().len() {
        let server = Server::answering(move |_| indiscreet().swap_remove(number)).await;
        let once = builder(&server).retry(RetryPolicy::never()).build().unwrap();
        for told in calls::all(&once).await {
            assert!(told.json.is_none(), "{} took reply {number} for an answer", told.operation);
            assert!(!told.shown.contains(HIDDEN), "{}: {}", told.operation, told.shown);
        }
    }
}

#[tokio::test]
async fn no_handle_and_no_setting_shows_a_secret() {
    let server = Server::start([]).await;
    let token = Client::builder().base_url(&server.url).token(format!("{SECRET}.{ADMIN}"));
    let client = client(&server);
    let shown = [
        format!("{client:?} {client:#?}"),
        format!("{:?}", client.keys().all(ListKeys::new())),
        format!("{:?}", builder(&server)),
        format!("{token:?} {token:#?} {:?}", token.clone().build().unwrap()),
        format!("{:?}", Client::builder().base_url(format!("http://{ADMIN}@127.0.0.1")).build().unwrap_err()),
        format!("{:?}", Client::builder().base_url(SECRET).build().unwrap_err()),
        format!("{:?}", Client::builder().base_url(&server.url).token(format!("{SECRET} ")).build().unwrap_err()),
    ];
    for text in shown {
        assert!(!text.contains(HIDDEN), "{text}");
    }
}

/// All that this process logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_reaches_the_log_at_its_finest() {
    let log = Log::default();
    let writer = log.clone();
    // Takes the records of the crate `log` too.
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let server = Server::answering(|request| {
        let document = Document::read();
        let (method, rest) = request.line.split_once(' ').unwrap();
        let path = rest.split([' ', '?']).next().unwrap();
        let made = document.operations().into_iter().find(|one| one.method == method && one.path == path);
        let mut sampler = Sampler { document, sample: Sample::Full, shape: 0, number: 0 };
        made.map_or(Reply::Close, |operation| ok(&sampler.make(&operation.answer, "answer")))
    })
    .await;
    let quick = builder(&server).retry(RetryPolicy::default().max_retries(1).first_delay(Duration::ZERO));
    let told = calls::all(&quick.build().unwrap()).await;
    assert!(told.iter().any(|told| told.json.is_none()) && told.iter().any(|told| told.json.is_some()));
    let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(text.contains("reqwest") && text.contains("hyper"), "nothing was logged: {text}");
    let lines: Vec<_> = text.lines().filter(|line| line.contains(HIDDEN)).collect();
    assert!(lines.is_empty(), "{lines:#?}");
}
