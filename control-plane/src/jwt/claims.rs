//! The claims of a token whose signature is right: whether it counts here and now, and who it speaks for.
//!
//! A claim that is asked for and has the wrong shape refuses the token: half an identity is none.

use super::error::JwtError;
use super::settings::IssuerSettings;
use crate::domain::time::Time;
use serde_json::{Map, Value};

/// The longest text that is taken from a claim, in bytes.
const MAX_TEXT_LEN: usize = 1024;
/// The longest id of a user or account, in bytes (`OpenID` Connect Core, section 2: `sub`).
const MAX_ID_LEN: usize = 255;

/// Who a verified token speaks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedToken {
    /// The issuer, as configured. The ids below mean something only together with it.
    pub issuer: String,
    /// The user's id at the issuer: 1 to 255 bytes without control characters.
    pub subject: String,
    /// The account's id at the issuer, of the same shape; `None` if none is configured or the token has none.
    pub account: Option<String>,
    /// The user's mail address as the issuer says it; nothing says that it was confirmed.
    pub email: Option<String>,
    /// The user's name, for people.
    pub name: Option<String>,
    /// The scopes; none if no claim is configured or the token has none.
    pub scopes: Vec<String>,
    /// `exp`, without leeway.
    pub expires_at: Time,
    /// Whether the issuer's settings let a subject in that is no user yet.
    pub create_user: bool,
}

/// Judges the claims of a token of `issuer`.
pub fn check(issuer: &IssuerSettings, claims: &Map<String, Value>, now: Time) -> Result<VerifiedToken, JwtError> {
    if claims.get("iss").and_then(Value::as_str) != Some(issuer.issuer.as_str()) {
        return Err(JwtError::UnknownIssuer);
    }
    let expires_at = check_times(issuer, claims, now)?;
    check_audience(issuer, claims)?;
    Ok(VerifiedToken {
        issuer: issuer.issuer.clone(),
        subject: text(claims, &issuer.user_claim, MAX_ID_LEN)?
            .ok_or_else(|| JwtError::MissingClaim(issuer.user_claim.clone()))?,
        account: optional_path(issuer.account_claim.as_ref(), |path| text(claims, path, MAX_ID_LEN))?,
        email: text(claims, &issuer.email_claim, MAX_TEXT_LEN)?,
        name: text(claims, &issuer.name_claim, MAX_TEXT_LEN)?,
        scopes: optional_path(issuer.scope_claim.as_ref(), |path| scopes(claims, path))?.unwrap_or_default(),
        expires_at,
        create_user: issuer.create_users,
    })
}

/// Judges the claims of an ID token (`OpenID` Connect Core 1.0, section 3.1.3.7) that was issued for this client after a request with
/// this nonce. `rules` are the issuer's, with the client as the one audience.
pub fn check_id_token(
    rules: &IssuerSettings,
    client: &str,
    nonce: &str,
    claims: &Map<String, Value>,
    now: Time,
) -> Result<VerifiedToken, JwtError> {
    let token = check(rules, claims, now)?;
    match claims.get("nonce") {
        Some(Value::String(found)) if found == nonce => {}
        Some(_) => return Err(JwtError::WrongClaim("nonce".to_owned())),
        None => return Err(JwtError::MissingClaim("nonce".to_owned())),
    }
    let for_others_too = claims.get("aud").and_then(Value::as_array).is_some_and(|audiences| audiences.len() > 1);
    match claims.get("azp") {
        Some(Value::String(party)) if party == client => Ok(token),
        Some(_) => Err(JwtError::WrongParty),
        None if for_others_too => Err(JwtError::MissingClaim("azp".to_owned())),
        None => Ok(token),
    }
}

/// The names on the way to a claim. A name that is a URL (as Auth0's own claims are) is one name, dots and all.
pub fn segments(path: &str) -> impl Iterator<Item = &str> {
    let whole = path.contains("://");
    path.split(move |c| c == '.' && !whole)
}

fn check_times(issuer: &IssuerSettings, claims: &Map<String, Value>, now: Time) -> Result<Time, JwtError> {
    let leeway = i64::try_from(issuer.leeway_seconds).unwrap_or(i64::MAX).saturating_mul(1000);
    let now = now.millis();
    let expires = millis(claims, "exp")?.ok_or_else(|| JwtError::MissingClaim("exp".to_owned()))?;
    // "On or after" (RFC 7519, section 4.1.4).
    if now >= expires.saturating_add(leeway) {
        return Err(JwtError::Expired);
    }
    if millis(claims, "nbf")?.is_some_and(|from| now < from.saturating_sub(leeway)) {
        return Err(JwtError::NotYetValid);
    }
    if millis(claims, "iat")?.is_some_and(|issued| now < issued.saturating_sub(leeway)) {
        return Err(JwtError::IssuedInFuture);
    }
    Ok(Time::from_millis(expires))
}

fn check_audience(issuer: &IssuerSettings, claims: &Map<String, Value>) -> Result<(), JwtError> {
    let known = |value: &Value| value.as_str().is_some_and(|text| issuer.audiences.iter().any(|known| known == text));
    let meant = match claims.get("aud") {
        _ if issuer.any_audience => true,
        Some(Value::Array(values)) => values.iter().any(known),
        Some(value) => known(value),
        None => return Err(JwtError::MissingClaim("aud".to_owned())),
    };
    if !meant {
        return Err(JwtError::WrongAudience);
    }
    if issuer.authorized_parties.is_empty() {
        return Ok(());
    }
    match claims.get("azp") {
        Some(Value::String(party)) if issuer.authorized_parties.contains(party) => Ok(()),
        Some(_) => Err(JwtError::WrongParty),
        None => Err(JwtError::MissingClaim("azp".to_owned())),
    }
}

/// A time claim (a number of seconds since 1970, perhaps with a fraction) in milliseconds.
fn millis(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, JwtError> {
    let value = match claims.get(name) {
        None => return Ok(None),
        Some(Value::Number(number)) => number,
        Some(_) => return Err(JwtError::WrongClaim(name.to_owned())),
    };
    if let Some(seconds) = value.as_i64() {
        return Ok(Some(seconds.saturating_mul(1000)));
    }
    #[expect(clippy::cast_possible_truncation, reason = "a cast of a float ends at the nearest number")]
    let millis = value.as_f64().map(|seconds| (seconds * 1000.0) as i64);
    Ok(millis)
}

/// The claim at `path`; `null` is as good as nothing.
fn claim<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut names = segments(path);
    let first = claims.get(names.next()?);
    names.fold(first, |value, name| value?.as_object()?.get(name)).filter(|value| !value.is_null())
}

fn optional_path<T>(
    path: Option<&String>,
    read: impl FnOnce(&str) -> Result<Option<T>, JwtError>,
) -> Result<Option<T>, JwtError> {
    path.map_or(Ok(None), |path| read(path))
}

fn text(claims: &Map<String, Value>, path: &str, max: usize) -> Result<Option<String>, JwtError> {
    match claim(claims, path) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() && text.len() <= max && !text.chars().any(char::is_control) => {
            Ok(Some(text.clone()))
        }
        // Supabase writes an empty text where a user has no mail address.
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(_) => Err(JwtError::WrongClaim(path.to_owned())),
    }
}

fn scopes(claims: &Map<String, Value>, path: &str) -> Result<Option<Vec<String>>, JwtError> {
    let wrong = || JwtError::WrongClaim(path.to_owned());
    match claim(claims, path) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.split_ascii_whitespace().map(str::to_owned).collect())),
        Some(Value::Array(values)) => {
            let texts = values.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong));
            texts.collect::<Result<_, _>>().map(Some)
        }
        Some(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;

    fn settings(more: &Value) -> IssuerSettings {
        let mut all = json!({"issuer": "i", "discovery": true, "audiences": ["a", "b"]});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    /// Judges a good token, with these claims on top, at `NOW`.
    fn judge(more_settings: &Value, more_claims: &Value) -> Result<VerifiedToken, JwtError> {
        let mut claims = json!({"iss": "i", "aud": "a", "sub": "u", "exp": NOW + 1});
        claims.as_object_mut().unwrap().extend(more_claims.as_object().unwrap().clone());
        claims.as_object_mut().unwrap().retain(|_, value| *value != json!("absent"));
        check(&settings(more_settings), claims.as_object().unwrap(), Time::from_millis(NOW * 1000))
    }

    #[test]
    fn times_are_held_to_the_second_of_the_leeway() {
        let reason =
            |claims: Value| judge(&json!({"leeway_seconds": 60}), &claims).map_or_else(|e| e.reason(), |_| "ok");
        assert_eq!(reason(json!({"exp": NOW - 59})), "ok");
        assert_eq!(reason(json!({"exp": NOW - 60})), "expired");
        assert_eq!(reason(json!({"exp": i64::MIN})), "expired");
        assert_eq!(reason(json!({"exp": u64::MAX})), "ok");
        assert_eq!(reason(json!({"exp": 1e300})), "ok");
        assert_eq!(reason(json!({"exp": -1e300})), "expired");
        assert_eq!(reason(json!({"exp": "2099-01-01"})), "wrong_claim");
        assert_eq!(reason(json!({"exp": null})), "wrong_claim");
        assert_eq!(reason(json!({"exp": "absent"})), "missing_claim");
        assert_eq!(reason(json!({"nbf": NOW + 60})), "ok");
        assert_eq!(reason(json!({"nbf": NOW + 61})), "not_yet_valid");
        assert_eq!(reason(json!({"nbf": "soon"})), "wrong_claim");
        assert_eq!(reason(json!({"iat": NOW + 60})), "ok");
        assert_eq!(reason(json!({"iat": NOW + 61})), "issued_in_future");
        assert_eq!(reason(json!({"iat": true})), "wrong_claim");
    }

    #[test]
    fn a_token_counts_only_for_its_audience() {
        let reason = |claims: Value| judge(&json!({}), &claims).map_or_else(|e| e.reason(), |_| "ok");
        assert_eq!(reason(json!({"aud": "b"})), "ok");
        assert_eq!(reason(json!({"aud": ["x", "b"]})), "ok");
        for wrong in [json!("x"), json!(["x"]), json!([]), json!([["a"]]), json!({"a": 1}), json!(null), json!("A")] {
            assert_eq!(reason(json!({"aud": wrong.clone()})), "wrong_audience", "{wrong}");
        }
        assert_eq!(reason(json!({"aud": "absent"})), "missing_claim");
        let any = json!({"audiences": [], "any_audience": true});
        assert!(judge(&any, &json!({"aud": "absent"})).is_ok());
    }

    #[test]
    fn an_authorized_party_is_asked_for_when_configured() {
        let parties = json!({"authorized_parties": ["https://app.example"]});
        let reason = |claims: Value| judge(&parties, &claims).map_or_else(|e| e.reason(), |_| "ok");
        assert_eq!(reason(json!({"azp": "https://app.example"})), "ok");
        assert_eq!(reason(json!({"azp": "https://evil.example"})), "wrong_party");
        assert_eq!(reason(json!({})), "missing_claim");
    }

    #[test]
    fn claims_are_found_by_path_and_by_url() {
        let paths = json!({
            "account_claim": "app_metadata.account_id", "name_claim": "https://i.example/full.name", "scope_claim": "scope",
        });
        let claims = json!({
            "app_metadata": {"account_id": "acc"}, "https://i.example/full.name": "Ada", "email": "", "scope": "a  b",
        });
        let token = judge(&paths, &claims).unwrap();
        assert_eq!(token.account.as_deref(), Some("acc"));
        assert_eq!(token.name.as_deref(), Some("Ada"));
        assert_eq!(token.email, None);
        assert_eq!(token.scopes, ["a", "b"]);
        assert_eq!(token.expires_at.millis(), (NOW + 1) * 1000);
        assert_eq!(judge(&paths, &json!({"scope": ["x", "y"]})).unwrap().scopes, ["x", "y"]);
        // A claim of that name that lies elsewhere is another claim.
        assert_eq!(judge(&paths, &json!({"account_id": "acc", "app_metadata": null})).unwrap().account, None);
    }

    #[test]
    fn a_claim_of_the_wrong_shape_refuses_the_token() {
        let paths = json!({"account_claim": "org", "scope_claim": "scope"});
        for (claims, error) in [
            (json!({"sub": "absent"}), JwtError::MissingClaim("sub".to_owned())),
            (json!({"sub": ""}), JwtError::MissingClaim("sub".to_owned())),
            (json!({"sub": 7}), JwtError::WrongClaim("sub".to_owned())),
            (json!({"sub": "a\nb"}), JwtError::WrongClaim("sub".to_owned())),
            (json!({"sub": "x".repeat(256)}), JwtError::WrongClaim("sub".to_owned())),
            (json!({"org": {"id": "x"}}), JwtError::WrongClaim("org".to_owned())),
            (json!({"email": ["x"]}), JwtError::WrongClaim("email".to_owned())),
            (json!({"scope": ["x", 1]}), JwtError::WrongClaim("scope".to_owned())),
            (json!({"iss": "j"}), JwtError::UnknownIssuer),
        ] {
            assert_eq!(judge(&paths, &claims).unwrap_err(), error, "{claims}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{0,3}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_claim_makes_the_judge_panic(
            name in prop::sample::select(vec!["iss", "aud", "sub", "exp", "nbf", "iat", "org", "email", "scope"]),
            value in any_json(),
            leeway in any::<u64>(),
        ) {
            let settings = json!({"account_claim": "org.id", "scope_claim": "scope", "leeway_seconds": leeway});
            let _ = judge(&settings, &json!({name: value}));
        }
    }
}
