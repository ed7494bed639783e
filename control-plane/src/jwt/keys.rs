//! An issuer's public keys, read from a JWK set (RFC 7517), and the choice of the one that a token means.
//!
//! A key is used only with algorithms of its own type, and only with its own `alg` if it names one: so no token chooses how its
//! key is read (RFC 8725, section 3.1). Symmetric keys in a set are left out: whoever can read the set could sign.

use super::settings::Algorithm;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use serde::Deserialize;
use serde_json::Value;

/// The most keys that are kept of one set.
const MAX_KEYS: usize = 64;

/// The keys of one issuer.
#[derive(Clone, Debug)]
pub struct KeySet(Vec<PublicKey>);

#[derive(Clone, Debug)]
struct PublicKey {
    id: Option<String>,
    kind: Kind,
    algorithm: Option<KeyAlgorithm>,
    key: DecodingKey,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// What a set has for a token.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// The key.
    Found(DecodingKey),
    /// There is a key of that id, but not for that algorithm; or the token names no key and several would do.
    Unfit,
    /// There is none: a newer set may have it.
    Unknown,
}

/// A document is no JWK set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeySetError {
    /// It is not JSON with a list `keys`.
    #[error("is not a JWK set")]
    NoSet,
    /// None of its keys can verify a signature.
    #[error("holds no public key for signatures of a known type")]
    NoKeys,
}

impl KeySet {
    /// Reads a JWK set. Keys of unknown types or for other uses are left out, as RFC 7517 section 5 asks for.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(json).map_err(|_| KeySetError::NoSet)?;
        let keys: Vec<_> = set.keys.into_iter().filter_map(PublicKey::read).take(MAX_KEYS).collect();
        if keys.is_empty() { Err(KeySetError::NoKeys) } else { Ok(Self(keys)) }
    }

    /// The key that a token with this `kid` and `alg` means.
    pub fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Lookup {
        let named: Vec<_> = self.0.iter().filter(|key| id.is_none() || key.id.as_deref() == id).collect();
        let mut fitting = named.iter().filter(|key| key.fits(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Lookup::Found(key.key.clone()),
            // Which of several is meant is the issuer's to say, not ours to try.
            (Some(_), Some(_)) => Lookup::Unfit,
            (None, _) if id.is_some() && !named.is_empty() => Lookup::Unfit,
            (None, _) => Lookup::Unknown,
        }
    }
}

impl PublicKey {
    fn read(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let kind = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Kind::Rsa,
            AlgorithmParameters::EllipticCurve(parameters) => match parameters.curve {
                EllipticCurve::P256 => Kind::P256,
                EllipticCurve::P384 => Kind::P384,
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(parameters) if parameters.curve == EllipticCurve::Ed25519 => {
                Kind::Ed25519
            }
            _ => return None,
        };
        let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let verifies = jwk.common.key_operations.as_ref().is_none_or(|list| list.contains(&KeyOperations::Verify));
        if !signs || !verifies {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { id: jwk.common.key_id, kind, algorithm: jwk.common.key_algorithm, key })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        let (kind, name) = match algorithm {
            Algorithm::Rs256 => (Kind::Rsa, KeyAlgorithm::RS256),
            Algorithm::Rs384 => (Kind::Rsa, KeyAlgorithm::RS384),
            Algorithm::Rs512 => (Kind::Rsa, KeyAlgorithm::RS512),
            Algorithm::Ps256 => (Kind::Rsa, KeyAlgorithm::PS256),
            Algorithm::Ps384 => (Kind::Rsa, KeyAlgorithm::PS384),
            Algorithm::Ps512 => (Kind::Rsa, KeyAlgorithm::PS512),
            Algorithm::Es256 => (Kind::P256, KeyAlgorithm::ES256),
            Algorithm::Es384 => (Kind::P384, KeyAlgorithm::ES384),
            Algorithm::EdDsa => (Kind::Ed25519, KeyAlgorithm::EdDSA),
            Algorithm::Hs256 => return false,
        };
        self.kind == kind && self.algorithm.is_none_or(|own| own == name)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A key of each type; the numbers have the right shape, no more.
    const KEYS: &str = r#"{"keys": [
        {"kty": "RSA", "kid": "r", "use": "sig", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "kid": "ps", "alg": "PS256", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "kid": "enc", "use": "enc", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "kid": "oaep", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "kid": "wrap", "key_ops": ["wrapKey"], "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "kid": "e", "crv": "P-256", "x": "AQAB", "y": "AQAB"},
        {"kty": "OKP", "kid": "o", "crv": "Ed25519", "x": "AQAB"},
        {"kty": "oct", "kid": "h", "alg": "HS256", "k": "c2VjcmV0"},
        {"kty": "new", "kid": "x"},
        "no key"
    ]}"#;

    /// A set with one Ed25519 key of this id.
    pub fn set(id: &str) -> KeySet {
        KeySet::parse(
            format!(r#"{{"keys": [{{"kty": "OKP", "kid": "{id}", "crv": "Ed25519", "x": "AQAB"}}]}}"#).as_bytes(),
        )
        .unwrap()
    }

    #[test]
    fn a_key_serves_only_algorithms_of_its_type_and_its_own() {
        let keys = KeySet::parse(KEYS.as_bytes()).unwrap();
        let find = |id, algorithm| match keys.find(Some(id), algorithm) {
            Lookup::Found(_) => "found",
            Lookup::Unfit => "unfit",
            Lookup::Unknown => "unknown",
        };
        assert_eq!(find("r", Algorithm::Rs256), "found");
        assert_eq!(find("r", Algorithm::Hs256), "unfit");
        assert_eq!(find("r", Algorithm::Es256), "unfit");
        assert_eq!(find("ps", Algorithm::Ps256), "found");
        assert_eq!(find("ps", Algorithm::Rs256), "unfit");
        assert_eq!(find("oaep", Algorithm::Rs256), "unfit");
        assert_eq!(find("e", Algorithm::Es256), "found");
        assert_eq!(find("e", Algorithm::Es384), "unfit");
        assert_eq!(find("o", Algorithm::EdDsa), "found");
        for id in ["h", "x", "enc", "wrap", "nobody"] {
            assert_eq!(find(id, Algorithm::Rs256), "unknown", "{id}");
            assert_eq!(find(id, Algorithm::Hs256), "unknown", "{id}");
        }
    }

    #[test]
    fn a_token_without_key_id_is_taken_only_if_one_key_can_be_meant() {
        let keys = KeySet::parse(KEYS.as_bytes()).unwrap();
        assert!(matches!(keys.find(None, Algorithm::Es256), Lookup::Found(_)));
        assert!(matches!(keys.find(None, Algorithm::Ps256), Lookup::Unfit));
        assert!(matches!(keys.find(None, Algorithm::Es384), Lookup::Unknown));
    }

    #[test]
    fn a_set_without_a_usable_key_is_refused() {
        for (json, error) in [
            ("", KeySetError::NoSet),
            ("{}", KeySetError::NoSet),
            (r#"{"keys": {}}"#, KeySetError::NoSet),
            (r#"{"keys": []}"#, KeySetError::NoKeys),
            (r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}"#, KeySetError::NoKeys),
            (r#"{"keys": [{"kty": "RSA", "n": "*", "e": "AQAB"}]}"#, KeySetError::NoKeys),
        ] {
            assert_eq!(KeySet::parse(json.as_bytes()).unwrap_err(), error, "{json}");
        }
    }

    proptest! {
        #[test]
        fn no_document_makes_the_parser_panic(bytes: Vec<u8>) {
            let _ = KeySet::parse(&bytes);
        }
    }
}
