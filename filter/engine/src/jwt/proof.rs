//! What a request proves who it is with: a key, or a token that Envoy has verified. One of them, never both.
//!
//! A key beside a token is a second credential even though the token is in order: the two may be different people, and the upstream could
//! look at the other one. Where only keys are accepted, tokens are not looked at at all.

use super::Verified;
use crate::rules::Accept;
use keyplane_contract::code::Reason;

/// What the configured places for credentials hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Nothing.
    Nothing,
    /// One bearer token in the shape of a JWT: beside a verified token, that is it.
    Jwt,
    /// Anything else: a key, something malformed, or several.
    Other,
}

/// What decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof<'v, 'm> {
    /// What the configured places for credentials hold, or that they hold nothing.
    Credential,
    /// The token.
    Token(&'v super::Token<'m>),
}

/// What decides a request where this is accepted, or why it is refused.
pub fn choose<'v, 'm>(
    accept: Accept,
    held: impl FnOnce() -> Held,
    verified: &'v Verified<'m>,
) -> Result<Proof<'v, 'm>, Reason> {
    if accept == Accept::Key || accept == Accept::Either && *verified == Verified::Nothing {
        return Ok(Proof::Credential);
    }
    match (verified, held()) {
        (Verified::Several, _) | (Verified::Token(_) | Verified::Unusable, Held::Other) => Err(Reason::Multiple),
        (Verified::Token(token), Held::Nothing | Held::Jwt) => Ok(Proof::Token(token)),
        (Verified::Unusable, Held::Nothing | Held::Jwt) | (Verified::Foreign, Held::Nothing) => Err(Reason::Token),
        // A token of somebody else's is not for Keyplane to judge: beside a key it is as good as none.
        (Verified::Nothing, _) | (Verified::Foreign, Held::Jwt | Held::Other) => {
            if accept == Accept::Jwt {
                Err(Reason::Token)
            } else {
                Ok(Proof::Credential)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Token;
    use super::*;

    fn token() -> Verified<'static> {
        Verified::Token(Token { account: None, user: Some("u".into()), scopes: "".into(), environment: None })
    }

    fn all() -> [Verified<'static>; 5] {
        [Verified::Nothing, Verified::Foreign, Verified::Several, Verified::Unusable, token()]
    }

    #[test]
    fn only_a_verified_token_without_a_key_beside_it_is_taken_for_one() {
        for accept in [Accept::Key, Accept::Jwt, Accept::Either] {
            for held in [Held::Nothing, Held::Jwt, Held::Other] {
                for verified in all() {
                    let proof = choose(accept, || held, &verified);
                    let is_token = matches!(proof, Ok(Proof::Token(_)));
                    let may_be = accept != Accept::Key && held != Held::Other && verified == token();
                    assert_eq!(is_token, may_be, "{accept:?} {held:?} {verified:?}");
                    // And a key decides only where keys are accepted and nothing else was proven.
                    if proof == Ok(Proof::Credential) {
                        let nothing_else = matches!(verified, Verified::Nothing | Verified::Foreign);
                        assert!(accept == Accept::Key || accept == Accept::Either && nothing_else);
                    }
                }
            }
        }
    }

    #[test]
    fn each_mixture_has_its_answer() {
        let refused = |accept, held, verified: &Verified<'_>| choose(accept, || held, verified).err();
        for accept in [Accept::Jwt, Accept::Either] {
            assert_eq!(refused(accept, Held::Other, &token()), Some(Reason::Multiple));
            assert_eq!(refused(accept, Held::Other, &Verified::Unusable), Some(Reason::Multiple));
            assert_eq!(refused(accept, Held::Nothing, &Verified::Several), Some(Reason::Multiple));
            assert_eq!(refused(accept, Held::Jwt, &Verified::Unusable), Some(Reason::Token));
            assert_eq!(refused(accept, Held::Nothing, &Verified::Foreign), Some(Reason::Token));
        }
        for held in [Held::Nothing, Held::Jwt, Held::Other] {
            assert_eq!(refused(Accept::Jwt, held, &Verified::Nothing), Some(Reason::Token));
            assert_eq!(refused(Accept::Either, held, &Verified::Nothing), None);
            assert!(all().iter().all(|verified| choose(Accept::Key, || held, verified) == Ok(Proof::Credential)));
        }
        assert_eq!(refused(Accept::Either, Held::Other, &Verified::Foreign), None);
    }
}
