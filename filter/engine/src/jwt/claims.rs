//! From the claims of a verified token to what goes into identity headers: who it is and what it may.
//!
//! All or nothing. A token whose claims cannot be passed on as they are is refused, never passed with half an identity: an account that
//! was left out, or a scope that arrives as two, would be somebody else or somebody with other rights.

use super::config::{Claim, EnvironmentOf, Provider};
use super::metadata::{self, Malformed, Value};
use keyplane_contract::sync::Environment;
use std::borrow::Cow;

/// The longest account or user, in bytes.
pub const MAX_TEXT_LEN: usize = 256;
/// The longest scopes of a token, in bytes, as they are passed on.
pub const MAX_SCOPES_LEN: usize = 4096;

/// A verified token: what the configured claims say. No text has control characters, nor white space but single spaces inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token<'m> {
    /// The account, in the issuer's words; absent when no claim is configured for it.
    pub account: Option<Cow<'m, str>>,
    /// The user, in the issuer's words; absent when no claim is configured for it.
    pub user: Option<Cow<'m, str>>,
    /// Scopes joined by single spaces; empty for none.
    pub scopes: Cow<'m, str>,
    /// `live` or `test`; absent when neither a claim nor a value is configured for it.
    pub environment: Option<Environment>,
}

/// Which claims of an issuer's tokens say what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    account: Option<Text>,
    user: Option<Text>,
    scopes: Option<Claim>,
    environment: Option<EnvironmentOf>,
}

/// A claim, and what is put before its value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Text {
    claim: Claim,
    prefix: String,
}

/// The claims cannot be passed on.
struct Unusable;

/// A step of reading: `Err` for bytes that are no message, inside it whether the claim is of use.
type Step<T> = Result<Result<T, Unusable>, Malformed>;

impl Reading {
    pub(super) fn new(provider: Provider) -> Self {
        let Provider { account, account_prefix, user, user_prefix, scopes, environment, .. } = provider;
        let text = |claim: Option<Claim>, prefix| claim.map(|claim| Text { claim, prefix });
        Self { account: text(account, account_prefix), user: text(user, user_prefix), scopes, environment }
    }

    /// The token of these claims; `None` when they cannot be passed on.
    pub(super) fn token<'m>(&self, claims: &'m [u8]) -> Result<Option<Token<'m>>, Malformed> {
        let Ok(account) = text(self.account.as_ref(), claims)? else { return Ok(None) };
        let Ok(user) = text(self.user.as_ref(), claims)? else { return Ok(None) };
        let Ok(scopes) = scopes(self.scopes.as_ref(), claims)? else { return Ok(None) };
        let Ok(environment) = environment(self.environment.as_ref(), claims)? else { return Ok(None) };
        Ok(Some(Token { account, user, scopes, environment }))
    }
}

fn text<'m>(text: Option<&Text>, claims: &'m [u8]) -> Step<Option<Cow<'m, str>>> {
    let Some(Text { claim, prefix }) = text else { return Ok(Ok(None)) };
    let value = match metadata::at(claims, &claim.0)? {
        Some(Value::Text(bytes)) => identity(bytes).map(Cow::Borrowed),
        Some(Value::Number(number)) => whole(number).map(|number| Cow::Owned(number.to_string())),
        _ => None,
    };
    let with_prefix =
        |value: Cow<'m, str>| if prefix.is_empty() { value } else { Cow::Owned([prefix, &*value].concat()) };
    Ok(value.map(with_prefix).map(Some).ok_or(Unusable))
}

fn scopes<'m>(claim: Option<&Claim>, claims: &'m [u8]) -> Step<Cow<'m, str>> {
    let value = match claim {
        Some(claim) => metadata::at(claims, &claim.0)?,
        None => None,
    };
    let scopes = match value {
        // No scopes are fewer rights, never more.
        None | Some(Value::Null) => Some(Cow::Borrowed("")),
        Some(Value::Text(bytes)) => split(bytes),
        Some(Value::List(list)) => {
            let mut joined = String::new();
            for item in metadata::items(list) {
                let scope = match item? {
                    Value::Text(bytes) => scope(bytes),
                    _ => None,
                };
                let Some(scope) = scope else { return Ok(Err(Unusable)) };
                add(&mut joined, scope);
            }
            Some(Cow::Owned(joined))
        }
        Some(_) => None,
    };
    Ok(scopes.filter(|scopes| scopes.len() <= MAX_SCOPES_LEN).ok_or(Unusable))
}

fn environment(of: Option<&EnvironmentOf>, claims: &[u8]) -> Step<Option<Environment>> {
    Ok(Ok(Some(match of {
        None => return Ok(Ok(None)),
        Some(EnvironmentOf::Fixed(environment)) => *environment,
        Some(EnvironmentOf::Claim(claim)) => match metadata::at(claims, &claim.0)? {
            Some(Value::Text(b"live")) => Environment::Live,
            Some(Value::Text(b"test")) => Environment::Test,
            _ => return Ok(Err(Unusable)),
        },
    })))
}

/// Scopes in a text, with spaces between them (RFC 8693, 4.2).
fn split(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let mut parts = bytes.split(|byte| *byte == b' ');
    // As a rule it is already what is passed on.
    if bytes.is_empty() || parts.clone().all(|part| scope(part).is_some()) {
        return std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
    }
    let add = |mut joined: String, part| {
        add(&mut joined, scope(part)?);
        Some(joined)
    };
    parts.by_ref().filter(|part| !part.is_empty()).try_fold(String::new(), add).map(Cow::Owned)
}

fn add(joined: &mut String, scope: &str) {
    if !joined.is_empty() {
        joined.push(' ');
    }
    joined.push_str(scope);
}

/// One scope, in the characters of RFC 6749, 3.3: visible ASCII but for quotes and backslashes.
fn scope(bytes: &[u8]) -> Option<&str> {
    let fits = !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
    std::str::from_utf8(bytes).ok().filter(|_| fits)
}

/// Who somebody is: 1 to [`MAX_TEXT_LEN`] bytes of text without control characters. Spaces stand inside only, and alone: at the ends or in a row,
/// somebody on the way might drop them, and two would be one.
pub(super) fn identity(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_TEXT_LEN)?;
    let is_word = |word: &str| !word.is_empty() && !word.contains(|c: char| c.is_control() || c.is_whitespace());
    text.split(' ').all(is_word).then_some(text)
}

/// A whole number from 0 on that a double holds exactly, and no other number rounds to.
fn whole(number: f64) -> Option<u64> {
    /// 2^53: also what 2^53 + 1 arrives as.
    const TOO_LARGE: f64 = 9_007_199_254_740_992.0;
    let fits = (0.0..TOO_LARGE).contains(&number) && number.fract() == 0.0;
    // The range makes the conversion exact.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fits.then_some(number as u64)
}

#[cfg(test)]
impl Token<'_> {
    /// Whether every text may stand in a header.
    pub(super) fn is_safe(&self) -> bool {
        let texts = [&self.account, &self.user].into_iter().flatten();
        let safe = |text: &str| !text.contains(char::is_control) && text.trim() == text;
        texts.into_iter().all(|text| safe(text) && !text.is_empty() && text.len() <= MAX_TEXT_LEN + 64)
            && self.scopes.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            && self.scopes.len() <= MAX_SCOPES_LEN
    }
}

#[cfg(test)]
mod tests {
    use super::super::metadata::write;
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    fn reading(provider: &Json) -> Reading {
        let mut provider = provider.clone();
        provider["issuer"] = json!("https://a");
        Reading::new(serde_json::from_value(provider).unwrap())
    }

    fn token(provider: &Json, claims: &Json) -> Option<(Option<String>, Option<String>, String)> {
        let claims = write::object(claims);
        let token = reading(provider).token(&claims).unwrap()?;
        assert!(token.is_safe());
        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        Some((owned(token.account), owned(token.user), token.scopes.into_owned()))
    }

    fn user(sub: &Json) -> Option<String> {
        token(&json!({}), &json!({ "sub": sub })).map(|(_, user, _)| user.unwrap())
    }

    fn scopes(scope: &Json) -> Option<String> {
        token(&json!({}), &json!({ "sub": "u", "scope": scope })).map(|(.., scopes)| scopes)
    }

    #[test]
    fn claims_are_found_by_name_or_path() {
        let claims = json!({
            "sub": "u", "org_id": "org", "app_metadata": { "account_id": "nested", "user": { "id": 7 } }, "https://gen.pro/account": "url",
        });
        let account = |claim: Json| token(&json!({ "account": claim }), &claims).map(|(account, ..)| account.unwrap());
        assert_eq!(account(json!("org_id")).as_deref(), Some("org"));
        assert_eq!(account(json!(["app_metadata", "account_id"])).as_deref(), Some("nested"));
        assert_eq!(account(json!(["app_metadata", "user", "id"])).as_deref(), Some("7"));
        assert_eq!(account(json!("https://gen.pro/account")).as_deref(), Some("url"));
        // A dot is part of a name.
        assert_eq!(account(json!("app_metadata.account_id")), None);
        for claim in
            [json!("missing"), json!("app_metadata"), json!(["org_id", "x"]), json!(["app_metadata", "missing"])]
        {
            assert_eq!(account(claim.clone()), None, "{claim}");
        }
    }

    #[test]
    fn what_is_not_configured_is_not_told() {
        let claims = json!({ "sub": "u", "scope": "read", "org_id": "org" });
        assert_eq!(token(&json!({}), &claims), Some((None, Some("u".into()), "read".into())));
        let none = json!({ "account": "org_id", "user": null, "scopes": null });
        assert_eq!(token(&none, &claims), Some((Some("org".into()), None, String::new())));
    }

    #[test]
    fn a_prefix_tells_the_users_of_two_issuers_apart() {
        let provider = json!({ "account": "org", "account_prefix": "clerk/", "user_prefix": "clerk|" });
        let expected = (Some("clerk/1".into()), Some("clerk|u".into()), String::new());
        assert_eq!(token(&provider, &json!({ "sub": "u", "org": 1 })), Some(expected));
        // It makes no identity of an empty one.
        assert_eq!(token(&provider, &json!({ "sub": "", "org": 1 })), None);
    }

    #[test]
    fn only_what_may_stand_in_a_header_is_somebody() {
        for sub in ["user_1", "auth0|5f7c", "a@example.com", "cn=A B,ou=C", "Zo\u{eb}", &"a".repeat(MAX_TEXT_LEN)] {
            assert_eq!(user(&json!(sub)).as_deref(), Some(sub));
        }
        for sub in [
            "",
            " ",
            " a",
            "a ",
            "a  b",
            "a\tb",
            "a\r\nx-admin: 1",
            "a\0",
            "\u{7f}",
            "\u{85}",
            "a\u{a0}",
            "a\u{2028}b",
            &"a".repeat(MAX_TEXT_LEN + 1),
        ] {
            assert_eq!(user(&json!(sub)), None, "{sub:?}");
        }
        for sub in [json!(null), json!(true), json!(["u"]), json!({ "u": 1 })] {
            assert_eq!(user(&sub), None, "{sub}");
        }
    }

    #[test]
    fn a_number_is_somebody_when_it_arrives_exactly() {
        for (number, text) in [
            (json!(0), "0"),
            (json!(12345), "12345"),
            (json!(1e3), "1000"),
            (json!(9_007_199_254_740_991_u64), "9007199254740991"),
        ] {
            assert_eq!(user(&number).as_deref(), Some(text));
        }
        for number in
            [json!(9_007_199_254_740_992_u64), json!(9_007_199_254_740_993_u64), json!(1e300), json!(-1), json!(1.5)]
        {
            assert_eq!(user(&number), None, "{number}");
        }
        assert_eq!(whole(f64::NAN).or(whole(f64::INFINITY)).or(whole(f64::NEG_INFINITY)), None);
    }

    #[test]
    fn scopes_are_a_text_with_spaces_or_a_list() {
        for (scope, expected) in [
            (json!("read write"), "read write"),
            (json!("  read   write "), "read write"),
            (json!(["read", "write"]), "read write"),
            (json!("https://a/b:c"), "https://a/b:c"),
            (json!(""), ""),
            (json!("  "), ""),
            (json!([]), ""),
            (json!(null), ""),
        ] {
            assert_eq!(scopes(&scope).as_deref(), Some(expected), "{scope}");
        }
        assert_eq!(token(&json!({ "scopes": ["realm", "roles"] }), &json!({ "sub": "u" })).unwrap().2, "");
        for scope in [
            json!("read\twrite"),
            json!("read\nwrite"),
            json!("r\u{e9}ad"),
            json!(r#"a"b"#),
            json!(r"a\b"),
            // One scope of a list must not become two.
            json!(["read write"]),
            json!([""]),
            json!(["read", 1]),
            json!(["read", ["write"]]),
            json!(1),
            json!(true),
            json!({ "read": true }),
            json!("a".repeat(MAX_SCOPES_LEN + 1)),
            json!(vec!["a"; MAX_SCOPES_LEN]),
        ] {
            assert_eq!(scopes(&scope), None, "{scope}");
        }
    }

    #[test]
    fn the_environment_is_fixed_or_a_claim() {
        let environment = |of: Json, claims: Json| {
            let claims = write::object(&claims);
            reading(&json!({ "environment": of, "user": null })).token(&claims).unwrap().map(|token| token.environment)
        };
        assert_eq!(environment(json!("test"), json!({})), Some(Some(Environment::Test)));
        assert_eq!(environment(json!(null), json!({})), Some(None));
        let claim = json!({ "claim": ["app", "env"] });
        assert_eq!(environment(claim.clone(), json!({ "app": { "env": "live" } })), Some(Some(Environment::Live)));
        for app in [json!({}), json!({ "env": "Live" }), json!({ "env": "production" }), json!({ "env": null })] {
            assert_eq!(environment(claim.clone(), json!({ "app": app })), None, "{app}");
        }
    }

    proptest! {
        #[test]
        fn nothing_unsafe_comes_out(sub: String, org: String, scope: String, list: Vec<String>, as_list: bool) {
            let scope = if as_list { json!(list) } else { json!(scope) };
            let claims = json!({ "sub": sub, "org": org, "scope": scope });
            if let Some((account, user, scopes)) = token(&json!({ "account": "org" }), &claims) {
                // As it was, or not at all.
                prop_assert_eq!(account.as_deref(), Some(org.as_str()));
                prop_assert_eq!(user.as_deref(), Some(sub.as_str()));
                let given: Vec<_> = match &scope {
                    Json::String(text) => text.split(' ').filter(|scope| !scope.is_empty()).collect(),
                    list => list.as_array().unwrap().iter().map(|scope| scope.as_str().unwrap()).collect(),
                };
                prop_assert_eq!(scopes.split_terminator(' ').collect::<Vec<_>>(), given);
            }
        }

        #[test]
        fn tokens_of_common_shape_are_taken(sub in "[!-~]{1,40}", org in "[a-z]{1,9}( [a-z]{1,9}){0,3}", list in prop::collection::vec("[a-z:._/-]{1,12}", 0..9)) {
            let read = token(&json!({ "account": "org" }), &json!({ "sub": sub, "org": org, "scope": list.join(" ") }));
            prop_assert_eq!(read, Some((Some(org), Some(sub), list.join(" "))));
        }
    }
}
