//! Identity headers to a principal. What the filter never writes is refused: it did not come from the filter.

use super::Principal;
use super::headers::Names;
use super::refusal::Refusal;
use crate::environment::Environment;
use http::{HeaderMap, HeaderName};
use std::str::FromStr;

/// The longest value that the filter writes.
const MAX_VALUE: usize = 8 * 1024;

pub(super) fn read(headers: &HeaderMap, names: &Names) -> Result<Principal, Refusal> {
    let principal = Principal {
        key_id: id(headers, names.key_id.as_ref())?,
        account: text(headers, names.account.as_ref())?,
        project_id: id(headers, names.project.as_ref())?,
        environment: environment(headers, names.environment.as_ref())?,
        user: text(headers, names.user.as_ref())?,
        scopes: scopes(headers, names.scopes.as_ref())?,
    };
    // Only keys have a project, and personal access tokens an id without one.
    if principal.key_id.is_some() || principal.project_id.is_some() {
        // Each of them has these, as far as they have a name.
        let all = [
            (&names.key_id, principal.key_id.is_some()),
            (&names.account, principal.account.is_some()),
            (&names.environment, principal.environment.is_some()),
        ];
        for (name, is_there) in all {
            if let (Some(name), false) = (name, is_there) {
                return Err(Refusal::incomplete(name));
            }
        }
    } else if principal.account.is_none() && principal.user.is_none() {
        return Err(Refusal::missing());
    }
    Ok(principal)
}

/// The only value of a header, as the filter writes values: one line of visible ASCII, no space at either end. It comes with the header's name.
fn value<'a, 'b>(
    headers: &'a HeaderMap,
    name: Option<&'b HeaderName>,
) -> Result<Option<(&'a str, &'b HeaderName)>, Refusal> {
    let Some(name) = name else { return Ok(None) };
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
    value.to_str().map(|text| Some((text, name))).map_err(|_| Refusal::malformed(name))
}

/// The value of a header as `read` understands it.
fn parsed<T>(
    headers: &HeaderMap,
    name: Option<&HeaderName>,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    let Some((value, name)) = value(headers, name)? else { return Ok(None) };
    read(value).map(Some).ok_or_else(|| Refusal::malformed(name))
}

fn id<T: FromStr>(headers: &HeaderMap, name: Option<&HeaderName>) -> Result<Option<T>, Refusal> {
    parsed(headers, name, |value| value.parse().ok())
}

fn text(headers: &HeaderMap, name: Option<&HeaderName>) -> Result<Option<String>, Refusal> {
    parsed(headers, name, decoded)
}

fn environment(headers: &HeaderMap, name: Option<&HeaderName>) -> Result<Option<Environment>, Refusal> {
    parsed(headers, name, |value| match value {
        "live" => Some(Environment::Live),
        "test" => Some(Environment::Test),
        _ => None,
    })
}

fn scopes(headers: &HeaderMap, name: Option<&HeaderName>) -> Result<Vec<String>, Refusal> {
    let scope = |scope: &str| decoded(scope).filter(|scope| !scope.is_empty());
    let scopes = parsed(headers, name, |value| value.split(' ').map(scope).collect())?;
    Ok(scopes.unwrap_or_default())
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
    use super::super::{PrincipalField, PrincipalHeaders, RefusalReason};
    use super::*;
    use http::HeaderValue;
    use keyplane_contract::header::{ACCOUNT, ENVIRONMENT, KEY_ID, PROJECT, SCOPES, USER};
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

    fn read(headers: &HeaderMap) -> Result<Principal, Refusal> {
        PrincipalHeaders::keyplane().read(headers)
    }

    fn named(name: &'static str) -> HeaderName {
        HeaderName::from_static(name)
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
            assert_eq!(refused(&pairs), RefusalReason::Repeated { header: named(name) });
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
            assert_eq!(
                refused(&with(name, value)),
                RefusalReason::Malformed { header: named(name) },
                "{name}: {value}"
            );
        }
        let long: &str = &"a".repeat(MAX_VALUE + 1);
        assert_eq!(refused(&[(ACCOUNT, long)]), RefusalReason::Malformed { header: named(ACCOUNT) });
    }

    #[test]
    fn half_an_identity_is_refused() {
        let without = |name: &str| KEY.into_iter().filter(|(other, _)| *other != name).collect::<Vec<_>>();
        for name in [KEY_ID, ACCOUNT, ENVIRONMENT] {
            assert_eq!(refused(&without(name)), RefusalReason::Incomplete { header: named(name) });
        }
    }

    #[test]
    fn under_other_names_the_same_rules_hold_for_what_has_a_name() {
        let tenant = PrincipalHeaders::keyplane()
            .with(PrincipalField::Account, named("x-tenant-id"))
            .with(PrincipalField::Scopes, named("rights"))
            .without(PrincipalField::Project)
            .without(PrincipalField::Environment);
        let key = tenant.read(&headers(&[(KEY_ID, ID), ("x-tenant-id", "T%201"), ("rights", "a b")])).unwrap();
        assert_eq!((key.account(), key.project_id(), key.environment()), (Some("T 1"), None, None));
        assert_eq!(key.scopes(), ["a", "b"]);
        let refused = |pairs: &[(&'static str, &str)]| tenant.read(&headers(pairs)).unwrap_err().reason().clone();
        // What the preset would have called so is a header like any other.
        assert_eq!(refused(&[(KEY_ID, ID), (ACCOUNT, ID)]), RefusalReason::Incomplete { header: named("x-tenant-id") });
        assert_eq!(refused(&[(ACCOUNT, ID), (PROJECT, ID)]), RefusalReason::Missing);
        let twice = [("x-tenant-id", "a"), ("x-tenant-id", "a")];
        assert_eq!(refused(&twice), RefusalReason::Repeated { header: named("x-tenant-id") });
        assert_eq!(refused(&[("x-tenant-id", "%")]), RefusalReason::Malformed { header: named("x-tenant-id") });

        let kong = PrincipalHeaders::kong();
        let key = kong.read(&headers(&[("x-consumer-id", ID), ("x-credential-identifier", ID)])).unwrap();
        assert_eq!((key.account(), key.key_id().unwrap().to_string().as_str()), (Some(ID), ID));
        let anonymous = kong.read(&headers(&[("x-anonymous-consumer", "true")]));
        assert_eq!(anonymous.unwrap_err().reason(), &RefusalReason::Missing);

        // Without names nobody is known, and of a key that has no name the rest must be whole all the same.
        assert_eq!(PrincipalHeaders::none().read(&headers(&KEY)).unwrap_err().reason(), &RefusalReason::Missing);
        let nameless = PrincipalHeaders::keyplane().without(PrincipalField::KeyId);
        assert!(nameless.read(&headers(&KEY)).is_ok_and(|key| key.key_id().is_none() && key.project_id().is_some()));
        let half = nameless.read(&headers(&[(PROJECT, ID), (ACCOUNT, ID)]));
        assert_eq!(half.unwrap_err().reason(), &RefusalReason::Incomplete { header: named(ENVIRONMENT) });
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
