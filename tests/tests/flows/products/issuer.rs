//! An issuer of JWTs on this machine: it signs, and publishes its keys where OIDC discovery and JWKS clients look.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{SystemTime, UNIX_EPOCH};

const KEY_ID: &str = "k1";

/// An issuer with one key.
pub struct Issuer {
    /// What its tokens have in `iss`.
    pub url: String,
    /// Its public key, as it publishes it.
    pub public: Value,
    private: EncodingKey,
    algorithm: Algorithm,
}

impl Issuer {
    /// One that signs with ES256, as Supabase does for new projects.
    pub fn es256() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self::start(EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref()), Algorithm::ES256)
    }

    /// One that signs with RS256, as Clerk does.
    pub fn rs256() -> Self {
        let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        // The signer wants the RSAPrivateKey inside the PKCS #8 envelope, whose head has this length for every 2048 bit key.
        Self::start(EncodingKey::from_rsa_der(&der.as_ref()[26..]), Algorithm::RS256)
    }

    fn start(private: EncodingKey, algorithm: Algorithm) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/auth/v1", listener.local_addr().unwrap());
        let mut public = serde_json::to_value(Jwk::from_encoding_key(&private, algorithm).unwrap()).unwrap();
        public["kid"] = json!(KEY_ID);
        public["use"] = json!("sig");
        let issuer = Self { url, public: public.clone(), private, algorithm };
        let discovery = json!({ "issuer": issuer.url, "jwks_uri": issuer.keys_url() });
        // It serves until the tests end.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away early is no matter.
                let _ = answer(stream, &discovery, &json!({ "keys": [public] }));
            }
        });
        issuer
    }

    /// Where its keys are.
    pub fn keys_url(&self) -> String {
        format!("{}/.well-known/jwks.json", self.url)
    }

    /// A token of these claims, which ends in `lifetime` seconds.
    pub fn sign(&self, claims: Value, lifetime: i64) -> SecretString {
        self.sign_as(&self.url, claims, lifetime)
    }

    /// The same, but another issuer is said to have made it.
    pub fn sign_as(&self, issuer: &str, mut claims: Value, lifetime: i64) -> SecretString {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let now = i64::try_from(now).unwrap();
        claims["iss"] = json!(issuer);
        claims["iat"] = json!(now.min(now + lifetime));
        claims["exp"] = json!(now + lifetime);
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, &claims, &self.private).unwrap().into()
    }
}

fn answer(stream: TcpStream, discovery: &Value, keys: &Value) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") && stream.read_line(&mut request)? > 0 {}
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match path {
        "/auth/v1/.well-known/openid-configuration" => ("200 OK", discovery.to_string()),
        "/auth/v1/.well-known/jwks.json" => ("200 OK", keys.to_string()),
        _ => ("404 Not Found", String::new()),
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n");
    write!(stream.get_mut(), "{head}content-length: {}\r\n\r\n{body}", body.len())
}
