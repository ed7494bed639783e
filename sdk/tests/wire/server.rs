//! A server that answers from a script and keeps what it was asked, byte for byte: what is under test is the wire.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// What the server does with one request.
pub enum Reply {
    /// Answers with status, further header lines (`name: value`) and body.
    Answer(u16, Vec<&'static str>, String),
    /// Closes the connection without an answer.
    Close,
    /// The same, and the server is gone.
    Gone,
    /// Announces more of a body than it sends.
    BreakOff,
    /// Never answers.
    Hang,
    /// Answers so much later.
    Late(Duration, Box<Reply>),
}

/// One request as it arrived.
#[derive(Clone)]
pub struct Request {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub at: Instant,
}

impl Request {
    /// The value of the only header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert!(values.next().is_none(), "{name} stands twice");
        value
    }
}

/// A running server; ends with the test's runtime.
pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers the first request with the first reply, and so on; after the last one it closes connections.
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies: VecDeque<Reply> = replies.into_iter().collect();
        Self::answering(move |_| replies.pop_front().unwrap_or(Reply::Close)).await
    }

    /// Answers each request with what `reply` makes of it.
    pub async fn answering(mut reply: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read(&mut stream).await;
                let reply = reply(&request);
                seen.lock().unwrap().push(request);
                if matches!(reply, Reply::Gone) {
                    return;
                }
                tokio::spawn(async move { answer(&mut stream, reply).await });
            }
        });
        Self { url, requests }
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Request {
    let mut bytes = Vec::new();
    let head = loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap();
        assert!(read > 0, "the request ended in its head");
        bytes.extend_from_slice(&chunk[..read]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    let line = lines.next().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        })
        .collect();
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = bytes[head + 4..].to_vec();
    while body.len() < length {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap();
        assert!(read > 0, "the request ended in its body");
        body.extend_from_slice(&chunk[..read]);
    }
    Request { line, headers, body: String::from_utf8(body).unwrap(), at: Instant::now() }
}

pub async fn answer(stream: &mut (impl AsyncWrite + Unpin), reply: Reply) {
    let text = match reply {
        Reply::Close | Reply::Gone => return,
        Reply::Late(delay, reply) => {
            tokio::time::sleep(delay).await;
            return Box::pin(answer(stream, *reply)).await;
        }
        Reply::Hang => return tokio::time::sleep(Duration::from_secs(10 * 60)).await,
        Reply::BreakOff => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\":".to_owned(),
        Reply::Answer(status, headers, body) => {
            let headers = headers.iter().flat_map(|line| [*line, "\r\n"]).collect::<String>();
            format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
        }
    };
    // The client may have hung up: a test of that looks at the client's side.
    let _ = stream.write_all(text.as_bytes()).await;
}
