//! What one way of somebody to an issuer and back is bound to: state, nonce and PKCE verifier.
//!
//! All three are made of what the browser holds meanwhile and of the issuer's name, so nothing is stored here, and who comes back in another browser, or
//! from another issuer, or with a cookie that was changed, has another state.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keyplane_contract::digest::Digest;
use zeroize::Zeroizing;

/// What one way is bound to. It holds secrets, so it has no `Debug`.
pub struct Login {
    state: String,
    nonce: String,
    verifier: Zeroizing<String>,
}

impl Login {
    /// That of a browser which holds `held`, to this issuer.
    pub fn of(held: &str, issuer: &str) -> Self {
        // None of the parts can hold the separator: a cookie has none, and neither has an issuer.
        let derive = |what: &str| encode(format!("keyplane sign-in 1\n{what}\n{issuer}\n{held}").as_bytes());
        Self { state: derive("state"), nonce: derive("nonce"), verifier: Zeroizing::new(derive("verifier")) }
    }

    /// What the issuer hands back as it is.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Whether the issuer handed back this.
    pub fn is_state(&self, text: &str) -> bool {
        // Digests are compared: the time that it takes tells nothing of the state.
        Digest::of(self.state.as_bytes()) == Digest::of(text.as_bytes())
    }

    /// What the ID token repeats.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// What proves to the issuer that who exchanges the code has asked for it (RFC 7636).
    pub fn verifier(&self) -> &str {
        &self.verifier
    }

    /// What the issuer is told of it beforehand, by the method `S256`.
    pub fn challenge(&self) -> String {
        encode(self.verifier.as_bytes())
    }
}

/// SHA-256, in base64url.
fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Digest::of(bytes).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_browser_issuer_and_purpose_has_its_own() {
        let texts = |held: &str, issuer: &str| {
            let login = Login::of(held, issuer);
            [login.state().to_owned(), login.nonce().to_owned(), login.verifier().to_owned(), login.challenge()]
        };
        let all = [texts("a", "i"), texts("b", "i"), texts("a", "j")].concat();
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        // RFC 7636, section 4.1: 43 to 128 of these characters.
        assert!(
            all.iter().all(|text| text.len() == 43
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)))
        );
        assert!(Login::of("a", "i").is_state(&texts("a", "i")[0]) && !Login::of("a", "i").is_state(""));
    }

    /// The example of RFC 7636, appendix B.
    #[test]
    fn the_challenge_is_the_one_of_the_standard() {
        assert_eq!(
            encode(b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}
