//! An issuer of JWTs on this machine: a small HTTP server whose answers a test can change, and keys that the test makes.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// When the tokens are issued, in seconds since 1970 UTC.
pub const NOW: i64 = 1_800_000_000;

/// A key pair of an issuer.
pub struct Key {
    pub id: &'static str,
    pub algorithm: Algorithm,
    pub private: EncodingKey,
}

impl Key {
    pub fn es256(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = pair.to_pkcs8v1().unwrap();
        Self { id, algorithm: Algorithm::ES256, private: EncodingKey::from_ec_der(der.as_ref()) }
    }

    pub fn eddsa(id: &'static str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        Self { id, algorithm: Algorithm::EdDSA, private: EncodingKey::from_ed_der(der.as_ref()) }
    }

    pub fn rs256(id: &'static str) -> Self {
        let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        // The signer wants the RSAPrivateKey inside the PKCS #8 envelope, whose head has this length for every 2048 bit key.
        Self { id, algorithm: Algorithm::RS256, private: EncodingKey::from_rsa_der(&der.as_ref()[26..]) }
    }

    /// The public half, as it stands in a JWK set.
    pub fn public(&self) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.private, self.algorithm).unwrap()).unwrap();
        jwk["kid"] = json!(self.id);
        jwk["use"] = json!("sig");
        jwk
    }

    pub fn header(&self) -> Header {
        Header { kid: Some(self.id.to_owned()), ..Header::new(self.algorithm) }
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(&self.header(), claims)
    }

    pub fn sign_with(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.private).unwrap()
    }
}

/// A token of Supabase's legacy kind.
pub fn sign_hs256(claims: &Value, secret: &[u8]) -> String {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret)).unwrap()
}

/// What the issuer answers, and what it was asked.
#[derive(Default)]
pub struct Answers {
    pub documents: Vec<(String, Answer)>,
    pub asked: Vec<String>,
}

#[derive(Clone)]
pub enum Answer {
    Json(Value, &'static str),
    Status(u16),
    Redirect(String),
    Never,
}

/// An issuer on this machine.
pub struct Issuer {
    pub url: String,
    pub answers: Arc<Mutex<Answers>>,
}

pub const DISCOVERY: &str = "/auth/v1/.well-known/openid-configuration";
pub const KEYS: &str = "/auth/v1/keys";

impl Issuer {
    pub async fn start(keys: &[&Key]) -> Self {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let issuer = Self { url: format!("{origin}/auth/v1"), answers: Arc::default() };
        issuer
            .answer(DISCOVERY, Answer::Json(json!({"issuer": issuer.url, "jwks_uri": format!("{origin}{KEYS}")}), ""));
        issuer.publish(keys, "max-age=600");
        let router = Router::new().fallback(answer).with_state(Arc::clone(&issuer.answers));
        tokio::spawn(async move { axum::serve(listener, router).await });
        issuer
    }

    pub fn answer(&self, path: &str, answer: Answer) {
        let mut answers = self.answers.lock().unwrap();
        answers.documents.retain(|(known, _)| known != path);
        answers.documents.push((path.to_owned(), answer));
    }

    pub fn publish(&self, keys: &[&Key], cache: &'static str) {
        let keys: Vec<_> = keys.iter().map(|key| key.public()).collect();
        self.answer(KEYS, Answer::Json(json!({"keys": keys}), cache));
    }

    /// How often the keys were read.
    pub fn readings(&self) -> usize {
        self.answers.lock().unwrap().asked.iter().filter(|path| *path == KEYS).count()
    }

    pub fn keys_url(&self) -> String {
        format!("{}/keys", self.url)
    }

    /// Claims as Supabase Auth writes them.
    pub fn claims(&self, more: &Value) -> Value {
        let claims = json!({
            "iss": self.url,
            "sub": "5a1b2c3d-0000-4000-8000-000000000001",
            "aud": "authenticated",
            "exp": NOW + 3600,
            "iat": NOW,
            "email": "ada@example.com",
            "phone": "",
            "role": "authenticated",
            "aal": "aal1",
            "session_id": "5a1b2c3d-0000-4000-8000-000000000002",
            "is_anonymous": false,
            "app_metadata": {"provider": "email", "account_id": "acc_1"},
            "user_metadata": {"full_name": "Ada Lovelace"},
        });
        with(claims, more)
    }
}

pub async fn answer(State(answers): State<Arc<Mutex<Answers>>>, uri: Uri) -> Response {
    let found = {
        let mut answers = answers.lock().unwrap();
        answers.asked.push(uri.path().to_owned());
        answers.documents.iter().find(|(path, _)| path == uri.path()).map(|(_, answer)| answer.clone())
    };
    match found {
        Some(Answer::Json(value, cache)) => {
            ([(header::CACHE_CONTROL, HeaderValue::from_static(cache))], value.to_string()).into_response()
        }
        Some(Answer::Status(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        Some(Answer::Redirect(to)) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Some(Answer::Never) => std::future::pending().await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

pub fn with(mut base: Value, more: &Value) -> Value {
    base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    base
}
