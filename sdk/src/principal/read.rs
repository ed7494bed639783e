//! Identity headers to a principal. What the filter never writes is refused: it did not come from the filter.

use super::Principal;
use super::refusal::Refusal;
use crate::environment::Environment;
use http::HeaderMap;
use keyplane_contract::header::{ACCOUNT, ENVIRONMENT, KEY_ID, PROJECT, SCOPES, USER};
use std::str::FromStr;

/// The longest value that the filter writes.
const MAX_VALUE: usize = 8 * 1024;

pub(super) fn read(headers: &HeaderMap) -> Result<Principal, Refusal> {
    let principal = Principal {
        key_id: id(headers, KEY_ID)?,
        account: text(headers, ACCOUNT)?,
        project_id: id(headers, PROJECT)?,
        environment: environment(headers)?,
        user: text(headers, USER)?,
        scopes: scopes(headers)?,
    };
    if principal.key_id.is_some() {
        // Every key has these.
        if principal.account.is_none() {
            return Err(Refusal::incomplete(ACCOUNT));
        }
        if principal.environment.is_none() {
            return Err(Refusal::incomplete(ENVIRONMENT));
        }
    } else if principal.project_id.is_some() {
        // Only keys have a project.
        return Err(Refusal::incomplete(KEY_ID));
    } else if principal.account.is_none() && principal.user.is_none() {
        return Err(Refusal::missing());
    }
    Ok(principal)
}

/// The only value of a header, as the filter writes values: one line of visible ASCII, no space at either end.
fn value<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::repeated(name));
    }
    let bytes = value.as_bytes();
    let is_plain =
        !bytes.is_empty() && bytes.len() <= MAX_VALUE && bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if !is_plain || bytes.trim_ascii() != bytes {
        return Err(Refusal::malformed(name));
    }
    value.to_str().map(Some).map_err(|_| Refusal::malformed(name))
}

fn id<T: FromStr>(headers: &HeaderMap, name: &'static str) -> Result<Option<T>, Refusal> {
    let id = value(headers, name)?.map(str::parse).transpose();
    id.map_err(|_| Refusal::malformed(name))
}

fn text(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, Refusal> {
    let Some(value) = value(headers, name)? else { return Ok(None) };
    decoded(value).map(Some).ok_or_else(|| Refusal::malformed(name))
}

fn environment(headers: &HeaderMap) -> Result<Option<Environment>, Refusal> {
    match value(headers, ENVIRONMENT)? {
        None => Ok(None),
        Some("live") => Ok(Some(Environment::Live)),
        Some("test") => Ok(Some(Environment::Test)),
        Some(_) => Err(Refusal::malformed(ENVIRONMENT)),
    }
}

fn scopes(headers: &HeaderMap) -> Result<Vec<String>, Refusal> {
    let Some(value) = value(headers, SCOPES)? else { return Ok(Vec::new()) };
    let scopes = value.split(' ').map(|scope| decoded(scope).filter(|scope| !scope.is_empty()));
    scopes.collect::<Option<_>>().ok_or_else(|| Refusal::malformed(SCOPES))
}

/// The text that was percent-encoded; `None` when an escape is broken, or what comes out is no UTF-8.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = value.bytes();
    let mut text = Vec::with_capacity(value.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            text.push(digit()? << 4 | digit()?);
        } else {
            text.push(byte);
        }
    }
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::super::RefusalReason;
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
    const KEY: [(&str, &str); 5] =
        [(KEY_ID, ID), (ACCOUNT, ID), (PROJECT, ID), (ENVIRONMENT, "test"), (SCOPES, "files:read files:write")];

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn refused(pairs: &[(&'static str, &str)]) -> RefusalReason {
        read(&headers(pairs)).unwrap_err().reason().clone()
    }

    /// The key's headers with this one in the place of its own.
    fn with(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
        KEY.into_iter().filter(|(other, _)| *other != name).chain([(name, value)]).collect()
    }

    #[test]
    fn a_key_a_personal_token_and_a_jwt_are_told_apart() {
        let key = read(&headers(&KEY)).unwrap();
        assert_eq!(key.key_id().unwrap().to_string(), ID);
        assert_eq!((key.account_id().unwrap().to_string().as_str(), key.account()), (ID, Some(ID)));
        assert_eq!(key.project_id().unwrap().to_string(), ID);
        assert_eq!((key.environment(), key.user()), (Some(Environment::Test), None));
        assert_eq!(key.scopes(), ["files:read", "files:write"]);

        let token = read(&headers(&[(KEY_ID, ID), (ACCOUNT, ID), (ENVIRONMENT, "live"), (USER, ID)])).unwrap();
        assert_eq!((token.project_id(), token.user_id().unwrap().to_string().as_str()), (None, ID));
        assert!(token.scopes().is_empty());

        let jwt = read(&headers(&[(ACCOUNT, "Zo%C3%AB & 100%25"), (USER, "auth0|7")])).unwrap();
        assert_eq!((jwt.key_id(), jwt.account(), jwt.user()), (None, Some("Zoë & 100%"), Some("auth0|7")));
        assert_eq!((jwt.account_id(), jwt.user_id(), jwt.environment()), (None, None, None));
    }

    #[test]
    fn no_identity_is_nobody() {
        assert_eq!(refused(&[]), RefusalReason::Missing);
        assert_eq!(refused(&[("x-consumer-id", ID), ("x-api-key", ID)]), RefusalReason::Missing);
        assert_eq!(refused(&[(SCOPES, "admin"), (ENVIRONMENT, "live")]), RefusalReason::Missing);
    }

    #[test]
    fn a_header_that_stands_twice_is_refused_even_with_equal_values() {
        for (name, value) in KEY.into_iter().chain([(USER, ID)]) {
            let pairs: Vec<_> = with(name, value).into_iter().chain([(name, value)]).collect();
            assert_eq!(refused(&pairs), RefusalReason::Repeated { header: name });
        }
    }

    #[test]
    fn what_the_filter_never_writes_is_refused() {
        for (name, value) in [
            (KEY_ID, ""),
            (KEY_ID, "1"),
            (KEY_ID, "01890a5dac96774bbcceb302099a8057"),
            (PROJECT, "../../x"),
            (ENVIRONMENT, "Live"),
            (ENVIRONMENT, "live, test"),
            (ACCOUNT, ""),
            (ACCOUNT, " a"),
            (ACCOUNT, "Zoë"),
            (ACCOUNT, "a\tb"),
            (ACCOUNT, "100%"),
            (ACCOUNT, "%+1"),
            (ACCOUNT, "%FF"),
            (USER, "%4"),
            (SCOPES, "a  b"),
            (SCOPES, "a %"),
        ] {
            assert_eq!(refused(&with(name, value)), RefusalReason::Malformed { header: name }, "{name}: {value}");
        }
        let long: &str = &"a".repeat(MAX_VALUE + 1);
        assert_eq!(refused(&[(ACCOUNT, long)]), RefusalReason::Malformed { header: ACCOUNT });
    }

    #[test]
    fn half_an_identity_is_refused() {
        let without = |name: &str| KEY.into_iter().filter(|(other, _)| *other != name).collect::<Vec<_>>();
        for name in [KEY_ID, ACCOUNT, ENVIRONMENT] {
            assert_eq!(refused(&without(name)), RefusalReason::Incomplete { header: name });
        }
    }

    proptest! {
        #[test]
        fn no_value_makes_it_panic_or_is_repeated_in_the_refusal(at in 0..5_usize, value: Vec<u8>) {
            let mut headers = headers(&KEY);
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.insert(KEY[at].0, value);
                let _ = read(&headers).map_err(|refusal| refusal.to_string());
            }
        }
    }
}
