//! An upstream that answers every request with what it received.
//!
//! It shows what an application behind Keyplane gets to see: the identity headers are there, the credential is not.
//! Header values stay lists, because a header that arrives twice is exactly what such a test must be able to see.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::Context;
use axum::http::{HeaderMap, Method, Uri};
use axum::{Json, Router};
use clap::Parser;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

/// Answers 200 with the method, path and headers of every request, as JSON.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let listener = tokio::net::TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    };
    eprintln!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, Router::new().fallback(echo)).with_graceful_shutdown(stop).await?;
    Ok(())
}

async fn echo(method: Method, uri: Uri, headers: HeaderMap) -> Json<Value> {
    Json(describe(&method, &uri, &headers))
}

/// `{"method", "path" (with its query), "headers": {name: [values]}}`. Bytes that are not UTF-8 are shown as U+FFFD.
fn describe(method: &Method, uri: &Uri, headers: &HeaderMap) -> Value {
    let mut listed: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        listed.entry(name.as_str()).or_default().push(String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    json!({ "method": method.as_str(), "path": uri.to_string(), "headers": listed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_arrives_twice_is_shown_twice() {
        let mut headers = HeaderMap::new();
        headers.append("x-api-key", "one".parse().unwrap());
        headers.append("x-api-key", "two".parse().unwrap());
        let shown = describe(&Method::GET, &"/a?b=c".parse().unwrap(), &headers);
        assert_eq!(shown, json!({ "method": "GET", "path": "/a?b=c", "headers": { "x-api-key": ["one", "two"] } }));
    }
}
