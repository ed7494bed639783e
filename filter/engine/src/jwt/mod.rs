//! JSON Web Tokens that Envoy's own `jwt_authn` filter has verified before this filter runs.
//!
//! `jwt_authn` checks signature, times, audience and issuer, and writes the payload of a good token to the request's dynamic metadata, in the
//! namespace `envoy.filters.http.jwt_authn` under the provider's `payload_in_metadata`. Nothing but such a payload proves a token: not an
//! `Authorization` header, not a header that carries claims, not that `jwt_authn` let the request pass (`allow_missing_or_failed` lets everything pass). A
//! payload whose `iss` is none of the configured issuers, byte for byte, proves nothing either.
//!
//! What Envoy 1.40 was seen to answer, and why the whole metadata is read at once:
//!
//! * `metadata` is the protobuf message (`envoy.config.core.v3.Metadata`); without any metadata it is there and empty.
//! * A claim by its own path (`metadata`, `filter_metadata`, ..., `sub`) comes without its type: the text `ABCDEF7C` and the number
//!   whose eight bytes these are look the same, a list and a map of texts are the same kind of block, and a payload with a `null` anywhere in it is
//!   an error. Each claim would be a call of its own besides.
//! * All numbers are doubles: 2^53 + 1 arrives as 2^53.
//! * A payload with a name twice never arrives: `jwt_authn` refuses the token.
//!
//! So one call brings all claims with their types ([`metadata`]), and [`claims`] takes from them what may go into a header.

pub mod caller;
mod claims;
mod config;
pub(crate) mod metadata;
pub mod proof;

pub use claims::{MAX_SCOPES_LEN, MAX_TEXT_LEN, Token};
pub use config::Jwt as JwtConfig;

use crate::config::ConfigError;
use crate::host::{Host, HostFault};
use crate::rules::{Accept, Rules};
use claims::Reading;
use metadata::{Malformed, Value};

/// The property that is the request's dynamic metadata.
const METADATA: &[u8] = b"metadata";
/// Where `jwt_authn` writes.
const NAMESPACE: &[u8] = b"envoy.filters.http.jwt_authn";

/// What the metadata of a request proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified<'m> {
    /// No token.
    Nothing,
    /// A token, but of no issuer that is configured here.
    Foreign,
    /// More than one token of configured issuers.
    Several,
    /// A token whose claims cannot be passed on: one that must be there is missing, or has bytes or a type that no identity has.
    Unusable,
    /// One token.
    Token(Token<'m>),
}

/// The configured issuers, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwt {
    payloads: Vec<Payload>,
}

/// A name under which payloads are written, and the issuers whose payloads they may be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Payload {
    name: String,
    issuers: Vec<Issuer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Issuer {
    issuer: String,
    reading: Reading,
}

impl Jwt {
    /// Compiles the configuration's part `jwt`.
    pub fn compile(config: JwtConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let mut payloads: Vec<Payload> = Vec::new();
        for (payload, issuer, reading) in config.into_parts() {
            let issuer = Issuer { issuer, reading };
            match payloads.iter_mut().find(|known| known.name == payload) {
                Some(known) => known.issuers.push(issuer),
                None => payloads.push(Payload { name: payload, issuers: vec![issuer] }),
            }
        }
        Ok(Self { payloads })
    }

    /// What the metadata of a request proves. It is left in `metadata`, which the answer borrows. A host that does not answer is a
    /// fault, as are bytes that are no metadata: without any metadata the answer is empty.
    pub fn verified<'m>(&self, metadata: &'m mut Vec<u8>, host: &impl Host) -> Result<Verified<'m>, HostFault> {
        *metadata = host.property(METADATA).ok_or(HostFault)?;
        self.read(metadata).map_err(|Malformed| HostFault)
    }

    /// What these bytes of the metadata prove.
    pub fn read<'m>(&self, metadata: &'m [u8]) -> Result<Verified<'m>, Malformed> {
        let mut found = Verified::Nothing;
        let Some(namespace) = metadata::namespace(metadata, NAMESPACE)? else { return Ok(found) };
        for Payload { name, issuers } in &self.payloads {
            let Some(payload) = metadata::field(namespace, name.as_bytes())? else { continue };
            let issuer = match &payload {
                Value::Struct(claims) => metadata::field(claims, b"iss")?,
                _ => None,
            };
            let by_name = |known: &&Issuer| issuer == Some(Value::Text(known.issuer.as_bytes()));
            found = match (issuers.iter().find(by_name), payload, found) {
                (Some(_), _, Verified::Token(_) | Verified::Unusable | Verified::Several) => Verified::Several,
                (Some(issuer), Value::Struct(claims), _) => {
                    issuer.reading.token(claims)?.map_or(Verified::Unusable, Verified::Token)
                }
                (_, _, Verified::Nothing) => Verified::Foreign,
                (_, _, found) => found,
            };
        }
        Ok(found)
    }
}

/// What is accepted where a rule does not say. Tokens cannot be accepted where nobody says whose.
pub fn accept(configured: Option<Accept>, jwt: Option<&Jwt>, rules: &Rules) -> Result<Accept, ConfigError> {
    if jwt.is_some() {
        return Ok(configured.unwrap_or(Accept::Either));
    }
    let needs_jwt = |accept: Option<Accept>| matches!(accept, Some(Accept::Jwt | Accept::Either));
    let in_rule = rules.all().iter().position(|rule| needs_jwt(rule.accept));
    match in_rule.map(|place| format!("rules[{place}].accept")) {
        Some(path) => Err(ConfigError::new(&path, "tokens are accepted, so `jwt` must say whose")),
        None if needs_jwt(configured) => {
            Err(ConfigError::new("accept", "tokens are accepted, so `jwt` must say whose"))
        }
        None => Ok(Accept::Key),
    }
}

/// Whether a bearer token has the shape of a JWT (RFC 7519, 3): three parts of base64url, joined by dots. Beside a verified payload such a
/// bearer token is the JWT itself, which `jwt_authn` left in place (`forward: true`), and no second credential.
#[must_use]
pub fn is_jwt_shaped(token: &[u8]) -> bool {
    let mut parts = token.split(|byte| *byte == b'.');
    let base64url = |part: &[u8]| {
        !part.is_empty() && part.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let three = [parts.next(), parts.next(), parts.next()];
    three.into_iter().all(|part| part.is_some_and(base64url)) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::metadata::write;
    use super::*;
    use crate::settings::Settings;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    fn jwt(config: &Json) -> Jwt {
        Jwt::compile(serde_json::from_value(config.clone()).unwrap()).unwrap()
    }

    fn one() -> Jwt {
        jwt(&json!({ "providers": [{ "issuer": "https://a", "account": "org" }] }))
    }

    fn metadata(payloads: &Json) -> Vec<u8> {
        write::metadata(
            &json!({ "other": { "payload": { "iss": "https://a" } }, "envoy.filters.http.jwt_authn": payloads }),
        )
    }

    #[test]
    fn the_settings_of_the_guide_and_of_the_sample_are_taken() {
        let (guide, sample) =
            (include_str!("../../../../docs/jwt-in-envoy.md"), include_str!("../../../../examples/envoy/jwt.yaml"));
        let in_guide = guide.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
        let in_sample = sample.split("value: |\n").nth(1).unwrap().split("vm_config").next().unwrap();
        let of = |json: &str| serde_json::from_str::<Json>(json).unwrap();
        assert_eq!(of(in_guide), of(in_sample));
        assert!(Settings::parse(in_sample.as_bytes()).unwrap().jwt.is_some());
        // What the guide shows of Envoy's configuration stands so in the sample.
        let mut lines = sample.lines().map(str::trim);
        let yaml = guide.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
        assert!(yaml.lines().map(str::trim).all(|line| lines.any(|found| found == line)), "{yaml}");
    }

    fn user(found: &Verified<'_>) -> Option<String> {
        match found {
            Verified::Token(token) => token.user.as_deref().map(str::to_owned),
            _ => None,
        }
    }

    #[test]
    fn a_payload_of_a_configured_issuer_makes_a_token() {
        let metadata = metadata(&json!({
            "payload": { "iss": "https://a", "sub": "user_1", "org": "org_1", "scope": "read write", "exp": 1 }
        }));
        let expected = Token {
            account: Some("org_1".into()),
            user: Some("user_1".into()),
            scopes: "read write".into(),
            environment: None,
        };
        assert_eq!(one().read(&metadata), Ok(Verified::Token(expected)));
    }

    #[test]
    fn without_a_payload_there_is_no_token() {
        for payloads in [json!({}), json!({ "status": { "iss": "https://a", "sub": "u", "org": "o" } })] {
            assert_eq!(one().read(&metadata(&payloads)), Ok(Verified::Nothing));
        }
        assert_eq!(one().read(&[]), Ok(Verified::Nothing));
        // The claims of another filter are no claims.
        let other = json!({ "payload": { "iss": "https://a", "sub": "u", "org": "o" } });
        assert_eq!(one().read(&write::metadata(&json!({ "envoy.filters.http.lua": other }))), Ok(Verified::Nothing));
    }

    #[test]
    fn the_issuer_is_compared_byte_for_byte() {
        let read = |issuer: Json| {
            let metadata = metadata(&json!({ "payload": { "iss": issuer, "sub": "u", "org": "o" } }));
            matches!(one().read(&metadata), Ok(Verified::Foreign))
        };
        for issuer in ["https://A", "https://a/", "https://a ", "https://", "", "https://a\0"] {
            assert!(read(json!(issuer)), "{issuer:?}");
        }
        for issuer in [json!(null), json!(1), json!(true), json!(["https://a"]), json!({ "iss": "https://a" })] {
            assert!(read(issuer.clone()), "{issuer}");
        }
        for payload in [json!({ "sub": "u" }), json!("https://a"), json!(["iss", "https://a"]), json!(null)] {
            assert_eq!(one().read(&metadata(&json!({ "payload": payload }))), Ok(Verified::Foreign), "{payload}");
        }
    }

    #[test]
    fn several_issuers_are_told_apart_and_two_tokens_are_too_many() {
        let jwt = jwt(&json!({ "providers": [
            { "issuer": "https://a" },
            { "issuer": "https://b", "user": "id", "user_prefix": "b:" },
            { "issuer": "https://c", "payload": "c" },
        ] }));
        let (a, b) = (json!({ "iss": "https://a", "sub": "1" }), json!({ "iss": "https://b", "sub": "1", "id": "2" }));
        let c = json!({ "iss": "https://c", "sub": "3" });
        let read = |payloads: Json| user(&jwt.read(&metadata(&payloads)).unwrap());
        assert_eq!(read(json!({ "payload": a })).as_deref(), Some("1"));
        assert_eq!(read(json!({ "payload": b })).as_deref(), Some("b:2"));
        assert_eq!(read(json!({ "c": c })).as_deref(), Some("3"));
        // An issuer counts under its own name only.
        assert_eq!(jwt.read(&metadata(&json!({ "payload": c }))), Ok(Verified::Foreign));
        assert_eq!(jwt.read(&metadata(&json!({ "payload": a, "c": c }))), Ok(Verified::Several));
        let unusable = json!({ "iss": "https://a" });
        assert_eq!(jwt.read(&metadata(&json!({ "payload": unusable, "c": c }))), Ok(Verified::Several));
        assert_eq!(jwt.read(&metadata(&json!({ "payload": b, "c": { "iss": "https://c" } }))), Ok(Verified::Several));
        let foreign = json!({ "iss": "https://z", "sub": "9" });
        assert_eq!(read(json!({ "payload": foreign, "c": c })).as_deref(), Some("3"));
        assert_eq!(read(json!({ "payload": a, "c": foreign })).as_deref(), Some("1"));
    }

    #[test]
    fn three_parts_of_base64url_are_the_shape_of_a_jwt() {
        for token in [&b"eyJh.eyJp.c2ln"[..], b"a.b.c", b"-_9.A.z"] {
            assert!(is_jwt_shaped(token));
        }
        for token in [
            &b""[..],
            b"uk_live_abc",
            b"a.b",
            b"a.b.",
            b".b.c",
            b"a..c",
            b"a.b.c.d",
            b"a.b.c=",
            b"a.b.c,a.b.c",
            b"a.b c.d",
        ] {
            assert!(!is_jwt_shaped(token), "{}", String::from_utf8_lossy(token));
        }
    }

    proptest! {
        #[test]
        fn no_metadata_makes_the_reader_panic(bytes: Vec<u8>) {
            let _ = one().read(&bytes);
        }

        #[test]
        fn bytes_changed_on_the_way_prove_nothing_unsafe(at in any::<prop::sample::Index>(), to: u8, cut in any::<prop::sample::Index>()) {
            let mut bytes = metadata(&json!({
                "payload": { "iss": "https://a", "sub": "user_1", "org": 12, "scope": ["read", "write"] }
            }));
            *at.get_mut(&mut bytes) = to;
            bytes.truncate(cut.index(bytes.len() + 1));
            if let Ok(Verified::Token(token)) = one().read(&bytes) {
                prop_assert!(token.is_safe());
            }
        }
    }
}
