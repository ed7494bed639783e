//! An `OpenID` provider that people sign in with: a page on which they choose who they are, or go back; a token endpoint that checks the client,
//! the code, the way back and the PKCE verifier; and its keys.
//!
//! It is at `localhost`, and the dashboard at `127.0.0.1`: for browsers two sites, as in use.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use keyplane_contract::digest::Digest;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the provider knows Keyplane by.
pub const CLIENT: &str = "keyplane";
/// The client's secret.
pub const SECRET: &str = "of the client alone";
const KEY_ID: &str = "k1";

type Fields = HashMap<String, String>;

/// A provider.
pub struct Provider {
    /// Its name: `iss`.
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    url: String,
    public: Value,
    private: EncodingKey,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Who was let in, and what for, by code.
    granted: HashMap<String, (String, Fields)>,
    codes: usize,
    /// Codes that were exchanged for a token.
    redeemed: usize,
    /// Whether codes are exchanged no more: the connection is closed.
    is_down: bool,
}

impl Provider {
    /// One that serves until the tests end.
    pub fn start() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let private = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
        let mut public = serde_json::to_value(Jwk::from_encoding_key(&private, Algorithm::ES256).unwrap()).unwrap();
        public["kid"] = json!(KEY_ID);
        public["use"] = json!("sig");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let shared = Arc::new(Shared { url: url.clone(), public, private, state: Mutex::default() });
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = Arc::clone(&served);
                // A client that goes away early is no matter; a browser may open a connection and say nothing on it.
                std::thread::spawn(move || drop(served.serve(stream)));
            }
        });
        Self { url, shared }
    }

    /// From now on codes are exchanged, or not.
    pub fn set_down(&self, is_down: bool) {
        self.shared.state.lock().unwrap().is_down = is_down;
    }

    /// How many codes were exchanged for a token.
    pub fn redeemed(&self) -> usize {
        self.shared.state.lock().unwrap().redeemed
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        let mut body = vec![0; header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0)];
        stream.read_exact(&mut body)?;
        let body = String::from_utf8(body).unwrap();
        let mut line = head.split(' ');
        let (method, target) = (line.next().unwrap_or_default(), line.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let answer = match (method, path) {
            ("GET", "/.well-known/openid-configuration") => Some(json_of("200 OK", &self.document())),
            ("GET", "/keys") => Some(json_of("200 OK", &json!({ "keys": [self.public] }))),
            ("GET", "/authorize") => Some(page(&question(&fields(query), query))),
            ("POST", "/authorize") => Some(self.decided(&fields(query), &fields(&body))),
            ("POST", "/token") => self.token(header("authorization").as_deref(), &fields(&body)),
            _ => Some("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()),
        };
        // None: it is down.
        stream.get_mut().write_all(answer.unwrap_or_default().as_bytes())
    }

    fn document(&self) -> Value {
        let url = &self.url;
        json!({
            "issuer": url, "authorization_endpoint": format!("{url}/authorize"), "token_endpoint": format!("{url}/token"),
            "jwks_uri": format!("{url}/keys"), "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"], "code_challenge_methods_supported": ["S256"],
        })
    }

    /// Sends them back: with a code, or with the word that they did not agree.
    fn decided(&self, asked: &Fields, sent: &Fields) -> String {
        let result = match sent["who"].as_str() {
            "" => "error=access_denied".to_owned(),
            who => {
                let mut state = self.state.lock().unwrap();
                state.codes += 1;
                let code = format!("code-{}", state.codes);
                state.granted.insert(code.clone(), (who.to_owned(), asked.clone()));
                format!("code={code}")
            }
        };
        let back = format!("{}?{result}&state={}", asked["redirect_uri"], asked["state"]);
        if sent.contains_key("show") {
            return page(&format!(
                "<h1>You would be led to</h1><a id=back href=\"{}\">back</a>",
                back.replace('&', "&amp;")
            ));
        }
        format!("HTTP/1.1 303 See Other\r\nlocation: {back}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    }

    /// Exchanges a code, once; `None` while it is down.
    fn token(&self, authorization: Option<&str>, sent: &Fields) -> Option<String> {
        let mut state = self.state.lock().unwrap();
        if state.is_down {
            return None;
        }
        let refuse = |error: &str| Some(json_of("400 Bad Request", &json!({ "error": error })));
        let expected = format!("Basic {}", BASE64_STANDARD.encode(format!("{CLIENT}:{}", SECRET.replace(' ', "+"))));
        if authorization != Some(expected.as_str()) {
            return refuse("invalid_client");
        }
        let Some((who, asked)) = state.granted.remove(&sent["code"]) else { return refuse("invalid_grant") };
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Digest::of(sent["code_verifier"].as_bytes()).as_bytes());
        if sent["grant_type"] != "authorization_code"
            || sent["redirect_uri"] != asked["redirect_uri"]
            || challenge != asked["code_challenge"]
        {
            return refuse("invalid_grant");
        }
        state.redeemed += 1;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({
            "iss": self.url, "sub": who, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"],
            "email": format!("{who}@login.example"), "name": who,
        });
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::ES256) };
        let token = jsonwebtoken::encode(&header, &claims, &self.private).unwrap();
        Some(json_of("200 OK", &json!({ "id_token": token, "access_token": "unused", "token_type": "Bearer" })))
    }
}

/// The page that asks who they are. `query` is what they were sent with, escaped already.
fn question(asked: &Fields, query: &str) -> String {
    let is_whole = asked["response_type"] == "code"
        && asked["client_id"] == CLIENT
        && asked["scope"].split(' ').any(|scope| scope == "openid")
        && asked["code_challenge_method"] == "S256"
        && [&asked["state"], &asked["nonce"], &asked["code_challenge"]].iter().all(|value| value.len() >= 43);
    if !is_whole {
        return "<h1>This is no request to sign in</h1>".to_owned();
    }
    let who = |subject: &str| format!("<button name=who value={subject}>Continue as {subject}</button>");
    format!(
        "<h1>Acme login</h1><form method=post action=\"/authorize?{}\">{}{}{}<button name=who value=''>Cancel</button>\
         <label><input type=checkbox name=show value=yes>Show where I am led to</label></form>",
        query.replace('&', "&amp;"),
        who("mia"),
        who("olga"),
        who("eve"),
    )
}

fn json_of(status: &str, value: &Value) -> String {
    answer(status, "application/json", &value.to_string())
}

fn page(content: &str) -> String {
    let page = format!(
        "<!doctype html><html lang=en><title>Acme login</title><link rel=icon href='data:,'><main>{content}</main></html>"
    );
    answer("200 OK", "text/html; charset=utf-8", &page)
}

fn answer(status: &str, kind: &str, body: &str) -> String {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\ncache-control: no-store\r\n");
    format!("{head}content-length: {}\r\n\r\n{body}", body.len())
}

/// The pairs of a query or a form.
fn fields(text: &str) -> Fields {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (plain(name), plain(value))).collect()
}

/// A part of a query, as it was before it was escaped.
fn plain(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}
