//! One kept HTTP/1.1 connection, written by hand: it stays with one worker, and it sends bytes that no HTTP library would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A connection that is kept open over requests.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

/// Status and body of an answer.
pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: Vec<u8>,
}

impl Connection {
    pub fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// `GET path` with these header lines, as bytes. `None` when the connection is ended instead of an answer.
    pub fn try_get(&mut self, path: &str, headers: &[(&str, &[u8])]) -> Option<Answer> {
        self.stream.get_mut().write_all(&request(path, headers)).ok()?;
        let open = self.stream.fill_buf().is_ok_and(|bytes| !bytes.is_empty());
        open.then(|| self.answer())
    }

    /// `GET path` with these header lines, as bytes.
    pub fn get(&mut self, path: &str, headers: &[(&str, &[u8])]) -> Answer {
        self.stream.get_mut().write_all(&request(path, headers)).unwrap();
        self.answer()
    }

    /// These very bytes; `None` when the connection is ended instead of an answer. Nothing is read behind the headers of an answer to a HEAD or a CONNECT.
    pub fn raw(&mut self, bytes: &[u8]) -> Option<Answer> {
        self.stream.get_mut().write_all(bytes).ok()?;
        let open = self.stream.fill_buf().is_ok_and(|bytes| !bytes.is_empty());
        let has_body = !bytes.starts_with(b"HEAD") && !bytes.starts_with(b"CONNECT");
        open.then(|| if has_body { self.answer() } else { self.head() })
    }

    fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        answer.body = self.body(&answer.headers);
        answer
    }

    fn head(&mut self) -> Answer {
        let mut headers = String::new();
        while !headers.ends_with("\r\n\r\n") {
            assert!(self.stream.read_line(&mut headers).unwrap() > 0, "the connection was closed: {headers}");
        }
        let headers = headers.to_ascii_lowercase();
        let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, headers, body: Vec::new() }
    }

    fn body(&mut self, headers: &str) -> Vec<u8> {
        let value = |name: &str| headers.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if let Some(length) = value("content-length:") {
            let mut body = vec![0; length.parse().unwrap()];
            self.stream.read_exact(&mut body).unwrap();
            body
        } else if value("transfer-encoding:") == Some("chunked") {
            self.chunks()
        } else {
            Vec::new()
        }
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            let length = usize::from_str_radix(line.trim(), 16).unwrap();
            let mut chunk = vec![0; length + 2];
            self.stream.read_exact(&mut chunk).unwrap();
            if length == 0 {
                return body;
            }
            body.extend_from_slice(&chunk[..length]);
        }
    }
}

fn request(path: &str, headers: &[(&str, &[u8])]) -> Vec<u8> {
    let mut request = format!("GET {path} HTTP/1.1\r\nhost: flow\r\n").into_bytes();
    for (name, value) in headers {
        request.extend_from_slice(name.as_bytes());
        request.extend_from_slice(b": ");
        request.extend_from_slice(value);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request
}
