//! A browser without JavaScript, with a jar of cookies, a name and an address.

use crate::store::connect;
use crate::support::{Answer, ControlPlane};
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use sqlx::Row as _;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Where the dashboard is.
pub const HOST: &str = "keys.example.com";

/// A browser.
#[derive(Clone)]
pub struct Visitor<'a> {
    pub plane: &'a ControlPlane,
    pub jar: BTreeMap<String, String>,
    pub agent: &'static str,
    pub source: &'static str,
}

impl<'a> Visitor<'a> {
    pub fn new(plane: &'a ControlPlane) -> Self {
        Self { plane, jar: BTreeMap::new(), agent: "", source: "192.0.2.1" }
    }

    async fn send(&mut self, request: axum::http::request::Builder, body: String) -> Answer {
        let pairs: Vec<_> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.header("host", HOST).header("user-agent", self.agent).header("cookie", pairs.join("; "));
        let mut request = request.body(Body::from(body)).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(self.source.parse().unwrap(), 50_000)));
        let answer = self.plane.send(request).await;
        for value in answer.headers.get_all("set-cookie") {
            let (name, rest) = value.to_str().unwrap().split_once('=').unwrap();
            assert!(rest.contains("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{rest}");
            match rest.split(';').next().unwrap() {
                "" => self.jar.remove(name),
                value => self.jar.insert(name.to_owned(), value.to_owned()),
            };
        }
        answer
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path).header("accept", "text/html"), String::new()).await
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let request = Request::post(path)
            .header("origin", format!("https://{HOST}"))
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded");
        self.send(request, body.join("&")).await
    }

    /// Signs in with a key or token.
    pub async fn sign_in(&mut self, credential: &str) {
        assert_eq!(self.post("/sign-in", &[("credential", credential), ("next", "/")]).await.leads_to(), "/");
    }

    /// Whether the browser is signed in.
    pub async fn is_in(&mut self) -> bool {
        self.get("/sessions").await.status == 200
    }
}

/// The text as a value in an address or a form.
pub fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat()
}

/// Ends all sessions, whosesoever they are.
pub async fn end_all(plane: &ControlPlane) {
    let mut connection = connect(plane.folder.path()).await;
    sqlx::query("DELETE FROM sessions").execute(&mut connection).await.unwrap();
}

/// How many sessions there are.
pub async fn sessions(plane: &ControlPlane) -> i64 {
    let mut connection = connect(plane.folder.path()).await;
    sqlx::query("SELECT count(*) FROM sessions").fetch_one(&mut connection).await.unwrap().get(0)
}
