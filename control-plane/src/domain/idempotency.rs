//! `Idempotency-Key`: recognises a request that was sent before, and seals its answer for whoever sends it again.
//!
//! An answer may carry a secret, of which nothing else is kept. So it is encrypted under a key that is made of what the caller
//! presents and the database does not hold: the full credential and the `Idempotency-Key`. What is stored finds the answer and
//! opens it for the same caller; by itself it tells neither, and guessing keys against it takes the credential.
//!
//! | what | made of |
//! |---|---|
//! | material | kind of caller, credential, `Idempotency-Key` |
//! | id | HKDF-SHA256 of the material, bound to method and path |
//! | key of the answer, key of the fingerprint | HKDF-SHA256 of the material, with a salt of the row's own |
//! | answer | ChaCha20-Poly1305 (RFC 8439); id and fingerprint are authenticated with it |
//! | fingerprint | HMAC-SHA256 of method, path, query and body |
//!
//! HKDF is that of RFC 5869. JWTs change each time that they are refreshed, so for their callers the material holds the user's id in
//! place of the credential; the `Idempotency-Key` is then all that is secret in it, and must be long.

use super::id::UserId;
use super::random::{Random, RandomError};
use super::secret::Secret;
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::{digest, hmac};
use core::fmt;
use zeroize::Zeroizing;

/// The longest key, in bytes.
pub const MAX_LEN: usize = 255;
/// The shortest key where nothing else is secret, in bytes.
pub const MIN_LEN_ALONE: usize = 16;

/// Of the ids; a change of what is stored changes it, and what was stored before is then not found.
const SALT: &[u8] = b"keyplane idempotency 1";
/// Each key seals one answer: its salt is new each time.
const NONCE: [u8; 12] = [0; 12];

/// What the caller sends to have a request recognised. Half of what opens the answer, so it is treated as a secret.
pub struct IdempotencyKey(Zeroizing<Vec<u8>>);

/// Why a header's value is no key. Never carries it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IdempotencyKeyError {
    /// Empty, too long, or with other characters.
    #[error("must be 1 to 255 visible ASCII characters, such as a random UUID")]
    Grammar,
    /// Too short for a caller without a lasting credential.
    #[error("must have at least 16 characters when you call with a JWT; make it a random UUID")]
    TooShort,
}

impl IdempotencyKey {
    /// Reads the header's value, as `sender` may write it.
    pub fn parse(value: &[u8], sender: Sender<'_>) -> Result<Self, IdempotencyKeyError> {
        if !(1..=MAX_LEN).contains(&value.len()) || !value.iter().all(u8::is_ascii_graphic) {
            return Err(IdempotencyKeyError::Grammar);
        }
        match sender {
            Sender::User(_) if value.len() < MIN_LEN_ALONE => Err(IdempotencyKeyError::TooShort),
            _ => Ok(Self(Zeroizing::new(value.to_vec()))),
        }
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(..)")
    }
}

/// Who sends a request.
#[derive(Clone, Copy, Debug)]
pub enum Sender<'a> {
    /// The holder of a key.
    Credential(&'a Secret),
    /// The user of a JWT.
    User(UserId),
}

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// `POST`.
    pub method: &'a str,
    /// The path with its ids, without the query.
    pub path: &'a str,
    /// The query, if there is one.
    pub query: Option<&'a str>,
    /// The body, byte for byte.
    pub body: &'a [u8],
}

/// A request that carries a key: the first of its kind, or one that was sent before.
pub struct Attempt {
    id: [u8; 32],
    material: Zeroizing<Vec<u8>>,
    asked: [u8; 32],
}

/// An answer as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedAnswer {
    /// Finds it.
    pub id: [u8; 32],
    /// The keyed fingerprint of the request.
    pub request: [u8; 32],
    /// Of the keys.
    pub salt: [u8; 32],
    /// The answer, encrypted.
    pub answer: Vec<u8>,
}

/// The library refused. It does so for impossible lengths only.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the cryptographic library refused")]
pub struct CipherError;

impl From<Unspecified> for CipherError {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

/// An answer could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// There is no salt.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// It could not be encrypted.
    #[error(transparent)]
    Cipher(#[from] CipherError),
}

/// A stored answer is not for this request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenError {
    /// It is that of another request, which carried the same key.
    #[error("the key was used for another request")]
    OtherRequest,
    /// Its row was changed, or the keys cannot be made.
    #[error("a remembered answer cannot be decrypted")]
    Damaged,
}

impl From<CipherError> for OpenError {
    fn from(_: CipherError) -> Self {
        Self::Damaged
    }
}

impl Attempt {
    /// A request with a key.
    pub fn new(sender: Sender<'_>, key: &IdempotencyKey, asked: Asked<'_>) -> Result<Self, CipherError> {
        let (kind, who) = match &sender {
            Sender::Credential(secret) => (0, secret.expose().as_bytes()),
            Sender::User(id) => (1, id.as_bytes()),
        };
        let mut material = Zeroizing::new(Vec::with_capacity(9 + who.len() + key.0.len()));
        material.push(kind);
        // The length keeps the two apart.
        material.extend_from_slice(&(who.len() as u64).to_be_bytes());
        material.extend_from_slice(who);
        material.extend_from_slice(&key.0);
        // Neither method nor path holds a NUL, so nothing else reads the same.
        let info = [b"id\0", asked.method.as_bytes(), b"\0", asked.path.as_bytes()];
        let mut id = [0; 32];
        Salt::new(HKDF_SHA256, SALT)
            .extract(&material)
            .expand(&info, HKDF_SHA256)
            .and_then(|bytes| bytes.fill(&mut id))
            .map_err(CipherError::from)?;
        Ok(Self { id, material, asked: asked.digest() })
    }

    /// What finds the answer.
    pub const fn id(&self) -> &[u8; 32] {
        &self.id
    }

    /// Encrypts the answer to this request.
    pub fn seal(&self, answer: &[u8], random: &dyn Random) -> Result<SealedAnswer, SealError> {
        let mut salt = [0; 32];
        random.fill(&mut salt)?;
        let (fingerprint, cipher) = self.keys(&salt)?;
        let mut request = [0; 32];
        request.copy_from_slice(hmac::sign(&fingerprint, &self.asked).as_ref());
        // Room for all from the start: growing would leave a copy behind.
        let mut sealed = Vec::with_capacity(answer.len() + CHACHA20_POLY1305.tag_len());
        sealed.extend_from_slice(answer);
        let (nonce, aad) = (Nonce::assume_unique_for_key(NONCE), Aad::from([self.id, request].concat()));
        cipher.seal_in_place_append_tag(nonce, aad, &mut sealed).map_err(CipherError::from)?;
        Ok(SealedAnswer { id: self.id, request, salt, answer: sealed })
    }

    /// Decrypts the answer that was given to this request before.
    pub fn open(&self, found: SealedAnswer) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let SealedAnswer { id, request, salt, answer } = found;
        let (fingerprint, cipher) = self.keys(&salt)?;
        hmac::verify(&fingerprint, &self.asked, &request).map_err(|_| OpenError::OtherRequest)?;
        let mut answer = Zeroizing::new(answer);
        let (nonce, aad) = (Nonce::assume_unique_for_key(NONCE), Aad::from([id, request].concat()));
        let length = cipher.open_in_place(nonce, aad, &mut answer).map_err(CipherError::from)?.len();
        answer.truncate(length);
        Ok(answer)
    }

    /// The keys of the fingerprint and of the answer in the row with this salt.
    fn keys(&self, salt: &[u8; 32]) -> Result<(hmac::Key, LessSafeKey), CipherError> {
        let keys = Salt::new(HKDF_SHA256, salt).extract(&self.material);
        let fingerprint = hmac::Key::from(keys.expand(&[b"request"], hmac::HMAC_SHA256)?);
        let answer = UnboundKey::from(keys.expand(&[b"answer"], &CHACHA20_POLY1305)?);
        Ok((fingerprint, LessSafeKey::new(answer)))
    }
}

impl Asked<'_> {
    fn digest(&self) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [self.method.as_bytes(), self.path.as_bytes(), self.query.unwrap_or_default().as_bytes(), self.body]
        {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random::SystemRandom;
    use keyplane_contract::id::Id;

    const ANSWER: &[u8] = b"{\"key\":\"uk_live_0123456789ABCDEFabcdefghijklmnop012345\"}";
    const USER: UserId = UserId(Id([7; 16]));

    fn asked<'a>(path: &'a str, body: &'a [u8]) -> Asked<'a> {
        Asked { method: "POST", path, query: None, body }
    }

    fn attempt(sender: Sender<'_>, key: &str, asked: Asked<'_>) -> Attempt {
        Attempt::new(sender, &IdempotencyKey::parse(key.as_bytes(), sender).unwrap(), asked).unwrap()
    }

    #[test]
    fn the_same_request_of_the_same_caller_opens_the_answer_and_no_other_does() {
        let (secret, other) = (Secret::new("uk_live_a".to_owned()), Secret::new("uk_live_b".to_owned()));
        let body = asked("/v1/keys", b"{}");
        let first = attempt(Sender::Credential(&secret), "a-key", body);
        let sealed = first.seal(ANSWER, &SystemRandom).unwrap();
        assert_eq!(
            attempt(Sender::Credential(&secret), "a-key", body).open(sealed.clone()).unwrap().as_slice(),
            ANSWER
        );

        // Other body or query: found, and told apart.
        for changed in [asked("/v1/keys", b"{ }"), Asked { query: Some("a=1"), ..body }] {
            let changed = attempt(Sender::Credential(&secret), "a-key", changed);
            assert_eq!((changed.id(), changed.open(sealed.clone())), (first.id(), Err(OpenError::OtherRequest)));
        }
        // Other path, key or caller: not even found, and it would not open. The last two move a letter from the one to the other.
        for stranger in [
            attempt(Sender::Credential(&secret), "a-key", asked("/v1/users", b"{}")),
            attempt(Sender::Credential(&secret), "b-key", body),
            attempt(Sender::Credential(&other), "a-key", body),
            attempt(Sender::Credential(&Secret::new("uk_live_".to_owned())), "aa-key", body),
            attempt(Sender::Credential(&Secret::new("uk_live_aa".to_owned())), "-key", body),
        ] {
            assert_ne!(stranger.id(), first.id());
            assert!(stranger.open(sealed.clone()).is_err());
        }
    }

    #[test]
    fn the_row_does_not_tell_the_answer_and_cannot_be_changed() {
        let secret = Secret::new("uk_live_a".to_owned());
        let attempt = attempt(Sender::Credential(&secret), "a-key", asked("/v1/keys", b"{}"));
        let (one, two) = (attempt.seal(ANSWER, &SystemRandom).unwrap(), attempt.seal(ANSWER, &SystemRandom).unwrap());
        assert!(one.salt != two.salt && one.answer != two.answer && one.request != two.request);
        assert!(!one.answer.windows(8).any(|part| ANSWER.windows(8).any(|known| known == part)));
        let broken = |change: fn(&mut SealedAnswer)| {
            let mut row = one.clone();
            change(&mut row);
            attempt.open(row).unwrap_err()
        };
        assert_eq!(broken(|row| row.answer[0] ^= 1), OpenError::Damaged);
        assert_eq!(broken(|row| row.answer.truncate(3)), OpenError::Damaged);
        assert_eq!(broken(|row| row.id[0] ^= 1), OpenError::Damaged);
        assert_eq!(broken(|row| row.request[0] ^= 1), OpenError::OtherRequest);
        assert_eq!(broken(|row| row.salt[0] ^= 1), OpenError::OtherRequest);
    }

    #[test]
    fn a_key_is_visible_ascii_and_long_where_nothing_else_is_secret() {
        let secret = Secret::new("uk_live_a".to_owned());
        let (holder, user) = (Sender::Credential(&secret), Sender::User(USER));
        for good in ["1", "!~", &"a".repeat(255)] {
            assert!(IdempotencyKey::parse(good.as_bytes(), holder).is_ok(), "{good}");
        }
        for bad in ["", " a", "a b", "a\t", "\u{e9}", &"a".repeat(256)] {
            assert_eq!(
                IdempotencyKey::parse(bad.as_bytes(), holder).unwrap_err(),
                IdempotencyKeyError::Grammar,
                "{bad}"
            );
        }
        assert_eq!(IdempotencyKey::parse(&[b'a'; 15], user).unwrap_err(), IdempotencyKeyError::TooShort);
        let sealed = attempt(user, "0123456789abcdef", asked("/v1/keys", b"{}")).seal(ANSWER, &SystemRandom).unwrap();
        let again = attempt(user, "0123456789abcdef", asked("/v1/keys", b"{}"));
        assert_eq!(again.open(sealed).unwrap().as_slice(), ANSWER);
    }
}
