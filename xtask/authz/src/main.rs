//! What Keyplane is compared with: a server that Envoy's HTTP `ext_authz` asks for each request, doing the same check.
//!
//! It is what one would write oneself, and quick: axum on one thread, the SHA-256 of `x-api-key`, one look-up in a `HashMap`, and
//! 200 with two identity headers or 401. It has no rules, limits, counts or changes of keys, so the comparison favours it.
//! A program of its own, so that it can be built for release when what measures is not.
//!
//! `keyplane-bench-authz PORT FILE`: the file holds digests, 32 bytes each.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use sha2::{Digest, Sha256};

const DIGEST: usize = 32;
const ACCOUNT: HeaderName = HeaderName::from_static("x-keyplane-account");
const KEY: HeaderName = HeaderName::from_static("x-keyplane-key");

/// Who is behind a digest.
#[derive(Debug, Clone)]
struct Identity {
    account: HeaderValue,
    key: HeaderValue,
}

type Table = HashMap<[u8; DIGEST], Identity>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, file] = arguments.as_slice() else { bail!("usage: keyplane-bench-authz PORT FILE") };
    let digests = std::fs::read(file).with_context(|| format!("cannot read {file}"))?;
    let table = Arc::new(table(&digests)?);
    let listener = listen(port.parse().context("PORT must be a number")?)?;
    let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|connection| {
        // Without it an answer is as right, only later.
        let _ = connection.set_nodelay(true);
    });
    axum::serve(listener, Router::new().fallback(check).with_state(table)).await?;
    Ok(())
}

fn listen(port: u16) -> Result<TcpListener> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| format!("cannot listen on {port}"))?;
    // As the benchmark's other connections: bbr, some systems' default, paces by timers even on loopback.
    #[cfg(target_os = "linux")]
    nix::sys::socket::setsockopt(&listener, nix::sys::socket::sockopt::TcpCongestion, &"reno".into())?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn table(digests: &[u8]) -> Result<Table> {
    let (digests, rest) = digests.as_chunks::<DIGEST>();
    if !rest.is_empty() {
        bail!("the file of digests ends within one");
    }
    let account = HeaderValue::from_static("0191b2c3-0000-7000-8000-000000000000");
    let identity = |number: usize| -> Result<Identity> {
        let key = HeaderValue::from_str(&format!("0191b2c3-0000-7000-8000-{number:012x}"))?;
        Ok(Identity { account: account.clone(), key })
    };
    digests.iter().enumerate().map(|(number, digest)| Ok((*digest, identity(number)?))).collect()
}

async fn check(State(table): State<Arc<Table>>, headers: HeaderMap) -> Response {
    let identity = headers.get("x-api-key").and_then(|key| {
        let digest: [u8; DIGEST] = Sha256::digest(key.as_bytes()).into();
        table.get(&digest)
    });
    match identity {
        Some(Identity { account, key }) => [(ACCOUNT, account.clone()), (KEY, key.clone())].into_response(),
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_passes_when_its_digest_is_in_the_table() {
        let digest: [u8; DIGEST] = Sha256::digest(b"uk_live_known").into();
        let table = Arc::new(table(&digest).unwrap());
        for (key, status) in [(Some("uk_live_known"), 200), (Some("uk_live_other"), 401), (None, 401)] {
            let mut headers = HeaderMap::new();
            if let Some(key) = key {
                headers.insert("x-api-key", HeaderValue::from_static(key));
            }
            let answer = check(State(Arc::clone(&table)), headers).await;
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers().contains_key(KEY), status == 200);
        }
        assert!(super::table(&digest[1..]).is_err());
    }
}
