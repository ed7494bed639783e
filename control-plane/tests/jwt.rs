//! JWTs of other issuers, verified against a real issuer on this machine: who gets in, and who does not.
//!
//! Time is an argument, so a day passes at once.

#[path = "jwt/issuer.rs"]
mod issuer;

use issuer::{Answer, DISCOVERY, Issuer, KEYS, Key, NOW, sign_hs256, with};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use keyplane::domain::time::Time;
use keyplane::jwt::{JwtError, JwtSettings, MAX_TOKEN_LEN, VerifiedToken, Verifier};
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const SECRET: &str = "super-secret-jwt-token-with-at-least-32-characters-long";

fn at(seconds: i64) -> Time {
    Time::from_millis((NOW + seconds) * 1000)
}

/// A verifier with this issuer by discovery, for the audience `authenticated`, and `more` settings.
fn verifier_of(issuer: &Issuer, more: &Value) -> Verifier {
    verifier(&with(json!({"issuer": issuer.url, "discovery": true, "audiences": ["authenticated"]}), more))
}

fn verifier(issuer: &Value) -> Verifier {
    let settings: JwtSettings = serde_json::from_value(json!({"issuers": [issuer]})).unwrap();
    Verifier::new(&settings, environment).unwrap()
}

fn environment(name: &str) -> Option<SecretString> {
    match name {
        "SUPABASE_JWT_SECRET" => Some(SecretString::from(SECRET)),
        "SHORT" => Some(SecretString::from("canary-too-short")),
        _ => None,
    }
}

async fn verify(verifier: &Verifier, token: &str) -> Result<VerifiedToken, JwtError> {
    verifier.verify(token, at(0)).await
}

#[tokio::test]
async fn a_supabase_token_of_asymmetric_keys_is_taken() {
    let key = Key::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = verifier_of(
        &issuer,
        &json!({
            "account_claim": "app_metadata.account_id", "name_claim": "user_metadata.full_name",
        }),
    );
    let token = verify(&verifier, &key.sign(&issuer.claims(&json!({})))).await.unwrap();
    assert_eq!(
        token,
        VerifiedToken {
            issuer: issuer.url.clone(),
            subject: "5a1b2c3d-0000-4000-8000-000000000001".to_owned(),
            account: Some("acc_1".to_owned()),
            email: Some("ada@example.com".to_owned()),
            name: Some("Ada Lovelace".to_owned()),
            scopes: vec![],
            expires_at: at(3600),
            create_user: false,
        }
    );
}

#[tokio::test]
async fn a_supabase_token_of_the_legacy_secret_is_taken_beside_those_of_keys() {
    let key = Key::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = verifier_of(&issuer, &json!({"hs256_secret_env": "SUPABASE_JWT_SECRET"}));
    let claims = issuer.claims(&json!({}));
    assert!(verify(&verifier, &sign_hs256(&claims, SECRET.as_bytes())).await.is_ok());
    assert_eq!(issuer.readings(), 0);
    assert!(verify(&verifier, &key.sign(&claims)).await.is_ok());
    let forged = sign_hs256(&claims, b"another-secret-of-at-least-32-characters");
    assert_eq!(verify(&verifier, &forged).await, Err(JwtError::BadSignature));
    // The project's public `anon` key is signed with the same secret, but speaks for nobody.
    let anon = json!({"iss": "supabase", "ref": "abc", "role": "anon", "iat": NOW, "exp": NOW + 315_360_000});
    assert_eq!(verify(&verifier, &sign_hs256(&anon, SECRET.as_bytes())).await, Err(JwtError::UnknownIssuer));
}

#[tokio::test]
async fn a_clerk_session_token_is_taken() {
    let key = Key::rs256("ins_1");
    let issuer = Issuer::start(&[&Key::rs256("ins_0"), &key]).await;
    let verifier = verifier(&json!({
        "issuer": issuer.url, "jwks_url": issuer.keys_url(), "any_audience": true,
        "authorized_parties": ["https://app.example"], "account_claim": "org_id",
    }));
    let claims = |more| {
        let claims = json!({
            "iss": issuer.url, "sub": "user_1", "sid": "sess_1", "azp": "https://app.example", "org_id": "org_1",
            "org_role": "org:admin", "iat": NOW, "nbf": NOW - 10, "exp": NOW + 60,
        });
        with(claims, &more)
    };
    let token = verify(&verifier, &key.sign(&claims(json!({})))).await.unwrap();
    assert_eq!((token.subject.as_str(), token.account.as_deref()), ("user_1", Some("org_1")));
    assert_eq!((token.email, token.name), (None, None));
    let personal = verify(&verifier, &key.sign(&claims(json!({"org_id": null})))).await.unwrap();
    assert_eq!(personal.account, None);
    let elsewhere = key.sign(&claims(json!({"azp": "https://evil.example"})));
    assert_eq!(verify(&verifier, &elsewhere).await, Err(JwtError::WrongParty));
}

#[tokio::test]
async fn an_ed25519_token_is_taken() {
    let key = Key::eddsa("k1");
    let issuer = Issuer::start(&[&key]).await;
    assert!(verify(&verifier_of(&issuer, &json!({})), &key.sign(&issuer.claims(&json!({})))).await.is_ok());
}

#[tokio::test]
async fn claims_that_do_not_hold_are_refused() {
    let key = Key::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = verifier_of(&issuer, &json!({}));
    for (more, error) in [
        (json!({"iss": "https://other.example"}), JwtError::UnknownIssuer),
        (json!({"iss": format!("{}/", issuer.url)}), JwtError::UnknownIssuer),
        (json!({"iss": [issuer.url]}), JwtError::Malformed),
        (json!({"aud": "anon"}), JwtError::WrongAudience),
        (json!({"exp": NOW - 60}), JwtError::Expired),
        (json!({"nbf": NOW + 61}), JwtError::NotYetValid),
        (json!({"iat": NOW + 61}), JwtError::IssuedInFuture),
        (json!({"sub": null}), JwtError::MissingClaim("sub".to_owned())),
    ] {
        assert_eq!(verify(&verifier, &key.sign(&issuer.claims(&more))).await, Err(error), "{more}");
    }
    let late = key.sign(&issuer.claims(&json!({"exp": NOW - 59, "nbf": NOW + 60, "iat": NOW + 60})));
    assert!(verify(&verifier, &late).await.is_ok());
}

#[tokio::test]
async fn no_issuer_can_speak_for_another() {
    let (key_a, key_b) = (Key::es256("k1"), Key::es256("k1"));
    let (a, b) = (Issuer::start(&[&key_a]).await, Issuer::start(&[&key_b]).await);
    let entry = |issuer: &Issuer| json!({"issuer": issuer.url, "discovery": true, "audiences": ["authenticated"]});
    let settings: JwtSettings = serde_json::from_value(json!({"issuers": [entry(&a), entry(&b)]})).unwrap();
    let verifier = Verifier::new(&settings, environment).unwrap();
    assert_eq!(verify(&verifier, &key_a.sign(&a.claims(&json!({})))).await.unwrap().issuer, a.url);
    assert_eq!(verify(&verifier, &key_b.sign(&b.claims(&json!({})))).await.unwrap().issuer, b.url);
    assert_eq!(verify(&verifier, &key_a.sign(&b.claims(&json!({})))).await, Err(JwtError::BadSignature));
    assert_eq!(verify(&verifier, &key_b.sign(&a.claims(&json!({})))).await, Err(JwtError::BadSignature));
}

#[tokio::test]
async fn a_changed_token_is_refused() {
    let key = Key::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = verifier_of(&issuer, &json!({}));
    let token = key.sign(&issuer.claims(&json!({})));
    let other = key.sign(&issuer.claims(&json!({"sub": "root"})));
    let parts: Vec<_> = token.split('.').collect();
    let payload = other.split('.').nth(1).unwrap();
    let swapped = format!("{}.{payload}.{}", parts[0], parts[2]);
    assert_eq!(verify(&verifier, &swapped).await, Err(JwtError::BadSignature));
    assert_eq!(verify(&verifier, &format!("{}.{}.", parts[0], parts[1])).await, Err(JwtError::BadSignature));
    let forger = Key { id: "k1", ..Key::es256("x") };
    assert_eq!(verify(&verifier, &forger.sign(&issuer.claims(&json!({})))).await, Err(JwtError::BadSignature));
    for garbage in ["", ".", "..", "a.b.c", parts[0], &format!("{token}.x"), &format!(" {token}"), &token[1..]] {
        assert_eq!(verify(&verifier, garbage).await, Err(JwtError::Malformed), "{garbage}");
    }
    assert!(verify(&verifier, &token).await.is_ok());
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let key = Key::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = verifier_of(&issuer, &json!({}));
    let token = key.sign(&issuer.claims(&json!({})));
    let parts: Vec<_> = token.split('.').collect();
    // {"alg":"none","typ":"JWT"}, {"alg":"NONE","typ":"JWT"}, {"typ":"JWT"}
    for head in ["eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0", "eyJhbGciOiJOT05FIiwidHlwIjoiSldUIn0", "eyJ0eXAiOiJKV1QifQ"] {
        for signature in ["", parts[2]] {
            let unsigned = format!("{head}.{}.{signature}", parts[1]);
            assert_eq!(verify(&verifier, &unsigned).await, Err(JwtError::HeaderNotAccepted), "{head}");
        }
    }
}

#[tokio::test]
async fn a_public_key_is_never_a_secret() {
    let key = Key::rs256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let claims = issuer.claims(&json!({}));
    let public = key.public();
    let modulus = public["n"].as_str().unwrap().as_bytes().to_vec();
    let keys_only = verifier_of(&issuer, &json!({}));
    let both = verifier_of(&issuer, &json!({"hs256_secret_env": "SUPABASE_JWT_SECRET"}));
    for stolen in [modulus, public.to_string().into_bytes(), b"k1".to_vec()] {
        let header = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::HS256) };
        let forged = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&stolen)).unwrap();
        assert_eq!(verify(&keys_only, &forged).await, Err(JwtError::AlgorithmNotAllowed));
        assert_eq!(verify(&both, &forged).await, Err(JwtError::BadSignature));
    }
    assert!(verify(&both, &key.sign(&claims)).await.is_ok());
}

#[tokio::test]
async fn a_secret_in_a_key_set_is_never_used() {
    let key = Key::es256("k1");
    let issuer = Issuer::start(&[]).await;
    let oct =
        json!({"kty": "oct", "kid": "h", "alg": "HS256", "k": "c3VwZXItc2VjcmV0LWp3dC10b2tlbi13aXRoLWF0LWxlYXN0"});
    issuer.answer(KEYS, Answer::Json(json!({"keys": [oct, key.public()]}), ""));
    let verifier = verifier_of(&issuer, &json!({}));
    let header = Header { kid: Some("h".to_owned()), ..Header::new(Algorithm::HS256) };
    let private = EncodingKey::from_secret(b"super-secret-jwt-token-with-at-least");
    let forged = jsonwebtoken::encode(&header, &issuer.claims(&json!({})), &private).unwrap();
    assert_eq!(verify(&verifier, &forged).await, Err(JwtError::AlgorithmNotAllowed));
}

#[tokio::test]
async fn only_the_algorithms_of_the_settings_and_of_the_key_are_taken() {
    let (rsa, ec) = (Key::rs256("r"), Key::es256("e"));
    let issuer = Issuer::start(&[&rsa, &ec]).await;
    let claims = issuer.claims(&json!({}));
    let es_only = verifier_of(&issuer, &json!({"algorithms": ["ES256"]}));
    assert_eq!(verify(&es_only, &rsa.sign(&claims)).await, Err(JwtError::AlgorithmNotAllowed));
    assert!(verify(&es_only, &ec.sign(&claims)).await.is_ok());
    // The key says RS256; the token, rightly signed with it, says PS256.
    let all = verifier_of(&issuer, &json!({"algorithms": ["RS256", "PS256", "ES256"]}));
    let pss = rsa.sign_with(&Header { alg: Algorithm::PS256, ..rsa.header() }, &claims);
    assert_eq!(verify(&all, &pss).await, Err(JwtError::KeyMismatch));
    let wrong_id = ec.sign_with(&Header { kid: Some("r".to_owned()), ..ec.header() }, &claims);
    assert_eq!(verify(&all, &wrong_id).await, Err(JwtError::KeyMismatch));
}

#[tokio::test]
async fn headers_that_ask_for_more_are_refused() {
    let key = Key::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = verifier_of(&issuer, &json!({}));
    let claims = issuer.claims(&json!({}));
    for header in [
        Header { crit: Some(vec!["b64".to_owned()]), ..key.header() },
        Header { crit: Some(vec![]), ..key.header() },
        Header { typ: Some("logout+jwt".to_owned()), ..key.header() },
    ] {
        let token = key.sign_with(&header, &claims);
        assert_eq!(verify(&verifier, &token).await, Err(JwtError::HeaderNotAccepted), "{header:?}");
    }
    for typ in [None, Some("jwt".to_owned()), Some("at+jwt".to_owned())] {
        let token = key.sign_with(&Header { typ, ..key.header() }, &claims);
        assert!(verify(&verifier, &token).await.is_ok());
    }
    // A token that brings its own key is judged by the issuer's.
    let forger = Key::es256("k1");
    let jwk = serde_json::from_value(forger.public()).unwrap();
    let own = forger.sign_with(&Header { jwk: Some(jwk), ..forger.header() }, &claims);
    assert_eq!(verify(&verifier, &own).await, Err(JwtError::BadSignature));
}

#[tokio::test]
async fn an_oversized_token_is_refused_before_it_is_read() {
    let key = Key::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = verifier_of(&issuer, &json!({}));
    let long = key.sign(&issuer.claims(&json!({"pad": "x".repeat(MAX_TOKEN_LEN)})));
    assert_eq!(verify(&verifier, &long).await, Err(JwtError::TooLong));
    assert_eq!(issuer.readings(), 0);
}

#[tokio::test]
async fn a_rotated_key_is_found_and_the_old_one_is_forgotten() {
    let (old, new) = (Key::es256("old"), Key::es256("new"));
    let issuer = Issuer::start(&[&old]).await;
    let verifier = verifier_of(&issuer, &json!({}));
    let (old_token, new_token) = (old.sign(&issuer.claims(&json!({}))), new.sign(&issuer.claims(&json!({}))));
    assert!(verifier.verify(&old_token, at(0)).await.is_ok());
    issuer.publish(&[&old, &new], "");
    assert!(verifier.verify(&new_token, at(30)).await.is_ok());
    assert_eq!(issuer.readings(), 2);
    issuer.publish(&[&new], "");
    assert!(verifier.verify(&old_token, at(31)).await.is_ok());
    assert_eq!(verifier.verify(&old_token, at(30 + 600)).await, Err(JwtError::UnknownKey));
    assert!(verifier.verify(&new_token, at(30 + 600)).await.is_ok());
    assert_eq!(issuer.readings(), 3);
}

#[tokio::test]
async fn a_flood_of_unknown_key_ids_is_one_reading() {
    let key = Key::eddsa("k1");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = Arc::new(verifier_of(&issuer, &json!({})));
    let claims = issuer.claims(&json!({}));
    assert!(verify(&verifier, &key.sign(&claims)).await.is_ok());
    for (seconds, readings) in [(29, 1), (30, 2), (59, 2), (60, 3)] {
        let tasks: Vec<_> = (0..100)
            .map(|number| {
                let header = Header { kid: Some(format!("unknown-{number}")), ..key.header() };
                let token = key.sign_with(&header, &claims);
                let verifier = Arc::clone(&verifier);
                tokio::spawn(async move { verifier.verify(&token, at(seconds)).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Err(JwtError::UnknownKey));
        }
        assert_eq!(issuer.readings(), readings, "after {seconds} s");
    }
    assert!(verify(&verifier, &key.sign(&claims)).await.is_ok());
}

#[tokio::test]
async fn many_first_requests_are_one_reading() {
    let key = Key::eddsa("k1");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = Arc::new(verifier_of(&issuer, &json!({})));
    let token = key.sign(&issuer.claims(&json!({})));
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (verifier, token) = (Arc::clone(&verifier), token.clone());
            tokio::spawn(async move { verifier.verify(&token, at(0)).await })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap().is_ok());
    }
    assert_eq!(issuer.readings(), 1);
}

#[tokio::test]
async fn while_the_issuer_is_down_known_keys_serve_on() {
    const DAY: i64 = 24 * 60 * 60;
    let key = Key::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = verifier_of(&issuer, &json!({}));
    let token = key.sign(&issuer.claims(&json!({"exp": NOW + 10 * DAY})));
    assert!(verifier.verify(&token, at(0)).await.is_ok());
    issuer.answer(KEYS, Answer::Status(503));
    for seconds in [600, 601, 631, 3600, DAY] {
        assert!(verifier.verify(&token, at(seconds)).await.is_ok(), "after {seconds} s");
    }
    assert_eq!(verifier.verify(&token, at(600 + DAY)).await, Err(JwtError::KeysUnavailable));
    issuer.publish(&[&key], "");
    assert!(verifier.verify(&token, at(600 + DAY + 5)).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_cannot_be_trusted_to_be_itself_gives_no_keys() {
    let key = Key::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let token = key.sign(&issuer.claims(&json!({})));
    let origin = issuer.url.trim_end_matches("/auth/v1").to_owned();
    let discovery = |issuer: &str, keys: &str| Answer::Json(json!({"issuer": issuer, "jwks_uri": keys}), "");
    let fine = discovery(&issuer.url, &issuer.keys_url());
    // This address leads to the very same server, but does not say that it stays on this machine.
    let anywhere = |url: &str| url.replace("127.0.0.1", "0.0.0.0");
    let too_long = json!({"issuer": issuer.url, "jwks_uri": issuer.keys_url(), "pad": "x".repeat(300 * 1024)});
    issuer.answer("/moved", fine);
    for bad in [
        discovery("https://other.example", &issuer.keys_url()),
        discovery(&format!("{}/", issuer.url), &issuer.keys_url()),
        discovery(&issuer.url, &anywhere(&issuer.keys_url())),
        discovery(&issuer.url, "file:///keys"),
        Answer::Json(json!({"issuer": issuer.url}), ""),
        Answer::Json(too_long, ""),
        Answer::Status(404),
        Answer::Redirect(origin.replace("http:", "https:")),
        Answer::Redirect(format!("{}/moved", anywhere(&origin))),
        Answer::Redirect(DISCOVERY.to_owned()),
    ] {
        issuer.answer(DISCOVERY, bad);
        let error = verify(&verifier_of(&issuer, &json!({})), &token).await.unwrap_err();
        assert_eq!(error, JwtError::KeysUnavailable);
        assert!(error.is_transient());
    }
    assert_eq!(issuer.readings(), 0);
    issuer.answer(DISCOVERY, Answer::Redirect("/moved".to_owned()));
    assert!(verify(&verifier_of(&issuer, &json!({})), &token).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_never_answers_does_not_hold_a_caller_for_ever() {
    let key = Key::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    issuer.answer(DISCOVERY, Answer::Never);
    let token = key.sign(&issuer.claims(&json!({})));
    let verifier = verifier_of(&issuer, &json!({}));
    let answer = tokio::time::timeout(Duration::from_mins(1), verify(&verifier, &token)).await;
    assert_eq!(answer.unwrap(), Err(JwtError::KeysUnavailable));
}

#[tokio::test]
async fn a_caller_who_hangs_up_does_not_end_the_reading() {
    let key = Key::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = verifier_of(&issuer, &json!({}));
    let token = key.sign(&issuer.claims(&json!({})));
    // Polled once: the reading has begun, and its caller is gone.
    let gone = tokio::time::timeout(Duration::ZERO, verify(&verifier, &token)).await;
    assert!(gone.is_err());
    assert!(verify(&verifier, &token).await.is_ok());
    assert_eq!(issuer.readings(), 1);
}

#[test]
fn a_missing_or_short_secret_is_named_but_not_shown() {
    for name in ["NOT_SET", "SHORT"] {
        let issuer = json!({"issuer": "i", "hs256_secret_env": name, "audiences": ["a"]});
        let settings: JwtSettings = serde_json::from_value(json!({"issuers": [issuer]})).unwrap();
        let error = Verifier::new(&settings, environment).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("jwt.issuers[0].hs256_secret_env") && text.contains(name), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn nothing_that_is_printed_shows_the_secret() {
    let verifier = verifier(&json!({"issuer": "i", "hs256_secret_env": "SUPABASE_JWT_SECRET", "audiences": ["a"]}));
    let printed = format!("{verifier:?}");
    let bytes = format!("{:?}", SECRET.as_bytes());
    assert!(!printed.contains("super-secret") && !printed.contains(bytes.trim_matches(['[', ']'])), "{printed}");
}

proptest! {
    #[test]
    fn no_credential_makes_the_verifier_panic(
        header in prop_oneof![Just("eyJhbGciOiJIUzI1NiJ9".to_owned()), "[A-Za-z0-9_-]{0,40}", ".{0,20}"],
        claims in prop_oneof![Just("eyJpc3MiOiJpIn0".to_owned()), "[A-Za-z0-9_-]{0,40}", ".{0,20}"],
        signature in "[A-Za-z0-9_=-]{0,60}|.{0,20}",
    ) {
        let verifier = verifier(&json!({"issuer": "i", "hs256_secret_env": "SUPABASE_JWT_SECRET", "audiences": ["a"]}));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(verifier.verify(&format!("{header}.{claims}.{signature}"), at(0)));
        prop_assert!(answer.is_err());
    }
}
