//! A server of the filter's module, for Envoys that fetch it: it answers every request with the module, or with what it is told to.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpListener;
use std::path::Path;

/// A server that runs until the test ends.
pub struct Module {
    port: u16,
    sha256: String,
}

impl Module {
    /// Serves this file.
    pub fn serve(file: &Path) -> Self {
        Self::answer("200 OK", std::fs::read(file).unwrap())
    }

    /// Answers with this status and body.
    pub fn answer(status: &'static str, body: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let sha256 = Sha256::digest(&body).iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        });
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { break };
                let mut request = Vec::new();
                let mut bytes = [0; 1024];
                while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                    match stream.read(&mut bytes) {
                        Ok(read @ 1..) => request.extend_from_slice(&bytes[..read]),
                        _ => break,
                    }
                }
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                // Who goes away is no failure of the server's.
                stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).ok();
            }
        });
        Self { port, sha256 }
    }

    /// The digest of what it serves, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// An Envoy cluster of this name that leads to it.
    pub fn cluster(&self, name: &str) -> Value {
        let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": self.port } });
        json!({
            "name": name,
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
            },
        })
    }
}
