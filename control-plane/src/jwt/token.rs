//! The token as text: what may be read before anything is verified, and the check of its signature.

use super::error::JwtError;
use super::settings::Algorithm;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation, dangerous};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN_LEN: usize = 8 * 1024;

/// The types of token (`typ`, RFC 8725 section 3.11) that say who calls: a plain JWT and an OAuth access token (RFC 9068).
const TYPES: [&str; 3] = ["JWT", "at+jwt", "application/at+jwt"];

/// Whether a credential has the shape of a JWT, to choose between it and a key. Keys have no dots.
pub fn looks_like_jwt(credential: &str) -> bool {
    credential.starts_with("ey") && credential.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// What a token says before its signature is verified: good only to find the key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unverified {
    /// `iss`.
    pub issuer: String,
    /// `alg`.
    pub algorithm: Algorithm,
    /// `kid`.
    pub key_id: Option<String>,
}

/// Reads what is needed to find the key.
pub fn read(token: &str) -> Result<Unverified, JwtError> {
    if token.len() > MAX_TOKEN_LEN {
        return Err(JwtError::TooLong);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|error| match error.kind() {
        // JSON, but not the header of a token: `none` and other unknown algorithms end here.
        ErrorKind::Json(error) if error.is_data() => JwtError::HeaderNotAccepted,
        _ => JwtError::Malformed,
    })?;
    let known_type = header.typ.is_none_or(|typ| TYPES.iter().any(|known| known.eq_ignore_ascii_case(&typ)));
    // No extension is understood here, so each one that must be understood is a reason to refuse (RFC 7515, section 4.1.11).
    let plain = header.crit.is_none() && header.enc.is_none() && header.zip.is_none();
    let algorithm = algorithm(header.alg);
    let (true, true, Some(algorithm)) = (known_type, plain, algorithm) else {
        return Err(JwtError::HeaderNotAccepted);
    };
    let claims: Map<String, Value> = dangerous::insecure_decode_claims(token).map_err(|_| JwtError::Malformed)?;
    match claims.get("iss") {
        Some(Value::String(issuer)) => Ok(Unverified { issuer: issuer.clone(), algorithm, key_id: header.kid }),
        _ => Err(JwtError::Malformed),
    }
}

/// Verifies the signature; gives the claims. The caller has made sure that `key` is for `algorithm`.
pub fn verify_signature(token: &str, algorithm: Algorithm, key: &DecodingKey) -> Result<Map<String, Value>, JwtError> {
    // The signature only: that library's checks of claims read the machine's clock.
    let mut validation = Validation::new(library_algorithm(algorithm));
    validation.required_spec_claims = HashSet::new();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    let data = jsonwebtoken::decode(token, key, &validation).map_err(|error| match error.kind() {
        ErrorKind::Base64(_) | ErrorKind::Json(_) | ErrorKind::Utf8(_) => JwtError::Malformed,
        ErrorKind::InvalidAlgorithm => JwtError::AlgorithmNotAllowed,
        _ => JwtError::BadSignature,
    })?;
    Ok(data.claims)
}

fn algorithm(algorithm: jsonwebtoken::Algorithm) -> Option<Algorithm> {
    use jsonwebtoken::Algorithm as Library;
    Some(match algorithm {
        Library::RS256 => Algorithm::Rs256,
        Library::RS384 => Algorithm::Rs384,
        Library::RS512 => Algorithm::Rs512,
        Library::PS256 => Algorithm::Ps256,
        Library::PS384 => Algorithm::Ps384,
        Library::PS512 => Algorithm::Ps512,
        Library::ES256 => Algorithm::Es256,
        Library::ES384 => Algorithm::Es384,
        Library::EdDSA => Algorithm::EdDsa,
        Library::HS256 => Algorithm::Hs256,
        _ => return None,
    })
}

fn library_algorithm(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    use jsonwebtoken::Algorithm as Library;
    match algorithm {
        Algorithm::Rs256 => Library::RS256,
        Algorithm::Rs384 => Library::RS384,
        Algorithm::Rs512 => Library::RS512,
        Algorithm::Ps256 => Library::PS256,
        Algorithm::Ps384 => Library::PS384,
        Algorithm::Ps512 => Library::PS512,
        Algorithm::Es256 => Library::ES256,
        Algorithm::Es384 => Library::ES384,
        Algorithm::EdDsa => Library::EdDSA,
        Algorithm::Hs256 => Library::HS256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC*|ey[A-Za-z0-9_-]*\\.[A-Za-z0-9_-]*\\.[A-Za-z0-9_-]*") {
            let _ = read(&text);
            let key = DecodingKey::from_secret(&[7; 32]);
            prop_assert!(verify_signature(&text, Algorithm::Hs256, &key).is_err());
        }
    }

    #[test]
    fn a_key_does_not_look_like_a_jwt() {
        assert!(looks_like_jwt("eyJhbGciOiJFUzI1NiJ9.e30.c2ln"));
        for other in ["", "uk_live_0123456789", "ey.a", "ey.a.b.c", "a.b.c"] {
            assert!(!looks_like_jwt(other), "{other}");
        }
    }
}
